package x12

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// isaCodes is the TA105 for each ISA element that can't be as it is.
var isaCodes = [16]string{"010", "011", "012", "013", "005", "006", "007", "008", "014", "015", "016", "017", "018", "019", "020", "027"}

// qualifiers are the codes of ISA05 and ISA07 beside the numbers 01 to 38.
var qualifiers = []string{"AM", "NR", "SA", "SN", "ZZ"}

func (s *scanner) beginInterchange(x raw) error {
	if s.ic != nil {
		s.interchangeFault(ClassTrailer, "023", "IEA", 0, "", "another interchange begins before the IEA of this one")
		if err := s.endInterchange(); err != nil {
			return err
		}
	}
	h := s.r.isa
	var f [17]string
	for i, v := range h.fields {
		f[i] = latin(v)
	}
	s.ic = &Interchange{
		N: s.r.pos.Interchange, SenderQualifier: f[5], Sender: strings.TrimRight(f[6], " "), ReceiverQualifier: f[7],
		Receiver: strings.TrimRight(f[8], " "), Date: f[9], Time: f[10], Version: f[12], Control: f[13],
		AckRequested: f[14] == "1", Usage: f[15], Delimiters: h.delims,
	}
	s.groups, s.only, s.answered = numbers{}, true, 0
	s.startDigest()
	if s.digest != nil {
		s.hash(x)
	}
	s.rules = Rules{}
	if s.o.Rules != nil {
		s.rules = s.o.Rules(s.ic)
	}
	if s.rules.Schemas == nil {
		s.rules.Schemas = Standard()
	}
	s.checkISA(h.fields)
	for _, fault := range s.rules.Agreed {
		s.add(&s.ic.Faults, fault)
	}
	if s.h.Begin == nil {
		return nil
	}
	return s.h.Begin(s.ic)
}

// checkISA finds what the ISA alone shows to be wrong, element by element.
func (s *scanner) checkISA(f [17]string) {
	for i, width := range isaWidths {
		v, what := f[i+1], ""
		switch {
		case len(v) != width:
			what = fmt.Sprintf("is %d characters wide, and not %d", len(v), width)
		case !isaValue(i+1, v, f[12]):
			what = fmt.Sprintf("can't be %q", v)
		default:
			continue
		}
		s.interchangeFault(ClassEnvelope, isaCodes[i], "ISA", i+1, strings.TrimSpace(v), fmt.Sprintf("ISA%02d %s", i+1, what))
	}
}

// isaValue reports whether an ISA element of the right width can hold v.
func isaValue(n int, v, version string) bool {
	switch n {
	case 1, 3:
		return v[0] == '0' && digits(v)
	case 5, 7:
		return slices.Contains(qualifiers, v) || digits(v) && v >= "01" && v <= "38"
	case 6, 8:
		return strings.TrimSpace(v) != ""
	case 9:
		_, err := time.Parse("060102", v)
		return err == nil
	case 10:
		return validTime(v)
	case 12:
		return digits(v) && v >= "00200" && v < "00900" && v[3] == '0'
	case 13:
		return digits(v)
	case 14:
		return v == "0" || v == "1"
	case 15:
		return v == "P" || v == "T" || v == "I"
	}
	return true
}

func digits(v string) bool {
	for i := 0; i < len(v); i++ {
		if v[i] < '0' || v[i] > '9' {
			return false
		}
	}
	return v != ""
}

// trailer reads the IEA.
func (s *scanner) trailer(x raw) error {
	if s.ic == nil {
		return nil // the reader answers a segment outside of an interchange as a syntax error
	}
	iea := s.fields(x)
	if err := s.closeOpenGroup("IEA"); err != nil {
		return err
	}
	if n, ok := number(iea.Element(1)); !ok || n != s.ic.Groups {
		s.interchangeFault(ClassCount, "021", "IEA", 1, iea.Element(1), fmt.Sprintf("IEA01 is %q, and %d groups are there", clip(iea.Element(1)), s.ic.Groups))
	}
	if strings.TrimSpace(iea.Element(2)) != strings.TrimSpace(s.ic.Control) {
		s.interchangeFault(ClassControl, "001", "IEA", 2, iea.Element(2), fmt.Sprintf("IEA02 is %q, and ISA13 %q", clip(iea.Element(2)), s.ic.Control))
	}
	if s.ic.Groups == 0 && s.answered == 0 {
		s.interchangeFault(ClassStructure, "022", "IEA", 0, "", "the interchange holds neither a group nor a TA1")
	}
	return s.endInterchange()
}

// closeOpenGroup ends a group whose GE is missing.
func (s *scanner) closeOpenGroup(before string) error {
	if s.group == nil {
		return nil
	}
	s.groupFault(ClassTrailer, "3", "GE", 0, "", "the group has no GE before "+before)
	return s.endGroup(s.group.Sets)
}

// endInterchange closes what is open, compares with what came before and
// reports the verdict.
func (s *scanner) endInterchange() error {
	if err := s.closeOpenGroup("the end"); err != nil {
		return err
	}
	ic := s.ic
	ic.AcksOnly = s.only && (ic.Groups > 0 || s.answered > 0)
	if s.digest != nil {
		s.digest.Sum(ic.Digest[:0])
		seen := s.o.Memory.Received(ic.Key(), ic.Digest)
		if seen == Same && s.rules.Duplicates != "none" || seen == Different && named(s.rules.Duplicates, "number") == "number" {
			s.interchangeFault(ClassDuplicate, "025", "ISA", 13, ic.Control, seen.detail(ic))
		}
	}
	s.ic, s.digest = nil, nil
	ic.Status = statusOf(ic.Faults)
	if s.h.End == nil {
		return nil
	}
	return s.h.End(ic)
}

func (s *scanner) beginGroup(x raw) error {
	if err := s.closeOpenGroup("the next GS"); err != nil {
		return err
	}
	gs := s.fields(x)
	s.ic.Groups++
	s.group = &Group{Interchange: s.ic, N: s.ic.Groups, Code: gs.Element(1), Sender: strings.TrimSpace(gs.Element(2)),
		Receiver: strings.TrimSpace(gs.Element(3)), Date: gs.Element(4), Time: gs.Element(5), Control: strings.TrimSpace(gs.Element(6)),
		Agency: gs.Element(7), Version: strings.TrimSpace(gs.Element(8))}
	s.sets = numbers{}
	s.only = s.only && s.group.Code == "FA"
	s.checkGS(gs)
	if s.h.Group == nil {
		return nil
	}
	return s.h.Group(s.group)
}

// checkGS finds what the GS alone shows to be wrong. What AK9 has no code for is
// told by the TA1: invalid content.
func (s *scanner) checkGS(gs Segment) {
	g := s.group
	bad := func(n int, what string) {
		s.interchangeFault(ClassEnvelope, "024", "GS", n, gs.Element(n), fmt.Sprintf("GS%02d %q %s", n, clip(gs.Element(n)), what))
	}
	switch {
	case g.Sender == "" || len(g.Sender) > 15:
		bad(2, "is no code of a sender: want 2 to 15 characters")
	case g.Receiver == "" || len(g.Receiver) > 15:
		bad(3, "is no code of a receiver: want 2 to 15 characters")
	case !validDate(g.Date) && (g.Version >= "004" || len(g.Date) != 6 || !validDate("20"+g.Date)):
		bad(4, "is no date as YYYYMMDD")
	case !validTime(g.Time):
		bad(5, "is no time as HHMM")
	}
	if n := len(g.Control); n < 1 || n > 9 || !digits(g.Control) {
		s.groupFault(ClassControl, "6", "GS", 6, g.Control, fmt.Sprintf("GS06 %q is no control number: want 1 to 9 digits", clip(g.Control)))
	} else if !s.groups.add(g.Control) {
		s.groupFault(ClassDuplicate, "19", "GS", 6, g.Control, fmt.Sprintf("GS06 %s is there twice in the interchange", g.Control))
	}
	if !s.rules.Schemas.knowsGroup(g.Code) {
		s.groupFault(ClassGroupCode, "1", "GS", 1, g.Code, fmt.Sprintf("functional group %q is not supported", clip(g.Code)))
	} else if !s.rules.Schemas.knowsVersion(g.Version) && g.Code != "FA" {
		s.groupFault(ClassSupport, "2", "GS", 8, g.Version, fmt.Sprintf("version %q is not supported; %s are", clip(g.Version), strings.Join(Versions(), " and ")))
	}
}

func (s *scanner) closeGroup(x raw) error {
	if s.group == nil {
		s.stray("GE", "a GE stands outside of a functional group")
		return nil
	}
	ge := s.fields(x)
	if err := s.endOpenMessage(); err != nil {
		return err
	}
	stated, ok := number(ge.Element(1))
	if !ok || stated != s.group.Sets {
		s.groupFault(ClassCount, "5", "GE", 1, ge.Element(1), fmt.Sprintf("GE01 is %q, and %d sets are there", clip(ge.Element(1)), s.group.Sets))
	}
	if !ok {
		stated = s.group.Sets
	}
	if strings.TrimSpace(ge.Element(2)) != s.group.Control {
		s.groupFault(ClassControl, "4", "GE", 2, ge.Element(2), fmt.Sprintf("GE02 is %q, and GS06 %q", clip(ge.Element(2)), s.group.Control))
	}
	return s.endGroup(stated)
}

func (s *scanner) endOpenMessage() error {
	if s.msg == nil {
		return nil
	}
	s.setFault(ClassTrailer, "2", "SE", 0, "", "the transaction set has no SE before the end of its group")
	return s.endMessage()
}

func (s *scanner) endGroup(stated int) error {
	if err := s.endOpenMessage(); err != nil {
		return err
	}
	g := s.group
	s.group = nil
	g.Stated = stated
	g.Status = statusOf(g.Faults)
	if s.h.EndGroup == nil {
		return nil
	}
	return s.h.EndGroup(g)
}

// Result is AK901: A accepted, E accepted with errors, P partly, R rejected.
func (g *Group) Result() string {
	switch {
	case g.Status == Rejected || g.Sets > 0 && g.SetsAccepted == 0:
		return "R"
	case g.SetsAccepted < g.Sets:
		return "P"
	case g.SetsWith > 0 || g.Status == AcceptedWithErrors:
		return "E"
	}
	return "A"
}

// Key is what identifies an interchange of a partner: qualifier and id of both
// sides, ISA13 and usage.
func (ic *Interchange) Key() string {
	return strings.Join([]string{ic.SenderQualifier, ic.Sender, ic.ReceiverQualifier, ic.Receiver, ic.Control, ic.Usage}, "/")
}

// Seen is what a memory knows of an interchange.
type Seen int

// What can be known of an interchange.
const (
	New       Seen = iota
	Same           // the same bytes came before: a harmless resend
	Different      // the control number came before with other content
)

func (n Seen) detail(ic *Interchange) string {
	if n == Same {
		return "interchange " + ic.Control + " came before with the same content; nothing is done twice"
	}
	return "ISA13 " + ic.Control + " came before with other content; the sender shall number it anew"
}

// Memory keeps the interchanges that were received. Received notes one by its
// [Interchange.Key] and says what was known of it before.
type Memory interface {
	Received(key string, digest [32]byte) Seen
}

// numbers is a set of control numbers. Those of digits are kept as bits, since
// they mostly follow each other: a group of a million sets takes some hundred
// kilobytes.
type numbers struct {
	bits map[uint64]uint64
	text map[string]struct{}
}

// add reports whether v was not there before.
func (n *numbers) add(v string) bool {
	if len(v) > 9 || !digits(v) {
		if _, there := n.text[v]; there {
			return false
		}
		if n.text == nil {
			n.text = map[string]struct{}{}
		}
		n.text[v] = struct{}{}
		return true
	}
	value, _ := strconv.ParseUint(v, 10, 64) // nine digits
	block, bit := uint64(len(v))<<32|value>>6, uint64(1)<<(value&63)
	if n.bits[block]&bit != 0 {
		return false
	}
	if n.bits == nil {
		n.bits = map[uint64]uint64{}
	}
	n.bits[block] |= bit
	return true
}
