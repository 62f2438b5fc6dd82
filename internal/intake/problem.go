package intake

import (
	"net/http"
	"strconv"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/waybillhq/waybill"
)

// Problem is the body of every error answer (RFC 9457), with the contract's
// code (G3), the field at fault and what to do.
type Problem struct {
	Type   string `json:"type"` // about:blank: Code says what it is
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
	Code   string `json:"code"` // snake_case, stable
	Field  string `json:"field,omitzero"`
	Fix    string `json:"fix,omitzero"`
}

// WriteProblem answers with an error. One that asks to come again (429, 503)
// says when.
func WriteProblem(w http.ResponseWriter, status int, e waybill.Error) {
	p := Problem{Type: "about:blank", Title: http.StatusText(status), Status: status,
		Detail: e.Detail, Code: e.Code, Field: e.Field, Fix: e.Fix}
	b, err := json.Marshal(p, jsontext.AllowInvalidUTF8(true)) // details may quote what was sent
	if err != nil {                                            // strings and a number only
		b = []byte("{}")
	}
	h := w.Header()
	h.Set("Content-Type", "application/problem+json")
	h.Set("Content-Length", strconv.Itoa(len(b)))
	if status == http.StatusServiceUnavailable || status == http.StatusTooManyRequests {
		h.Set("Retry-After", "1")
	}
	w.WriteHeader(status)
	_, _ = w.Write(b) // nobody is left to be told
}
