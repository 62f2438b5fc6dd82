package sandbox

import (
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
)

// live runs n orders to their end and gives the books.
func live(t *testing.T, cfg Config, n, concurrency int) (b Books) {
	synctest.Test(t, func(t *testing.T) {
		cfg.InProcess = true
		w, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		f := newFake(t, w)
		f.blunders = cfg.Idempotency["wms"] == classLookup
		if err := w.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		defer w.Close()
		if err := w.PlaceOrders(t.Context(), n, concurrency); err != nil {
			t.Fatal(err)
		}
		f.settle()
		if f.bad > 0 {
			t.Errorf("%d pushes had a signature that did not verify", f.bad)
		}
		b = w.Books()
		if f.twice < b.DuplicatesSent {
			t.Errorf("%d repeats arrived, the books say %d were sent", f.twice, b.DuplicatesSent)
		}
	})
	return b
}

func TestLife_EveryFateComesToItsEnd(t *testing.T) {
	b := live(t, Config{Seed: 7, Lines: 4, Once: true}, 600, 8)
	if b.Lost != 0 || b.Duplicated != 0 || b.OutOfSequence != 0 {
		t.Fatalf("lost %d, duplicated %d, out of sequence %d: %v", b.Lost, b.Duplicated, b.OutOfSequence, b.Findings)
	}
	if b.Placed != 600 || b.Acknowledged != 600 {
		t.Errorf("placed %d, acknowledged %d, want 600 of each", b.Placed, b.Acknowledged)
	}
	want := map[Fate]Outcome{
		Plain: Invoiced, Parts: Invoiced, HeldReleased: Invoiced, HeldForever: Held, ShortShipped: Short, ChangedEarly: Invoiced,
		ChangedLate: Invoiced, ChangeTooLate: Invoiced, CancelEarly: Cancelled, CancelLate: Cancelled, CancelTooLate: Invoiced, Refused: Declined,
	}
	met := map[Fate]int{}
	for _, o := range b.Orders {
		met[o.Fate]++
		if o.Outcome != want[o.Fate] {
			t.Errorf("order %s with fate %s came to %s, want %s", o.Name, o.Fate, o.Outcome, want[o.Fate])
		}
	}
	for fate := range want {
		if met[fate] == 0 {
			t.Errorf("no order of 600 had the fate %s", fate)
		}
	}
}

func TestLife_FaultsChangeNoOutcome(t *testing.T) {
	calm := live(t, Config{Seed: 11, Lines: 3, Once: true}, 300, 1)
	for _, faults := range []string{"none", "light", "heavy"} {
		b := live(t, Config{Seed: 11, Lines: 3, Once: true, Faults: faults}, 300, 16)
		if b.Lost != 0 || b.Duplicated != 0 || b.OutOfSequence != 0 {
			t.Errorf("%s: lost %d, duplicated %d, out of sequence %d: %v", faults, b.Lost, b.Duplicated, b.OutOfSequence, b.Findings)
		}
		if b.Digest != calm.Digest {
			t.Errorf("%s faults changed the outcome: %s", faults, cmp.Diff(calm.Orders, b.Orders))
		}
		if faults == "heavy" {
			for _, system := range []string{"erp", "wms", "shop"} {
				if len(b.Faults[system]) < 8 {
					t.Errorf("heavy faults of %s were only %v", system, b.Faults[system])
				}
			}
		}
	}
	other := live(t, Config{Seed: 12, Lines: 3, Once: true}, 300, 4)
	if other.Digest == calm.Digest {
		t.Error("another seed gave the same digest")
	}
}

func TestLife_EveryIdempotencyClass(t *testing.T) {
	// the fake asks T2 for the ERP and sends again to the WMS, which serves
	// lookup and key; key for the ERP is served by asking, too
	b := live(t, Config{Seed: 3, Lines: 2, Once: true, Faults: "heavy", Idempotency: map[string]string{"erp": "key"}}, 150, 8)
	if b.Lost != 0 || b.Duplicated != 0 {
		t.Errorf("lost %d, duplicated %d: %v", b.Lost, b.Duplicated, b.Findings)
	}
}

func TestLife_BlindResendShowsInTheBooks(t *testing.T) {
	// the fake sends to the WMS again without asking: with a WMS that looks at
	// no keys, that must show as doubled work
	b := live(t, Config{Seed: 3, Lines: 2, Once: true, Faults: "heavy", Idempotency: map[string]string{"wms": "lookup"}}, 150, 8)
	if b.Duplicated == 0 {
		t.Error("blind resends to a WMS of class lookup left no trace in the books")
	}
}

func TestLife_SharedLimits(t *testing.T) {
	b := live(t, Config{Seed: 5, Lines: 6}, 400, 8)
	if b.Duplicated != 0 || b.OutOfSequence != 0 {
		t.Errorf("duplicated %d, out of sequence %d: %v", b.Duplicated, b.OutOfSequence, b.Findings)
	}
	if b.Invoices == 0 {
		t.Error("nothing was invoiced")
	}
}
