// Package counterpart holds the simulated systems that the simulator puts
// around the engine: books, look-ups and the odd answers of real systems,
// written from the system contract alone. It imports nothing of the module but
// the oracle's record of what was seen.
package counterpart

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/waybillhq/waybill/internal/sim/oracle"
)

// Manner is how a system deals with one request, beside its plain duty.
type Manner string

// The manners. The empty one books the document and says 201.
const (
	Plain        Manner = ""
	FailBefore   Manner = "500_before"    // 500, nothing booked
	FailAfter    Manner = "500_after"     // booked, then 502
	Garbled      Manner = "garbled"       // booked, and the 201 is cut off
	Throttle     Manner = "429"           // with Retry-After
	ThrottleBare Manner = "429_bare"      // without
	Busy         Manner = "503"           // with Retry-After
	Refuse       Manner = "422"           // a validation error, this once
	Hold         Manner = "hold"          // an order_check that is not approved; elsewhere 422
	Closed       Manner = "closed_period" // 409
	InProgress   Manner = "in_progress"   // 409, and it is booked a little later
	Take         Manner = "202"           // booked later
	TakeReject   Manner = "202_rejected"  // turned down later
	Partial      Manner = "207"           // the last line is to be tried again
	Forget       Manner = "401"           // the credential is not believed, this once
	Stale        Manner = "stale"         // a look-up that vouches for the past only
	Redirect     Manner = "302"
)

// retrySeconds is for how long a system that is busy wants no request.
const retrySeconds = 4

var retryAfter = strconv.Itoa(retrySeconds)

// Answer is what a system answers.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// System is a counterpart with books of its own.
type System struct {
	oracle.Target
	Skew    time.Duration // its clock minus the world's
	TakeFor time.Duration // from 202 to the end of it
	// Booked is told of every new entry, Settled of what became of a 202.
	Booked  func(e *oracle.Entry, now time.Time)
	Settled func(key string, e *oracle.Entry, now time.Time)
	// Later runs f at a time; false: the world ends before.
	Later func(at time.Time, f func(now time.Time))

	pending  map[string]bool // taken with 202
	rejected map[string]bool
}

// document is what the systems read of a document (T1).
type document struct {
	Kind  string `json:"kind"`
	Order string `json:"order"`
	Key   string `json:"key"`
	Seq   int64  `json:"seq"`
	After int64  `json:"after"`
	Lines []struct {
		Line string `json:"line"`
		SKU  string `json:"sku"`
		Qty  string `json:"qty"`
	} `json:"lines"`
	Data struct {
		Shipment string `json:"shipment"`
		Return   string `json:"return"`
		Request  string `json:"request"`
		Document string `json:"document"`
		Result   string `json:"result"`
	} `json:"data"`

	lane   string
	digest [32]byte
}

// New makes a system without anything in its books.
func New(name, class string, keepsOrder bool) *System {
	return &System{Target: oracle.Target{Name: name, Class: class, KeepsOrder: keepsOrder},
		pending: map[string]bool{}, rejected: map[string]bool{}}
}

// Serve answers a request that arrives now. left is when it left the program;
// repeated says that the network made it a second time.
func (s *System) Serve(r *http.Request, body []byte, manner Manner, now, left time.Time, repeated bool) (Answer, int) {
	switch {
	case r.Method == http.MethodPost && r.URL.Path == "/v1/documents":
		return s.document(r, body, manner, now, left, repeated)
	case strings.HasPrefix(r.URL.Path, "/v1/documents/by-key/"):
		return s.lookUp(strings.TrimPrefix(r.URL.Path, "/v1/documents/by-key/"), manner, now, left, repeated)
	case r.URL.Path == "/v1/info":
		return s.info(manner, now), -1
	}
	return problem(404, "not_found"), -1
}

// Answered notes that an answer came back to the program. From then on it
// knows for how long nothing may come.
func (s *System) Answered(seen int, a Answer, at time.Time) {
	if seen >= 0 {
		s.Seen[seen].Answered = at
	}
	if a.Header.Get("Retry-After") == retryAfter {
		s.Until = append(s.Until, oracle.Pause{From: at, To: at.Add(retrySeconds * time.Second)})
	}
}

func (s *System) info(manner Manner, now time.Time) Answer {
	switch manner {
	case FailBefore, FailAfter, Garbled:
		return Answer{Status: 500}
	case Forget:
		return problem(401, "unauthorized")
	}
	return object(200, map[string]any{"system": s.Name, "generation": "g1", "head": len(s.Books),
		"now": s.clock(now), "idempotency": s.Class, "keeps_order": s.KeepsOrder})
}

// clock is the time on the system's wall.
func (s *System) clock(now time.Time) string {
	return now.Add(s.Skew).UTC().Format("2006-01-02T15:04:05.000000Z07:00")
}

// document is T1.
func (s *System) document(r *http.Request, body []byte, manner Manner, now, left time.Time, repeated bool) (Answer, int) {
	var doc document
	readable := json.Unmarshal(body, &doc) == nil
	h := r.Header
	doc.lane, doc.digest = h.Get("Waybill-Lane"), sha256.Sum256(body)
	seen := oracle.Request{At: now, Left: left, Key: h.Get("Idempotency-Key"), Lane: doc.lane, Kind: doc.Kind, Order: doc.Order,
		Seq: number(h, "Waybill-Seq"), Attempt: number(h, "Waybill-Attempt"), Epoch: number(h, "Waybill-Epoch"), After: doc.After,
		BodyKey: doc.Key, BodyKind: doc.Kind, BodySeq: doc.Seq, Digest: doc.digest, Copy: repeated,
		DigestHeld: h.Get("Content-Digest") == "sha-256=:"+base64.StdEncoding.EncodeToString(doc.digest[:])+":"}
	deadline, err := time.Parse(time.RFC3339Nano, h.Get("Waybill-Deadline"))
	if err == nil {
		seen.Deadline = deadline.Add(-s.Skew)
	}
	s.Seen = append(s.Seen, seen)
	at := len(s.Seen) - 1
	answer := Answer{}
	switch {
	case !readable:
		answer = problem(400, "unreadable")
	case now.Add(s.Skew).After(deadline):
		answer = problem(408, "deadline_passed") // nobody waits any more; it must not take effect
	default:
		answer = s.judge(doc, manner, now)
	}
	s.Seen[at].Status = answer.Status
	return answer, at
}

func number(h http.Header, name string) int64 {
	n, err := strconv.ParseInt(h.Get(name), 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// judge decides on a readable document in time.
func (s *System) judge(doc document, manner Manner, now time.Time) Answer {
	if e, there := s.find(doc.Key); there && s.Class == "key" {
		if e.Digest != doc.digest {
			return problem(422, "key_reuse")
		}
		a := s.receipt(200, e)
		a.Header.Set("Idempotency-Replayed", "true")
		return a
	}
	if s.pending[doc.Key] {
		return object(202, map[string]any{"state": "pending"})
	}
	switch manner {
	case FailBefore:
		return Answer{Status: 500}
	case Throttle, Busy:
		status := map[Manner]int{Throttle: 429, Busy: 503}[manner]
		a := problem(status, "slow_down")
		a.Header.Set("Retry-After", retryAfter)
		return a
	case ThrottleBare:
		return problem(429, "slow_down")
	case Refuse:
		return problem(422, "unknown_item")
	case Closed:
		return problem(409, "closed_period")
	case Forget:
		return problem(401, "unauthorized")
	case Redirect:
		return Answer{Status: 302, Header: http.Header{"Location": {"/elsewhere"}}}
	case Hold:
		if doc.Kind != "order_check" {
			return problem(422, "credit_hold")
		}
	case InProgress:
		s.take(doc, false, now, s.TakeFor/4)
		return problem(409, "in_progress")
	case Take, TakeReject:
		s.take(doc, manner == TakeReject, now, s.TakeFor)
		return object(202, map[string]any{"state": "pending"})
	}
	e := s.book(doc, manner, now)
	switch manner {
	case FailAfter:
		return Answer{Status: 502}
	case Garbled:
		return Answer{Status: 201, Header: header("application/json"), Body: []byte(`{"ref":"`)}
	}
	return s.receipt(201, e)
}

// take keeps a document for later.
func (s *System) take(doc document, reject bool, now time.Time, wait time.Duration) {
	s.pending[doc.Key] = true
	s.Later(now.Add(wait), func(now time.Time) {
		delete(s.pending, doc.Key)
		if reject {
			s.rejected[doc.Key] = true
			s.Settled(doc.Key, nil, now)
			return
		}
		s.Settled(doc.Key, s.book(doc, Plain, now), now)
	})
}

func (s *System) find(key string) (*oracle.Entry, bool) {
	for i := range s.Books {
		if s.Books[i].Key == key {
			return &s.Books[i], true
		}
	}
	return nil, false
}

// book enters a document, however often it comes: recognising it is what the
// classes differ in.
func (s *System) book(doc document, manner Manner, now time.Time) *oracle.Entry {
	e := oracle.Entry{N: int64(len(s.Books)) + 1, At: now, Key: doc.Key, Kind: doc.Kind, Order: doc.Order, Lane: doc.lane,
		Seq: doc.Seq, Digest: doc.digest, Quantity: map[string]int64{}}
	for _, name := range []string{doc.Data.Request, doc.Data.Return, doc.Data.Shipment, doc.Data.Document} {
		if e.Subject == "" {
			e.Subject = name
		}
	}
	lines := doc.Lines
	partial := manner == Partial && len(lines) > 1 && (doc.Kind == "shipment_posting" || doc.Kind == "invoice")
	if partial {
		lines = lines[:len(lines)-1]
	}
	for _, l := range lines {
		name := l.Line
		if doc.Kind == "inventory_adjustment" {
			name = l.SKU
		}
		e.Quantity[name] += Milli(l.Qty)
	}
	switch {
	case doc.Kind == "order_check" && manner == Hold:
		e.Result = `{"approved":false,"reasons":[{"kind":"credit","reason":"over the limit"}]}`
	case doc.Kind == "order_check":
		e.Result = `{"approved":true}`
	}
	if partial {
		e.Result = doc.Lines[len(doc.Lines)-1].Line // the line that is left
	}
	s.Books = append(s.Books, e)
	entry := &s.Books[len(s.Books)-1]
	s.Booked(entry, now)
	return entry
}

// Milli reads a decimal string as thousandths. The simulated world has no
// smaller part; what can't be read is nothing.
func Milli(qty string) int64 {
	sign := int64(1)
	if rest, negative := strings.CutPrefix(qty, "-"); negative {
		sign, qty = -1, rest
	}
	whole, part, _ := strings.Cut(qty, ".")
	n, err := strconv.ParseInt(whole+(part + "000")[:3], 10, 64)
	if err != nil {
		return 0
	}
	return sign * n
}

type lineAnswer struct {
	Line   string `json:"line"`
	Status string `json:"status"`
}

// receipt is the answer for an entry.
func (s *System) receipt(status int, e *oracle.Entry) Answer {
	body := s.shown(e)
	if body["lines"] != nil {
		status = http.StatusMultiStatus
	}
	return object(status, body)
}

func (s *System) shown(e *oracle.Entry) map[string]any {
	body := map[string]any{"ref": fmt.Sprintf("%s-%d", s.Name, e.N), "n": e.N, "generation": "g1", "applied_at": s.clock(e.At)}
	switch {
	case e.Kind == "order_check":
		body["result"] = json.RawMessage(e.Result)
	case e.Result != "":
		var lines []lineAnswer
		for _, line := range slices.Sorted(maps.Keys(e.Quantity)) {
			lines = append(lines, lineAnswer{Line: line, Status: "applied"})
		}
		body["lines"] = append(lines, lineAnswer{Line: e.Result, Status: "retry"})
	}
	return body
}

// lookUp is T2.
func (s *System) lookUp(key string, manner Manner, now, left time.Time, repeated bool) (Answer, int) {
	s.Seen = append(s.Seen, oracle.Request{At: now, Left: left, Ask: true, Key: key, Copy: repeated})
	at := len(s.Seen) - 1
	seen := &s.Seen[at]
	var a Answer
	e, there := s.find(key)
	switch {
	case manner == FailBefore, manner == FailAfter, manner == Garbled:
		a, seen.Unsettled = Answer{Status: 500}, true
	case manner == Busy, manner == Throttle:
		a, seen.Unsettled = problem(503, "slow_down"), true
		a.Header.Set("Retry-After", retryAfter)
	case manner == Forget:
		a, seen.Unsettled = problem(401, "unauthorized"), true
	case there:
		body := s.shown(e)
		body["found"], body["state"], body["key"] = true, "applied", key
		a = object(200, body)
	case s.pending[key]:
		a, seen.Pending = object(200, map[string]any{"found": true, "state": "pending", "key": key}), true
	case s.rejected[key]:
		a = object(200, map[string]any{"found": true, "state": "rejected", "key": key,
			"problem": map[string]any{"code": "unknown_item", "status": 422}})
		seen.Absent = true
	case manner == Stale:
		a, seen.Unsettled = object(404, map[string]any{"found": false, "as_of": s.clock(now.Add(-time.Hour)), "generation": "g1"}), true
	default:
		a, seen.Absent = object(404, map[string]any{"found": false, "as_of": s.clock(now), "generation": "g1"}), true
	}
	seen.Status = a.Status
	return a, at
}

func header(media string) http.Header { return http.Header{"Content-Type": {media}} }

func object(status int, body any) Answer {
	b, err := json.Marshal(body)
	if err != nil {
		return Answer{Status: 500}
	}
	return Answer{Status: status, Header: header("application/json"), Body: b}
}

func problem(status int, code string) Answer {
	b := fmt.Sprintf(`{"type":"about:blank","title":%q,"status":%d,"code":%q}`, http.StatusText(status), status, code)
	return Answer{Status: status, Header: header("application/problem+json"), Body: []byte(b)}
}
