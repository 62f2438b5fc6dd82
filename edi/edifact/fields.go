package edifact

import "strings"

// fields are the elements of a segment with their components.
type fields [][]string

// split takes a segment apart and drops release characters.
func (o *outline) split(segment []byte) fields {
	out := fields{{""}}
	var part strings.Builder
	end := func() {
		last := out[len(out)-1]
		last[len(last)-1] = part.String()
		part.Reset()
	}
	for i := 0; i < len(segment); i++ {
		switch c := segment[i]; {
		case c == o.d.release && c != 0 && i+1 < len(segment):
			i++
			part.WriteByte(segment[i])
		case c == o.d.element:
			end()
			out = append(out, []string{""})
		case c == o.d.component:
			end()
			out[len(out)-1] = append(out[len(out)-1], "")
		default:
			part.WriteByte(c)
		}
	}
	end()
	return out
}

// at is a component of an element, the segment's name is element 0; "" where
// there is none.
func (f fields) at(element, component int) string {
	if element >= len(f) || component >= len(f[element]) {
		return ""
	}
	return strings.TrimSpace(strings.ToValidUTF8(f[element][component], "?"))
}

// rest is an element from a component on, with colons, and without empty ends.
func (f fields) rest(element, from int) string {
	if element >= len(f) || from >= len(f[element]) {
		return ""
	}
	return strings.TrimRight(strings.ToValidUTF8(strings.Join(f[element][from:], ":"), "?"), ": ")
}

// version is that of a group, with the agency that controls it.
func (f fields) version(element int, agency string) string {
	if v := f.rest(element, 0); v != "" && agency != "" {
		return v + ":" + agency
	}
	return f.rest(element, 0)
}
