package process

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/waybillhq/waybill"
)

// desk plays the engine's part for one order: it numbers and records events,
// keeps the lanes as Decision says, composes before a first attempt, and holds
// every decision against the rules that all must keep.
type desk struct {
	t      fataler
	p      *Policy
	s      *Sales
	now    time.Time
	events []waybill.Event
	lanes  map[string]*delivery // by key
	adds   int
}

// delivery is a document in its lane.
type delivery struct {
	Doc
	state string // planned, withdrawn, sent, out
	sent  waybill.Document
	order int // of its add

	attempted int     // ordinal of its attempt
	outcome   Outcome // of the last answer, in random walks
	decided   waybill.EventType
	applied   []string // lines, where not all were
}

var epoch = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

func testPolicy() *Policy {
	return &Policy{Namespace: "test", Company: "01", ERP: "erp", WMS: "wms",
		Channels:    map[string]Channel{"shop": {Prefix: "", Documents: true}, "api": {Prefix: "api~."}},
		HoldRecheck: 15 * time.Minute, Limbo: 10 * time.Minute}
}

// fataler is what tests and random walks have in common.
type fataler interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

func newDesk(t fataler, p *Policy) *desk {
	return &desk{t: t, p: p, s: New("SO-1", p), now: epoch, lanes: map[string]*delivery{}}
}

// tell records an event and decides.
func (d *desk) tell(e waybill.Event) Decision {
	d.t.Helper()
	e.ID = fmt.Sprintf("E%d", len(d.events)+1)
	d.now = d.now.Add(time.Second)
	e.RecordedAt = d.now
	if e.Data == nil && e.Body != nil {
		data, err := waybill.Marshal(e.Body)
		if err != nil {
			d.t.Fatalf("event %s: %v", e.ID, err)
		}
		e.Data = data
	}
	d.events = append(d.events, e)
	out := Decide(d.s, &e, d.p)
	d.apply(out)
	return out
}

func (d *desk) apply(out Decision) {
	d.t.Helper()
	if out.Missing != nil {
		d.t.Fatalf("nothing decided: events %v are not attached", out.Missing)
	}
	for _, key := range out.Withdraw {
		if v := d.lanes[key]; v == nil || v.state != "planned" {
			d.t.Fatalf("withdraws %s, which is not planned: %+v", key, v)
		}
		d.lanes[key].state = "withdrawn"
	}
	for _, key := range out.Skip {
		if v := d.lanes[key]; v == nil || v.state != "sent" {
			d.t.Fatalf("skips %s, which was not attempted: %+v", key, v)
		}
		d.lanes[key].state = "out"
	}
	for _, add := range out.Add {
		if v := d.lanes[add.Key]; v != nil && v.state != "withdrawn" {
			d.t.Fatalf("adds %s %s %s twice: it is %s", add.Target, add.Kind, add.Subject, v.state)
		}
		if add.Why == "" {
			d.t.Fatalf("adds %s %s without saying why", add.Kind, add.Subject)
		}
		d.adds++
		d.lanes[add.Key] = &delivery{Doc: add, state: "planned", order: d.adds}
	}
}

// attempt composes a planned document and tells of its first attempt.
func (d *desk) attempt(key string) (waybill.Document, Decision) {
	d.t.Helper()
	composed, err := Compose(d.s, key, d.p)
	if err != nil {
		d.t.Fatal(err)
	}
	v := d.lanes[key]
	d.adds++
	v.state, v.sent, v.attempted = "sent", composed, d.adds
	return composed, d.tell(waybill.Event{Type: waybill.DocumentAttempted, Source: "waybill", Body: &Attempted{Key: key, Seq: 1}})
}

func (d *desk) settle(a *Settled) Decision {
	d.t.Helper()
	if v := d.lanes[a.Key]; v != nil && (a.Outcome == OutcomeSkipped || a.Outcome == OutcomeAbsent) {
		v.state = "out"
	}
	return d.tell(waybill.Event{Type: waybill.DocumentSettled, Source: "waybill", Body: a})
}

// correct tells an operator's word on one document.
func (d *desk) correct(c *Command) Decision {
	d.t.Helper()
	return d.tell(waybill.Event{Type: waybill.CommandGiven, Source: "waybill", Body: c})
}

// find returns the newest delivery of a kind (and subject, where given) that
// fits a state; states "" means any.
func (d *desk) find(kind waybill.Kind, subject string, states ...string) *delivery {
	return d.findAt("", kind, subject, states...)
}

// findAt is find among the deliveries to one target.
func (d *desk) findAt(target string, kind waybill.Kind, subject string, states ...string) *delivery {
	var best *delivery
	for _, v := range d.lanes {
		if v.Kind == kind && (target == "" || v.Target == target) && (subject == "" || d.name(v.Doc) == subject) && (len(states) == 0 || slices.Contains(states, v.state)) &&
			(best == nil || v.order > best.order) {
			best = v
		}
	}
	return best
}

// name is a document's subject for people: another document's key becomes that
// document's own subject.
func (d *desk) name(doc Doc) string {
	subject := doc.Subject
	of := ""
	if undone, is := strings.CutPrefix(subject, undoSubject("")); is {
		of, subject = "undo:", undone
	}
	for ; ; of += "of:" {
		at := -1
		if len(subject) >= waybill.KeyLength {
			at = d.s.byKey(subject[:waybill.KeyLength])
		}
		if at < 0 {
			return of + subject
		}
		subject = d.s.docs[at].subject + subject[waybill.KeyLength:]
	}
}

// refold decides all recorded events again from nothing, storing and loading
// the state between any two of them, and compares the end with what the desk
// has.
func (d *desk) refold() {
	d.t.Helper()
	s := New("SO-1", d.p)
	for i := range d.events {
		e := d.events[i]
		e.Body = nil
		if out := Decide(s, &e, d.p); out.Missing != nil {
			d.t.Fatalf("refold event %s: %v missing", e.ID, out.Missing)
		}
		s = d.reload(s)
	}
	if diff := cmp.Diff(string(d.s.Append(nil)), string(s.Append(nil))); diff != "" {
		d.t.Fatalf("refolded and reloaded state differs (-as it was, +refolded):\n%s", diff)
	}
	if diff := cmp.Diff(d.s.View(), s.View(), decimals); diff != "" {
		d.t.Fatalf("refolded view differs:\n%s", diff)
	}
}

func (d *desk) reload(s *Sales) *Sales {
	d.t.Helper()
	blob := s.Append(nil)
	loaded, err := Load(blob)
	if err != nil {
		d.t.Fatalf("%v\n%s", err, blob)
	}
	for _, id := range loaded.Missing() {
		at := slices.IndexFunc(d.events, func(e waybill.Event) bool { return e.ID == id })
		if err := loaded.Attach(id, d.events[at].Data); err != nil {
			d.t.Fatal(err)
		}
	}
	return loaded
}

var decimals = cmp.Comparer(func(a, b waybill.Decimal) bool { return a.Equal(b) })
