package sandbox

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"sync/atomic"
	"time"
)

// generation is what the systems call the state of their books: they are
// never restored from a backup.
const generation = "g1"

// Pauses of the faults; they delay an answer, never change an outcome.
const (
	lateAfter    = 40 * time.Millisecond
	pendingAfter = 40 * time.Millisecond
	slowFor      = 120 * time.Millisecond
	hangPast     = 500 * time.Millisecond // behind the deadline, if the client never gives up
)

// behaviour is what one kind of system does with a document.
type behaviour interface {
	// book judges d and, where nothing is wrong with it, enters it into the
	// business state of its order. The lock of the lane's shard is held. A
	// refusal leaves everything as it was.
	book(d *document, b *orderBook, ref string) (booking, *refusal)
	// splits says whether a document of this kind can be applied in part (207).
	splits(kind string) bool
	// entities serves master data (T6); false: none here.
	entities(w http.ResponseWriter, r *http.Request, what string) bool
}

// booking is what came of an entered document.
type booking struct {
	result string   // JSON of the receipt's result, "" for {}
	follow []func() // what happens next, called after the answer is out
}

// target is a system that takes documents (system contract T1 to T6).
type target struct {
	w         *World
	name      string
	refPrefix string
	class     string // of idempotency: key, lookup, none
	token     string
	lax       bool // doesn't compare after
	behaviour behaviour
	refs      atomic.Int64
	*ledger
	mux *http.ServeMux
}

// newTarget opens a system of the given behaviour.
func newTarget(w *World, name, refPrefix string, b behaviour) *target {
	t := &target{w: w, name: name, refPrefix: refPrefix, class: w.cfg.Idempotency[name], token: w.cfg.Secrets[name].Token,
		lax: w.cfg.Lax[name], behaviour: b, ledger: newLedger(), mux: http.NewServeMux()}
	t.mux.HandleFunc("POST /v1/documents", t.postDocument)
	t.mux.HandleFunc("GET /v1/documents/by-key/{key}", t.getByKey)
	t.mux.HandleFunc("GET /v1/info", t.getInfo)
	t.mux.HandleFunc("GET /v1/journal", t.getJournal)
	t.mux.HandleFunc("GET /v1/entities/{what}", t.getEntities)
	return t
}

// ServeHTTP guards all routes: an outage, then the credential.
func (t *target) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if n, out := t.w.faults[t.name].out(); out {
		if n%2 == 1 {
			drop(w)
			return
		}
		answer(w, http.StatusServiceUnavailable, []byte("out of order\n"), "Content-Type", "text/plain")
		return
	}
	if subtle.ConstantTimeCompare([]byte(r.Header.Get("Authorization")), []byte("Bearer "+t.token)) != 1 {
		refused(w, &refusal{status: http.StatusUnauthorized, code: "unauthorized", detail: "Authorization is not this system's credential"})
		return
	}
	t.mux.ServeHTTP(w, r)
}

// postDocument is T1.
func (t *target) postDocument(w http.ResponseWriter, r *http.Request) {
	t.w.open.Add(1) // what the document causes may come behind the answer
	defer t.w.open.Add(-1)
	c, bad := readCall(r.Header, t.w.cfg.Now())
	if bad != nil {
		refused(w, bad)
		return
	}
	rec := t.recordOf(c.Key, c.Lane)
	fault := t.strike(rec, c)
	if fault == Reset {
		t.note(rec, c)
		drop(w)
		return
	}
	body, err := readBody(r)
	if err != nil || len(body) > bodyMax {
		refused(w, malformed("body_unreadable", "body could not be read, or is above %d bytes", bodyMax))
		return
	}
	sum := sha256.Sum256(body)
	c.Digest = contentDigest(sum)
	d, bad := readDocument(body, sum, c)
	if d != nil {
		c.After = d.After
	}
	t.note(rec, c)
	if got := r.Header.Get("Content-Digest"); got != c.Digest {
		refused(w, malformed("digest_differs", "Content-Digest is %q, the body's is %q", got, c.Digest))
		return
	}
	if bad != nil {
		refused(w, bad)
		return
	}
	t.respond(r.Context(), w, d, c, rec, fault)
}

// strike draws the fault of a request and counts it against its document.
func (t *target) strike(rec *record, c Call) Fault {
	s := t.shardOf(rec.lane)
	s.mu.Lock()
	defer s.mu.Unlock()
	fault := t.w.faults[t.name].draw(c.Key, c.Attempt, rec.faults)
	if fault != "" {
		rec.faults++
	}
	return fault
}

// note records a request before it is judged.
func (t *target) note(rec *record, c Call) {
	s := t.shardOf(rec.lane)
	s.mu.Lock()
	defer s.mu.Unlock()
	rec.calls = append(rec.calls, c)
}

// respond judges a well-formed document and answers, well or badly as the
// fault says.
func (t *target) respond(ctx context.Context, w http.ResponseWriter, d *document, c Call, rec *record, fault Fault) {
	odd := textHash(c.Key)%2 == 1
	switch fault {
	case Throttle:
		if odd {
			answer(w, http.StatusTooManyRequests, tooMany, "Content-Type", problemType, "Retry-After", "1")
		} else {
			answer(w, http.StatusTooManyRequests, tooMany, "Content-Type", problemType)
		}
		return
	case Busy:
		answer(w, http.StatusServiceUnavailable, []byte("busy\n"), "Content-Type", "text/plain", "Retry-After", "1")
		return
	case ServerFail:
		status := [...]int{http.StatusInternalServerError, http.StatusBadGateway, http.StatusGatewayTimeout}[textHash(c.Key)%3]
		answer(w, status, []byte("something went wrong\n"), "Content-Type", "text/plain")
		return
	case LateApply:
		t.w.later(lateAfter, func() { t.apply(d, c, rec, judgeAll).runFollow() })
		answer(w, http.StatusGatewayTimeout, []byte("upstream timed out\n"), "Content-Type", "text/plain")
		return
	case Pending:
		out := t.apply(d, c, rec, takeOnly)
		out.write(w, t)
		if out.status == http.StatusAccepted && out.fresh {
			t.w.later(pendingAfter, func() { t.complete(d, c, rec) })
		}
		return
	}
	how := judgeAll
	if fault == Partial {
		how = judgePart
	}
	out := t.apply(d, c, rec, how)
	switch fault {
	case ApplyDrop:
		out.runFollow()
		drop(w)
		return
	case ApplyHang:
		out.runFollow()
		t.hang(ctx, c)
		drop(w)
		return
	case Slow:
		t.answering(rec, +1)
		t.w.cfg.Sleep(ctx, slowFor)
		t.answering(rec, -1)
	}
	out.write(w, t)
	out.runFollow()
}

// hang waits until the client gives up.
func (t *target) hang(ctx context.Context, c Call) {
	if left := c.Deadline.Sub(t.w.cfg.Now()) + hangPast; left > 0 {
		t.w.cfg.Sleep(ctx, left)
	}
}

// answering counts the requests that are judged and not answered.
func (t *target) answering(rec *record, by int) {
	s := t.shardOf(rec.lane)
	s.mu.Lock()
	defer s.mu.Unlock()
	rec.answering += by
}

// manner is how far a document is taken.
type manner int

const (
	judgeAll  manner = iota // apply it
	judgePart               // apply all lines but one (207)
	takeOnly                // take it, apply it later (202)
	judgeHeld               // apply what was taken: its deadline was that of the taking
)

// outcome is the answer to a judged document.
type outcome struct {
	status   int
	rec      *record
	replayed bool
	fresh    bool // a 202 that was taken by this request
	refusal  *refusal
	follow   []func()
}

// runFollow lets happen what the document caused.
func (o outcome) runFollow() {
	for _, f := range o.follow {
		f()
	}
}

// apply judges d under the lock of its lane.
func (t *target) apply(d *document, c Call, rec *record, how manner) outcome {
	s := t.shardOf(c.Lane)
	s.mu.Lock()
	defer s.mu.Unlock()
	if out, done := t.known(d, rec, how); done {
		return out
	}
	b := s.lane(c.Lane)
	if r := t.inOrder(d, c, b, how); r != nil {
		return outcome{status: r.status, refusal: r}
	}
	if how == takeOnly {
		rec.state, rec.sum, rec.kind, rec.seq, rec.order = pending, d.sum, d.Kind, d.Seq, d.Order
		b.held = max(b.held, d.Seq)
		return outcome{status: http.StatusAccepted, rec: rec, fresh: true}
	}
	retried := ""
	if how == judgePart && len(d.Lines) > 1 && t.behaviour.splits(d.Kind) {
		last := len(d.Lines) - 1
		retried = d.Lines[last].Line
		d.Lines = d.Lines[:last]
	}
	ref := t.refPrefix + strconv.FormatInt(t.refs.Add(1), 10)
	done, r := t.behaviour.book(d, b, ref)
	if r != nil {
		if r.early {
			t.outOfSequence(fmt.Sprintf("%s: %s of %s came before what it builds on: %s", t.name, d.Kind, d.Order, r.detail))
		}
		if how == judgeHeld {
			rec.state, rec.refusal = rejected, r
		}
		return outcome{status: r.status, rec: rec, refusal: r}
	}
	rec = t.enterRecord(d, b, rec, ref, done.result, retried)
	out := outcome{status: http.StatusCreated, rec: rec, follow: done.follow}
	if retried != "" {
		out.status = http.StatusMultiStatus
	}
	return out
}

// known answers what the key alone decides, in a system that remembers keys.
// The shard's lock is held.
func (t *target) known(d *document, rec *record, how manner) (outcome, bool) {
	if how == judgeHeld || t.class != classKey {
		return outcome{}, false
	}
	if rec.state != seen && rec.state != rejected && rec.sum != d.sum {
		r := refuse("key_reuse", "", "key %s is known with another body", d.Key)
		return outcome{status: r.status, refusal: r}, true
	}
	switch {
	case rec.state == pending:
		return outcome{status: http.StatusAccepted, rec: rec}, true
	case rec.answering > 0:
		r := &refusal{status: http.StatusConflict, code: "in_progress", detail: "a request with this key is being worked on"}
		return outcome{status: r.status, refusal: r}, true
	case rec.state == applied:
		t.counts.Lock()
		t.counts.replayed++
		t.counts.Unlock()
		return outcome{status: http.StatusOK, rec: rec, replayed: true}, true
	}
	return outcome{}, false
}

// inOrder checks the deadline, the fence and the numbering. The shard's lock
// is held, so that what T2 vouches for can't be applied behind its back.
func (t *target) inOrder(d *document, c Call, b *orderBook, how manner) *refusal {
	if how == judgeHeld {
		return nil
	}
	switch {
	case t.w.cfg.Now().After(c.Deadline):
		return &refusal{status: http.StatusRequestTimeout, code: "deadline_passed", detail: "the request's Waybill-Deadline has passed; nothing was applied"}
	case c.Epoch < b.epoch:
		return &refusal{status: http.StatusConflict, code: "stale_epoch", detail: fmt.Sprintf("epoch %d is older than %d of this lane", c.Epoch, b.epoch)}
	case !t.lax && d.After > b.held:
		return &refusal{status: http.StatusConflict, code: "seq_gap", detail: fmt.Sprintf("after is %d, the last document held in this lane is %d", d.After, b.held)}
	}
	b.epoch = c.Epoch
	return nil
}

// enterRecord puts an applied document into the journal. A second application
// of one key is an entry of its own: the books show what happened.
func (t *target) enterRecord(d *document, b *orderBook, rec *record, ref, result, retried string) *record {
	if rec.state == applied {
		rec = &record{key: rec.key, lane: rec.lane}
	}
	rec.kind, rec.order, rec.ref, rec.sum, rec.seq, rec.version = d.Kind, d.Order, ref, d.sum, d.Seq, d.Version
	rec.at, rec.result, rec.retried, rec.refusal = t.w.cfg.Now(), result, retried, nil
	rec.about = entryData{
		shipment: text(d.Data.Shipment), returned: text(d.Data.Return), warehouseOrder: text(d.Data.WarehouseOrder),
		document: text(d.Data.Document), compensates: d.Compensates, supersedes: d.Supersedes,
	}
	rec.lines = make([]journalLine, len(d.Lines))
	for i, l := range d.Lines {
		rec.lines[i] = journalLine{l.Line, l.SKU, l.UOM, l.stated}
	}
	if d.Seq <= b.last && b.lastKey != d.Key {
		t.outOfSequence(fmt.Sprintf("%s: %s in lane %s has seq %d behind %d", t.name, d.Kind, b.lane, d.Seq, b.last))
	}
	if d.Seq >= b.last {
		b.last, b.lastKey = d.Seq, d.Key
	}
	b.held = max(b.held, d.Seq)
	t.enter(rec)
	rec.state = applied
	return rec
}

// complete applies or rejects what was taken with 202, and says so by a push.
func (t *target) complete(d *document, c Call, rec *record) {
	out := t.apply(d, c, rec, judgeHeld)
	kind := "document.applied"
	fields := appendField(nil, "key", d.Key)
	if out.refusal != nil {
		kind = "document.rejected"
		fields = append(append(fields, `,"problem":`...), out.refusal.problem()...)
	} else {
		fields = appendField(append(fields, ','), "ref", out.rec.ref)
		fields = append(strconv.AppendInt(append(fields, `,"n":`...), int64(out.rec.n), 10), `,"result":`...)
		fields = append(fields, orEmpty(out.rec.result)...)
	}
	out.runFollow()
	t.w.tell(t.name, kind, c.Lane, "done-"+d.Key, fields, nil)
}

// classes of idempotency (T3).
const (
	classKey    = "key"
	classLookup = "lookup"
	classNone   = "none"
)

// isClass says whether s is a class of idempotency.
func isClass(s string) bool { return slices.Contains([]string{classKey, classLookup, classNone}, s) }

// Calls gives every request that a system of the contract got for a key, in
// the order of arrival, applied or not.
func (w *World) Calls(system, key string) []Call {
	t := w.targets[system]
	if t == nil {
		return nil
	}
	rec := t.find(key)
	if rec == nil {
		return nil
	}
	s := t.shardOf(rec.lane)
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(rec.calls)
}

// readBody reads a request, at most one byte more than is taken. A length that
// was announced saves growing into it.
func readBody(r *http.Request) ([]byte, error) {
	if n := r.ContentLength; n >= 0 && n <= bodyMax {
		body := make([]byte, n)
		_, err := io.ReadFull(r.Body, body)
		return body, err
	}
	return io.ReadAll(io.LimitReader(r.Body, bodyMax+1))
}
