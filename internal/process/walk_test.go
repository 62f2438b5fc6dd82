package process

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/waybillhq/waybill"
	"pgregory.net/rapid"
)

// walk is a random life of an order: facts in any order, documents attempted as
// their lanes allow, targets that answer as they like.
type walk struct {
	*desk
	rt *rapid.T

	versions map[string]int64                      // highest version told, by subject
	shipped  map[string]map[string]waybill.Decimal // of the version in force, by shipment and line
	orders   map[int64]*waybill.Order
	changed  map[int64]bool
	requests []string
	wmsTold  map[string]waybill.Decimal // cancelled by the warehouse, by its order and line
	answered map[string]bool            // warehouse_order_cancel by key
	asked    int                        // answers to changes
	quiet    bool                       // targets apply everything
	strange  bool                       // the ERP bills by its own doing
	kit      *waybill.Kit               // what line 2 is made up of; nil in most walks
}

// walkPolicy draws one warehouse or two, and what becomes of a rest.
func walkPolicy(rt *rapid.T) *Policy {
	p := testPolicy()
	if rapid.IntRange(0, 2).Draw(rt, "warehouses") == 0 {
		p.Routes = []Route{{SKUs: []string{"S2"}, System: "west"}}
	}
	if rapid.IntRange(0, 3).Draw(rt, "rest") == 0 {
		p.Backorder = BackorderCancelRest
	}
	if rapid.IntRange(0, 1).Draw(rt, "component elsewhere") == 1 {
		p.Routes = append(p.Routes, Route{SKUs: []string{"K2"}, System: "west"})
	}
	if rapid.IntRange(0, 3).Draw(rt, "captures") == 0 {
		p.Channels["shop"] = Channel{Documents: true, Captures: true}
	}
	return p
}

func newWalk(rt *rapid.T) *walk {
	w := &walk{rt: rt, versions: map[string]int64{}, shipped: map[string]map[string]waybill.Decimal{},
		orders: map[int64]*waybill.Order{}, changed: map[int64]bool{}, wmsTold: map[string]waybill.Decimal{}, answered: map[string]bool{}}
	if w.draw("kit", 0, 2) == 0 {
		rules := []waybill.KitRule{waybill.KitOnComplete, waybill.KitOnFirst, waybill.KitByComponent}
		price := waybill.MustDecimal("0.50")
		w.kit = &waybill.Kit{Invoice: rules[w.draw("rule", 0, 2)], Components: []waybill.Component{
			{SKU: "K1", Qty: waybill.NewDecimal(1), UOM: "EA", Price: price}, {SKU: "K2", Qty: waybill.NewDecimal(2), UOM: "EA", Price: price}}}
	}
	w.desk = newDesk(rt, walkPolicy(rt))
	return w
}

// goods are the lines that ship.
func (w *walk) goods() []string {
	if w.kit != nil {
		return []string{"1", "2~1", "2~2"}
	}
	return []string{"1", "2"}
}

func (w *walk) draw(label string, lo, hi int) int { return rapid.IntRange(lo, hi).Draw(w.rt, label) }

func (w *walk) qty(label string, lo, hi int) waybill.Decimal {
	return waybill.NewDecimal(int64(w.draw(label, lo, hi)))
}

// step does one thing that may happen.
func (w *walk) step() {
	switch k := w.draw("step", 0, 29); {
	case k < 6:
		w.attemptHead()
	case k < 11:
		w.answerSent()
	case k == 11:
		w.tellOrder()
	case k == 12:
		w.tellCancel()
	case k < 16:
		w.tellShipment()
	case k == 16:
		w.tellProgress()
	case k == 17:
		w.answerAsWarehouse()
	case k == 18:
		w.command()
	case k == 19:
		w.tell(waybill.Event{Type: waybill.ShipmentDelivered, Source: "carrier", Subject: "SH-1", Body: &waybill.Delivery{Shipment: "SH-1"}})
	case k == 20:
		w.decideChange()
	case k == 21 && w.draw("closes", 0, 3) == 0:
		w.tellWarehouse(waybill.WarehouseOrderClosed, 1, nil)
	case k == 23:
		w.tell(waybill.Event{Type: waybill.CommandGiven, Source: "waybill", Body: &Command{Command: ReleaseBackorder}})
	case k == 24:
		w.allot()
	case k < 27 && k > 24:
		w.tellReturn()
	case k == 28:
		w.edit()
	case k == 29:
		w.compensate()
	case k == 22 && w.strange:
		w.tellInvoice()
	default:
		w.tell(waybill.Event{Type: waybill.TimerFired, Source: "waybill", Body: &Fired{Name: TimerRecheck}})
	}
}

func (w *walk) tellOrder() {
	v := int64(w.draw("version", 1, 4))
	if w.orders[v] != nil {
		return
	}
	o := &waybill.Order{Order: "SO-1", Version: v, Customer: "C1", Currency: "EUR", Tax: waybill.MustDecimal("1.00")}
	for _, id := range []string{"1", "2", "F"} {
		if w.draw("has line "+id, 0, 5) == 0 && id != "1" {
			continue
		}
		l := waybill.OrderLine{Line: id, SKU: "S" + id, UOM: "EA", Price: waybill.MustDecimal("2.50"), Qty: w.qty("ordered", 1, 6)}
		if id == "2" {
			l.Kit = w.kit
		}
		if id == "F" {
			l.Kind, l.Qty = waybill.LineFreight, waybill.NewDecimal(1)
		}
		o.Lines = append(o.Lines, l)
	}
	w.orders[v] = o
	typ := waybill.OrderPlaced
	if v > 1 {
		typ = waybill.OrderChanged
		w.changed[v] = true
	}
	w.tell(waybill.Event{Type: typ, Source: "shop", Version: v, Body: o})
}

// ordered reports whether a version of the order that was told has a line.
func (w *walk) ordered(line string) bool {
	for _, o := range w.orders {
		if slices.ContainsFunc(o.Lines, func(l waybill.OrderLine) bool { return l.Line == line }) {
			return true
		}
	}
	return false
}

// tellReturn tells that something came back: by line, or by item alone.
func (w *walk) tellReturn() {
	id := "RMA-" + strconv.Itoa(w.draw("return", 1, 2))
	v := int64(w.draw("version", 1, 3))
	typ := []waybill.EventType{waybill.ReturnRequested, waybill.ReturnReceived}[w.draw("received", 0, 1)]
	key := string(typ) + id + "/" + strconv.FormatInt(v, 10)
	if w.versions[key] != 0 {
		return
	}
	w.versions[key] = v
	ret := &waybill.Return{Return: id, Order: "SO-1", Version: v, Lines: []waybill.ReturnLine{{Line: "1", Qty: w.qty("back", 0, 3)}}}
	if w.draw("by item", 0, 2) == 0 {
		ret.Lines[0].Line, ret.Lines[0].SKU = "", "S1"
	}
	if w.draw("rejected", 0, 4) == 0 {
		ret.Lines = append(ret.Lines, waybill.ReturnLine{Line: "2", Qty: w.qty("back", 1, 2), Disposition: "reject"})
	}
	if w.kit != nil && len(ret.Lines) == 1 && w.draw("kit back", 0, 2) == 0 {
		ret.Lines = append(ret.Lines, waybill.ReturnLine{Line: []string{"2", "2~1", "2~2"}[w.draw("of the kit", 0, 2)], Qty: w.qty("back", 1, 2)})
	}
	w.tell(waybill.Event{Type: typ, Source: map[waybill.EventType]string{waybill.ReturnRequested: "shop", waybill.ReturnReceived: "wms"}[typ],
		Subject: id, Version: v, Body: ret})
}

// allot covers one of the backorders, as the engine does.
func (w *walk) allot() {
	waiting := w.s.Backorders()
	if len(waiting) == 0 {
		return
	}
	b := waiting[w.draw("backorder", 0, len(waiting)-1)]
	w.tell(waybill.Event{Type: waybill.StockAllotted, Source: "waybill",
		Body: &Allotted{Position: "E0", Lines: []waybill.LineQty{{Line: b.Line, Qty: b.Qty}}}})
}

func (w *walk) tellCancel() {
	id := "R-" + strconv.Itoa(w.draw("request", 1, 4))
	if slices.Contains(w.requests, id) {
		return
	}
	c := &waybill.CancelRequest{Order: "SO-1", Request: id}
	if w.draw("whole", 0, 1) == 0 {
		line := []string{"1", "2"}[w.draw("line", 0, 3)/3]
		if len(w.orders) > 0 && line == "2" && !w.ordered("2") {
			line = "1"
		}
		c.Lines = []waybill.LineQty{{Line: line, Qty: w.qty("cancel", 1, 3)}}
	}
	w.requests = append(w.requests, id)
	w.tell(waybill.Event{Type: waybill.OrderCancelRequested, Source: "shop", Subject: id, Body: c})
}

func (w *walk) tellShipment() {
	id := "SH-" + strconv.Itoa(w.draw("shipment", 1, 3))
	v := int64(w.draw("version", 1, 4))
	key := id + "/" + strconv.FormatInt(v, 10)
	if w.versions[key] != 0 {
		return
	}
	w.versions[key] = v
	lines := map[string]waybill.Decimal{"1": w.qty("shipped", 0, 4)}
	sh := &waybill.Shipment{Order: "SO-1", Shipment: id, Version: v, ShippedAt: "2026-03-02T15:04:05Z", Final: w.draw("final", 0, 4) == 0,
		Lines: []waybill.LineQty{{Line: "1", Qty: lines["1"], UOM: "EA"}}}
	for _, line := range w.goods()[1:] {
		if w.draw("other lines", 0, 2) == 0 {
			lines[line] = w.qty("shipped", 0, 3)
			sh.Lines = append(sh.Lines, waybill.LineQty{Line: line, Qty: lines[line]})
		}
	}
	if w.kit != nil && len(sh.Lines) == 1 && w.draw("whole kits", 0, 1) == 0 {
		kits := w.qty("shipped", 1, 2)
		lines["2~1"], lines["2~2"] = kits, kits.Add(kits)
		sh.Lines = append(sh.Lines, waybill.LineQty{Line: "2", Qty: kits})
	}
	if v > w.versions[id] {
		w.versions[id], w.shipped[id] = v, lines
	}
	source := w.p.WMS
	if len(w.p.Routes) > 0 && id == "SH-2" {
		source = "west"
	}
	w.tell(waybill.Event{Type: waybill.ShipmentConfirmed, Source: source, Subject: id, Version: v, Body: sh})
}

func (w *walk) tellProgress() {
	typ := []waybill.EventType{waybill.AllocationConfirmed, waybill.PickConfirmed, waybill.PackConfirmed}[w.draw("progress", 0, 2)]
	id := "D-" + strconv.Itoa(w.draw("document", 1, 2))
	v := int64(w.draw("version", 1, 2))
	w.tell(waybill.Event{Type: typ, Source: "wms", Subject: id, Version: v, Body: &waybill.Progress{Order: "SO-1", Document: id, Version: v,
		Lines: []waybill.LineQty{{Line: "1", Qty: w.qty("qty", 1, 5)}}}})
}

func (w *walk) command() {
	w.tell(waybill.Event{Type: waybill.CommandGiven, Source: "waybill",
		Body: &Command{Command: []Verb{Hold, Release, Recheck}[w.draw("command", 0, 2)]}})
}

// tellWarehouse tells something about the warehouse's order, known or not.
func (w *walk) tellWarehouse(typ waybill.EventType, version int64, lines []waybill.LineQty) {
	name, source := "WO-NONE", "wms"
	var orders []*delivery
	for _, v := range w.all() {
		if v.Kind == waybill.WarehouseOrder {
			orders = append(orders, v)
		}
	}
	if len(orders) > 0 {
		v := orders[w.draw("warehouse order", 0, len(orders)-1)]
		name, source = v.Key, v.Target
	}
	w.tell(waybill.Event{Type: typ, Source: source, Subject: name, Version: version,
		Body: &waybill.WarehouseOrderReport{Order: "SO-1", WarehouseOrder: name, Version: version, Lines: lines}})
}

// decideChange lets the warehouse decide on a change that it had only taken.
func (w *walk) decideChange() {
	v := w.find(waybill.WarehouseOrderChange, "", "sent")
	if v == nil || v.outcome != OutcomePending {
		return
	}
	w.asked++
	v.decided = []waybill.EventType{waybill.WarehouseOrderChanged, waybill.WarehouseOrderChangeRefused}[w.draw("takes", 0, 1)]
	w.tellWarehouse(v.decided, int64(w.asked), nil)
}

// tellInvoice tells of an invoice: one of the ERP's own, or the echo of one of
// ours, before its receipt or after it.
func (w *walk) tellInvoice() {
	name := "INV-1"
	if v := w.find(waybill.Invoice, ""); v != nil && w.draw("echo", 0, 1) == 1 {
		name = "REF-" + strconv.Itoa(v.order)
	}
	w.tell(waybill.Event{Type: waybill.InvoicePosted, Source: "erp", Subject: name, Body: &waybill.Posting{Order: "SO-1", Invoice: name,
		Lines: []waybill.PostingLine{{Line: "1", Qty: w.qty("invoiced", 1, 3)}}}})
}

// heads returns, by target, the document that may go next: none while one is
// on its way, waits refused in its lane, or is pending.
func (w *walk) heads() []*delivery {
	var out []*delivery
	for _, target := range []string{"erp", "shop", "west", "wms"} {
		var head *delivery
		for _, v := range w.lanes {
			if v.Target != target {
				continue
			}
			if v.state == "sent" && !w.settledFor(v) {
				head = nil
				break
			}
			if v.state == "planned" && (head == nil || v.Front && !head.Front || v.Front == head.Front && v.order < head.order) {
				head = v
			}
		}
		blocked := slices.ContainsFunc(w.all(), func(v *delivery) bool { return v.Target == target && v.state == "sent" && !w.settledFor(v) })
		if head != nil && !blocked {
			out = append(out, head)
		}
	}
	return out
}

func (w *walk) all() []*delivery {
	out := make([]*delivery, 0, len(w.lanes))
	for _, v := range w.lanes {
		out = append(out, v)
	}
	slices.SortFunc(out, func(a, b *delivery) int { return a.order - b.order })
	return out
}

// settledFor reports whether an attempted document no longer blocks its lane.
func (w *walk) settledFor(v *delivery) bool { return v.state != "sent" || v.outcome == OutcomeDone }

func (w *walk) attemptHead() {
	heads := w.heads()
	if len(heads) == 0 {
		return
	}
	v := heads[w.draw("lane", 0, len(heads)-1)]
	w.attempt(v.Key)
}

// edit lets an operator write a document that was refused: less of a line than
// was decided, or without one. What a channel was told stays as it was told.
func (w *walk) edit() {
	for _, v := range w.unsettled() {
		if v.outcome != OutcomeRefused || v.Target != "erp" || v.Kind == waybill.OrderCheck || len(v.sent.Lines) == 0 {
			continue
		}
		e := &Edited{}
		for i, l := range v.sent.Lines {
			if i > 0 && w.draw("leaves out", 0, 2) == 0 {
				continue
			}
			qty := waybill.MinDecimal(l.Qty, w.qty("edited", 1, 4))
			e.Lines = append(e.Lines, EditedLine{Line: l.Line, Qty: &qty})
		}
		if w.s.CheckEdit(v.Key, e) == nil {
			w.correct(&Command{Command: Edit, Key: v.Key, Document: e})
		}
		return
	}
}

// compensate lets an operator undo a document that was applied.
func (w *walk) compensate() {
	var undoable []*delivery
	for _, v := range w.all() {
		if v.state == "sent" && v.outcome == OutcomeDone && w.s.CheckCompensate(v.Key, w.p) == nil {
			undoable = append(undoable, v)
		}
	}
	if len(undoable) > 0 {
		w.correct(&Command{Command: Compensate, Key: undoable[w.draw("undoes", 0, len(undoable)-1)].Key})
	}
}

// isRest reports whether a document carries only what its target wanted once
// more of another.
func (w *walk) isRest(v *delivery) bool { return w.s.docs[w.s.byKey(v.Key)].rest }

// unsettled are the documents whose targets still owe an answer.
func (w *walk) unsettled() []*delivery {
	return slices.DeleteFunc(w.all(), func(v *delivery) bool { return v.state != "sent" || v.outcome == OutcomeDone })
}

func (w *walk) answerSent() {
	sent := w.unsettled()
	if len(sent) == 0 {
		return
	}
	v := sent[w.draw("answer to", 0, len(sent)-1)]
	a := &Settled{Key: v.Key, Outcome: OutcomeDone, Receipt: &waybill.Receipt{Ref: "REF-" + strconv.Itoa(v.order)}}
	how := 0
	if !w.quiet {
		how = w.draw("how", 0, 11)
	}
	switch {
	case v.decided == waybill.WarehouseOrderChanged: // as the warehouse said
	case v.decided == waybill.WarehouseOrderChangeRefused:
		a = &Settled{Key: v.Key, Outcome: OutcomeRefused, Problem: &waybill.Problem{Status: 422, Code: "too_late"}}
	case v.outcome == OutcomeRefused: // in the hands of an operator
		if how == 1 {
			a = &Settled{Key: v.Key, Outcome: OutcomeSkipped, By: "ops"}
		}
	case how == 1:
		a = &Settled{Key: v.Key, Outcome: OutcomeRefused, Problem: &waybill.Problem{Status: 422, Code: "invalid"}}
	case how == 2 && v.Kind == waybill.SalesOrder:
		a = &Settled{Key: v.Key, Outcome: OutcomeRefused, Problem: &waybill.Problem{Status: 422, Code: "credit_hold"}}
	case how == 3 && v.outcome == "":
		a = &Settled{Key: v.Key, Outcome: OutcomePending}
	case how == 4:
		a = &Settled{Key: v.Key, Outcome: OutcomeAbsent}
	case how == 5 && len(v.sent.Lines) > 1 && v.Kind != waybill.OrderCheck:
		a.Outcome = OutcomePartial
		a.Receipt.Lines = []waybill.LineOutcome{{Line: v.sent.Lines[0].Line, Status: "applied"}, {Line: v.sent.Lines[1].Line, Status: "retry"}}
	}
	if v.Kind == waybill.OrderCheck && a.Outcome == OutcomeDone {
		ok := w.quiet || w.draw("approved", 0, 3) > 0
		a.Receipt.Result = []byte(fmt.Sprintf(`{"approved":%t}`, ok))
	}
	v.outcome = a.Outcome
	if a.Outcome == OutcomePartial {
		v.outcome = OutcomeDone
		v.applied = []string{v.sent.Lines[0].Line}
		for _, l := range v.sent.Lines[2:] {
			v.applied = append(v.applied, l.Line)
		}
	}
	w.settle(a)
}

// answerAsWarehouse lets the warehouse decide on a cancellation that it took.
func (w *walk) answerAsWarehouse() {
	for _, v := range w.all() {
		if v.Kind != waybill.WarehouseOrderCancel || v.state != "sent" || w.answered[v.Key] || v.outcome != OutcomeDone {
			continue
		}
		w.answered[v.Key] = true
		var about header
		if err := waybill.Unmarshal(v.sent.Data, &about); err != nil {
			w.rt.Fatal(err)
		}
		rep := &waybill.WarehouseOrderReport{Order: "SO-1", WarehouseOrder: about.WarehouseOrder, Version: int64(len(w.answered))}
		e := waybill.Event{Type: waybill.WarehouseOrderCancelRefused, Source: v.Target, Subject: about.WarehouseOrder, Version: rep.Version, Body: rep}
		if w.quiet || w.draw("cancels", 0, 3) > 0 {
			e.Type = waybill.WarehouseOrderCancelled
			for line, q := range quantitiesOf(v) { // what it has cancelled so far, all told
				w.wmsTold[about.WarehouseOrder+line] = w.wmsTold[about.WarehouseOrder+line].Add(q)
			}
			for _, line := range w.goods() {
				if q := w.wmsTold[about.WarehouseOrder+line]; q.Sign() > 0 {
					rep.Lines = append(rep.Lines, waybill.LineQty{Line: line, Qty: q})
				}
			}
		}
		w.tell(e)
		return
	}
}

// drain lets everything that is wanted come to its end: holds are lifted, what
// operators gave up goes anew, and targets apply what they get.
func (w *walk) drain() {
	w.quiet = true
	if len(w.orders) == 0 {
		w.tellOrder()
	}
	if w.orders[1] == nil && len(w.orders) == 0 {
		w.rt.Fatal("no order")
	}
	w.tell(waybill.Event{Type: waybill.CommandGiven, Source: "waybill", Body: &Command{Command: Hold}})
	w.tell(waybill.Event{Type: waybill.CommandGiven, Source: "waybill", Body: &Command{Command: Release}})
	asked := false // what operators edited and undid is asked anew, and the books agree again
	for range 400 {
		sent, heads := w.unsettled(), w.heads()
		open := slices.ContainsFunc(w.all(), func(v *delivery) bool {
			return v.Kind == waybill.WarehouseOrderCancel && v.state == "sent" && v.outcome == OutcomeDone && !w.answered[v.Key]
		})
		switch {
		case len(sent) > 0:
			w.answerSent()
		case len(heads) > 0:
			w.attempt(heads[0].Key)
		case open:
			w.answerAsWarehouse()
		case !asked:
			asked = true
			w.tell(waybill.Event{Type: waybill.CommandGiven, Source: "waybill", Body: &Command{Command: Recheck}})
		default:
			return
		}
	}
	w.rt.Fatalf("does not come to rest:\n%s", w.story())
}

// story tells what was sent, for a failing test.
func (w *walk) story() string {
	var b strings.Builder
	for _, e := range w.events {
		fmt.Fprintf(&b, "%s %s %s v%d %s\n", e.ID, e.Type, e.Subject, e.Version, e.Data)
	}
	for _, v := range w.all() {
		fmt.Fprintf(&b, "%d %s %s %s r%d: %s %s %v\n", v.order, v.Target, v.Kind, w.name(v.Doc), v.Revision, v.state, v.outcome, quantitiesOf(v))
	}
	for _, l := range w.s.Totals() {
		fmt.Fprintf(&b, "%s: %v\n", l.Line, l.Quantities)
	}
	return b.String()
}

// quantitiesOf are the lines of a document that its target applied.
func quantitiesOf(v *delivery) map[string]waybill.Decimal {
	out := map[string]waybill.Decimal{}
	for _, l := range v.sent.Lines {
		if v.applied == nil || slices.Contains(v.applied, l.Line) {
			out[l.Line] = out[l.Line].Add(l.Qty)
		}
	}
	return out
}

// attempt checks what a warehouse is sent before it is: all that is owed of a
// line and not with a warehouse, and nothing twice.
func (w *walk) attempt(key string) {
	v := w.lanes[key]
	owed := map[string]waybill.Decimal{}
	for _, l := range w.s.Totals() {
		owed[l.Line] = l.Quantities.Open()
		if v.Subject != "SO-1" {
			owed[l.Line] = l.Quantities[waybill.Backordered]
		}
	}
	sent, _ := w.desk.attempt(key)
	if v.Kind != waybill.WarehouseOrder || v.Front {
		return
	}
	for _, l := range sent.Lines {
		if !l.Qty.Equal(owed[l.Line]) {
			w.rt.Fatalf("line %s: %s are sent to %s, %s are owed\n%s", l.Line, l.Qty, v.Target, owed[l.Line], w.story())
		}
	}
}
