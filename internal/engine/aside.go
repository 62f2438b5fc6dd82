package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/waybillhq/waybill/internal/exception"
)

// unreadable is a waybill whose state can't be read from the store. It must not
// hold up any other.
type unreadable struct {
	waybill int64
	ref     string
	err     error
}

func (u *unreadable) Error() string { return fmt.Sprintf("read the state of %s: %v", u.ref, u.err) }
func (u *unreadable) Unwrap() error { return u.err }

// setAside leaves a waybill out of what is due until the next start, with an
// exception that names it, where err says that it can't be worked on. Any other
// error is returned.
func (b *batch) setAside(ctx context.Context, err error) error {
	var u *unreadable
	if !errors.As(err, &u) {
		return err
	}
	return b.raiseAside(ctx, u.waybill, u.ref, u.err.Error())
}

func (b *batch) raiseAside(ctx context.Context, id int64, ref, why string) error {
	b.e.aside[id] = why
	return b.raise(ctx, nil, exception.Exception{
		Cause: "waybill_set_aside", Subject: ref,
		Detail: fmt.Sprintf("%s can't be worked on: %s", ref, why),
		Next:   "run waybill verify and report what it says of the order; it is tried again at the next start", Actions: []string{"close"},
	})
}

// raiseBroken raises what panicked in a step that no input had asked for.
func (b *batch) raiseBroken(ctx context.Context) error {
	for id, why := range b.e.broken {
		delete(b.e.broken, id)
		if err := b.raiseAside(ctx, id, fmt.Sprintf("waybill %d", id), why); err != nil {
			return err
		}
	}
	return nil
}
