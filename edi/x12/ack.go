package x12

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// AckPolicy says which acknowledgments a partner gets.
type AckPolicy struct {
	Kind string // "997" (also where empty), "999", or "none"
	TA1  string // "error" (also where empty): when refused or asked for by ISA14; "always"; "never"
	Time time.Time
}

// Acknowledger writes what is owed for what [Read] hands over: hang its Begin,
// Message and EndGroup into the [Handler], and its End or Answers. An
// acknowledgment is never acknowledged. Its control numbers are those of what
// is answered: whoever sends it gives it his own.
type Acknowledger struct {
	ask    func(*Interchange) AckPolicy
	policy AckPolicy // of the interchange
	delims Delimiters
	spool  Spool
	kept   int64            // bytes of whole groups in the spool
	groups int              // of them
	w      *Writer          // of the group that is open; nil: none
	at     *io.OffsetWriter // below w
	count  int              // segments of its set, ST included
}

// Spool keeps the answers to the groups of an interchange until it is known
// whether they are sent. An *os.File is one.
type Spool interface {
	io.WriterAt
	io.ReaderAt
}

// NewAcknowledger makes one for the interchanges of one reading; policy is
// asked for each of them. The spool is overwritten with each interchange; nil
// keeps the answers in memory: some twenty bytes for a set.
func NewAcknowledger(policy func(*Interchange) AckPolicy, spool Spool) *Acknowledger {
	if spool == nil {
		spool = &memorySpool{}
	}
	return &Acknowledger{ask: policy, spool: spool}
}

// memorySpool is a [Spool] in memory.
type memorySpool struct{ bytes []byte }

// WriteAt overwrites what is there, and what follows is lost: nobody reads it.
func (m *memorySpool) WriteAt(p []byte, at int64) (int, error) {
	m.bytes = append(m.bytes[:at], p...)
	return len(p), nil
}

func (m *memorySpool) ReadAt(p []byte, at int64) (int, error) {
	return bytes.NewReader(m.bytes).ReadAt(p, at)
}

// Begin asks for the partner's policy.
func (a *Acknowledger) Begin(ic *Interchange) error {
	a.policy = a.ask(ic)
	a.kept, a.groups, a.w = 0, 0, nil
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
		if err := a.open(m.Group); err != nil {
			return err
		}
	}
	if err := a.write(a.setSegments(m)...); err != nil {
		return fmt.Errorf("acknowledge set %s %s: %w", m.Set, m.Control, err)
	}
	return nil
}

// open begins the answer to a group, over whatever was begun before.
func (a *Acknowledger) open(g *Group) error {
	a.delims, a.count = ackDelimiters(g.Interchange), 0
	a.at = io.NewOffsetWriter(a.spool, a.kept)
	var err error
	if a.w, err = NewWriter(a.at, a.delims); err != nil {
		return err
	}
	set, implementation, version := "997", "", ""
	if a.policy.Kind == "999" {
		set, implementation = "999", "005010"
	}
	if g.Version >= "005010" {
		version = a.clean(g.Version)
	}
	err = a.w.Write(OutgoingGroup{Code: "FA", Sender: a.clean(g.Receiver), Receiver: a.clean(g.Sender), Control: a.control(g.Interchange),
		Version: ackVersion(a.policy.Kind, g.Version)}.header(a.policy.Time))
	if err == nil {
		err = a.write(MakeSegment("ST", set, a.setControl(), implementation), MakeSegment("AK1", a.clean(g.Code), a.clean(g.Control), version))
	}
	if err != nil {
		return fmt.Errorf("acknowledge group %s: %w", g.Control, err)
	}
	return nil
}

// control is the GS06 of the group that is open.
func (a *Acknowledger) control(ic *Interchange) int64 {
	return (previewNumber(ic)+int64(a.groups)-1)%ControlMax + 1
}

func (a *Acknowledger) setControl() string { return fmt.Sprintf("%04d", a.groups+1) }

func (a *Acknowledger) write(segments ...Segment) error {
	for _, s := range segments {
		if err := a.w.Write(s); err != nil {
			return err
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
	if a.w == nil || g.Status == Rejected {
		if err := a.open(g); err != nil {
			return err
		}
	}
	accepted := g.SetsAccepted
	if g.Status == Rejected {
		accepted = 0
	}
	var codes []string
	for i := range g.Faults {
		codes = add(codes, g.Faults[i].Code)
	}
	last := MakeSegment("AK9", append([]string{g.Result(), strconv.Itoa(g.Stated), strconv.Itoa(g.Sets), strconv.Itoa(accepted)}, atMost(codes, 5)...)...)
	err := a.write(last, MakeSegment("SE", strconv.Itoa(a.count+2), a.setControl()))
	if err == nil {
		err = errors.Join(a.write(MakeSegment("GE", "1", strconv.FormatInt(a.control(g.Interchange), 10))), a.w.Flush())
	}
	if err != nil {
		return fmt.Errorf("acknowledge group %s: %w", g.Control, err)
	}
	size, err := a.at.Seek(0, io.SeekCurrent)
	a.kept, a.groups, a.w = a.kept+size, a.groups+1, nil
	return err
}

// End returns the acknowledgments of an interchange as they go on the wire:
// none, a TA1, the 997 or 999 of its groups, or both.
func (a *Acknowledger) End(ic *Interchange) ([][]byte, error) {
	var out [][]byte
	for _, o := range a.Answers(ic) {
		b, err := o.Bytes()
		if err != nil {
			return nil, fmt.Errorf("acknowledge interchange %s: %w", ic.Control, err)
		}
		out = append(out, b)
	}
	return out, nil
}

// Answers are the acknowledgments of an interchange before they are written,
// which has to be done before the next one begins.
func (a *Acknowledger) Answers(ic *Interchange) []Outgoing {
	if ic.AcksOnly {
		return nil
	}
	var out []Outgoing
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
		out = append(out, o)
	}
	if ic.Status == Rejected || a.groups == 0 {
		return out
	}
	o := a.answer(ic)
	o.Rendered, o.RenderedGroups = io.NewSectionReader(a.spool, 0, a.kept), a.groups
	return append(out, o)
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
	o := Outgoing{SenderQualifier: a.exactly(ic.ReceiverQualifier, "ZZ"), Sender: a.id(ic.Receiver), ReceiverQualifier: a.exactly(ic.SenderQualifier, "ZZ"),
		Receiver: a.id(ic.Sender), Version: ic.Version, Control: previewNumber(ic), Usage: ic.Usage, Time: a.policy.Time, Delimiters: a.delims}
	if len(ic.Version) != 5 || !isaValue(12, ic.Version, "") {
		o.Version = "00401"
	}
	if len(ic.Usage) != 1 || !isaValue(15, ic.Usage, "") {
		o.Usage = "P"
	}
	return o
}

// previewNumber is the received control number, in the place of ours.
func previewNumber(ic *Interchange) int64 {
	n, ok := number(ic.Control)
	if !ok || n == 0 {
		n = 1
	}
	return int64(n)
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
	separators := string([]byte{d.Element, d.Component, d.Repetition})
	if d.Check() != nil || len(d.Segment) > 1 || d.Segment[0] >= 0x80 || strings.ContainsAny(separators, "\r\n") ||
		d.Element >= 0x80 || d.Component >= 0x80 || d.Repetition >= 0x80 {
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
