package rest

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/connector"
	"github.com/waybillhq/waybill/internal/mapping"
)

// contentRequest is the type of a rendered document: a whole request, because
// its path and headers are made from the document too and shall be the same on
// every attempt.
const contentRequest = "application/vnd.waybill.request+json"

// request is a rendered document.
type request struct {
	Method  string            `json:"method,omitzero"`
	Path    string            `json:"path,omitzero"`
	Headers map[string]string `json:"headers,omitzero"`
	Body    jsontext.Value    `json:"body,omitzero"`
	// Instead of a request: why there is none.
	Omit        string `json:"omit,omitzero"`
	Unsupported string `json:"unsupported,omitzero"`
}

// Render makes the request of a document by its kind's path and program. A
// kind that the spec lacks becomes a request that is refused: the flow then
// goes on as with any system that says no.
func (s *system) Render(d waybill.Document) (connector.Rendered, error) {
	r, err := s.render(d)
	if err != nil {
		return connector.Rendered{}, fmt.Errorf("render %s of order %s: %w", d.Kind, d.Order, err)
	}
	b, err := waybill.Marshal(r)
	if err != nil {
		return connector.Rendered{}, fmt.Errorf("render %s of order %s: %w", d.Kind, d.Order, err)
	}
	return connector.Rendered{Body: b, ContentType: contentRequest}, nil
}

func (s *system) render(d waybill.Document) (request, error) {
	how := s.documents[d.Kind]
	switch {
	case how == nil:
		return request{Unsupported: fmt.Sprintf("the spec of %s has no request for %s", s.source.System, d.Kind)}, nil
	case how.omit != "":
		return request{Omit: how.omit}, nil
	}
	in, err := documentValue(d)
	if err != nil {
		return request{}, err
	}
	value := func(word string) (string, error) { return member(in, word) }
	r := request{Method: how.method}
	if r.Path, err = how.path.address(value); err != nil {
		return r, fmt.Errorf("path %s: %w", how.path.text, err)
	}
	for _, headers := range []map[string]template{s.headers, how.headers} {
		for name, t := range headers {
			text, err := t.fill(value)
			if err != nil {
				return r, fmt.Errorf("header %s: %w", name, err)
			}
			r.header(name, text)
		}
	}
	if how.keyHeader != "" {
		r.header(how.keyHeader, d.Key)
	}
	if how.body == nil {
		return r, nil
	}
	out, err := how.body.One(nil, in, nil)
	if err != nil {
		return r, err
	}
	if r.Body, err = mapping.Encode(out); err != nil {
		return r, fmt.Errorf("mapping %s: body%w", s.mapping.Label(), err)
	}
	return r, nil
}

// header sets a header; a line break would end it.
func (r *request) header(name, value string) {
	if r.Headers == nil {
		r.Headers = map[string]string{}
	}
	r.Headers[name] = strings.NewReplacer("\r", " ", "\n", " ").Replace(value)
}

// documentValue is a document as its program sees it: the body of T1, with
// target, lane and subject.
func documentValue(d waybill.Document) (map[string]any, error) {
	b, err := waybill.Marshal(d)
	if err != nil {
		return nil, err
	}
	v, err := mapping.Decode(b)
	if err != nil {
		return nil, err
	}
	in, ok := v.(map[string]any)
	if !ok {
		return nil, errors.New("the document is no object")
	}
	in["target"], in["lane"], in["subject"] = d.Target, d.Lane, d.Subject
	return in, nil
}

// readRequest reads a rendered document back.
func readRequest(b []byte) (request, error) {
	var r request
	if err := json.Unmarshal(b, &r); err != nil {
		return r, fmt.Errorf("the rendered request is unreadable: %w", err)
	}
	if r.Path == "" && r.Omit == "" && r.Unsupported == "" {
		return r, errors.New("the rendered request has no path")
	}
	return r, nil
}

// http is the request as it goes out, without its credential.
func (r request) http(base string) connector.Request {
	h := http.Header{"Accept": {"application/json, application/problem+json"}, "User-Agent": {"waybill"}}
	for name, value := range r.Headers {
		h[name] = []string{value}
	}
	if r.Body != nil && h.Get("Content-Type") == "" {
		h["Content-Type"] = []string{"application/json"}
	}
	return connector.Request{Method: r.Method, URL: base + r.Path, Header: h, Body: r.Body, Limit: answerBytesMax}
}
