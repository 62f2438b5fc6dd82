package replay

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/internal/exception"
	"github.com/waybillhq/waybill/internal/ledger"
	"github.com/waybillhq/waybill/internal/store"
	"github.com/waybillhq/waybill/internal/verify"
)

// A replay of messages that read as they were read finds nothing, and a live
// one changes nothing.
func TestReplay_OfWhatIsAsItWas(t *testing.T) {
	w := newWorld(t)
	for _, order := range []string{"SO-1", "SO-2"} {
		w.push("shop", "order.placed", orderData(order, "5"))
		w.push("wms", "shipment.confirmed", shipmentData(order, "S-"+order, "5"))
	}
	sent := w.targets["erp"].count()
	from := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, req := range []Request{{From: from}, {Order: "SO-1"}, {From: from, Live: true, Actor: "ops", Reason: "a test"}} {
		res := w.replay(req)
		if !res.Clean() || res.Changed != 0 || res.Messages == 0 {
			t.Errorf("%+v finds %+v", req, res.Report)
		}
	}
	if w.targets["erp"].count() != sent {
		t.Error("something was sent")
	}
}

// Complaint 16: read again and shown with the difference before it is applied.
func TestComplaint16_DifferenceIsSeenBeforeItIsApplied(t *testing.T) {
	w := newWorld(t)
	w.push("shop", "order.placed", orderData("SO-1", "10"))
	kept := w.push("wms", "shipment.confirmed", shipmentData("SO-1", "S1", "5"))
	sent := w.targets["erp"].count()
	w.mapping.set(func(m *mapping) { m.from, m.to = `"qty":"5"`, `"qty":"7"` })
	head := w.head()

	dry := w.replay(Request{Order: "SO-1"})
	if w.targets["erp"].count() != sent || w.head() != head {
		t.Fatal("a dry run sent or recorded something")
	}
	want := []Difference{{Order: "SO-1", Currency: "EUR",
		Lines: []Line{{Line: "1", SKU: "A", UOM: "EA", Stage: "shipped", From: dec("5"), To: dec("7"), Money: dec("19.80"), Currency: "EUR"}},
		Messages: []Message{{Message: "msg_" + eventID(kept.Message), Event: "evt_" + eventID(kept.Event), Source: "wms",
			Type: "shipment.confirmed", Subject: "S1", What: Changed, State: "applied", Fields: []Field{{Path: "/lines/0/qty", From: "5", To: "7"}}}}}}
	for _, d := range dry.WouldSend {
		want[0].Send = append(want[0].Send, d.Key)
	}
	if diff := cmp.Diff(want, dry.Differs, decimals); diff != "" {
		t.Errorf("differs (-want +got):\n%s", diff)
	}
	if len(dry.WouldSend) != 1 || dry.WouldSend[0].Kind != waybill.ShipmentPosting || !dry.WouldSend[0].Lines[0].Qty.Equal(dec("2")) ||
		dry.WouldSend[0].Target != "erp" || dry.WouldSend[0].Order != "SO-1" {
		t.Errorf("would send %+v", dry.WouldSend)
	}

	live := w.replay(Request{Order: "SO-1", Live: true, Actor: "ops", Reason: "the mapping was corrected"})
	if live.WouldSend[0].Key != dry.WouldSend[0].Key {
		t.Errorf("the live replay sends %s, the dry run said %s", live.WouldSend[0].Key, dry.WouldSend[0].Key)
	}
	if kind := w.targets["erp"].seen[dry.WouldSend[0].Key]; kind != waybill.ShipmentPosting {
		t.Errorf("under the key that was shown the ERP got %q", kind)
	}
	for range 2 { // it is in force: nothing is left to do
		if again := w.replay(Request{Order: "SO-1", Live: true, Actor: "ops", Reason: "once more"}); !again.Clean() {
			t.Errorf("once more: %+v", again.Differs)
		}
	}
	w.mapping.set(func(*mapping) {})
	if back := w.replay(Request{Order: "SO-1"}); len(back.Differs) != 1 || back.Differs[0].Lines[0].To.String() != "5" ||
		back.WouldSend[0].Kind != waybill.ShipmentReversal {
		t.Errorf("the mapping is taken back: %+v", back.Report)
	}
	w.verify()
}

// One correction releases all that it kept from being understood, in a window or
// for one order.
func TestReplay_ReleasesTheQuarantined(t *testing.T) {
	w := newWorld(t)
	w.mapping.set(func(m *mapping) { m.refuses = `"sku":"A"` })
	from := w.pass(time.Hour)
	w.push("shop", "order.placed", orderData("SO-1", "5"))
	w.push("shop", "order.placed", orderData("SO-2", "3"))
	to := w.pass(time.Hour)
	w.push("shop", "order.placed", orderData("SO-3", "1"))
	if still := w.replay(Request{From: from, To: to}); !still.Clean() || still.Quarantined != 2 || still.Messages != 2 {
		t.Errorf("before the correction: %+v", still.Report)
	}
	w.mapping.set(func(*mapping) {})
	dry := w.replay(Request{From: from, To: to})
	if dry.Changed != 2 || len(dry.Differs) != 2 || dry.Differs[0].Messages[0].What != Released || len(dry.WouldSend) != 2 ||
		dry.WouldSend[0].Kind != waybill.OrderCheck || dry.WouldSend[0].Money.String() != "49.5" {
		t.Errorf("a dry run finds %+v", dry.Report)
	}
	w.replay(Request{Order: "SO-2", Live: true, Actor: "ops", Reason: "the mapping was corrected"})
	if got := w.open("message_quarantined"); len(got) != 2 {
		t.Errorf("%d messages are still quarantined, want those of SO-1 and SO-3", len(got))
	}
	w.replay(Request{From: from, To: to, Live: true, Actor: "ops", Reason: "the mapping was corrected"})
	if got := w.open("message_quarantined"); len(got) != 1 {
		t.Errorf("%d messages are still quarantined, want that of SO-3", len(got))
	}
	for _, order := range []string{"SO-1", "SO-2"} {
		if !slices.Contains(w.targets["wms"].sent, "warehouse_order "+order+" "+order) {
			t.Errorf("%s did not reach the warehouse: %v", order, w.targets["wms"].sent)
		}
	}
	if once := w.replay(Request{From: from, To: to}); !once.Clean() || once.Messages != 2 {
		t.Errorf("afterwards: %+v", once.Report)
	}
	w.verify()
}

// A shipment that was read for the wrong order leaves it and comes to the right
// one.
func TestReplay_ToAnotherOrder(t *testing.T) {
	w := newWorld(t)
	w.push("shop", "order.placed", orderData("SO-1", "5"))
	w.push("wms", "shipment.confirmed", shipmentData("0SO-1", "S1", "5")) // waits for an order 0SO-1
	w.mapping.set(func(m *mapping) { m.from, m.to = `"0SO-1"`, `"SO-1"` })
	from := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	dry := w.replay(Request{From: from})
	if len(dry.Differs) != 2 || dry.Differs[0].Messages[0].What != Gone || dry.Differs[1].Order != "SO-1" ||
		dry.Differs[1].Status == nil || dry.Differs[1].Status.To != "shipped" || len(dry.WouldSend) != 1 {
		t.Fatalf("a dry run finds %s", show(dry.Report))
	}
	w.replay(Request{From: from, Live: true, Actor: "ops", Reason: "the prefix was missing"})
	if !slices.Contains(w.targets["erp"].sent, "invoice SO-1 "+dry.WouldSend[0].Key) {
		t.Errorf("the ERP got %v", w.targets["erp"].sent)
	}
	if again := w.replay(Request{From: from}); !again.Clean() {
		t.Errorf("afterwards: %s", show(again.Report))
	}
	w.verify()
}

// What is not understood any more, and what can't be taken back, is shown and
// stands.
func TestReplay_WhatStands(t *testing.T) {
	w := newWorld(t)
	w.push("shop", "order.placed", orderData("SO-1", "5"))
	w.push("shop", "order.cancel_requested", `{"order":"SO-1","request":"R1"}`)
	head := w.head()
	for name, tt := range map[string]struct {
		set  func(*mapping)
		want What
	}{
		"not understood any more": {func(m *mapping) { m.refuses = "R1" }, Unreadable},
		"a cancellation":          {func(m *mapping) { m.from, m.to = `"request":"R1"`, `"request":"R1","lines":[{"line":"1","qty":"1"}]` }, Left},
		"an order that is gone":   {func(m *mapping) { m.silent = "order.placed" }, Left},
	} {
		w.mapping.set(tt.set)
		for _, live := range []bool{false, true} {
			res := w.replay(Request{Order: "SO-1", Live: live, Actor: "ops", Reason: "a test"})
			if len(res.WouldSend) != 0 || len(res.Differs) != 1 || res.Differs[0].Messages[0].What != tt.want || res.Differs[0].Messages[0].Reason == "" {
				t.Errorf("%s: %s", name, show(res.Report))
			}
		}
	}
	if w.head() != head {
		t.Error("something was recorded")
	}
	w.verify()
}

// What the policy in force asks of orders whose messages read as they were read
// is found, and sent once.
func TestReplay_PolicyInForce(t *testing.T) {
	w := newWorld(t)
	w.push("shop", "order.placed", orderData("SO-1", "5"))
	w.push("wms", "shipment.confirmed", shipmentData("SO-1", "S1", "7")) // two more than ordered
	from := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	if res := w.replay(Request{From: from}); !res.Clean() {
		t.Fatalf("before: %s", show(res.Report))
	}
	w.policy.OverShip = dec("0.5")
	res := w.replay(Request{From: from})
	if len(res.WouldSend) != 1 || res.WouldSend[0].Kind != waybill.Invoice || len(res.Differs) != 1 || len(res.Differs[0].Messages) != 0 {
		t.Fatalf("two pieces above the order may be billed now: %s", show(res.Report))
	}
	live := w.replay(Request{From: from, Live: true, Actor: "ops", Reason: "the tolerance was raised"})
	if live.WouldSend[0].Key != res.WouldSend[0].Key || w.targets["erp"].seen[res.WouldSend[0].Key] != waybill.Invoice {
		t.Errorf("the ERP got %v", w.targets["erp"].sent)
	}
	if again := w.replay(Request{From: from}); !again.Clean() {
		t.Errorf("afterwards: %s", show(again.Report))
	}
}

// What no connector's translator reads is left alone: pages of master data, whole
// files, and messages of a system that is gone.
func TestReplay_SkipsWhatNoTranslatorReads(t *testing.T) {
	w := newWorld(t)
	for i, m := range []ledger.Message{
		{Source: "erp", Topic: "entities/items", Body: []byte(`{"items":[],"next":""}`)},
		{Source: "shop", Topic: "orders", Header: []byte(`{"waybill-file-part":"0"}`), Body: []byte(`{"type":"order.placed"}`)},
		{Source: "gone", Body: []byte(`{}`)},
	} {
		m.DedupeID, m.Status, m.ReceivedAt, m.SHA256 = fmt.Sprint("s", i), ledger.Accepted, w.clock(), sha256.Sum256(m.Body)
		if _, err := w.eng.Keep(t.Context(), m, nil); err != nil {
			t.Fatal(err)
		}
	}
	res := w.replay(Request{From: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), Live: true, Actor: "ops", Reason: "a test"})
	if !res.Clean() || res.Skipped != 3 || res.Messages != 0 {
		t.Errorf("it finds %s", show(res.Report))
	}
}

// A window holds what was received in it, wherever in the ledger it begins.
func TestReplay_WindowIsExact(t *testing.T) {
	w := newWorld(t)
	var received []time.Time
	for i := range 24 {
		w.pass(20 * time.Minute)
		kept := w.push("shop", "order.placed", orderData(fmt.Sprintf("SO-%d", i), "1"))
		m, err := w.db.Message(t.Context(), kept.Message)
		if err != nil {
			t.Fatal(err)
		}
		received = append(received, m.ReceivedAt)
	}
	end := received[23].Add(time.Nanosecond)
	for _, tt := range []struct {
		from, to time.Time
		want     int
	}{
		{time.Time{}, received[7], 7},
		{received[7], received[8], 1},
		{received[7].Add(time.Nanosecond), received[8], 0},
		{received[3], received[20], 17},
		{received[20], time.Time{}, 4},
		{end, time.Time{}, 0},
		{received[0].Add(-24 * time.Hour), end, 24},
	} {
		if res := w.replay(Request{From: tt.from, To: tt.to}); res.Messages != tt.want {
			t.Errorf("from %v to %v: %d messages, want %d", tt.from, tt.to, res.Messages, tt.want)
		}
	}
}

// A record outlives its process, and says where that ended.
func TestRunner_RecordsOutliveTheProcess(t *testing.T) {
	w := newWorld(t)
	w.push("shop", "order.placed", orderData("SO-1", "5"))
	res := w.replay(Request{Order: "SO-1"})
	next := NewRunner(w.db, w.eng, w.runner.conf, w.clock)
	got, err := next.Get(t.Context(), res.ID)
	if err != nil || got.(*Result).State != Done || got.(*Result).Messages != 1 {
		t.Errorf("another process reads %+v: %v", got, err)
	}
	running := *res
	running.ID, running.State = replayID(2), Running
	if err := w.runner.keep(t.Context(), 2, running); err != nil {
		t.Fatal(err)
	}
	if err := w.eng.Remember(t.Context(), settingLast, "2", nil); err != nil {
		t.Fatal(err)
	}
	if got, err := next.Get(t.Context(), "rep_2"); err != nil || got.(*Result).State != Failed || !strings.Contains(got.(*Result).Error, "start it again") {
		t.Errorf("a replay whose process ended: %+v, %v", got, err)
	}
	if id, err := next.Start(t.Context(), Request{Order: "SO-1"}); err != nil || id != "rep_3" {
		t.Errorf("the next one is %s, %v", id, err)
	}
	next.Close()
	var refused *waybill.Error
	if _, err := next.Start(t.Context(), Request{Order: "SO-1"}); !errors.As(err, &refused) {
		t.Errorf("a closed runner starts another: %v", err)
	}
	for range runsKept {
		w.replay(Request{Order: "SO-1"})
	}
	if _, err := next.Get(t.Context(), res.ID); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a replay behind the last %d: %v", runsKept, err)
	}
}

func (w *world) open(cause string) []exception.Exception {
	w.Helper()
	xs, err := w.db.Exceptions(w.Context(), exception.Query{State: exception.Open, Cause: cause, Limit: 100})
	if err != nil {
		w.Fatal(err)
	}
	return xs
}

// verify wants the database to keep its promises.
func (w *world) verify() {
	w.Helper()
	rep, err := verify.Run(w.Context(), w.db, w.policy)
	if err != nil {
		w.Fatal(err)
	}
	for _, v := range rep.Violations {
		w.Errorf("verify: %s: %s: %s", v.Rule, v.Object, v.Detail)
	}
}

// head is the number of events recorded.
func (w *world) head() (n int64) {
	w.Helper()
	heads, err := w.db.Heads(w.Context())
	if err != nil {
		w.Fatal(err)
	}
	for _, h := range heads {
		n += h.Seq
	}
	return n
}

func show(r *Report) string {
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err.Error()
	}
	return string(b)
}

func dec(s string) waybill.Decimal { return waybill.MustDecimal(s) }

var decimals = cmp.Comparer(func(a, b waybill.Decimal) bool { return a.Equal(b) })

// neighbour is an engine beside others that share its database.
type neighbour struct {
	Keeper
	lives string // the other replica that is at work
}

func (n neighbour) Name() string { return "here" }

func (n neighbour) Lives(_ context.Context, replica string) (bool, error) {
	return replica == n.lives, nil
}

// One replay runs at a time, whichever replica runs it; one whose replica died
// stands in nobody's way.
func TestRunner_OneAtATimeOverReplicas(t *testing.T) {
	w := newWorld(t)
	w.push("shop", "order.placed", orderData("SO-1", "5"))
	there := Result{ID: replayID(1), State: Running, Order: "SO-1", DryRun: true, Replica: "there", StartedAt: w.clock()}
	if err := w.runner.keep(t.Context(), 1, there); err != nil {
		t.Fatal(err)
	}
	if err := w.eng.Remember(t.Context(), settingLast, "1", nil); err != nil {
		t.Fatal(err)
	}
	here := NewRunner(w.db, neighbour{w.eng, "there"}, w.runner.conf, w.clock)
	defer here.Close()
	var refused *waybill.Error
	if _, err := here.Start(t.Context(), Request{Order: "SO-1"}); !errors.As(err, &refused) || refused.Code != "replay_running" || !strings.Contains(refused.Fix, "rep_1") {
		t.Errorf("a second one beside another replica's: %v", err)
	}
	if got, err := here.Get(t.Context(), "rep_1"); err != nil || got.(*Result).State != Running {
		t.Errorf("another replica's replay: %+v, %v", got, err)
	}
	alone := NewRunner(w.db, neighbour{w.eng, ""}, w.runner.conf, w.clock)
	defer alone.Close()
	if got, err := alone.Get(t.Context(), "rep_1"); err != nil || got.(*Result).State != Failed {
		t.Errorf("a replay whose replica died: %+v, %v", got, err)
	}
	if id, err := alone.Start(t.Context(), Request{Order: "SO-1"}); err != nil || id != "rep_2" {
		t.Errorf("the next one is %s, %v", id, err)
	}
}
