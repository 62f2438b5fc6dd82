// Package ownership says which system is system of record for which part of
// the master data, and what becomes of a write from elsewhere. It is pure: a
// matrix and the record in force go in, what is in force then and what was
// withheld come out. The engine keeps the records and raises the exceptions.
package ownership

import (
	"fmt"
	"slices"
	"strings"

	"github.com/waybillhq/waybill"
)

// Policy says what becomes of a value that a system writes which does not own
// the field.
type Policy string

// The policies.
const (
	Refuse  Policy = "refuse"  // it does not come into force; an exception says so
	Propose Policy = "propose" // it does not come into force; a person takes or declines it
	Accept  Policy = "accept"  // it comes into force, and is flagged
)

// Policies lists them.
func Policies() []string { return []string{string(Refuse), string(Propose), string(Accept)} }

// Kind is what a rule is about.
type Kind string

// The kinds of master data. An order is not among them: its content is its
// channel's, by its name (system contract G4).
const (
	Item      Kind = "item"
	Customer  Kind = "customer"
	Warehouse Kind = "warehouse"
	Price     Kind = "price"
	Stock     Kind = "stock" // what of an item is available in a warehouse; its only field is /available
	Any       Kind = "*"     // in a rule: every kind that no other rule names
)

// Kinds lists what a rule can name.
func Kinds() []string {
	return []string{string(Item), string(Customer), string(Warehouse), string(Price), string(Stock), string(Any)}
}

// Rule gives a field of an entity, with all below it, to a system.
type Rule struct {
	Entity Kind   `json:"entity"`
	Field  string `json:"field"` // JSON pointer (RFC 6901); empty: the whole entity
	Owner  string `json:"owner"` // a system's name
	Others Policy `json:"others"`
}

// Matrix is the rules in force. The zero value governs nothing.
type Matrix struct {
	rules []Rule
	rev   string // tells one set of rules from another
}

// NewMatrix makes a matrix of rules in any order. Two rules for one field are
// an error that names it.
func NewMatrix(rules []Rule) (*Matrix, error) {
	m := &Matrix{rules: slices.Clone(rules)}
	// The rules of a kind before those of every kind, the longer field first.
	slices.SortStableFunc(m.rules, func(a, b Rule) int {
		if (a.Entity == Any) != (b.Entity == Any) {
			if a.Entity == Any {
				return 1
			}
			return -1
		}
		if d := len(b.Field) - len(a.Field); d != 0 {
			return d
		}
		return strings.Compare(string(a.Entity)+a.Field, string(b.Entity)+b.Field)
	})
	for i := 1; i < len(m.rules); i++ {
		if a, b := m.rules[i-1], m.rules[i]; a.Entity == b.Entity && a.Field == b.Field {
			return nil, fmt.Errorf("%s %s has two rules; keep one", a.Entity, Name(a.Field))
		}
	}
	data, err := waybill.Marshal(m.rules)
	if err != nil {
		return nil, fmt.Errorf("write the rules: %w", err)
	}
	m.rev = digestOf(data)
	return m, nil
}

// Rules are the rules, the one that wins first.
func (m *Matrix) Rules() []Rule {
	if m == nil {
		return nil
	}
	return slices.Clone(m.rules)
}

// Governs reports whether a rule is about a kind: what no rule is about comes
// into force whoever writes it.
func (m *Matrix) Governs(k Kind) bool {
	return m != nil && slices.ContainsFunc(m.rules, func(r Rule) bool { return r.Entity == k || r.Entity == Any })
}

// Of finds the rule for a field, by the longest field that it is or stands
// below. A rule that names the kind goes before one for every kind. ok is false
// where nobody owns the field.
func (m *Matrix) Of(k Kind, field string) (Rule, bool) {
	if m == nil {
		return Rule{}, false
	}
	for _, r := range m.rules {
		if (r.Entity == k || r.Entity == Any) && within(field, r.Field) {
			return r, true
		}
	}
	return Rule{}, false
}

// within reports whether a field is another one or stands below it.
func within(field, of string) bool {
	rest, ok := strings.CutPrefix(field, of)
	return ok && (rest == "" || rest[0] == '/')
}

// Name is a field for people.
func Name(field string) string {
	if field == "" {
		return "as a whole"
	}
	return field
}

// CheckField says what is wrong with a rule's field; empty where nothing is.
func CheckField(k Kind, field string) string {
	switch {
	case field != "" && field[0] != '/':
		return "is no JSON pointer; begin it with a slash, such as /terms"
	case strings.HasSuffix(field, "/"):
		return "ends in a slash; leave it away"
	case k == Stock && field != "" && field != Available:
		return "is no field of stock; write " + Available + ", or leave it away"
	}
	return ""
}

// Available is the only field of stock.
const Available = "/available"
