package identity

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/waybillhq/waybill"
)

// Book holds mappings in memory, found by their reference and by their id. It is
// not safe for concurrent use while it is changed.
type Book struct {
	by      map[Reference][]*Mapping // newest valid_from first
	reverse map[target][]*Mapping
	ids     map[int64]*Mapping
}

// target is a canonical id as one system may have names for it.
type target struct {
	system string
	entity Kind
	id     string
}

// NewBook makes a book of mappings that were kept.
func NewBook(kept ...Mapping) *Book {
	b := &Book{by: map[Reference][]*Mapping{}, reverse: map[target][]*Mapping{}, ids: map[int64]*Mapping{}}
	for i := range kept {
		b.put(kept[i])
	}
	return b
}

// Len is the number of mappings.
func (b *Book) Len() int { return len(b.ids) }

// Conflict is a mapping that the book has for the same reference from the same
// day on, with another meaning; nil: there is none.
func (b *Book) Conflict(m *Mapping) *Mapping {
	if old := b.exactly(m.Reference, m.ValidFrom); old != nil && !old.Same(m) {
		return old
	}
	return nil
}

// Holds reports whether the book has just that mapping.
func (b *Book) Holds(m *Mapping) bool {
	_, there := b.Like(m)
	return there
}

// Like is the mapping that the book has and that says the same.
func (b *Book) Like(m *Mapping) (Mapping, bool) {
	if old := b.exactly(m.Reference, m.ValidFrom); old != nil && old.Same(m) {
		return *old, true
	}
	return Mapping{}, false
}

func (b *Book) exactly(r Reference, from string) *Mapping {
	for _, m := range b.by[r] {
		if m.ValidFrom == from {
			return m
		}
	}
	return nil
}

// Add puts a mapping into force. A second meaning of one reference is a
// [*waybill.Error] that names both.
func (b *Book) Add(m Mapping) error {
	if err := m.Check(); err != nil {
		return err
	}
	if old := b.Conflict(&m); old != nil {
		return Taken(old, &m)
	}
	if !b.Holds(&m) {
		b.put(m)
	}
	return nil
}

// Taken is the refusal of a second meaning.
func Taken(old, second *Mapping) error {
	return &waybill.Error{Code: "mapped_already", Field: "/value",
		Detail: fmt.Sprintf("%s means %s already, and can't mean %s too", old.Reference, old.Meaning(), second.Meaning()),
		Fix:    "remove that mapping first, or give the new one a day from which it is valid"}
}

func (b *Book) put(m Mapping) {
	p := &m
	list := append(b.by[m.Reference], p)
	slices.SortFunc(list, func(x, y *Mapping) int { return strings.Compare(y.ValidFrom, x.ValidFrom) })
	b.by[m.Reference] = list
	t := target{m.System, m.Kind.Entity(), m.Canonical}
	b.reverse[t] = append(b.reverse[t], p)
	b.ids[m.ID] = p
}

// Get is the mapping with an id; false where there is none.
func (b *Book) Get(id int64) (Mapping, bool) {
	if m := b.ids[id]; m != nil {
		return *m, true
	}
	return Mapping{}, false
}

// Remove takes a mapping out of force.
func (b *Book) Remove(id int64) {
	m := b.ids[id]
	if m == nil {
		return
	}
	delete(b.ids, id)
	drop := func(list []*Mapping) []*Mapping {
		return slices.DeleteFunc(list, func(o *Mapping) bool { return o == m })
	}
	b.by[m.Reference] = drop(b.by[m.Reference])
	t := target{m.System, m.Kind.Entity(), m.Canonical}
	b.reverse[t] = drop(b.reverse[t])
}

// Find is the mapping in force for a reference at a time: that of its own
// company, system and scope before one for any. nil: it is not mapped.
func (b *Book) Find(r Reference, at time.Time) *Mapping {
	day := at.UTC().Format(time.DateOnly)
	for _, try := range r.wider() {
		for _, m := range b.by[try] {
			if m.ValidFrom <= day {
				return m
			}
		}
	}
	return nil
}

// wider lists the references under which a reference may be mapped, the
// narrowest first.
func (r Reference) wider() []Reference {
	out := []Reference{r}
	for _, widen := range []func(*Reference) *string{
		func(r *Reference) *string { return &r.Company },
		func(r *Reference) *string { return &r.Scope },
		func(r *Reference) *string { return &r.System },
	} {
		for _, one := range slices.Clone(out) {
			if field := widen(&one); *field != "" {
				*field = ""
				out = append(out, one)
			}
		}
	}
	return out
}

// Covers reports whether a mapping of m gives the reference r a meaning.
func (m *Mapping) Covers(r Reference) bool { return slices.Contains(r.wider(), m.Reference) }

// Name is the mapping by which a system is told of a canonical id: the one in
// force at a time, of the kind that names the entity itself, without a
// multiplier where several have one. Otherwise a [*Unnamed] says what there is.
func (b *Book) Name(system, company, scope string, entity Kind, id string, at time.Time) (*Mapping, error) {
	day := at.UTC().Format(time.DateOnly)
	var found []*Mapping
	for _, m := range slices.Concat(b.reverse[target{system, entity, id}], b.reverse[target{"", entity, id}]) {
		fits := m.Kind == entity && m.ValidFrom <= day && (m.Company == "" || m.Company == company) && (m.Scope == "" || m.Scope == scope)
		if fits && b.Find(m.Reference, at) == m {
			found = append(found, m)
		}
	}
	for _, better := range []func(*Mapping) bool{
		func(m *Mapping) bool { return m.System != "" },
		func(m *Mapping) bool { return m.Company != "" },
		func(m *Mapping) bool { return m.Scope != "" },
		func(m *Mapping) bool { return m.Times().Equal(waybill.NewDecimal(1)) },
	} {
		if some := slices.DeleteFunc(slices.Clone(found), func(m *Mapping) bool { return !better(m) }); len(some) > 0 {
			found = some
		}
	}
	if len(found) == 1 {
		return found[0], nil
	}
	out := &Unnamed{System: system, Kind: entity, Canonical: id}
	for _, m := range found {
		out.Candidates = append(out.Candidates, m.Value)
	}
	slices.Sort(out.Candidates)
	return nil, out
}

// Unnamed is a canonical id for which a system has no name, or several.
type Unnamed struct {
	System     string
	Kind       Kind
	Canonical  string
	Candidates []string // empty: it has none
}

func (u *Unnamed) Error() string {
	what := strings.ReplaceAll(string(u.Kind), "_", " ") + " " + u.Canonical
	if len(u.Candidates) == 0 {
		return fmt.Sprintf("%s has no number for %s: map its own", u.System, what)
	}
	return fmt.Sprintf("%s has several numbers for %s (%s), and which of them to send is not known: remove all but one",
		u.System, what, strings.Join(u.Candidates, ", "))
}

// Packs reports whether any number of a system counts otherwise than the item it
// means.
func (b *Book) Packs(system string) bool {
	for _, m := range b.ids {
		if m.Unit != "" && (m.System == "" || m.System == system) {
			return true
		}
	}
	return false
}

// All lists the mappings in the order of their ids.
func (b *Book) All() []Mapping {
	out := make([]Mapping, 0, len(b.ids))
	for _, m := range b.ids {
		out = append(out, *m)
	}
	slices.SortFunc(out, func(x, y Mapping) int { return cmp.Compare(x.ID, y.ID) })
	return out
}
