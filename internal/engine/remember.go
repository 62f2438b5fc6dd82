package engine

import (
	"context"
	"errors"
	"time"

	"github.com/waybillhq/waybill/internal/audit"
)

type remembered struct {
	name, value string
	entry       *audit.Entry
	reply       chan<- error
}

// Remember keeps a small value under a name, as [store.Store] reads settings.
// entry, where there is one, goes into the audit log in the same commit.
func (e *Engine) Remember(ctx context.Context, name, value string, entry *audit.Entry) error {
	reply := make(chan error, 1)
	return e.ask(ctx, &remembered{name: name, value: value, entry: entry, reply: reply}, reply)
}

func (r *remembered) fail(err error) { r.reply <- err }

func (r *remembered) apply(_ context.Context, b *batch) error {
	b.set(r.name, r.value)
	if r.entry != nil {
		b.note(*r.entry)
	}
	b.after = append(b.after, func() { r.reply <- nil })
	return nil
}

// ErrTaken is returned to whoever claims what another has claimed meanwhile.
var ErrTaken = errors.New("another was faster; look again")

// Claim is a change of settings that only counts where one of them still is
// what it was: of several who claim at once, in whatever replica, one gets it.
type Claim struct {
	Name, Was string            // Was empty: there is none yet
	Set       map[string]string // by name; Name is one of them
	Entry     *audit.Entry      // into the audit log in the same commit; nil: none
}

type claiming struct {
	Claim
	reply chan<- error
}

// Claim carries a claim out, or returns [ErrTaken]. It returns after the commit.
func (e *Engine) Claim(ctx context.Context, c Claim) error {
	reply := make(chan error, 1)
	err := e.ask(ctx, &claiming{Claim: c, reply: reply}, reply)
	if codeOf(err) == codeTaken {
		return ErrTaken
	}
	return err
}

const codeTaken = "taken_meanwhile"

func (c *claiming) fail(err error) { c.reply <- err }

func (c *claiming) apply(ctx context.Context, b *batch) error {
	if gone, err := b.passOn(ctx, taskClaim, &c.Claim, func(err error) { c.reply <- err }); gone || err != nil {
		return err
	}
	err := b.claim(ctx, &c.Claim)
	if err != nil && codeOf(err) == "" {
		return err
	}
	b.after = append(b.after, func() { c.reply <- err })
	return nil
}

// claim is the steward's alone: one loop compares and sets.
func (b *batch) claim(ctx context.Context, c *Claim) error {
	is, err := b.setting(ctx, c.Name)
	if err != nil {
		return err
	}
	if is != c.Was {
		return refuse(codeTaken, ErrTaken.Error(), "")
	}
	for name, value := range c.Set {
		b.set(name, value)
	}
	if c.Entry != nil {
		b.note(*c.Entry)
	}
	return nil
}

// Name is the replica's where several share the database; empty otherwise.
func (e *Engine) Name() string {
	if e.share == nil {
		return ""
	}
	return e.share.name
}

// Lives reports whether another replica of that name is at work, by the
// database's clock.
func (e *Engine) Lives(ctx context.Context, replica string) (bool, error) {
	if e.share == nil || replica == "" || replica == e.share.name {
		return false, nil
	}
	all, err := e.Replicas(ctx)
	for _, r := range all {
		if r.Name == replica && r.Lease > time.Duration(0) {
			return true, err
		}
	}
	return false, err
}
