package engine

import (
	"context"
	"time"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/internal/ledger"
)

// Stepper does what Run does one phase at a time, on the caller's goroutine and
// by the caller's clock: decide, write, finish, in any order that Run could
// take. An engine has either a Stepper or Run, never both.
type Stepper struct {
	e *Engine
	p *pipe
}

// NewStepper drives an engine that was started.
func NewStepper(e *Engine) *Stepper {
	return &Stepper{e: e, p: &pipe{e: e, work: make(chan *batch, 1), written: make(chan error, 1)}}
}

// Due is the time of the earliest step that is due by itself; false where none
// is.
func (s *Stepper) Due() (time.Time, bool) { return s.e.due.next() }

// Decidable reports whether Decide would find something to take.
func (s *Stepper) Decidable() bool {
	p := s.p
	if len(s.e.inbox) > 0 {
		return p.next == nil || len(p.next.ins) < batchMax
	}
	return p.next == nil && p.writing == nil && s.e.somethingDue(s.e.opt.Now())
}

// Writable reports whether a batch waits to be written.
func (s *Stepper) Writable() bool { return len(s.p.work) > 0 }

// Finishable reports whether a written batch waits to let go what waited for
// its commit, or a decided one for the writer.
func (s *Stepper) Finishable() bool {
	return len(s.p.written) > 0 || s.p.writing == nil && s.p.next != nil
}

// Decide takes at most most inputs, and what is due, into the next batch. An
// error ends the engine.
func (s *Stepper) Decide(ctx context.Context, most int) error {
	p := s.p
	var ins []input
	for len(s.e.inbox) > 0 && len(ins) < most {
		ins = append(ins, <-s.e.inbox)
	}
	if len(ins) == 0 && !s.Decidable() {
		return nil
	}
	if p.next == nil {
		p.next = s.e.newBatch(p.writing)
	}
	if err := p.next.take(ctx, ins); err != nil {
		s.Write(ctx) // what was decided before stands
		return p.broken(ctx, err)
	}
	return nil
}

// Write makes the batch that waits for it durable, or fails to; Finish deals
// with either.
func (s *Stepper) Write(ctx context.Context) {
	select {
	case b := <-s.p.work:
		s.p.written <- s.e.write(ctx, b)
	default:
	}
}

// Finish lets go what waited for a commit: answers, attempts, look-ups. Then
// the next batch waits to be written. An error ends the engine.
func (s *Stepper) Finish(ctx context.Context) error {
	select {
	case err := <-s.p.written:
		if err := s.p.finish(ctx, err); err != nil {
			return err
		}
	default:
	}
	if s.p.writing != nil {
		return nil
	}
	return s.p.hand(ctx)
}

// Abandon is the death of the process: who waits for an answer gets none.
func (s *Stepper) Abandon() { close(s.e.gone) }

// Keep hands a message over as [Engine.Keep] does, and does not wait.
func (s *Stepper) Keep(ctx context.Context, m ledger.Message, events []waybill.Event) (Reply[Kept], error) {
	if s.full() {
		return Reply[Kept]{}, ErrStopped
	}
	from, err := s.e.offer(ctx, m, events)
	return Reply[Kept]{poll: func() (Kept, bool, error) {
		select {
		case k := <-from:
			return k.kept, true, k.err
		default:
			return Kept{}, false, nil
		}
	}}, err
}

// Do hands a command over as [Engine.Do] does, and does not wait.
func (s *Stepper) Do(ctx context.Context, c Command) (Reply[struct{}], error) {
	reply := make(chan error, 1)
	if s.full() {
		return Reply[struct{}]{}, ErrStopped
	}
	err := s.e.submit(ctx, &command{Command: c, reply: reply})
	return Reply[struct{}]{poll: func() (struct{}, bool, error) {
		select {
		case err := <-reply:
			return struct{}{}, true, err
		default:
			return struct{}{}, false, nil
		}
	}}, err
}

// full reports whether a caller would have to wait for room in the inbox.
func (s *Stepper) full() bool { return len(s.e.inbox) >= cap(s.e.inbox)/2 }

// Reply is an answer that may come.
type Reply[T any] struct {
	poll func() (T, bool, error)
}

// Said returns the answer once it is there; it may be asked until it is.
func (r Reply[T]) Said() (answer T, said bool, err error) { return r.poll() }
