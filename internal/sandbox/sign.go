package sandbox

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
)

// standardSecret reads a Standard Webhooks secret: "whsec_" and base64.
func standardSecret(s string) ([]byte, error) {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(s, "whsec_"))
	if err != nil {
		return nil, fmt.Errorf("read webhook secret: %w; it is whsec_ and base64", err)
	}
	if len(key) == 0 {
		return nil, fmt.Errorf("read webhook secret: it is empty")
	}
	return key, nil
}

// standardSignature signs one attempt of a push as Standard Webhooks 1.0 says
// (system contract W1).
func standardSignature(secret []byte, id, timestamp string, body []byte) string {
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(id))
	mac.Write([]byte{'.'})
	mac.Write([]byte(timestamp))
	mac.Write([]byte{'.'})
	mac.Write(body)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// shopSignature signs a body as Shopify does: base64 of the HMAC-SHA256 over
// the raw body, with the app's client secret as it stands.
func shopSignature(secret string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// contentDigest gives the value of Content-Digest over body (RFC 9530).
func contentDigest(sum [32]byte) string {
	return "sha-256=:" + base64.StdEncoding.EncodeToString(sum[:]) + ":"
}

// packageCode gives the SSCC of a package: extension digit, a company prefix
// of the documentation range, a serial number and GS1's check digit.
func packageCode(serial int) string {
	digits := fmt.Sprintf("09521234%09d", serial%1_000_000_000)
	return digits + string(checkDigit(digits))
}

// checkDigit is GS1's: weights 3 and 1 from the right, to the next ten.
func checkDigit(digits string) byte {
	sum := 0
	for i := range len(digits) {
		weight := 1
		if (len(digits)-i)%2 == 1 {
			weight = 3
		}
		sum += int(digits[i]-'0') * weight
	}
	return byte('0' + (10-sum%10)%10)
}
