package tower

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// noon is the pages' clock in the tests.
var noon = time.Date(2026, 11, 23, 14, 32, 10, 0, time.UTC)

// fake is a Source over data that looks like a distributor's day. Tests change
// it under mu and call signal.
type fake struct {
	mu           sync.Mutex
	overview     Overview
	rows         []OrderRow
	orders       map[string]Order
	messages     map[string]Message
	exceptions   ExceptionPage
	actions      []Action
	actErr       error
	unmapped     []Unmapped
	interchanges []Interchange
	meant        []Meaning
	watchers     []chan struct{}
}

func (f *fake) Counts(context.Context) (Counts, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return Counts{Orders: 1284, Exceptions: f.exceptions.Open, EDI: len(f.interchanges) > 0}, nil
}

func (f *fake) Overview(context.Context) (Overview, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.overview, nil
}

func (f *fake) Orders(_ context.Context, q OrderQuery) (OrderPage, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var page OrderPage
	for _, row := range f.rows {
		match := q.Q == "" || strings.Contains(row.Order, q.Q) || strings.Contains(row.PO, q.Q)
		if match && (q.Status == "" || q.Status == row.Status) {
			page.Orders = append(page.Orders, row)
		}
	}
	if q.Q == "BF-7719" || q.Q == "SO-104832" || q.Q == "SHP-88214" {
		page.Exact = "SO-104832"
	}
	if q.After == "" && q.Q == "" {
		page.Next = "2"
	}
	return page, nil
}

func (f *fake) Order(_ context.Context, ref string) (Order, []string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if ref == "LOAD-7" {
		return Order{}, []string{"SO-104832", "SO-104790"}, nil
	}
	if ref == "BF-7719" {
		ref = "SO-104832"
	}
	o, ok := f.orders[ref]
	if !ok {
		return Order{}, nil, fmt.Errorf("no order has the reference %q: %w", ref, ErrNotFound)
	}
	return o, nil, nil
}

func (f *fake) Message(_ context.Context, id string) (Message, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	m, ok := f.messages[id]
	if !ok {
		return Message{}, fmt.Errorf("no message %q is kept: %w", id, ErrNotFound)
	}
	return m, nil
}

func (f *fake) Interchanges(_ context.Context, q InterchangeQuery) (InterchangePage, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	page := InterchangePage{Partners: []string{"bigbox", "threepl"}}
	for _, ic := range f.interchanges {
		if q.System == "" || q.System == ic.System {
			page.Interchanges = append(page.Interchanges, ic)
		}
	}
	return page, nil
}

func (f *fake) Exceptions(_ context.Context, q ExceptionQuery) (ExceptionPage, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	page := f.exceptions
	page.Groups = slices.Clone(page.Groups)
	wanted := q.Cause
	if wanted == "" && len(page.Groups) > 0 {
		wanted = page.Groups[0].Cause
	}
	for i := range page.Groups {
		if page.Groups[i].Cause != wanted {
			page.Groups[i].Items = nil
		}
	}
	return page, nil
}

func (f *fake) Act(_ context.Context, a Action) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.actions = append(f.actions, a)
	return f.actErr
}

func (f *fake) Unmapped(context.Context) ([]Unmapped, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.unmapped, nil
}

func (f *fake) Map(_ context.Context, m Meaning) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.meant = append(f.meant, m)
	return 3, f.actErr
}

func (f *fake) Changes(context.Context) (<-chan struct{}, func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	c := make(chan struct{}, 1)
	f.watchers = append(f.watchers, c)
	return c, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.watchers = slices.DeleteFunc(f.watchers, func(w chan struct{}) bool { return w == c })
	}
}

// change edits the data and tells the pages.
func (f *fake) change(edit func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	edit()
	for _, c := range f.watchers {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}

func (f *fake) acted() []Action {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.actions)
}

// at is a time of the tests' day or the day before.
func at(day, hour, minute, second int) time.Time {
	return time.Date(2026, 11, day, hour, minute, second, 0, time.UTC)
}

func newFake() *fake {
	f := &fake{orders: map[string]Order{}, messages: map[string]Message{}}
	o := fakeOrder()
	f.orders[o.Order] = o
	f.messages = fakeMessages()
	f.rows = fakeRows()
	f.exceptions = fakeExceptions()
	f.overview = fakeOverview(f.rows, f.exceptions)
	f.unmapped = unmappedDay()
	return f
}

func fakeRows() []OrderRow {
	bar := func(parts ...Segment) Bar { return parts }
	rows := []OrderRow{
		{Order: "SO-104832", PO: "BF-7719", Customer: "Example Facilities", Channel: "webshop", Status: "partially_shipped", Lines: 4, Total: "EUR 4,812.60", Placed: at(22, 16, 4, 11), Exceptions: 1,
			Bar: bar(Segment{"invoiced", "46", 274}, Segment{"posted", "24", 143}, Segment{"shipped", "60", 357}, Segment{"picked", "20", 119}, Segment{"allocated", "10", 59}, Segment{"open", "6", 48})},
		{Order: "SO-104811", PO: "0417-2231", Customer: "Example Co-op 0417", Channel: "edi", Status: "released", Lines: 12, Total: "EUR 12,040.00", Placed: at(23, 9, 12, 3), Bar: bar(Segment{"allocated", "120", 600}, Segment{"open", "80", 400})},
		{Order: "SO-104790", PO: "PO-5512", Customer: "Example Dental", Channel: "webshop", Status: "shipped", Lines: 2, Total: "EUR 318.00", Placed: at(22, 11, 40, 0), Exceptions: 1, Bar: bar(Segment{"shipped", "12", 1000})},
		{Order: "SO-104902", PO: "", Customer: "Casa Example", Channel: "marketplace", Status: "accepted", Lines: 1, Total: "EUR 88.40", Placed: at(23, 14, 2, 55)},
		{Order: "SO-104655", PO: "PO-88-1", Customer: "Example Tool", Channel: "webshop", Status: "backordered", Lines: 10, Total: "EUR 2,410.75", Placed: at(20, 8, 30, 0), Bar: bar(Segment{"invoiced", "6", 600}, Segment{"open", "4", 400})},
		{Order: "SO-104911", PO: "BF-7733", Customer: "Example Facilities", Channel: "webshop", Status: "held", Lines: 3, Total: "EUR 9,120.00", Placed: at(23, 14, 20, 1)},
		{Order: "SO-104601", PO: "0417-2190", Customer: "Example Co-op 0417", Channel: "edi", Status: "invoiced", Lines: 7, Total: "EUR 3,300.10", Placed: at(19, 10, 5, 0), Bar: bar(Segment{"invoiced", "70", 1000})},
		{Order: "api~.SO-3", PO: "desk 3", Customer: "Example Hotel", Channel: "orders", Status: "received", Lines: 5, Total: "EUR 412.00", Placed: at(23, 14, 32, 8)},
	}
	return rows
}

func fakeOverview(rows []OrderRow, ex ExceptionPage) Overview {
	o := Overview{
		Statuses:   []StatusCount{{"received", 96}, {"held", 12}, {"accepted", 214}, {"released", 168}, {"partially_shipped", 71}, {"shipped", 297}, {"backordered", 9}, {"invoiced", 538}, {"cancelled", 41}},
		Deliveries: DeliveryCounts{Ready: 23, InFlight: 6, InDoubt: 2, Waiting: 31, Parked: 14}, Undecided: 1, Limbo: 3, Quarantined: 1,
		OldestReady: 41 * time.Second, OrderLag: "median 6 h 12 to invoice", Recent: rows[:6],
		Incidents: []Incident{{Tone: "bad", Title: "erp is blocked.", Detail: "14 postings are held in order, nothing is lost; they go out by themselves when the next probe succeeds.", System: "erp"}},
		Systems: []System{
			{Name: "webshop", Role: "channel", Connector: "shopify", InRate: 38, OutRate: 30, Source: true, Target: true},
			{Name: "edi", Role: "channel", Connector: "contract", InRate: 6, OutRate: 9, Source: true, Target: true},
			{Name: "marketplace", Role: "channel", Connector: "contract", Health: Degraded, Note: "82 % of its limit", InRate: 11, OutRate: 4, Source: true, Target: true, Backlog: DeliveryCounts{Waiting: 5}},
			{Name: "orders", Role: "channel", Connector: "orders", Health: Shadow, InRate: 1, Source: true},
			{Name: "wms-dublin", Role: "wms", Connector: "contract", InRate: 29, OutRate: 29, Source: true, Target: true},
			{Name: "wms-partner", Role: "wms", Connector: "contract", Health: Degraded, Note: "no acknowledgment for 47 min", InRate: 2, OutRate: 9, Source: true, Target: true, Backlog: DeliveryCounts{Waiting: 6, InDoubt: 2}},
			{Name: "carrier", Role: "carrier", Connector: "contract", InRate: 24, OutRate: 24, Source: true, Target: true},
			{Name: "erp", Role: "erp", Connector: "contract", Health: Blocked, Breaker: "open", Note: "breaker open 17 min", InRate: 4, Source: true, Target: true, Backlog: DeliveryCounts{Parked: 14, Waiting: 8}},
		},
	}
	for i := range 60 {
		o.In = append(o.In, 60+i%7*4+i/3)
		o.Out = append(o.Out, 50+i%5*6+i/4)
		o.Exceptions = append(o.Exceptions, i%9/8+i/55*3)
	}
	for _, g := range ex.Groups {
		o.Causes = append(o.Causes, Cause{Cause: g.Cause, Title: g.Title, Detail: g.Detail, Tone: g.Tone, Open: g.Open, Money: g.Money, Since: g.Since})
	}
	return o
}

func fakeExceptions() ExceptionPage {
	all := []ActionKind{Retry, Skip, Settle}
	item := func(id, order, code string, since time.Time) Exception {
		return Exception{ID: id, Order: order, Code: code, Detail: "erp has no item 31-7720.", Next: "Add the item in erp, then retry.", System: "erp", Document: "Shipment posting SHP-88214",
			Key: "pst-7f31c2b09a", Message: "dlv-posting2", Money: "EUR 1,120.00", Since: since, Attempts: 4, Behind: 1, Actions: all}
	}
	return ExceptionPage{Open: 25, Money: []string{"EUR 48,024.00"}, Groups: []ExceptionGroup{
		{Cause: "refused~erp~item_unknown", Title: "Item not found in erp", Detail: "Refused, to erp", Next: "Add 31-7720 to erp or map it, then retry all.", Tone: "bad", Open: 4, Money: []string{"EUR 16,310.00"}, Since: at(23, 12, 58, 4),
			Arrivals: []int{0, 0, 0, 0, 0, 0, 0, 1, 2, 6, 5, 4}, Actions: []ActionKind{Retry, Skip},
			Items: []Exception{item("exc-1", "SO-104832", "422 item_unknown", at(23, 13, 4, 12)), item("exc-2", "SO-104790", "422 item_unknown", at(23, 13, 2, 40)), item("exc-3", "SO-104811", "422 item_unknown", at(23, 13, 6, 0)), item("exc-4", "SO-104846", "422 item_unknown", at(23, 13, 11, 9))}},
		{Cause: "breaker~erp", Title: "erp is not answering", Detail: "Target down, to erp", Tone: "bad", Open: 14, Money: []string{"EUR 21,904.00"}, Since: at(23, 14, 15, 0), Arrivals: []int{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 14}, Actions: []ActionKind{Retry},
			Items: []Exception{item("exc-5", "SO-104700", "503 unavailable", at(23, 14, 15, 0))}},
		{Cause: "ack_late~wms-partner", Title: "No acknowledgment from wms-partner", Detail: "Late, to wms-partner", Tone: "warn", Open: 6, Money: []string{"EUR 8,120.00"}, Since: at(23, 13, 45, 0), Arrivals: []int{0, 1, 0, 0, 1, 0, 0, 1, 0, 1, 2, 3}, Actions: []ActionKind{Retry, Settle}},
		{Cause: "version_conflict", Title: "Two contents for one version", Detail: "Conflict, from edi", Open: 1, Since: at(23, 6, 12, 0), Actions: []ActionKind{Skip}},
	}}
}

func fakeMessages() map[string]Message {
	raw := []byte(`{"type":"shipment.confirmed","timestamp":"2026-11-23T13:57:58+01:00","data":{"order":"SO-104832","shipment":"SHP-88214","shipped_at":"2026-11-23T13:57:58+01:00","carrier":"GLS","lines":[{"line":"3","qty":"60","uom":"EA","lots":[{"lot":"B26-311","qty":"60"}]}],"packages":[{"tracking":"44719920","sscc":"340123450004488127"}]}}`)
	canonical := "{\n  \"event\": \"shipment.confirmed\",\n  \"order\": \"SO-104832\",\n  \"shipment\": \"SHP-88214\",\n  \"version\": 1,\n  \"shipped_at\": \"2026-11-23T13:57:58+01:00\",\n  \"clock\": \"handover\",\n  \"carrier\": \"GLS\",\n  \"lines\": [{\n    \"line\": \"3\",\n    \"sku\": \"31-7720\",\n    \"qty\": \"60\",\n    \"uom\": \"EA\",\n    \"lot\": \"B26-311\"\n  }]\n}"
	sum := "9f2c47d1b7a0c7a1e1de0a39de9b3a0e6f9f51b0b1a2c3d4e5f60718293a4b5c"
	in := Message{ID: "msg-ship2", System: "wms-dublin", Order: "SO-104832", Title: "Shipment 2 confirmed", State: "applied", At: at(23, 12, 58, 4), ContentType: "application/json", SHA256: sum,
		Headers: []Header{{"webhook-id", "evt_88214"}, {"webhook-timestamp", "1795438684"}, {"webhook-signature", "v1,***"}, {"content-type", "application/json"}}, Raw: raw,
		Canonical: []Canonical{{ID: "evt-1", Type: "shipment.confirmed", State: "applied", JSON: canonical}}}
	out := Message{ID: "dlv-posting2", Outbound: true, System: "erp", Order: "SO-104832", Title: "Shipment 2 posting", State: "parked", Reason: "422 item_unknown: erp has no item 31-7720", At: at(23, 12, 58, 20), ContentType: "application/json", SHA256: sum,
		Headers:   []Header{{"Idempotency-Key", "pst-7f31c2b09a"}, {"Waybill-Lane", "SO-104832"}, {"Waybill-Seq", "4"}, {"Authorization", "***"}},
		Raw:       []byte(`{"kind":"shipment_posting","company":"01","order":"SO-104832","version":1,"seq":4,"after":3,"posting_date":"2026-11-23","lines":[{"line":"3","sku":"31-7720","qty":"60","uom":"EA"}],"data":{"shipment":"SHP-88214"}}`),
		Canonical: []Canonical{{ID: "doc-1", Type: "shipment_posting", JSON: canonical}}, Attempts: fakeAttempts(), Trace: "4bf92f3577b34da6a3ce929d0e0e4736"}
	m := map[string]Message{in.ID: in, out.ID: out}
	for _, id := range []string{"msg-order", "msg-ship1", "dlv-check", "dlv-order", "dlv-wms", "dlv-ack", "dlv-ful1", "dlv-post1", "dlv-inv1", "dlv-ful2", "msg-pick", "msg-alloc", "msg-pick2"} {
		one := in
		one.ID, one.Title = id, "Message "+id
		m[id] = one
	}
	return m
}

func fakeAttempts() (out []Attempt) {
	for i, start := range []time.Time{at(23, 12, 58, 20), at(23, 12, 59, 2), at(23, 13, 0, 41), at(23, 13, 4, 12)} {
		a := Attempt{N: i + 1, Epoch: 7, Start: start, Deadline: start.Add(30 * time.Second), End: start.Add(212 * time.Millisecond), Outcome: "422 item_unknown"}
		if i == 1 {
			a.End, a.Outcome = start.Add(30*time.Second), "timed out, in doubt; look-up: not found"
		}
		out = append(out, a)
	}
	return out
}

func fakeOrder() Order {
	e := func(id string, t time.Time, kind EntryKind, system, role, title, short, state string) Entry {
		entry := Entry{ID: id, At: t, Clock: "system", Kind: kind, System: system, Role: role, Title: title, Short: short, State: state, Attempts: 1}
		if strings.HasPrefix(id, "msg-") || strings.HasPrefix(id, "dlv-") {
			entry.Message = id
		}
		return entry
	}
	staged := func(en Entry, stage string) Entry { en.Stage = stage; return en }
	o := Order{
		Order: "SO-104832", PO: "BF-7719", Customer: "Example Facilities", ShipTo: "Dublin, IE", Channel: "webshop", Type: "standard", Status: "partially_shipped", Total: "EUR 4,812.60", Placed: at(22, 16, 4, 11),
		Promise: &Promise{Label: "ship by", At: at(23, 16, 0, 0)},
		Refs: []Ref{{"webshop", "order", "10482"}, {"erp", "order", "0045991"}, {"wms-dublin", "order", "W-55120"}, {"wms-dublin", "shipment", "SHP-88190"}, {"wms-dublin", "shipment", "SHP-88214"},
			{"carrier", "tracking", "44719918"}, {"carrier", "tracking", "44719920"}, {"carrier", "tracking", "44719921"}, {"carrier", "tracking", "44719922"}, {"carrier", "sscc", "340123450004488127"}, {"erp", "invoice", "INV-22817"}},
		Problems: []Problem{{Tone: "bad", Title: "Shipment 2 shipped but did not post.", Detail: "erp has no item 31-7720. Add it and retry; the same fix frees 3 other orders.", Exception: "exc-1", Cause: "refused~erp~item_unknown"}},
		Actions:  []ActionKind{Recheck, Hold, Cancel},
		Timeline: []Entry{
			e("msg-order", at(22, 16, 4, 11), Event, "webshop", "channel", "Order placed", "order 10482", "applied"),
			e("dec-1", at(22, 16, 4, 12), Decision, "", "", "Check the order before it is accepted", "", ""),
			e("dlv-check", at(22, 16, 4, 13), Sent, "erp", "erp", "Order check", "check", "done"),
			e("rcp-1", at(22, 16, 4, 14), Receipt, "erp", "erp", "Order check approved", "", "done"),
			e("dlv-order", at(22, 16, 4, 30), Sent, "erp", "erp", "Sales order", "sales order", "done"),
			e("rcp-2", at(22, 16, 4, 44), Receipt, "erp", "erp", "Sales order 0045991", "", "done"),
			e("dlv-wms", at(22, 16, 5, 0), Sent, "wms-dublin", "wms", "Warehouse order", "warehouse order", "done"),
			e("dlv-ack", at(22, 16, 5, 1), Sent, "webshop", "channel", "Order acknowledgment", "ack", "done"),
			e("rcp-3", at(22, 16, 5, 40), Receipt, "wms-dublin", "wms", "Warehouse order W-55120", "", "done"),
			staged(e("msg-alloc", at(23, 7, 10, 0), Event, "wms-dublin", "wms", "Allocation confirmed", "", "applied"), "allocated"),
			staged(e("msg-pick", at(23, 9, 5, 0), Event, "wms-dublin", "wms", "Pick 1 confirmed", "", "applied"), "picked"),
			e("msg-ship1", at(23, 10, 41, 22), Event, "wms-dublin", "wms", "Shipment 1 confirmed", "shipment 1", "applied"),
			e("dlv-ful1", at(23, 10, 41, 40), Sent, "webshop", "channel", "Fulfilment 1", "fulfilled", "done"),
			e("dlv-post1", at(23, 10, 42, 10), Sent, "erp", "erp", "Shipment 1 posting", "post", "done"),
			e("rcp-4", at(23, 10, 42, 20), Receipt, "erp", "erp", "Shipment 1 posted", "", "done"),
			e("dlv-inv1", at(23, 11, 30, 2), Sent, "erp", "erp", "Invoice INV-22817", "invoice", "done"),
			staged(e("msg-pick2", at(23, 12, 10, 0), Event, "wms-dublin", "wms", "Pick 2 confirmed", "", "applied"), "picked"),
			staged(e("msg-ship2", at(23, 12, 58, 4), Event, "wms-dublin", "wms", "Shipment 2 confirmed", "shipment 2", "applied"), "shipped"),
			e("dlv-posting2", at(23, 12, 58, 20), Sent, "erp", "erp", "Shipment 2 posting", "", "parked"),
			e("dlv-ful2", at(23, 12, 58, 31), Sent, "webshop", "channel", "Fulfilment 2", "", "done"),
		},
	}
	o.Timeline[18].Attempts, o.Timeline[18].Key = 4, "pst-7f31c2b09a"
	o.Lines = fakeLines()
	o.Shipments = []Shipment{
		{Shipment: "SHP-88190", At: at(23, 10, 41, 22), System: "wms-dublin", Carrier: "GLS", Service: "Business", Tracking: []string{"44719918"}, Lines: []LineQty{{"1", "10-4471", "48", "BX"}, {"2", "22-0183", "24", "EA"}}},
		{Shipment: "SHP-88214", At: at(23, 12, 57, 58), System: "wms-dublin", Carrier: "GLS", Service: "Business", Tracking: []string{"44719920", "44719921"}, Lines: []LineQty{{"3", "31-7720", "60", "EA"}}},
	}
	o.Invoices = []Invoice{{Ref: "INV-22817", At: at(23, 11, 30, 2), Total: "EUR 1,936.20", Lines: []LineQty{{"1", "10-4471", "48", "BX"}}}}
	one := fakeAttempts()[:1]
	one[0].Outcome = "201 applied"
	for i, kind := range []string{"order_check", "sales_order", "warehouse_order", "shipment_posting", "shipment_posting", "invoice"} {
		d := Delivery{Key: fmt.Sprintf("key-%d", i), Target: "erp", Kind: kind, Subject: "SO-104832", Seq: i + 1, State: "done", Ref: fmt.Sprintf("E-%d", 70+i), Message: "dlv-order", Attempts: one}
		if i == 4 {
			d.State, d.Ref, d.Reason, d.Attempts, d.Actions, d.Message = "parked", "", "422 item_unknown: erp has no item 31-7720", fakeAttempts(), []ActionKind{Retry, Skip, Settle}, "dlv-posting2"
		}
		if i == 5 {
			d.State, d.Ref, d.Reason, d.Attempts, d.Message = "parked", "", "behind key-4", nil, ""
		}
		o.Deliveries = append(o.Deliveries, d)
	}
	return o
}

func fakeLines() []Line {
	return []Line{
		{Line: "1", SKU: "10-4471", UOM: "BX", Description: "Nitrile gloves, L, box of 100", Ordered: "48", Released: "48", Allocated: "48", Picked: "48", Shipped: "48", Posted: "48", Invoiced: "48", Returned: "2",
			Bar: Bar{{"invoiced", "46", 958}, {"returned", "2", 42}}},
		{Line: "2", SKU: "22-0183", UOM: "EA", Description: "Floor cleaner concentrate, 5 L", Ordered: "24", Released: "24", Allocated: "24", Picked: "24", Shipped: "24", Posted: "24", Invoiced: "0", Bar: Bar{{"posted", "24", 1000}}, Note: "the invoice is under way"},
		{Line: "3", SKU: "31-7720", UOM: "EA", Description: "Microfibre mop head, blue", Ordered: "60", Released: "60", Allocated: "60", Picked: "60", Shipped: "60", Posted: "0", Invoiced: "0", Behind: []string{"posted"},
			Bar: Bar{{"shipped", "60", 1000}}, Note: "item not found in erp", NoteTone: "bad"},
		{Line: "4", SKU: "45-0092", UOM: "CS", Description: "Paper towel roll, 2-ply, case", Ordered: "36", Released: "30", Allocated: "30", Picked: "20", Backordered: "6", Bar: Bar{{"picked", "20", 556}, {"allocated", "10", 278}, {"open", "6", 166}}, NoteTone: "warn"},
	}
}
