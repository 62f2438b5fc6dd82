package contract_test

import (
	"testing"
	"time"
)

// TestW4_8_Adopted: early facts wait in limbo and are adopted when the order
// comes.
func TestW4_8_Adopted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.ship("SO-1", "S-1", 1, "1 2")
	w.cancel("SO-2", "R-1")
	w.await("in limbo", func() bool { return w.status()["limbo"] == 2.0 })
	if s := w.status(); s["quiescent"] != false {
		t.Errorf("quiescent with limbo: %s", marshal(s))
	}
	if rows := w.list("/api/v1/events?state=limbo"); len(rows) != 2 {
		t.Errorf("C4 shows %d in limbo: %s", len(rows), marshal(rows))
	}
	w.place("SO-1", "1 A 5 9.90")
	w.place("SO-2", "1 A 5 9.90")
	w.quiet()
	w.billed("SO-1", map[string]int{"1": 2})
	w.books(w.channel, "SO-2", "cancellation_answer")
	w.books(w.wms, "SO-2", "")
	if left := w.exceptions("state=open"); len(left) != 0 {
		t.Errorf("exceptions: %s", marshal(left))
	}
}

// TestW4_8_Expired: after 5 s an exception; adopted even later.
func TestW4_8_Expired(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	began := time.Now()
	w.ship("SO-1", "S-1", 1, "1 2")
	w.quiet()
	if wait := time.Since(began); wait < 4*time.Second || wait > 9*time.Second {
		t.Errorf("limbo ended after %v, want 5 s", wait)
	}
	if rows := w.list("/api/v1/events?state=parked"); len(rows) != 1 || rows[0]["type"] != "shipment.confirmed" {
		t.Errorf("C4: %s", marshal(rows))
	}
	if len(w.exceptions("state=open")) != 1 {
		t.Errorf("exceptions: %s", marshal(w.exceptions("state=open")))
	}
	w.kill()
	w.start()
	w.place("SO-1", "1 A 5 9.90")
	w.quiet()
	w.billed("SO-1", map[string]int{"1": 2})
	if left := w.exceptions("state=open"); len(left) != 0 {
		t.Errorf("exceptions left: %s", marshal(left))
	}
}

// TestW4_8_UnknownLine waits for its line.
func TestW4_8_UnknownLine(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.released("SO-1", "1 A 5 9.90")
	w.ship("SO-1", "S-1", 1, "2 1")
	w.await("in limbo", func() bool { return w.status()["limbo"] == 1.0 })
	w.change("SO-1", 2, "1 A 5 9.90, 2 B 1 2.50")
	w.quiet()
	w.billed("SO-1", map[string]int{"1": 0, "2": 1})
	if left := w.exceptions("state=open"); len(left) != 0 {
		t.Errorf("exceptions: %s", marshal(left))
	}
}

// TestG5_UnknownUnit waits, it is never guessed; another order is not held up.
func TestG5_UnknownUnit(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.released("SO-1", "1 A 24 9.90")
	w.released("SO-2", "1 A 24 9.90")
	w.ship("SO-1", "S-1", 1, "1 2", obj{"lines": []any{obj{"line": "1", "qty": "2", "uom": "CS"}}})
	w.ship("SO-2", "S-2", 1, "1 2", obj{"lines": []any{obj{"line": "1", "qty": "2", "uom": "EA"}}})
	w.quiet()
	if n := len(w.erp.docs("shipment_posting", "SO-1")); n != 0 {
		t.Errorf("%d postings of an unknown unit", n)
	}
	w.stages("SO-1", "1", "shipped 0")
	w.billed("SO-2", map[string]int{"1": 2})
	if len(w.exceptions("state=open&order=SO-1")) == 0 {
		t.Error("no exception")
	}
}
