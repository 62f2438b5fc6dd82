package api

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/internal/ledger"
)

// eventStates are the states of C4, and that of an event not decided yet.
var eventStates = []string{string(ledger.Applied), string(ledger.Superseded), string(ledger.Ignored), string(ledger.Limbo),
	string(ledger.ParkedEvent), string(ledger.QuarantinedEvent), string(ledger.Undecided)}

// eventView is C4.
type eventView struct {
	Event   string `json:"event"`
	Message string `json:"message"` // empty: Waybill's own
	Source  string `json:"source"`
	ID      string `json:"id"`     // of the message, as its source wrote it
	SHA256  string `json:"sha256"` // of the raw body, in hexadecimal
	Type    string `json:"type"`
	Order   string `json:"order"`
	State   string `json:"state"`
	Reason  string `json:"reason"`
}

func (a *API) events(c *call) error {
	after, limit, err := c.query.page()
	if err != nil {
		return err
	}
	rows, err := a.Store.Events(c.Context(), ledger.EventQuery{Source: c.query["source"], ID: c.query["id"],
		State: ledger.EventState(c.query["state"]), After: after, Limit: limit + 1})
	if err != nil {
		return err
	}
	rows, more := cut(rows, limit)
	look := eventLook{store: a.Store, messages: map[int64]ledger.Message{}, orders: map[int64]string{}}
	page, next := make([]eventView, len(rows)), int64(0)
	for i := range rows {
		next = rows[i].ID
		if page[i], err = look.view(c.Context(), &rows[i]); err != nil {
			return err
		}
	}
	return writeList(c, page, more, next)
}

// eventLook reads each message and waybill of a page once.
type eventLook struct {
	store    Store
	messages map[int64]ledger.Message
	orders   map[int64]string
}

func (l *eventLook) view(ctx context.Context, ev *ledger.Event) (eventView, error) {
	v := eventView{Event: id(eventPrefix, ev.ID), Message: id(messagePrefix, ev.Message), Source: ev.Source,
		Type: string(ev.Type), State: string(ev.State), Reason: ev.Reason}
	if ev.Message != 0 {
		m, known := l.messages[ev.Message]
		if !known {
			var err error
			if m, err = l.store.Message(ctx, ev.Message); err != nil {
				return v, fmt.Errorf("read the message of event %d: %w", ev.ID, err)
			}
			m.Body = nil // one page may name many
			l.messages[ev.Message] = m
		}
		v.ID, v.SHA256 = m.DedupeID, hex.EncodeToString(m.SHA256[:])
	}
	if ev.Waybill != 0 {
		order, known := l.orders[ev.Waybill]
		if !known {
			w, err := l.store.Waybill(ctx, ev.Waybill)
			if err != nil {
				return v, fmt.Errorf("read the waybill of event %d: %w", ev.ID, err)
			}
			if w.Kind == waybill.FlowSales {
				order = w.Ref
			}
			l.orders[ev.Waybill] = order
		}
		v.Order = order
	}
	return v, nil
}

func (a *API) messageRaw(c *call) error {
	n, err := number(c.PathValue("message"), messagePrefix, "message")
	if err != nil {
		return err
	}
	return a.raw(c, n)
}

func (a *API) eventRaw(c *call) error {
	n, err := number(c.PathValue("event"), eventPrefix, "event")
	if err != nil {
		return err
	}
	ev, err := a.Store.Event(c.Context(), n)
	if err != nil {
		return err
	}
	if ev.Message == 0 {
		return reject(http.StatusNotFound, "no_message", "", "the event is Waybill's own: no message carried it", "see the order's timeline")
	}
	return a.raw(c, ev.Message)
}

// raw answers with a message's bytes. They are somebody else's: nothing but
// JSON keeps its type, so that no browser runs what it finds in them.
func (a *API) raw(c *call, message int64) error {
	m, err := a.Store.Message(c.Context(), message)
	if err != nil {
		return err
	}
	var sent map[string]string
	contentType := "application/octet-stream"
	if err := waybill.Unmarshal(m.Header, &sent); err == nil && strings.HasPrefix(sent["content-type"], typeJSON) {
		contentType = typeJSON
	}
	h := c.w.Header()
	h.Set("Content-Disposition", `attachment; filename="`+id(messagePrefix, m.ID)+`"`)
	h.Set("Content-Digest", "sha-256=:"+base64.StdEncoding.EncodeToString(m.SHA256[:])+":")
	c.send(http.StatusOK, contentType, m.Body)
	return nil
}
