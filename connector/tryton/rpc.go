package tryton

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/connector"
)

const (
	answerMax = 16 << 20
	// loginRest is the rest after a refused login, doubled up to loginRestMax:
	// Tryton answers wrong passwords ever more slowly and then bars the address.
	loginRest    = 30 * time.Second
	loginRestMax = 15 * time.Minute
)

// session is a login: its header and the context that every call ends with.
type session struct {
	header  string
	context map[string]any
	user    int64
	company int64
}

// fault is a call that did not end well, sorted. What Tryton answered with a
// fault of its own was rolled back: that call changed nothing.
type fault struct {
	waybill.Outcome
	warning string // the name of a warning that can be acknowledged
	user    bool   // Tryton's own rules said no
}

// Error says what happened.
func (f *fault) Error() string { return f.Note }

func failed(v waybill.Verdict, code, detail string) *fault {
	return &fault{Outcome: waybill.Outcome{Verdict: v, Note: code + ": " + detail,
		Problem: waybill.Problem{Code: code, Detail: detail}}}
}

func refusal(code, line, format string, args ...any) *fault {
	f := failed(waybill.Refused, code, fmt.Sprintf(format, args...))
	f.Problem.Line = line
	return f
}

// open gives the session, after a login where there is none.
func (e *erp) open(ctx context.Context) (*session, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.session != nil {
		return e.session, nil
	}
	if now := e.env.Now(); now.Before(e.barred) {
		return nil, failed(waybill.Unauthorized, "login_refused", "the login was refused before; the next one is tried at "+e.barred.UTC().Format(time.RFC3339))
	}
	var key []jsontext.Value
	err := e.send(ctx, nil, "common.db.login", &key, e.user, map[string]any{"password": e.env.Token})
	if err == nil && len(key) != 2 {
		err = failed(waybill.Unauthorized, "login_refused", "Tryton knows no user "+e.user+" with this password")
	}
	if f := (*fault)(nil); errors.As(err, &f) && f.Verdict == waybill.Unauthorized {
		e.barred = e.env.Now().Add(min(loginRest<<min(e.refused, 10), loginRestMax))
		e.refused++
	}
	if err != nil {
		return nil, err
	}
	id, _ := strconv.ParseInt(string(key[0]), 10, 64)
	var token string
	if err := waybill.Unmarshal(key[1], &token); err != nil || id == 0 {
		return nil, failed(waybill.NotSent, "login_unreadable", "the answer to the login can't be read")
	}
	s := &session{user: id, header: "Session " + base64.StdEncoding.EncodeToString([]byte(e.user+":"+string(key[0])+":"+token))}
	if err := e.send(ctx, s, "model.res.user.get_preferences", &s.context, true, map[string]any{}); err != nil {
		return nil, err
	}
	for name := range s.context {
		if strings.HasSuffix(name, ".rec_name") {
			delete(s.context, name)
		}
	}
	company, ok := s.context["company"].(float64)
	if !ok {
		return nil, failed(waybill.Misconfigured, "no_company", "user "+e.user+" works in no company: give it one in Tryton")
	}
	s.company = int64(company)
	e.session, e.refused, e.barred = s, 0, time.Time{}
	return s, nil
}

// expire forgets a session that was refused, unless another login took its place.
func (e *erp) expire(s *session) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.session == s {
		e.session = nil
	}
}

// invoke makes a call within a session; extra is laid over its context. A
// session that has expired is refused before anything ran, so it is renewed
// and the call made again, once.
func (e *erp) invoke(ctx context.Context, extra map[string]any, method string, out any, params ...any) error {
	for again := false; ; again = true {
		s, err := e.open(ctx)
		if err != nil {
			return err
		}
		full := s.context
		if len(extra) > 0 {
			full = maps.Clone(full)
			maps.Copy(full, extra)
		}
		err = e.send(ctx, s, method, out, append(params[:len(params):len(params)], full)...)
		if f := (*fault)(nil); !errors.As(err, &f) || f.Verdict != waybill.Unauthorized {
			return err
		}
		e.expire(s)
		if again {
			return err
		}
	}
}

// send makes one request and reads its answer.
func (e *erp) send(ctx context.Context, s *session, method string, out any, params ...any) error {
	body, err := waybill.Marshal(struct {
		ID     int    `json:"id"`
		Method string `json:"method"`
		Params []any  `json:"params"`
	}{1, method, params})
	if err != nil {
		return failed(waybill.Refused, "cannot_write", "the call "+method+" can't be written as JSON: "+err.Error())
	}
	h := http.Header{"Content-Type": {"application/json"}, "Accept": {"application/json"}}
	if s != nil {
		h["Authorization"] = []string{s.header}
	}
	a, err := connector.Send(ctx, e.env.Client, connector.Request{Method: http.MethodPost, URL: e.url, Header: h, Body: body, Limit: answerMax})
	if n := (*connector.NotSentError)(nil); errors.As(err, &n) {
		return failed(waybill.NotSent, "not_sent", method+": "+err.Error())
	}
	if err != nil {
		return failed(waybill.InDoubt, "no_answer", method+": "+err.Error())
	}
	if a.Status != http.StatusOK {
		return e.status(a, method)
	}
	var answer struct {
		Result jsontext.Value `json:"result"`
		Error  jsontext.Value `json:"error"`
	}
	if err := waybill.Unmarshal(a.Body, &answer); err != nil {
		return failed(waybill.InDoubt, "unreadable", method+": the answer is no JSON-RPC: "+err.Error())
	}
	switch {
	case len(answer.Error) > 0:
		return classify(method, answer.Error)
	case len(answer.Result) == 0:
		return failed(waybill.InDoubt, "unreadable", method+": the answer has neither result nor error")
	case out == nil:
		return nil
	}
	if err := waybill.Unmarshal(answer.Result, out); err != nil {
		return failed(waybill.InDoubt, "unreadable", method+": "+err.Error())
	}
	return nil
}

// status sorts an answer that is no 200. Tryton uses 401 and 403 for the
// session and the rights, 429 for logins that come too fast, and 409 and 423
// for what it rolled back.
func (e *erp) status(a connector.Answer, method string) *fault {
	words := method + ": " + a.Words()
	switch {
	case a.Status == http.StatusUnauthorized:
		return failed(waybill.Unauthorized, "session_expired", words)
	case a.Status == http.StatusForbidden:
		return failed(waybill.Forbidden, "forbidden", words)
	case a.Status == http.StatusTooManyRequests, a.Status == http.StatusServiceUnavailable && a.Header.Get("Retry-After") != "":
		f := failed(waybill.Throttled, "throttled", words)
		f.RetryAfter, _ = connector.RetryAfter(a.Header, e.env.Now())
		return f
	case a.Status == http.StatusConflict, a.Status == http.StatusLocked:
		return failed(waybill.NotSent, "concurrency", words)
	case a.Status >= 300 && a.Status < 400, a.Status == http.StatusNotFound, a.Status == http.StatusMethodNotAllowed:
		return failed(waybill.Misconfigured, "no_tryton", words+": no Tryton database answers at "+e.url)
	}
	return failed(waybill.InDoubt, "status_"+strconv.Itoa(a.Status), words)
}

// transient are parts of the texts with which Tryton's database gives up a
// transaction that may be tried again as it is.
var transient = []string{"database is locked", "could not serialize", "deadlock detected", "could not obtain lock"}

// classify sorts a fault that came with status 200. Its first member says of
// what class it is; its texts are in the user's language and only shown.
func classify(method string, raw jsontext.Value) *fault {
	var parts []jsontext.Value
	var class string
	if waybill.Unmarshal(raw, &parts) != nil || len(parts) == 0 || waybill.Unmarshal(parts[0], &class) != nil {
		return failed(waybill.InDoubt, "unreadable", method+": the error can't be read")
	}
	var texts []jsontext.Value
	text := func(i int) (s string) {
		if i < len(texts) && waybill.Unmarshal(texts[i], &s) != nil {
			return ""
		}
		return s
	}
	if len(parts) > 1 && waybill.Unmarshal(parts[1], &texts) != nil {
		texts = parts[1:]
	}
	switch class {
	case "UserError":
		f := failed(waybill.Refused, "user_error", text(0))
		f.user = true
		if len(texts) > 2 && texts[2].Kind() != 'n' {
			f.Problem.Code = "validation"
			f.Note = "validation: " + text(0)
		}
		return f
	case "UserWarning":
		f := failed(waybill.Refused, "warning", text(1))
		f.warning, f.user = text(0), true
		return f
	case "ConcurrencyException":
		return failed(waybill.NotSent, "concurrency", text(0))
	case "LoginException":
		return failed(waybill.Unauthorized, "login_refused", text(0))
	}
	for _, t := range transient {
		if strings.Contains(class, t) {
			return failed(waybill.NotSent, "database_busy", method+": "+class)
		}
	}
	return failed(waybill.InDoubt, "server_error", method+": "+class)
}
