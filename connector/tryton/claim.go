package tryton

import (
	"errors"
	"slices"
	"time"

	"github.com/waybillhq/waybill"
)

// Tryton makes no reference unique, so two workers that look and then create
// make two documents. The one table that an ordinary user may write and that
// refuses a second row of a name, on SQLite as on PostgreSQL, is that of party
// categories. A category named after the key is a claim on it; its only child
// is named after the time until which the claim holds. Who finds the name taken
// keeps off. The claim is deleted when the attempt has its outcome; one whose
// time is over belongs to a worker that is no more and is taken over.

const (
	claims         = "party.category"
	codeInProgress = "in_progress"
	claimForm      = "20060102T150405.000Z"
)

// claimed is a claim as it was found.
type claimed struct {
	ID     int64  `json:"id"`
	Name   string `json:"name"` // the time until which it holds
	Parent int64  `json:"parent"`
	Stamp  string `json:"_timestamp"`
}

func (c *claimed) until() time.Time {
	t, err := time.Parse(claimForm, c.Name)
	if err != nil {
		return time.Time{}
	}
	return t
}

// claim takes the key for this attempt, until its deadline.
func (w *work) claim(deadline time.Time) ([]int64, error) {
	for again := false; ; again = true {
		var ids []int64
		err := w.invoke(w.ctx, nil, "model."+claims+".create", &ids, []map[string]any{{"name": mark(w.t.Key),
			"childs": all{create(map[string]any{"name": deadline.UTC().Format(claimForm)})}}})
		f := (*fault)(nil)
		if !errors.As(err, &f) || !f.user {
			return ids, err
		}
		taken, err := w.claimedBy()
		if err != nil {
			return nil, err
		}
		if again || taken == nil || !taken.until().Before(w.env.Now()) {
			return nil, failed(waybill.InDoubt, codeInProgress, "another worker is at it with the same key")
		}
		if err := w.dropStale(taken); err != nil {
			return nil, err
		}
	}
}

// claimedBy reads the claim on the key; nil: there is none.
func (w *work) claimedBy() (*claimed, error) {
	var found []claimed
	err := w.find(claims, all{is("parent.name", mark(w.t.Key))}, fields("name", "parent", "_timestamp"), &found)
	if err != nil || len(found) == 0 {
		return nil, err
	}
	return &found[0], nil
}

// dropStale deletes a claim whose time is over. Its timestamp goes with it: on
// SQLite the same numbers may be another worker's claim by now.
func (w *work) dropStale(c *claimed) error {
	stamp := map[string]any{"_timestamp": map[string]any{claims + "," + itoa(c.ID): c.Stamp}}
	err := w.invoke(w.ctx, stamp, "model."+claims+".delete", nil, []int64{c.ID, c.Parent})
	if f := (*fault)(nil); errors.As(err, &f) && f.Problem.Code == "concurrency" {
		return failed(waybill.InDoubt, codeInProgress, "another worker has taken over the key")
	}
	return err
}

// release gives the key back. The child goes with its parent.
func (w *work) release(ids []int64) error {
	c, err := w.claimedBy()
	if err != nil || c == nil || !slices.Contains(ids, c.Parent) {
		return err
	}
	return w.invoke(w.ctx, nil, "model."+claims+".delete", nil, []int64{c.ID, c.Parent})
}
