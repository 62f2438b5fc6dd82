package process

import (
	"flag"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/waybillhq/waybill"
	"pgregory.net/rapid"
)

// Some faults need a rare sequence: what 100 random lives, the library's
// default, would miss for days. A failure prints its seed, no file is left
// behind. Flags on the command line still count.
func init() {
	for name, value := range map[string]string{"rapid.checks": "1500", "rapid.nofailfile": "true"} {
		if err := flag.Set(name, value); err != nil {
			panic(err)
		}
	}
}

// TestWalk_BooksAgreeWithTheFloor plays random lives to their end and compares
// the systems' books with the facts: net of all corrections, everything shipped
// is posted, told and billed, and everything cancelled is cancelled everywhere.
func TestWalk_BooksAgreeWithTheFloor(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := newWalk(rt)
		for range w.draw("steps", 1, 60) {
			w.step()
			w.conserve()
			if w.draw("read again", 0, 9) == 0 {
				w.readAgain()
				w.conserve()
			}
		}
		w.drain()
		w.conserve()
		b := w.books()
		w.compareOrder(b)
		w.compareShipments(b)
		w.compareAnswers()
		w.refold()
	})
}

// conserve checks what holds at every moment.
func (w *walk) conserve() {
	for _, l := range w.s.Totals() {
		for stage, q := range l.Quantities {
			if q.Sign() < 0 {
				w.rt.Fatalf("line %s: %s is %s\n%s", l.Line, waybill.Stage(stage), q, w.story())
			}
		}
		if l.Quantities[waybill.Cancelled].Cmp(l.Quantities[waybill.Ordered]) > 0 {
			w.rt.Fatalf("line %s: more cancelled than ordered\n%s", l.Line, w.story())
		}
	}
	if w.kit != nil {
		w.conserveKits()
	}
}

// conserveKits checks that a kit is what its components make, at every stage.
func (w *walk) conserveKits() {
	lines := map[string]waybill.Quantities{}
	for _, l := range w.s.Totals() {
		lines[l.Line] = l.Quantities
	}
	if _, known := lines["2"]; !known {
		return
	}
	parts := func(of func(q waybill.Quantities) waybill.Decimal) map[string]waybill.Decimal {
		return map[string]waybill.Decimal{"2~1": of(lines["2~1"]), "2~2": of(lines["2~2"])}
	}
	for _, stage := range floorStages {
		if want := wholeKits(parts(func(q waybill.Quantities) waybill.Decimal { return q[stage] })); !lines["2"][stage].Equal(want) {
			w.rt.Fatalf("kit: %s is %s, its components make %s\n%s", stage, lines["2"][stage], want, w.story())
		}
	}
	goal := func(q waybill.Quantities) waybill.Decimal { return q[waybill.Ordered].Sub(q[waybill.Cancelled]) }
	if want := wholeKits(parts(goal)); !goal(lines["2"]).Equal(want) {
		w.rt.Fatalf("kit: %s to deliver, its components make %s\n%s", goal(lines["2"]), want, w.story())
	}
}

// books are what the simulated systems hold, from what was sent to them.
type books struct {
	order    map[string]waybill.Decimal            // the ERP's order, totals by line
	has      bool                                  // the ERP has the order
	posted   map[string]map[string]waybill.Decimal // by shipment
	invoiced map[string]waybill.Decimal            // less what was credited after a reversal
	credited map[string]waybill.Decimal            // of returns
	refunded map[string]waybill.Decimal            // the channel knows of
	captured map[string]waybill.Decimal            // by the channel
	received map[string]waybill.Decimal            // of that, what the ERP booked
	told     map[string]map[string]waybill.Decimal // the channel, by shipment
}

func (w *walk) books() books {
	b := books{order: map[string]waybill.Decimal{}, posted: map[string]map[string]waybill.Decimal{}, invoiced: map[string]waybill.Decimal{}, credited: map[string]waybill.Decimal{}, refunded: map[string]waybill.Decimal{},
		captured: map[string]waybill.Decimal{}, received: map[string]waybill.Decimal{},
		told: map[string]map[string]waybill.Decimal{}}
	sent := slices.DeleteFunc(w.all(), func(v *delivery) bool { return v.state != "sent" || v.outcome != OutcomeDone })
	slices.SortFunc(sent, func(a, b *delivery) int { return a.attempted - b.attempted })
	for _, v := range sent {
		q := quantitiesOf(v)
		of := shipmentIn(v.sent)
		switch v.Kind {
		case waybill.SalesOrder, waybill.SalesOrderChange:
			b.has = true
			maps.Copy(b.order, q)
		case waybill.SalesOrderCancel:
			add(b.order, q, -1)
		case waybill.ShipmentPosting, waybill.ShipmentReversal:
			if b.posted[of] == nil {
				b.posted[of] = map[string]waybill.Decimal{}
			}
			add(b.posted[of], q, map[bool]int64{true: 1, false: -1}[v.Kind == waybill.ShipmentPosting])
		case waybill.Invoice:
			add(b.invoiced, q, 1)
		case waybill.CreditMemo:
			if of == "" {
				add(b.credited, q, 1)
			} else {
				add(b.invoiced, q, -1)
			}
		case waybill.PaymentCapture:
			add(b.captured, q, 1)
		case waybill.PaymentReceipt:
			add(b.received, q, 1)
		case waybill.RefundNotice:
			add(b.refunded, q, 1)
		case waybill.Fulfilment, waybill.FulfilmentUpdate:
			if w.isRest(v) { // what the channel had not taken at first
				add(b.told[of], q, 1)
			} else {
				b.told[of] = q
			}
		}
	}
	return b
}

func shipmentIn(d waybill.Document) string {
	var data struct {
		Shipment string `json:"shipment"`
	}
	if waybill.Unmarshal(d.Data, &data) != nil {
		return ""
	}
	return data.Shipment
}

func add(to, what map[string]waybill.Decimal, sign int64) {
	for line, q := range what {
		to[line] = to[line].Add(q.Mul(waybill.NewDecimal(sign)))
	}
}

// compareOrder: the ERP's order is what shall be delivered.
func (w *walk) compareOrder(b books) {
	if !b.has {
		return
	}
	for _, l := range w.s.Totals() {
		goal := l.Quantities[waybill.Ordered].Sub(l.Quantities[waybill.Cancelled])
		if !b.order[l.Line].Equal(goal) {
			w.rt.Fatalf("line %s: the ERP's order has %s, ordered less cancelled is %s\n%s", l.Line, b.order[l.Line], goal, w.story())
		}
		shipped := l.Quantities[waybill.Shipped]
		if l.Line == "F" {
			told := slices.Contains(w.s.open, ExceptionKey{Cause: "invoiced_over_ordered", Subject: "SO-1", Line: "F"})
			if more := b.invoiced["F"].Cmp(goal) > 0; more != told || b.invoiced["F"].Cmp(waybill.NewDecimal(1)) > 0 {
				w.rt.Fatalf("freight: %s invoiced, %s in the order, exception %t\n%s", b.invoiced["F"], goal, told, w.story())
			}
			continue
		}
		left := w.billable(l, waybill.Shipped)
		due := waybill.MinDecimal(left, goal)
		if got := b.invoiced[l.Line]; got.Cmp(due) < 0 || got.Cmp(left.Add(b.credited[l.Line])) > 0 {
			w.rt.Fatalf("line %s: %s invoiced; %s shipped, %s to deliver\n%s", l.Line, got, shipped, goal, w.story())
		}
		w.compareReturns(b, l)
		// An order that was taken back from the ERP, and of which nothing shipped,
		// has nothing to receive a payment for: what was captured is shown.
		told := left.IsZero() && !w.s.applied(waybill.SalesOrder, "erp", "SO-1") &&
			slices.ContainsFunc(w.s.open, func(k ExceptionKey) bool { return k.Cause == "captured_over_shipped" && k.Line == l.Line })
		if got := b.captured[l.Line]; w.p.Channels["shop"].Captures && (got.Cmp(due) < 0 || !got.Equal(b.received[l.Line]) && !told) {
			w.rt.Fatalf("line %s: %s captured, %s in the ERP, %s due\n%s", l.Line, got, b.received[l.Line], due, w.story())
		}
		if w.kit != nil && w.kit.Invoice == waybill.KitByComponent && l.Line == "2" {
			continue // it is counted by its components
		}
		if !l.Quantities[waybill.Invoiced].Sub(l.Quantities[waybill.Credited]).Equal(b.invoiced[l.Line].Sub(b.credited[l.Line])) {
			w.rt.Fatalf("line %s: totals and the ERP's invoices differ\n%s", l.Line, w.story())
		}
	}
}

// billable is how much of a line may be invoiced where so much of it, or of its
// components, is at a stage.
func (w *walk) billable(l LineTotals, stage waybill.Stage) waybill.Decimal {
	own := l.Quantities[stage]
	if w.kit == nil || l.Line[0] != '2' {
		return own
	}
	byComponent := w.kit.Invoice == waybill.KitByComponent
	switch {
	case (l.Line == "2") == byComponent:
		return waybill.Decimal{}
	case byComponent || w.kit.Invoice == waybill.KitOnComplete:
		return own
	}
	parts := map[string]waybill.Decimal{}
	for _, t := range w.s.Totals() {
		parts[t.Line] = t.Quantities[stage]
	}
	half := parts["2~2"].Add(waybill.NewDecimal(1)).Quo(waybill.NewDecimal(2))
	return waybill.MaxDecimal(parts["2~1"], floor(half))
}

// wholeKits is how many kits components make.
func wholeKits(parts map[string]waybill.Decimal) waybill.Decimal {
	return waybill.MinDecimal(parts["2~1"], floor(parts["2~2"].Quo(waybill.NewDecimal(2))))
}

// compareReturns: what came back and was not rejected is credited as far as it
// is invoiced, and refunded as it is credited. What was credited too much has an
// exception.
func (w *walk) compareReturns(b books, l LineTotals) {
	due, told := waybill.Decimal{}, false
	for _, f := range w.s.of(famReturned) {
		if f.place != Applied {
			continue
		}
		came := map[string]waybill.Decimal{}
		for _, back := range f.returned().Lines {
			line := named("1", back.Line)
			if back.Disposition == "reject" {
				continue
			}
			came[line] = came[line].Add(back.Qty)
		}
		if w.kit != nil {
			kits := came["2"]
			came["2~1"], came["2~2"] = came["2~1"].Add(kits), came["2~2"].Add(kits.Add(kits))
			came["2"] = waybill.Decimal{}
			if w.kit.Invoice != waybill.KitByComponent {
				came = map[string]waybill.Decimal{"1": came["1"], "2": wholeKits(came)}
			}
		}
		due = due.Add(came[l.Line])
		told = told || slices.Contains(w.s.open, ExceptionKey{Cause: "credited_over_returned", Subject: f.subject, Line: l.Line})
	}
	got, room := b.credited[l.Line], b.invoiced[l.Line]
	if got.Cmp(room) > 0 || got.Cmp(due) > 0 && !told || got.Cmp(waybill.MinDecimal(due, room)) < 0 {
		w.rt.Fatalf("line %s: %s credited of %s invoiced, %s came back\n%s", l.Line, got, room, due, w.story())
	}
	more := w.overReturned(l.Line) // a reversal may have credited what was refunded
	if !b.refunded[l.Line].Equal(got) && !more {
		w.rt.Fatalf("line %s: %s credited, %s refunded\n%s", l.Line, got, b.refunded[l.Line], w.story())
	}
}

// overReturned reports whether more of a line came back than shipped, or of a
// component of it.
func (w *walk) overReturned(line string) bool {
	return slices.ContainsFunc(w.s.Totals(), func(t LineTotals) bool {
		return (t.Line == line || strings.HasPrefix(t.Line, line+"~")) && t.Quantities[waybill.Returned].Cmp(t.Quantities[waybill.Shipped]) > 0
	})
}

// compareShipments: the ERP and the channel know of each shipment what its
// version in force says.
func (w *walk) compareShipments(b books) {
	lines := map[string]bool{}
	for _, l := range w.s.Totals() {
		lines[l.Line] = true
	}
	for id, want := range w.shipped {
		if w.limbo(id) || slices.ContainsFunc(w.goods(), func(line string) bool { return (line == "1" || want[line].Sign() != 0) && !lines[line] }) {
			continue // it waits for its line
		}
		for _, line := range w.goods() {
			if b.has && !b.posted[id][line].Equal(want[line]) {
				w.rt.Fatalf("shipment %s line %s: %s posted, %s left\n%s", id, line, b.posted[id][line], want[line], w.story())
			}
			if !b.told[id][line].Equal(want[line]) {
				w.rt.Fatalf("shipment %s line %s: the channel knows of %s, %s left\n%s", id, line, b.told[id][line], want[line], w.story())
			}
		}
	}
}

// limbo reports whether a version of a shipment waits for a line.
func (w *walk) limbo(id string) bool {
	return slices.ContainsFunc(w.s.facts, func(f *fact) bool { return f.subject == id && (f.place == Limbo || f.place == Parked) })
}

// compareAnswers: the channel got one answer to each request, and one to the
// version in force.
func (w *walk) compareAnswers() {
	count := map[string]int{}
	for _, v := range w.all() {
		if (v.Kind == waybill.CancellationAnswer || v.Kind == waybill.ChangeAnswer) && v.outcome == OutcomeDone && !w.isRest(v) {
			count[v.Subject]++
		}
	}
	for _, f := range w.s.of(famCancel) {
		own := f.event == "" // what Waybill gave up may have shipped after all, or been cancelled before
		if f.place == Applied && count[f.subject] != 1 && (!own || count[f.subject] != 0) {
			w.rt.Fatalf("request %s: %d answers\n%s", f.subject, count[f.subject], w.story())
		}
	}
	if o := w.s.inForce(); o.changed && count[versionSubject(o.version)] != 1 {
		w.rt.Fatalf("version %d: %d answers\n%s", o.version, count[versionSubject(o.version)], w.story())
	}
}

// TestWalk_OrderOfArrivalDoesNotMatter shuffles and repeats the facts between
// any two of Waybill's own events: the same documents are wanted at every
// point, with the same content, and the order ends the same (promise 4).
func TestWalk_OrderOfArrivalDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := newWalk(rt)
		w.strange = true
		for range w.draw("steps", 1, 50) {
			w.step()
		}
		straight, shuffled := New("SO-1", w.p), New("SO-1", w.p)
		for from := 0; from < len(w.events); {
			to := from + 1
			for to < len(w.events) && isFact(w.events[from]) && isFact(w.events[to]) {
				to++
			}
			run := slices.Clone(w.events[from:to])
			for i := range run {
				Decide(straight, &run[i], w.p)
			}
			if len(run) > 1 {
				run = rapid.Permutation(run).Draw(rt, "run")
				if w.draw("twice", 0, 1) == 1 {
					again := run[w.draw("again", 0, len(run)-1)]
					again.ID += "-again"
					run = append(run, again)
				}
			}
			for i := range run {
				Decide(shuffled, &run[i], w.p)
			}
			compareWanted(rt, w, straight, shuffled)
			from = to
		}
	})
}

func isFact(e waybill.Event) bool { return e.Source != "waybill" }

func compareWanted(rt *rapid.T, w *walk, a, b *Sales) {
	if diff := cmp.Diff(a.View(), b.View(), decimals); diff != "" {
		rt.Fatalf("another order of arrival, another view:\n%s\n%s", diff, w.story())
	}
	if diff := cmp.Diff(wanted(rt, a, w.p), wanted(rt, b, w.p)); diff != "" {
		rt.Fatalf("another order of arrival, other documents:\n%s\n%s", diff, w.story())
	}
}

// wanted are the documents in lanes and not attempted, with their content.
func wanted(rt fataler, s *Sales, p *Policy) map[string]string {
	out := map[string]string{}
	for _, d := range s.docs {
		if d.state != planned {
			continue
		}
		composed, err := Compose(s, d.key, p)
		if err != nil {
			rt.Fatal(err)
		}
		text, err := waybill.Marshal(composed)
		if err != nil {
			rt.Fatal(err)
		}
		out[d.key] = composed.Target + " " + string(text)
	}
	return out
}
