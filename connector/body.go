package connector

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/waybillhq/waybill"
)

// Reject makes a rejection with its error.
func Reject(status int, code, field, detail, fix string) *Rejection {
	return &Rejection{Status: status, Err: waybill.Error{Code: code, Field: field, Detail: detail, Fix: fix}}
}

// CheckJSON wants exactly one JSON value in UTF-8, without names that are
// there twice in one object. What is wrong is a 400 with its position: offset
// in bytes from 0, line and column from 1.
func CheckJSON(body []byte) *Rejection {
	if jsontext.Value(body).IsValid() {
		return nil
	}
	detail, offset := "the body is empty", int64(0)
	if len(bytes.TrimSpace(body)) > 0 {
		detail, offset = syntaxFault(body)
	}
	line := 1 + bytes.Count(body[:offset], []byte("\n"))
	column := offset - int64(bytes.LastIndexByte(body[:offset], '\n'))
	return Reject(http.StatusBadRequest, "body_not_json", "body",
		fmt.Sprintf("the body is not JSON: %s at offset %d (line %d, column %d)", detail, offset, line, column),
		"send one JSON value in UTF-8")
}

func syntaxFault(body []byte) (detail string, offset int64) {
	dec := jsontext.NewDecoder(bytes.NewBuffer(body))
	_, err := dec.ReadValue()
	if err == nil {
		if _, err = dec.ReadToken(); errors.Is(err, io.EOF) {
			return "it can't be read", 0
		}
		if err == nil {
			return "something follows the value", min(dec.InputOffset(), int64(len(body)))
		}
	}
	if s := (*jsontext.SyntacticError)(nil); errors.As(err, &s) {
		return strings.TrimPrefix(s.Err.Error(), "jsontext: "), min(s.ByteOffset, int64(len(body)))
	}
	return "it ends too early", int64(len(body))
}

// CheckJSONType wants a Content-Type of JSON in UTF-8: application/json or a
// type that ends in +json. Anything else is a 415.
func CheckJSONType(h http.Header) *Rejection {
	value := h.Get("Content-Type")
	if value == "application/json" {
		return nil
	}
	media, params, err := mime.ParseMediaType(value)
	charset := params["charset"]
	isJSON := media == "application/json" || strings.HasPrefix(media, "application/") && strings.HasSuffix(media, "+json")
	if err == nil && isJSON && (charset == "" || strings.EqualFold(charset, "utf-8")) {
		return nil
	}
	return Reject(http.StatusUnsupportedMediaType, "content_type", "Content-Type",
		fmt.Sprintf("the content type %q is not JSON in UTF-8", value), "send application/json")
}
