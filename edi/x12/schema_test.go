package x12_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/waybillhq/waybill/edi/x12"
)

func TestStandard_HasTheSetsOfTheFlow(t *testing.T) {
	want := []string{"810", "846", "850", "855", "856", "860", "865", "940", "945", "947", "997", "999"}
	if diff := cmp.Diff(want, x12.Standard().Sets()); diff != "" {
		t.Errorf("sets (-want +got):\n%s", diff)
	}
	for set, code := range map[string]string{"850": "PO", "860": "PC", "856": "SH", "945": "SW", "947": "AW", "999": "FA", "820": ""} {
		if got := x12.GroupCode(set); got != code {
			t.Errorf("set %s belongs into %q, want %q", set, got, code)
		}
	}
	s := x12.Standard().Schema("850", "004010VICS")
	if s == nil || s.SegmentName("PO1") != "order line" || s.ElementName("PO1", 2) != "quantity ordered" {
		t.Errorf("850 in 004010VICS: %+v", s)
	}
	if x12.Standard().Schema("850", "003040") != nil {
		t.Error("a version without schema has one")
	}
}

// TestSchema_VersionsDiffer: REF02 has 30 characters in 004010 and 50 in 005010.
func TestSchema_VersionsDiffer(t *testing.T) {
	long := "REF*IA*" + strings.Repeat("7", 40)
	old := order("", gs, st, beg, long, po1)
	acks, _ := acknowledge(t, []byte(old), nil, x12.AckPolicy{}, x12.Rules{})
	if !strings.Contains(acks[0], "AK4*2*127*5*") {
		t.Errorf("004010 takes 40 characters: %s", acks)
	}
	acks, taken := acknowledge(t, []byte(strings.Replace(old, "X*004010", "X*005010", 1)), nil, x12.AckPolicy{}, x12.Rules{})
	if len(taken) != 1 {
		t.Errorf("005010 refuses 40 characters: %s", acks)
	}
}

func TestOverlay_AddsAPartnersRules(t *testing.T) {
	good := order("", gs, st, beg, po1)
	for line, want := range map[string]string{
		"850 BEG02 = NE DS": "AK4*2*92*7*SA",
		"850 PO106 = UP":    "AK4*6*235*7*VN",
		"850 BEG04 !":       "AK4*4*328*1",
		"850 REF !":         "AK3*REF*3**3",
		"850 PO1 max 1":     "",
		"850 CUR -":         "",
	} {
		schemas, err := x12.Standard().Overlay([]string{line})
		if err != nil {
			t.Errorf("%s: %v", line, err)
			continue
		}
		acks, taken := acknowledge(t, []byte(good), nil, x12.AckPolicy{}, x12.Rules{Schemas: schemas})
		if want != "" && !strings.Contains(acks[0], want+"\n") || want == "" && len(taken) != 1 {
			t.Errorf("%s: acknowledged with\n%swant %q", line, acks[0], want)
		}
	}
	limits, err := x12.Standard().Overlay([]string{"850 PO1 max 1", "850 CUR -"})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ file, want string }{
		{order("", gs, st, beg, po1, po1), "AK3*PO1*4**4"}, {order("", gs, st, beg, "CUR*BY*USD", po1), "AK3*CUR*3**6"},
	} {
		acks, _ := acknowledge(t, []byte(c.file), nil, x12.AckPolicy{}, x12.Rules{Schemas: limits})
		if !strings.Contains(acks[0], c.want+"\n") {
			t.Errorf("acknowledged with\n%swant %q", acks[0], c.want)
		}
	}
	if _, taken := acknowledge(t, []byte(good), nil, x12.AckPolicy{}, x12.Rules{}); !slices.Equal(taken, []string{"4500012345"}) {
		t.Error("an overlay changed the standard")
	}
	for _, wrong := range []string{"820 BPR !", "850 XYZ !", "850 BEG99 !", "850 BEG02", "850 BEG02 ?", "850 PO1 max none"} {
		if _, err := x12.Standard().Overlay([]string{wrong}); err == nil || !strings.Contains(err.Error(), wrong) {
			t.Errorf("%q: error %v, want one that names the line", wrong, err)
		}
	}
}
