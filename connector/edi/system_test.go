package edi_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/connector"
	"github.com/waybillhq/waybill/connector/edi"
	"github.com/waybillhq/waybill/internal/transport"
	"github.com/waybillhq/waybill/internal/yamlfile"
)

const example = "../../examples/edi-partner"

var noon = time.Date(2026, 1, 5, 18, 0, 0, 0, time.UTC)

// openPartner opens the example's partner with changes to its file.
func openPartner(t *testing.T, name string, role waybill.Role, files connector.Files, changes ...string) connector.Connector {
	t.Helper()
	c, err := edi.Manifest().Open(partnerEnv(t, name, role, files, changes...))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func partnerEnv(t *testing.T, name string, role waybill.Role, files connector.Files, changes ...string) connector.Env {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(example, name+".yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(changes); i += 2 {
		if !bytes.Contains(b, []byte(changes[i])) {
			t.Fatalf("the example has no %q", changes[i])
		}
		b = bytes.Replace(b, []byte(changes[i]), []byte(changes[i+1]), 1)
	}
	path := filepath.Join(t.TempDir(), name+".yaml")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return connector.Env{System: name, Role: role, OrderPrefix: "bigbox~.", Settings: map[string]string{"partner": path}, Files: files,
		Now: func() time.Time { return noon }}
}

func translate(t *testing.T, c connector.Connector, body string) []waybill.Event {
	t.Helper()
	events, err := c.Translator.Translate(connector.Message{System: "bigbox", Body: []byte(body), ReceivedAt: noon})
	if err != nil {
		t.Fatal(err)
	}
	return events
}

func sample(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(example, "samples/850.x12"))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// An 850 is an order and an acknowledgment owed; the acknowledgment goes out
// with a number of its own.
func TestSystem_OrderAndItsAcknowledgment(t *testing.T) {
	c := openPartner(t, "bigbox", waybill.RoleChannel, nil)
	events := translate(t, c, sample(t))
	if len(events) != 2 || events[0].Type != waybill.InterchangeReceived || events[1].Type != waybill.OrderPlaced || events[1].Ref != "bigbox~.4711" {
		t.Fatalf("events %+v", events)
	}
	ic := events[0].Body.(*waybill.Interchange)
	if ic.Status != "accepted" || len(ic.Messages) != 0 || len(ic.Answers) != 1 || ic.Answers[0].Set != "997" {
		t.Fatalf("interchange %+v", ic)
	}
	data, err := waybill.Marshal(map[string]string{"text": ic.Answers[0].Text})
	if err != nil {
		t.Fatal(err)
	}
	r, err := c.Renderer.Render(waybill.Document{Kind: waybill.FunctionalAcknowledgment, Data: data, At: noon, Control: 77})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"*260105*1800*U*00401*000000077*", "GS*FA*EXAMPLEHDW*9254850000*20260105*1800*77*X*004010", "AK1*PO*101", "AK5*A", "GE*1*77", "IEA*1*000000077"} {
		if !strings.Contains(string(r.Body), want) {
			t.Errorf("the acknowledgment lacks %s:\n%s", want, r.Body)
		}
	}
	// What it answers with is read by itself as an acknowledgment, and owes nothing.
	back := translate(t, c, strings.NewReplacer("EXAMPLEHDW", "9254850000", "9254850000", "EXAMPLEHDW", "ZZ*EXAMPLEHDW     *08*9254850000     ",
		"08*9254850000     *ZZ*EXAMPLEHDW     ").Replace(string(r.Body)))
	for _, e := range back {
		if ic, ok := e.Body.(*waybill.Interchange); ok && len(ic.Answers) > 0 {
			t.Errorf("an acknowledgment is acknowledged: %+v", ic.Answers)
		}
	}
}

// ack is what a partner says of control number 42.
func ack(group, result, set string) string {
	return "ISA*00*          *00*          *08*9254850000     *ZZ*EXAMPLEHDW     *260105*0915*U*00401*000000102*0*P*>~" +
		"GS*FA*9254850000*EXAMPLEHDW*20260105*0915*102*X*004010~ST*997*0001~AK1*" + group + "*42~AK2*" + set + "*0001~AK5*" + result +
		"~AK9*" + result + "*1*1*1~SE*6*0001~GE*1*102~IEA*1*000000102~"
}

func TestSystem_AcknowledgmentsSettle(t *testing.T) {
	c := openPartner(t, "bigbox", waybill.RoleChannel, nil)
	for _, tc := range []struct {
		result string
		want   waybill.EventType
	}{{"A", waybill.DocumentApplied}, {"E", waybill.DocumentApplied}, {"R*5", waybill.DocumentRejected}} {
		events := translate(t, c, ack("PR", tc.result, "855"))
		if len(events) != 1 || events[0].Type != tc.want {
			t.Fatalf("%s: events %+v", tc.result, events)
		}
		var r waybill.DocumentReport
		if err := waybill.Unmarshal(events[0].Data, &r); err != nil || r.Control != 42 || r.Key != "" {
			t.Errorf("%s: report %+v, %v", tc.result, r, err)
		}
		if tc.want == waybill.DocumentRejected && (r.Problem == nil || !strings.Contains(r.Problem.Detail, "AK5 R 5")) {
			t.Errorf("the codes are lost: %+v", r.Problem)
		}
	}
}

// By agreement a 945 settles the 940, and its 997 does not.
func TestSystem_ShipmentSettlesTheWarehouseOrder(t *testing.T) {
	c := openPartner(t, "threepl", waybill.RoleWMS, nil, "  within: 2h", "  within: 2h\n  settle: shipment")
	swap := strings.NewReplacer("08*9254850000     ", "ZZ*EXAMPLE3PL     ", "9254850000", "EXAMPLE3PL")
	if got := reportsOf(t, translate(t, c, swap.Replace(ack("OW", "A", "940")))); got != "change" {
		t.Errorf("the 997 settles %q", got)
	}
	if events := translate(t, c, swap.Replace(ack("OW", "R*5", "940"))); len(events) != 1 || events[0].Type != waybill.DocumentRejected {
		t.Errorf("a rejection is lost: %+v", events)
	}
	events := translate(t, c, "ISA*00*          *00*          *ZZ*EXAMPLE3PL     *ZZ*EXAMPLEHDW     *260105*0915*U*00401*000000103*0*P*>~"+
		"GS*SW*EXAMPLE3PL*EXAMPLEHDW*20260105*0915*103*X*004010~ST*945*0001~W06*F*bigbox!.4711*20260105*SH1~G62*11*20260105~W27*U*UPSN~"+
		"LX*1~W12*CC*6*6*0*EA**VN*HAMMER-16~N9*LI*1~W03*1*12*LB~SE*9*0001~GE*1*103~IEA*1*000000103~")
	if len(events) != 3 || events[1].Type != waybill.ShipmentConfirmed || events[1].Ref != "bigbox~.4711" || events[2].Type != waybill.DocumentApplied {
		t.Fatalf("events %+v", events)
	}
	var r waybill.DocumentReport
	if err := waybill.Unmarshal(events[2].Data, &r); err != nil || r.Order != "bigbox~.4711" || r.Kind != waybill.WarehouseOrder {
		t.Errorf("report %+v, %v", r, err)
	}
}

// reportsOf are the kinds of warehouse document that events report as applied;
// ! marks one that confirms cancellations.
func reportsOf(t *testing.T, events []waybill.Event) string {
	t.Helper()
	var out []string
	for _, e := range events {
		var r waybill.DocumentReport
		if e.Type != waybill.DocumentApplied {
			continue
		}
		if err := waybill.Unmarshal(e.Data, &r); err != nil {
			t.Fatal(err)
		}
		kind := map[waybill.Kind]string{"": "any", waybill.WarehouseOrder: "order", waybill.WarehouseOrderChange: "change", waybill.WarehouseOrderCancel: "cancel"}[r.Kind]
		if strings.Contains(string(r.Result), `"cancelled":true`) {
			kind += "!"
		}
		out = append(out, kind)
	}
	return strings.Join(out, " ")
}

// Which set is a warehouse's word on an order, and which on its cancellation, is
// agreed.
func TestSystem_WhatSettlesACancellation(t *testing.T) {
	const interchange = "ISA*00*          *00*          *ZZ*EXAMPLE3PL     *ZZ*EXAMPLEHDW     *260105*0915*U*00401*000000103*0*P*>~" +
		"GS*SW*EXAMPLE3PL*EXAMPLEHDW*20260105*0915*103*X*004010~ST*945*0001~W06*F*bigbox!.4711*20260105*SH1~G62*11*20260105~W27*U*UPSN~" +
		"LX*1~W12*%s*6*%s*6*EA**VN*HAMMER-16~N9*LI*1~W03*1*12*LB~SE*9*0001~GE*1*103~IEA*1*000000103~"
	swap := strings.NewReplacer("08*9254850000     ", "ZZ*EXAMPLE3PL     ", "9254850000", "EXAMPLE3PL")
	for _, c := range []struct{ rule, ack, final, open string }{
		{"", "any!", "", ""},
		{"settle: shipment", "change", "order cancel!", "order"},
		{"settle: shipment\n  cancel: acknowledgment", "change cancel!", "order", "order"},
		{"cancel: shipment", "change order", "cancel!", ""},
	} {
		p := openPartner(t, "threepl", waybill.RoleWMS, nil, "  within: 2h", "  within: 2h\n  "+c.rule)
		for set, want := range map[string]string{
			swap.Replace(ack("OW", "E", "940")):   c.ack,
			fmt.Sprintf(interchange, "CK", "0"):   c.final,
			fmt.Sprintf(interchange, "SH", "2"):   c.open,
			swap.Replace(ack("OW", "R*5", "940")): "",
		} {
			if got := reportsOf(t, translate(t, p, set)); got != want {
				t.Errorf("%q: it settles %q, want %q, by\n%s", c.rule, got, want, set)
			}
		}
	}
	if _, err := edi.Manifest().Open(partnerEnv(t, "bigbox", waybill.RoleChannel, nil, "  within: 4h", "  within: 4h\n  cancel: shipment")); err == nil || !strings.Contains(err.Error(), "only a warehouse") {
		t.Errorf("a customer that confirms cancellations: error %v", err)
	}
}

// A change to an order that is not known makes no order of the lines that
// change: it is told, and acknowledged all the same.
func TestSystem_ChangeOfAnUnknownOrderIsNotTaken(t *testing.T) {
	change := strings.NewReplacer("GS*PO", "GS*PC", "ST*850", "ST*860", "BEG*00*SA*4711**20260105", "BCH*04*SA*4711**1*20260105",
		"REF*DP*042~\n", "", "DTM*010*20260105~\n", "", "N1*ST*Example Stores 17*92*0017~\n", "", "N3*Main Street 1~\n", "", "N4*Springfield*IL*62701*US~\n", "",
		"PO1*1*6*EA*4.20**VN*HAMMER-16*UP*012345678905", "POC*1*CA*4**EA*4.20**VN*HAMMER-16", "PO1*2*12*EA*1.10**VN*NAILS-100~\n", "",
		"CTT*2", "CTT*1", "SE*11", "SE*5").Replace(sample(t))
	events := translate(t, openPartner(t, "bigbox", waybill.RoleChannel, nil), change)
	if len(events) != 1 {
		t.Fatalf("events %+v", events)
	}
	ic := events[0].Body.(*waybill.Interchange)
	if len(ic.Messages) != 1 || !strings.Contains(strings.Join(ic.Messages[0].Reasons, " "), "bigbox~.4711 that it changes is not known") || len(ic.Answers) != 1 {
		t.Errorf("interchange %+v", ic)
	}
	env := partnerEnv(t, "bigbox", waybill.RoleChannel, nil)
	env.Book = oneOrder{&waybill.Order{Order: "bigbox~.4711", Version: 1, Customer: "BIGBOX", Currency: "USD", Lines: []waybill.OrderLine{
		{Line: "1", SKU: "HAMMER-16", Qty: waybill.NewDecimal(6), UOM: "EA"}, {Line: "2", SKU: "NAILS-100", Qty: waybill.NewDecimal(12), UOM: "EA"}}}}
	c, err := edi.Manifest().Open(env)
	if err != nil {
		t.Fatal(err)
	}
	events = translate(t, c, change)
	if len(events) != 2 || events[1].Type != waybill.OrderChanged {
		t.Fatalf("with the order: %+v", events)
	}
	o := events[1].Body.(*waybill.Order)
	if len(o.Lines) != 2 || !o.Lines[0].Qty.Equal(waybill.NewDecimal(4)) || !o.Lines[1].Qty.Equal(waybill.NewDecimal(12)) {
		t.Errorf("the order after the change: %+v", o.Lines)
	}
}

// An 860 may stand in one interchange with its 850, on either side of it; alone
// it waits as long as it may.
func TestSystem_ChangeBesideItsOrder(t *testing.T) {
	const header = "ISA*00*          *00*          *08*9254850000     *ZZ*EXAMPLEHDW     *260105*0915*U*00401*000000104*0*P*>~"
	group := func(code string, control int, set ...string) string {
		return fmt.Sprintf("GS*%s*9254850000*EXAMPLEHDW*20260105*0915*%d*X*004010~%s~SE*%d*0001~GE*1*%d~", code, control, strings.Join(set, "~"), len(set)+1, control)
	}
	order := group("PO", 1, "ST*850*0001", "BEG*00*SA*4711**20260105", "N1*ST*Store 17*92*0017", "PO1*1*6*EA*4.20**VN*HAMMER-16", "PO1*2*9*EA*1**VN*NAILS", "CTT*2")
	change := group("PC", 2, "ST*860*0001", "BCH*04*SA*4711**1*20260105", "POC*1*QD*4**EA*4.20**VN*HAMMER-16", "CTT*1")
	c := openPartner(t, "bigbox", waybill.RoleChannel, nil)
	for _, body := range []string{order + change, change + order} {
		var changed *waybill.Order
		for _, e := range translate(t, c, header+body+"IEA*2*000000104~") {
			if e.Type == waybill.OrderChanged {
				changed = e.Body.(*waybill.Order)
			}
		}
		if changed == nil || len(changed.Lines) != 2 || changed.Lines[0].Qty.String() != "4" || changed.Lines[1].Qty.String() != "9" {
			t.Errorf("the change is %+v, of\n%s", changed, body)
		}
	}
	alone := connector.Message{System: "bigbox", Body: []byte(header + change + "IEA*1*000000104~"), ReceivedAt: noon, MayWait: true}
	var later *connector.Later
	if events, err := c.Translator.Translate(alone); !errors.As(err, &later) || !strings.Contains(later.For, "bigbox~.4711") || len(events) > 0 {
		t.Errorf("alone it is %v and %+v, want it to wait for its order", err, events)
	}
}

// What came before is answered by a TA1, and makes nothing.
func TestSystem_Repeated(t *testing.T) {
	for name, c := range map[string]struct {
		change  []string
		same    bool
		answers int
		problem string
	}{
		"unchanged":            {nil, true, 1, ""},
		"other content":        {nil, false, 1, "came before with other content"},
		"no TA1 was agreed":    {[]string{"  within: 4h", "  within: 4h\n  ta1: never"}, false, 0, "came before with other content"},
		"nothing to say":       {[]string{"  within: 4h", "  within: 4h\n  ta1: never"}, true, -1, ""},
		"numbers do not count": {[]string{"usage: P ", "duplicates: none\nusage: P "}, true, -1, ""},
	} {
		conn := openPartner(t, "bigbox", waybill.RoleChannel, transport.NewFolder(t.TempDir()), c.change...)
		m := connector.Message{System: "bigbox", Body: []byte(sample(t)), ReceivedAt: noon}
		events, err := conn.Collector.(connector.Repeater).Repeated(m, c.same)
		if err != nil || len(events) > 1 || (len(events) == 0) != (c.answers < 0) {
			t.Errorf("%s: events %+v, error %v", name, events, err)
			continue
		}
		if c.answers < 0 {
			continue
		}
		ic := events[0].Body.(*waybill.Interchange)
		if len(ic.Answers) != c.answers || !strings.Contains(ic.Problem, c.problem) || c.problem == "" && ic.Problem != "" || ic.Status != "rejected" {
			t.Errorf("%s: %+v", name, ic)
		}
		if c.answers == 1 && !strings.Contains(ic.Answers[0].Text, "*R*025~") {
			t.Errorf("%s: the answer is %s", name, ic.Answers[0].Text)
		}
		again, err := conn.Collector.(connector.Repeater).Repeated(connector.Message{System: "bigbox", Body: m.Body, ReceivedAt: noon.Add(time.Minute)}, c.same)
		if err != nil || again[0].Ref == events[0].Ref {
			t.Errorf("%s: a second repetition is taken for the first: %v", name, err)
		}
	}
}

type oneOrder struct{ order *waybill.Order }

func (b oneOrder) Order(ref string) *waybill.Order {
	if ref == b.order.Order {
		return b.order
	}
	return nil
}

// A file is cut into its interchanges, byte for byte, and the same control
// number has the same id.
func TestSystem_FileIsCutIntoInterchanges(t *testing.T) {
	c := openPartner(t, "bigbox", waybill.RoleChannel, transport.NewFolder(t.TempDir()))
	one, two := sample(t), ack("PR", "A", "855")
	read := func(text string) (bodies, ids []string) {
		err := c.Collector.Read(connector.DroppedFile{Drop: "x12", Content: strings.NewReader(text)}, func(p connector.Part) error {
			bodies, ids = append(bodies, string(p.Body)), append(ids, p.ID)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return bodies, ids
	}
	bodies, ids := read("\xEF\xBB\xBF" + one + two)
	if d := cmp.Diff([]string{"\xEF\xBB\xBF" + one, two}, bodies); d != "" {
		t.Errorf("bodies (-want +got):\n%s", d)
	}
	_, again := read(strings.Replace(one, "6*EA", "7*EA", 1))
	if ids[0] != again[0] || ids[0] == ids[1] || ids[0] == "" {
		t.Errorf("ids %v, with other content %v", ids, again)
	}
	for _, bad := range []string{"", "<html></html>"} {
		err := c.Collector.Read(connector.DroppedFile{Drop: "x12", Content: strings.NewReader(bad)}, func(connector.Part) error { return nil })
		if not := (*connector.Untranslatable)(nil); !errors.As(err, &not) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func notice(carton string) waybill.Document {
	order := &waybill.Order{Order: "bigbox~.4711", PO: "4711", Lines: []waybill.OrderLine{{Line: "1", SKU: "HAMMER-16", Qty: waybill.NewDecimal(6), UOM: "EA"}}}
	return waybill.Document{Kind: waybill.Fulfilment, Order: "bigbox~.4711", Control: 9, At: noon, Placed: order,
		Lines: []waybill.DocumentLine{{Line: "1", SKU: "HAMMER-16", Qty: waybill.NewDecimal(6), UOM: "EA"}},
		Data: []byte(`{"shipment":"SH1","shipped_at":"2026-01-05T10:00:00Z","packages":[{"tracking":"1Z","lines":[{"line":"1","sku":"HAMMER-16","qty":"` +
			carton + `"}]}]}`)}
}

func TestSystem_Proof(t *testing.T) {
	c := openPartner(t, "bigbox", waybill.RoleChannel, nil)
	if r, err := c.Renderer.Render(notice("6")); err != nil || len(r.Doubts) != 0 || !strings.Contains(string(r.Body), "ST*856*0001") {
		t.Errorf("an even notice: %s, %v, %v", r.Body, r.Doubts, err)
	}
	var e *waybill.Error
	_, err := c.Renderer.Render(notice("5"))
	if !errors.As(err, &e) || e.Code != connector.ProofMismatch || !strings.Contains(e.Detail, "6 shipped, 5 in the cartons") || !strings.Contains(e.Detail, "2026-01-05T11:00:00Z") {
		t.Errorf("a missing hammer: %v", err)
	}
	warns := openPartner(t, "bigbox", waybill.RoleChannel, nil, "proof: block", "proof: warn")
	if r, err := warns.Renderer.Render(notice("5")); err != nil || len(r.Doubts) != 1 || len(r.Body) == 0 {
		t.Errorf("warned: %v, %v", r.Doubts, err)
	}
	bill := notice("6")
	bill.Kind, bill.Currency = waybill.InvoiceNotice, "USD"
	bill.Data = []byte(`{"invoice":"E7","shipment":"SH1","charges":[],"tax":"0.00","told":[{"line":"1","qty":"5"}]}`)
	if _, err := c.Renderer.Render(bill); !errors.As(err, &e) || !strings.Contains(e.Detail, "6 billed, 5 in the notice") {
		t.Errorf("more billed than told: %v", err)
	}
	bill.Data = []byte(`{"invoice":"E7","shipment":"SH1","charges":[],"tax":"0.00","told":[{"line":"1","qty":"6"}]}`)
	if r, err := c.Renderer.Render(bill); err != nil || len(r.Doubts) != 0 || !strings.Contains(string(r.Body), "BIG*20260105*E7*") {
		t.Errorf("an even bill: %s, %v, %v", r.Body, r.Doubts, err)
	}
}

// broken fails a rename once, after or before it took effect.
type broken struct {
	connector.Files
	late bool
	done bool
}

func (b *broken) Rename(ctx context.Context, from, to string) error {
	if b.done {
		return b.Files.Rename(ctx, from, to)
	}
	b.done = true
	if b.late {
		if err := b.Files.Rename(ctx, from, to); err != nil {
			return err
		}
	}
	return errors.New("the line broke")
}

// A repeated attempt leaves one file, whatever the line did to the first.
func TestSystem_DeliversOnce(t *testing.T) {
	for _, late := range []bool{false, true} {
		dir := t.TempDir()
		c := openPartner(t, "bigbox", waybill.RoleChannel, &broken{Files: transport.NewFolder(dir), late: late})
		r, err := c.Renderer.Render(notice("6"))
		if err != nil {
			t.Fatal(err)
		}
		a := connector.Attempt{Kind: waybill.Fulfilment, Order: "bigbox~.4711", Key: "k", Body: r.Body}
		if out, err := c.Deliverer.Deliver(t.Context(), a); err != nil || out.Verdict != waybill.InDoubt {
			t.Fatalf("the first attempt: %+v, %v", out, err)
		}
		for range 2 {
			out, err := c.Deliverer.Deliver(t.Context(), a)
			if err != nil || out.Verdict != waybill.Pending || out.Receipt.Ref != "000000009" || out.AckWithin != 4*time.Hour {
				t.Fatalf("a later attempt: %+v, %v", out, err)
			}
		}
		b, err := os.ReadFile(filepath.Join(dir, "to-partner/856_000000009.x12"))
		if err != nil || !bytes.Equal(b, r.Body) {
			t.Errorf("the file: %s, %v", b, err)
		}
		a.Body = bytes.Replace(a.Body, []byte("SH1"), []byte("SH2"), 1)
		if out, err := c.Deliverer.Deliver(t.Context(), a); err != nil || out.Verdict != waybill.Refused || out.Problem.Code != "file_exists" {
			t.Errorf("another file of that name: %+v, %v", out, err)
		}
	}
}

// What a partner does not take is done without a file; what waits for its
// window is not sent before.
func TestSystem_WindowAndSetsNotTaken(t *testing.T) {
	dir := t.TempDir()
	files := transport.NewFolder(dir)
	c := openPartner(t, "bigbox", waybill.RoleChannel, files)
	r, err := c.Renderer.Render(waybill.Document{Kind: waybill.BackorderNotice, Order: "o", Control: 1, At: noon})
	if err != nil || len(r.Body) != 0 {
		t.Fatalf("a notice that the partner does not take: %s, %v", r.Body, err)
	}
	if out, err := c.Deliverer.Deliver(t.Context(), connector.Attempt{Kind: waybill.BackorderNotice}); err != nil || out.Verdict != waybill.Done {
		t.Errorf("%+v, %v", out, err)
	}
	env := partnerEnv(t, "bigbox", waybill.RoleChannel, files, "version: 1", "version: 1\nwindow: 15m")
	env.Now = func() time.Time { return noon.Add(5 * time.Minute) }
	if c, err = edi.Manifest().Open(env); err != nil {
		t.Fatal(err)
	}
	if r, err = c.Renderer.Render(notice("6")); err != nil {
		t.Fatal(err)
	}
	out, err := c.Deliverer.Deliver(t.Context(), connector.Attempt{Kind: waybill.Fulfilment, Body: r.Body})
	if err != nil || out.Verdict != waybill.Throttled || !out.RetryAfter.Equal(noon.Add(15*time.Minute)) {
		t.Errorf("between windows: %+v, %v", out, err)
	}
	if _, err := files.Open(t.Context(), "to-partner/856_000000009.x12"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it was sent: %v", err)
	}
}

// What is wrong with a partner's file is told with its line and key.
func TestSystem_WrongPartnerFile(t *testing.T) {
	for _, tc := range []struct{ change, to, want string }{
		{"08/9254850000", "9254850000", "partner.id"},
		{`x12: "004010"`, `x12: "009999"`, "x12"},
		{`"855", "865"`, `"940", "865"`, "send[0]"},
		{"proof: block", "proof: maybe", "ship_notice.proof"},
		{"within: 4h", "within: 0s", "acknowledge.within"},
		{`delimiters: "*>^~"`, `delimiters: "*>"`, "delimiters"},
		{"zone: America/Chicago", "zone: Nowhere", "zone"},
		{"folder: to-partner", "folder: from-partner", "in.folder"},
	} {
		_, err := edi.Manifest().Open(partnerEnv(t, "bigbox", waybill.RoleChannel, nil, tc.change, tc.to))
		var wrong yamlfile.Problems
		if !errors.As(err, &wrong) || len(wrong) == 0 || !strings.Contains(wrong[0].Path, tc.want) {
			t.Errorf("%s: %v, want a problem at %s", tc.to, err, tc.want)
		}
	}
}
