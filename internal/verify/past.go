package verify

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/waybillhq/waybill/internal/store"
)

// comparePast holds what the store kept of what a state has let go of against
// what the refolding let go of.
func (f *refolding) comparePast(ctx context.Context, db store.Store) error {
	for _, name := range slices.Sorted(maps.Keys(f.past)) {
		kept, err := db.Past(ctx, f.w.ID, name)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return fmt.Errorf("read what was known of %s of %s: %w", name, f.w.Ref, err)
		}
		if string(kept) != string(f.past[name]) {
			f.r.add("past_refold", "waybill "+f.w.Ref, "what was kept of %s is not what its events make: kept %q, refolded %q",
				name, clip(kept), clip(f.past[name]))
		}
	}
	return nil
}
