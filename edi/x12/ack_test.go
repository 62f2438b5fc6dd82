package x12_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/waybillhq/waybill/edi/x12"
)

// memory recognises interchanges by key and digest.
type memory map[string][32]byte

func (m memory) Received(key string, digest [32]byte) x12.Seen {
	before, there := m[key]
	m[key] = digest
	switch {
	case !there:
		return x12.New
	case before == digest:
		return x12.Same
	}
	return x12.Different
}

var at = time.Date(2026, 9, 21, 14, 13, 0, 0, time.UTC)

// acknowledge reads a file and gives the acknowledgments it gets, one segment a
// line, without envelopes, and the sets that may be processed.
func acknowledge(t *testing.T, file []byte, m x12.Memory, p x12.AckPolicy, rules x12.Rules) (acks []string, taken []string) {
	t.Helper()
	p.Time = at
	a := x12.NewAcknowledger(func(*x12.Interchange) x12.AckPolicy { return p }, nil)
	var sets []string
	err := x12.Read(bytes.NewReader(file), x12.Options{Memory: m, Rules: func(*x12.Interchange) x12.Rules { return rules }}, x12.Handler{
		Begin: a.Begin,
		Message: func(m *x12.Message) error {
			if m.Status != x12.Rejected {
				sets = append(sets, m.Segment(1).Element(3))
			}
			return a.Message(m)
		},
		EndGroup: func(g *x12.Group) error {
			if g.Status == x12.Rejected {
				sets = nil
			}
			return a.EndGroup(g)
		},
		End: func(ic *x12.Interchange) error {
			if ic.Status != x12.Rejected {
				taken = append(taken, sets...)
			}
			sets = nil
			out, err := a.End(ic)
			for _, b := range out {
				mustBeRead(t, b)
				acks = append(acks, inner(string(b)))
			}
			return err
		},
	})
	if err != nil {
		t.Logf("read: %v", err)
	}
	return acks, taken
}

// inner drops envelopes and puts each segment on a line.
func inner(ack string) string {
	var b strings.Builder
	for s := range strings.SplitSeq(strings.TrimRight(ack, "~"), "~") {
		switch id, _, _ := strings.Cut(s, "*"); id {
		case "ISA", "GS", "ST", "SE", "GE", "IEA":
		default:
			b.WriteString(s + "\n")
		}
	}
	return b.String()
}

// TestAcknowledge_OfBrokenFiles holds every broken file to the acknowledgment
// that is expected of it, and to what may be processed of it.
func TestAcknowledge_OfBrokenFiles(t *testing.T) {
	want := map[string]struct {
		acks  []string
		taken []string
		first string
	}{
		"x-iea02-mismatch.edi":        {acks: []string{"TA1*000002001*260914*1203*R*001\n"}},
		"x-truncated-mid-element.edi": {acks: []string{"TA1*000002004*260914*1203*R*023\n"}},
		"x-dup-icn-first.edi":         {acks: []string{"AK1*PO*2006\nAK2*850*0001\nAK5*A\nAK9*A*1*1*1\n"}, taken: []string{"DUPICN-1"}},
		"x-dup-icn-second.edi":        {acks: []string{"TA1*000002006*260914*1203*R*025\n"}, first: "x-dup-icn-first.edi"},
		"x-ge01-count.edi":            {acks: []string{"AK1*PO*2021\nAK9*R*3*1*0*5\n"}},
		"x-se01-count.edi":            {acks: []string{"AK1*PO*2029\nAK2*850*0001\nAK5*R*4\nAK9*R*1*1*0\n"}},
		"x-beg03-empty.edi":           {acks: []string{"AK1*PO*2036\nAK2*850*0001\nAK3*BEG*2**8\nAK4*3*324*1\nAK5*R*5\nAK9*R*1*1*0\n"}},
		"x-qty-letters.edi":           {acks: []string{"AK1*PO*2038\nAK2*850*0001\nAK3*PO1*21**8\nAK4*2*330*6*TWELVE\nAK5*R*5\nAK9*R*1*1*0\n"}},
		"x-partial-group.edi": {acks: []string{"AK1*PO*2047\nAK2*850*0001\nAK5*A\nAK2*850*0002\nAK3*PO1*21**8\nAK4*2*330*6*TWELVE\nAK5*R*5\n" +
			"AK2*850*0003\nAK5*A\nAK9*P*3*3*2\n"}, taken: []string{"MIX-1", "MIX-3"}},
		"x-empty.edi":             {},
		"x-po-number-first.edi":   {acks: []string{"AK1*PO*2058\nAK2*850*0001\nAK5*A\nAK9*A*1*1*1\n"}, taken: []string{"POTWICE"}},
		"x-po-number-again.edi":   {acks: []string{"AK1*PO*2059\nAK2*850*0001\nAK5*A\nAK9*A*1*1*1\n"}, taken: []string{"POTWICE"}, first: "x-po-number-first.edi"},
		"x-997-unknown-group.edi": {taken: []string{""}},
	}
	files, err := filepath.Glob("testdata/bad/*.edi")
	if err != nil || len(files) != len(want) {
		t.Fatalf("%d broken files, %d expectations: %v", len(files), len(want), err)
	}
	for _, name := range files {
		w, m := want[filepath.Base(name)], memory{}
		if w.first != "" {
			acknowledge(t, read(t, "testdata/bad/"+w.first), m, x12.AckPolicy{}, x12.Rules{})
		}
		acks, taken := acknowledge(t, read(t, name), m, x12.AckPolicy{}, x12.Rules{})
		if diff := cmp.Diff(w.acks, acks); diff != "" {
			t.Errorf("%s: acknowledgments (-want +got):\n%s", name, diff)
		}
		if diff := cmp.Diff(w.taken, taken); diff != "" {
			t.Errorf("%s: sets to process (-want +got):\n%s", name, diff)
		}
	}
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// order is an 850 in its envelope, with its counts right.
func order(isaFields, gs, st string, body ...string) string {
	head := isa
	if isaFields != "" {
		head = isaFields
	}
	set := strings.Join(append([]string{st}, body...), "~")
	return fmt.Sprintf("%s~%s~%s~SE*%d*0001~GE*1*11~IEA*1*000000011~", head, gs, set, len(body)+2)
}

const (
	gs  = "GS*PO*ACME*US*20260914*1203*11*X*004010"
	st  = "ST*850*0001"
	beg = "BEG*00*SA*4500012345**20260914"
	po1 = "PO1*1*12*EA*9.95**VN*SKU-1000"
)

// TestAcknowledge_Codes goes through the codes of each level.
func TestAcknowledge_Codes(t *testing.T) {
	good := order("", gs, st, beg, po1)
	set := func(more string) []string {
		return []string{"AK1*PO*11\nAK2*850*0001\n" + more + "AK9*R*1*1*0\n"}
	}
	ta1 := func(code string) []string { return []string{"TA1*000000011*260914*1203*R*" + code + "\n"} }
	for name, c := range map[string]struct {
		file string
		want []string
	}{
		"accepted":                   {good, []string{"AK1*PO*11\nAK2*850*0001\nAK5*A\nAK9*A*1*1*1\n"}},
		"TA1 005 qualifier":          {strings.Replace(good, "*ZZ*ACME", "*Z?*ACME", 1), ta1("005")},
		"TA1 006 no sender":          {strings.Replace(good, "ACME           ", "               ", 1), ta1("006")},
		"TA1 007 qualifier":          {strings.Replace(good, "*ZZ*US", "*99*US", 1), ta1("007")},
		"TA1 014 date":               {strings.Replace(good, "260914*1203*U", "261314*1203*U", 1), []string{"TA1*000000011*261314*1203*R*014\n"}},
		"TA1 015 time":               {strings.Replace(good, "260914*1203*U", "260914*2503*U", 1), []string{"TA1*000000011*260914*2503*R*015\n"}},
		"TA1 017 version":            {strings.Replace(good, "*00401*", "*00040*", 1), ta1("017")},
		"TA1 018 control":            {strings.ReplaceAll(good, "000000011", "00000001A"), []string{"TA1*00000001A*260914*1203*R*018\n"}},
		"TA1 019 ack requested":      {strings.Replace(good, "*0*P*>", "*2*P*>", 1), ta1("019")},
		"TA1 020 usage":              {strings.Replace(good, "*0*P*>", "*0*X*>", 1), ta1("020")},
		"TA1 021 groups":             {strings.Replace(good, "IEA*1", "IEA*2", 1), ta1("021")},
		"TA1 022 nothing in it":      {isa + "~IEA*0*000000011~", ta1("022")},
		"TA1 023 no IEA":             {strings.TrimSuffix(good, "IEA*1*000000011~"), ta1("023")},
		"TA1 024 bad GS":             {strings.Replace(good, "20260914*1203*11", "260914*1203*11", 1), ta1("024")},
		"TA1 024 set outside":        {isa + "~ST*850*0001~SE*2*0001~IEA*0*000000011~", ta1("024")},
		"TA1 027 component":          {strings.Replace(good, "P*>~", "P*A~", 1), ta1("027")},
		"AK9 1 group":                {strings.Replace(good, "GS*PO", "GS*XX", 1), []string{"AK1*XX*11\nAK9*R*1*1*0*1\n"}},
		"AK9 2 version":              {strings.Replace(good, "X*004010", "X*003020", 1), []string{"AK1*PO*11\nAK9*R*1*1*0*2\n"}},
		"AK9 3 no GE":                {strings.Replace(good, "GE*1*11~", "", 1), []string{"AK1*PO*11\nAK9*R*1*1*0*3\n"}},
		"AK9 4 control":              {strings.Replace(good, "GE*1*11", "GE*1*12", 1), []string{"AK1*PO*11\nAK9*R*1*1*0*4\n"}},
		"AK9 5 count":                {strings.Replace(good, "GE*1*11", "GE*2*11", 1), []string{"AK1*PO*11\nAK9*R*2*1*0*5\n"}},
		"AK9 6 control number":       {strings.Replace(strings.Replace(good, "1203*11*X", "1203*1A*X", 1), "GE*1*11", "GE*1*1A", 1), []string{"AK1*PO*1A\nAK9*R*1*1*0*6\n"}},
		"AK5 1 set":                  {strings.Replace(good, "ST*850", "ST*820", 1), []string{"AK1*PO*11\nAK2*820*0001\nAK5*R*1\nAK9*R*1*1*0\n"}},
		"AK5 1 set of another group": {strings.Replace(good, "GS*PO", "GS*IN", 1), []string{"AK1*IN*11\nAK2*850*0001\nAK5*R*1\nAK9*R*1*1*0\n"}},
		"AK5 2 no SE":                {strings.Replace(good, "SE*4*0001~", "", 1), set("AK5*R*2\n")},
		"AK5 3 control":              {strings.Replace(good, "SE*4*0001", "SE*4*0002", 1), set("AK5*R*3\n")},
		"AK5 4 count":                {strings.Replace(good, "SE*4", "SE*5", 1), set("AK5*R*4\n")},
		"AK5 6 set id":               {strings.Replace(good, "ST*850", "ST*8", 1), []string{"AK1*PO*11\nAK2*8*0001\nAK5*R*6\nAK9*R*1*1*0\n"}},
		"AK5 7 set control":          {strings.ReplaceAll(good, "0001~", "1~"), []string{"AK1*PO*11\nAK2*850*1\nAK5*R*7\nAK9*R*1*1*0\n"}},
		"AK3 1 unknown segment":      {order("", gs, st, beg, "ZZZ*1", po1), set("AK3*ZZZ*3**1\nAK5*R*5\n")},
		"AK3 2 unexpected segment":   {order("", gs, st, beg, "LQ*1", po1), set("AK3*LQ*3**2\nAK5*R*5\n")},
		"AK3 3 missing segment":      {order("", gs, st, po1), set("AK3*BEG*2**3\nAK5*R*5\n")},
		"AK3 3 missing loop":         {order("", gs, st, beg), set("AK3*PO1*3**3\nAK5*R*5\n")},
		"AK3 4 loop too often":       {order("", gs, st, beg, po1, "CTT*1", "CTT*1"), set("AK3*CTT*5**4\nAK5*R*5\n")},
		"AK3 5 segment too often":    {order("", gs, st, beg, "CUR*BY*USD", "CUR*BY*USD", po1), set("AK3*CUR*4**5\nAK5*R*5\n")},
		"AK3 6 segment of others":    {order("", gs, st, beg, "B2**UPSN", po1), set("AK3*B2*3**6\nAK5*R*5\n")},
		"AK3 7 wrong order":          {order("", gs, st, beg, "DTM*010*20260914", "CUR*BY*USD", po1), set("AK3*CUR*4**7\nAK5*R*5\n")},
		"AK4 1 missing":              {order("", gs, st, "BEG*00*SA***20260914", po1), set("AK3*BEG*2**8\nAK4*3*324*1\nAK5*R*5\n")},
		"AK4 2 condition":            {order("", gs, st, beg, "PO1*1*12*EA*9.95**VN"), set("AK3*PO1*3**8\nAK4*7*234*2\nAK5*R*5\n")},
		"AK3 2 address of nobody":    {order("", gs, st, beg, "N3*A*B", po1), set("AK3*N3*3**2\nAK5*R*5\n")},
		"AK4 3 too many":             {order("", gs, st, beg, "N1*ST*STORE", "N3*A*B*C", po1), set("AK3*N3*4**8\nAK4*3**3*C\nAK5*R*5\n")},
		"AK4 4 too short":            {order("", gs, st, beg, "N1*ST*STORE*92*7", po1), set("AK3*N1*3**8\nAK4*4*67*4*7\nAK5*R*5\n")},
		"AK4 5 too long":             {order("", gs, st, "BEG*00*SA*12345678901234567890123**20260914", po1), set("AK3*BEG*2**8\nAK4*3*324*5*12345678901234567890123\nAK5*R*5\n")},
		"AK4 6 no number":            {order("", gs, st, beg, "PO1*1*1 2*EA"), set("AK3*PO1*3**8\nAK4*2*330*6*1 2\nAK5*R*5\n")},
		"AK4 7 code":                 {order("", gs, st, "BEG*99*SA*1**20260914", po1), set("AK3*BEG*2**8\nAK4*1*353*7*99\nAK5*R*5\n")},
		"AK4 8 date":                 {order("", gs, st, "BEG*00*SA*1**20260230", po1), set("AK3*BEG*2**8\nAK4*5*373*8*20260230\nAK5*R*5\n")},
		"AK4 9 time":                 {order("", gs, st, beg, "DTM*010*20260914*2460", po1), set("AK3*DTM*3**8\nAK4*3*337*9*2460\nAK5*R*5\n")},
		"two errors of one segment":  {order("", gs, st, "BEG*99*SA*1**20260230", po1), set("AK3*BEG*2**8\nAK4*1*353*7*99\nAK4*5*373*8*20260230\nAK5*R*5\n")},
	} {
		t.Run(name, func(t *testing.T) {
			acks, _ := acknowledge(t, []byte(c.file), memory{}, x12.AckPolicy{}, x12.Rules{})
			if diff := cmp.Diff(c.want, acks); diff != "" {
				t.Errorf("acknowledgments (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAcknowledge_DuplicateNumbers(t *testing.T) {
	good := order("", gs, st, beg, po1)
	twice := strings.Replace(strings.Replace(good, "GE*1*11", st+"~"+beg+"~"+po1+"~SE*4*0001~GE*2*11", 1), "", "", 1)
	acks, taken := acknowledge(t, []byte(twice), nil, x12.AckPolicy{}, x12.Rules{})
	want := []string{"AK1*PO*11\nAK2*850*0001\nAK5*A\nAK2*850*0001\nAK5*R*23\nAK9*P*2*2*1\n"}
	if diff := cmp.Diff(want, acks); diff != "" || len(taken) != 1 {
		t.Errorf("ST02 twice, %d taken (-want +got):\n%s", len(taken), diff)
	}
	group := good[strings.Index(good, "GS*") : strings.Index(good, "GE*")+len("GE*1*11~")]
	groups := strings.Replace(strings.Replace(good, group, group+group, 1), "IEA*1", "IEA*2", 1)
	acks, _ = acknowledge(t, []byte(groups), nil, x12.AckPolicy{}, x12.Rules{})
	want = []string{"AK1*PO*11\nAK2*850*0001\nAK5*A\nAK9*A*1*1*1\nAK1*PO*11\nAK9*R*1*1*0*19\n"}
	if diff := cmp.Diff(want, acks); diff != "" {
		t.Errorf("GS06 twice (-want +got):\n%s", diff)
	}
	acks, taken = acknowledge(t, []byte(good+good), memory{}, x12.AckPolicy{}, x12.Rules{})
	want = []string{"AK1*PO*11\nAK2*850*0001\nAK5*A\nAK9*A*1*1*1\n", "TA1*000000011*260914*1203*R*025\n"}
	if diff := cmp.Diff(want, acks); diff != "" || len(taken) != 1 {
		t.Errorf("ISA13 twice, %d taken (-want +got):\n%s", len(taken), diff)
	}
	other := strings.Replace(good, "4500012345", "4500099999", 1)
	for rule, want := range map[string]int{"": 1, "number": 1, "digest": 2, "none": 2} {
		if _, taken := acknowledge(t, []byte(good+other), memory{}, x12.AckPolicy{}, x12.Rules{Duplicates: rule}); len(taken) != want {
			t.Errorf("duplicates by %q: %d sets taken, want %d", rule, len(taken), want)
		}
	}
}

func TestAcknowledge_ByPartnersPolicy(t *testing.T) {
	bad := order("", gs, st, "BEG*99*SA*1**20260914", po1)
	asked := strings.Replace(order("", gs, st, beg, po1), "*0*P*>", "*1*P*>", 1)
	for name, c := range map[string]struct {
		file   string
		policy x12.AckPolicy
		rules  x12.Rules
		want   []string
	}{
		"accepted with errors": {bad, x12.AckPolicy{}, x12.Rules{Actions: map[x12.Class]x12.Action{x12.ClassCode: x12.Accept}},
			[]string{"AK1*PO*11\nAK2*850*0001\nAK3*BEG*2**8\nAK4*1*353*7*99\nAK5*E*5\nAK9*E*1*1*1\n"}},
		"ignored": {bad, x12.AckPolicy{}, x12.Rules{Actions: map[x12.Class]x12.Action{x12.ClassCode: x12.Ignore}},
			[]string{"AK1*PO*11\nAK2*850*0001\nAK5*A\nAK9*A*1*1*1\n"}},
		"999": {bad, x12.AckPolicy{Kind: "999"}, x12.Rules{},
			[]string{"AK1*PO*11\nAK2*850*0001\nIK3*BEG*2**8\nIK4*1*353*7*99\nIK5*R*5\nAK9*R*1*1*0\n"}},
		"none":          {bad, x12.AckPolicy{Kind: "none"}, x12.Rules{}, nil},
		"TA1 asked for": {asked, x12.AckPolicy{Kind: "none"}, x12.Rules{}, []string{"TA1*000000011*260914*1203*A*000\n"}},
		"TA1 never":     {asked, x12.AckPolicy{Kind: "none", TA1: "never"}, x12.Rules{}, nil},
		"a set that is not taken": {order("", gs, st, beg, po1), x12.AckPolicy{}, x12.Rules{Supports: func(string, string) bool { return false }},
			[]string{"AK1*PO*11\nAK2*850*0001\nAK5*R*1\nAK9*R*1*1*0\n"}},
		"an interchange with a wrong count that is accepted": {strings.Replace(order("", gs, st, beg, po1), "IEA*1", "IEA*3", 1), x12.AckPolicy{},
			x12.Rules{Actions: map[x12.Class]x12.Action{x12.ClassCount: x12.Accept}},
			[]string{"TA1*000000011*260914*1203*E*021\n", "AK1*PO*11\nAK2*850*0001\nAK5*A\nAK9*A*1*1*1\n"}},
	} {
		t.Run(name, func(t *testing.T) {
			acks, _ := acknowledge(t, []byte(c.file), nil, c.policy, c.rules)
			if diff := cmp.Diff(c.want, acks); diff != "" {
				t.Errorf("acknowledgments (-want +got):\n%s", diff)
			}
		})
	}
}

// TestAcknowledge_NeverAnAcknowledgment: not even a broken one.
func TestAcknowledge_NeverAnAcknowledgment(t *testing.T) {
	for _, name := range []string{"own-997-A.edi", "own-999-R.edi", "own-TA1-accept.edi"} {
		b := read(t, "testdata/samples/"+name)
		for _, file := range [][]byte{b, bytes.Replace(b, []byte("IEA*"), []byte("IEA*9"), 1), bytes.Replace(b, []byte("AK9*"), []byte("AK9*?"), 1),
			bytes.Replace(b, []byte("TA1*"), []byte("TA1*?"), 1)} {
			if acks, _ := acknowledge(t, file, nil, x12.AckPolicy{TA1: "always"}, x12.Rules{}); len(acks) > 0 {
				t.Errorf("%s is acknowledged: %q", name, acks)
			}
		}
	}
}

// TestRead_TA1ThatAnswersNothing: one that can't be understood is a fault, and
// no answer to anything.
func TestRead_TA1ThatAnswersNothing(t *testing.T) {
	for ta1, element := range map[string]int{
		"TA1*000000001*260914*1203*A*000": 0, "TA1*1*260914*1203*R*025": 0,
		"TA1": 1, "TA1*ABC*260914*1203*A*000": 1, "TA1*000000001*260914*1203": 4, "TA1*000000001*260914*1203*X*000": 4,
	} {
		var got *x12.Interchange
		err := x12.Read(strings.NewReader(isa+"~"+ta1+"~IEA*0*000000011~"), x12.Options{}, x12.Handler{End: func(ic *x12.Interchange) error {
			got = ic
			return nil
		}})
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case !got.AcksOnly:
			t.Errorf("%s: the interchange counts as one that is acknowledged", ta1)
		case element == 0 && (len(got.Faults) > 0 || len(got.Acks) != 1):
			t.Errorf("%s: faults %v, %d answers; want it taken", ta1, got.Faults, len(got.Acks))
		case element > 0 && (len(got.Faults) != 1 || got.Faults[0].Element != element || got.Faults[0].Code != "024" || len(got.Acks) != 0):
			t.Errorf("%s: faults %v, %d answers; want 024 at TA1%02d and none", ta1, got.Faults, len(got.Acks), element)
		}
	}
}

func TestReadGroupAck_SaysWhatBecameOfEverySet(t *testing.T) {
	file := isa + "~GS*FA*ACME*US*20260914*1203*11*X*004010~ST*997*0001~AK1*IN*77~AK2*810*0001~AK5*A~AK2*810*0002~AK3*IT1*12**8~AK4*2>1*358*6*X~AK5*R*5~" +
		"AK9*P*3*3*2~SE*10*0001~GE*1*11~IEA*1*000000011~"
	var got x12.GroupAck
	if err := x12.Read(strings.NewReader(file), x12.Options{}, x12.Handler{Message: func(m *x12.Message) error {
		got, _ = x12.ReadGroupAck(m)
		return nil
	}}); err != nil {
		t.Fatal(err)
	}
	want := x12.GroupAck{Code: "IN", Control: "77", Result: "P", Stated: 3, Received: 3, Accepted: 2, Sets: []x12.SetAck{
		{Set: "810", Control: "0001", Result: "A"},
		{Set: "810", Control: "0002", Result: "R", Notes: []string{"5"}, Faults: []x12.Fault{
			{Level: x12.LevelSegment, Code: "8", Segment: "IT1", Position: 12},
			{Level: x12.LevelElement, Code: "6", Segment: "IT1", Position: 12, Element: 2, Component: 1, Reference: 358, Value: "X"},
		}},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("997 (-want +got):\n%s", diff)
	}
	for _, c := range []struct {
		control         string
		accepted, known bool
	}{{"0001", true, true}, {"0002", false, true}, {"0003", false, false}} {
		if accepted, known := got.Verdict("810", c.control); accepted != c.accepted || known != c.known {
			t.Errorf("verdict on %s: %t, %t; want %t, %t", c.control, accepted, known, c.accepted, c.known)
		}
	}
	if accepted, known := (x12.GroupAck{Result: "A"}).Verdict("810", "0009"); !accepted || !known {
		t.Error("a group accepted as a whole says nothing of its sets")
	}
}
