package replay

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/internal/engine"
	"github.com/waybillhq/waybill/internal/ledger"
)

// change is one event by which a message reads otherwise than it was read.
type change struct {
	what  What
	event waybill.Event // what it says now
	old   *ledger.Event // what it was read as; nil: nothing
	// The waybill that it belongs to; an empty ref: none is known.
	kind   waybill.FlowKind
	ref    string
	state  string // that the event would take
	reason string
	fields []Field
}

// compare finds what a message says now and was not read as, or the other way
// round. extra were added by a live replay: they count where it says them still.
func compare(was, extra []said, now []waybill.Event) ([]change, error) {
	taken := make([]bool, len(now))
	pair := make([]int, len(was)) // place in now + 1
	for _, fits := range []func(s *said, e *waybill.Event) bool{
		says,
		func(s *said, e *waybill.Event) bool { return sameFact(s, e) && sameWaybill(s, e) },
		sameFact,
		func(s *said, e *waybill.Event) bool {
			return sameType(s.row.Type, e.Type) && s.row.Subject == e.Subject
		},
		func(s *said, e *waybill.Event) bool { return sameType(s.row.Type, e.Type) },
	} {
		for i := range was {
			for j := range now {
				if pair[i] == 0 && !taken[j] && !was[i].void && fits(&was[i], &now[j]) {
					pair[i], taken[j] = j+1, true
				}
			}
		}
	}
	var out []change
	for i := range was {
		s := &was[i]
		if s.void {
			continue
		}
		if pair[i] == 0 {
			out = append(out, s.gone())
			continue
		}
		e := now[pair[i]-1]
		switch {
		case says(s, &e):
		case sameFact(s, &e) && sameWaybill(s, &e) && (s.row.Waybill == 0 || s.kind == waybill.FlowSales):
			kind, ref := s.kind, s.ref
			if s.row.Waybill == 0 {
				kind, ref = e.Flow, e.Ref
			}
			out = append(out, change{what: Changed, event: e, old: &s.row, kind: kind, ref: ref})
		default: // it is about something else: that one is gone, this one is new
			out = append(out, s.gone(), change{what: Added, event: e, kind: e.Flow, ref: e.Ref})
		}
	}
	for j := range now {
		known := slices.ContainsFunc(extra, func(s said) bool { return says(&s, &now[j]) })
		if !taken[j] && !known {
			out = append(out, change{what: Added, event: now[j], kind: now[j].Flow, ref: now[j].Ref})
		}
	}
	for i := range out {
		if err := out[i].describe(); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// gone is what a message does not say any more.
func (s *said) gone() change {
	c := change{what: Gone, old: &s.row, kind: s.kind, ref: s.ref}
	switch {
	case s.row.Waybill != 0 && s.kind != waybill.FlowSales:
		c.what, c.reason = Left, "what it said of "+string(s.kind)+" "+s.ref+" can't be taken back: have "+s.row.Source+" send a newer version"
	case s.row.Type == waybill.OrderPlaced || s.row.Type == waybill.OrderChanged:
		c.what, c.reason = Left, "an order that was placed stands: cancel it"
	}
	return c
}

// says reports whether an event says what the message was read as.
func says(s *said, e *waybill.Event) bool {
	if !sameFact(s, e) || !sameWaybill(s, e) || !s.row.OccurredAt.Equal(e.OccurredAt.Truncate(time.Microsecond)) {
		return false
	}
	if s.row.State == ledger.Ignored && s.row.Waybill == 0 && engine.Folds(e) {
		return false // nothing took it when it came
	}
	was, errWas := waybill.ContentDigest(s.row.Data)
	data, err := dataOf(e)
	if err != nil || errWas != nil {
		return err != nil && errWas != nil
	}
	is, err := waybill.ContentDigest(data)
	return err == nil && was == is
}

// sameFact reports whether both are of one subject and version.
func sameFact(s *said, e *waybill.Event) bool {
	return sameType(s.row.Type, e.Type) && s.row.Source == e.Source && s.row.Subject == e.Subject && max(s.row.Version, 1) == max(e.Version, 1)
}

// sameType takes an order and a change of it for one type: both are versions of
// the order.
func sameType(a, b waybill.EventType) bool {
	order := func(t waybill.EventType) bool { return t == waybill.OrderPlaced || t == waybill.OrderChanged }
	return a == b || order(a) && order(b)
}

// sameWaybill reports whether an event goes where the message's was taken. One
// that names no waybill, or a return that is matched when it comes, goes where
// its kind goes.
func sameWaybill(s *said, e *waybill.Event) bool {
	if s.row.Waybill == 0 || e.Ref == "" || e.Flow == waybill.FlowReturn {
		return true
	}
	return s.kind == e.Flow && s.ref == e.Ref
}

func dataOf(e *waybill.Event) ([]byte, error) {
	if e.Data != nil || e.Body == nil {
		return e.Data, nil
	}
	return waybill.Marshal(e.Body)
}

// describe adds what a person wants to know of a change, and the event that a
// live replay gives in for something that is gone.
func (c *change) describe() error {
	data, err := dataOf(&c.event)
	if err != nil {
		return err
	}
	c.event.Data = data
	if c.what == Gone {
		if c.event, err = emptied(c.old); err != nil {
			return err
		}
		return nil
	}
	if c.old != nil && c.what == Changed {
		c.fields = fields(c.old.Data, c.event.Data)
		if !c.old.OccurredAt.Equal(c.event.OccurredAt.Truncate(time.Microsecond)) {
			c.fields = append(c.fields, Field{Path: "(occurred at)", From: stamp(c.old.OccurredAt), To: stamp(c.event.OccurredAt)})
		}
	}
	return nil
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format(time.RFC3339Nano)
}

// emptied is an event with nothing left of what it said.
func emptied(old *ledger.Event) (waybill.Event, error) {
	e := waybill.Event{Type: old.Type, Source: old.Source, Subject: old.Subject, Version: old.Version, OccurredAt: old.OccurredAt}
	data := map[string]jsontext.Value{}
	if err := waybill.Unmarshal(old.Data, &data); err != nil {
		return e, err
	}
	for _, name := range []string{"packages", "freight", "final", "total", "tracking"} {
		delete(data, name)
	}
	data["lines"] = jsontext.Value("[]")
	var err error
	e.Data, err = waybill.Marshal(data)
	return e, err
}

// live is the change as the engine takes it; ok is false where what was said
// stands.
func (c *change) live() (out engine.Change, ok bool) {
	if c.what == Left || c.what == Unreadable {
		return out, false
	}
	out = engine.Change{Event: c.event, Void: c.what == Gone}
	if c.old != nil {
		out.Replaces = c.old.ID
	}
	return out, true
}

// show is the change as a report has it.
func (c *change) show(message int64) Message {
	m := Message{Message: "msg_" + eventID(message), Type: c.event.Type, Subject: c.event.Subject, Source: c.event.Source,
		What: c.what, State: c.state, Reason: c.reason, Fields: c.fields}
	if c.old != nil {
		m.Event, m.Type, m.Source = "evt_"+eventID(c.old.ID), c.old.Type, c.old.Source
		if m.Subject == "" {
			m.Subject = c.old.Subject
		}
	}
	return m
}

func eventID(id int64) string { return strconv.FormatInt(id, 10) }

// Limits of what is shown of a fact's difference.
const (
	fieldsMax = 40
	fieldSize = 200
)

// fields lists the members by which two facts differ, in the order of their
// names.
func fields(was, is []byte) []Field {
	var d differ
	d.values("", was, is)
	return d.out
}

type differ struct{ out []Field }

func (d *differ) values(path string, was, is jsontext.Value) {
	if len(d.out) >= fieldsMax || equal(was, is) {
		return
	}
	if was.Kind() == '{' && is.Kind() == '{' {
		a, b := map[string]jsontext.Value{}, map[string]jsontext.Value{}
		if waybill.Unmarshal(was, &a) == nil && waybill.Unmarshal(is, &b) == nil {
			d.members(path, a, b)
			return
		}
	}
	if was.Kind() == '[' && is.Kind() == '[' {
		var a, b []jsontext.Value
		if waybill.Unmarshal(was, &a) == nil && waybill.Unmarshal(is, &b) == nil {
			for i := range max(len(a), len(b)) {
				d.values(path+"/"+strconv.Itoa(i), at(a, i), at(b, i))
			}
			return
		}
	}
	if path == "" {
		path = "/"
	}
	d.out = append(d.out, Field{Path: path, From: text(was), To: text(is)})
}

func (d *differ) members(path string, a, b map[string]jsontext.Value) {
	names := make([]string, 0, len(a)+len(b))
	for name := range a {
		names = append(names, name)
	}
	for name := range b {
		if _, both := a[name]; !both {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	escape := strings.NewReplacer("~", "~0", "/", "~1")
	for _, name := range names {
		d.values(path+"/"+escape.Replace(name), a[name], b[name])
	}
}

func at(list []jsontext.Value, i int) jsontext.Value {
	if i < len(list) {
		return list[i]
	}
	return nil
}

func equal(a, b jsontext.Value) bool {
	if len(a) == 0 || len(b) == 0 {
		return len(a) == len(b)
	}
	x, errX := waybill.ContentDigest(a)
	y, errY := waybill.ContentDigest(b)
	return errX == nil && errY == nil && x == y
}

// text writes a value for people: a string without its quotes.
func text(v jsontext.Value) string {
	s := string(v)
	if v.Kind() == '"' {
		if plain, err := jsontext.AppendUnquote(nil, v); err == nil {
			s = string(plain)
		}
	}
	if len(s) > fieldSize {
		s = strings.ToValidUTF8(s[:fieldSize], "") + "…"
	}
	return s
}
