package api

import (
	"bytes"
	"fmt"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/connector"
	"github.com/waybillhq/waybill/internal/intake"
)

const (
	typeJSON   = "application/json"
	typeNDJSON = "application/x-ndjson"
)

// write answers with one value.
func (c *call) write(status int, v any) error {
	b, err := waybill.Marshal(v)
	if err != nil {
		return fmt.Errorf("write the answer: %w", err)
	}
	c.send(status, typeJSON, b)
	return nil
}

func (c *call) send(status int, contentType string, b []byte) {
	c.w.Header().Set("Content-Type", contentType)
	c.w.Header().Set("Content-Length", strconv.Itoa(len(b)))
	c.w.WriteHeader(status)
	_, _ = c.w.Write(b) // the caller has left
}

// writeList answers with a page: a JSON array, or one entry a line where the
// caller accepts NDJSON. more says that there is another page, which begins
// after next.
func writeList[T any](c *call, page []T, more bool, next int64) error {
	if more {
		c.w.Header().Set("Next-Cursor", strconv.FormatInt(next, 10))
	}
	c.w.Header().Set("Vary", "Accept")
	if !wantsLines(c.Header.Values("Accept")) {
		if page == nil {
			page = []T{}
		}
		return c.write(http.StatusOK, page)
	}
	var buf bytes.Buffer
	for i := range page {
		b, err := waybill.Marshal(page[i])
		if err != nil {
			return fmt.Errorf("write the answer: %w", err)
		}
		buf.Write(b)
		buf.WriteByte('\n')
	}
	c.send(http.StatusOK, typeNDJSON, buf.Bytes())
	return nil
}

// cut shortens a list that was read one entry longer than its page.
func cut[T any](page []T, limit int) ([]T, bool) {
	if len(page) > limit {
		return page[:limit], true
	}
	return page, false
}

// wantsLines reports whether the caller accepts NDJSON, by any of its names.
func wantsLines(accept []string) bool {
	for _, entry := range strings.Split(strings.Join(accept, ","), ",") {
		media, params, err := mime.ParseMediaType(entry)
		if err != nil || params["q"] == "0" {
			continue
		}
		switch media {
		case typeNDJSON, "application/ndjson", "application/jsonl":
			return true
		}
	}
	return false
}

// actionBytes is the size above which the body of an action is refused.
const actionBytes = 64 << 10

// read decodes the body into v. Fields that v lacks are ignored (G2); a body
// that is not there leaves v as it is.
func (c *call) read(v any) error {
	body, err := intake.ReadBody(c.w, c.Request, actionBytes)
	if err != nil || len(body) == 0 {
		return err
	}
	if r := connector.CheckJSONType(c.Header); r != nil {
		return r
	}
	if r := connector.CheckJSON(body); r != nil {
		return r
	}
	if err := waybill.Unmarshal(body, v); err != nil {
		return reject(http.StatusBadRequest, "body_malformed", "body", err.Error(), "send an object with the fields of /openapi.json")
	}
	return nil
}
