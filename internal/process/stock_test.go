package process

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/waybillhq/waybill"
)

var stockPolicy = &Policy{Namespace: "test", Company: "01", ERP: "erp", Limbo: 10 * time.Minute,
	Channels: map[string]Channel{"shop": {Documents: true, Availability: true}, "desk": {Documents: true}}}

// bench holds a Stock with lanes around it and books behind them.
type bench struct {
	t     rapid.TB
	s     *Stock
	past  map[string][]byte
	lanes map[string][]string // keys not settled, by target
	docs  map[string]Doc
	books map[string]waybill.Decimal // by document and sku: what the ERP's stock changed by
	shop  string                     // the last availability that the channel was told
	sent  []string                   // what targets were sent, in order
	open  map[ExceptionKey]bool
	place map[string]FactPlace
	now   time.Time
	n     int
	seq   map[string]int64
}

func newBench(t rapid.TB, kind waybill.FlowKind, ref string) *bench {
	return &bench{t: t, s: newStock(kind, ref), past: map[string][]byte{}, lanes: map[string][]string{}, docs: map[string]Doc{},
		books: map[string]waybill.Decimal{}, open: map[ExceptionKey]bool{}, place: map[string]FactPlace{}, seq: map[string]int64{},
		now: time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)}
}

// tell folds an event, with the state stored and read back before.
func (b *bench) tell(e *waybill.Event) Decision {
	b.t.Helper()
	again, err := loadStock(b.s.Append(nil))
	if err != nil {
		b.t.Fatal(err)
	}
	b.s = again
	b.n++
	e.ID, e.RecordedAt = fmt.Sprint(b.n), b.now
	if name := b.s.Asks(e); name != "" {
		if err := b.s.Recall(name, b.past[name]); err != nil {
			b.t.Fatal(err)
		}
	}
	dec := b.s.Decide(e, stockPolicy)
	for _, p := range dec.Past {
		b.past[p.Name] = p.Data
	}
	for _, key := range append(slices.Clone(dec.Withdraw), dec.Skip...) {
		b.drop(key)
	}
	for _, d := range dec.Add {
		if slices.Contains(b.lanes[d.Target], d.Key) {
			b.t.Fatalf("document %s is put into its lane twice", d.Subject)
		}
		b.docs[d.Key] = d
		if d.Front {
			b.lanes[d.Target] = slices.Insert(b.lanes[d.Target], 0, d.Key)
		} else {
			b.lanes[d.Target] = append(b.lanes[d.Target], d.Key)
		}
	}
	for _, k := range dec.Clear {
		delete(b.open, k)
	}
	for _, x := range dec.Raise {
		b.open[x.ExceptionKey] = true
	}
	for _, f := range dec.Facts {
		b.place[f.Event] = f.Place
	}
	return dec
}

func (b *bench) drop(key string) {
	b.t.Helper()
	target := b.docs[key].Target
	at := slices.Index(b.lanes[target], key)
	if at < 0 {
		b.t.Fatalf("document %s is taken out of a lane that it is not in", b.docs[key].Subject)
	}
	b.lanes[target] = slices.Delete(b.lanes[target], at, at+1)
}

// adjusted tells of an adjustment; at is the sender's clock.
func (b *bench) adjusted(doc string, version int64, qty, more string) string {
	data := fmt.Sprintf(`{"document":%q,"sku":"A","warehouse":"W1","version":%d,"qty":%q,"reason":"count"%s}`, doc, version, qty, more)
	b.tell(&waybill.Event{Type: waybill.InventoryAdjusted, Source: "wms", Subject: doc + "/A/W1", Version: version,
		OccurredAt: b.now, Data: []byte(data)})
	return fmt.Sprint(b.n)
}

func (b *bench) position(available, asOf string) string {
	at, err := time.Parse(time.RFC3339, asOf)
	if err != nil {
		b.t.Fatal(err)
	}
	data := fmt.Sprintf(`{"sku":"A","warehouse":"W1","available":%q,"as_of":%q}`, available, asOf)
	b.tell(&waybill.Event{Type: waybill.InventoryPosition, Source: "erp", Subject: "A/W1", Version: at.UnixMicro(), OccurredAt: at, Data: []byte(data)})
	return fmt.Sprint(b.n)
}

// attempt makes the first attempt of a target's head; "" where its lane is
// empty or its head is on its way.
func (b *bench) attempt(target string) string {
	b.t.Helper()
	if len(b.lanes[target]) == 0 {
		return ""
	}
	key := b.lanes[target][0]
	if d := b.s.paper(key); d.State != planned {
		return ""
	}
	doc, err := b.s.Compose(key, stockPolicy)
	if err != nil {
		b.t.Fatal(err)
	}
	var lines []string
	for _, l := range doc.Lines {
		lines = append(lines, l.SKU+":"+l.Qty.String())
	}
	b.sent = append(b.sent, strings.TrimSpace(fmt.Sprintf("%s %s.%d %s", doc.Kind, doc.Subject, doc.Revision, strings.Join(lines, " "))))
	b.seq[target]++
	b.tell(&waybill.Event{Type: waybill.DocumentAttempted, Body: &Attempted{Key: key, Seq: b.seq[target]}})
	return key
}

// answer settles a document. The books take what was applied.
func (b *bench) answer(key string, o Outcome) {
	b.t.Helper()
	d := b.s.paper(key)
	if d == nil {
		b.t.Fatalf("document %s is not on its way", key)
	}
	a := &Settled{Key: key, Outcome: o, Receipt: &waybill.Receipt{Ref: "R"}}
	switch o {
	case OutcomeDone:
		for _, l := range d.Lines {
			if d.Kind == waybill.InventoryAvailability {
				b.shop = l.Qty.String()
			} else {
				at := b.s.move(d.Move).Force.Document + "/" + l.SKU
				b.books[at] = b.books[at].Add(l.Qty)
			}
		}
		b.drop(key)
	case OutcomeSkipped, OutcomeAbsent:
		b.drop(key)
	case OutcomeRefused:
		a.Receipt, a.Problem = nil, &waybill.Problem{Code: "item_unknown"}
	}
	b.tell(&waybill.Event{Type: waybill.DocumentSettled, Body: a})
}

// deliver brings everything in the lane to its target.
func (b *bench) deliver(target string) {
	b.t.Helper()
	for len(b.lanes[target]) > 0 {
		key := b.lanes[target][0]
		b.attempt(target)
		b.answer(key, OutcomeDone)
	}
}

func (b *bench) wantSent(want ...string) {
	b.t.Helper()
	if diff := cmp.Diff(want, b.sent); diff != "" {
		b.t.Errorf("sent (-want +got):\n%s", diff)
	}
}

func (b *bench) wantBooks(doc, want string) {
	b.t.Helper()
	if got := b.books[doc]; !got.Equal(waybill.MustDecimal(want)) {
		b.t.Errorf("the books hold %s for %s, want %s", got, doc, want)
	}
}

func TestStock_AdjustmentsNeverCoalesce(t *testing.T) {
	b := newBench(t, waybill.FlowItem, "A")
	b.adjusted("ADJ-1", 1, "-3", "")
	b.adjusted("ADJ-2", 1, "2.5", "")
	b.deliver("erp")
	b.wantSent("inventory_adjustment ADJ-1.0 A:-3", "inventory_adjustment ADJ-2.0 A:2.5")
}

func TestStock_ANewerVersion(t *testing.T) {
	t.Run("before the first attempt is carried", func(t *testing.T) {
		b := newBench(t, waybill.FlowItem, "A")
		first := b.adjusted("ADJ-1", 1, "-3", "")
		b.adjusted("ADJ-1", 2, "-5", "")
		b.deliver("erp")
		b.wantSent("inventory_adjustment ADJ-1.0 A:-5")
		if b.place[first] != Superseded {
			t.Errorf("version 1 is %s, want superseded", b.place[first])
		}
	})
	t.Run("after it is a difference", func(t *testing.T) {
		b := newBench(t, waybill.FlowItem, "A")
		b.adjusted("ADJ-1", 1, "-3", "")
		key := b.attempt("erp")
		b.adjusted("ADJ-1", 2, "-5", "")
		b.answer(key, OutcomeDone)
		b.deliver("erp")
		b.adjusted("ADJ-1", 3, "1", "")
		b.deliver("erp")
		b.wantSent("inventory_adjustment ADJ-1.0 A:-3", "inventory_adjustment ADJ-1.v2.0 A:-2", "inventory_adjustment ADJ-1.v3.0 A:6")
		b.wantBooks("ADJ-1/A", "1")
	})
	t.Run("replaces one that was refused", func(t *testing.T) {
		b := newBench(t, waybill.FlowItem, "A")
		b.adjusted("ADJ-1", 1, "-3", "")
		b.answer(b.attempt("erp"), OutcomeRefused)
		if len(b.open) != 1 {
			t.Errorf("%d exceptions are open, want one of the refusal", len(b.open))
		}
		b.adjusted("ADJ-1", 2, "-5", "")
		b.deliver("erp")
		b.wantSent("inventory_adjustment ADJ-1.0 A:-3", "inventory_adjustment ADJ-1.1 A:-5")
		if len(b.open) != 0 {
			t.Errorf("exceptions stay open: %v", b.open)
		}
	})
	t.Run("of nothing is taken back", func(t *testing.T) {
		b := newBench(t, waybill.FlowItem, "A")
		b.adjusted("ADJ-1", 1, "-3", "")
		b.adjusted("ADJ-1", 2, "0", "")
		if len(b.lanes["erp"]) != 0 {
			t.Errorf("the lane holds %v, want nothing", b.lanes["erp"])
		}
		b.adjusted("ADJ-1", 3, "4", "")
		b.deliver("erp")
		b.wantSent("inventory_adjustment ADJ-1.0 A:4")
	})
}

// A message that is read again under another mapping says what it says now: the
// ERP gets the difference, and all of it back where it says nothing any more.
func TestStock_ReadAgain(t *testing.T) {
	b := newBench(t, waybill.FlowItem, "A")
	first := b.adjusted("ADJ-1", 1, "-3", "")
	b.deliver("erp")
	again := func(replaces, qty string, void bool) {
		b.tell(&waybill.Event{Type: waybill.InventoryAdjusted, Source: "wms", Subject: "ADJ-1/A/W1", Version: 1, Replaces: replaces, Void: void,
			Data: []byte(`{"document":"ADJ-1","sku":"A","warehouse":"W1","qty":"` + qty + `","reason":"count"}`)})
		b.deliver("erp")
	}
	id := fmt.Sprint(b.n + 1)
	again(first, "-36", false)
	b.wantBooks("ADJ-1/A", "-36")
	if b.place[first] != Superseded || b.place[id] != Applied {
		t.Errorf("the readings are %s and %s, want superseded and applied", b.place[first], b.place[id])
	}
	again(id, "-36", true)
	b.wantBooks("ADJ-1/A", "0")
	if len(b.open) != 0 {
		t.Errorf("open: %v", b.open)
	}
}

// What two warehouses, or two sides of a transfer, call by one number are two
// documents.
func TestStock_OneNumberOfTwoWarehouses(t *testing.T) {
	b := newBench(t, waybill.FlowItem, "A")
	for _, warehouse := range []string{"W1", "W2"} {
		b.tell(&waybill.Event{Type: waybill.InventoryAdjusted, Source: "wms", Subject: "ADJ-1/A/" + warehouse, Version: 1,
			Data: []byte(`{"document":"ADJ-1","sku":"A","warehouse":"` + warehouse + `","qty":"-1","reason":"count"}`)})
	}
	b.tell(&waybill.Event{Type: waybill.InventoryAdjusted, Source: "wms2", Subject: "ADJ-1/A/W1", Version: 1,
		Data: []byte(`{"document":"ADJ-1","sku":"A","warehouse":"W1","qty":"-1","reason":"count"}`)})
	if n := len(slices.Compact(slices.Sorted(slices.Values(b.lanes["erp"])))); n != 3 {
		t.Errorf("%d documents, want three with keys of their own", n)
	}
	b.deliver("erp")
	b.wantBooks("ADJ-1/A", "-3")

	tr := newBench(t, waybill.FlowTransfer, "T-1")
	move := `{"document":"T-1","warehouse":"W1","lines":[{"sku":"A","qty":"5"},{"sku":"B","qty":"2"}]}`
	tr.tell(&waybill.Event{Type: waybill.TransferShipped, Source: "wms", Subject: "T-1", Version: 1, Data: []byte(move)})
	tr.tell(&waybill.Event{Type: waybill.TransferReceived, Source: "wms", Subject: "T-1", Version: 1, Data: []byte(strings.Replace(move, "W1", "W2", 1))})
	tr.deliver("erp")
	tr.wantSent("inventory_adjustment T-1.0 A:-5 B:-2", "inventory_adjustment T-1.0 A:5 B:2")
}

// A receipt corrected downwards is an adjustment: a posting has no minus.
func TestStock_ReceiptCorrected(t *testing.T) {
	b := newBench(t, waybill.FlowReceipt, "GR-1")
	tell := func(version int64, a, bq string) {
		b.tell(&waybill.Event{Type: waybill.ReceiptConfirmed, Source: "wms", Subject: "GR-1", Version: version, Data: []byte(fmt.Sprintf(
			`{"document":"GR-1","warehouse":"W1","version":%d,"lines":[{"sku":"A","qty":%q},{"sku":"B","qty":%q}]}`, version, a, bq))})
	}
	tell(1, "10", "4")
	b.deliver("erp")
	tell(2, "8", "5")
	b.deliver("erp")
	b.wantSent("receipt_posting GR-1.0 A:10 B:4", "receipt_posting GR-1.v2.0 B:1", "inventory_adjustment GR-1.v2.0 A:-2")
	b.wantBooks("GR-1/A", "8")
	b.wantBooks("GR-1/B", "5")
	last := b.docs[slices.Sorted(func(yield func(string) bool) {
		for k, d := range b.docs {
			if d.Kind == waybill.InventoryAdjustment && !yield(k) {
				return
			}
		}
	})[0]]
	if last.Compensates == "" {
		t.Error("the adjustment names no posting that it compensates")
	}
}

// Positions are absolute: a channel that was down hears the newest alone, and
// an older one never replaces a newer one.
func TestStock_AvailabilityCoalesces(t *testing.T) {
	b := newBench(t, waybill.FlowItem, "A")
	b.position("10", "2026-03-02T09:00:00Z")
	first := b.attempt("shop")
	b.position("8", "2026-03-02T09:01:00Z")
	b.position("7", "2026-03-02T09:03:00Z")
	late := b.position("9", "2026-03-02T09:02:00Z")
	if n := len(b.lanes["shop"]); n != 2 {
		t.Errorf("%d documents are on their way, want the attempted one and the newest", n)
	}
	if b.place[late] != Superseded {
		t.Errorf("the late position is %s, want superseded", b.place[late])
	}
	b.answer(first, OutcomeDone)
	b.deliver("shop")
	b.position("7", "2026-03-02T09:10:00Z")
	if n := len(b.lanes["shop"]); n != 0 {
		t.Errorf("the channel is told %d times what it knows", n)
	}
	b.wantSent("inventory_availability W1.1772442000000000.0 A:10", "inventory_availability W1.1772442180000000.0 A:7")
	if len(b.lanes["desk"]) != 0 {
		t.Error("a channel that does not take availability is told")
	}
}

// A newer position takes a refused one out of the lane, and one that said the
// same as a document in doubt is told when that did not take effect.
func TestStock_AvailabilityAfterTrouble(t *testing.T) {
	b := newBench(t, waybill.FlowItem, "A")
	b.position("10", "2026-03-02T09:00:00Z")
	b.answer(b.attempt("shop"), OutcomeRefused)
	b.position("8", "2026-03-02T09:01:00Z")
	second := b.attempt("shop")
	b.position("9", "2026-03-02T09:02:00Z")
	b.position("8", "2026-03-02T09:03:00Z")
	if n := len(b.lanes["shop"]); n != 1 {
		t.Errorf("%d documents are on their way, want one", n)
	}
	b.answer(second, OutcomeAbsent)
	b.deliver("shop")
	if b.shop != "8" || len(b.open) != 0 {
		t.Errorf("the channel holds %s with %v open, want 8 and nothing", b.shop, b.open)
	}
}

// A position is spent once, and stays spent while it is in force.
func TestStock_SpentOnce(t *testing.T) {
	b := newBench(t, waybill.FlowItem, "A")
	event := b.position("10", "2026-03-02T09:00:00Z")
	b.tell(&waybill.Event{Type: waybill.StockAllotted, Body: &Allotted{Position: event, Warehouse: "W1",
		Lines: []waybill.LineQty{{Line: "1", SKU: "A", Qty: waybill.MustDecimal("6")}, {Line: "2", SKU: "B", Qty: waybill.MustDecimal("1")}}}})
	b.position("10", "2026-03-02T09:00:00Z")
	if _, left, _ := b.s.Position("W1"); !left.Equal(waybill.MustDecimal("4")) {
		t.Errorf("%s are left, want 4", left)
	}
	b.position("10", "2026-03-02T09:05:00Z")
	if _, left, _ := b.s.Position("W1"); !left.Equal(waybill.MustDecimal("10")) {
		t.Errorf("%s are left of the newer position, want 10", left)
	}
}

// A unit that nobody knows waits, a person is told in time, and the item's
// record lets it in.
func TestStock_UnknownUnitWaits(t *testing.T) {
	b := newBench(t, waybill.FlowItem, "A")
	id := b.adjusted("ADJ-1", 1, "2", `,"uom":"CS"`)
	if b.place[id] != Limbo || len(b.lanes["erp"]) != 0 {
		t.Fatalf("it is %s with %d documents, want limbo and none", b.place[id], len(b.lanes["erp"]))
	}
	b.now = b.now.Add(11 * time.Minute)
	b.tell(&waybill.Event{Type: waybill.TimerFired, Body: &Fired{Name: TimerLimbo}})
	if b.place[id] != Parked || !b.open[ExceptionKey{Cause: "unknown_unit", Subject: id}] {
		t.Errorf("it is %s with %v open", b.place[id], b.open)
	}
	b.tell(&waybill.Event{Type: waybill.ItemChanged, Source: "erp", Subject: "A", Version: 1,
		Data: []byte(`{"sku":"A","base_uom":"EA","uoms":[{"uom":"CS","ratio":"12"}]}`)})
	b.deliver("erp")
	b.wantSent("inventory_adjustment ADJ-1.0 A:24")
	if b.place[id] != Applied || len(b.open) != 0 {
		t.Errorf("it is %s with %v open, want applied and nothing", b.place[id], b.open)
	}
}

// An item is adjusted for years: its state does not grow, and what comes again
// from long ago is known.
func TestStock_StateStaysBounded(t *testing.T) {
	b := newBench(t, waybill.FlowItem, "A")
	size := 0
	for i := range 3000 {
		b.adjusted(fmt.Sprintf("ADJ-%d", i), 1, "-1", "")
		b.deliver("erp")
		if n := len(b.s.Append(nil)); i == 10 {
			size = n
		} else if i > 10 && n > size+8 {
			t.Fatalf("after %d adjustments the state has %d bytes, after 10 it had %d", i, n, size)
		}
	}
	again := b.adjusted("ADJ-7", 1, "-1", "")
	if b.place[again] != Ignored || len(b.lanes["erp"]) != 0 {
		t.Errorf("the repetition is %s with %d documents, want ignored and none", b.place[again], len(b.lanes["erp"]))
	}
	b.adjusted("ADJ-7", 2, "-4", "")
	b.deliver("erp")
	b.wantBooks("ADJ-7/A", "-4")
	if n := len(b.s.Append(nil)); n > size+8 {
		t.Errorf("the state has %d bytes at the end, %d at first", n, size)
	}
}

// Whatever comes in whichever order, however often, between whichever answers:
// the books end with what the highest versions say, and nothing is left over.
func TestStock_Walk(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		b := newBench(rt, waybill.FlowItem, "A")
		force := map[string][2]int64{} // document → version, quantity
		newest, available := 0, 0
		for range rapid.IntRange(1, 40).Draw(rt, "steps") {
			switch rapid.IntRange(0, 8).Draw(rt, "step") {
			case 0, 1, 2:
				doc := fmt.Sprintf("ADJ-%d", rapid.IntRange(0, 2).Draw(rt, "doc"))
				version := rapid.Int64Range(1, 4).Draw(rt, "version")
				qty := (version*7+int64(len(doc)))%5 - 2 // one content per version
				b.adjusted(doc, version, fmt.Sprint(qty), "")
				if version > force[doc][0] {
					force[doc] = [2]int64{version, qty}
				}
			case 3:
				minute := rapid.IntRange(1, 9).Draw(rt, "minute")
				b.position(fmt.Sprint(minute%4), fmt.Sprintf("2026-03-02T09:%02d:00Z", minute))
				if minute > newest {
					newest, available = minute, minute%4
				}
			case 4, 5:
				b.attempt(rapid.SampledFrom([]string{"erp", "shop"}).Draw(rt, "target"))
			default:
				target := rapid.SampledFrom([]string{"erp", "shop"}).Draw(rt, "answerer")
				if len(b.lanes[target]) == 0 {
					continue
				}
				key := b.lanes[target][0]
				switch b.s.paper(key).State {
				case attempted:
					b.answer(key, rapid.SampledFrom([]Outcome{OutcomeDone, OutcomeDone, OutcomePending, OutcomeRefused, OutcomeAbsent}).Draw(rt, "outcome"))
				case pending, refused:
					b.answer(key, OutcomeDone)
				}
			}
		}
		for _, target := range []string{"erp", "shop"} {
			for len(b.lanes[target]) > 0 {
				key := b.lanes[target][0]
				b.attempt(target)
				b.answer(key, OutcomeDone)
			}
		}
		for doc, want := range force {
			b.wantBooks(doc+"/A", fmt.Sprint(want[1]))
		}
		if newest > 0 && b.shop != fmt.Sprint(available) {
			rt.Errorf("the channel holds %q, want %d", b.shop, available)
		}
		if len(b.s.x.Moves)+len(b.s.x.Docs) != 0 || len(b.open) != 0 {
			rt.Errorf("left over: %d movements, %d documents, %v", len(b.s.x.Moves), len(b.s.x.Docs), b.open)
		}
		seq, after := b.s.Mark("erp")
		if seq != b.seq["erp"] || after > seq {
			rt.Errorf("the lane's mark is %d and %d, want %d", seq, after, b.seq["erp"])
		}
	})
}
