package shopify_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/connector"
	"github.com/waybillhq/waybill/connector/connectortest"
)

// deliver makes one attempt with a document.
func deliver(t *testing.T, c connector.Connector, d waybill.Document) waybill.Outcome {
	t.Helper()
	r, err := c.Renderer.Render(d)
	if err != nil {
		t.Fatal(err)
	}
	o, err := c.Deliverer.Deliver(t.Context(), connector.Attempt{Kind: d.Kind, Order: d.Order, Key: d.Key, Attempt: 1,
		Body: r.Body, ContentType: r.ContentType, Deadline: connectortest.Now.Add(30e9)})
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func inquire(t *testing.T, c connector.Connector, d waybill.Document) connector.Finding {
	t.Helper()
	r, err := c.Renderer.Render(d)
	if err != nil {
		t.Fatal(err)
	}
	f, err := c.Inquirer.Inquire(t.Context(), connector.Inquiry{Kind: d.Kind, Order: d.Order, Key: d.Key, Body: r.Body, Deadline: connectortest.Now})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// shipment is a fulfilment of so many bolts and drills.
func shipment(kind waybill.Kind, number string, nBolts, nDrills int64, tracking ...string) waybill.Document {
	data := map[string]any{"shipment": number, "carrier": "UPS"}
	var packages []any
	for _, n := range tracking {
		packages = append(packages, map[string]any{"tracking": n})
	}
	data["packages"] = packages
	raw, _ := json.Marshal(data)
	return waybill.Document{Kind: kind, Order: "web~.5512345678901234567", Key: strings.Repeat("k", 33), Data: raw,
		Lines: []waybill.DocumentLine{{Line: bolts, Qty: waybill.NewDecimal(nBolts)}, {Line: drills, Qty: waybill.NewDecimal(nDrills)}}}
}

func wantLog(t *testing.T, f *fakeShop, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, f.log); diff != "" {
		t.Errorf("mutations (-want +got):\n%s", diff)
	}
}

func TestFulfil_PartsOfAnOrder(t *testing.T) {
	f := newFakeShop(t)
	c := openOn(t, f)
	for i, d := range []waybill.Document{
		shipment(waybill.Fulfilment, "SHP-1", 6, 2, "1Z1"),
		shipment(waybill.Fulfilment, "SHP-2", 2, 0),
		shipment(waybill.Fulfilment, "SHP-3", 2, 0), // as SHP-2, and not taken for it
	} {
		if found := inquire(t, c, d); found.State != connector.FoundAbsent {
			t.Errorf("before: %+v, want absent", found)
		}
		o := deliver(t, c, d)
		if want := fmt.Sprint(901 + i); o.Verdict != waybill.Done || o.Receipt.Ref != want {
			t.Errorf("outcome %+v, want done with ref %s", o, want)
		}
		if again := deliver(t, c, d); again.Verdict != waybill.Done || again.Receipt.Ref != o.Receipt.Ref {
			t.Errorf("again: %+v, want the same", again)
		}
		if found := inquire(t, c, d); found.State != connector.FoundApplied || found.Receipt.Ref != o.Receipt.Ref {
			t.Errorf("after: %+v, want applied as %s", found, o.Receipt.Ref)
		}
	}
	wantLog(t, f, "create 901: 6 of 711, 2 of 712 as 1Z1", "create 902: 2 of 711 as SHP-2", "create 903: 2 of 711 as SHP-3")
}

func TestFulfil_OneFulfilmentForEachLocation(t *testing.T) {
	f := newFakeShop(t)
	f.orders = []fakeFulfilmentOrder{
		{id: "71", location: "1", status: "OPEN", lines: []fakeLine{{"711", bolts, 4}}},
		{id: "72", location: "2", status: "IN_PROGRESS", lines: []fakeLine{{"721", bolts, 6}, {"722", drills, 2}}},
		{id: "73", location: "1", status: "CLOSED", lines: []fakeLine{{"731", drills, 2}}},
	}
	f.pageSize = 1
	c := openOn(t, f)
	d := shipment(waybill.Fulfilment, "SHP-1", 7, 2, "1Z1")
	if o := deliver(t, c, d); o.Verdict != waybill.Done || o.Note != "" {
		t.Errorf("outcome %+v, want done", o)
	}
	wantLog(t, f, "create 901: 4 of 711 as 1Z1", "create 902: 3 of 721, 2 of 722 as 1Z1")
	if found := inquire(t, c, d); found.State != connector.FoundApplied {
		t.Errorf("after: %+v, want applied", found)
	}
}

func TestFulfil_GoesOnFromWhatIsThere(t *testing.T) {
	f := newFakeShop(t)
	f.orders = append(f.orders[:0], fakeFulfilmentOrder{id: "71", location: "1", status: "OPEN", lines: []fakeLine{{"711", bolts, 4}}},
		fakeFulfilmentOrder{id: "72", location: "2", status: "OPEN", lines: []fakeLine{{"721", bolts, 6}}})
	c := openOn(t, f)
	mutations := 0
	f.beforeAnswer = func(mutation bool) (bool, bool) {
		if mutation {
			mutations++
		}
		return true, !mutation || mutations != 1 // the first takes effect and its answer is lost
	}
	d := shipment(waybill.Fulfilment, "SHP-1", 7, 0, "1Z1")
	if o := deliver(t, c, d); o.Verdict != waybill.InDoubt {
		t.Errorf("outcome %+v, want in doubt", o)
	}
	if found := inquire(t, c, d); found.State != connector.FoundAbsent || found.Note == "" {
		t.Errorf("half of it is there: %+v, want absent with a note", found)
	}
	if o := deliver(t, c, d); o.Verdict != waybill.Done || o.Receipt.Ref != "901" {
		t.Errorf("outcome %+v, want done as 901", o)
	}
	wantLog(t, f, "create 901: 4 of 711 as 1Z1", "create 902: 3 of 721 as 1Z1")
}

func TestFulfil_Corrections(t *testing.T) {
	first := shipment(waybill.Fulfilment, "SHP-1", 6, 2, "1Z1")
	tests := []struct {
		name    string
		correct waybill.Document
		want    []string
		shipped map[string]int64
	}{
		{"OtherNumber", shipment(waybill.FulfilmentUpdate, "SHP-1", 6, 2, "1Z9"), []string{"track 901 as 1Z9"}, map[string]int64{bolts: 6, drills: 2}},
		{"More", shipment(waybill.FulfilmentUpdate, "SHP-1", 8, 2, "1Z1"), []string{"create 902: 2 of 711 as 1Z1"}, map[string]int64{bolts: 8, drills: 2}},
		{"Fewer", shipment(waybill.FulfilmentUpdate, "SHP-1", 5, 2, "1Z1"), []string{"cancel 901", "create 902: 5 of 711, 2 of 712 as 1Z1"}, map[string]int64{bolts: 5, drills: 2}},
		{"FewerAndOtherNumber", shipment(waybill.FulfilmentUpdate, "SHP-1", 5, 0, "1Z9"), []string{"cancel 901", "create 902: 5 of 711 as 1Z9"}, map[string]int64{bolts: 5}},
		{"Nothing", shipment(waybill.FulfilmentUpdate, "SHP-1", 0, 0, "1Z1"), []string{"cancel 901"}, map[string]int64{}},
		{"Same", shipment(waybill.FulfilmentUpdate, "SHP-1", 6, 2, "1Z1"), nil, map[string]int64{bolts: 6, drills: 2}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFakeShop(t)
			c := openOn(t, f)
			other := shipment(waybill.Fulfilment, "SHP-0", 1, 0, "1Z0")
			for _, d := range []waybill.Document{first, other, tt.correct} {
				if o := deliver(t, c, d); o.Verdict != waybill.Done {
					t.Fatalf("outcome %+v, want done", o)
				}
				if d.Kind == waybill.Fulfilment {
					f.log = nil
				}
			}
			for i, l := range tt.want { // the other shipment took number 902
				tt.want[i] = strings.Replace(l, "create 902", "create 903", 1)
			}
			wantLog(t, f, tt.want...)
			tt.shipped[bolts]++
			if diff := cmp.Diff(tt.shipped, f.shipped()); diff != "" {
				t.Errorf("shipped (-want +got):\n%s", diff)
			}
			if o := deliver(t, c, tt.correct); o.Verdict != waybill.Done {
				t.Errorf("again: %+v, want done", o)
			}
			wantLog(t, f, tt.want...)
		})
	}
}

// TestFulfil_StoppedHalfway: once something was written, no failure behind it
// is harmless.
func TestFulfil_StoppedHalfway(t *testing.T) {
	first := shipment(waybill.Fulfilment, "SHP-1", 6, 2, "1Z1")
	fewer := shipment(waybill.FulfilmentUpdate, "SHP-1", 5, 2, "1Z1") // cancel, look again, create
	for name, stop := range map[string]struct {
		mutation bool
		log      string
	}{"AtTheSecondLook": {false, "cancel 901"}, "AtTheSecondWrite": {true, "cancel 901"}} {
		t.Run(name, func(t *testing.T) {
			f := newFakeShop(t)
			c := openOn(t, f)
			deliver(t, c, first)
			f.log = nil
			f.beforeAnswer = func(mutation bool) (bool, bool) {
				through := len(f.log) == 0 || mutation != stop.mutation
				return through, through
			}
			if o := deliver(t, c, fewer); o.Verdict != waybill.InDoubt {
				t.Errorf("outcome %+v, want in doubt", o)
			}
			wantLog(t, f, stop.log)
			f.beforeAnswer = nil
			if o := deliver(t, c, fewer); o.Verdict != waybill.Done {
				t.Errorf("the next attempt: %+v, want done", o)
			}
			if diff := cmp.Diff(map[string]int64{bolts: 5, drills: 2}, f.shipped()); diff != "" {
				t.Errorf("shipped (-want +got):\n%s", diff)
			}
		})
	}
	t.Run("ByARefusal", func(t *testing.T) {
		f := newFakeShop(t)
		f.orders = []fakeFulfilmentOrder{{id: "71", location: "1", status: "OPEN", lines: []fakeLine{{"711", bolts, 4}}},
			{id: "72", location: "2", status: "OPEN", lines: []fakeLine{{"721", bolts, 6}}}}
		f.beforeAnswer = func(mutation bool) (bool, bool) {
			if mutation && len(f.log) == 1 { // somebody fulfils the rest between look and write
				f.orders[1].lines[0].remaining = 0
			}
			return true, true
		}
		o := deliver(t, openOn(t, f), shipment(waybill.Fulfilment, "SHP-1", 7, 0, "1Z1"))
		if o.Verdict != waybill.Refused || !strings.Contains(o.Problem.Detail, "a part of the fulfilment was written") {
			t.Errorf("outcome %+v, want refused, saying that a part was written", o)
		}
	})
}

// TestFulfil_UnderFaults: whatever is lost on the way, in either direction, the
// shop ends with each piece shipped once.
func TestFulfil_UnderFaults(t *testing.T) {
	for seed := range uint64(40) {
		chance := rand.New(rand.NewPCG(seed, 7)) //nolint:gosec // repeatable on purpose
		f := newFakeShop(t)
		f.orders = []fakeFulfilmentOrder{
			{id: "71", location: "1", status: "OPEN", lines: []fakeLine{{"711", bolts, 4}, {"712", drills, 1}}},
			{id: "72", location: "2", status: "OPEN", lines: []fakeLine{{"721", bolts, 6}, {"722", drills, 1}}},
		}
		f.beforeAnswer = func(bool) (bool, bool) { return chance.IntN(4) > 0, chance.IntN(4) > 0 }
		quiet := f.beforeAnswer
		c := openOn(t, f)
		for _, d := range []waybill.Document{
			shipment(waybill.Fulfilment, "SHP-1", 5, 0, "1Z1", "1Z2"),
			shipment(waybill.Fulfilment, "SHP-2", 2, 2),
			shipment(waybill.FulfilmentUpdate, "SHP-1", 4, 0, "1Z3"),
			shipment(waybill.FulfilmentUpdate, "SHP-2", 3, 2),
		} {
			done := false
			for range 200 {
				if deliver(t, c, d).Verdict == waybill.Done {
					done = true
					break
				}
			}
			f.beforeAnswer = nil
			if found := inquire(t, c, d); !done || found.State != connector.FoundApplied {
				t.Fatalf("seed %d: done %v, found %+v\n%s", seed, done, found, strings.Join(f.log, "\n"))
			}
			f.beforeAnswer = quiet
		}
		if diff := cmp.Diff(map[string]int64{bolts: 7, drills: 2}, f.shipped()); diff != "" {
			t.Fatalf("seed %d: shipped (-want +got):\n%s\n%s", seed, diff, strings.Join(f.log, "\n"))
		}
	}
}

func TestFulfil_WhatTheShopDoesNotExpect(t *testing.T) {
	tests := []struct {
		name   string
		change func(*fakeShop)
		want   waybill.Outcome // code of the problem, verdict; the note by whether there is one
		log    []string
	}{
		{"OnHold", func(f *fakeShop) { f.orders[0].status = "ON_HOLD" },
			waybill.Outcome{Verdict: waybill.Park, Problem: waybill.Problem{Code: "on_hold"}}, nil},
		{"Scheduled", func(f *fakeShop) { f.orders[0].status = "SCHEDULED" },
			waybill.Outcome{Verdict: waybill.Park, Problem: waybill.Problem{Code: "on_hold"}}, nil},
		{"Cancelled", func(f *fakeShop) { f.orders[0].status = "CLOSED" },
			waybill.Outcome{Verdict: waybill.Refused, Problem: waybill.Problem{Code: "nothing_to_fulfil"}}, nil},
		{"FulfilledByHand", func(f *fakeShop) {
			f.orders[0].lines[0].remaining, f.orders[0].lines[1].remaining = 0, 0
			f.fulfilments = []fakeFulfilment{{id: "55", status: "SUCCESS", numbers: []string{"other"}, lines: []fakeLine{{"711", bolts, 10}, {"712", drills, 2}}}}
		}, waybill.Outcome{Verdict: waybill.Refused, Problem: waybill.Problem{Code: "nothing_to_fulfil"}}, nil},
		{"TypedInByHand", func(f *fakeShop) {
			f.orders[0].lines[0].remaining, f.orders[0].lines[1].remaining = 4, 0
			f.fulfilments = []fakeFulfilment{{id: "55", status: "SUCCESS", numbers: []string{"1Z1"}, lines: []fakeLine{{"711", bolts, 6}, {"712", drills, 2}}}}
		}, waybill.Outcome{Verdict: waybill.Done, Receipt: waybill.Receipt{Ref: "55"}}, nil},
		{"CancelledByHand", func(f *fakeShop) {
			f.fulfilments = []fakeFulfilment{{id: "55", status: "CANCELLED", numbers: []string{"1Z1"}, lines: []fakeLine{{"711", bolts, 6}, {"712", drills, 2}}}}
		}, waybill.Outcome{Verdict: waybill.Done, Receipt: waybill.Receipt{Ref: "902"}}, []string{"create 902: 6 of 711, 2 of 712 as 1Z1"}},
		{"FewerExpected", func(f *fakeShop) { f.orders[0].lines[0].remaining = 5 },
			waybill.Outcome{Verdict: waybill.Done, Receipt: waybill.Receipt{Ref: "901"}, Note: "some"}, []string{"create 901: 5 of 711, 2 of 712 as 1Z1"}},
		{"MarkRefused", func(f *fakeShop) { f.refuseMarks = true },
			waybill.Outcome{Verdict: waybill.Done, Receipt: waybill.Receipt{Ref: "901"}}, []string{"create 901: 6 of 711, 2 of 712 as 1Z1"}},
		{"TooManyFulfilments", func(f *fakeShop) {
			for i := range 100 {
				f.fulfilments = append(f.fulfilments, fakeFulfilment{id: fmt.Sprint(i), status: "SUCCESS"})
			}
		}, waybill.Outcome{Verdict: waybill.Refused, Problem: waybill.Problem{Code: "order_too_large"}}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFakeShop(t)
			tt.change(f)
			got := deliver(t, openOn(t, f), shipment(waybill.Fulfilment, "SHP-1", 6, 2, "1Z1"))
			got.Receipt.AppliedAt = tt.want.Receipt.AppliedAt
			if got.Problem.Detail != "" {
				got.Problem.Detail, got.Note = "", ""
			}
			if got.Note != "" {
				got.Note = "some"
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("outcome (-want +got):\n%s", diff)
			}
			wantLog(t, f, tt.log...)
		})
	}
}

func TestAnswer_TagsAndMarks(t *testing.T) {
	f := newFakeShop(t)
	c := openOn(t, f)
	d, _ := rendered(t, c, "cancelled-in-part")
	if found := inquire(t, c, d); found.State != connector.FoundAbsent {
		t.Errorf("before: %+v, want absent", found)
	}
	for range 2 { // a repetition changes nothing
		if o := deliver(t, c, d); o.Verdict != waybill.Done || o.Receipt.Ref != "19" {
			t.Fatalf("outcome %+v, want done as 19", o)
		}
	}
	if found := inquire(t, c, d); found.State != connector.FoundApplied || found.Receipt.Ref != "19" {
		t.Errorf("after: %+v, want applied as 19", found)
	}
	if diff := cmp.Diff([]string{"waybill-cancelled-in-part"}, f.tags); diff != "" {
		t.Errorf("tags (-want +got):\n%s", diff)
	}
	if f.metafields[d.Key] == "" {
		t.Error("the answer itself was not kept with the order")
	}
	f.refuseMarks = true
	if o := deliver(t, c, d); o.Verdict != waybill.Refused || o.Problem.Code != "not_allowed" {
		t.Errorf("outcome %+v, want refused as not_allowed", o)
	}
}
