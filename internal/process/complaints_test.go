package process

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/waybillhq/waybill"
)

// These tests hold the process to what users of other order systems complained
// about. The numbers are those of the list that the design was made from.

// begin places an order and takes it to its warehouse.
func begin(t *testing.T, o *waybill.Order) *desk {
	t.Helper()
	d := newDesk(t, testPolicy())
	o.Order, o.Currency = "SO-1", "EUR"
	d.tell(waybill.Event{Type: waybill.OrderPlaced, Source: "shop", Version: 1, Body: o})
	play(d, waybill.OrderCheck)
	play(d, waybill.SalesOrder)
	play(d, waybill.WarehouseOrder)
	return d
}

func goods(line, qty, price string) waybill.OrderLine {
	return waybill.OrderLine{Line: line, SKU: "SKU-" + line, Qty: decimal(qty), UOM: "EA", Price: decimal(price)}
}

// ship tells of a shipment and has it posted and billed.
func ship(d *desk, id string, lines ...waybill.LineQty) {
	d.t.Helper()
	d.tell(waybill.Event{Type: waybill.ShipmentConfirmed, Source: "wms", Subject: id,
		Body: &waybill.Shipment{Order: "SO-1", Shipment: id, ShippedAt: "2026-03-02T15:04:05Z", Lines: lines}})
	play(d, waybill.ShipmentPosting)
	play(d, waybill.Invoice)
}

func qty(line, n string) waybill.LineQty { return waybill.LineQty{Line: line, Qty: decimal(n)} }

// taxes are the taxes of the documents of a kind, in the order in which they were
// sent.
func taxes(d *desk, kind waybill.Kind) (out []string) {
	var sent []*delivery
	for _, v := range d.lanes {
		if v.Kind == kind && v.state == "sent" {
			sent = append(sent, v)
		}
	}
	slices.SortFunc(sent, func(a, b *delivery) int { return a.attempted - b.attempted })
	for _, v := range sent {
		var data billData
		if err := waybill.Unmarshal(v.sent.Data, &data); err != nil {
			d.t.Fatal(err)
		}
		out = append(out, data.Tax)
	}
	return out
}

func (d *desk) line(id string) waybill.Quantities {
	for _, l := range d.s.Totals() {
		if l.Line == id {
			return l.Quantities
		}
	}
	d.t.Fatalf("line %s is not in the order", id)
	return waybill.Quantities{}
}

func expect(t *testing.T, what string, got waybill.Decimal, due string) {
	t.Helper()
	if got.String() != due {
		t.Errorf("%s is %s, want %s", what, got, due)
	}
}

func TestComplaint19_EachFulfilmentPostsAndBillsByItself(t *testing.T) {
	d := begin(t, &waybill.Order{Tax: decimal("10.00"), Lines: []waybill.OrderLine{goods("1", "3", "33.33")}})
	for _, id := range []string{"SH-1", "SH-2", "SH-3"} {
		ship(d, id, qty("1", "1"))
	}
	if diff := cmp.Diff([]string{"3.33", "3.33", "3.34"}, taxes(d, waybill.Invoice)); diff != "" {
		t.Errorf("the tax is not by line with the remainder on the last:\n%s", diff)
	}
}

func TestComplaint23_SmallLineBesideALargeOne(t *testing.T) {
	d := begin(t, &waybill.Order{Lines: []waybill.OrderLine{goods("1", "250000", "0.01"), goods("2", "2", "5.00")}})
	ship(d, "SH-1", qty("1", "250000"))
	if got := d.s.Status(); got != waybill.StatusPartiallyShipped {
		t.Errorf("with a line of 2 still to come the order is %s", got)
	}
	ship(d, "SH-2", qty("2", "2"))
	if got := d.s.Status(); got != waybill.StatusInvoiced {
		t.Errorf("with everything shipped and billed the order is %s", got)
	}
}

func TestComplaint24_APriceDropLeavesNothingOpen(t *testing.T) {
	d := newDesk(t, testPolicy())
	d.tell(waybill.Event{Type: waybill.OrderPlaced, Source: "shop", Version: 1, Body: &waybill.Order{Order: "SO-1", Currency: "EUR", Lines: []waybill.OrderLine{goods("1", "5", "9.90")}}})
	play(d, waybill.OrderCheck)
	play(d, waybill.SalesOrder)
	d.tell(waybill.Event{Type: waybill.OrderChanged, Source: "shop", Version: 2, Body: &waybill.Order{Order: "SO-1", Version: 2, Currency: "EUR", Lines: []waybill.OrderLine{goods("1", "5", "7.00")}}})
	play(d, waybill.SalesOrderChange)
	play(d, waybill.WarehouseOrder)
	ship(d, "SH-1", qty("1", "5"))
	if got := d.s.Status(); got != waybill.StatusInvoiced {
		t.Errorf("after a price drop the order is %s for ever", got)
	}
}

func TestComplaint28_29_PartialReturnsGiveBackTheTaxToTheCent(t *testing.T) {
	d := begin(t, &waybill.Order{Tax: decimal("1.00"), Lines: []waybill.OrderLine{goods("1", "3", "9.99"), goods("2", "4", "0.01")}})
	ship(d, "SH-1", qty("1", "3"), qty("2", "4"))
	sum := waybill.Decimal{}
	for _, back := range []waybill.LineQty{qty("1", "1"), qty("1", "1"), qty("2", "4"), qty("1", "1")} {
		d.tell(waybill.Event{Type: waybill.ReturnReceived, Source: "wms", Subject: "RMA-" + sum.String() + back.Line,
			Body: &waybill.Return{Order: "SO-1", Return: "RMA-" + sum.String() + back.Line, Lines: []waybill.ReturnLine{{Line: back.Line, Qty: back.Qty}}}})
		play(d, waybill.CreditMemo)
		sum = waybill.Decimal{}
		given := taxes(d, waybill.CreditMemo)
		for _, tax := range given {
			sum = sum.Add(decimal(tax))
		}
		if first := given[0]; first != "0.33" {
			t.Errorf("one piece of three gives back %s of the tax, want its share 0.33", first)
		}
	}
	expect(t, "the tax given back for everything", sum, "1")
}

func TestComplaint32_FreightLineGoesWithTheFirstInvoice(t *testing.T) {
	freight := goods("F", "1", "12.00")
	freight.Kind = waybill.LineFreight
	d := begin(t, &waybill.Order{Lines: []waybill.OrderLine{goods("1", "5", "9.90"), freight}})
	ship(d, "SH-1", qty("1", "5"))
	expect(t, "invoiced freight", d.line("F")[waybill.Invoiced], "1")
	if got := d.s.Status(); got != waybill.StatusInvoiced {
		t.Errorf("an order with a freight line ends as %s", got)
	}
}

func TestComplaint34_36_ReturnedAndCreditedAreTheirOwnQuantities(t *testing.T) {
	d := begin(t, &waybill.Order{Lines: []waybill.OrderLine{goods("1", "5", "9.90")}})
	ship(d, "SH-1", qty("1", "5"))
	d.tell(waybill.Event{Type: waybill.ReturnReceived, Source: "wms", Subject: "RMA-1",
		Body: &waybill.Return{Order: "SO-1", Return: "RMA-1", Lines: []waybill.ReturnLine{
			{Line: "1", Qty: decimal("2"), Disposition: "scrap"}, {Line: "1", Qty: decimal("1"), Disposition: "reject"}}}})
	play(d, waybill.CreditMemo)
	q := d.line("1")
	expect(t, "shipped", q[waybill.Shipped], "5")
	expect(t, "invoiced", q[waybill.Invoiced], "5")
	expect(t, "returned", q[waybill.Returned], "3")
	expect(t, "credited", q[waybill.Credited], "2")
	if got := d.s.Status(); got != waybill.StatusInvoiced {
		t.Errorf("after a return the order is %s", got)
	}
}

// TestComplaint17_CancelIsARequestWithAReply: what the warehouse had shipped
// stands, and the channel is told which part was cancelled.
func TestComplaint17_CancelIsARequestWithAReply(t *testing.T) {
	d := begin(t, &waybill.Order{Lines: []waybill.OrderLine{goods("1", "5", "9.90")}})
	play(d, waybill.OrderAcknowledgment)
	d.tell(waybill.Event{Type: waybill.OrderCancelRequested, Source: "shop", Subject: "R-1", Body: &waybill.CancelRequest{Order: "SO-1", Request: "R-1"}})
	if d.find(waybill.CancellationAnswer, "", "planned") != nil {
		t.Fatal("the cancellation is answered before the warehouse was asked")
	}
	play(d, waybill.WarehouseOrderCancel)
	key := d.find(waybill.WarehouseOrder, "").Key
	d.tell(waybill.Event{Type: waybill.WarehouseOrderCancelled, Source: "wms", Subject: key,
		Body: &waybill.WarehouseOrderReport{Order: "SO-1", WarehouseOrder: key, Lines: []waybill.LineQty{qty("1", "5")}}})
	ship(d, "SH-1", qty("1", "2"))
	sent, _ := d.attempt(d.find(waybill.CancellationAnswer, "", "planned").Key)
	var answer cancelAnswer
	if err := waybill.Unmarshal(sent.Data, &answer); err != nil {
		t.Fatal(err)
	}
	want := []cancelLine{{Line: "1", Cancelled: decimal("3"), Shipped: decimal("2")}}
	if diff := cmp.Diff(want, answer.Lines, decimals); diff != "" || answer.Result != answerPartial {
		t.Errorf("the channel is told %s:\n%s", answer.Result, diff)
	}
}

// match is a condition that was compiled from a configuration.
type match string

func (m match) Matches(o *waybill.Order, _ *waybill.OrderLine) bool { return o.Terms == string(m) }

func TestRoute_Fits(t *testing.T) {
	o := &waybill.Order{Customer: "C1", Terms: "NET30", ShipTo: &waybill.Party{Country: "US"}}
	l := &waybill.OrderLine{Line: "1", SKU: "A"}
	for name, c := range map[string]struct {
		route Route
		want  bool
	}{
		"anything":         {Route{}, true},
		"sku":              {Route{SKUs: []string{"B", "A"}}, true},
		"other sku":        {Route{SKUs: []string{"B"}}, false},
		"customer":         {Route{Customers: []string{"C1"}}, true},
		"other customer":   {Route{Customers: []string{"C2"}}, false},
		"country":          {Route{Countries: []string{"CA", "US"}}, true},
		"other country":    {Route{Countries: []string{"CA"}}, false},
		"no type is one":   {Route{Types: []waybill.OrderType{waybill.OrderStandard}}, true},
		"other type":       {Route{Types: []waybill.OrderType{waybill.OrderSample}}, false},
		"channel":          {Route{Channels: []string{"shop"}}, true},
		"other channel":    {Route{Channels: []string{"edi"}}, false},
		"all must fit":     {Route{SKUs: []string{"A"}, Customers: []string{"C2"}}, false},
		"condition":        {Route{Match: match("NET30")}, true},
		"failed condition": {Route{Match: match("COD")}, false},
	} {
		if got := c.route.fits("shop", o, l); got != c.want {
			t.Errorf("%s fits: %t, want %t", name, got, c.want)
		}
	}
}

// TestLoad_EarlierSchema: a state of the time when there was one warehouse order
// says of a shipment what it is about.
func TestLoad_EarlierSchema(t *testing.T) {
	d := life(t)
	blob := d.s.Append(nil)
	about := d.s.of(famShipped)[0].answers
	d.s.of(famShipped)[0].answers = 0
	old := d.s.Append(nil)
	old[1] = 1
	s, err := Load(old)
	if err != nil {
		t.Fatal(err)
	}
	if got := s.of(famShipped)[0].answers; got != about || about == 0 {
		t.Errorf("the shipment is about document %d, want %d", got, about)
	}
	if got := s.Append(nil); string(got) != string(blob) {
		t.Errorf("written anew it is\n%s\nwant\n%s", got, blob)
	}
}

// TestComplaint13_NoSuccessForAnUnknownOrder: a shipment of an order that nobody
// knows waits, then asks a person, and is taken in when its order comes.
func TestComplaint13_NoSuccessForAnUnknownOrder(t *testing.T) {
	d := newDesk(t, testPolicy())
	out := d.tell(waybill.Event{Type: waybill.ShipmentConfirmed, Source: "wms", Subject: "SH-1",
		Body: &waybill.Shipment{Order: "SO-1", Shipment: "SH-1", Lines: []waybill.LineQty{qty("1", "2")}}})
	want := []FactState{{Event: "E1", Place: Limbo, Reason: "its order is not known yet"}}
	if diff := cmp.Diff(want, out.Facts); diff != "" || len(out.Add) != 0 || len(out.SetTimers) != 1 {
		t.Fatalf("a shipment of an unknown order: %+v\n%s", out, diff)
	}
	d.now = d.now.Add(d.p.Limbo)
	out = d.tell(waybill.Event{Type: waybill.TimerFired, Source: "waybill", Body: &Fired{Name: TimerLimbo}})
	if len(out.Raise) != 1 || out.Raise[0].Cause != "limbo_expired" || out.Raise[0].Next == "" {
		t.Fatalf("its time is over: %+v", out)
	}
	d.tell(waybill.Event{Type: waybill.OrderPlaced, Source: "shop", Version: 1,
		Body: &waybill.Order{Order: "SO-1", Currency: "EUR", Lines: []waybill.OrderLine{goods("1", "2", "1.00")}}})
	play(d, waybill.OrderCheck)
	play(d, waybill.SalesOrder)
	play(d, waybill.ShipmentPosting)
	expect(t, "posted", d.line("1")[waybill.Posted], "2")
	if len(d.s.open) != 0 {
		t.Errorf("exceptions left: %v", d.s.open)
	}
}

// TestComplaint14_LinesAddedLaterAreAsked: a line that comes after the release
// goes to the warehouse as a change request first, then to the ERP; where it is
// too late the buyer is told, and nothing is dropped in silence.
func TestComplaint14_LinesAddedLaterAreAsked(t *testing.T) {
	for _, taken := range []bool{true, false} {
		d := begin(t, &waybill.Order{Lines: []waybill.OrderLine{goods("1", "3", "5.00")}})
		d.tell(waybill.Event{Type: waybill.OrderChanged, Source: "shop", Version: 2, Body: &waybill.Order{Order: "SO-1", Version: 2, Currency: "EUR",
			Lines: []waybill.OrderLine{goods("1", "3", "5.00"), goods("2", "1", "7.00")}}})
		if d.find(waybill.SalesOrderChange, "") != nil {
			t.Fatal("the ERP is changed before the warehouse has said yes")
		}
		ask, _ := d.attempt(d.find(waybill.WarehouseOrderChange, "", "planned").Key)
		if len(ask.Lines) != 2 || ask.Lines[1].Line != "2" || ask.Lines[1].Qty.String() != "1" {
			t.Fatalf("the warehouse is asked for %v", ask.Lines)
		}
		if taken {
			d.settle(&Settled{Key: ask.Key, Outcome: OutcomeDone, Receipt: &waybill.Receipt{}})
			told, _ := d.attempt(d.find(waybill.SalesOrderChange, "", "planned").Key)
			if len(told.Lines) != 2 || told.Lines[1].Price.Amount.String() != "7" {
				t.Errorf("the ERP is told %v", told.Lines)
			}
		} else {
			d.settle(&Settled{Key: ask.Key, Outcome: OutcomeRefused, Problem: &waybill.Problem{Status: 422, Code: "picked"}})
		}
		answer, err := Compose(d.s, d.find(waybill.ChangeAnswer, "", "planned").Key, d.p)
		if err != nil {
			t.Fatal(err)
		}
		var data changeAnswer
		if err := waybill.Unmarshal(answer.Data, &data); err != nil {
			t.Fatal(err)
		}
		if want := map[bool]string{true: answerAccepted, false: answerTooLate}[taken]; data.Result != want || taken != (len(data.Lines) == 2) {
			t.Errorf("the buyer is told %+v, want %s", data, want)
		}
	}
}

// TestComplaint18_EachUndoingHasItsOwnEffect: taking back a posting, recalling
// the goods and cancelling for the buyer are three operations, and each moves its
// own quantity alone.
func TestComplaint18_EachUndoingHasItsOwnEffect(t *testing.T) {
	d := begin(t, &waybill.Order{Lines: []waybill.OrderLine{goods("1", "5", "1.00")}})
	ship(d, "SH-1", qty("1", "2"))
	quantities := func(what, want string) {
		t.Helper()
		q := d.line("1")
		got := ""
		for _, s := range []waybill.Stage{waybill.Ordered, waybill.Cancelled, waybill.Shipped, waybill.Posted, waybill.Backordered} {
			got += q[s].String() + " "
		}
		if got != want+" " {
			t.Errorf("%s: ordered, cancelled, shipped, posted, backordered are %s, want %s", what, got, want)
		}
	}
	quantities("shipped", "5 0 2 2 0")
	d.correct(&Command{Command: Compensate, Key: d.find(waybill.ShipmentPosting, "").Key})
	play(d, waybill.ShipmentReversal)
	quantities("posting undone", "5 0 2 0 0")
	order := d.find(waybill.WarehouseOrder, "").Key
	d.correct(&Command{Command: Compensate, Key: order})
	play(d, waybill.WarehouseOrderCancel)
	d.tell(waybill.Event{Type: waybill.WarehouseOrderCancelled, Source: "wms", Subject: order,
		Body: &waybill.WarehouseOrderReport{Order: "SO-1", WarehouseOrder: order, Lines: []waybill.LineQty{qty("1", "3")}}})
	quantities("goods recalled", "5 0 2 0 3")
	d.tell(waybill.Event{Type: waybill.OrderCancelRequested, Source: "shop", Subject: "R-1", Body: &waybill.CancelRequest{Order: "SO-1", Request: "R-1"}})
	quantities("cancelled", "5 3 2 0 0")
	d.refold()
}

// TestComplaint35_ReturnWithoutAnInvoice: a return whose order nobody knows is
// kept and shown, and makes no document until it is matched.
func TestComplaint35_ReturnWithoutAnInvoice(t *testing.T) {
	p := testPolicy()
	blind := NewFlow(waybill.FlowReturn, "RMA-9", p)
	received := waybill.Event{ID: "E1", Type: waybill.ReturnReceived, Source: "wms", Subject: "RMA-9",
		Body: &waybill.Return{Return: "RMA-9", Lines: []waybill.ReturnLine{{SKU: "SKU-1", Qty: decimal("1")}}}}
	out := blind.Decide(&received, p)
	if len(out.Raise) != 1 || out.Raise[0].Cause != CauseUnmatched || len(out.Add) != 0 {
		t.Fatalf("a return without an order: %+v", out)
	}
	d := begin(t, &waybill.Order{Lines: []waybill.OrderLine{goods("1", "2", "5.00")}})
	ship(d, "SH-1", qty("1", "2"))
	out = blind.Decide(&waybill.Event{ID: "E2", Type: waybill.ReturnMatched, Source: "waybill", Body: &Matched{Order: "SO-1"}}, p)
	if len(out.Clear) != 1 {
		t.Fatalf("matched: %+v", out)
	}
	d.tell(waybill.Event{Type: received.Type, Source: received.Source, Subject: received.Subject, Body: received.Body})
	play(d, waybill.CreditMemo)
	expect(t, "credited", d.line("1")[waybill.Credited], "1")
	if v := d.find(waybill.CreditMemo, ""); v.Compensates != d.find(waybill.Invoice, "").Key {
		t.Errorf("the credit names %q, not the invoice", v.Compensates)
	}
}

// gift is an order of two kits: a bar and four cups each.
func gift(rule waybill.KitRule) *waybill.Order {
	l := goods("1", "2", "50.00")
	l.Kit = &waybill.Kit{Invoice: rule, Components: []waybill.Component{
		{SKU: "BAR", Qty: decimal("1"), UOM: "EA"}, {SKU: "CUP", Qty: decimal("4"), UOM: "EA"}}}
	return &waybill.Order{Lines: []waybill.OrderLine{l}}
}

// TestComplaint20_WholeKitsByTheScarcestComponent: a partly delivered kit is
// neither nothing nor all; what is invoiced are whole kits, and loose components
// are shown.
func TestComplaint20_WholeKitsByTheScarcestComponent(t *testing.T) {
	d := begin(t, gift(waybill.KitOnComplete))
	ship(d, "SH-1", qty("1~1", "2"), qty("1~2", "7"))
	expect(t, "kits shipped", d.line("1")[waybill.Shipped], "1")
	expect(t, "kits invoiced", d.line("1")[waybill.Invoiced], "1")
	expect(t, "cups shipped", d.line("1~2")[waybill.Shipped], "7")
	expect(t, "cups invoiced", d.line("1~2")[waybill.Invoiced], "0")
	ship(d, "SH-2", qty("1~2", "1"))
	expect(t, "kits invoiced with the last cup", d.line("1")[waybill.Invoiced], "2")
	d.refold()
}

// TestComplaint21_KitAndComponentsCannotDrift: a kit leaves in several parcels,
// and whether a warehouse names the kit or its components, there is one count.
func TestComplaint21_KitAndComponentsCannotDrift(t *testing.T) {
	d := begin(t, gift(waybill.KitOnFirst))
	ship(d, "SH-1", qty("1~2", "4"))
	expect(t, "kits invoiced with their first parcel", d.line("1")[waybill.Invoiced], "1")
	expect(t, "kits shipped", d.line("1")[waybill.Shipped], "0")
	ship(d, "SH-2", qty("1~1", "1"), qty("1", "1"), qty("1~2", "1")) // the kit beside its components says nothing more
	expect(t, "bars shipped", d.line("1~1")[waybill.Shipped], "1")
	expect(t, "cups shipped", d.line("1~2")[waybill.Shipped], "5")
	expect(t, "kits shipped", d.line("1")[waybill.Shipped], "1")
	expect(t, "kits invoiced", d.line("1")[waybill.Invoiced], "2")
	d.refold()
}
