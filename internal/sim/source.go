package sim

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/waybillhq/waybill/connector"
	"github.com/waybillhq/waybill/internal/ledger"
	"github.com/waybillhq/waybill/internal/sim/oracle"
)

// patience is how long a source waits for an answer before it sends again (W2).
const patience = 15 * time.Second

// push is a message that a source sends until it is answered yes.
type push struct {
	w     *world
	in    *oracle.Input
	body  []byte
	alter int // ms after its yes it comes again with another body; 0: it does not
}

// push sends a message.
func (w *world) push(source, kind, data string) {
	body := fmt.Sprintf(`{"type":%q,"timestamp":%q,"data":%s}`, kind, w.now.Format(time.RFC3339), data)
	in := &oracle.Input{Source: source, ID: fmt.Sprintf("%s-%d", source, len(w.history.Inputs)+1), Type: kind, Sum: sha256.Sum256([]byte(body))}
	w.history.Inputs = append(w.history.Inputs, in)
	w.open++
	(&push{w: w, in: in, body: []byte(body)}).send()
}

// send makes one try.
func (m *push) send() {
	w := m.w
	if m.in.Acked {
		return
	}
	m.in.Sent++
	site := "push " + m.in.Source
	f, nth := w.pass(site)
	there := ms(1 + w.chance("there "+site, nth, 80))
	switch f.What {
	case "lost":
	case "reply_lost":
		w.in(there, func() { m.arrive(m.body, func(bool) {}) })
	case "twice":
		w.in(there, func() { m.arrive(m.body, m.answered) })
		w.in(there+ms(f.MS/10), func() { m.arrive(m.body, m.answered) })
	case "slow":
		w.in(ms(f.MS), func() { m.arrive(m.body, m.answered) })
	case "other_body":
		m.alter = 1 + f.MS/10
		fallthrough
	default:
		w.in(there, func() { m.arrive(m.body, m.answered) })
	}
	w.in(patience, m.send)
}

// answered is the yes at its source.
func (m *push) answered(duplicate bool) {
	if m.in.Acked {
		return
	}
	m.in.Acked, m.in.Duplicate = true, duplicate
	m.w.open--
	if duplicate {
		m.w.reach("duplicate_message")
	}
	if m.alter > 0 {
		m.w.in(ms(m.alter), func() { m.arrive(append([]byte(" "), m.body...), func(bool) {}) })
	}
}

// arrive is the message at the process: translated, handed over, and answered
// when the process says so. Nobody answers where there is none.
func (m *push) arrive(body []byte, answer func(duplicate bool)) {
	w := m.w
	p := w.proc
	if p == nil {
		return
	}
	message := ledger.Message{Source: m.in.Source, DedupeID: m.in.ID, Status: ledger.Accepted, ReceivedAt: w.now,
		SHA256: sha256.Sum256(body), Body: body}
	events, err := p.translators[m.in.Source].Translate(connector.Message{System: m.in.Source, Body: body, ReceivedAt: w.now})
	if odd := (*connector.Untranslatable)(nil); errors.As(err, &odd) {
		message.Status, message.Reason = ledger.Quarantined, odd.Error()
	} else if err != nil {
		w.failure = fmt.Errorf("translate %s: %w", m.in.Type, err)
		return
	}
	reply, err := p.s.Keep(w.ctx, message, events)
	if err != nil {
		return // it sends again
	}
	if w.bugs.early {
		answer(false)
	}
	p.waiting = append(p.waiting, func() bool {
		kept, said, err := reply.Said()
		switch {
		case !said:
			return false
		case err != nil:
			w.reach("turned_away")
		case kept.Conflict:
			w.reach("conflict")
		default:
			w.in(ms(1), func() { answer(kept.Duplicate) })
		}
		return true
	})
}
