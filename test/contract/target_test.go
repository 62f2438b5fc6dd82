package contract_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// target is a system that keeps books: T1 to T4 and T6 of the contract. It
// judges every request it gets, in every test.
type target struct {
	name, role, url, token, class string

	mu         sync.Mutex
	generation string
	head       int
	ttl        int
	keepsOrder bool
	asOf       func() time.Time // of T2's 404; now when nil
	skew       time.Duration    // of this system's clock
	books      []*entry
	byKey      map[string]*entry
	sent       []*request
	asked      []lookup
	infos      int
	infoCode   int // what T3 answers, 0: 200
	rules      []*rule
	lanes      map[string]*lane
	faults     []string
	traces     map[string]string
	entities   map[string][]any // what T6 answers, by kind
	reads      []string         // kinds that T6 was asked for
}

// entry is one document in the books.
type entry struct {
	n      int
	at     time.Time
	key    string
	doc    obj
	digest string
	ref    string
	state  string // applied, pending, rejected
	result obj
	lines  []any
}

// request is one T1 as it came.
type request struct {
	key, kind, order, lane string
	seq, attempt, epoch    int
	deadline, at           time.Time
	header                 http.Header
	body                   []byte
	doc                    obj
}

// lookup is one T2 as it came.
type lookup struct {
	key string
	at  time.Time
}

// lane is what a target knows of the order of things.
type lane struct {
	open, seq, taken, epoch int
	attempts                map[string]int
	bytes                   map[string]string
}

// rule answers T1 in place of the books: for one kind and order ("" is any),
// as often as left says (-1: for ever).
type rule struct {
	kind, order string
	left        int
	do          func(*call)
}

// call is one T1 on its way to an answer.
type call struct {
	*target
	*request
	w http.ResponseWriter
	r *http.Request
}

func newTarget(t *testing.T, name string) *target {
	f := &target{name: name, token: "token-of-" + name, class: "lookup", generation: "g1", ttl: 86400,
		byKey: map[string]*entry{}, lanes: map[string]*lane{}, traces: map[string]string{}}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f.url = "http://" + l.Addr().String()
	server := &http.Server{Handler: f.routes()}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close() })
	return f
}

func (f *target) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/documents", f.document)
	mux.HandleFunc("GET /v1/documents/by-key/{key}", f.lookup)
	mux.HandleFunc("GET /v1/info", f.info)
	mux.HandleFunc("GET /v1/journal", f.journal)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		f.plain(r)
		kind, entities := strings.CutPrefix(r.URL.Path, "/v1/entities/")
		if !entities {
			f.fault("a request outside of the contract: %s %s", r.Method, r.URL)
		}
		f.mu.Lock()
		f.reads = append(f.reads, kind)
		items, has := f.entities[kind]
		f.mu.Unlock()
		if has {
			answer(w, 200, obj{"items": items, "next": nil})
			return
		}
		answerProblem(w, 404, "none_here")
	})
	return mux
}

func (f *target) fault(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if text := fmt.Sprintf(format, args...); !slices.Contains(f.faults, text) {
		f.faults = append(f.faults, text)
	}
}

func (f *target) found() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]string(nil), f.faults...)
}

// on adds a rule; earlier rules win while they last.
func (f *target) on(kind, order string, times int, do func(*call)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rules = append(f.rules, &rule{kind, order, times, do})
}

// clear drops all rules.
func (f *target) clear() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rules = nil
}

func (f *target) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

var (
	idShape    = regexp.MustCompile(`^[A-Za-z0-9._~-]{1,128}$`)
	traceShape = regexp.MustCompile(`^00-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}$`)
)

func (f *target) document(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	q := f.read(r, body)
	f.mu.Lock()
	l := f.lanes[q.lane]
	if l == nil {
		l = &lane{attempts: map[string]int{}, bytes: map[string]string{}}
		f.lanes[q.lane] = l
	}
	f.judge(l, q)
	f.sent = append(f.sent, q)
	l.open++
	var do func(*call)
	for _, rule := range f.rules {
		if rule.left != 0 && (rule.kind == "" || rule.kind == q.kind) && (rule.order == "" || rule.order == q.order) {
			rule.left--
			do = rule.do
			break
		}
	}
	f.mu.Unlock()
	closed := false
	done := func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		if !closed {
			l.open--
			closed = true
		}
	}
	defer done()
	c := &call{f, q, &closing{w, done}, r}
	if do == nil {
		do = (*call).accept
	}
	do(c)
}

// closing closes the lane's request before the answer's first byte is out.
type closing struct {
	http.ResponseWriter
	done func()
}

func (c *closing) WriteHeader(code int) { c.done(); c.ResponseWriter.WriteHeader(code) }

// read takes T0 apart and finds what is wrong with the headers themselves.
func (f *target) read(r *http.Request, body []byte) *request {
	q := &request{key: r.Header.Get("Idempotency-Key"), lane: r.Header.Get("Waybill-Lane"), header: r.Header.Clone(), body: body, at: f.now()}
	number := func(name string) int {
		n, err := strconv.Atoi(r.Header.Get(name))
		if err != nil || n < 0 {
			f.fault("T0: %s is %q, want a number", name, r.Header.Get(name))
		}
		return n
	}
	q.seq, q.attempt, q.epoch = number("Waybill-Seq"), number("Waybill-Attempt"), number("Waybill-Epoch")
	var err error
	if q.deadline, err = time.Parse(time.RFC3339, r.Header.Get("Waybill-Deadline")); err != nil {
		f.fault("T0: Waybill-Deadline: %v", err)
	}
	if left := q.deadline.Sub(q.at); left > 2100*time.Millisecond {
		f.fault("T0: a deadline %v ahead; fast timing has 2 s", left)
	}
	if !idShape.MatchString(q.key) || !idShape.MatchString(q.lane) {
		f.fault("G1: key %q or lane %q is no id", q.key, q.lane)
	}
	if want := digestOf(body); r.Header.Get("Content-Digest") != want {
		f.fault("T0: Content-Digest %q, want %s", r.Header.Get("Content-Digest"), want)
	}
	if got := r.Header.Get("Content-Type"); !strings.HasPrefix(got, "application/json") {
		f.fault("T1: Content-Type %q", got)
	}
	if r.Header.Get("Authorization") != "Bearer "+f.token {
		f.fault("T0: Authorization %q", r.Header.Get("Authorization"))
	}
	if err := json.Unmarshal(body, &q.doc); err != nil {
		f.fault("T1: body: %v", err)
		q.doc = obj{}
	}
	q.kind, _ = q.doc["kind"].(string)
	q.order, _ = q.doc["order"].(string)
	return q
}

// now is the time on this system's clock.
func (f *target) now() time.Time { return time.Now().Add(f.skew) }

func digestOf(body []byte) string {
	sum := sha256.Sum256(body)
	return "sha-256=:" + base64.StdEncoding.EncodeToString(sum[:]) + ":"
}

// judge holds a request to what went before in its lane. The lock is held.
func (f *target) judge(l *lane, q *request) {
	fault := func(format string, args ...any) {
		f.faults = append(f.faults, fmt.Sprintf("%s %s %s seq %d attempt %d: ", q.lane, q.kind, q.key, q.seq, q.attempt)+fmt.Sprintf(format, args...))
	}
	if l.open > 0 {
		fault("W4: a second request in flight in one lane")
	}
	if q.epoch < l.epoch {
		fault("T0: epoch fell from %d to %d", l.epoch, q.epoch)
	}
	l.epoch = q.epoch
	first := l.bytes[q.key] == ""
	switch {
	case first:
		l.bytes[q.key] = string(q.body)
		if q.seq != l.seq+1 {
			fault("T0: the lane's last seq was %d", l.seq)
		}
		l.seq = max(l.seq, q.seq)
		if after := q.doc["after"]; after != float64(l.taken) {
			fault("T0: after is %v; the last document applied or taken here is %d", after, l.taken)
		}
	case l.bytes[q.key] != string(q.body):
		fault("T0: other bytes under the same key:\n%s\n%s", l.bytes[q.key], q.body)
	case q.attempt < l.attempts[q.key]:
		fault("T0: attempt fell from %d", l.attempts[q.key])
	}
	if q.attempt < 1 {
		fault("T0: attempts count from 1")
	}
	l.attempts[q.key] = q.attempt
	if q.doc["key"] != q.key || q.doc["seq"] != float64(q.seq) {
		fault("T1: body says key %v seq %v", q.doc["key"], q.doc["seq"])
	}
	trace := traceOf(q.header)
	if known := f.traces[q.order]; trace == "" || known != "" && known != trace {
		fault("T0: traceparent %q of an order whose trace is %q", q.header.Get("Traceparent"), known)
	}
	f.traces[q.order] = trace
}

// traceOf is the trace of a W3C traceparent, "" where it is none.
func traceOf(h http.Header) string {
	if m := traceShape.FindStringSubmatch(h.Get("Traceparent")); m != nil {
		return m[1]
	}
	return ""
}

// plain holds that T2 to T6 carry Authorization and traceparent alone.
func (f *target) plain(r *http.Request) {
	for name := range r.Header {
		if strings.HasPrefix(name, "Waybill-") || name == "Idempotency-Key" || name == "Content-Digest" {
			f.fault("T0: %s %s carries %s", r.Method, r.URL.Path, name)
		}
	}
	if r.Header.Get("Authorization") != "Bearer "+f.token {
		f.fault("T0: %s: Authorization %q", r.URL.Path, r.Header.Get("Authorization"))
	}
	if traceOf(r.Header) == "" {
		f.fault("T0: %s: traceparent %q", r.URL.Path, r.Header.Get("Traceparent"))
	}
}

func (f *target) lookup(w http.ResponseWriter, r *http.Request) {
	f.plain(r)
	f.mu.Lock()
	defer f.mu.Unlock()
	key := r.PathValue("key")
	f.asked = append(f.asked, lookup{key, f.now()})
	for _, q := range f.sent {
		if q.key == key && traceOf(q.header) != traceOf(r.Header) {
			f.faults = append(f.faults, "T0: T2 is in another trace than its document "+key)
		}
	}
	if e := f.byKey[key]; e != nil {
		answer(w, 200, obj{"found": true, "state": e.state, "key": e.key, "ref": e.ref, "n": e.n, "digest": e.digest,
			"seq": e.doc["seq"], "generation": f.generation, "result": e.result, "lines": e.lines})
		return
	}
	asOf := f.now()
	if f.asOf != nil {
		asOf = f.asOf()
	}
	answer(w, 404, obj{"found": false, "as_of": asOf.Format(time.RFC3339Nano), "generation": f.generation})
}

func (f *target) info(w http.ResponseWriter, r *http.Request) {
	f.plain(r)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.infos++
	if f.infoCode != 0 {
		answerProblem(w, f.infoCode, "not_now")
		return
	}
	answer(w, 200, obj{"system": f.name, "generation": f.generation, "head": f.head, "now": f.now().Format(time.RFC3339Nano),
		"idempotency": f.class, "key_ttl_s": f.ttl, "keeps_order": f.keepsOrder})
}

func (f *target) journal(w http.ResponseWriter, r *http.Request) {
	f.plain(r)
	f.mu.Lock()
	defer f.mu.Unlock()
	after, _ := strconv.Atoi(r.URL.Query().Get("after"))
	limit, err := strconv.Atoi(r.URL.Query().Get("limit"))
	if err != nil || limit < 1 || limit > 1000 {
		f.faults = append(f.faults, "T4: limit "+r.URL.Query().Get("limit"))
		limit = 1000
	}
	entries := []any{}
	for _, e := range f.books {
		if e.n > after && e.state == "applied" && len(entries) < limit {
			var key any = e.key
			if e.key == "" {
				key = nil
			}
			entries = append(entries, obj{"n": e.n, "at": e.at.Format(time.RFC3339Nano), "key": key, "kind": e.doc["kind"], "order": e.doc["order"],
				"seq": e.doc["seq"], "digest": e.digest, "ref": e.ref, "lines": e.doc["lines"], "data": e.doc["data"]})
		}
	}
	answer(w, 200, obj{"generation": f.generation, "head": f.head, "entries": entries})
}

func answer(w http.ResponseWriter, code int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_, _ = w.Write(marshal(body))
}

func answerProblem(w http.ResponseWriter, code int, name string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(code)
	_, _ = w.Write(marshal(obj{"type": "about:blank", "title": "no", "status": code, "code": name}))
}
