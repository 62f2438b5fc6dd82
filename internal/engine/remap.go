package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/internal/audit"
	"github.com/waybillhq/waybill/internal/exception"
	"github.com/waybillhq/waybill/internal/identity"
)

// RemapMax bounds the mappings of one [Remap], and so its commit.
const RemapMax = 500

// Remap adds mappings and removes others, all of them or none.
type Remap struct {
	Actor  string
	Reason string
	Add    []identity.Mapping
	Remove []int64
}

type remapping struct {
	Remap
	reply chan<- mappedOrError
}

type mappedOrError struct {
	mapped Mapped
	err    error
}

// Map changes what references mean. Whatever waited for one of them goes on in
// the same commit; the answer names it. A second meaning of a reference, or a
// mapping that is not there, is a [*waybill.Error], and nothing is changed. A
// mapping that is in force already changes nothing. What was translated before
// stays as it is: a replay (C8) shows what it would be now.
func (e *Engine) Map(ctx context.Context, r Remap) (Mapped, error) {
	if e.stopping.Load() {
		return Mapped{}, ErrStopped
	}
	reply := make(chan mappedOrError, 1)
	if err := e.submit(ctx, &remapping{Remap: r, reply: reply}); err != nil {
		return Mapped{}, err
	}
	said, err := answerOf(ctx, e, reply)
	if err != nil {
		return Mapped{}, err
	}
	if said.err == nil {
		return said.mapped, nil
	}
	there, err := e.answerThere(ctx, said.err)
	if err != nil || there.Mapped == nil {
		return Mapped{}, err
	}
	return *there.Mapped, nil
}

func (r *remapping) fail(err error) { r.reply <- mappedOrError{err: err} }

func (r *remapping) apply(ctx context.Context, b *batch) error {
	if gone, err := b.passOn(ctx, taskMap, &r.Remap, func(err error) { r.reply <- mappedOrError{err: err} }); gone || err != nil {
		return err
	}
	out := &Mapped{}
	err := b.remap(ctx, &r.Remap, out)
	var wrong *waybill.Error
	if err != nil && !errors.As(err, &wrong) {
		return err
	}
	b.after = append(b.after, func() {
		if wrong != nil {
			r.reply <- mappedOrError{err: wrong}
			return
		}
		r.reply <- mappedOrError{mapped: *out}
	})
	return nil
}

// remap carries a change out. A [*waybill.Error] says that nothing was changed.
func (b *batch) remap(ctx context.Context, r *Remap, out *Mapped) error {
	if err := b.canRemap(r); err != nil {
		return err
	}
	var changed []identity.Mapping
	for _, id := range r.Remove {
		old, _ := b.e.book.Get(id)
		b.e.book.Remove(id)
		b.forget(id)
		changed = append(changed, old)
		if err := b.noteMapping(r, "unmap", &old, nil); err != nil {
			return err
		}
	}
	for _, m := range r.Add {
		if old, known := b.e.book.Like(&m); known {
			out.Mappings = append(out.Mappings, old)
			continue
		}
		var err error
		if m.ID, err = b.e.id(ctx); err != nil {
			return err
		}
		m.Actor, m.At = r.Actor, b.now
		if err := b.e.book.Add(m); err != nil {
			return fmt.Errorf("put a mapping into force that was checked before: %s", err.Error())
		}
		b.w.Mappings = append(b.w.Mappings, m)
		out.Mappings = append(out.Mappings, m)
		changed = append(changed, m)
		if err := b.noteMapping(r, "map", nil, &m); err != nil {
			return err
		}
	}
	b.next = append(b.next, func() error { return b.releaseMapped(ctx, changed, out) })
	return nil
}

// canRemap says what is wrong with a change, before anything is changed.
func (b *batch) canRemap(r *Remap) error {
	if !b.e.ownsAll() { // what waits is in any shard, and every replica has the mappings in memory
		return errSeveral("mappings can't be changed")
	}
	if len(r.Add)+len(r.Remove) > RemapMax {
		return refuse("too_many", fmt.Sprintf("%d mappings at once", len(r.Add)+len(r.Remove)), fmt.Sprintf("at most %d", RemapMax))
	}
	trial := identity.NewBook()
	gone := map[int64]bool{}
	for _, id := range r.Remove {
		if _, there := b.e.book.Get(id); !there || gone[id] {
			return refuse("not_found", fmt.Sprintf("there is no mapping map_%d", id), "")
		}
		gone[id] = true
	}
	for i := range r.Add {
		m := &r.Add[i]
		if old := b.e.book.Conflict(m); old != nil && !gone[old.ID] {
			return identity.Taken(old, m)
		}
		if err := trial.Add(*m); err != nil {
			return err
		}
	}
	return nil
}

// forget removes a mapping from the store, or from what is about to be written.
func (b *batch) forget(id int64) {
	for i := range b.w.Mappings {
		if b.w.Mappings[i].ID == id {
			b.w.Mappings = append(b.w.Mappings[:i], b.w.Mappings[i+1:]...)
			return
		}
	}
	b.w.Unmap = append(b.w.Unmap, id)
}

func (b *batch) noteMapping(r *Remap, action string, before, after *identity.Mapping) error {
	entry := audit.Entry{Actor: r.Actor, Action: action, Reason: r.Reason}
	for _, one := range []struct {
		m  *identity.Mapping
		to *[]byte
	}{{before, &entry.Before}, {after, &entry.After}} {
		if one.m == nil {
			continue
		}
		entry.Object = one.m.Reference.String()
		var err error
		if *one.to, err = waybill.Marshal(one.m); err != nil {
			return fmt.Errorf("write the mapping of %s: %w", one.m.Reference, err)
		}
	}
	b.note(entry)
	return nil
}

// releaseMapped lets go on what waited for any of the mappings that changed.
func (b *batch) releaseMapped(ctx context.Context, changed []identity.Mapping, out *Mapped) error {
	for i := range changed {
		if err := b.releaseAll(ctx, WaitsFor(changed[i].Reference), out); err != nil {
			return err
		}
		if err := b.nameDeliveries(ctx, &changed[i], out); err != nil {
			return err
		}
	}
	return nil
}

// mapException says what the reference of an exception means.
func (c *command) mapException(ctx context.Context, b *batch, x exception.Exception) error {
	r, err := identity.ParseKey(x.Subject)
	if x.Cause != CauseUnmapped || err != nil {
		return refuse("unknown_action", "this exception is not about a reference that nobody has mapped", "its actions: "+strings.Join(x.Actions, ", "))
	}
	m := c.Mapping
	m.Reference = r
	return b.remap(ctx, &Remap{Actor: c.Actor, Reason: c.Reason, Add: []identity.Mapping{m}}, &Mapped{})
}
