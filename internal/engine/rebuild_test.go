package engine

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/internal/lane"
	"github.com/waybillhq/waybill/internal/store/sqlite"
)

// turn is what systems tell between two rests.
type turn []fact

// lives draws what the systems tell of a few orders: placed, changed,
// cancelled, shipped in parts and corrected, closed short.
func lives(rng *rand.Rand) []turn {
	var out []turn
	for n := range 1 + rng.IntN(3) {
		order := fmt.Sprintf("SO-%d", n+1)
		turns := []turn{{{"shop", waybill.OrderPlaced, orderData(order, 1, fmt.Sprint(3+rng.IntN(6)))}}}
		version := 1
		for range rng.IntN(6) {
			var f fact
			switch rng.IntN(6) {
			case 0:
				version++
				f = fact{"shop", waybill.OrderChanged, orderData(order, version, fmt.Sprint(1+rng.IntN(9)))}
			case 1:
				f = fact{"shop", waybill.OrderCancelRequested, fmt.Sprintf(`{"order":%q,"request":"R%d"}`, order, rng.IntN(2))}
			default:
				f = fact{"wms", waybill.ShipmentConfirmed, fmt.Sprintf(`{"order":%q,"shipment":"S%d-%d","version":%d,"shipped_at":"2026-03-02T12:00:00Z","lines":[{"line":"1","qty":"%d"}]}`,
					order, n, rng.IntN(2), 1+rng.IntN(2), rng.IntN(5))}
			}
			if len(turns) > 1 && rng.IntN(3) == 0 { // with the one before, at once
				turns[len(turns)-1] = append(turns[len(turns)-1], f)
			} else {
				turns = append(turns, turn{f})
			}
		}
		out = append(out, turns...)
	}
	return out
}

// live tells it all, in its turns; with again, some of it once more.
func (r *rig) live(turns []turn, again *rand.Rand) {
	r.t.Helper()
	for _, told := range turns {
		facts := slices.Clone(told)
		if again != nil {
			facts = append(facts, facts[again.IntN(len(facts))])
		}
		r.tellAll(facts...)
		r.settle()
	}
}

// keys lists the documents of all orders; a check's key need not survive.
func (r *rig) keys() map[string]string {
	r.t.Helper()
	out := map[string]string{}
	ds, err := r.kept.Deliveries(r.t.Context(), lane.Query{Limit: 10000})
	r.must(err)
	for _, d := range ds {
		if d.Kind != waybill.OrderCheck && d.Attempted() {
			out[d.Key] = fmt.Sprintf("%s %s %s %s", d.Target, d.Kind, d.Lane, d.Subject)
		}
	}
	return out
}

// A database that is rebuilt from the messages alone makes the same keys, also
// where the systems tell some of it twice.
func TestRebuild_FromMessagesMakesTheSameKeys(t *testing.T) {
	for seed := range uint64(40) {
		turns := lives(rand.New(rand.NewPCG(seed, 1)))
		first, second := newRig(t), newRig(t)
		first.live(turns, nil)
		second.live(turns, rand.New(rand.NewPCG(seed, 2)))
		if diff := cmp.Diff(first.keys(), second.keys()); diff != "" {
			t.Fatalf("seed %d: the keys differ (-first +rebuilt):\n%s\n%v", seed, diff, turns)
		}
	}
}

// Systems that honour keys hold every document once, also where Waybill lost
// its database and was told everything again.
func TestRebuild_BooksStayAsTheyAre(t *testing.T) {
	for seed := range uint64(25) {
		turns := lives(rand.New(rand.NewPCG(seed, 1)))
		r := newRig(t, func(r *rig) {
			for _, f := range r.fakes {
				f.class = waybill.ByKey
			}
		})
		r.live(turns, nil)
		before := map[string][]string{}
		books := func() map[string][]string {
			out := map[string][]string{}
			for name, f := range r.fakes {
				for _, b := range f.books {
					if b.kind != waybill.OrderCheck {
						out[name] = append(out[name], b.key)
					}
				}
			}
			return out
		}
		maps.Copy(before, books())
		r.crash()
		db, err := sqlite.Open(t.Context(), "", sqlite.Options{Memory: true})
		r.must(err)
		t.Cleanup(func() { _ = db.Close() })
		r.db, r.kept = db, db
		r.boot()
		r.live(turns, nil)
		if diff := cmp.Diff(before, books()); diff != "" {
			t.Fatalf("seed %d: the books differ (-before +after):\n%s\n%v", seed, diff, turns)
		}
		if parked := r.parked(t.Context()); len(parked) > 0 {
			t.Fatalf("seed %d: parked are %v", seed, parked)
		}
	}
}

func (r *rig) parked(ctx context.Context) (out []string) {
	r.t.Helper()
	ds, err := r.kept.Deliveries(ctx, lane.Query{State: lane.Parked, Limit: 1000})
	r.must(err)
	for _, d := range ds {
		out = append(out, fmt.Sprintf("%s %s: %s", d.Target, d.Kind, d.Reason))
	}
	return out
}
