// Package intake is the door: it takes what systems push (system contract W1
// and W2) and the orders of the control API (C11).
//
// A message is authenticated by its connector, translated where it was
// received, and kept. Only after the commit is its sender told that it was
// taken. What is authentic and not understood is kept too, quarantined with
// the reason; what is not authentic is recorded as evidence, a bounded amount
// of it. Nothing here decides what a message means for an order.
package intake

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strconv"
	"sync"
	"time"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/connector"
	"github.com/waybillhq/waybill/connector/orders"
	"github.com/waybillhq/waybill/internal/engine"
	"github.com/waybillhq/waybill/internal/ledger"
)

// MaxBodyDefault is the size above which a push is refused with 413, in bytes
// (system contract W2).
const MaxBodyDefault = 10 << 20

// answerWithin is how long a sender waits at most: W2 gives 15 s, after which
// it sends again, so the answer has to leave before.
const answerWithin = 14 * time.Second

// Keeper makes messages durable and decides their events. It returns after the
// commit; [engine.ErrStopped] says that the sender has to send again.
type Keeper interface {
	Keep(ctx context.Context, m ledger.Message, events []waybill.Event) (engine.Kept, error)
}

// Options configure the intake.
type Options struct {
	Keeper Keeper
	// Systems are those whose connector can receive. The system with the
	// connector orders takes what [Intake.Order] brings and nothing else: its
	// senders are authenticated by their API keys, not by a signature.
	Systems []engine.System
	MaxBody int64            // bytes; 0: MaxBodyDefault
	Now     func() time.Time // nil: the wall clock
	Log     *slog.Logger     // nil: nothing is logged
	// Observe is told of every answered push: the system ("" where it is not
	// known), the status and how long the answer took. It may be nil.
	Observe func(system string, status int, took time.Duration)
}

// Intake takes messages. It is safe for concurrent use.
type Intake struct {
	opt     Options
	sources map[string]*source
	orders  *source // nil: orders by API are not configured
	busy    sync.Map
}

// source is a system that pushes.
type source struct {
	name     string
	conn     connector.Connector
	evidence budget
}

// New makes an intake for the systems that can push.
func New(opt Options) *Intake {
	if opt.MaxBody <= 0 {
		opt.MaxBody = MaxBodyDefault
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	if opt.Observe == nil {
		opt.Observe = func(string, int, time.Duration) {}
	}
	in := &Intake{opt: opt, sources: map[string]*source{}}
	for _, s := range opt.Systems {
		if s.Conn.Receiver == nil || s.Conn.Translator == nil {
			continue
		}
		src := &source{name: s.Name, conn: s.Conn}
		if s.Manifest.Name == orders.Name {
			in.orders = src
			continue
		}
		in.sources[s.Name] = src
	}
	return in
}

// MaxBody is the size above which a body is refused, in bytes.
func (in *Intake) MaxBody() int64 { return in.opt.MaxBody }

// Answer is what a sender is told of a message that was kept (W2).
type Answer struct {
	ID        string `json:"id"`    // the message: msg_<n>
	Event     string `json:"event"` // its first event: evt_<n>
	Duplicate bool   `json:"duplicate"`
	Status    string `json:"status"` // accepted or quarantined
}

// Push takes a message of a system: POST /in/{system}. The error is a
// [*connector.Rejection] where the sender is at fault or has to send again;
// nothing of such a message is decided.
func (in *Intake) Push(ctx context.Context, system string, h http.Header, body []byte) (Answer, error) {
	s := in.sources[system]
	if s == nil {
		return Answer{}, connector.Reject(http.StatusNotFound, "unknown_system", "",
			fmt.Sprintf("no system called %.60q sends messages here", system), "send to /in/ with the system's name in the configuration")
	}
	kept, err := in.keep(ctx, s, h, body)
	if err == nil && kept.Conflict {
		err = connector.Reject(http.StatusConflict, "id_conflict", "",
			fmt.Sprintf("this id was taken before with another body, as message %s; that one stands", MessageID(kept.Message)),
			"send what is new under an id of its own")
	}
	return answer(kept), err
}

// Order takes an order of the control API (C11), whose sender has been
// authenticated. Errors are as for [Intake.Push].
func (in *Intake) Order(ctx context.Context, h http.Header, body []byte) (Answer, error) {
	s := in.orders
	if s == nil {
		return Answer{}, connector.Reject(http.StatusNotFound, "no_orders_system", "",
			"this installation takes no orders by API", "add a system with the connector orders to the configuration")
	}
	key := h.Get("Idempotency-Key")
	if _, running := in.busy.LoadOrStore(key, true); running && key != "" {
		return Answer{}, connector.Reject(http.StatusConflict, "in_progress", "Idempotency-Key",
			"an order with this key is being taken right now", "ask again with the same key and body in a moment")
	}
	defer in.busy.Delete(key)
	kept, err := in.keep(ctx, s, h, body)
	if err == nil && kept.Conflict {
		err = connector.Reject(http.StatusUnprocessableEntity, "key_reuse", "Idempotency-Key",
			fmt.Sprintf("this key was used before with another body, for message %s", MessageID(kept.Message)),
			"use a new key for another order")
	}
	return answer(kept), err
}

func answer(k engine.Kept) Answer {
	return Answer{ID: MessageID(k.Message), Event: EventID(k.Event), Duplicate: k.Duplicate, Status: string(k.Status)}
}

// MessageID is a message's id as the API writes it.
func MessageID(n int64) string { return "msg_" + strconv.FormatInt(n, 10) }

// EventID is an event's id as the API writes it.
func EventID(n int64) string { return "evt_" + strconv.FormatInt(n, 10) }

// keep authenticates, translates and keeps a message.
func (in *Intake) keep(ctx context.Context, s *source, h http.Header, body []byte) (engine.Kept, error) {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	now := in.opt.Now()
	env, err := in.receive(s, connector.Inbound{Header: h, Body: body, Now: now})
	if err != nil {
		if r := (*connector.Rejection)(nil); errors.As(err, &r) && r.Status == http.StatusUnauthorized {
			in.record(ctx, s, h, body, r, now)
		}
		return engine.Kept{}, err
	}
	m := ledger.Message{Source: s.name, DedupeID: env.ID, Topic: env.Topic, Status: ledger.Accepted,
		ReceivedAt: now.UTC(), SHA256: sha256.Sum256(body), Header: headers(h), Body: body}
	events, reason := in.translate(s, connector.Message{System: s.name, Topic: env.Topic, Header: h, Body: body, ReceivedAt: m.ReceivedAt})
	if reason != "" {
		m.Status, m.Reason, events = ledger.Quarantined, reason, nil
	}
	kept, err := in.opt.Keeper.Keep(ctx, m, events)
	if err != nil {
		in.opt.Log.Warn("a message was not kept; its sender has to send it again", "system", s.name, "id", env.ID, "error", err)
		return kept, unavailable()
	}
	return kept, nil
}

func unavailable() *connector.Rejection {
	return connector.Reject(http.StatusServiceUnavailable, "unavailable", "",
		"the message could not be kept now", "send it again with the same id")
}

// receive asks the connector. A panic of it costs this message, not the
// process: the sender is told to send again.
func (in *Intake) receive(s *source, msg connector.Inbound) (env connector.Envelope, err error) {
	defer func() {
		if r := recover(); r != nil {
			in.opt.Log.Error("a receiver panicked", "system", s.name, "panic", r, "stack", string(debug.Stack()))
			err = unavailable()
		}
	}()
	env, err = s.conn.Receiver.Receive(msg)
	if r := (*connector.Rejection)(nil); err != nil && !errors.As(err, &r) {
		err = connector.Reject(http.StatusBadRequest, "not_readable", "", err.Error(), "")
	}
	return env, err
}

// translate turns a message into events. The reason says why it could not be
// understood, "" where it could.
func (in *Intake) translate(s *source, m connector.Message) (events []waybill.Event, reason string) {
	events, reason, _ = translate(in.opt.Log, s.conn.Translator, m)
	return events, reason
}

// translate also reports whether the message waits, which only one does that may.
func translate(log *slog.Logger, t connector.Translator, m connector.Message) (events []waybill.Event, reason string, waits bool) {
	defer func() {
		if r := recover(); r != nil {
			log.Error("a translator panicked", "system", m.System, "panic", r, "stack", string(debug.Stack()))
			events, reason, waits = nil, fmt.Sprintf("translating it failed: %v", r), false
		}
	}()
	events, err := t.Translate(m)
	if err != nil {
		return nil, err.Error(), m.MayWait && errors.As(err, new(*connector.Later))
	}
	return events, "", false
}
