package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/internal/lane"
	"github.com/waybillhq/waybill/internal/store"
)

func deliveryRoundTrip(t *testing.T, b *books) {
	ds := draw(t, anyDelivery)
	b.commit(t, &store.Batch{Deliveries: ds})
	for _, d := range ds {
		same(t, "delivery", must[lane.Delivery](t)(b.Delivery(t.Context(), d.ID)), d)
	}
	same(t, "all deliveries", must[[]lane.Delivery](t)(b.Deliveries(t.Context(), lane.Query{})), ds)
}

func deliveryReplaced(t *testing.T, b *books) {
	ds := draw(t, anyDelivery)
	b.commit(t, &store.Batch{Deliveries: ds})
	for i := range ds {
		ds[i] = rapid.Custom(func(rt *rapid.T) lane.Delivery { return onItsWay(rt, ds[i]) }).Example(1000 + i)
	}
	b.commit(t, &store.Batch{Deliveries: ds})
	for _, d := range ds {
		same(t, "delivery on its way", must[lane.Delivery](t)(b.Delivery(t.Context(), d.ID)), d)
	}
}

func aDelivery(id int64) lane.Delivery {
	return lane.Delivery{
		ID: id, Waybill: id % 7, Key: fmt.Sprintf("key-%d", id), Target: []string{"erp", "wms", "shop"}[id%3],
		Lane: fmt.Sprintf("SO-%d", id%7), Kind: waybill.Invoice, Subject: "S", State: deliveryStatesAll[id%int64(len(deliveryStatesAll))],
		DecidedAt: at(int(id)), Due: at(int(1000 - id)), Next: lane.Send,
	}
}

func deliveryID(d lane.Delivery) int64 { return d.ID }

func deliveryQueries(t *testing.T, b *books) {
	var all []lane.Delivery
	for id := int64(1); id <= 300; id++ {
		all = append(all, aDelivery(id))
	}
	b.commit(t, &store.Batch{Deliveries: all})
	var moved []lane.Delivery
	for i := range all {
		if all[i].ID%4 == 0 {
			all[i].State = deliveryStatesAll[(all[i].ID/4)%int64(len(deliveryStatesAll))]
			moved = append(moved, all[i])
		}
	}
	b.commit(t, &store.Batch{Deliveries: moved})
	for _, target := range []string{"", "erp", "nobody"} {
		for _, state := range append([]lane.State{""}, deliveryStatesAll...) {
			for _, wb := range []int64{0, 3, 999} {
				q := lane.Query{Target: target, State: state, Waybill: wb}
				want := slices.DeleteFunc(slices.Clone(all), func(d lane.Delivery) bool {
					return target != "" && d.Target != target || state != "" && d.State != state || wb != 0 && d.Waybill != wb
				})
				for _, size := range []int{2, 100} {
					got := pages(t, size, deliveryID, func(after int64, limit int) ([]lane.Delivery, error) {
						q.After, q.Limit = after, limit
						return b.Deliveries(t.Context(), q)
					})
					same(t, fmt.Sprintf("deliveries of %+v", q), ids(got, deliveryID), ids(want, deliveryID))
				}
			}
		}
	}
	var newest []int64
	for _, d := range slices.Backward(all[:249]) {
		if d.Target == "erp" && len(newest) < 5 {
			newest = append(newest, d.ID)
		}
	}
	same(t, "the newest deliveries", ids(must[[]lane.Delivery](t)(b.Deliveries(t.Context(), lane.Query{Target: "erp", Before: 250, Limit: 5})), deliveryID), newest)
	of := slices.DeleteFunc(slices.Clone(all), func(d lane.Delivery) bool { return d.Waybill != 3 })
	same(t, "deliveries of a waybill", must[[]lane.Delivery](t)(b.DeliveriesOf(t.Context(), 3)), of)
}

func deliveryPending(t *testing.T, b *books) {
	var want []lane.Pending
	var all []lane.Delivery
	for id := int64(1); id <= 100; id++ {
		d := aDelivery(id)
		all = append(all, d)
		if !d.State.Settled() {
			want = append(want, lane.Pending{ID: d.ID, Waybill: d.Waybill, Target: d.Target, Kind: d.Kind,
				State: d.State, Next: d.Next, Due: d.Due})
		}
	}
	b.commit(t, &store.Batch{Deliveries: all})
	var got []lane.Pending
	if err := b.PendingDeliveries(t.Context(), func(p lane.Pending) error { got = append(got, p); return nil }); err != nil {
		t.Fatal(err)
	}
	same(t, "pending deliveries", got, want)

	enough := errors.New("enough")
	n := 0
	err := b.PendingDeliveries(t.Context(), func(lane.Pending) error { n++; return enough })
	if !errors.Is(err, enough) || n != 1 {
		t.Errorf("a reader that had enough was called %d times and got %v", n, err)
	}
}

func deliveryBodyAndAttempts(t *testing.T, b *books) {
	bodies := []lane.Body{
		{Delivery: 1, ContentType: "application/json", Bytes: []byte(`{"kind":"invoice"}`)},
		{Delivery: 2, ContentType: "application/EDI-X12", Bytes: bytes.Repeat([]byte("IT1*1*5*EA*9.9~\n"), 100)},
		{Delivery: 3},
	}
	attempts := []lane.Attempt{
		{Delivery: 1, Number: 1, Epoch: 4, Started: at(1), Deadline: at(31), Ended: at(2), Outcome: waybill.Throttled, Detail: "429 Too Many Requests"},
		{Delivery: 1, Number: 2, Epoch: 4, Started: at(40), Deadline: at(70), Outcome: waybill.InDoubt},
		{Delivery: 1, Number: 10, Epoch: 5, Started: at(90), Deadline: at(120), Ended: at(91), Outcome: waybill.Done, Detail: "ü"},
	}
	b.commit(t, &store.Batch{
		Deliveries: []lane.Delivery{aDelivery(1), aDelivery(2), aDelivery(3)}, Bodies: bodies,
		Attempts: []lane.Attempt{attempts[2], attempts[0], attempts[1], {Delivery: 2, Number: 1}},
	})
	for _, body := range bodies {
		same(t, "body", must[lane.Body](t)(b.Body(t.Context(), body.Delivery)), body)
	}
	same(t, "attempts", must[[]lane.Attempt](t)(b.Attempts(t.Context(), 1)), attempts)
	if n := len(must[[]lane.Attempt](t)(b.Attempts(t.Context(), 3))); n != 0 {
		t.Errorf("a delivery without earlier attempts has %d", n)
	}
	if err := b.try(t.Context(), &store.Batch{Bodies: []lane.Body{{Delivery: 1, Bytes: []byte("other")}}}); err == nil {
		t.Error("the bytes of a delivery were replaced; all attempts must send the same")
	}
}
