package x12

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// AckPolicy says which acknowledgments a partner gets.
type AckPolicy struct {
	Kind string // "997" (also where empty), "999", or "none"
	TA1  string // "error" (also where empty): when refused or asked for by ISA14; "always"; "never"
	// Control gives the next ISA13 and GS06 of the acknowledgment. Nil: both are
	// the received interchange's, as a preview.
	Control func() (interchange, group int64)
	Time    time.Time
}

// Acknowledger writes what is owed for what [Read] hands over: hang its Begin,
// Message, EndGroup and End into the [Handler]. An acknowledgment is never acknowledged.
type Acknowledger struct {
	ask    func(*Interchange) AckPolicy
	policy AckPolicy // of the interchange
	delims Delimiters
	body   bytes.Buffer // the AK2 loops of the group
	w      *Writer
	count  int
	groups []OutgoingGroup
}

// NewAcknowledger makes one for the interchanges of one reading; policy is
// asked for each of them.
func NewAcknowledger(policy func(*Interchange) AckPolicy) *Acknowledger {
	return &Acknowledger{ask: policy}
}

// Begin asks for the partner's policy.
func (a *Acknowledger) Begin(ic *Interchange) error {
	a.policy = a.ask(ic)
	return nil
}

// acknowledges reports whether a group is answered at all.
func (a *Acknowledger) acknowledges(g *Group) bool {
	return g.Code != "FA" && a.policy.Kind != "none"
}

// Message notes the verdict on a set.
func (a *Acknowledger) Message(m *Message) error {
	if !a.acknowledges(m.Group) || isAck(m.Set) {
		return nil
	}
	if a.w == nil {
		a.delims = ackDelimiters(m.Group.Interchange)
		w, err := NewWriter(&a.body, a.delims)
		if err != nil {
			return err
		}
		a.w = w
	}
	for _, s := range a.setSegments(m) {
		if err := a.w.Write(s); err != nil {
			return fmt.Errorf("acknowledge set %s %s: %w", m.Set, m.Control, err)
		}
		a.count++
	}
	return nil
}

// setSegments are AK2 to AK5 of a set.
func (a *Acknowledger) setSegments(m *Message) []Segment {
	seg, elem, end := "AK3", "AK4", "AK5"
	if a.policy.Kind == "999" {
		seg, elem, end = "IK3", "IK4", "IK5"
	}
	impl := ""
	if m.Group.Version >= "005010" {
		impl = a.clean(m.Implementation)
	}
	out := []Segment{MakeSegment("AK2", a.clean(m.Set), a.clean(m.Control), impl)}
	var codes []string
	for i := 0; i < len(m.Faults); {
		f := &m.Faults[i]
		if f.Level == LevelSet {
			codes = add(codes, f.Code)
			i++
			continue
		}
		codes = add(codes, "5")
		code := f.Code
		if f.Level == LevelElement {
			code = "8"
		}
		out = append(out, MakeSegment(seg, a.clean(f.Segment), strconv.Itoa(f.Position), "", code))
		if f.Level != LevelElement {
			i++
			continue
		}
		for first := f; i < len(m.Faults); i++ {
			f := &m.Faults[i]
			if f.Level != LevelElement || f.Position != first.Position {
				break
			}
			out = append(out, a.elementSegment(elem, f))
		}
	}
	result := map[Status]string{Accepted: "A", AcceptedWithErrors: "E", Rejected: "R"}[m.Status]
	return append(out, MakeSegment(end, append([]string{result}, atMost(codes, 5)...)...))
}

func (a *Acknowledger) elementSegment(id string, f *Fault) Segment {
	place := strconv.Itoa(f.Element)
	if f.Component > 0 {
		place += string([]byte{a.delims.Component}) + strconv.Itoa(f.Component)
	}
	ref := ""
	if f.Reference > 0 {
		ref = strconv.Itoa(f.Reference)
	}
	return MakeSegment(id, place, ref, f.Code, a.clean(f.Value))
}

// add appends what is not there yet.
func add(list []string, v string) []string {
	for _, have := range list {
		if have == v {
			return list
		}
	}
	return append(list, v)
}

func atMost(list []string, n int) []string { return list[:min(n, len(list))] }

// EndGroup notes the verdict on a group. One that is refused as a whole names
// none of its sets.
func (a *Acknowledger) EndGroup(g *Group) error {
	if !a.acknowledges(g) {
		return nil
	}
	if a.w == nil { // no set in it
		a.delims = ackDelimiters(g.Interchange)
	}
	ack := OutgoingMessage{Set: "997", Control: fmt.Sprintf("%04d", len(a.groups)+1)}
	version := ""
	if g.Version >= "005010" {
		version = a.clean(g.Version)
	}
	if a.policy.Kind == "999" {
		ack.Set, ack.Implementation = "999", "005010"
	}
	ack.Body = []Segment{MakeSegment("AK1", a.clean(g.Code), a.clean(g.Control), version)}
	accepted := g.SetsAccepted
	if g.Status == Rejected {
		accepted = 0
	}
	var codes []string
	for i := range g.Faults {
		codes = add(codes, g.Faults[i].Code)
	}
	last := MakeSegment("AK9", append([]string{g.Result(), strconv.Itoa(g.Stated), strconv.Itoa(g.Sets), strconv.Itoa(accepted)}, atMost(codes, 5)...)...)
	if g.Status == Rejected || a.w == nil {
		ack.Body = append(ack.Body, last)
	} else {
		if err := errors.Join(a.w.Write(last), a.w.Flush()); err != nil {
			return fmt.Errorf("acknowledge group %s: %w", g.Control, err)
		}
		ack.Rendered, ack.RenderedCount = a.body.Bytes(), a.count+1
	}
	a.groups = append(a.groups, OutgoingGroup{Code: "FA", Sender: a.clean(g.Receiver), Receiver: a.clean(g.Sender), Version: ackVersion(a.policy.Kind, g.Version),
		Messages: []OutgoingMessage{ack}})
	a.clear()
	return nil
}

// clear begins the next group with a buffer of its own: the last one's bytes
// are kept until they are written.
func (a *Acknowledger) clear() { a.body, a.w, a.count = bytes.Buffer{}, nil, 0 }

// End returns the acknowledgments of an interchange as they go on the wire:
// none, a TA1, the 997 or 999 of its groups, or both.
func (a *Acknowledger) End(ic *Interchange) ([][]byte, error) {
	groups := a.groups
	a.groups = nil
	a.clear()
	if ic.AcksOnly {
		return nil, nil
	}
	var out [][]byte
	if a.wantsTA1(ic) {
		o := a.answer(ic)
		o.Acks = []InterchangeAck{{Control: a.clean(ic.Control), Date: a.clean(ic.Date), Time: a.clean(ic.Time), Result: "A", Code: "000"}}
		if len(ic.Faults) > 0 {
			o.Acks[0].Code, o.Acks[0].Result = ic.Faults[0].Code, "E"
		}
		if ic.Status == Rejected {
			o.Acks[0].Result = "R"
			o.Acks[0].Code = firstRejecting(ic.Faults)
		}
		b, err := o.Bytes()
		if err != nil {
			return nil, fmt.Errorf("write TA1 for interchange %s: %w", ic.Control, err)
		}
		out = append(out, b)
	}
	if ic.Status == Rejected || len(groups) == 0 {
		return out, nil
	}
	o := a.answer(ic)
	for i := range groups {
		_, number := a.numbers(ic)
		groups[i].Control = number
		if i > 0 && a.policy.Control == nil {
			groups[i].Control = (number+int64(i)-1)%ControlMax + 1
		}
	}
	o.Groups = groups
	b, err := o.Bytes()
	if err != nil {
		return nil, fmt.Errorf("write %s for interchange %s: %w", named(a.policy.Kind, "997"), ic.Control, err)
	}
	return append(out, b), nil
}

func firstRejecting(faults []Fault) string {
	for i := range faults {
		if !faults[i].Accepted {
			return faults[i].Code
		}
	}
	return "000"
}

func (a *Acknowledger) wantsTA1(ic *Interchange) bool {
	switch a.policy.TA1 {
	case "never":
		return false
	case "always":
		return true
	}
	return ic.AckRequested || len(ic.Faults) > 0
}

// answer is the envelope of an acknowledgment: the received one's, turned round.
func (a *Acknowledger) answer(ic *Interchange) Outgoing {
	a.delims = ackDelimiters(ic)
	number, _ := a.numbers(ic)
	o := Outgoing{SenderQualifier: a.exactly(ic.ReceiverQualifier, "ZZ"), Sender: a.id(ic.Receiver), ReceiverQualifier: a.exactly(ic.SenderQualifier, "ZZ"),
		Receiver: a.id(ic.Sender), Version: ic.Version, Control: number, Usage: ic.Usage, Time: a.policy.Time, Delimiters: a.delims}
	if len(ic.Version) != 5 || !isaValue(12, ic.Version, "") {
		o.Version = "00401"
	}
	if len(ic.Usage) != 1 || !isaValue(15, ic.Usage, "") {
		o.Usage = "P"
	}
	return o
}

func (a *Acknowledger) numbers(ic *Interchange) (interchange, group int64) {
	if a.policy.Control != nil {
		return a.policy.Control()
	}
	n, ok := number(ic.Control)
	if !ok || n == 0 {
		n = 1
	}
	return int64(n), int64(n)
}

func (a *Acknowledger) exactly(qualifier, instead string) string {
	if len(qualifier) == 2 {
		return a.clean(qualifier)
	}
	return instead
}

func (a *Acknowledger) id(v string) string {
	v = a.clean(v)
	return v[:min(len(v), 15)]
}

// ackDelimiters are those of what is answered, where they can be written again:
// its sender can read them.
func ackDelimiters(ic *Interchange) Delimiters {
	d := ic.Delimiters
	if d.Check() != nil || len(d.Segment) > 1 || d.Segment[0] >= 0x80 || d.Element >= 0x80 || d.Component >= 0x80 || d.Repetition >= 0x80 {
		return DefaultDelimiters(ic.Version)
	}
	return d
}

func ackVersion(kind, received string) string {
	switch {
	case kind == "999" || received >= "005010":
		return "005010"
	}
	return "004010"
}

// clean makes a received value fit for the answer: what is a delimiter there, or
// no printable ASCII, becomes another sign.
func (a *Acknowledger) clean(v string) string {
	own := string([]byte{a.delims.Element, a.delims.Component, a.delims.Repetition}) + a.delims.Segment
	sign := byte('?')
	for strings.IndexByte(own, sign) >= 0 {
		sign++
	}
	out, changed := []byte(v), false
	for i, c := range out {
		if c < ' ' || c > '~' || strings.IndexByte(own, c) >= 0 {
			out[i], changed = sign, true
		}
	}
	if !changed {
		return v
	}
	return string(out)
}
