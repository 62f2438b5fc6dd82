package intake

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/waybillhq/waybill/connector"
	"github.com/waybillhq/waybill/internal/audit"
	"github.com/waybillhq/waybill/internal/engine"
	"github.com/waybillhq/waybill/internal/ledger"
	"github.com/waybillhq/waybill/internal/store"
)

const (
	// askWithin is how long one question may take.
	askWithin = 60 * time.Second
	// restAfterQuestion is the pause after a question that failed.
	restAfterQuestion = 15 * time.Second
	// pollFailed is the cause of a poll's trouble.
	pollFailed = "poll_failed"
)

// Cursors keeps how far each poll has read.
type Cursors interface {
	// Setting reads a cursor; store.ErrNotFound where there is none yet.
	Setting(ctx context.Context, name string) (string, error)
}

// Rememberer makes a cursor durable; it returns after the commit.
type Rememberer interface {
	Remember(ctx context.Context, name, value string, entry *audit.Entry) error
}

// PollOptions configure the asking of systems that do not push.
type PollOptions struct {
	Keeper     Keeper
	Cursors    Cursors
	Rememberer Rememberer
	Systems    []engine.System // those without a Poller are passed over
	MaxBody    int64           // bytes of a message; 0: MaxBodyDefault
	Now        func() time.Time
	Log        *slog.Logger // nil: nothing is logged
	// Report raises a trouble with a question, and closes it. It may be nil.
	Report func(context.Context, engine.Trouble) error
}

// Question is asked again and again: what changed since a cursor. Every answer
// goes
//
//	page → its messages are committed → the cursor behind it is committed
//
// so a crash on the way asks for the same page again, and the ids of its
// messages show what was taken before. One goroutine at a time calls it.
type Question struct {
	opt     *PollOptions
	system  string
	conn    connector.Connector
	poll    connector.Poll
	read    bool   // cursor was read
	cursor  string // as it was committed last
	trouble string // that was reported; "": none
}

// NewQuestions makes a question for each poll of each system.
func NewQuestions(opt PollOptions) []*Question {
	if opt.MaxBody <= 0 {
		opt.MaxBody = MaxBodyDefault
	}
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	if opt.Report == nil {
		opt.Report = func(context.Context, engine.Trouble) error { return nil }
	}
	var out []*Question
	for _, s := range opt.Systems {
		if s.Conn.Poller == nil || s.Conn.Translator == nil {
			continue
		}
		for _, p := range s.Conn.Poller.Polls() {
			out = append(out, &Question{opt: &opt, system: s.Name, conn: s.Conn, poll: p})
		}
	}
	return out
}

// String names the system and the poll: "depot/movements".
func (q *Question) String() string { return q.system + "/" + q.poll.Name }

// setting is the name under which the cursor is kept.
func (q *Question) setting() string { return "poll:" + q.String() }

// Step asks for one page, takes what is on it, and says when it wants to ask
// again: at once where there is more. A question that is not answered is a
// trouble in the inbox until it is.
func (q *Question) Step(ctx context.Context) (again time.Time) {
	page, err := q.ask(ctx)
	now := q.opt.Now()
	switch {
	case ctx.Err() != nil:
		return now.Add(q.poll.Every) // what is half done is asked again by the next process
	case err != nil:
		q.opt.Log.Warn("a system can't be asked", "system", q.system, "poll", q.poll.Name, "error", err)
		again = now.Add(max(restAfterQuestion, q.poll.Every))
	case !page.RetryAfter.IsZero():
		again = page.RetryAfter
	case page.More:
		again = now
	default:
		again = now.Add(q.poll.Every)
	}
	if err := q.say(ctx, err); err != nil {
		q.opt.Log.Warn("a trouble was not reported", "system", q.system, "poll", q.poll.Name, "error", err)
	}
	return again
}

// ask takes one page.
func (q *Question) ask(ctx context.Context) (connector.Page, error) {
	if !q.read {
		cursor, err := q.opt.Cursors.Setting(ctx, q.setting())
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return connector.Page{}, fmt.Errorf("read the cursor: %w", err)
		}
		q.cursor, q.read = cursor, true
	}
	limited, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	page, err := q.conn.Poller.Poll(limited, q.poll.Name, q.cursor)
	if err != nil {
		return connector.Page{}, err
	}
	for _, m := range page.Messages {
		if err := q.take(ctx, m); err != nil {
			return connector.Page{}, err
		}
	}
	if page.Cursor == q.cursor {
		return page, nil
	}
	if err := q.opt.Rememberer.Remember(ctx, q.setting(), page.Cursor, nil); err != nil {
		return connector.Page{}, fmt.Errorf("keep the cursor: %w", err)
	}
	q.cursor = page.Cursor
	return page, nil
}

// take keeps one changed thing as if it had been pushed.
func (q *Question) take(ctx context.Context, p connector.Polled) error {
	now := q.opt.Now().UTC()
	m := ledger.Message{Source: q.system, DedupeID: p.ID, Topic: p.Topic, Status: ledger.Accepted, ReceivedAt: now,
		SHA256: sha256.Sum256(p.Body), Header: headers(http.Header{}), Body: p.Body}
	if int64(len(p.Body)) > q.opt.MaxBody {
		return fmt.Errorf("message %s has %d bytes, more than limits.max_body", p.ID, len(p.Body))
	}
	events, reason, _ := translate(q.opt.Log, q.conn.Translator, connector.Message{System: q.system, Topic: p.Topic, Header: http.Header{},
		Body: p.Body, ReceivedAt: now})
	if reason != "" {
		m.Status, m.Reason, events = ledger.Quarantined, reason, nil
	}
	kept, err := q.opt.Keeper.Keep(ctx, m, events)
	if err != nil {
		return fmt.Errorf("keep message %s: %w", p.ID, err)
	}
	if kept.Conflict {
		// The id does not change with the content: what changed is missed.
		return fmt.Errorf("message %s came before with other content, as %s; make the id of the poll change with it", p.ID, MessageID(kept.Message))
	}
	return nil
}

// say reports what changed about the question's trouble.
func (q *Question) say(ctx context.Context, cause error) error {
	if errors.Is(cause, engine.ErrStopped) {
		return nil // the engine's trouble, which it tells itself
	}
	t := engine.Trouble{Cause: pollFailed, Subject: q.String()}
	if cause != nil {
		t.Detail = fmt.Sprintf("%s can't be asked for %s: %v", q.system, q.poll.Name, cause)
		t.Next = "mend what it names; the system is asked again by itself"
	}
	if t.Detail == q.trouble {
		return nil
	}
	if err := q.opt.Report(ctx, t); err != nil {
		return err
	}
	q.trouble = t.Detail
	return nil
}
