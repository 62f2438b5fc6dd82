package edi_test

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/connector/connectortest"
	sets "github.com/waybillhq/waybill/connector/edi"
	"github.com/waybillhq/waybill/edi/x12"
)

var at = time.Date(2026, 9, 16, 14, 30, 0, 0, time.UTC)

const x12Data = "../../edi/x12/testdata/"

func readFile(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// outcome reads a file and writes in words what became of it.
func outcome(t *testing.T, b []byte, tr *sets.Translator) string {
	t.Helper()
	var out strings.Builder
	v, err := tr.Profile.Judge(bytes.NewReader(b), &sets.History{}, at)
	if err != nil {
		t.Fatal(err)
	}
	if v.Problem != "" {
		fmt.Fprintf(&out, "    problem: %s\n", v.Problem)
	}
	err = tr.Outcomes(bytes.NewReader(b), v, func(ic *sets.Verdict, g *x12.Group) error {
		if g == nil {
			fmt.Fprintf(&out, "    %s %s\n", ic.Control, ic.Status)
			for _, f := range ic.Faults {
				fmt.Fprintf(&out, "      TA1 %s: %s\n", f.Code, f.Detail)
			}
			return nil
		}
		fmt.Fprintf(&out, "      %s %s %s\n", g.Code, g.Control, g.Status)
		for _, f := range g.Faults {
			fmt.Fprintf(&out, "        AK9 %s: %s\n", f.Code, f.Detail)
		}
		return nil
	}, func(o sets.Outcome) error {
		fmt.Fprintf(&out, "        %s %s %s\n", o.Set, o.Control, o.Final)
		for _, f := range o.Message.Faults {
			fmt.Fprintf(&out, "          %s %s, segment %d: %s\n", f.Level, f.Code, f.Position, f.Detail)
		}
		for _, e := range o.Translation.Events {
			fmt.Fprintf(&out, "          %s of %s, subject %s, version %d, at %s\n", e.Type, e.Ref, e.Subject, e.Version, e.OccurredAt.Format(time.RFC3339))
			describe(&out, e)
		}
		for _, n := range o.Translation.Notes {
			fmt.Fprintf(&out, "          note: %s\n", n)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range v.Acknowledgments {
		fmt.Fprintf(&out, "    gets %q\n", a)
	}
	return out.String()
}

// describe writes the quantities of an event.
func describe(out io.Writer, e waybill.Event) {
	switch b := e.Body.(type) {
	case *waybill.Order:
		for _, l := range b.Lines {
			fmt.Fprintf(out, "            line %s: %s %s of %s (%s) at %s %s\n", l.Line, l.Qty, l.UOM, l.SKU, l.CustomerSKU, l.Price, b.Currency)
		}
	case *waybill.Shipment:
		for _, l := range b.Lines {
			fmt.Fprintf(out, "            line %q: %s %s of %s %s\n", l.Line, l.Qty, l.UOM, l.SKU, l.Reason)
		}
		for _, p := range b.Packages {
			fmt.Fprintf(out, "            package %s %s\n", p.SSCC, p.Tracking)
		}
		fmt.Fprintf(out, "            shipped %s by %s %s, final %t\n", b.ShippedAt, b.Mode, b.Carrier, b.Final)
	case *waybill.StockSnapshot:
		for _, l := range b.Lines {
			fmt.Fprintf(out, "            %s %s of %s %s\n", l.Qty, l.UOM, l.SKU, l.State)
		}
	case *waybill.StockAdjustment:
		fmt.Fprintf(out, "            %s %s of %s in %s, reason %s\n", b.Qty, b.UOM, b.SKU, b.Warehouse, b.Reason)
	}
}

// TestSamples holds every file of the corpus to its line in samples.txt: the
// right result, or the reason that is named. -update writes it anew.
func TestSamples(t *testing.T) {
	var out strings.Builder
	for _, dir := range []string{"samples", "bad"} {
		files, err := filepath.Glob(x12Data + dir + "/*.edi")
		if err != nil || len(files) == 0 {
			t.Fatalf("no files in %s: %v", dir, err)
		}
		for _, name := range files {
			fmt.Fprintf(&out, "%s/%s\n%s", dir, filepath.Base(name), outcome(t, readFile(t, name), &sets.Translator{}))
		}
	}
	const table = "testdata/samples.txt"
	if connectortest.Updating() {
		if err := os.WriteFile(table, []byte(out.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(string(readFile(t, table)), out.String()); diff != "" {
		t.Errorf("%s (-kept +now); -update writes it anew:\n%s", table, diff)
	}
}

func TestProfile_SaysWhichPartiesWereAgreed(t *testing.T) {
	p, err := sets.ReadProfile(readFile(t, "testdata/profile.json"))
	if err != nil {
		t.Fatal(err)
	}
	good := string(readFile(t, x12Data+"bad/x-po-number-first.edi"))
	for name, c := range map[string]struct{ from, to, want string }{
		"agreed":             {"", "", "accepted"},
		"unknown sender":     {"ACMEDIST       *", "OTHER          *", "TA1 006"},
		"other qualifier":    {"ZZ*ACMEDIST", "01*ACMEDIST", "TA1 005"},
		"unknown receiver":   {"WAYBILL3PL     *", "OTHER          *", "TA1 009"},
		"receiver qualifier": {"ZZ*WAYBILL3PL", "01*WAYBILL3PL", "TA1 007"},
		"set not taken":      {"ST*850", "ST*846", "set 846 in version 004010 is not supported"},
		"test interchange":   {"*0*P*>", "*0*T*>", "note: a test interchange"},
	} {
		t.Run(name, func(t *testing.T) {
			got := outcome(t, []byte(strings.Replace(good, c.from, c.to, 1)), &sets.Translator{Profile: p})
			if !strings.Contains(got, c.want) {
				t.Errorf("no %q in\n%s", c.want, got)
			}
			if made := strings.Contains(got, "order.placed"); made != (name == "agreed") {
				t.Errorf("an order is made: %t\n%s", made, got)
			}
		})
	}
}

func TestProfile_NamesTheFieldThatIsWrong(t *testing.T) {
	for field, member := range map[string]string{
		"/partners/0/zone": `"zone":"Mars/Base"`, "/partners/0/strict": `"strict":{"hours":"accept"}`, "/partners/0/overlay": `"overlay":["850 XYZ !"]`,
		"/partners/0/ta1": `"ta1":"maybe"`, "/partners/0/delimiters": `"delimiters":"***~"`, "/partners/0/structure": `"structure":"9999"`,
	} {
		_, err := sets.ReadProfile([]byte(`{"partners":[{"x12":"ZZ/A",` + member + `}]}`))
		if err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("%s: error %v, want one that names %s", member, err, field)
		}
	}
}

// envelope puts sets into an interchange from us to the partner.
func envelope(t *testing.T, rendered ...sets.Rendered) []byte {
	t.Helper()
	return enveloped(t, "004010", x12.DefaultDelimiters("00401"), rendered...)
}

// enveloped is an interchange of a release, with delimiters of its own.
func enveloped(t *testing.T, release string, d x12.Delimiters, rendered ...sets.Rendered) []byte {
	t.Helper()
	o := x12.Outgoing{SenderQualifier: "ZZ", Sender: "WAYBILL3PL", ReceiverQualifier: "ZZ", Receiver: "ACMEDIST", Version: release[:5], Control: 7,
		Usage: "P", Time: at, Delimiters: d}
	for i, r := range rendered {
		o.Groups = append(o.Groups, x12.OutgoingGroup{Code: r.Group, Sender: "WAYBILL3PL", Receiver: "ACMEDIST", Control: int64(i + 1), Version: release,
			Messages: []x12.OutgoingMessage{{Set: r.Set, Control: "0001", Body: r.Body}}})
	}
	b, err := o.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// body is a set's segments, one a line.
func body(r sets.Rendered) string {
	var b strings.Builder
	for _, s := range r.Body {
		b.WriteString(strings.TrimRight(s.ID()+"*"+strings.Join(s.Elements(), "*"), "*") + "\n")
	}
	return b.String()
}

// sampleOrder is the order of a sample 850.
func sampleOrder(t *testing.T) *waybill.Order {
	t.Helper()
	var order *waybill.Order
	tr := &sets.Translator{}
	if err := x12.Read(bytes.NewReader(readFile(t, x12Data+"samples/own-850-basic.edi")), x12.Options{}, x12.Handler{Message: func(m *x12.Message) error {
		order = tr.Order(m)
		return nil
	}}); err != nil {
		t.Fatal(err)
	}
	return order
}

func document(kind waybill.Kind, data string, lines ...waybill.DocumentLine) waybill.Document {
	return waybill.Document{Kind: kind, Order: "4500012345", Key: "k", Currency: "USD", PostingDate: "2026-09-16", Lines: lines, Data: []byte(data)}
}

func line(n, sku, qty, uom string) waybill.DocumentLine {
	return waybill.DocumentLine{Line: n, SKU: sku, Qty: waybill.MustDecimal(qty), UOM: uom}
}

// jobs are one document of each kind that is written.
func jobs(t *testing.T) map[string]sets.Job {
	t.Helper()
	order := sampleOrder(t)
	warehouse, err := waybill.Marshal(order)
	if err != nil {
		t.Fatal(err)
	}
	one, two := line("1", "SKU-1000", "12", "EA"), line("2", "SKU-1001", "20", "XCS")
	shipped := `{"shipment":"SHP-70001","shipped_at":"2026-09-16T14:00:00Z","mode":"parcel","carrier":"UPSN","service":"UPS GROUND","bol":"BOL-1","weight":"84.5 LB",
		"packages":[{"sscc":"006141411234500019","tracking":"1Z1","lines":[{"line":"1","qty":"12"}]},{"sscc":"006141411234500026","lines":[{"line":"2","qty":"20"}]}]}`
	return map[string]sets.Job{
		"855":           {Document: document(waybill.OrderAcknowledgment, `{}`, one, two), Order: order, At: at},
		"865 change":    {Document: document(waybill.ChangeAnswer, `{"result":"too_late","lines":[{"line":"1","qty":"12"}]}`), Order: order, At: at},
		"865 cancel":    {Document: document(waybill.CancellationAnswer, `{"result":"partial","lines":[{"line":"1","cancelled":"4","shipped":"8"}]}`), Order: order, At: at},
		"856":           {Document: document(waybill.Fulfilment, shipped, one, two), Order: order, At: at},
		"810":           {Document: document(waybill.Invoice, `{"charges":[{"code":"C310","amount":"-12.50"},{"code":"freight","amount":"35"}],"tax":"0.00"}`, one, two), Order: order, At: at, Number: "INV-33001"},
		"940 new":       {Document: document(waybill.WarehouseOrder, string(warehouse), one, two), At: at},
		"940 cancelled": {Document: document(waybill.WarehouseOrderCancel, string(warehouse), one), At: at},
		"846":           {Document: document(waybill.InventoryAvailability, `{"document":"IA-1","warehouse":"WH01"}`, one), At: at},
	}
}

func TestRender(t *testing.T) {
	for name, want := range map[string]string{
		"855": `BAK*00*AC*4500012345*20260914****4500012345
REF*DP*0042
REF*IA*771234
N1*ST*ACME STORE 42*92*0042
N3*42 OAK AVE*SUITE 7
N4*JOLIET*IL*60431*US
PO1*1*12*EA*9.95**UP*061414111010*VN*SKU-1000*BP*880000
ACK*IA*12*EA
PO1*2*24*CA*118.8**UP*061414111027*VN*SKU-1001*BP*880001
ACK*IQ*20*CA
ACK*IR*4*CA
CTT*2
`,
		"865 change": `BCA*00*RJ*4500012345***20260914***4500012345
REF*DP*0042
REF*IA*771234
N1*ST*ACME STORE 42*92*0042
N3*42 OAK AVE*SUITE 7
N4*JOLIET*IL*60431*US
POC*1*CA*12**EA*9.95**UP*061414111010*VN*SKU-1000*BP*880000
ACK*IR*12*EA
CTT*1
`,
		"856": `BSN*00*SHP-70001*20260916*1430*0001
HL*1**S
TD1*CTN25*2****G*84.5*LB
TD5*B*2*UPSN*U*UPS GROUND
REF*BM*BOL-1
DTM*011*20260916*1400
N1*ST*ACME STORE 42*92*0042
N3*42 OAK AVE*SUITE 7
N4*JOLIET*IL*60431*US
HL*2*1*O
PRF*4500012345***20260914
REF*DP*0042
REF*IA*771234
HL*3*2*P
MAN*GM*00006141411234500019
MAN*CP*1Z1
HL*4*3*I
LIN*1*UP*061414111010*VN*SKU-1000*BP*880000
SN1*1*12*EA**12*EA
PID*F****BLUE WIDGET 1" SIZE, 100% COTTON
HL*5*2*P
MAN*GM*00006141411234500026
HL*6*5*I
LIN*2*UP*061414111027*VN*SKU-1001*BP*880001
SN1*2*20*CA**24*CA
PID*F****BLUE WIDGET 2" SIZE, 100% COTTON
CTT*6
`,
		"810": `BIG*20260916*INV-33001*20260914*4500012345***DI
CUR*SE*USD
REF*IA*771234
REF*DP*0042
N1*ST*ACME STORE 42*92*0042
N3*42 OAK AVE*SUITE 7
N4*JOLIET*IL*60431*US
N1*BT*ACME DISTRIBUTION*92*0001
N3*100 MAIN ST
N4*CHICAGO*IL*60601*US
DTM*011*20260916
IT1*1*12*EA*9.95**UP*061414111010*VN*SKU-1000*BP*880000
PID*F****BLUE WIDGET 1" SIZE, 100% COTTON
IT1*2*20*CA*118.8**UP*061414111027*VN*SKU-1001*BP*880001
PID*F****BLUE WIDGET 2" SIZE, 100% COTTON
TDS*251790
SAC*A*C310***1250
SAC*C*D240***3500
CTT*2
`,
		"940 new": `W05*N*4500012345*4500012345
N1*ST*ACME STORE 42*92*0042
N3*42 OAK AVE*SUITE 7
N4*JOLIET*IL*60431*US
N9*CO*4500012345
N9*DP*0042
G62*02*20260928
G62*01*20261005
NTE*WHI*DELIVER TO DOCK 4, CALL AHEAD
W66*PP*M***UPS GROUND*****UPSN
LX*1
W01*12*EA**VN*SKU-1000
N9*LI*1
LX*2
W01*20*CA**VN*SKU-1001
N9*LI*2
W76*32
`,
	} {
		r, err := (&sets.Partner{}).Render(jobs(t)[name])
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := cmp.Diff(want, body(r)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// TestRender_IsAcceptedByItsReceiver: by our own reading, and by a checker that
// shares nothing with it.
func TestRender_IsAcceptedByItsReceiver(t *testing.T) {
	var files []string
	dir := t.TempDir()
	write := func(name string, b []byte) {
		t.Helper()
		file := filepath.Join(dir, strings.ReplaceAll(name, " ", "-")+".edi")
		if err := os.WriteFile(file, b, 0o600); err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	judge := func(name string, p *sets.Profile, b []byte) {
		t.Helper()
		write(name, b)
		v, err := p.Judge(bytes.NewReader(b), nil, at)
		if err != nil || v.Findings {
			t.Errorf("%s is refused: %v\n%s", name, err, outcome(t, b, &sets.Translator{}))
		}
		for i, a := range v.Acknowledgments {
			write(fmt.Sprintf("answer %d for %s", i, name), []byte(a))
		}
	}
	by999, err := sets.ReadProfile([]byte(`{"us":{"x12":["ZZ/ACMEDIST"]},"partners":[{"x12":"ZZ/WAYBILL3PL","ack":"999"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	var all []sets.Rendered
	for _, name := range slices.Sorted(maps.Keys(jobs(t))) {
		r, err := (&sets.Partner{}).Render(jobs(t)[name])
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, r)
		judge(name, nil, envelope(t, r))
		judge(name+" with 999", by999, enveloped(t, "005010", x12.Delimiters{Element: '|', Component: ':', Repetition: '!', Segment: "'", LineEnd: "\r\n"}, r))
	}
	judge("all in one", nil, envelope(t, all...))
	v, err := (*sets.Profile)(nil).Judge(bytes.NewReader(readFile(t, x12Data+"bad/x-iea02-mismatch.edi")), nil, at)
	if err != nil || len(v.Acknowledgments) != 1 {
		t.Fatalf("no TA1: %v", err)
	}
	strict := files // node-x12 knows no TA1 outside of a group
	write("TA1", []byte(v.Acknowledgments[0]))
	out, err := exec.CommandContext(t.Context(), "node", append([]string{"../../test/edi/check.mjs", "--short"}, files...)...).CombinedOutput()
	if err != nil || strings.Contains(string(out), `"warnings":["`) {
		t.Errorf("test/edi/check.mjs: %v (scripts/install-test-deps.sh installs Node)\n%s", err, out)
	}
	out, err = exec.CommandContext(t.Context(), "node", append([]string{"../../test/edi/strict.mjs"}, strict...)...).CombinedOutput()
	if err != nil {
		t.Errorf("test/edi/strict.mjs: %v (scripts/install-test-deps.sh installs node-x12)\n%s", err, out)
	}
}

func TestRender_RefusesWhatWouldBeCharged(t *testing.T) {
	good := jobs(t)
	for name, c := range map[string]struct {
		job  sets.Job
		data string
		want string
	}{
		"wrong check digit": {good["856"], `{"shipment":"S-1","shipped_at":"2026-09-16T14:00:00Z","packages":[{"sscc":"006141411234500018"}]}`, "check digit"},
		"unknown content": {good["856"], `{"shipment":"S-1","shipped_at":"2026-09-16T14:00:00Z","packages":[{"tracking":"1Z1"},{"tracking":"1Z2"}]}`,
			"package 1 of 2 names no lines"},
		"no such answer": {good["865 cancel"], `{"result":"perhaps"}`, `"perhaps"`},
	} {
		c.job.Document.Data = []byte(c.data)
		if _, err := (&sets.Partner{}).Render(c.job); err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "4500012345") {
			t.Errorf("%s: error %v, want one with %q and the order", name, err, c.want)
		}
	}
	long := good["940 new"]
	long.Document.Order = "prefix~.45000123450000000001"
	if _, err := (&sets.Partner{}).Render(long); err == nil || !strings.Contains(err.Error(), "W0502") {
		t.Errorf("a number of 28 characters: error %v, want one that names W0502", err)
	}
}

func TestRender_ReplacesWhatThePartnerCannotRead(t *testing.T) {
	job := jobs(t)["855"]
	order := *job.Order
	order.ShipTo = &waybill.Party{ID: "0042", Name: "Café *Müller* – Store"}
	job.Order = &order
	r, err := (&sets.Partner{Upper: true}).Render(job)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(body(r), "N1*ST*CAFE  MUELLER  - STORE*92*0042\n") {
		t.Errorf("party is written as\n%s", body(r))
	}
	if len(r.Notes) != 2 {
		t.Errorf("notes %q, want one for the letters and one for the delimiter", r.Notes)
	}
	if _, err := (&sets.Partner{Text: "refuse"}).Render(job); err == nil || !strings.Contains(err.Error(), "delimiter") {
		t.Errorf("error %v, want a refusal of the delimiter", err)
	}
}

// change is an 860 for the sample order.
func change(sequence string, lines ...string) []byte {
	set := append([]string{"ST*860*0001", "BCH*04*SA*4500012345**" + sequence + "*20260914*****20260915"}, lines...)
	return []byte("ISA*00*          *00*          *ZZ*ACMEDIST       *ZZ*WAYBILL3PL     *260915*0900*U*00401*000000012*0*P*>~GS*PC*ACMEDIST*WAYBILL3PL*20260915*0900*12*X*004010~" +
		strings.Join(set, "~") + fmt.Sprintf("~SE*%d*0001~GE*1*12~IEA*1*000000012~", len(set)+1))
}

func TestOrderChange_BecomesTheWholeOrderWhereItIsKnown(t *testing.T) {
	history := &sets.History{}
	tr := &sets.Translator{Book: history}
	open := func() (io.ReadCloser, error) { return os.Open(x12Data + "samples/own-850-basic.edi") }
	if err := history.ReadBefore(tr, open, at); err != nil {
		t.Fatal(err)
	}
	got := outcome(t, change("2", "POC*1*QD*10**EA*9.95**VN*SKU-1000", "POC*2*DI******VN*SKU-1001", "POC*3*AI*6**EA*5**VN*SKU-1002", "CTT*3"), tr)
	want := `          order.changed of 4500012345, subject 4500012345, version 3, at 2026-09-15T09:00:00Z
            line 1: 10 EA of SKU-1000 (880000) at 9.95 USD
            line 3: 6 EA of SKU-1002 () at 5 USD
`
	if !strings.Contains(got, want) {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	alone := outcome(t, change("2", "POC*1*QD*10**EA*9.95**VN*SKU-1000"), &sets.Translator{})
	if !strings.Contains(alone, "note: an 860 states differences") {
		t.Errorf("without the order, the change does not say that it is no whole order:\n%s", alone)
	}
	cancel := bytes.Replace(change("1"), []byte("BCH*04"), []byte("BCH*01"), 1)
	if got := outcome(t, cancel, tr); !strings.Contains(got, "order.cancel_requested of 4500012345") {
		t.Errorf("BCH01 01 is no request to cancel:\n%s", got)
	}
}

func TestShipment_FindsTheLinesOfItsOrder(t *testing.T) {
	book := orders{"SO-90001": {Order: "SO-90001", Lines: []waybill.OrderLine{
		{Line: "10", SKU: "SKU-1000", Qty: waybill.MustDecimal("12")}, {Line: "20", SKU: "SKU-1001", Qty: waybill.MustDecimal("20")}}}}
	got := outcome(t, readFile(t, x12Data+"samples/own-945-short.edi"), &sets.Translator{Book: book})
	for _, want := range []string{`line "10": 12 EA of SKU-1000`, `line "20": 16 XCS of SKU-1001 CP`, "final true"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
}

type orders map[string]*waybill.Order

func (o orders) Order(ref string) *waybill.Order { return o[ref] }
