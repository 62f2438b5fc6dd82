package shopify

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptrace"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/waybillhq/waybill"
)

const (
	answerBytesMax = 1 << 20
	retryAfterMax  = time.Hour
)

// reply is a GraphQL answer. Failures come as HTTP 200 with errors in it.
type reply struct {
	Data       jsontext.Value `json:"data"`
	Errors     []graphqlError `json:"errors"`
	Extensions struct {
		Cost struct {
			Requested      float64 `json:"requestedQueryCost"`
			ThrottleStatus struct {
				Available   float64 `json:"currentlyAvailable"`
				RestoreRate float64 `json:"restoreRate"`
			} `json:"throttleStatus"`
		} `json:"cost"`
	} `json:"extensions"`
	header http.Header
}

type graphqlError struct {
	Message    string `json:"message"`
	Extensions struct {
		Code string `json:"code"`
	} `json:"extensions"`
}

// call sends one GraphQL document, at most once, and reads data into out. A
// non-nil outcome is why there is no data.
func (s *shop) call(ctx context.Context, document string, variables, out any) (reply, *waybill.Outcome) {
	body, err := json.Marshal(struct {
		Query     string `json:"query"`
		Variables any    `json:"variables,omitzero"`
	}{document, variables})
	if err != nil {
		return reply{}, refusal("bad_document", "the variables cannot be written: "+err.Error())
	}
	connected := false
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { connected = true }})
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.endpoint, bytes.NewReader(body))
	if err != nil {
		return reply{}, &waybill.Outcome{Verdict: waybill.Misconfigured, Note: err.Error()}
	}
	req.GetBody = nil // without it nobody below can send the request again
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	req.Header.Set("X-Shopify-Access-Token", s.env.Token)
	resp, err := s.env.Client.Do(req)
	if err != nil {
		if !connected {
			return reply{}, &waybill.Outcome{Verdict: waybill.NotSent, Note: err.Error()}
		}
		return reply{}, doubt("no answer: " + err.Error())
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, answerBytesMax+1))
	switch {
	case resp.StatusCode != http.StatusOK:
		return reply{}, s.byStatus(resp, text)
	case err != nil:
		return reply{}, doubt("the answer broke off: " + err.Error())
	case len(text) > answerBytesMax:
		return reply{}, doubt("the answer is longer than " + strconv.Itoa(answerBytesMax) + " bytes")
	}
	var r reply
	if err := json.Unmarshal(text, &r); err != nil {
		return reply{}, doubt("the answer is not the JSON of GraphQL: " + err.Error())
	}
	r.header = resp.Header
	if o := s.byErrors(r); o != nil {
		return r, o
	}
	if err := json.Unmarshal(r.Data, out); err != nil {
		return r, doubt("the answer's data cannot be read: " + err.Error())
	}
	return r, nil
}

// byStatus sorts an answer that is not 200.
func (s *shop) byStatus(resp *http.Response, text []byte) *waybill.Outcome {
	code := resp.StatusCode
	note := fmt.Sprintf("%d %s", code, http.StatusText(code))
	if len(text) > 0 && len(text) <= 300 {
		note += ": " + strings.ToValidUTF8(string(bytes.TrimSpace(text)), "�")
	}
	switch {
	case code == http.StatusTooManyRequests:
		return &waybill.Outcome{Verdict: waybill.Throttled, RetryAfter: s.retryAfter(resp.Header), Note: note}
	case code == http.StatusUnauthorized, code == http.StatusForbidden:
		return &waybill.Outcome{Verdict: waybill.Unauthorized, Note: note}
	case code >= 500, code < 300, code == http.StatusRequestTimeout, code == http.StatusTooEarly:
		return doubt(note)
	}
	// 402 a frozen shop, 404 a wrong address or version, 423 a locked shop, 3xx.
	return &waybill.Outcome{Verdict: waybill.Misconfigured, Note: note}
}

// retryAfter reads the header as seconds or as a date; zero where it has none.
func (s *shop) retryAfter(h http.Header) time.Time {
	v, now := h.Get("Retry-After"), s.env.Now()
	if v == "" {
		return time.Time{}
	}
	at := now.Add(time.Second)
	if secs, err := strconv.ParseFloat(v, 64); err == nil && secs > 0 {
		at = now.Add(time.Duration(min(secs, retryAfterMax.Seconds()) * float64(time.Second)))
	} else if date, err := http.ParseTime(v); err == nil && date.After(at) {
		at = date
	}
	if latest := now.Add(retryAfterMax); at.After(latest) {
		return latest
	}
	return at
}

// byErrors sorts the errors of an answer 200. Without a member data nothing
// was executed (GraphQL, section 7.1), so the errors are the shop's judgement;
// with it some of it may have been.
func (s *shop) byErrors(r reply) *waybill.Outcome {
	if len(r.Errors) == 0 {
		if r.Data.Kind() != '{' {
			return doubt("the answer holds neither data nor errors")
		}
		return nil
	}
	code, message := r.Errors[0].Extensions.Code, r.Errors[0].Message
	note := strings.TrimSpace(code + " " + message)
	switch code {
	case "THROTTLED":
		return &waybill.Outcome{Verdict: waybill.Throttled, RetryAfter: s.refilled(r), Note: note}
	case "ACCESS_DENIED":
		return &waybill.Outcome{Verdict: waybill.Forbidden, Note: note,
			Problem: waybill.Problem{Code: "access_denied", Detail: message}}
	case "SHOP_INACTIVE":
		return &waybill.Outcome{Verdict: waybill.Misconfigured, Note: note}
	case "INTERNAL_SERVER_ERROR", "TIMEOUT":
		return doubt(note)
	}
	if k := r.Data.Kind(); k == '{' || k == 'n' {
		return doubt(note)
	}
	return refusal(snake(code), message)
}

// refilled is when the bucket holds enough points for the refused document.
func (s *shop) refilled(r reply) time.Time {
	cost := r.Extensions.Cost
	missing, rate := cost.Requested-cost.ThrottleStatus.Available, cost.ThrottleStatus.RestoreRate
	wait := time.Second
	if missing > 0 && rate > 0 {
		wait = time.Duration(math.Ceil(missing/rate)) * time.Second
	}
	return s.env.Now().Add(min(wait, retryAfterMax))
}

// snake writes a code of Shopify's ("undefinedField", "MAX_COST_EXCEEDED") as
// codes are written here.
func snake(code string) string {
	if code == "" {
		return "graphql_error"
	}
	var b strings.Builder
	for i := 0; i < len(code); i++ {
		c := code[i]
		upper := c >= 'A' && c <= 'Z'
		if upper && i > 0 && code[i-1] >= 'a' && code[i-1] <= 'z' {
			b.WriteByte('_')
		}
		if upper {
			c += 'a' - 'A'
		}
		b.WriteByte(c)
	}
	return b.String()
}

func doubt(note string) *waybill.Outcome {
	return &waybill.Outcome{Verdict: waybill.InDoubt, Note: note}
}

func refusal(code, detail string) *waybill.Outcome {
	return &waybill.Outcome{Verdict: waybill.Refused, Note: code + ": " + detail,
		Problem: waybill.Problem{Code: code, Detail: detail}}
}

// userErrors are Shopify's refusals inside the data of an answer.
type userErrors []struct {
	Code    string   `json:"code"`
	Field   []string `json:"field"`
	Message string   `json:"message"`
}

// refused is the outcome of them, nil where there are none.
func (u userErrors) refused() *waybill.Outcome {
	if len(u) == 0 {
		return nil
	}
	code, detail := "user_error", u[0].Message
	if u[0].Code != "" {
		code = snake(u[0].Code)
	}
	if len(u[0].Field) > 0 {
		detail = strings.Join(u[0].Field, ".") + ": " + detail
	}
	return refusal(code, detail)
}

var errDocument = errors.New("the stored body is no task of this connector")

// readTask reads back what Render wrote.
func readTask(body []byte) (task, error) {
	var t task
	if err := json.Unmarshal(body, &t); err != nil {
		return task{}, fmt.Errorf("%w: %w", errDocument, err)
	}
	if t.Operation != opFulfil && (t.Operation != opAnswer || t.Mark == nil) {
		return task{}, errDocument
	}
	return t, nil
}
