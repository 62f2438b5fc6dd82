package replay

import (
	"context"
	"errors"
	"fmt"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/internal/identity"
	"github.com/waybillhq/waybill/internal/ledger"
	"github.com/waybillhq/waybill/internal/process"
	"github.com/waybillhq/waybill/internal/store"
)

// bookPage is how many mappings are read at once.
const bookPage = 5000

// openBook reads the mappings that are in force.
func (r *reader) openBook(ctx context.Context) error {
	var all []identity.Mapping
	for after := int64(0); len(r.conf.Identity) > 0; {
		page, err := r.db.Mappings(ctx, identity.Query{After: after, Limit: bookPage})
		if err != nil {
			return fmt.Errorf("read the mappings: %w", err)
		}
		all = append(all, page...)
		if len(page) < bookPage {
			break
		}
		after = page[len(page)-1].ID
	}
	r.book = identity.NewBook(all...)
	return nil
}

// identify translates what a message says from its source's terms, with the
// mappings in force now and of the day on which it came. What names something
// unmapped stays as its source wrote it; the text says what that is.
func (r *reader) identify(ctx context.Context, m *ledger.Message, events []waybill.Event) (unmapped string, err error) {
	profile := r.conf.Identity[m.Source]
	if len(profile) == 0 {
		return "", nil
	}
	for i := range events {
		ev := &events[i]
		order, err := r.contentOf(ctx, ev)
		if err != nil {
			return "", err
		}
		missing, err := r.book.Event(identity.Fact{System: m.Source, Profile: profile, Company: r.conf.Policy.Company, At: m.ReceivedAt,
			Line: identity.Lines(m.Source, order)}, ev)
		if err != nil {
			return "", err
		}
		if len(missing) > 0 {
			unmapped = missing[0].Detail()
		}
	}
	return unmapped, nil
}

// contentOf is the order that an event is about, as it stands; nil where none is
// known.
func (r *reader) contentOf(ctx context.Context, ev *waybill.Event) (*waybill.Order, error) {
	if ev.Flow != waybill.FlowSales || ev.Ref == "" {
		return nil, nil
	}
	w, err := r.find(ctx, ev.Flow, ev.Ref)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	state, err := process.LoadFlow(w.Kind, w.State)
	if err != nil {
		return nil, fmt.Errorf("read the state of %s: %w", w.Ref, err)
	}
	err = state.Fetch(func(id int64) ([]byte, error) {
		e, err := r.db.Event(ctx, id)
		return e.Data, err
	})
	if err != nil {
		return nil, fmt.Errorf("read the facts of %s: %w", w.Ref, err)
	}
	if s, ok := state.(*process.Sales); ok {
		return s.Content(), nil
	}
	return nil, nil
}

// waited reports whether an event waited, or waits, for a mapping.
func waited(row *ledger.Event) bool {
	var kept struct {
		Waits *struct{} `json:"waits"`
	}
	return row.Waybill == 0 && len(row.Decision) > 0 && waybill.Unmarshal(row.Decision, &kept) == nil && kept.Waits != nil
}

// takenUp puts what an event that waited was taken up as in its place.
func takenUp(known, extra []said) []said {
	for i := range known {
		if !waited(&known[i].row) {
			continue
		}
		for j := range extra {
			if same := &extra[j].row; sameType(same.Type, known[i].row.Type) && same.Version == known[i].row.Version {
				known[i] = extra[j]
				extra = append(extra[:j:j], extra[j+1:]...)
				break
			}
		}
	}
	return extra
}
