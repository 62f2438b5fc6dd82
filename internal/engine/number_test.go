package engine

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/connector"
	"github.com/waybillhq/waybill/internal/lane"
	"github.com/waybillhq/waybill/internal/ledger"
)

// numbering writes the number that was reserved into the bytes.
type numbering struct{ connector.Renderer }

// Render implements connector.Renderer.
func (n numbering) Render(d waybill.Document) (connector.Rendered, error) {
	r, err := n.Renderer.Render(d)
	r.Body = bytes.Replace(r.Body, []byte(`"data":`), fmt.Appendf(nil, `"number":%d,"data":`, d.Control), 1)
	return r, err
}

func numbered(r *rig, name string) *fake {
	f := r.fakes[name]
	f.numbered, f.noInquirer, f.class, f.keepsOrder = true, true, waybill.ByKey, true
	f.renderer = numbering{f.renderer}
	return f
}

// Numbers rise by one whatever crashes between; a repetition has the same
// bytes, and so the same number.
func TestNumbered_NoNumberTwiceAndNoneSkipped(t *testing.T) {
	var f *fake
	r := newRig(t, func(r *rig) {
		f = numbered(r, "wms")
		for range 6 {
			f.on(waybill.WarehouseOrder, lose, take)
		}
	})
	for i := range 6 {
		r.place(fmt.Sprintf("SO-%d", i+1))
		r.restart()
		r.pass(time.Minute)
	}
	bytesOf, keyOf := map[string]string{}, map[string]string{}
	for _, a := range f.attemptsOf(waybill.WarehouseOrder) {
		_, rest, _ := strings.Cut(string(a.Body), `"number":`)
		number, _, _ := strings.Cut(rest, ",")
		if was, again := bytesOf[a.Key]; again && was != string(a.Body) {
			t.Errorf("%s went out again with other bytes", a.Key)
		}
		if was, taken := keyOf[number]; taken && was != a.Key {
			t.Errorf("number %s was given to %s and to %s", number, was, a.Key)
		}
		bytesOf[a.Key], keyOf[number] = string(a.Body), a.Key
	}
	for n := 1; n <= 6; n++ {
		if keyOf[fmt.Sprint(n)] == "" {
			t.Errorf("number %d was skipped: %v", n, keyOf)
		}
	}
	r.audit()
}

// A document that is not acknowledged in time is named; its acknowledgment,
// which knows nothing but its number, settles it.
func TestNumbered_DelayedAcknowledgmentAndItsNumber(t *testing.T) {
	var f *fake
	r := newRig(t, func(r *rig) {
		f = numbered(r, "wms")
		f.on(waybill.WarehouseOrder, func(f *fake, a connector.Attempt) (waybill.Outcome, error) {
			o, err := take(f, a)
			o.AckWithin = 3 * time.Hour
			return o, err
		})
	})
	r.place("SO-1")
	r.pass(2 * time.Hour)
	if xs := r.open(CauseDelayedAck); len(xs) != 0 {
		t.Fatalf("late before its time: %v", xs)
	}
	r.pass(2 * time.Hour)
	xs := r.open(CauseDelayedAck)
	if len(xs) != 1 || !strings.Contains(xs[0].Detail, "warehouse_order of SO-1, control number 000000001") || xs[0].Money.Amount.IsZero() {
		t.Fatalf("exceptions %+v", xs)
	}
	d := r.one("SO-1", waybill.WarehouseOrder)
	f.apply(d.Key)
	body := []byte("997")
	m := ledger.Message{Source: "wms", DedupeID: "ack", Status: ledger.Accepted, ReceivedAt: r.now, SHA256: sha256.Sum256(body), Body: body}
	reply := make(chan keptOrError, 1)
	r.enqueue(func(e *Engine) {
		kept, err := e.Keep(t.Context(), m, []waybill.Event{{Type: waybill.DocumentApplied, Source: "wms", Subject: "control-000000001",
			Version: 1, Data: []byte(`{"control":1}`)}})
		reply <- keptOrError{kept, err}
	})
	r.settle()
	kept := soon(t, reply)
	r.must(kept.err)
	if d = r.one("SO-1", waybill.WarehouseOrder); d.State != lane.Done || d.Ref != "000000001" {
		t.Errorf("it is %s with ref %q", d.State, d.Ref)
	}
	if ev := r.event(kept.kept.Event); !strings.Contains(string(ev.Data), d.Key) {
		t.Errorf("the report does not name its document: %s", ev.Data)
	}
	if len(r.open(CauseDelayedAck)) != 0 {
		t.Error("it is acknowledged and still called late")
	}
	r.audit()
}
