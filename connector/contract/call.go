package contract

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/connector"
)

// answerBytesMax bounds the answer to a document or a look-up, pageBytesMax a
// page of a journal or of master data.
const (
	answerBytesMax = 1 << 20
	pageBytesMax   = 16 << 20
)

// reply is an answer whose body was read to its end.
type reply struct {
	status int
	header http.Header
	body   []byte
}

// media is the type of the body, without its parameters.
func (r reply) media() string {
	media, _, err := mime.ParseMediaType(r.header.Get("Content-Type"))
	if err != nil {
		return ""
	}
	return media
}

// words is status and reason: "504 Gateway Timeout".
func (r reply) words() string {
	if text := http.StatusText(r.status); text != "" {
		return strconv.Itoa(r.status) + " " + text
	}
	return strconv.Itoa(r.status)
}

var errTooLong = errors.New("the answer is longer than the limit")

// do sends one request and reads its answer. After an error, status is set
// where the head of the answer had arrived.
func (s *system) do(req *http.Request, limit int64) (reply, error) {
	if s.token != "" {
		req.Header["Authorization"] = []string{"Bearer " + s.token}
	}
	req.Header["Accept"] = []string{"application/json, application/problem+json"}
	req.Header["User-Agent"] = []string{"waybill"}
	resp, err := s.client.Do(req)
	if err != nil {
		return reply{}, plainError(err)
	}
	defer resp.Body.Close()
	r := reply{status: resp.StatusCode, header: resp.Header}
	body, err := readBody(resp, limit)
	switch {
	case err != nil:
		return r, fmt.Errorf("the answer %s broke off: %w", r.words(), err)
	case int64(len(body)) > limit:
		return r, fmt.Errorf("%s: %w of %d bytes", r.words(), errTooLong, limit)
	}
	r.body = body
	return r, nil
}

// readBody reads an answer of at most limit bytes, or one byte more. A length
// that was announced saves growing into it.
func readBody(resp *http.Response, limit int64) ([]byte, error) {
	if n := resp.ContentLength; n >= 0 && n <= limit {
		body := make([]byte, n)
		_, err := io.ReadFull(resp.Body, body)
		return body, err
	}
	return io.ReadAll(io.LimitReader(resp.Body, limit+1))
}

// get is do for a question (T2 to T6), in the trace of the document that it is
// about; one about no document is in the system's own trace.
func (s *system) get(ctx context.Context, path, traceparent string, limit int64) (reply, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.base+path, http.NoBody)
	if err != nil {
		return reply{}, err
	}
	if traceparent == "" {
		traceparent = waybill.Traceparent("~~"+s.source.System, path)
	}
	req.Header["Traceparent"] = []string{traceparent}
	return s.do(req, limit)
}

// answered is get for questions whose only good answer is 200. A refused
// credential is a [connector.Rejection] with 401.
func (s *system) answered(ctx context.Context, path string, limit int64) (reply, error) {
	r, err := s.get(ctx, path, "", limit)
	switch {
	case err != nil:
		return r, err
	case r.status == http.StatusUnauthorized:
		return r, connector.Reject(http.StatusUnauthorized, "unauthorized", "",
			fmt.Sprintf("system %s refuses Waybill's credential", s.source.System),
			"renew the system's token, then resume the system")
	case r.status != http.StatusOK:
		return r, fmt.Errorf("it answered %s", r.words())
	}
	return r, nil
}

// plainError takes the method and the address off an error of the client: both
// are known to whoever reads it.
func plainError(err error) error {
	if u := (*url.Error)(nil); errors.As(err, &u) {
		return u.Err
	}
	return err
}

// retryAfter reads the header of that name as the time until which nothing may
// be sent; ok is false where it is missing or unreadable.
func (s *system) retryAfter(h http.Header) (until time.Time, ok bool) {
	return connector.RetryAfter(h, s.now())
}
