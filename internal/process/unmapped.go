package process

import "slices"

// Unmapped is the data of reference.unmapped and reference.mapped: an event that
// waits, or waited, because it names something that nobody has mapped.
type Unmapped struct {
	Event      string         `json:"event"`
	References []UnmappedName `json:"references"`
}

// UnmappedName is one reference of it, where it stands, in words.
type UnmappedName struct {
	Reference string `json:"reference"` // its key
	Line      string `json:"line,omitzero"`
	Reason    string `json:"reason"`
}

// unmapped holds the order for a version of it that waits: what stands of it so
// far must not go on meanwhile.
func (r *round) unmapped(u *Unmapped) {
	s := r.s
	for _, name := range u.References {
		if slices.ContainsFunc(s.holds, func(h hold) bool { return h.kind == holdUnmapped && h.reason == name.Reason && h.line == name.Line }) {
			continue
		}
		s.holds = append(s.holds, hold{kind: holdUnmapped, reason: name.Reason, line: name.Line, since: millis(r.now)})
		s.epoch++
	}
}

// mapped lifts those holds.
func (r *round) mapped(u *Unmapped) {
	r.s.holds = slices.DeleteFunc(r.s.holds, func(h hold) bool {
		return h.kind == holdUnmapped && slices.ContainsFunc(u.References, func(n UnmappedName) bool { return n.Reason == h.reason && n.Line == h.line })
	})
}
