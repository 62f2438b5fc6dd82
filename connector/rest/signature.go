package rest

import (
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // some systems sign with it; as a MAC it holds
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"slices"
	"strings"
)

// signatureBody is one way of signing with HMAC.
type signatureBody struct {
	Header    string `yaml:"header"`
	Algorithm string `yaml:"algorithm"`
	Encoding  string `yaml:"encoding"`
	Prefix    string `yaml:"prefix"`
	Payload   string `yaml:"payload"`
	Secret    string `yaml:"secret"`
	KeyID     string `yaml:"key_id"`

	payload template
}

// check fills in what is left out and says what is wrong; words are the places
// that the payload may have.
func (b *signatureBody) check(r *reader, words []string, path ...any) {
	at := func(key string) []any { return append(slices.Clone(path), key) }
	if b.Header == "" {
		r.y.Wrong("is missing", "name the header that carries the signature", at("header")...)
	}
	if b.Algorithm == "" {
		b.Algorithm = "sha256"
	}
	if b.Encoding == "" {
		b.Encoding = "hex"
	}
	if b.Secret == "" {
		b.Secret = "text"
	}
	if b.Payload == "" {
		b.Payload = "{body}"
	}
	r.oneOf(b.Algorithm, []string{"sha1", "sha256", "sha512"}, at("algorithm")...)
	r.oneOf(b.Encoding, []string{"hex", "base64"}, at("encoding")...)
	r.oneOf(b.Secret, []string{"text", "hex", "base64"}, at("secret")...)
	var err error
	if b.payload, err = parseTemplate(b.Payload); err != nil {
		r.y.Wrong(err.Error(), "", at("payload")...)
	}
	for _, word := range b.payload.words() {
		if !slices.Contains(words, word) {
			r.y.Wrong(fmt.Sprintf("there is no {%s} here", word), "there are {"+strings.Join(words, "}, {")+"}", at("payload")...)
		}
	}
	if used := b.payload.words(); !slices.Contains(used, "body") && !slices.Contains(used, "digest") {
		r.y.Wrong("does not cover the body", "add {body}, or {digest} where its hash is signed: whatever is not signed can be changed on the way", at("payload")...)
	}
}

func (b *signatureBody) hash() func() hash.Hash {
	switch b.Algorithm {
	case "sha1":
		return sha1.New
	case "sha512":
		return sha512.New
	}
	return sha256.New
}

// key reads a secret as the scheme writes it. The secret stays out of errors:
// they are logged.
func (b *signatureBody) key(secret string) ([]byte, error) {
	var key []byte
	var err error
	switch b.Secret {
	case "hex":
		key, err = hex.DecodeString(secret)
	case "base64":
		key, err = base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	default:
		key = []byte(secret)
	}
	if err != nil || len(key) == 0 {
		return nil, errors.New("the secret is not written in " + b.Secret)
	}
	return key, nil
}

// sum is the signature's bytes.
func (b *signatureBody) sum(key []byte, value func(word string) (string, error)) ([]byte, error) {
	payload, err := b.payload.fill(value)
	if err != nil {
		return nil, err
	}
	mac := hmac.New(b.hash(), key)
	mac.Write([]byte(payload))
	return mac.Sum(nil), nil
}

// sign is the signature as its header carries it.
func (b *signatureBody) sign(secret []byte, value func(word string) (string, error)) (string, error) {
	key, err := b.key(string(secret))
	if err != nil {
		return "", err
	}
	sum, err := b.sum(key, value)
	if err != nil {
		return "", err
	}
	return strings.ReplaceAll(b.Prefix, "{key_id}", b.KeyID) + b.encode(sum), nil
}

func (b *signatureBody) encode(sum []byte) string {
	if b.Encoding == "base64" {
		return base64.StdEncoding.EncodeToString(sum)
	}
	return hex.EncodeToString(sum)
}

// decode reads the signature of a header; false where it has another form.
func (b *signatureBody) decode(text string) ([]byte, bool) {
	encoded, ok := strings.CutPrefix(text, b.Prefix)
	if !ok {
		return nil, false
	}
	var sum []byte
	var err error
	if b.Encoding == "base64" {
		sum, err = base64.StdEncoding.DecodeString(encoded)
	} else {
		sum, err = hex.DecodeString(encoded)
	}
	return sum, err == nil
}

// digest is the hash of a body in the signature's encoding.
func (b *signatureBody) digest(body []byte) string {
	h := b.hash()()
	h.Write(body)
	return b.encode(h.Sum(nil))
}
