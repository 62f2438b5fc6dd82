package trace_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/internal/engine"
	"github.com/waybillhq/waybill/internal/exception"
	"github.com/waybillhq/waybill/internal/lane"
	"github.com/waybillhq/waybill/internal/ledger"
	"github.com/waybillhq/waybill/internal/process"
	"github.com/waybillhq/waybill/internal/store"
	"github.com/waybillhq/waybill/internal/store/sqlite"
	"github.com/waybillhq/waybill/internal/trace"
)

var (
	policy = &process.Policy{Namespace: "test", ERP: "erp", WMS: "wms", Channels: map[string]process.Channel{"shop": {}}}
	noon   = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	berlin = time.FixedZone("", 3600)
)

// at is so many seconds after noon.
func at(seconds int) time.Time { return noon.Add(time.Duration(seconds) * time.Second) }

func key(order, target string, kind waybill.Kind) string {
	return waybill.Identity{Namespace: "test", Target: target, Origin: "shop", OriginRef: order, Kind: kind, Subject: order}.Key()
}

const content = `{"order":"SO-1","version":1,"customer":"C1","po":"PO-9","currency":"EUR","lines":[{"line":"1","sku":"A","qty":"5","uom":"EA","price":"9.90"}]}`

// told is a store in which one order was placed, its check answered, and its
// sales order refused once and tried again; another order shares its PO.
func told(t *testing.T) *sqlite.Store {
	t.Helper()
	st, err := sqlite.Open(t.Context(), "", sqlite.Options{Memory: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	heads, err := st.Acquire(t.Context(), "r1")
	if err != nil {
		t.Fatal(err)
	}
	check, sales := key("SO-1", "erp", waybill.OrderCheck), key("SO-1", "erp", waybill.SalesOrder)
	first, second := row(1, "SO-1"), row(2, "SO-2")
	b := &store.Batch{
		Waybills: []ledger.Waybill{first, second},
		Events: []ledger.Event{
			{ID: 11, Waybill: 1, Message: 10, Type: waybill.OrderPlaced, Source: "shop", Version: 1, State: ledger.Applied,
				OccurredAt: at(-7200).In(berlin), RecordedAt: at(0), Data: []byte(content),
				Decision: []byte(fmt.Sprintf(`{"add":[{"key":%q,"target":"erp","kind":"order_check","why":"W4.1 checked first"}],"attempt":[{"key":%q,"seq":1}]}`, check, check))},
			{ID: 13, Waybill: 1, Type: waybill.DocumentSettled, Source: "waybill", State: ledger.Applied, RecordedAt: at(2),
				Data:     []byte(fmt.Sprintf(`{"key":%q,"outcome":"done","receipt":{"ref":"E-1","applied_at":"2026-01-02T12:00:01Z"}}`, check)),
				Decision: []byte(fmt.Sprintf(`{"add":[{"key":%q,"target":"erp","kind":"sales_order","why":"W4.1 approved"}]}`, sales))},
			{ID: 15, Waybill: 1, Type: waybill.CommandGiven, Source: "waybill", State: ledger.Applied, RecordedAt: at(30),
				Data: []byte(`{"command":"recheck","actor":"mara","reason":"limit raised"}`)},
			{ID: 16, Waybill: 1, Type: waybill.TimerFired, Source: "waybill", State: ledger.Applied, RecordedAt: at(40), Data: []byte(`{"name":"hold_recheck"}`)},
			{ID: 17, Waybill: 1, Type: waybill.EntityTouched, Source: "waybill", State: ledger.Applied, RecordedAt: at(41), Data: []byte(`{"kind":"customer","id":"C1"}`)},
			{ID: 18, Waybill: 1, Type: waybill.DocumentSettled, Source: "waybill", State: ledger.Applied, RecordedAt: at(50),
				Data:     []byte(fmt.Sprintf(`{"key":%q,"outcome":"refused","problem":{"code":"unknown_item","detail":"A is not known"}}`, sales)),
				Decision: []byte(fmt.Sprintf(`{"withdraw":[%q],"skip":["gone"]}`, sales))},
			{ID: 21, Message: 20, Type: "message.quarantined", Source: "shop", State: ledger.QuarantinedEvent, Reason: "/data: is missing", RecordedAt: at(60)},
		},
		References: []ledger.Reference{{Waybill: 1, System: "waybill", Kind: "sales", Value: "SO-1"}, {Waybill: 2, System: "waybill", Kind: "sales", Value: "SO-2"},
			{Waybill: 1, System: "C1", Kind: "po", Value: "PO-9"}, {Waybill: 2, System: "C1", Kind: "po", Value: "PO-9"}, {Waybill: 2, System: "C2", Kind: "po", Value: "SO-1"}},
		Deliveries: []lane.Delivery{
			{ID: 12, Waybill: 1, Key: check, Target: "erp", Lane: "SO-1", Kind: waybill.OrderCheck, Subject: "v1.r0", Event: 11, Seq: 1, State: lane.Done,
				Attempts: 1, StartedAt: at(0), Deadline: at(30), EndedAt: at(2), Outcome: waybill.Done, Ref: "E-1", DecidedAt: at(0), SettledAt: at(2)},
			{ID: 14, Waybill: 1, Key: sales, Target: "erp", Lane: "SO-1", Kind: waybill.SalesOrder, Subject: "SO-1", Event: 13, Seq: 2, State: lane.Ready,
				Reason: "throttled", Attempts: 2, StartedAt: at(20), Deadline: at(50), DecidedAt: at(2), Epoch: 3},
		},
		Attempts:   []lane.Attempt{{Delivery: 14, Number: 1, Epoch: 2, Started: at(2), Deadline: at(32), Ended: at(3), Outcome: waybill.Throttled, Detail: "429"}},
		Bodies:     []lane.Body{{Delivery: 14, ContentType: "application/json", Bytes: []byte(`{"kind":"sales_order"}`)}},
		Exceptions: []exception.Exception{{ID: 30, Waybill: 1, Ref: "SO-1", Cause: "refused_sales_order_unknown_item", Subject: sales, State: exception.Open, Since: at(50)}},
	}
	write(t, st, heads, b)
	return st
}

func write(t *testing.T, st *sqlite.Store, heads []ledger.Head, b *store.Batch) {
	t.Helper()
	tx, err := st.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	messages := []ledger.Message{
		{ID: 10, Source: "shop", DedupeID: "m-1", Status: ledger.Accepted, ReceivedAt: at(0), SHA256: sha256.Sum256([]byte("raw")), Body: []byte("raw"), Header: []byte(`{}`), FirstEvent: 11, Events: 1},
		{ID: 20, Source: "shop", DedupeID: "m-2", Status: ledger.Quarantined, ReceivedAt: at(60), Body: []byte("what"), Header: []byte(`{}`), FirstEvent: 21, Events: 1},
	}
	if _, err := tx.KeepMessages(t.Context(), messages); err != nil {
		t.Fatal(err)
	}
	for i := range b.Events {
		b.Events[i].Seq = int64(i + 1)
		b.Events[i].Link(heads[0].Hash)
		heads[0].Hash, heads[0].Seq = b.Events[i].Hash, b.Events[i].Seq
	}
	b.Heads = heads[:1]
	if err := tx.Write(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func row(id int64, ref string) ledger.Waybill {
	s := process.New(ref, policy)
	if id == 1 {
		process.Decide(s, &waybill.Event{ID: "11", Type: waybill.OrderPlaced, Source: "shop", Flow: waybill.FlowSales, Ref: ref, Version: 1,
			Data: []byte(content), RecordedAt: at(0)}, policy)
	}
	return ledger.Waybill{ID: id, Tag: process.Tag(ref, policy), Kind: waybill.FlowSales, Ref: ref, Version: 1,
		Status: s.Status(), State: s.Append(nil), CreatedAt: at(0), UpdatedAt: at(int(id))}
}

// paused is an engine whose ERP is paused.
type paused struct{ err error }

// Systems implements trace.Live.
func (p paused) Systems(context.Context) ([]engine.SystemStatus, error) {
	return []engine.SystemStatus{{Name: "erp", Paused: "operator", Breaker: "closed"}, {Name: "wms", Breaker: "open"}}, p.err
}

func TestOrder_ByAnyReference(t *testing.T) {
	s := trace.New(told(t), nil)
	for ref, want := range map[string]struct {
		order   string
		several []string
	}{
		"SO-1":                                 {order: "SO-1"}, // also the purchase order of SO-2
		"SO-2":                                 {order: "SO-2"},
		"PO-9":                                 {several: []string{"SO-2", "SO-1"}},
		key("SO-1", "erp", waybill.SalesOrder): {order: "SO-1"},
	} {
		o, several, err := s.Order(t.Context(), ref)
		if err != nil {
			t.Errorf("%s: %v", ref, err)
			continue
		}
		if o.Waybill.Ref != want.order || !cmp.Equal(several, want.several) {
			t.Errorf("%s names %q, %v; want %q, %v", ref, o.Waybill.Ref, several, want.order, want.several)
		}
	}
	for _, ref := range []string{"", "SO-3", key("SO-1", "wms", waybill.SalesOrder), strings.Repeat("z", waybill.KeyLength)} {
		if _, _, err := s.Order(t.Context(), ref); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%q: %v, want not found", ref, err)
		}
	}
}

func TestOrder_IsReadWhole(t *testing.T) {
	o, _, err := trace.New(told(t), paused{}).Order(t.Context(), "SO-1")
	if err != nil {
		t.Fatal(err)
	}
	if o.Content == nil || o.Content.PO != "PO-9" || len(o.Content.Lines) != 1 {
		t.Errorf("content %+v", o.Content)
	}
	if len(o.View.Lines) != 1 || o.View.Lines[0].Ordered.String() != "5" || o.View.PO != "PO-9" {
		t.Errorf("view %+v", o.View)
	}
	if len(o.Exceptions) != 1 || o.Exceptions[0].ID != 30 {
		t.Errorf("exceptions %+v", o.Exceptions)
	}
	if len(o.Deliveries) != 2 || o.Deliveries[0].Shown != lane.Done || o.Deliveries[1].Shown != lane.Parked || o.Deliveries[1].Reason != "operator" {
		t.Errorf("deliveries %+v", o.Deliveries)
	}
	broken := errors.New("the engine is gone")
	if _, _, err := trace.New(told(t), paused{broken}).Order(t.Context(), "SO-1"); !errors.Is(err, broken) {
		t.Errorf("without the engine's word: %v", err)
	}
}

func TestTimeline_TellsTheStoryInOrder(t *testing.T) {
	st := told(t)
	s := trace.New(st, nil)
	found, err := s.Find(t.Context(), "SO-1")
	if err != nil {
		t.Fatal(err)
	}
	entries, err := s.Timeline(t.Context(), found[0])
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for i, e := range entries {
		if e.Seq != i+1 {
			t.Errorf("entry %d has seq %d", i, e.Seq)
		}
		got = append(got, fmt.Sprintf("%s %s %s | %s | %s | %s | %s", e.At.Format("15:04:05Z07:00"), e.Clock, e.Kind, e.System, e.Title, e.Detail, e.State))
	}
	want := []string{
		"11:00:00+01:00 shop event | shop | Order placed |  | applied",
		"12:00:00Z waybill decision |  | Send order check to erp | W4.1 checked first | ",
		"12:00:00Z waybill delivery | erp | Order check to erp |  | done",
		"12:00:01Z erp receipt | erp | Order check taken by erp as E-1 |  | done",
		"12:00:02Z waybill decision |  | Send sales order to erp | W4.1 approved | ",
		"12:00:02Z waybill delivery | erp | Sales order to erp | throttled | ready",
		"12:00:20Z waybill attempt | erp | Sales order to erp, attempt 2 |  | ",
		"12:00:30Z waybill event |  | Mara told it to recheck | limit raised | applied",
		"12:00:40Z waybill event |  | Time came for hold recheck |  | applied",
		"12:00:41Z waybill event |  | Customer C1 changed |  | applied",
		"12:00:50Z waybill receipt | erp | Sales order refused by erp | unknown_item: A is not known | refused",
		"12:00:50Z waybill decision |  | Withdraw sales order to erp, take document gone out of its lane |  | ",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestMessage_WithWhatItBecame(t *testing.T) {
	s := trace.New(told(t), nil)
	m, err := s.Message(t.Context(), 10)
	if err != nil {
		t.Fatal(err)
	}
	if string(m.Body) != "raw" || len(m.Message.SHA256) != 32 || m.Source != "shop" {
		t.Errorf("message %+v", m.Message)
	}
	if len(m.Canonical) != 1 || m.Canonical[0].Ref != "SO-1" || !strings.Contains(m.Canonical[0].Pretty, "\n  \"order\": \"SO-1\",\n") {
		t.Errorf("events %+v", m.Canonical)
	}
	if q, err := s.Message(t.Context(), 20); err != nil || q.Canonical[0].State != ledger.QuarantinedEvent || q.Canonical[0].Ref != "" {
		t.Errorf("quarantined: %+v, %v", q, err)
	}
	if _, err := s.Message(t.Context(), 11); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("an event's id reads a message: %v", err)
	}
}

func TestDocument_AsItWasSent(t *testing.T) {
	s := trace.New(told(t), nil)
	d, err := s.Document(t.Context(), key("SO-1", "erp", waybill.SalesOrder))
	if err != nil {
		t.Fatal(err)
	}
	if d.Ref != "SO-1" || string(d.Body.Bytes) != `{"kind":"sales_order"}` {
		t.Errorf("document %+v", d)
	}
	want := []lane.Attempt{
		{Delivery: 14, Number: 1, Epoch: 2, Started: at(2), Deadline: at(32), Ended: at(3), Outcome: waybill.Throttled, Detail: "429"},
		{Delivery: 14, Number: 2, Epoch: 3, Started: at(20), Deadline: at(50)},
	}
	if diff := cmp.Diff(want, d.Attempts); diff != "" {
		t.Errorf("attempts (-want +got):\n%s", diff)
	}
	if _, err := s.Document(t.Context(), "nothing"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("an unknown key: %v", err)
	}
}

func TestDeliveries_ByTheStateShown(t *testing.T) {
	st := told(t)
	tests := []struct {
		live trace.Live
		q    trace.DeliveryQuery
		want []int64
	}{
		{nil, trace.DeliveryQuery{}, []int64{12, 14}},
		{nil, trace.DeliveryQuery{State: lane.Ready}, []int64{14}},
		{nil, trace.DeliveryQuery{State: lane.Parked}, nil},
		{paused{}, trace.DeliveryQuery{State: lane.Ready}, nil},
		{paused{}, trace.DeliveryQuery{State: lane.Parked}, []int64{14}},
		{paused{}, trace.DeliveryQuery{State: lane.Parked, Target: "wms"}, nil},
		{paused{}, trace.DeliveryQuery{State: lane.Parked, After: 14}, nil},
		{paused{}, trace.DeliveryQuery{State: lane.Waiting}, nil},
		{paused{}, trace.DeliveryQuery{Order: "PO-9", State: lane.Parked}, []int64{14}},
		{paused{}, trace.DeliveryQuery{Order: "SO-2"}, nil},
		{paused{}, trace.DeliveryQuery{Limit: 1}, []int64{12}},
	}
	for _, tt := range tests {
		if tt.q.Limit == 0 {
			tt.q.Limit = 10
		}
		ds, err := trace.New(st, tt.live).Deliveries(t.Context(), tt.q)
		if err != nil {
			t.Fatal(err)
		}
		var got []int64
		for _, d := range ds {
			got = append(got, d.ID)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%+v with %T (-want +got):\n%s", tt.q, tt.live, diff)
		}
	}
}

func TestPretty(t *testing.T) {
	for in, want := range map[string]string{`{"a":[1]}`: "{\n  \"a\": [\n    1\n  ]\n}", "no JSON": "no JSON", "": ""} {
		if got := trace.Pretty([]byte(in)); got != want {
			t.Errorf("%q becomes %q", in, got)
		}
	}
}
