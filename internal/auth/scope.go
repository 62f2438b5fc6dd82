package auth

import "slices"

// Scope limits a caller to the orders of some customers. Nil is no limit.
type Scope struct {
	customers []string
}

// NewScope limits to the given customers; none given is no limit.
func NewScope(customers []string) *Scope {
	if len(customers) == 0 {
		return nil
	}
	return &Scope{customers: slices.Clone(customers)}
}

// Sees reports whether orders of a customer are shown. An order of which the
// customer is not known yet is shown to nobody with a limit.
func (s *Scope) Sees(customer string) bool {
	return s == nil || slices.Contains(s.customers, customer)
}
