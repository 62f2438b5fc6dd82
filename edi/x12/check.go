package x12

import (
	"fmt"
	"math/bits"
	"strings"
	"unicode/utf8"
)

// checker holds a set against its schema. It is reused from set to set.
type checker struct {
	s      *scanner
	schema *Schema
	m      *Message
	stack  []frame
	at     int // position of the segment, from 1
	recent [64]foundDef
}

// foundDef is a definition that was looked for.
type foundDef struct {
	schema *Schema
	def    *segmentDef
}

// definition is that of a segment in the schema: the same few names come again
// and again.
func (c *checker) definition(id string) *segmentDef {
	h := uint32(len(id))
	for i := 0; i < len(id) && i < 3; i++ {
		h = h*31 + uint32(id[i])
	}
	f := &c.recent[h%uint32(len(c.recent))]
	if f.schema == c.schema && f.def.id == id {
		return f.def
	}
	def := c.schema.defs[id]
	if def != nil {
		*f = foundDef{c.schema, def}
	}
	return def
}

// frame is a loop that is open: where in it we are, and how often the node there
// has been.
type frame struct {
	l  *loop
	at int
	n  int
}

// run adds what is wrong with a set to its faults.
func (c *checker) run(s *scanner, schema *Schema, m *Message) {
	c.s, c.schema, c.m = s, schema, m
	c.stack = append(c.stack[:0], frame{l: schema.root})
	for i := range m.marks {
		c.at = i + 1
		seg := m.Segment(i)
		def := c.definition(seg.Element(0))
		if def == nil || !c.place(def) {
			c.misplaced(seg, def)
			continue
		}
		if def.elements != nil && i > 0 && def.id != "SE" { // ST and SE are checked with the envelope
			c.elements(seg, def)
		}
	}
	c.closeFrames(0)
	f := c.stack[0]
	c.missing(f, len(f.l.nodes))
}

// place finds where a segment stands, from the innermost loop outwards, and
// moves there.
func (c *checker) place(def *segmentDef) bool {
	for d := len(c.stack) - 1; d >= 0; d-- {
		f := &c.stack[d]
		from := f.at
		if d > 0 && from == 0 {
			from = 1 // a loop's first segment again is another turn of the loop around it
		}
		for j := from; j < len(f.l.nodes); j++ {
			n := &f.l.nodes[j]
			if n.def != def {
				continue
			}
			c.closeFrames(d)
			c.move(d, j)
			return true
		}
	}
	return false
}

func (c *checker) move(d, j int) {
	f := &c.stack[d]
	if j != f.at {
		c.missing(*f, j)
		f.at, f.n = j, 0
	}
	f.n++
	n := &f.l.nodes[j]
	if n.max > 0 && f.n == n.max+1 {
		code, what := "5", "segment"
		if n.loop != nil {
			code, what = "4", "loop"
		}
		c.segmentFault(code, n.def.id, fmt.Sprintf("%s %s is there more often than the %d times that set %s allows", what, n.def.id, n.max, c.schema.Set))
	}
	if n.loop != nil {
		c.stack = append(c.stack, frame{l: n.loop, n: 1})
	}
}

// closeFrames ends the loops above d.
func (c *checker) closeFrames(d int) {
	for len(c.stack)-1 > d {
		f := c.stack[len(c.stack)-1]
		c.stack = c.stack[:len(c.stack)-1]
		c.missing(f, len(f.l.nodes))
	}
}

// missing reports the mandatory nodes that were passed over before node j.
func (c *checker) missing(f frame, j int) {
	for _, k := range f.l.must {
		if k >= j || k < f.at || k == f.at && f.n > 0 {
			continue
		}
		if id := f.l.nodes[k].def.id; id != "SE" { // a missing trailer is AK502 2
			c.segmentFault("3", id, fmt.Sprintf("mandatory segment %s is missing before segment %d", id, c.at))
		}
	}
}

// misplaced reports a segment that can't stand where it does.
func (c *checker) misplaced(seg Segment, def *segmentDef) {
	id := seg.Element(0)
	switch {
	case def != nil && c.passed(def):
		c.segmentFault("7", id, fmt.Sprintf("segment %s stands after its place in set %s", id, c.schema.Set))
	case def != nil:
		c.segmentFault("2", id, fmt.Sprintf("segment %s is not expected here in set %s", id, c.schema.Set))
	case c.s.rules.Schemas.known[id]:
		c.segmentFault("6", id, fmt.Sprintf("segment %s does not belong into set %s", id, c.schema.Set))
	default:
		c.segmentFault("1", id, fmt.Sprintf("segment %q is unknown", clip(id)))
	}
}

// passed reports whether an open loop has the segment before where we are.
func (c *checker) passed(def *segmentDef) bool {
	for _, f := range c.stack {
		for j := 0; j <= f.at && j < len(f.l.nodes); j++ {
			if f.l.nodes[j].def == def {
				return true
			}
		}
	}
	return false
}

func (c *checker) segmentFault(code, id, detail string) {
	c.s.add(&c.m.Faults, Fault{Level: LevelSegment, Class: ClassStructure, Code: code, Segment: id, Position: c.at, Detail: detail})
}

func (c *checker) elementFault(code string, id string, n, component int, e *elementDef, v, what string) {
	class := ClassElement
	if code == "7" {
		class = ClassCode
	}
	name := ""
	if e.name != "" {
		name = " (" + e.name + ")"
	}
	c.s.add(&c.m.Faults, Fault{Level: LevelElement, Class: class, Code: code, Segment: id, Position: c.at, Element: n, Component: component,
		Reference: e.ref, Value: v, Detail: fmt.Sprintf("%s%02d%s %s", id, n, name, what)})
}

// elements checks the elements of a segment one by one, then the rules between
// them.
func (c *checker) elements(seg Segment, def *segmentDef) {
	count := seg.Len()
	var present uint64
	for n := 1; n <= len(def.elements); n++ {
		e := &def.elements[n-1]
		v := ""
		if n <= count {
			v = trimBlanks(seg.Element(n))
		}
		if v == "" {
			if e.must {
				c.elementFault("1", def.id, n, 0, e, "", "is mandatory and missing")
			}
			continue
		}
		present |= 1 << n
		if e.kind == 'C' {
			c.composite(def.id, n, e, v)
		} else if e.kind != 0 {
			if code, what := e.check(v); code != "" {
				c.elementFault(code, def.id, n, 0, e, v, what)
			}
		}
	}
	if count > len(def.elements) && !def.open {
		for n := len(def.elements) + 1; n <= count; n++ {
			if v := trimBlanks(seg.Element(n)); v != "" {
				c.elementFault("3", def.id, n, 0, &elementDef{}, v, fmt.Sprintf("is one element more than the %d of the segment", len(def.elements)))
				break
			}
		}
	}
	for i := range def.rules {
		if n, code := def.rules[i].broken(present); n > 0 && n <= len(def.elements) {
			c.elementFault(code, def.id, n, 0, &def.elements[n-1], seg.Element(n), "breaks the rule "+def.rules[i].text+" between the elements of the segment")
		}
	}
}

func (c *checker) composite(id string, n int, e *elementDef, v string) {
	parts := Components(v, c.m.Group.Interchange.Delimiters)
	for i := range e.components {
		k := &e.components[i]
		part := ""
		if i < len(parts) {
			part = trimBlanks(parts[i])
		}
		switch {
		case part == "" && k.must:
			c.elementFault("1", id, n, i+1, k, "", "has no component "+fmt.Sprint(i+1)+", which is mandatory")
		case part != "" && k.kind != 0:
			if code, what := k.check(part); code != "" {
				c.elementFault(code, id, n, i+1, k, part, what)
			}
		}
	}
	if len(parts) > len(e.components) {
		c.elementFault("3", id, n, len(e.components)+1, e, v, fmt.Sprintf("has more than its %d components", len(e.components)))
	}
}

// trimBlanks drops the blanks at the end: X12 sends none that mean anything.
func trimBlanks(v string) string {
	if v == "" || v[len(v)-1] != ' ' {
		return v
	}
	return strings.TrimRight(v, " ")
}

// broken gives the element that a rule finds at fault, and its AK403; 0: none.
func (r *rule) broken(present uint64) (element int, code string) {
	has := present & r.mask
	switch r.kind {
	case 'P':
		if has != 0 && has != r.mask {
			return bits.TrailingZeros64(r.mask &^ present), "2"
		}
	case 'R':
		if has == 0 {
			return bits.TrailingZeros64(r.mask), "2"
		}
	case 'E':
		if bits.OnesCount64(has) > 1 {
			return 63 - bits.LeadingZeros64(has), "10"
		}
	case 'C':
		if present&(1<<r.first) != 0 && has != r.mask {
			return bits.TrailingZeros64(r.mask &^ present), "2"
		}
	case 'L':
		if present&(1<<r.first) != 0 && has == 0 {
			return bits.TrailingZeros64(r.mask), "2"
		}
	}
	return 0, ""
}

// check gives the AK403 of a value that the element can't hold, and why; "": it
// can.
func (e *elementDef) check(v string) (code, what string) {
	switch e.kind {
	case 'D':
		if !validDate(v) {
			return "8", fmt.Sprintf("%q is no date as YYYYMMDD", clip(v))
		}
		return "", ""
	case 'T':
		if !validTime(v) {
			return "9", fmt.Sprintf("%q is no time as HHMM, HHMMSS or HHMMSSDD", clip(v))
		}
		return "", ""
	case 'N', 'R':
		n := numeric(v, e.kind == 'R')
		switch {
		case n < 0:
			return "6", fmt.Sprintf("%q is no number", clip(v))
		case n > e.max:
			return "5", fmt.Sprintf("%q has more than %d digits", clip(v), e.max)
		case n < e.min:
			return "4", fmt.Sprintf("%q has fewer than %d digits", clip(v), e.min)
		}
	default:
		n, clean := textLength(v)
		switch {
		case !clean:
			return "6", "holds a control character"
		case n > e.max:
			return "5", fmt.Sprintf("%q is longer than %d characters", clip(v), e.max)
		case n < e.min:
			return "4", fmt.Sprintf("%q is shorter than %d characters", clip(v), e.min)
		}
	}
	if e.codes != nil && !e.codes[v] {
		return "7", fmt.Sprintf("%q is none of its codes", clip(v))
	}
	return "", ""
}

// textLength counts characters, and reports whether none of them is a control
// character.
func textLength(v string) (n int, clean bool) {
	for i := 0; i < len(v); i++ {
		switch c := v[i]; {
		case c < ' ' || c == 0x7f:
			return 0, false
		case c >= utf8.RuneSelf:
			return utf8.RuneCountInString(v), strings.IndexFunc(v, func(r rune) bool { return r < ' ' || r == 0x7f }) < 0
		}
	}
	return len(v), true
}

// numeric counts the digits of a number, -1 where v is none. Only a real number
// has a point; sign and point don't count.
func numeric(v string, point bool) int {
	n := 0
	for i := 0; i < len(v); i++ {
		switch c := v[i]; {
		case c >= '0' && c <= '9':
			n++
		case c == '-' && i == 0:
		case c == '.' && point:
			point = false
		default:
			return -1
		}
	}
	if n == 0 {
		return -1
	}
	return n
}

var monthDays = [13]int{0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31}

// validDate reports whether v is a date as YYYYMMDD.
func validDate(v string) bool {
	if len(v) != 8 || !digits(v) {
		return false
	}
	year := int(v[0]-'0')*1000 + int(v[1]-'0')*100 + int(v[2]-'0')*10 + int(v[3]-'0')
	month := int(v[4]-'0')*10 + int(v[5]-'0')
	day := int(v[6]-'0')*10 + int(v[7]-'0')
	if month < 1 || month > 12 || day < 1 || day > monthDays[month] {
		return false
	}
	leap := year%4 == 0 && (year%100 != 0 || year%400 == 0)
	return month != 2 || day < 29 || leap
}

// validTime reports whether v is a time as HHMM, HHMMSS or with decimals of a
// second.
func validTime(v string) bool {
	if n := len(v); n != 4 && n != 6 && n != 7 && n != 8 || !digits(v) {
		return false
	}
	return v[:2] < "24" && v[2:4] < "60" && (len(v) < 6 || v[4:6] < "60")
}
