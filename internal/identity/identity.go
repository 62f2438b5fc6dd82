// Package identity holds what ties the numbers of one system to those of
// another: one canonical id for an item, a customer, a carrier and their like,
// and any number of references by which systems name it. It finds the id of a
// reference, the reference of an id, and says what a reference that nobody has
// mapped may mean.
//
// A reference is unique on (company, system, kind, scope, value, valid from): it
// never has two meanings at one time. The package does no I/O and knows no
// clock; the store keeps the mappings, the engine brings them into force.
package identity

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/waybillhq/waybill"
)

// Kind says what a reference names.
type Kind string

// The kinds of reference. Item, GTIN, VendorPart and BuyerPart all name an item.
const (
	Item       Kind = "item"        // the system's own SKU
	GTIN       Kind = "gtin"        // GS1 Global Trade Item Number
	VendorPart Kind = "vendor_part" // the supplier's number
	BuyerPart  Kind = "buyer_part"  // the buyer's number; scope: the customer
	Customer   Kind = "customer"
	ShipTo     Kind = "ship_to" // scope: the customer
	Unit       Kind = "unit"
	Carrier    Kind = "carrier" // SCAC, or SCAC and service as "UPSN/GND"
	Warehouse  Kind = "warehouse"
	Terms      Kind = "terms"
	TaxCode    Kind = "tax_code"
)

// Kinds lists every kind of reference.
func Kinds() []Kind {
	return []Kind{Item, GTIN, VendorPart, BuyerPart, Customer, ShipTo, Unit, Carrier, Warehouse, Terms, TaxCode}
}

// Entity is what the kind's canonical id is an id of: item for every number of
// an item, the kind itself for the others.
func (k Kind) Entity() Kind {
	switch k {
	case GTIN, VendorPart, BuyerPart:
		return Item
	}
	return k
}

// Profile is the set of entities that a system names in its own terms. What is
// not in it the system names by canonical ids, and nothing is looked up.
type Profile map[Kind]bool

// Reference is a name that a system has for something. An empty company, system
// or scope is any.
type Reference struct {
	Company string
	System  string
	Kind    Kind
	Scope   string // what the value is unique within: a customer, or nothing
	Value   string
}

// Key is the reference as one text: its kind, company, system, scope and value,
// each escaped, with slashes between.
func (r Reference) Key() string {
	parts := []string{string(r.Kind), r.Company, r.System, r.Scope, r.Value}
	for i, p := range parts {
		parts[i] = url.QueryEscape(p)
	}
	return strings.Join(parts, "/")
}

// ParseKey reads what [Reference.Key] wrote.
func ParseKey(key string) (r Reference, err error) {
	parts := strings.Split(key, "/")
	if len(parts) != 5 {
		return r, fmt.Errorf("%.80q is no reference: want kind/company/system/scope/value", key)
	}
	for i := range parts {
		if parts[i], err = url.QueryUnescape(parts[i]); err != nil {
			return r, fmt.Errorf("%.80q is no reference: %w", key, err)
		}
	}
	return Reference{Kind: Kind(parts[0]), Company: parts[1], System: parts[2], Scope: parts[3], Value: parts[4]}, nil
}

// String is the reference as people say it: "item B-100 of shop".
func (r Reference) String() string {
	s := strings.ReplaceAll(string(r.Kind), "_", " ") + " " + r.Value
	if r.System != "" {
		s += " of " + r.System
	}
	if r.Scope != "" {
		s += " for " + r.Scope
	}
	return s
}

// Mapping gives a reference its meaning from a day on.
type Mapping struct {
	ID int64 // rising; 0: not kept yet
	Reference
	ValidFrom string // YYYY-MM-DD, UTC, by the time of receipt; empty: always
	Canonical string
	// Multiplier is how many of Unit one of the reference is; zero means one.
	// A quantity of the reference is that many times as many of the item.
	Multiplier waybill.Decimal
	Unit       string // of the item; needed where Multiplier is not one
	Actor      string
	At         time.Time // when it was recorded
}

// Times is the multiplier, one where none is named.
func (m *Mapping) Times() waybill.Decimal {
	if m.Multiplier.IsZero() {
		return waybill.NewDecimal(1)
	}
	return m.Multiplier
}

// Same reports whether both give the same reference the same meaning.
func (m *Mapping) Same(o *Mapping) bool {
	return m.Reference == o.Reference && m.ValidFrom == o.ValidFrom && m.Canonical == o.Canonical && m.Times().Equal(o.Times()) && m.Unit == o.Unit
}

// Meaning is what a mapping says of its reference, for people: "SKU-1 (12 EA)".
func (m *Mapping) Meaning() string {
	if m.Times().Equal(waybill.NewDecimal(1)) && m.Unit == "" {
		return m.Canonical
	}
	return strings.TrimSpace(m.Canonical + " (" + m.Times().String() + " " + m.Unit + ")")
}

// textMax bounds each text of a mapping, in bytes.
const textMax = 200

// Check says what is wrong with a mapping as a person wrote it; nil: nothing.
func (m *Mapping) Check() error {
	wrong := func(field, detail, fix string) error {
		return &waybill.Error{Code: "invalid", Field: "/" + field, Detail: detail, Fix: fix}
	}
	if !slices.Contains(Kinds(), m.Kind) {
		return wrong("kind", fmt.Sprintf("%.40q is no kind of reference", string(m.Kind)), "use one of "+kindList())
	}
	for _, f := range []struct {
		name, value string
		must        bool
	}{{"company", m.Company, false}, {"system", m.System, false}, {"scope", m.Scope, false}, {"value", m.Value, true}, {"canonical", m.Canonical, true}, {"unit", m.Unit, false}} {
		switch {
		case f.must && f.value == "":
			return wrong(f.name, "it is missing", "say it")
		case f.value != strings.TrimSpace(f.value) || strings.ContainsFunc(f.value, func(r rune) bool { return r < ' ' || r == 0x7f || r == 0xfffd }):
			return wrong(f.name, fmt.Sprintf("%.40q begins or ends with a space, or has characters that can't be seen", f.value), "take them out")
		case len(f.value) > textMax:
			return wrong(f.name, fmt.Sprintf("it has %d bytes", len(f.value)), fmt.Sprintf("at most %d", textMax))
		}
	}
	if m.ValidFrom != "" {
		if _, err := time.Parse(time.DateOnly, m.ValidFrom); err != nil {
			return wrong("valid_from", fmt.Sprintf("%.40q is no day", m.ValidFrom), "write it as 2026-01-31, or leave it out")
		}
	}
	switch times := m.Times(); {
	case times.Sign() < 0, !exact(times):
		return wrong("multiplier", times.String()+" is no decimal above zero", "say how many of unit one of the reference is, like 12")
	case m.Kind.Entity() != Item && (!m.Multiplier.IsZero() || m.Unit != ""):
		return wrong("multiplier", "only an item has a multiplier and a unit", "leave both out")
	case !times.Equal(waybill.NewDecimal(1)) && m.Unit == "":
		return wrong("unit", "a multiplier counts a unit of the item", "name the unit, like EA")
	}
	return nil
}

func kindList() string {
	names := make([]string, 0, len(Kinds()))
	for _, k := range Kinds() {
		names = append(names, string(k))
	}
	return strings.Join(names, ", ")
}

// Query selects mappings. Empty fields select all.
type Query struct {
	System    string
	Kind      Kind
	Value     string
	Canonical string
	After     int64 // mapping id
	Limit     int
}

// Reader reads mappings. Every read sees the last commit.
type Reader interface {
	// Mappings lists mappings in the order of their ids.
	Mappings(ctx context.Context, q Query) ([]Mapping, error)
}
