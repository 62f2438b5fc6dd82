package engine

import (
	"context"
	"time"
)

// pipe overlaps the writing of one batch with the deciding of the next.
type pipe struct {
	e       *Engine
	work    chan *batch
	written chan error
	writing *batch // handed to the writer; nil: it is free
	next    *batch // being decided; nil: nothing yet
}

// writer makes batches durable, one after the other.
func (p *pipe) writer(ctx context.Context) {
	for b := range p.work {
		p.written <- p.e.write(ctx, b)
	}
}

// run works until ctx ends and everything decided is written.
func (p *pipe) run(ctx, lasting context.Context) error {
	for {
		stop := ctx.Err() != nil
		if p.e.failure.Load() != nil && !stop {
			p.rest(ctx)
		}
		if stop && p.writing == nil && p.next == nil {
			return nil
		}
		if p.e.shiftDue() {
			if err := p.shift(lasting); err != nil {
				return err
			}
		}
		ins, wrote, err := p.wait(ctx)
		if wrote {
			if err := p.finish(lasting, err); err != nil {
				return err
			}
		}
		if err := p.decide(lasting, ins); err != nil {
			return err
		}
		if p.writing == nil {
			if err := p.hand(lasting); err != nil {
				return err
			}
		}
	}
}

// shift comes to rest, so that shards may go and come.
func (p *pipe) shift(ctx context.Context) error {
	for p.writing != nil || p.next != nil {
		if p.writing != nil {
			if err := p.finish(ctx, <-p.written); err != nil {
				return err
			}
		}
		if err := p.hand(ctx); err != nil {
			return err
		}
	}
	return p.e.shift(ctx)
}

// restAfterFailure is the time between two tries of a store that fails.
const restAfterFailure = 250 * time.Millisecond

// rest lets a store that fails come to itself.
func (p *pipe) rest(ctx context.Context) {
	timer := time.NewTimer(restAfterFailure)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// wait blocks until there is something to do: an input, a step that is due, or
// the writer's word.
func (p *pipe) wait(ctx context.Context) (ins []input, wrote bool, err error) {
	e := p.e
	full := p.next != nil && len(p.next.ins) >= batchMax
	inbox := e.inbox
	if full || ctx.Err() != nil { // the writer first
		inbox = nil
	}
	if p.writing == nil && (p.next != nil || ctx.Err() != nil) {
		return e.takeFrom(inbox, nil), false, nil // what was decided goes to the writer at once
	}
	var due <-chan time.Time
	if p.writing == nil { // a due step needs a batch of its own only when nothing else makes one
		if next, some := e.due.next(); some {
			timer := time.NewTimer(max(next.Sub(e.opt.Now()), 0))
			defer timer.Stop()
			due = timer.C
		}
	}
	select {
	case in := <-inbox:
		return e.takeFrom(inbox, []input{in}), false, nil
	case err := <-p.written:
		return e.takeFrom(inbox, nil), true, err
	case <-due:
		return e.takeFrom(inbox, nil), false, nil
	case <-p.ending(ctx):
		return nil, false, nil
	}
}

// ending is ready when the pipe has to stop and nothing is being written.
func (p *pipe) ending(ctx context.Context) <-chan struct{} {
	if p.writing != nil {
		return nil
	}
	return ctx.Done()
}

// decide takes inputs into the next batch.
func (p *pipe) decide(ctx context.Context, ins []input) error {
	e := p.e
	if len(ins) == 0 && (p.next != nil || p.writing != nil || !e.somethingDue(e.opt.Now())) {
		return nil
	}
	if p.next == nil {
		p.next = e.newBatch(p.writing)
	}
	if err := p.next.take(ctx, ins); err != nil {
		return p.broken(ctx, err)
	}
	return nil
}

// hand closes the next batch and gives it to the free writer.
func (p *pipe) hand(ctx context.Context) error {
	b := p.next
	if b == nil {
		return nil
	}
	if err := b.close(ctx); err != nil {
		return p.broken(ctx, err)
	}
	p.next = nil
	if b.empty() {
		b.done()
		return nil
	}
	p.writing = b
	p.work <- b
	return nil
}

// finish lets go what waited for a commit, or gives up everything that was
// decided on top of one that failed.
func (p *pipe) finish(ctx context.Context, err error) error {
	b := p.writing
	p.writing = nil
	if p.next != nil {
		p.next.prev = nil
	}
	if err == nil {
		b.done()
		return nil
	}
	ins := b.ins
	b.undo()
	if p.next != nil {
		ins = append(ins, p.next.ins...)
		p.next.undo()
		p.next = nil
	}
	return p.e.failed(ctx, ins, err)
}

// broken gives up the batch being decided, after the one before it is written.
func (p *pipe) broken(ctx context.Context, cause error) error {
	ins := p.next.ins
	p.next.undo()
	p.next = nil
	if p.writing != nil {
		if err := p.finish(ctx, <-p.written); err != nil {
			return err
		}
	}
	if len(ins) > 1 { // one of them can't be decided: the others can
		return p.e.stepSingly(ctx, ins, cause)
	}
	return p.e.failed(ctx, ins, cause)
}
