package process

import (
	"errors"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/waybillhq/waybill"
)

func TestNew_OriginIsTheLongestPrefix(t *testing.T) {
	p := &Policy{Namespace: "test", Channels: map[string]Channel{
		"shop": {}, "portal": {Prefix: "portal~."}, "portal-us": {Prefix: "portal~.us~."}}}
	for ref, want := range map[string][2]string{
		"1001":              {"shop", "1001"},
		"portal~.7":         {"portal", "7"},
		"portal~.us~.7~2F8": {"portal-us", "7/8"},
	} {
		s := New(ref, p)
		if got := [2]string{s.Origin(), s.OwnNumber()}; got != want || s.Ref() != ref {
			t.Errorf("order %s comes from %v, want %v", ref, got, want)
		}
	}
	delete(p.Channels, "shop")
	if s := New("1001", p); s.Origin() != "" || s.OwnNumber() != "1001" {
		t.Errorf("without a channel of that prefix the order has origin %q, number %q", s.Origin(), s.OwnNumber())
	}
}

// TestDecide_NothingWithoutContent: a state fresh from the store decides
// nothing, and changes nothing, before the order's content is attached.
func TestDecide_NothingWithoutContent(t *testing.T) {
	d := life(t)
	blob := d.s.Append(nil)
	s, err := Load(blob)
	if err != nil {
		t.Fatal(err)
	}
	e := waybill.Event{ID: "E99", Type: waybill.CommandGiven, Source: "waybill", RecordedAt: d.now, Body: &Command{Command: Hold}}
	out := Decide(s, &e, d.p)
	if len(out.Missing) != 2 || !slices.Equal(out.Missing, s.Missing()) || len(out.Facts)+len(out.Withdraw) > 0 {
		t.Errorf("decided %+v, want only what is missing: the order and its shipment", out)
	}
	if got := string(s.Append(nil)); got != string(blob) {
		t.Errorf("the state changed:\n%s\n%s", blob, got)
	}
	if _, err := Compose(s, s.docs[0].key, d.p); err == nil || !strings.Contains(err.Error(), "attach") {
		t.Errorf("composing without content says %v, want what to attach", err)
	}
	if _, err := Compose(d.s, "no-such-key", d.p); err == nil || !strings.Contains(err.Error(), "SO-1") {
		t.Errorf("composing an unknown document says %v, want the order and the key", err)
	}
}

func TestAttach_SaysWhatIsWrong(t *testing.T) {
	s := life(t).s
	if err := s.Attach("E777", []byte(`{}`)); err == nil || !strings.Contains(err.Error(), "does not ask") {
		t.Errorf("attaching an event that nobody asked for: %v", err)
	}
	if err := s.Attach("E10", []byte(`{}`)); err == nil { // a pick: nothing of it is missing
		t.Error("attached a fact that is complete")
	}
	if err := s.Attach("E1", []byte(`{"lines":7}`)); err == nil || !strings.Contains(err.Error(), "E1") {
		t.Errorf("attaching what is no order: %v", err)
	}
	if missing := s.Missing(); !slices.Equal(missing, []string{"E1"}) {
		t.Errorf("missing %v, want the order again", missing)
	}
}

func TestFetch_ReadsWhatIsMissing(t *testing.T) {
	d := life(t)
	s := d.s
	for _, f := range s.facts {
		f.event, f.body = strings.TrimPrefix(f.event, "E"), nil
	}
	for _, doc := range s.docs {
		doc.fact = strings.TrimPrefix(doc.fact, "E")
	}
	gone := errors.New("gone")
	if err := s.Fetch(func(int64) ([]byte, error) { return nil, gone }); !errors.Is(err, gone) {
		t.Errorf("a failing read gives %v", err)
	}
	err := s.Fetch(func(id int64) ([]byte, error) {
		at := slices.IndexFunc(d.events, func(e waybill.Event) bool { return e.ID == "E"+strconv.FormatInt(id, 10) })
		return d.events[at].Data, nil
	})
	if err != nil || s.Missing() != nil || !s.Placed() || s.Customer() != "C-100" || s.Content().PO != "PO-4711" {
		t.Errorf("fetched with %v: %v missing, content %+v", err, s.Missing(), s.Content())
	}
}

// TestOpenValue_IsWhatIsStillToBill counts down from the order's value to none.
func TestOpenValue_IsWhatIsStillToBill(t *testing.T) {
	d := life(t)
	if v, currency := d.s.OpenValue(); !v.IsZero() || currency != "EUR" {
		t.Errorf("a finished order is still to bring in %s %s", currency, v)
	}
	s := New("SO-1", d.p)
	if v, _ := s.OpenValue(); !v.IsZero() {
		t.Errorf("an unknown order is to bring in %s", v)
	}
	Decide(s, &d.events[0], d.p)
	if v, _ := s.OpenValue(); v.String() != "207.9" { // 21 pieces at 9.90
		t.Errorf("a new order is to bring in %s, want 207.9", v)
	}
}

// TestLoad_DamageIsAnError: whatever is wrong with a stored state, reading it
// says so and never breaks.
func TestLoad_DamageIsAnError(t *testing.T) {
	d := life(t)
	d.tell(waybill.Event{Type: waybill.PickConfirmed, Source: "wms", Subject: "P", Body: &waybill.Progress{Document: "P", Lines: []waybill.LineQty{{Line: "9", Qty: decimal("1")}}}})
	d.tell(waybill.Event{Type: waybill.CommandGiven, Source: "waybill", Body: &Command{Command: Hold, Reason: "why"}})
	blob := d.s.Append(nil)
	for n := range blob {
		if s, err := Load(blob[:n]); err == nil {
			t.Fatalf("the first %d bytes read as a whole order: %+v", n, s)
		}
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 5000 {
		bad := slices.Clone(blob)
		for range 1 + random.IntN(3) {
			bad[random.IntN(len(bad))] = byte(' ' + random.IntN(95))
		}
		if s, err := Load(bad); err == nil {
			s.Append(nil) // what is accepted can be written again
			s.Missing()
		}
	}
	for _, bad := range []string{"\x02\x01{}", "\x01\x09{}", "\x01\x01[]", "\x01\x01{\"q\":1}", "\x01\x01{\"f\":[{\"q\":\"5\"}]}",
		"\x01\x01{\"d\":[{\"o\":9}]}", "\x01\x01{\"d\":[{\"t\":9}]}", "\x01\x01{\"f\":[{\"s\":2}]}", "\x01\x01{\"f\":[{\"n\":1}]}"} {
		if _, err := Load([]byte(bad)); err == nil || !strings.Contains(err.Error(), "load order state") {
			t.Errorf("%q reads as a state: %v", bad, err)
		}
	}
}

func TestVector_RoundTrip(t *testing.T) {
	for text, want := range map[string]vector{
		"":            nil,
		"5,3":         {{0, decimal("5")}, {1, decimal("3")}},
		"2=1/3,7=0.5": {{2, waybill.NewDecimal(1).Quo(waybill.NewDecimal(3))}, {7, decimal("0.5")}},
		"1,0=2":       {{0, decimal("1")}, {0, decimal("2")}},
	} {
		var got vector
		if err := got.UnmarshalText([]byte(text)); err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(entry{}), decimals); diff != "" {
			t.Errorf("%q reads otherwise:\n%s", text, diff)
		}
		if back := string(got.appendTo(nil)); back != text {
			t.Errorf("%q is written back as %q", text, back)
		}
	}
	for _, bad := range []string{"x", "1,", "-1=2", "a=1", "1=1=1"} {
		var v vector
		if err := v.UnmarshalText([]byte(bad)); err == nil {
			t.Errorf("%q reads as quantities %v", bad, v)
		}
	}
}

// TestCompose_UnknownFieldsSurvive: what a source sent and nobody knows reaches
// the systems behind.
func TestCompose_UnknownFieldsSurvive(t *testing.T) {
	d := newDesk(t, testPolicy())
	d.tell(waybill.Event{Type: waybill.OrderPlaced, Source: "shop", Version: 1,
		Data: []byte(`{"order":"SO-1","currency":"EUR","service":"next day","gift":{"wrap":true},"lines":[{"line":"1","sku":"A","qty":"1","uom":"EA","price":"1.00"}]}`)})
	sent, _ := d.attempt(d.find(waybill.OrderCheck, "").Key)
	for _, field := range []string{`"service":"next day"`, `"gift":{"wrap":true}`} {
		if !strings.Contains(string(sent.Data), field) {
			t.Errorf("%s is lost: %s", field, sent.Data)
		}
	}
}

// TestBill_TurnsGoByAttempt: which shipment's invoice takes what may be
// invoiced is settled by the order of the postings' attempts, not by that of
// arrival.
func TestBill_TurnsGoByAttempt(t *testing.T) {
	var ends []map[string]string
	for _, arrival := range [][]string{{"SH-1", "SH-2"}, {"SH-2", "SH-1"}} {
		d := newDesk(t, testPolicy())
		d.tell(waybill.Event{Type: waybill.OrderPlaced, Source: "shop", Version: 1, Body: &waybill.Order{Order: "SO-1", Currency: "EUR",
			Lines: []waybill.OrderLine{{Line: "1", Qty: decimal("1"), UOM: "EA", Price: decimal("1")}}}})
		run := func(kind waybill.Kind, subject string) {
			v := d.find(kind, subject, "planned")
			d.attempt(v.Key)
			d.settle(&Settled{Key: v.Key, Outcome: OutcomeDone, Receipt: &waybill.Receipt{Ref: "R", Result: []byte(`{"approved":true}`)}})
		}
		run(waybill.OrderCheck, "")
		run(waybill.SalesOrder, "")
		for _, id := range arrival {
			d.tell(waybill.Event{ID: id, Type: waybill.ShipmentConfirmed, Source: "wms", Subject: id, Body: &waybill.Shipment{Order: "SO-1", Shipment: id,
				ShippedAt: "2026-03-02T15:04:05Z", Lines: []waybill.LineQty{{Line: "1", Qty: decimal("1")}}}})
		}
		run(waybill.ShipmentPosting, "SH-2")
		run(waybill.ShipmentPosting, "SH-1")
		ends = append(ends, wanted(t, d.s, d.p))
		if v := d.find(waybill.Invoice, "", "planned"); v == nil || d.name(v.Doc) != "of:SH-2" {
			t.Errorf("told of %v: the invoice is %+v, want SH-2's", arrival, v)
		}
	}
	if diff := cmp.Diff(ends[0], ends[1]); diff != "" {
		t.Errorf("another order of arrival, other documents:\n%s", diff)
	}
}
