package engine

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/connector"
	"github.com/waybillhq/waybill/internal/identity"
	"github.com/waybillhq/waybill/internal/lane"
)

// fake is a counterpart with books of its own. It answers each request by the
// first manner of its script that is left, and by the book otherwise.
type fake struct {
	r    *rig
	name string
	role waybill.Role

	class      waybill.Idempotency
	ttl        time.Duration
	keepsOrder bool
	forgets    bool // its keys
	setBack    bool // its books are a restored backup
	noInquirer bool
	noProber   bool
	numbered   bool // its documents carry numbers
	room       int
	rate       float64
	burst      int
	profile    identity.Profile

	translator connector.Translator
	renderer   connector.Renderer
	publisher  connector.Publisher
	script     map[waybill.Kind][]manner
	any        []manner // for whatever kind comes
	info       func() (connector.Info, error)
	find       []func(connector.Inquiry) (connector.Finding, error)

	books   []booked
	pending map[string]connector.Attempt // taken with 202
	seen    []connector.Attempt
	asked   []connector.Inquiry
	probes  int
	sentAt  []time.Time // of everything, look-ups and probes too
	fault   []string    // what the engine did wrong, by the fake's own word
}

// booked is an entry of a system's books.
type booked struct {
	n      int64
	key    string
	kind   waybill.Kind
	order  string
	lane   string
	seq    int64
	digest [sha256.Size]byte
	lines  map[string]string // line → quantity

	generation string
}

// manner is how a system behaves once.
type manner func(f *fake, a connector.Attempt) (waybill.Outcome, error)

func newFake(r *rig, name string, role waybill.Role) *fake {
	c := contractOf(r.t, name, role)
	return &fake{r: r, name: name, role: role, class: waybill.ByLookup, translator: c.Translator, renderer: c.Renderer,
		script: map[waybill.Kind][]manner{}, pending: map[string]connector.Attempt{}}
}

func (f *fake) system() System {
	c := connector.Connector{Translator: f.translator, Renderer: f.renderer, Publisher: f.publisher}
	if f.role != waybill.RoleCarrier {
		c.Deliverer = f
		if !f.noInquirer {
			c.Inquirer = f
		}
		if !f.noProber {
			c.Prober = f
		}
	}
	return System{Name: f.name, Role: f.role, Conn: c, Concurrency: f.room, Rate: f.rate, Burst: f.burst, Identity: f.profile,
		Manifest: connector.Manifest{Numbered: f.numbered},
		Class:    lane.Class{Idempotency: f.class, KeyTTL: f.ttl, KeepsOrder: f.keepsOrder}}
}

// next takes the manner in which the system answers an attempt.
func (f *fake) next(k waybill.Kind) manner {
	if s := f.script[k]; len(s) > 0 {
		f.script[k] = s[1:]
		return s[0]
	}
	if len(f.any) > 0 {
		m := f.any[0]
		f.any = f.any[1:]
		return m
	}
	return (*fake).apply201
}

// on scripts the answers to the next documents of a kind.
func (f *fake) on(k waybill.Kind, ms ...manner) { f.script[k] = append(f.script[k], ms...) }

// Deliver implements connector.Deliverer.
func (f *fake) Deliver(_ context.Context, a connector.Attempt) (waybill.Outcome, error) {
	f.seen = append(f.seen, a)
	f.sentAt = append(f.sentAt, f.r.now)
	return f.next(a.Kind)(f, a)
}

// Inquire implements connector.Inquirer.
func (f *fake) Inquire(_ context.Context, q connector.Inquiry) (connector.Finding, error) {
	f.asked = append(f.asked, q)
	f.sentAt = append(f.sentAt, f.r.now)
	if len(f.find) > 0 {
		find := f.find[0]
		f.find = f.find[1:]
		return find(q)
	}
	if _, taken := f.pending[q.Key]; taken {
		return connector.Finding{State: connector.FoundPending}, nil
	}
	for _, b := range f.books {
		if b.key == q.Key {
			return connector.Finding{State: connector.FoundApplied, Receipt: receiptOf(b)}, nil
		}
	}
	if !f.r.now.Before(q.Deadline) {
		return connector.Finding{State: connector.FoundAbsent}, nil
	}
	return connector.Finding{State: connector.FoundUnknown, Note: "404 as of before the deadline"}, nil
}

// Probe implements connector.Prober.
func (f *fake) Probe(context.Context) (connector.Info, error) {
	f.probes++
	f.sentAt = append(f.sentAt, f.r.now)
	if f.info != nil {
		return f.info()
	}
	return f.healthy(), nil
}

func (f *fake) healthy() connector.Info {
	return connector.Info{System: f.name, Generation: f.generation(), Head: int64(len(f.books)), Now: f.r.now,
		Idempotency: f.class, KeyTTL: f.ttl, KeepsOrder: f.keepsOrder}
}

// generation names the books: others after they were set back.
func (f *fake) generation() string {
	if f.setBack {
		return "g2"
	}
	return "g1"
}

func receiptOf(b booked) waybill.Receipt {
	out := waybill.Receipt{Ref: fmt.Sprintf("R-%d", b.n), N: b.n, Generation: b.generation}
	if b.kind == waybill.OrderCheck {
		out.Result = jsontext.Value(`{"approved":true}`)
	}
	return out
}

// apply201 books the document and says so.
func (f *fake) apply201(a connector.Attempt) (waybill.Outcome, error) {
	b, problem := f.book(a)
	if problem != nil {
		return waybill.Outcome{Verdict: waybill.Refused, Problem: *problem}, nil
	}
	return waybill.Outcome{Verdict: waybill.Done, Receipt: receiptOf(b)}, nil
}

// book enters a document. A system of class key recognises what it holds; the
// others enter it again, as a real one would.
func (f *fake) book(a connector.Attempt) (booked, *waybill.Problem) {
	if f.r.now.After(a.Deadline) {
		return booked{}, &waybill.Problem{Status: 408, Code: "deadline_passed"}
	}
	if f.class == waybill.ByKey && !f.forgets {
		for _, b := range f.books {
			if b.key != a.Key {
				continue
			}
			if b.digest != sha256.Sum256(a.Body) {
				return booked{}, &waybill.Problem{Status: 422, Code: "key_reuse"}
			}
			return b, nil
		}
	}
	doc := f.read(a)
	b := booked{n: int64(len(f.books)) + 1, key: a.Key, kind: a.Kind, order: a.Order, lane: a.Lane, seq: a.Seq,
		digest: sha256.Sum256(a.Body), lines: map[string]string{}, generation: f.generation()}
	for _, l := range doc.Lines {
		b.lines[l.Line] = l.Qty.String()
	}
	if last := f.lastIn(a.Lane); doc.After > last {
		f.fault = append(f.fault, fmt.Sprintf("%s of %s comes after %d, the lane's last here is %d", a.Kind, a.Order, doc.After, last))
	}
	for _, other := range f.books {
		if other.lane == a.Lane && other.seq >= a.Seq && other.key != a.Key {
			f.fault = append(f.fault, fmt.Sprintf("%s of %s has seq %d behind %d", a.Kind, a.Order, a.Seq, other.seq))
		}
	}
	f.books = append(f.books, b)
	return b, nil
}

// read decodes the body and holds it against the headers.
func (f *fake) read(a connector.Attempt) waybill.Document {
	var doc waybill.Document
	if err := json.Unmarshal(a.Body, &doc); err != nil {
		f.fault = append(f.fault, fmt.Sprintf("body of %s: %v", a.Key, err))
	}
	if doc.Key != a.Key || doc.Seq != a.Seq || doc.Kind != a.Kind || doc.Order != a.Order {
		f.fault = append(f.fault, fmt.Sprintf("the body says key %s seq %d, the headers %s %d", doc.Key, doc.Seq, a.Key, a.Seq))
	}
	return doc
}

// lastIn is the highest number of a lane that the system applied or took.
func (f *fake) lastIn(lane string) int64 {
	last := int64(0)
	for _, b := range f.books {
		if b.lane == lane {
			last = max(last, b.seq)
		}
	}
	for _, a := range f.pending {
		if a.Lane == lane {
			last = max(last, a.Seq)
		}
	}
	return last
}

// breaches says what the system saw that must never be: a key booked twice,
// bytes, number or lane that differ between attempts, attempts that are not
// counted up, an epoch that falls.
func (f *fake) breaches() []string {
	out := append([]string(nil), f.fault...)
	times := map[string]int{}
	for _, b := range f.books {
		if times[b.key]++; times[b.key] == 2 {
			out = append(out, fmt.Sprintf("%s of %s is booked twice under %s", b.kind, b.order, b.key))
		}
	}
	first, last, epochs := map[string]connector.Attempt{}, map[string]int{}, map[string]int64{}
	for _, a := range f.seen {
		was, known := first[a.Key]
		switch {
		case !known:
			first[a.Key] = a
		case string(was.Body) != string(a.Body), was.Seq != a.Seq, was.Lane != a.Lane, was.Subject != a.Subject,
			was.ContentType != a.ContentType, was.Traceparent != a.Traceparent:
			out = append(out, fmt.Sprintf("attempt %d of %s %s differs from the first (seq %d and %d, content type %q and %q)",
				a.Attempt, a.Kind, a.Key, a.Seq, was.Seq, a.ContentType, was.ContentType))
		}
		if a.Attempt < last[a.Key] {
			out = append(out, fmt.Sprintf("attempt %d of %s comes after attempt %d", a.Attempt, a.Key, last[a.Key]))
		}
		last[a.Key] = a.Attempt
		if a.Epoch < epochs[a.Lane] {
			out = append(out, fmt.Sprintf("epoch %d in lane %s after %d", a.Epoch, a.Lane, epochs[a.Lane]))
		}
		epochs[a.Lane] = a.Epoch
	}
	return out
}

// attemptsOf are the attempts that the system saw of a kind.
func (f *fake) attemptsOf(k waybill.Kind) []connector.Attempt {
	var out []connector.Attempt
	for _, a := range f.seen {
		if a.Kind == k {
			out = append(out, a)
		}
	}
	return out
}

// The manners.

// say answers without doing anything.
func say(o waybill.Outcome) manner {
	return func(*fake, connector.Attempt) (waybill.Outcome, error) { return o, nil }
}

// drop applies the document and loses the answer (F18).
func drop(f *fake, a connector.Attempt) (waybill.Outcome, error) {
	f.book(a)
	return waybill.Outcome{}, errors.New("connection reset")
}

// lose loses the request, or its answer before anything was applied.
func lose(*fake, connector.Attempt) (waybill.Outcome, error) {
	return waybill.Outcome{}, errors.New("connection reset")
}

// take takes the document with 202.
func take(f *fake, a connector.Attempt) (waybill.Outcome, error) {
	f.pending[a.Key] = a
	return waybill.Outcome{Verdict: waybill.Pending}, nil
}

// apply books what was taken.
func (f *fake) apply(key string) booked {
	a := f.pending[key]
	delete(f.pending, key)
	a.Deadline = f.r.now
	b, _ := f.book(a)
	return b
}

// byLine books the lines that are applied, and answers 207.
func byLine(lines ...waybill.LineOutcome) manner {
	return func(f *fake, a connector.Attempt) (waybill.Outcome, error) {
		b, _ := f.book(a)
		r := receiptOf(b)
		r.Lines = lines
		for _, l := range lines {
			if l.Status != "applied" {
				delete(b.lines, l.Line)
			}
		}
		return waybill.Outcome{Verdict: waybill.Partial, Receipt: r}, nil
	}
}

func refused(code string, status int) manner {
	return say(waybill.Outcome{Verdict: waybill.Refused, Problem: waybill.Problem{Code: code, Status: status, Detail: "because"}})
}

// check answers an order_check.
func check(result string) manner {
	return func(f *fake, a connector.Attempt) (waybill.Outcome, error) {
		b, _ := f.book(a)
		r := receiptOf(b)
		r.Result = jsontext.Value(result)
		return waybill.Outcome{Verdict: waybill.Done, Receipt: r}, nil
	}
}

const heldOnCredit = `{"approved":false,"reasons":[{"kind":"credit","reason":"over the limit"}]}`
