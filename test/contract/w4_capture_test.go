package contract_test

import (
	"slices"
	"strings"
	"testing"
)

// capturing is a world whose channel captures on shipment.
func capturing(t *testing.T) *world {
	t.Helper()
	w := prepare(t)
	w.rewrite("waybill.yaml", "    role: channel\n", "    role: channel\n    captures: true\n")
	w.start()
	return w
}

// before holds that in an order's books at a target one kind stands before
// another.
func (w *world) before(f *target, order, first, then string) {
	w.Helper()
	kinds := strings.Fields(f.kinds(order))
	if a, b := slices.Index(kinds, first), slices.Index(kinds, then); a < 0 || b < a {
		w.Errorf("%s holds of %s: %s; want %s before %s", f.name, order, f.kinds(order), first, then)
	}
}

// TestW4_2_Capture: the channel captures each shipment, and the ERP books what
// the channel confirmed.
func TestW4_2_Capture(t *testing.T) {
	t.Parallel()
	w := capturing(t)
	w.released("SO-1", "1 A 5 9.90, 2 B 3 2.50")
	gate := make(chan struct{})
	w.channel.on("payment_capture", "SO-1", 1, hold(gate))
	w.ship("SO-1", "S-1", 1, "1 2")
	w.await("the capture is under way", func() bool { return len(w.channel.tries("payment_capture", "")) == 1 })
	w.await("the shipment is billed", func() bool { return len(w.erp.docs("invoice", "SO-1")) == 1 })
	if n := len(w.erp.tries("payment_receipt", "")); n != 0 {
		t.Error("the ERP was told of money before the channel confirmed it")
	}
	close(gate)
	w.quiet()
	capture := w.one(w.channel, "payment_capture", "SO-1")
	w.lines(capture, "1:2")
	w.subject("payment_capture", "SO-1", "S-1")
	w.subject("payment_receipt", "SO-1", capture["key"])
	w.lines(w.one(w.erp, "payment_receipt", "SO-1"), "1:2")
	w.ship("SO-1", "S-2", 1, "1 3, 2 3")
	w.ship("SO-1", "S-2", 1, "1 3, 2 3")
	w.quiet()
	w.holds(w.channel, "SO-1", "order_acknowledgment fulfilment payment_capture fulfilment payment_capture")
	w.holds(w.erp, "SO-1", "order_check sales_order shipment_posting invoice payment_receipt shipment_posting invoice payment_receipt")
	w.billed("SO-1", map[string]int{"1": 5, "2": 3})
	w.calm()
	w.balanced()
}

// TestW4_2_CaptureBadAnswers: in doubt over a kill it is captured once; refused,
// nothing is booked until it is taken.
func TestW4_2_CaptureBadAnswers(t *testing.T) {
	t.Parallel()
	w := capturing(t)
	for _, o := range []string{"SO-1", "SO-2", "SO-3"} {
		w.released(o, "1 A 5 9.90")
	}
	w.channel.on("payment_capture", "SO-1", 1, func(c *call) { c.apply("applied"); c.drop() })
	w.channel.on("payment_capture", "SO-2", -1, refuse(422, "card_expired"))
	w.channel.on("payment_capture", "SO-3", 1, (*call).drop)
	for _, o := range []string{"SO-1", "SO-2", "SO-3"} {
		w.ship(o, "S-"+o, 1, "1 5")
	}
	w.await("the attempts", func() bool { return len(w.channel.tries("payment_capture", "")) >= 3 })
	w.kill()
	w.start()
	key := w.awaitState("payment_capture", "SO-2", "parked")["key"].(string)
	w.books(w.channel, "SO-2", "order_acknowledgment fulfilment")
	if n := len(w.erp.tries("payment_receipt", "SO-2")); n != 0 {
		t.Error("a refused capture was booked")
	}
	w.channel.clear()
	w.act("/api/v1/deliveries/" + key + "/retry")
	w.quiet()
	for _, o := range []string{"SO-1", "SO-2", "SO-3"} {
		w.one(w.channel, "payment_capture", o)
		w.one(w.erp, "payment_receipt", o)
		w.before(w.erp, o, "shipment_posting", "payment_receipt")
	}
	w.calm()
	w.balanced()
}

// TestW4_2_CaptureCorrected: a newer version before the first attempt is
// captured as it is; less than was captured is said.
func TestW4_2_CaptureCorrected(t *testing.T) {
	t.Parallel()
	w := capturing(t)
	w.released("SO-1", "1 A 9 9.90")
	gate := make(chan struct{})
	w.channel.on("fulfilment", "SO-1", 1, hold(gate))
	w.ship("SO-1", "S-1", 1, "1 5")
	w.await("the lane is busy", func() bool { return len(w.channel.tries("fulfilment", "")) == 1 })
	w.ship("SO-1", "S-1", 2, "1 4")
	close(gate)
	w.quiet()
	w.lines(w.one(w.channel, "payment_capture", "SO-1"), "1:4")
	w.calm()
	w.ship("SO-1", "S-1", 3, "1 6")
	w.quiet()
	if have := w.channel.net("SO-1", "payment_capture")["1"]; have != 6 {
		t.Errorf("captured %d, want 6: %s", have, w.channel.kinds("SO-1"))
	}
	if have := w.erp.net("SO-1", "payment_receipt")["1"]; have != 6 {
		t.Errorf("booked %d, want 6: %s", have, w.erp.kinds("SO-1"))
	}
	w.billed("SO-1", map[string]int{"1": 6})
	w.calm()
	w.ship("SO-1", "S-1", 4, "1 3")
	w.quiet()
	if len(w.exceptions("state=open&order=SO-1")) == 0 {
		t.Error("more captured than shipped, and nobody is told")
	}
}

// TestW4_2_NoCapture for orders that are not billed, and in the pack as it is.
func TestW4_2_NoCapture(t *testing.T) {
	t.Parallel()
	w := capturing(t)
	w.released("SO-1", "1 A 5 9.90", obj{"type": "sample"})
	w.ship("SO-1", "S-1", 1, "1 5")
	w.quiet()
	w.books(w.channel, "SO-1", "order_acknowledgment fulfilment")
	w.books(w.erp, "SO-1", "order_check sales_order shipment_posting")
	w.calm()
}
