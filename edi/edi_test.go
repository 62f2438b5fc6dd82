package edi_test

import (
	"strings"
	"testing"

	"github.com/waybillhq/waybill/edi"
)

func TestSniff(t *testing.T) {
	for head, want := range map[string]edi.Standard{
		"ISA*00*": edi.X12, "\xef\xbb\xbf\r\n ISA~00~": edi.X12, "UNA:+.? '": edi.EDIFACT, "UNB+UNOC:3": edi.EDIFACT, "UNH+1+ORDERS": edi.EDIFACT,
		"": edi.Unknown, "ISA": edi.Unknown, "ISABEL": edi.Unknown, "UNBORN": edi.Unknown, "<html>": edi.Unknown,
	} {
		if got := edi.Sniff([]byte(head)); got != want {
			t.Errorf("%q is taken for %q, want %q", head, got, want)
		}
	}
}

func TestGS1_CheckDigits(t *testing.T) {
	for _, gtin := range []string{"061414111010", "4012345501018", "96385074"} {
		if !edi.ValidGTIN(gtin) {
			t.Errorf("GTIN %s is refused", gtin)
		}
	}
	for _, gtin := range []string{"061414111011", "06141411101", "06141411101X", ""} {
		if edi.ValidGTIN(gtin) {
			t.Errorf("GTIN %q is taken", gtin)
		}
	}
	for in, want := range map[string]string{"006141411234500019": "006141411234500019", "00006141411234500019": "006141411234500019"} {
		if got, err := edi.SSCC(in); err != nil || got != want {
			t.Errorf("SSCC %s: %q, %v", in, got, err)
		}
	}
	if _, err := edi.SSCC("006141411234500018"); err == nil || !strings.Contains(err.Error(), "9 is the right one") {
		t.Errorf("wrong check digit: error %v, want one that names the right digit", err)
	}
	made, err := edi.NewSSCC('0', "0614141", "123450001")
	if err != nil || made != "006141411234500019" {
		t.Errorf("made SSCC %q, %v", made, err)
	}
	if _, err := edi.NewSSCC('0', "061414112345", "123450001"); err == nil {
		t.Error("an SSCC of too many digits is made")
	}
}

func TestUnits(t *testing.T) {
	for code, unit := range map[string]string{"EA": "EA", "CA": "XCS", "LB": "LBR", "KG": "KGM", "DZ": "DZN"} {
		if got, ok := edi.UnitFromX12(code); !ok || got != unit {
			t.Errorf("X12 %s is %q, want %q", code, got, unit)
		}
		if got, ok := edi.UnitToX12(unit); !ok || got != code {
			t.Errorf("unit %s is written %q, want %q", unit, got, code)
		}
	}
	for _, code := range []string{"CS", "ZZ", ""} { // CS is the cassette, and many mean the case: never guessed
		if unit, ok := edi.UnitFromX12(code); ok {
			t.Errorf("X12 %q is guessed to be %s", code, unit)
		}
	}
}
