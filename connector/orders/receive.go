package orders

import (
	"net/http"
	"strings"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/connector"
)

const headerKey = "Idempotency-Key"

type receiver struct{}

// Receive takes the Idempotency-Key as the message's id. Whoever calls it has
// authenticated the sender.
func (receiver) Receive(in connector.Inbound) (connector.Envelope, error) {
	values := in.Header[headerKey]
	if len(values) == 0 {
		return connector.Envelope{}, reject("header_missing", "the header is missing")
	}
	key, ok := unquote(values[0])
	if len(values) > 1 || !ok || !waybill.ValidID(key) {
		return connector.Envelope{}, reject("header_malformed", "the header is no valid key")
	}
	if r := connector.CheckJSONType(in.Header); r != nil {
		return connector.Envelope{}, r
	}
	if r := connector.CheckJSON(in.Body); r != nil {
		return connector.Envelope{}, r
	}
	return connector.Envelope{ID: key}, nil
}

func reject(code, detail string) *connector.Rejection {
	return connector.Reject(http.StatusBadRequest, code, headerKey, detail,
		"send one key per order, bare or as a quoted string, of 1 to 128 of the characters A-Z a-z 0-9 . _ ~ -")
}

// unquote reads the value bare or as the string of RFC 8941 that the
// Idempotency-Key draft asks for. A key has no characters that need escaping.
func unquote(value string) (string, bool) {
	value = strings.Trim(value, " \t")
	inner, quoted := strings.CutPrefix(value, `"`)
	if !quoted {
		return value, true
	}
	return strings.CutSuffix(inner, `"`)
}
