package engine

import (
	"context"

	"github.com/waybillhq/waybill/internal/exception"
)

// Trouble is a fault that is found beside the loop, of a system and not of an
// order: a folder that can't be read, a question that is not answered.
type Trouble struct {
	Cause   string // snake_case; troubles are grouped by it
	Subject string // what it is about, like a system and a folder; one trouble is open for it at most
	Detail  string // what is wrong; empty: nothing is any more
	Next    string // the one step that mends it
}

// report is a trouble on its way into the inbox.
type report struct {
	Trouble
	reply chan<- error
}

// Report raises a trouble, or closes it where nothing is wrong any more. It
// returns after the commit. Saying the same twice is harmless.
func (e *Engine) Report(ctx context.Context, t Trouble) error {
	if e.stopping.Load() {
		return ErrStopped
	}
	reply := make(chan error, 1)
	if err := e.submit(ctx, &report{Trouble: t, reply: reply}); err != nil {
		return err
	}
	said, err := answerOf(ctx, e, reply)
	if err != nil {
		return err
	}
	return said
}

func (r *report) fail(err error) { r.reply <- err }

func (r *report) apply(ctx context.Context, b *batch) error {
	b.after = append(b.after, func() { r.reply <- nil })
	if r.Detail == "" {
		b.clear(nil, r.Cause, r.Subject, "it works again")
		return nil
	}
	return b.raise(ctx, nil, exception.Exception{Cause: r.Cause, Subject: r.Subject, Detail: r.Detail, Next: r.Next,
		Actions: actionsFor(r.Cause)})
}
