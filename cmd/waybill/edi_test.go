package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// readReport is what other programs read of "edi read --json".
type readReport struct {
	Interchanges    []readInterchange `json:"interchanges"`
	Acknowledgments []string          `json:"acknowledgments"`
	Problem         string            `json:"problem"`
}

type readInterchange struct {
	Standard string      `json:"standard"`
	Control  *string     `json:"control"`
	Errors   []readError `json:"errors"`
	Groups   []struct {
		Errors   []readError `json:"errors"`
		Messages []struct {
			Set     *string           `json:"set"`
			Control *string           `json:"control"`
			Status  string            `json:"status"`
			Errors  []readError       `json:"errors"`
			Events  []json.RawMessage `json:"events"`
		} `json:"messages"`
	} `json:"groups"`
}

type readError struct {
	Code     string  `json:"code"`
	Segment  *string `json:"segment"`
	Position *int    `json:"position"`
	Element  *int    `json:"element"`
	Level    string  `json:"level"`
}

// readAs runs "edi read --json" on a file and holds its form to what is
// promised.
func readAs(t *testing.T, file string) (code int, r readReport) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run([]string{"edi", "read", file, "--json"}, strings.NewReader(""), &out, &errs)
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		t.Fatalf("%s: %v\n%s%s", file, err, out.String(), errs.String())
	}
	if r.Interchanges == nil || r.Acknowledgments == nil || errs.Len() > 0 {
		t.Errorf("%s: a list is missing, or there is an error beside it: %s\n%s", file, errs.String(), out.String())
	}
	whole := func(where string, list []readError) bool {
		for _, e := range list {
			if e.Code == "" || e.Segment == nil || e.Position == nil || e.Element == nil || e.Level == "" {
				t.Errorf("%s: an error of %s lacks a member: %+v", file, where, e)
			}
		}
		return len(list) > 0
	}
	finding := r.Problem != ""
	for _, ic := range r.Interchanges {
		if ic.Standard != "X12" && ic.Standard != "EDIFACT" || ic.Control == nil || ic.Groups == nil {
			t.Errorf("%s: an interchange lacks a member: %+v", file, ic)
		}
		finding = whole("an interchange", ic.Errors) || finding
		for _, g := range ic.Groups {
			finding = whole("a group", g.Errors) || finding
			for _, m := range g.Messages {
				if m.Set == nil || m.Control == nil || m.Errors == nil || m.Events == nil ||
					!slices.Contains([]string{"accepted", "accepted_with_errors", "rejected"}, m.Status) {
					t.Errorf("%s: a message lacks a member: %+v", file, m)
				}
				if m.Status == "rejected" && (len(m.Events) > 0 || len(m.Errors) == 0) {
					t.Errorf("%s: message %s is rejected with %d events and %d errors", file, *m.Control, len(m.Events), len(m.Errors))
				}
				finding = whole("a message", m.Errors) || finding
			}
		}
	}
	if want := map[bool]int{false: exitFine, true: exitFinding}[finding]; code != want {
		t.Errorf("%s: exit code %d, want %d", file, code, want)
	}
	return code, r
}

// verdict is a report in a line: the codes of each level, the events, and what
// is answered.
func (r readReport) verdict() string {
	var parts []string
	events := 0
	codes := func(list []readError) {
		for _, e := range list {
			if part := e.Level + " " + e.Code; !slices.Contains(parts, part) {
				parts = append(parts, part)
			}
		}
	}
	for _, ic := range r.Interchanges {
		codes(ic.Errors)
		for _, g := range ic.Groups {
			codes(g.Errors)
			for _, m := range g.Messages {
				codes(m.Errors)
				events += len(m.Events)
			}
		}
	}
	parts = append(parts, fmt.Sprintf("%d events", events))
	for _, a := range r.Acknowledgments {
		kind := "997"
		if strings.Contains(a, "TA1"+a[3:4]) {
			kind = "TA1"
		}
		parts = append(parts, kind)
	}
	return strings.Join(parts, ", ")
}

// TestEDIRead_SaysTheSameOfEveryFile: every file of the collection has a report
// of the promised form, without any configuration.
func TestEDIRead_SaysTheSameOfEveryFile(t *testing.T) {
	for _, dir := range []string{"../../edi/x12/testdata/samples", "../../edi/x12/testdata/bad", "../../edi/edifact/testdata"} {
		files, err := filepath.Glob(dir + "/*.edi")
		if err != nil || len(files) == 0 {
			t.Fatalf("no files in %s: %v", dir, err)
		}
		for _, file := range files {
			if _, r := readAs(t, file); len(r.Interchanges) == 0 && r.Problem == "" {
				t.Errorf("%s: nothing is said", file)
			}
		}
	}
}

// TestEDIRead_OfWhatComesInstead goes through what arrives in place of a good
// file, made of one that is good.
func TestEDIRead_OfWhatComesInstead(t *testing.T) {
	b, err := os.ReadFile("../../edi/x12/testdata/bad/x-po-number-first.edi")
	if err != nil {
		t.Fatal(err)
	}
	good := strings.ReplaceAll(string(b), "\n", "")
	change := func(pairs ...string) string {
		out := good
		for i := 0; i < len(pairs); i += 2 {
			if !strings.Contains(out, pairs[i]) {
				t.Fatalf("no %q in the file", pairs[i])
			}
			out = strings.Replace(out, pairs[i], pairs[i+1], 1)
		}
		return out
	}
	set := good[strings.Index(good, "~ST*850")+1 : strings.Index(good, "GE*1")]
	group := good[strings.Index(good, "GS*"):strings.Index(good, "IEA*")]
	wide := func(s string) string { return "\xff\xfe" + strings.Join(strings.Split(s, ""), "\x00") + "\x00" }
	for name, c := range map[string]struct{ file, want string }{
		"as it is":                  {good, "1 events, 997"},
		"empty":                     {"", "0 events"},
		"blank":                     {" \r\n\n", "0 events"},
		"HTML":                      {"<!DOCTYPE html><html></html>", "0 events"},
		"JSON":                      {`{"a":1}`, "0 events"},
		"UTF-16":                    {wide(good), "0 events"},
		"small letters":             {strings.ToLower(good), "0 events"},
		"ISA of sixty bytes":        {good[:60], "0 events"},
		"ISA alone":                 {good[:106], "interchange 023, 0 events, TA1"},
		"no ISA":                    {group, "0 events"},
		"CR LF as terminator":       {strings.ReplaceAll(good, "~", "\r\n"), "1 events, 997"},
		"LF as terminator":          {strings.ReplaceAll(good, "~", "\n"), "1 events, 997"},
		"CR as terminator":          {strings.ReplaceAll(good, "~", "\r"), "1 events, 997"},
		"no terminator at the end":  {strings.TrimSuffix(good, "~"), "1 events, 997"},
		"control-Z":                 {good + "\r\n\x1a", "1 events, 997"},
		"NUL at the end":            {good + "\x00\x00", "1 events, 997"},
		"NUL inside":                {change("BEG*", "BEG\x00*"), "segment 1, segment 3, 0 events, 997"},
		"something behind it":       {good + "-- sent by a gateway", "1 events, 997"},
		"other delimiters behind":   {good + strings.NewReplacer("*", "|", "~", "!", "000002058", "000002059").Replace(good), "2 events, 997, 997"},
		"the same again":            {good + good, "interchange 025, 1 events, 997, TA1"},
		"no IEA":                    {good[:strings.Index(good, "IEA*")], "interchange 023, 0 events, TA1"},
		"no GE":                     {change("GE*1*2058~", ""), "group 3, 0 events, 997"},
		"no SE":                     {change("SE*28*0001~", ""), "set 2, 0 events, 997"},
		"no GS":                     {change("GS*PO*ACMEDIST*WAYBILL3PL*20260914*1203*2058*X*004010~", ""), "interchange 024, interchange 021, interchange 022, 0 events, TA1"},
		"no ST":                     {change("ST*850*0001~", ""), "interchange 024, group 5, 0 events, TA1"},
		"no group":                  {change(group, "", "IEA*1", "IEA*0"), "interchange 022, 0 events, TA1"},
		"IEA counts wrong":          {change("IEA*1", "IEA*7"), "interchange 021, 0 events, TA1"},
		"GE counts wrong":           {change("GE*1", "GE*-1"), "group 5, 0 events, 997"},
		"SE counts wrong":           {change("SE*28", "SE*X"), "set 4, 0 events, 997"},
		"ST02 twice":                {change("GE*1", set+"GE*2"), "set 23, 1 events, 997"},
		"two groups":                {change("IEA*1", strings.ReplaceAll(group, "*2058", "*2059")+"IEA*2"), "2 events, 997"},
		"GS06 twice":                {change("IEA*1", group+"IEA*2"), "group 19, 1 events, 997"},
		"005010 with repetition":    {change("*U*00401*", "*^*00501*", "004010", "005010"), "1 events, 997"},
		"004010VICS":                {change("004010", "004010VICS"), "1 events, 997"},
		"unknown GS08":              {change("004010", "006020"), "group 2, set 1, 0 events, 997"},
		"unknown GS01":              {change("GS*PO", "GS*ZZ"), "group 1, set 1, 0 events, 997"},
		"GS01 of another set":       {change("GS*PO", "GS*IN"), "set 1, 0 events, 997"},
		"unknown set":               {change("ST*850", "ST*123"), "set 1, 0 events, 997"},
		"a 999 among orders":        {change("ST*850", "ST*999"), "set 1, 0 events, 997"},
		"ISA13 in letters":          {change("000002058", "0000ABCDE"), "interchange 018, interchange 001, 0 events, TA1"},
		"ISA14 asks for a TA1":      {change("000002058*0", "000002058*1"), "1 events, TA1, 997"},
		"unknown segment":           {change("~PO1*", "~ZZZ*1~PO1*"), "set 4, segment 1, 0 events, 997"},
		"segment without a name":    {change("~PO1*", "~*1~PO1*"), "set 4, segment 1, 0 events, 997"},
		"empty segment":             {change("~PO1*", "~~PO1*"), "1 events, 997"},
		"binary data":               {change("~PO1*", "~BIN*12*ab~SE*9*0001~PO1*"), "set 4, segment 6, 0 events, 997"},
		"an element too much":       {change("CTT*2*36", "N1*ST*A*92*1*2*3*4*5~CTT*2*36"), "set 4, element 4, element 3, 0 events, 997"},
		"no terminator in 10 MB":    {good[:106] + strings.Repeat("A", 10<<20), "interchange 022, 0 events, TA1"},
		"an element of 10 MB":       {change("PAT LEE", strings.Repeat("A", 10<<20)), "interchange 022, group 3, set 2, segment 3, 0 events, TA1"},
		"an element of 2 MB":        {change("PAT LEE", strings.Repeat("A", 2<<20)), "element 5, 0 events, 997"},
		"a million empty elements":  {change("PAT LEE", "PAT LEE"+strings.Repeat("*", 1<<20)), "element 3, 0 events, 997"},
		"equal delimiters":          {change("*P*>~", "*P**~"), "interchange 027, 0 events, TA1"},
		"a letter as terminator":    {change("*P*>~", "*P*>X"), "interchange 004, 0 events, TA1"},
		"TA1 alone":                 {good[:106] + "TA1*000000001*260101*1200*A*000~IEA*0*000002058~", "0 events"},
		"TA1 that answers nothing":  {good[:106] + "TA1*1~IEA*0*000002058~", "interchange 024, 0 events"},
		"letters that are Latin-1":  {change("PAT LEE", "PAT L\xc9E"), "1 events, 997"},
		"EDIFACT":                   {"UNA:+.? 'UNB+UNOA:1+A+B+260101:1200+1'UNH+1+ORDERS:D:96A:UN'UNT+2+1'UNZ+1+1'", "set 14, 0 events"},
		"an acknowledgment, broken": {strings.Replace(change("GS*PO", "GS*FA"), set, "ST*997*0001~AK1*PO*1~SE*3*0001~", 1), "segment 3, 0 events"},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "file.edi")
			if err := os.WriteFile(file, []byte(c.file), 0o600); err != nil {
				t.Fatal(err)
			}
			_, r := readAs(t, file)
			if diff := cmp.Diff(c.want, r.verdict()); diff != "" {
				t.Errorf("verdict (-want +got):\n%s%s", diff, r.Problem)
			}
		})
	}
}
