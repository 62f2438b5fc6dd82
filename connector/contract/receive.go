package contract

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/connector"
)

// clockTolerance is how far the time of an attempt may lie from Waybill's
// clock, either way (W1).
const clockTolerance = 300 * time.Second

// signaturesMax bounds the list in webhook-signature; a rotation needs two.
const signaturesMax = 16

// The headers of W1 in the form that net/http keeps them.
const (
	headerID        = "Webhook-Id"
	headerTimestamp = "Webhook-Timestamp"
	headerSignature = "Webhook-Signature"
)

// decodeSecret reads a secret as Standard Webhooks writes it.
func decodeSecret(s string) ([]byte, error) {
	encoded, ok := strings.CutPrefix(s, "whsec_")
	if !ok {
		return nil, errors.New("want whsec_ and base64")
	}
	key, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		key, err = base64.RawStdEncoding.DecodeString(encoded)
	}
	if err != nil || len(key) == 0 {
		// The secret itself stays out of the error: errors are logged.
		return nil, errors.New("what follows whsec_ is not base64")
	}
	return key, nil
}

// Receive verifies a push as W1 asks. Nothing of the body is decoded before
// its signature holds.
func (s *system) Receive(in connector.Inbound) (connector.Envelope, error) {
	id, err := one(in.Header, headerID)
	if err != nil {
		return connector.Envelope{}, err
	}
	if !waybill.ValidID(id) {
		return connector.Envelope{}, malformed(headerID, "is no valid id",
			"send 1 to 128 of the characters A-Z a-z 0-9 . _ ~ - (G1)")
	}
	timestamp, err := one(in.Header, headerTimestamp)
	if err != nil {
		return connector.Envelope{}, err
	}
	seconds, bad := strconv.ParseUint(timestamp, 10, 40)
	if bad != nil {
		return connector.Envelope{}, malformed(headerTimestamp, "is no time", "send the unix time of this attempt in seconds")
	}
	signatures, err := one(in.Header, headerSignature)
	if err != nil {
		return connector.Envelope{}, err
	}
	candidates, err := parseSignatures(signatures)
	if err != nil {
		return connector.Envelope{}, err
	}
	if r := connector.CheckJSONType(in.Header); r != nil {
		return connector.Envelope{}, r
	}
	if off := in.Now.Sub(time.Unix(int64(seconds), 0)); off > clockTolerance || off < -clockTolerance { //nolint:gosec // 40 bits
		return connector.Envelope{}, connector.Reject(http.StatusUnauthorized, "timestamp_out_of_window", headerTimestamp,
			fmt.Sprintf("the time lies %s from Waybill's clock, more than the %s allowed", off.Abs().Truncate(time.Second), clockTolerance),
			"set the clock, and send the time of this attempt instead of the first one's")
	}
	if !s.signed(id, timestamp, in.Body, candidates) {
		return connector.Envelope{}, connector.Reject(http.StatusUnauthorized, "signature_wrong", headerSignature,
			"no signature in the list is right for id, time and body",
			"sign id.timestamp.body with the system's webhook secret, over the bytes as they are sent")
	}
	if r := connector.CheckJSON(in.Body); r != nil {
		return connector.Envelope{}, r
	}
	return connector.Envelope{ID: id}, nil
}

// signed compares every signature with every secret's, each in constant time,
// and does not stop at the first hit.
func (s *system) signed(id, timestamp string, body []byte, candidates [][]byte) bool {
	held := false
	var sum [sha256.Size]byte
	for _, secret := range s.secrets {
		mac := hmac.New(sha256.New, secret)
		mac.Write([]byte(id))
		mac.Write([]byte{'.'})
		mac.Write([]byte(timestamp))
		mac.Write([]byte{'.'})
		mac.Write(body)
		want := mac.Sum(sum[:0])
		for _, got := range candidates {
			if hmac.Equal(want, got) {
				held = true
			}
		}
	}
	return held
}

// parseSignatures reads a list of "version,base64" and keeps those of version
// v1. What is no base64 can't be right and is left out.
func parseSignatures(list string) ([][]byte, error) {
	var sums [][]byte
	entries := 0
	for entry := range strings.FieldsSeq(list) {
		version, encoded, ok := strings.Cut(entry, ",")
		if !ok || version == "" {
			return nil, malformed(headerSignature, "is no list of signatures", "send v1,<base64>, separated by spaces")
		}
		if entries++; entries > signaturesMax {
			return nil, malformed(headerSignature, fmt.Sprintf("lists more than %d signatures", signaturesMax),
				"sign with the secrets in use only")
		}
		if version != "v1" {
			continue
		}
		if sum, err := base64.StdEncoding.DecodeString(encoded); err == nil {
			sums = append(sums, sum)
		}
	}
	if entries == 0 {
		return nil, malformed(headerSignature, "is empty", "send v1,<base64>")
	}
	return sums, nil
}

// one wants a header that is there exactly once.
func one(h http.Header, name string) (string, error) {
	values := h[name]
	switch len(values) {
	case 0:
		return "", connector.Reject(http.StatusBadRequest, "header_missing", strings.ToLower(name),
			"the header is missing", "sign the push as Standard Webhooks 1.0 says")
	case 1:
		return values[0], nil
	}
	return "", malformed(name, "is there more than once", "send it once")
}

func malformed(name, what, fix string) *connector.Rejection {
	return connector.Reject(http.StatusBadRequest, "header_malformed", strings.ToLower(name), "the header "+what, fix)
}
