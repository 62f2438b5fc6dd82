package waybill

import (
	"crypto/sha256"
	"fmt"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

func unmarshalStrict(b []byte, v any) error { return json.Unmarshal(b, v) }

func marshalEncode(enc *jsontext.Encoder, v any) error { return json.MarshalEncode(enc, v) }

// Marshal writes v as the compact JSON of the canonical model: fields in the
// order of their declaration, unknown ones after them, map keys sorted.
func Marshal(v any) ([]byte, error) { return json.Marshal(v, json.Deterministic(true)) }

// Unmarshal reads JSON of the canonical model. Field names are matched
// exactly, duplicate names and bytes that are no UTF-8 are refused.
func Unmarshal(b []byte, v any) error { return json.Unmarshal(b, v) }

// ContentDigest is the SHA-256 over the canonical form of a JSON value
// (RFC 8785), by which two facts of one subject and version are compared: the
// same content in another field order or spacing has the same digest.
func ContentDigest(data []byte) ([32]byte, error) {
	v := jsontext.Value(data).Clone()
	if err := v.Canonicalize(jsontext.AllowDuplicateNames(true)); err != nil {
		return [32]byte{}, fmt.Errorf("canonical form (RFC 8785) of the fact: %w", err)
	}
	return sha256.Sum256(v), nil
}
