package trace_test

import (
	"crypto/sha256"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/internal/lane"
	"github.com/waybillhq/waybill/internal/ledger"
	"github.com/waybillhq/waybill/internal/store"
	"github.com/waybillhq/waybill/internal/store/sqlite"
	"github.com/waybillhq/waybill/internal/trace"
)

func edi(set string, control int) []byte {
	return fmt.Appendf(nil, "ISA*00*          *00*          *ZZ*EXAMPLEBUY     *ZZ*EXAMPLEHDW     *260102*1200*U*00401*%09d*0*P*>~GS*PO*A*B*20260102*1200*1*X*004010~ST*%s*0001~", control, set)
}

// exchanged is a store in which a partner sent two orders, and one of three
// ship notices was acknowledged with errors, one is due and one rejected.
func exchanged(t *testing.T) *sqlite.Store {
	t.Helper()
	st, err := sqlite.Open(t.Context(), "", sqlite.Options{Memory: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	if _, err := st.Acquire(t.Context(), "r1"); err != nil {
		t.Fatal(err)
	}
	message := func(id, first int64, events int, body []byte) ledger.Message {
		return ledger.Message{ID: id, Source: "bigbox", DedupeID: fmt.Sprint(id), Status: ledger.Accepted, ReceivedAt: at(int(id)), SHA256: sha256.Sum256(body),
			Body: body, FirstEvent: first, Events: events}
	}
	report := func(id int64, kind waybill.EventType, data string) ledger.Event {
		return ledger.Event{ID: id, Waybill: 1, Message: 40, Type: kind, Source: "bigbox", State: ledger.Applied, RecordedAt: at(int(id)), Data: []byte(data)}
	}
	notice := func(id int64, key string, state lane.State, ackBy time.Time) lane.Delivery {
		return lane.Delivery{ID: id, Waybill: 1, Key: key, Target: "bigbox", Lane: "SO-1", Kind: waybill.Fulfilment, Subject: key, Event: 11, Seq: id, State: state,
			Attempts: 1, StartedAt: at(int(id)), AckBy: ackBy, Ref: fmt.Sprintf("%09d", id), DecidedAt: at(int(id))}
	}
	tx, err := st.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.KeepMessages(t.Context(), []ledger.Message{message(10, 11, 2, edi("850", 7)), message(20, 21, 1, edi("860", 8)), message(40, 41, 2, edi("997", 9))}); err != nil {
		t.Fatal(err)
	}
	flow := row(2, "bigbox-7")
	flow.Kind = waybill.FlowInterchange
	b := &store.Batch{
		Waybills: []ledger.Waybill{row(1, "SO-1"), flow},
		Events: []ledger.Event{
			{ID: 11, Waybill: 2, Message: 10, Type: waybill.InterchangeReceived, Source: "bigbox", State: ledger.Applied, RecordedAt: at(11),
				Data: []byte(`{"interchange":"bigbox-7","standard":"X12","control":"000000007","status":"accepted_with_errors","problem":"a count is wrong"}`)},
			{ID: 12, Waybill: 1, Message: 10, Type: waybill.OrderPlaced, Source: "bigbox", State: ledger.Applied, RecordedAt: at(12), Data: []byte(content)},
			{ID: 21, Waybill: 1, Message: 20, Type: waybill.OrderChanged, Source: "bigbox", State: ledger.Applied, RecordedAt: at(21), Data: []byte(content)},
			report(41, waybill.DocumentApplied, `{"key":"notice-1","control":30,"result":{"acknowledged":"E"}}`),
			report(42, waybill.DocumentRejected, `{"key":"notice-3","control":32,"problem":{"code":"edi_rejected","detail":"AK9 R"}}`),
		},
		Deliveries: []lane.Delivery{
			{ID: 13, Waybill: 2, Key: "ack-1", Target: "bigbox", Lane: "~~interchange~bigbox-7", Kind: waybill.FunctionalAcknowledgment, Event: 11, Seq: 1,
				State: lane.Done, Attempts: 1, StartedAt: at(13), Ref: "000000013", DecidedAt: at(13)},
			notice(30, "notice-1", lane.Done, at(600)), notice(31, "notice-2", lane.Waiting, at(600)), notice(32, "notice-3", lane.Parked, at(600)),
		},
		Bodies: []lane.Body{{Delivery: 13, Bytes: edi("997", 13)}, {Delivery: 30, Bytes: edi("856", 30)}, {Delivery: 31, Bytes: edi("856", 31)}, {Delivery: 32, Bytes: edi("856", 32)}},
	}
	if err := tx.Write(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	return st
}

func TestInterchanges_BothWaysNewestFirstWithTheirAcknowledgments(t *testing.T) {
	s := trace.New(exchanged(t), nil)
	list := func(now time.Time, size int) (out []string) {
		for before, more := int64(0), true; more; {
			var page []trace.Interchange
			var err error
			page, more, err = s.Interchanges(t.Context(), trace.InterchangeQuery{Systems: []string{"bigbox"}, Before: before, Limit: size, Now: now})
			if err != nil {
				t.Fatal(err)
			}
			for i := range page {
				ic := &page[i]
				before = ic.ID
				out = append(out, fmt.Sprintf("%d %s %s %v %s %s by %d answers %v orders %v", ic.Message, ic.Key, ic.Control, ic.Sets, ic.State, ic.Reason, ic.AnsweredBy, ic.Answers, ic.Orders))
			}
		}
		return out
	}
	want := []string{
		"40  000000009 [997] accepted  by 0 answers [] orders [SO-1]",
		"0 notice-3 000000032 [856] rejected AK9 R by 40 answers [] orders [SO-1]",
		"0 notice-2 000000031 [856] awaiting  by 0 answers [] orders [SO-1]",
		"0 notice-1 000000030 [856] accepted_with_errors  by 40 answers [] orders [SO-1]",
		"20  000000008 [860] accepted  by 0 answers [] orders [SO-1]",
		"0 ack-1 000000013 [997] sent  by 0 answers [] orders []",
		"10  000000007 [850] accepted_with_errors a count is wrong by 0 answers [{ack-1 done}] orders [SO-1]",
	}
	for _, size := range []int{1, 2, 100} {
		if diff := cmp.Diff(want, list(at(60), size)); diff != "" {
			t.Errorf("pages of %d (-want +got):\n%s", size, diff)
		}
	}
	want[2] = "0 notice-2 000000031 [856] overdue  by 0 answers [] orders [SO-1]"
	if diff := cmp.Diff(want, list(at(601), 100)); diff != "" {
		t.Errorf("past the deadline (-want +got):\n%s", diff)
	}
}
