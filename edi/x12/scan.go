package x12

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// Options are what a reading needs from outside. The zero value reads any
// partner by the standard.
type Options struct {
	// Rules are a partner's, asked for at each ISA. Nil: the zero Rules.
	Rules func(*Interchange) Rules
	// Memory recognises interchanges that came before. Nil: nothing is compared.
	Memory Memory
}

// Rules say how strictly an interchange is read, and against what.
type Rules struct {
	Schemas *Schemas         // nil: those of the standard
	Actions map[Class]Action // by class; absent: Reject
	// Agreed is what only a partner's profile knows to be wrong with the ISA:
	// its parties.
	Agreed []Fault
	// Supports says whether a set of a version is taken. Nil: every set that has
	// a schema.
	Supports func(set, version string) bool
	// Duplicates: "number" (also where empty) refuses a control number that came
	// before, "digest" only the same content, "none" nothing.
	Duplicates string
}

// Handler is told what is read, in the order of the file; nil fields are not
// asked. Messages come with the verdict on themselves; that on their group and
// interchange follows with EndGroup and End, and a rejection there is one of
// everything inside. An error ends the reading.
type Handler struct {
	Begin    func(*Interchange) error
	Group    func(*Group) error
	Message  func(*Message) error
	EndGroup func(*Group) error
	End      func(*Interchange) error
}

// Read reads a file of any number of interchanges to its end. What is wrong
// with an interchange is reported as faults. The error is a [*SyntaxError]
// where the file is no X12 or can't be read any further, the handler's, or
// that of in.
func Read(in io.Reader, o Options, h Handler) error {
	s := scanner{r: NewReader(in), o: o, h: h}
	for {
		x, err := s.r.next()
		if err != nil {
			return s.stop(err)
		}
		if err := s.segment(x); err != nil {
			return err
		}
	}
}

// scanner holds what is open while a file is read.
type scanner struct {
	r     *Reader
	o     Options
	rules Rules // of the interchange
	h     Handler
	ic    *Interchange
	group *Group
	msg   *Message
	n     int // segments of msg
	ends  []int32
	buf   []byte // of sets, used again
	// likeEnds and likeMarks are the size of the last set: the next is like it.
	likeEnds, likeMarks int
	groups              numbers // GS06 of the interchange
	sets                numbers // ST02 of the group
	only                bool    // every group so far holds acknowledgments
	answered            int     // TA1 segments of the interchange
	digest              hash.Hash
	check               checker
}

// stop closes what is open when there is nothing more to read.
func (s *scanner) stop(err error) error {
	var syntax *SyntaxError
	broken := errors.As(err, &syntax)
	if !broken && !errors.Is(err, io.EOF) {
		return err
	}
	if s.ic != nil {
		code, detail := "023", "the file ends before the IEA of the interchange; send it again, whole"
		if broken {
			code, detail = named(syntax.Code, "022"), syntax.Error()
		}
		if !s.noted(code) {
			s.interchangeFault(ClassTrailer, code, "IEA", 0, "", detail)
		}
		if err := s.endInterchange(); err != nil {
			return err
		}
	}
	if broken {
		return err
	}
	return nil
}

func named(code, instead string) string {
	if code == "" {
		return instead
	}
	return code
}

// segment takes the next segment in.
func (s *scanner) segment(x raw) error {
	s.ends = split(s.ends[:0], x.data, s.r.delims.Element)
	id := x.data[:s.ends[0]]
	if s.digest != nil && !x.isa {
		s.hash(x)
	}
	if x.cut && string(id) != "IEA" {
		return s.cutOff(x)
	}
	if x.isa {
		return s.beginInterchange(x)
	}
	switch string(id) {
	case "IEA":
		return s.trailer(x)
	case "GS":
		return s.beginGroup(x)
	case "GE":
		return s.closeGroup(x)
	case "ST":
		return s.beginMessage(x)
	case "SE":
		return s.closeMessage(x)
	}
	if s.msg != nil {
		s.n++
		s.msg.add(x, s.ends)
		return nil
	}
	switch string(id) {
	case "TA1":
		if s.group != nil {
			s.stray("TA1", "a TA1 stands before the groups, not inside one")
			return nil
		}
		s.interchangeAck(s.fields(x))
	case "ISB", "ISE": // deferred delivery: between VANs
	default:
		s.stray(clip(latin(string(id))), fmt.Sprintf("segment %q stands outside of a transaction set", clip(string(id))))
	}
	return nil
}

// interchangeAck takes a TA1 in. One that can't be understood answers nothing.
func (s *scanner) interchangeAck(ta1 Segment) {
	s.answered++
	a := readTA1(ta1)
	n := 0
	switch {
	case !digits(a.Control) || len(a.Control) > 9:
		n = 1
	case a.Result != "A" && a.Result != "E" && a.Result != "R":
		n = 4
	}
	if n > 0 {
		s.interchangeFault(ClassStructure, "024", "TA1", n, ta1.Element(n), fmt.Sprintf("TA1%02d is %q: the TA1 does not say what it answers, or how", n, clip(ta1.Element(n))))
		return
	}
	s.ic.Acks = append(s.ic.Acks, a)
}

// fields is a segment for keeping.
func (s *scanner) fields(x raw) Segment {
	if !utf8.Valid(x.data) {
		list := strings.Split(latin(string(x.data)), latin(string([]byte{s.r.delims.Element})))
		return MakeSegment(list[0], list[1:]...)
	}
	return Segment{text: string(x.data), ends: append([]int32(nil), s.ends...), offset: x.offset}
}

func (s *scanner) hash(x raw) {
	s.digest.Write(x.data)
	s.digest.Write([]byte{'\n'})
}

// cutOff handles a segment that the end of its file, or the beginning of
// another interchange, cut off.
func (s *scanner) cutOff(x raw) error {
	if s.msg != nil {
		s.n++
		s.msg.add(x, s.ends)
	}
	s.interchangeFault(ClassTrailer, "023", latin(string(x.data[:min(3, len(x.data))])), 0, "",
		"the interchange ends inside a segment: "+s.r.pos.String()+"; send it again, whole")
	return nil
}

func (s *scanner) stray(id, detail string) {
	if !s.noted("024") { // the first says it
		s.interchangeFault(ClassStructure, "024", id, 0, "", detail)
	}
}

// noted reports whether the interchange has a fault of this code already.
func (s *scanner) noted(code string) bool {
	return slices.ContainsFunc(s.ic.Faults, func(f Fault) bool { return f.Code == code })
}

// add notes a fault by what the profile says about its class.
func (s *scanner) add(list *[]Fault, f Fault) {
	action := s.rules.Actions[f.Class]
	if f.Class == ClassTrailer || f.Class == ClassSupport {
		action = Reject
	}
	if action == Ignore || len(*list) >= MessageFaultsMax {
		return
	}
	f.Accepted = action == Accept
	f.Value = shorten(latin(f.Value))
	*list = append(*list, f)
}

func (s *scanner) interchangeFault(class Class, code, segment string, element int, value, detail string) {
	s.add(&s.ic.Faults, Fault{Level: LevelInterchange, Class: class, Code: code, Segment: segment, Element: element, Value: value, Detail: detail})
}

func (s *scanner) groupFault(class Class, code, segment string, element int, value, detail string) {
	s.add(&s.group.Faults, Fault{Level: LevelGroup, Class: class, Code: code, Segment: segment, Element: element, Value: value, Detail: detail})
}

func (s *scanner) setFault(class Class, code, segment string, element int, value, detail string) {
	position := 1
	if segment == "SE" {
		position = s.n
	}
	s.add(&s.msg.Faults, Fault{Level: LevelSet, Class: class, Code: code, Segment: segment, Position: position, Element: element, Value: value, Detail: detail})
}

func (s *scanner) beginMessage(x raw) error {
	if s.msg != nil {
		s.setFault(ClassTrailer, "2", "SE", 0, "", "the transaction set has no SE before the next ST")
		if err := s.endMessage(); err != nil {
			return err
		}
	}
	if s.group == nil {
		s.stray("ST", "a transaction set stands outside of a functional group")
		return nil
	}
	st := s.fields(x)
	g := s.group
	g.Sets++
	s.msg = &Message{Group: g, N: g.Sets, Set: st.Element(1), Control: st.Element(2), Implementation: st.Element(3), Offset: x.offset}
	s.msg.buf = s.buf
	s.msg.ends, s.msg.marks = make([]int32, 0, s.likeEnds), make([]mark, 0, s.likeMarks)
	s.msg.add(x, s.ends)
	s.n = 1
	s.checkST()
	return nil
}

// checkST is what the ST alone shows to be wrong.
func (s *scanner) checkST() {
	m := s.msg
	switch {
	case len(m.Set) != 3 || strings.Trim(m.Set, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "":
		s.setFault(ClassSupport, "6", "ST", 1, m.Set, fmt.Sprintf("ST01 %q names no transaction set", clip(m.Set)))
	case !s.supports(m.Set):
		s.setFault(ClassSupport, "1", "ST", 1, m.Set, fmt.Sprintf("transaction set %s in version %s is not supported", m.Set, m.Group.Version))
	case GroupCode(m.Set) != m.Group.Code:
		s.setFault(ClassGroupCode, "1", "ST", 1, m.Set,
			fmt.Sprintf("transaction set %s stands in a group %s and belongs into %s", m.Set, m.Group.Code, GroupCode(m.Set)))
	}
	if n := len(m.Control); n < 4 || n > 9 || !plain(m.Control) {
		s.setFault(ClassControl, "7", "ST", 2, m.Control, fmt.Sprintf("ST02 %q is no control number: want 4 to 9 letters or digits", clip(m.Control)))
	} else if !s.sets.add(m.Control) {
		s.setFault(ClassDuplicate, "23", "ST", 2, m.Control, fmt.Sprintf("ST02 %s is there twice in the group", m.Control))
	}
}

func (s *scanner) supports(set string) bool {
	if s.rules.Schemas.Schema(set, s.group.Version) == nil {
		return false
	}
	return s.rules.Supports == nil || isAck(set) || s.rules.Supports(set, s.group.Version)
}

func plain(v string) bool {
	for i := 0; i < len(v); i++ {
		if c := v[i]; (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			return false
		}
	}
	return true
}

func (s *scanner) closeMessage(x raw) error {
	if s.msg == nil {
		s.stray("SE", "an SE stands outside of a transaction set")
		return nil
	}
	se := s.fields(x)
	s.n++
	s.msg.add(x, s.ends)
	if n, ok := number(se.Element(1)); !ok || n != s.n {
		s.setFault(ClassCount, "4", "SE", 1, se.Element(1), fmt.Sprintf("SE01 is %q, and %d segments are there", clip(se.Element(1)), s.n))
	}
	if se.Element(2) != s.msg.Control {
		s.setFault(ClassControl, "3", "SE", 2, se.Element(2), fmt.Sprintf("SE02 is %q, and ST02 %q", clip(se.Element(2)), clip(s.msg.Control)))
	}
	return s.endMessage()
}

// endMessage checks a set and hands it over.
func (s *scanner) endMessage() error {
	m := s.msg
	s.msg = nil
	s.buf = m.seal()
	s.likeEnds, s.likeMarks = len(m.ends), len(m.marks)
	if schema := s.rules.Schemas.Schema(m.Set, m.Group.Version); schema != nil && s.supportedSet(m) {
		if m.large {
			s.add(&m.Faults, Fault{Level: LevelSet, Class: ClassSupport, Code: "5", Segment: "ST", Position: 1,
				Detail: "the transaction set has more than the 12 MiB that one may have; split it"})
		} else {
			s.check.run(s, schema, m)
		}
	}
	m.Status = statusOf(m.Faults)
	if m.Status != Rejected {
		m.Group.SetsAccepted++
		if m.Status == AcceptedWithErrors {
			m.Group.SetsWith++
		}
	}
	if s.h.Message == nil {
		return nil
	}
	return s.h.Message(m)
}

func (s *scanner) supportedSet(m *Message) bool {
	for i := range m.Faults {
		if m.Faults[i].Class == ClassSupport {
			return false
		}
	}
	return true
}

// number reads a count; at most nine digits beside leading zeros.
func number(v string) (int, bool) {
	v = strings.TrimSpace(v)
	for len(v) > 1 && v[0] == '0' {
		v = v[1:]
	}
	if v == "" || len(v) > 9 {
		return 0, false
	}
	n := 0
	for i := 0; i < len(v); i++ {
		if v[i] < '0' || v[i] > '9' {
			return 0, false
		}
		n = n*10 + int(v[i]-'0')
	}
	return n, true
}

// isAck reports whether a set is an acknowledgment, which is never acknowledged.
func isAck(set string) bool { return set == "997" || set == "999" }

func (s *scanner) startDigest() {
	s.digest = nil
	if s.o.Memory != nil {
		s.digest = sha256.New()
	}
}
