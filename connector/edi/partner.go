// Package edi translates between X12 transaction sets and Waybill's own model:
// 850, 860, 945, 947 and 846 become events; orders' answers, shipments,
// invoices, warehouse orders and stock become 855, 865, 856, 810, 940 and 846.
//
// What two partners mean by the same set differs in identifiers, units and
// habits; that is a [Partner], which is data. Everything here is pure.
package edi

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/waybillhq/waybill"
	wire "github.com/waybillhq/waybill/edi"
	"github.com/waybillhq/waybill/edi/x12"
)

// Partner is a trading partner's profile. The zero value reads any partner with
// the defaults named at each field.
type Partner struct {
	Name     string   `json:"name,omitzero"`     // the system's name; empty: the interchange's sender
	X12      string   `json:"x12,omitzero"`      // qualifier/id of its interchanges: ZZ/ACME
	SetsIn   []string `json:"sets_in,omitzero"`  // empty: every set that can be read
	Versions []string `json:"versions,omitzero"` // empty: every version that can be read
	Usage    string   `json:"usage,omitzero"`    // P: test interchanges are read and make no events; empty: they do

	TA1        string                    `json:"ta1,omitzero"`          // "on error" (default), "always", "never"
	Ack        string                    `json:"ack,omitzero"`          // 997 (default), 999, none
	Duplicates string                    `json:"duplicates,omitzero"`   // "number" (default), "digest", "none"
	Strict     map[x12.Class]x12.Action  `json:"strict,omitzero"`       // by class of fault: reject (default), accept, ignore
	Overlay    []string                  `json:"overlay,omitzero"`      // rules on top of the standard's schemas
	Units      map[string]string         `json:"units,omitzero"`        // their unit code to ours, before the table
	States     map[string]string         `json:"states,omitzero"`       // of QTY01 in an 846 to our word for the stock's state
	Items      []string                  `json:"items,omitzero"`        // qualifiers of our item number, most trusted first
	BuyerItems []string                  `json:"buyer_items,omitzero"`  // qualifiers of the buyer's number, most trusted first
	Zone       string                    `json:"zone,omitzero"`         // IANA zone of its dates and times; default UTC
	Currency   string                    `json:"currency,omitzero"`     // where a set has no CUR; default USD
	Customer   string                    `json:"customer,omitzero"`     // our number of it; default: its N1 BY, or its id
	Warehouse  string                    `json:"warehouse,omitzero"`    // our number of the partner's; default: its N1 WH
	Final      string                    `json:"final,omitzero"`        // of a 945: "codes" (default), "always", "never"
	Prefix     string                    `json:"order_prefix,omitzero"` // of its orders (system contract G4)
	Structure  string                    `json:"structure,omitzero"`    // BSN05 of an 856: 0001 (default), 0002, 0004
	Delimiters string                    `json:"delimiters,omitzero"`   // element, component, repetition and terminator; default: *>^~
	Charset    string                    `json:"charset,omitzero"`      // of what we write: ascii (default), utf-8
	Text       string                    `json:"text,omitzero"`         // a delimiter in free text: replace (default), refuse
	Upper      bool                      `json:"upper,omitzero"`        // free text in capitals
	Unknown    map[string]jsontext.Value `json:",embed"`
	zone       *time.Location
	schemas    *x12.Schemas // of the standard with the overlay
}

// Defaults of a partner's profile.
var (
	defaultItems      = []string{"VN", "VP", "VA", "UP", "UK", "EN", "UA", "UI", "MG", "MF"}
	defaultBuyerItems = []string{"BP", "IN", "CB", "SK", "PI", "PD", "EC"}
	defaultStates     = map[string]string{"33": "available", "17": "on_hand", "QH": "held", "02": "cumulative", "QB": "ordered", "QD": "damaged"}
)

// Profile is our own identity and the partners that are known.
type Profile struct {
	Us struct {
		X12 []string `json:"x12,omitzero"` // qualifier/id
	} `json:"us,omitzero"`
	Partners []Partner                 `json:"partners,omitzero"`
	Unknown  map[string]jsontext.Value `json:",embed"`
}

// ReadProfile reads a profile as JSON and checks it. An error names the field.
func ReadProfile(b []byte) (*Profile, error) {
	p := &Profile{}
	if err := waybill.Unmarshal(b, p); err != nil {
		return nil, fmt.Errorf("profile: %w", err)
	}
	for i := range p.Partners {
		if err := p.Partners[i].check(); err != nil {
			return nil, fmt.Errorf("profile: /partners/%d%w", i, err)
		}
	}
	return p, nil
}

func (p *Partner) check() error {
	if _, err := p.location(); err != nil {
		return fmt.Errorf("/zone: %w; name one like America/Chicago", err)
	}
	for class, action := range p.Strict {
		if !slices.Contains(x12.Classes(), class) {
			return fmt.Errorf("/strict: %q is no class of fault", class)
		}
		if !slices.Contains([]x12.Action{x12.Reject, x12.Accept, x12.Ignore}, action) {
			return fmt.Errorf("/strict/%s: %q; want reject, accept or ignore", class, action)
		}
	}
	if p.Delimiters != "" && len(p.Delimiters) != 4 {
		return fmt.Errorf("/delimiters: %q; want four: element, component, repetition, terminator", p.Delimiters)
	}
	for _, c := range []struct {
		field, value string
		allowed      []string
	}{
		{"ta1", p.TA1, []string{"", "on error", "always", "never"}}, {"ack", p.Ack, []string{"", "997", "999", "none"}},
		{"duplicates", p.Duplicates, []string{"", "number", "digest", "none"}}, {"final", p.Final, []string{"", "codes", "always", "never"}},
		{"charset", p.Charset, []string{"", "ascii", "utf-8"}}, {"text", p.Text, []string{"", "replace", "refuse"}},
		{"structure", p.Structure, []string{"", "0001", "0002", "0004"}}, {"usage", p.Usage, []string{"", "P", "T"}},
	} {
		if c.field == "ack" && p.X12 == "" {
			continue // a partner of another standard
		}
		if !slices.Contains(c.allowed, c.value) {
			return fmt.Errorf("/%s: %q; want one of %s", c.field, c.value, strings.Join(c.allowed[1:], ", "))
		}
	}
	if err := p.WireDelimiters("00501").Check(); err != nil {
		return fmt.Errorf("/delimiters: %w", err)
	}
	var err error
	if p.schemas, err = x12.Standard().Overlay(p.Overlay); err != nil {
		return fmt.Errorf("/overlay: %w", err)
	}
	return nil
}

func (p *Partner) location() (*time.Location, error) {
	if p.zone != nil {
		return p.zone, nil
	}
	if p.Zone == "" {
		p.zone = time.UTC
		return p.zone, nil
	}
	zone, err := time.LoadLocation(p.Zone)
	p.zone = zone
	return zone, err
}

// anyPartner is read with the defaults. It is never changed.
var anyPartner = &Partner{zone: time.UTC}

// Of finds the partner that sent an interchange. ok is false where the profile
// names none; the zero partner's defaults are read with then.
func (p *Profile) Of(ic *x12.Interchange) (partner *Partner, ok bool) {
	if p == nil {
		return anyPartner, false
	}
	for i := range p.Partners {
		if p.Partners[i].X12 == ic.SenderQualifier+"/"+ic.Sender {
			return &p.Partners[i], true
		}
	}
	return anyPartner, false
}

// agreed finds what is wrong with an interchange's parties.
func (p *Profile) agreed(ic *x12.Interchange) []x12.Fault {
	if p == nil {
		return nil
	}
	var out []x12.Fault
	fault := func(code string, element int, value, detail string) {
		out = append(out, x12.Fault{Level: x12.LevelInterchange, Class: x12.ClassPartner, Code: code, Segment: "ISA", Element: element, Value: value, Detail: detail})
	}
	var senders []string
	for i := range p.Partners {
		if p.Partners[i].X12 != "" {
			senders = append(senders, p.Partners[i].X12)
		}
	}
	switch qualifier, id := known(senders, ic.SenderQualifier, ic.Sender); {
	case !id:
		fault("006", 6, ic.Sender, fmt.Sprintf("sender %q is no partner; add it to the profile, or ask who sent this", ic.Sender))
	case !qualifier:
		fault("005", 5, ic.SenderQualifier, fmt.Sprintf("sender %s is known, and not with qualifier %q", ic.Sender, ic.SenderQualifier))
	}
	switch qualifier, id := known(p.Us.X12, ic.ReceiverQualifier, ic.Receiver); {
	case !id:
		fault("009", 8, ic.Receiver, fmt.Sprintf("receiver %q is none of our ids", ic.Receiver))
	case !qualifier:
		fault("007", 7, ic.ReceiverQualifier, fmt.Sprintf("receiver %s is ours, and not with qualifier %q", ic.Receiver, ic.ReceiverQualifier))
	}
	return out
}

// known looks an identity up among qualifier/id pairs.
func known(list []string, qualifier, id string) (both, name bool) {
	for _, entry := range list {
		q, i, _ := strings.Cut(entry, "/")
		name = name || i == id
		both = both || i == id && q == qualifier
	}
	return both || len(list) == 0, name || len(list) == 0
}

// Rules are what an interchange is read by, with what the profile knows to be
// wrong about its parties.
func (p *Profile) Rules(ic *x12.Interchange) x12.Rules {
	partner, _ := p.Of(ic)
	r := x12.Rules{Schemas: partner.schemas, Actions: partner.Strict, Agreed: p.agreed(ic), Duplicates: partner.Duplicates}
	if len(partner.SetsIn) > 0 || len(partner.Versions) > 0 {
		r.Supports = func(set, version string) bool {
			return (len(partner.SetsIn) == 0 || slices.Contains(partner.SetsIn, set)) &&
				(len(partner.Versions) == 0 || slices.ContainsFunc(partner.Versions, func(v string) bool { return strings.HasPrefix(version, v) }))
		}
	}
	return r
}

// WireDelimiters are those that the partner is written with, in a version of ISA12.
func (p *Partner) WireDelimiters(version string) x12.Delimiters {
	d := x12.DefaultDelimiters(version)
	if len(p.Delimiters) == 4 {
		d.Element, d.Component, d.Segment = p.Delimiters[0], p.Delimiters[1], p.Delimiters[3:]
		if d.Repetition != 0 {
			d.Repetition = p.Delimiters[2]
		}
	}
	return d
}

// AckPolicy is what the partner gets in answer.
func (p *Partner) AckPolicy(at time.Time) x12.AckPolicy {
	a := x12.AckPolicy{Kind: p.Ack, TA1: p.TA1, Time: at}
	if a.TA1 == "on error" {
		a.TA1 = ""
	}
	return a
}

// unit is our unit for the partner's code. known is false where neither its
// profile nor the table has it: the code is kept as it is.
func (p *Partner) unit(code string) (unit string, known bool) {
	if u, ok := p.Units[code]; ok {
		return u, true
	}
	if u, ok := wire.UnitFromX12(code); ok {
		return u, true
	}
	return code, false
}

// unitOut is the partner's code for our unit.
func (p *Partner) unitOut(unit string) (string, error) {
	codes := make([]string, 0, 1)
	for code, u := range p.Units {
		if u == unit {
			codes = append(codes, code)
		}
	}
	if len(codes) > 0 {
		return slices.Min(codes), nil
	}
	if code, ok := wire.UnitToX12(unit); ok {
		return code, nil
	}
	if len(unit) == 2 {
		return unit, nil // a code that came in as it is
	}
	if unit == "" {
		return "", errors.New("the line has no unit")
	}
	return "", fmt.Errorf("unit %q has no X12 code; give the partner an alias for it", unit)
}
