package desk

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/internal/engine"
	"github.com/waybillhq/waybill/internal/exception"
	"github.com/waybillhq/waybill/internal/process"
	"github.com/waybillhq/waybill/internal/tower"
)

// TestRing_CountsByMinute compares the ring with the list of all samples.
func TestRing_CountsByMinute(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const begin = 1_000_000
		r := newRing(3660, begin, Traffic{In: 5})
		exact := map[int64]int64{begin: 5}
		second, total := int64(begin), int64(5)
		for range rapid.IntRange(1, 40).Draw(t, "samples") {
			next := second + rapid.Int64Range(0, 200).Draw(t, "pause")
			for s := second + 1; s <= next; s++ {
				exact[s] = total
			}
			total += rapid.Int64Range(0, 9).Draw(t, "more")
			exact[next] = total
			second = next
			r.put(second, Traffic{In: total})
		}
		var want []int
		for k := min((second-max(begin, second-3660))/60+1, minutesShown) - 1; k >= 0; k-- {
			to, from := second-60*k, max(second-60*k-60, begin)
			want = append(want, int(exact[to]-exact[from]))
		}
		got := r.minutes(second, func(v Traffic) int64 { return v.In })
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("minutes differ (-want +got):\n%s", diff)
		}
	})
}

func TestRing_ClockSetBack(t *testing.T) {
	r := newRing(60, 100, Traffic{})
	r.put(110, Traffic{In: 7})
	r.put(105, Traffic{In: 9})
	if got := r.within(110).In; got != 9 {
		t.Errorf("a minute has %d, want all 9", got)
	}
}

func decimal(s string) waybill.Decimal { return waybill.MustDecimal(s) }

func TestBar_CountsEachUnitOnce(t *testing.T) {
	for _, c := range []struct {
		name string
		line process.LineView
		want tower.Bar
	}{
		{"nothing yet", process.LineView{Ordered: decimal("4")}, tower.Bar{{Stage: "open", Qty: "4", Permille: 1000}}},
		{"all the way and back", process.LineView{Ordered: decimal("48"), Allocated: decimal("48"), Picked: decimal("48"), Shipped: decimal("48"),
			Posted: decimal("48"), Invoiced: decimal("48"), Returned: decimal("2")},
			tower.Bar{{Stage: "returned", Qty: "2", Permille: 42}, {Stage: "invoiced", Qty: "46", Permille: 958}}},
		{"each stage", process.LineView{Ordered: decimal("10"), Cancelled: decimal("1"), Allocated: decimal("7"), Picked: decimal("4"), Packed: decimal("5"),
			Shipped: decimal("3"), Posted: decimal("2"), Invoiced: decimal("1")},
			tower.Bar{{Stage: "invoiced", Qty: "1", Permille: 111}, {Stage: "posted", Qty: "1", Permille: 111}, {Stage: "shipped", Qty: "1", Permille: 111},
				{Stage: "picked", Qty: "2", Permille: 223}, {Stage: "allocated", Qty: "2", Permille: 222}, {Stage: "open", Qty: "2", Permille: 222}}},
		{"shipped without a pick", process.LineView{Ordered: decimal("3"), Shipped: decimal("1.5")},
			tower.Bar{{Stage: "shipped", Qty: "1.5", Permille: 500}, {Stage: "open", Qty: "1.5", Permille: 500}}},
		{"more than ordered", process.LineView{Ordered: decimal("2"), Shipped: decimal("3")}, tower.Bar{{Stage: "shipped", Qty: "3", Permille: 1000}}},
		{"a fee", process.LineView{Ordered: decimal("1"), Invoiced: decimal("1")}, tower.Bar{{Stage: "invoiced", Qty: "1", Permille: 1000}}},
		{"cancelled", process.LineView{Ordered: decimal("3"), Cancelled: decimal("3")}, nil},
	} {
		if diff := cmp.Diff(c.want, bar(c.line)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}

func TestBar_SharesAreWhole(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var lines []process.LineView
		qty := rapid.Custom(func(t *rapid.T) waybill.Decimal {
			return waybill.NewDecimal(rapid.Int64Range(0, 50).Draw(t, "n")).Quo(waybill.NewDecimal(rapid.Int64Range(1, 7).Draw(t, "d")))
		})
		for range rapid.IntRange(1, 5).Draw(t, "lines") {
			lines = append(lines, process.LineView{Ordered: qty.Draw(t, "o"), Allocated: qty.Draw(t, "a"), Picked: qty.Draw(t, "p"),
				Shipped: qty.Draw(t, "s"), Posted: qty.Draw(t, "x"), Invoiced: qty.Draw(t, "i"), Returned: qty.Draw(t, "r")})
		}
		b, sum := bar(lines...), 0
		for _, s := range b {
			if s.Permille < 0 {
				t.Fatalf("a share is below nothing: %v", b)
			}
			sum += s.Permille
		}
		if len(b) > 0 && sum != 1000 {
			t.Fatalf("the shares of %v sum to %d, want 1000", b, sum)
		}
	})
}

func TestMoney(t *testing.T) {
	for _, c := range []struct{ amount, currency, want string }{
		{"4812.6", "EUR", "EUR 4,812.60"}, {"0", "EUR", "EUR 0.00"}, {"999", "USD", "USD 999.00"}, {"1000", "JPY", "JPY 1,000"},
		{"-1234567.891", "KWD", "KWD -1,234,567.891"}, {"0.0125", "EUR", "EUR 0.0125"}, {"123456", "EUR", "EUR 123,456.00"}, {"5", "", ""},
	} {
		if got := money(waybill.Money{Amount: decimal(c.amount), Currency: c.currency}); got != c.want {
			t.Errorf("%s of %s is written %q, want %q", c.amount, c.currency, got, c.want)
		}
	}
}

func TestSpan(t *testing.T) {
	for ms, want := range map[float64]string{0.4: "0 ms", 640: "640 ms", 949: "949 ms", 960: "1.0 s", 4230: "4.2 s", 59_999: "1 min", 3_599_000: "59 min", 22_320_000: "6 h 12"} {
		if got := span(ms); got != want {
			t.Errorf("%g ms are written %q, want %q", ms, got, want)
		}
	}
}

func TestCauseOf(t *testing.T) {
	for name, want := range map[string]string{
		"refused_shipment_posting_item_unknown": "Shipment posting refused: item unknown",
		"refused_sales_order_change_locked":     "Sales order change refused: locked",
		"refused_sales_order_change":            "Sales order refused: change",
		"refused_something_else":                "Refused: something else",
		"late_first_shipment":                   "Late: first shipment",
		"in_doubt":                              "Not known whether it was taken",
		"new_kind_of_trouble":                   "New kind of trouble",
	} {
		if got := causeOf(name).title; got != want {
			t.Errorf("cause %s is called %q, want %q", name, got, want)
		}
	}
}

// TestGathering_HoldsAnOrdersValueOnce: however many of its documents are
// stuck, an order holds up its value once, in each group and in all.
func TestGathering_HoldsAnOrdersValueOnce(t *testing.T) {
	worth := func(amount, currency string) waybill.Money {
		return waybill.Money{Amount: decimal(amount), Currency: currency}
	}
	noon := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	g := newGathering()
	for _, x := range []exception.Exception{
		{Waybill: 1, Cause: "late_ship", Money: worth("100", "EUR"), Since: noon},
		{Waybill: 1, Cause: "in_doubt", Money: worth("100", "EUR"), Since: noon},
		{Waybill: 1, Cause: "in_doubt", Money: worth("100", "EUR"), Since: noon.Add(-time.Hour)},
		{Waybill: 2, Cause: "late_ship", Money: worth("7", "USD"), Since: noon},
		{Waybill: 3, Cause: "late_ship", Since: noon},
		{Cause: "target_rewind", Subject: "erp", Since: noon},
		{Cause: "message_quarantined", Subject: "shop/1", Since: noon},
		{Cause: "message_quarantined", Subject: "wms/1", Since: noon},
	} {
		g.add(x)
	}
	all := g.result()
	type line struct {
		Cause, System string
		Count         int
		Held          []string
		Since         time.Time
	}
	got := []line{{"", "", all.count, all.held.text(), time.Time{}}}
	for _, one := range all.groups {
		got = append(got, line{one.cause, one.system, one.count, one.held.text(), one.since})
	}
	want := []line{{"", "", 8, []string{"EUR 100.00", "USD 7.00"}, time.Time{}},
		{"in_doubt", "", 2, []string{"EUR 100.00"}, noon.Add(-time.Hour)}, {"message_quarantined", "", 2, []string{}, noon},
		{"target_rewind", "erp", 1, []string{}, noon}, {"late_ship", "", 3, []string{"EUR 100.00", "USD 7.00"}, noon}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("groups, the worst first (-want +got):\n%s", diff)
	}
}

func TestCommandFor(t *testing.T) {
	closing := exception.Exception{ID: 5, Cause: "version_conflict", Actions: []string{"close"}}
	excess := exception.Exception{ID: 6, Ref: "SO-1", Cause: "over_shipped", Actions: []string{"close"}}
	parked := exception.Exception{ID: 7, Cause: "in_doubt", Actions: []string{"settle", "retry", "skip"}}
	for _, c := range []struct {
		kind tower.ActionKind
		x    exception.Exception
		want engine.Command
	}{
		{tower.Skip, closing, engine.Command{Object: engine.ToException, Name: "exc_5", ID: 5, Action: "close", Reason: "why", Ref: "R-1"}},
		{tower.Settle, excess, engine.Command{Object: engine.ToOrder, Name: "SO-1", Action: "settle_excess", ID: 6, Reason: "why, reference R-1", Ref: "R-1"}},
		{tower.Skip, parked, engine.Command{Object: engine.ToException, Name: "exc_7", ID: 7, Action: "skip", Reason: "why", Ref: "R-1"}},
		{tower.Settle, parked, engine.Command{Object: engine.ToException, Name: "exc_7", ID: 7, Action: "settle", Reason: "why", Ref: "R-1"}},
	} {
		got := commandFor(tower.Action{Kind: c.kind, Reason: "why", Ref: "R-1"}, c.x)
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s of %s (-want +got):\n%s", c.kind, c.x.Cause, diff)
		}
	}
}

// TestFresh holds an answer to its promise: right after a commit where reading
// is cheap, and never read so often that reading is the work.
func TestFresh(t *testing.T) {
	now := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	var f fresh[int]
	reads, cost := 0, time.Duration(0)
	get := func(batches int64) (int, bool) {
		v, stale, err := f.get(func() time.Time { return now }, batches, func() (int, error) {
			reads++
			now = now.Add(cost)
			return reads, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return v, stale
	}
	want := func(what string, batches int64, value int, stale bool) {
		t.Helper()
		if v, s := get(batches); v != value || s != stale {
			t.Errorf("%s: reading %d, stale %v; want %d, %v", what, v, s, value, stale)
		}
	}
	want("first", 1, 1, false)
	want("nothing was committed", 1, 1, false)
	want("a commit, and reading is cheap", 2, 2, false)
	cost = 10 * time.Millisecond
	want("a dear reading", 3, 3, false)
	want("a commit soon after it", 4, 3, true)
	now = now.Add(freshShare * cost)
	want("a while after it", 4, 4, false)
	want("right after", 5, 4, true)
	f.forget()
	want("after an action", 5, 5, false)
}
