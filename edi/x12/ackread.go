package x12

// InterchangeAck is a TA1: what a partner says of an interchange of ours.
type InterchangeAck struct {
	Control    string // the ISA13 that it answers
	Date, Time string // of that interchange
	Result     string // A accepted, E accepted with errors, R rejected
	Code       string // TA105: 000 is no error
}

// Accepted reports whether the interchange was taken.
func (a InterchangeAck) Accepted() bool { return a.Result == "A" || a.Result == "E" }

func readTA1(s Segment) InterchangeAck {
	return InterchangeAck{Control: s.Element(1), Date: s.Element(2), Time: s.Element(3), Result: s.Element(4), Code: s.Element(5)}
}

// GroupAck is a 997 or 999: what a partner says of a group of ours.
type GroupAck struct {
	Code, Control string // the group's GS01 and GS06
	Result        string // AK901: A, E, P, R, and M, W, X for security
	Stated        int    // AK902: sets by its GE01
	Received      int    // AK903
	Accepted      int    // AK904
	Notes         []string
	Sets          []SetAck // those that it names; a group taken as a whole may name none
}

// SetAck is what a partner says of one set of the group.
type SetAck struct {
	Set, Control string // ST01 and ST02
	Result       string // A, E, R, and M, W, X for security
	Notes        []string
	Faults       []Fault
}

// Accepted reports whether the partner took a set: it was processed, perhaps
// with errors.
func (a SetAck) Accepted() bool { return a.Result == "A" || a.Result == "E" }

// Verdict says what became of one of our sets: its own result where the
// acknowledgment names it, the group's otherwise. known is false where the
// group was taken in part and the set is not among those named.
func (a GroupAck) Verdict(set, control string) (accepted, known bool) {
	for _, s := range a.Sets {
		if s.Set == set && s.Control == control {
			return s.Accepted(), true
		}
	}
	switch a.Result {
	case "A", "E":
		return true, true
	case "P":
		return false, false
	}
	return false, true
}

// ReadGroupAck reads a 997 or a 999. ok is false where m is neither.
func ReadGroupAck(m *Message) (a GroupAck, ok bool) {
	if !isAck(m.Set) {
		return a, false
	}
	position := 0
	for i := range m.Len() {
		s := m.Segment(i)
		switch s.ID() {
		case "AK1":
			a.Code, a.Control = s.Element(1), s.Element(2)
		case "AK2":
			a.Sets = append(a.Sets, SetAck{Set: s.Element(1), Control: s.Element(2)})
		case "AK9":
			a.Result = s.Element(1)
			a.Stated, _ = number(s.Element(2))
			a.Received, _ = number(s.Element(3))
			a.Accepted, _ = number(s.Element(4))
			a.Notes = notes(s, 5)
		}
		if len(a.Sets) == 0 {
			continue
		}
		set := &a.Sets[len(a.Sets)-1]
		switch s.ID() {
		case "AK3", "IK3":
			position, _ = number(s.Element(2))
			set.Faults = append(set.Faults, Fault{Level: LevelSegment, Code: s.Element(4), Segment: s.Element(1), Position: position})
		case "AK4", "IK4":
			set.Faults = append(set.Faults, readElementFault(m, s, set, position))
		case "AK5", "IK5":
			set.Result, set.Notes = s.Element(1), notes(s, 2)
		}
	}
	return a, true
}

func readElementFault(m *Message, s Segment, set *SetAck, position int) Fault {
	f := Fault{Level: LevelElement, Code: s.Element(3), Position: position, Value: s.Element(4)}
	if n := len(set.Faults); n > 0 {
		f.Segment = set.Faults[n-1].Segment
	}
	parts := Components(s.Element(1), m.Group.Interchange.Delimiters)
	f.Element, _ = number(parts[0])
	if len(parts) > 1 {
		f.Component, _ = number(parts[1])
	}
	f.Reference, _ = number(s.Element(2))
	return f
}

func notes(s Segment, from int) []string {
	var out []string
	for n := from; n <= s.Len(); n++ {
		if s.Has(n) {
			out = append(out, s.Element(n))
		}
	}
	return out
}
