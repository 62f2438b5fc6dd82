package engine

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/internal/ledger"
	"github.com/waybillhq/waybill/internal/store"
)

// entityKinds are the kinds of master data, in the order in which they are read
// (system contract T6): items before the positions of them.
var entityKinds = []string{"items", "customers", "warehouses", "prices", "inventory"}

const (
	inventoryKind = "inventory"
	readWithin    = 30 * time.Second // of a page
	sinceOverlap  = time.Minute      // read again: what changed while the pass before was under way, by another clock
	pagesMax      = 100_000          // of one kind in one pass: a system that never ends is broken
)

// reading is how far a target's master data is read.
type reading struct {
	at     time.Time // when to go on; zero: not at all, or a page is under way
	pass   int       // counts the passes; an answer of an earlier one is dropped
	kind   int       // in entityKinds
	cursor string
	page   int
	began  time.Time // the pass of this kind
	failed int       // in a row
	known  known     // of this kind
}

// known is what a restart must know of a kind of master data: since when to ask
// for changes, and the digests of the pages as they were last, so that an answer
// that says the same again adds nothing.
type known struct {
	Since string            `json:"since,omitempty"`
	Pages map[string]string `json:"pages,omitempty"` // by cursor
	seen  map[string]bool   // of this pass
}

// readSoon reads a target's master data from a time on.
func (e *Engine) readSoon(t *target, at time.Time) {
	if !e.reads(t) {
		return
	}
	t.reading.at = at
	e.due.add(dueItem{at: at, target: t.sys.Name})
}

// readAnew begins a pass over a target's master data.
func (e *Engine) readAnew(t *target) {
	t.reading = reading{pass: t.reading.pass + 1}
	e.readSoon(t, e.opt.Now())
}

// reads reports whether a target is a system of record that is asked for its
// master data. A channel is told, not asked.
func (e *Engine) reads(t *target) bool {
	return e.owns(steward) && e.opt.MasterData > 0 && t.conn.Publisher != nil && t.sys.Role != waybill.RoleChannel
}

// readDue asks for the next page of master data where its time has come.
func (b *batch) readDue(ctx context.Context, t *target) error {
	r := &t.reading
	if r.at.IsZero() || r.at.After(b.now) || !b.e.reads(t) {
		return nil
	}
	switch {
	case b.now.Before(t.until):
		b.e.readSoon(t, t.until)
		return nil
	case t.open || t.paused != "" && t.paused != "operator": // it answers nobody, or not us
		b.e.readSoon(t, b.now.Add(probeMax))
		return nil
	}
	if r.cursor == "" {
		r.began, r.page = b.now, 0
		if err := b.e.loadKnown(ctx, t); err != nil {
			return err
		}
	}
	r.at = time.Time{}
	b.after = append(b.after, func() { b.e.read(t) })
	return nil
}

func masterSetting(t *target) string {
	return "master:" + t.sys.Name + ":" + entityKinds[t.reading.kind]
}

// loadKnown reads what is known of the kind that is read next.
func (e *Engine) loadKnown(ctx context.Context, t *target) error {
	t.reading.known = known{Pages: map[string]string{}, seen: map[string]bool{}}
	text, err := e.store.Setting(ctx, masterSetting(t))
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read how far the master data of %s is known: %w", t.sys.Name, err)
	}
	if err := json.Unmarshal([]byte(text), &t.reading.known); err != nil {
		return fmt.Errorf("read how far the master data of %s is known: %w", t.sys.Name, err)
	}
	return nil
}

// read asks a system of record for a page, beside the loop.
func (e *Engine) read(t *target) {
	r, from := t.reading, t.conn.Publisher
	e.call(func() input {
		ctx, cancel := context.WithTimeout(e.base, readWithin)
		defer cancel()
		p := &entityPage{target: t, pass: r.pass, kind: entityKinds[r.kind], cursor: r.cursor, at: e.opt.Now()}
		p.events, p.next, p.err = from.Entities(ctx, p.kind, r.known.Since, r.cursor)
		return p
	})
}

// entityPage is a page of master data as it was read.
type entityPage struct {
	target *target
	pass   int
	kind   string
	cursor string
	at     time.Time
	events []waybill.Event
	next   string
	err    error
}

// fail drops the page: the pass begins anew when the memory is read again.
func (p *entityPage) fail(error) {}

func (p *entityPage) apply(ctx context.Context, b *batch) error {
	t, r := p.target, &p.target.reading
	if p.pass != r.pass {
		return nil
	}
	if p.err == nil && r.page >= pagesMax {
		p.err = fmt.Errorf("more than %d pages", pagesMax)
	}
	if p.err != nil {
		r.failed++
		r.cursor = "" // a cursor may have gone stale
		b.e.log.Warn("master data could not be read", "system", t.sys.Name, "kind", p.kind, "error", p.err)
		b.e.readSoon(t, b.now.Add(min(b.e.timing.Backoff(r.failed, b.e.opt.Chance())*2, b.e.opt.MasterData)))
		return nil
	}
	r.failed = 0
	r.page++
	if err := p.keep(ctx, b); err != nil {
		return err
	}
	r.known.seen[p.cursor] = true
	r.cursor = p.next
	if p.next != "" {
		b.e.readSoon(t, b.now)
		return nil
	}
	for cursor := range r.known.Pages {
		if !r.known.seen[cursor] {
			delete(r.known.Pages, cursor)
		}
	}
	r.known.Since = r.began.Add(t.skew - sinceOverlap).UTC().Format(time.RFC3339)
	if err := b.keepKnown(t); err != nil {
		return err
	}
	if r.kind++; r.kind < len(entityKinds) {
		b.e.readSoon(t, b.now)
		return nil
	}
	r.kind = 0
	b.e.readSoon(t, b.now.Add(b.e.opt.MasterData))
	return nil
}

func (b *batch) keepKnown(t *target) error {
	text, err := json.Marshal(t.reading.known)
	if err != nil {
		return fmt.Errorf("write how far the master data of %s is known: %w", t.sys.Name, err)
	}
	if b.w.Settings == nil {
		b.w.Settings = map[string]string{}
	}
	b.w.Settings[masterSetting(t)] = string(text)
	return nil
}

// keep makes a page a message like one that was pushed, unless it says what the
// page said before.
func (p *entityPage) keep(ctx context.Context, b *batch) error {
	if len(p.events) == 0 {
		return nil
	}
	digest, err := p.digest()
	if err != nil {
		return err
	}
	r := &p.target.reading
	if r.known.Pages == nil {
		r.known.Pages = map[string]string{}
	}
	if r.known.Pages[p.cursor] == digest {
		if wanted, err := p.wanted(ctx, b); err != nil || !wanted {
			return err
		}
	}
	r.known.Pages[p.cursor] = digest
	if err := b.keepKnown(p.target); err != nil {
		return err
	}
	body, err := p.body()
	if err != nil {
		return err
	}
	a := &arrival{read: true, events: p.events, reply: make(chan keptOrError, 1), message: ledger.Message{
		Source: p.target.sys.Name, DedupeID: fmt.Sprintf("%s-%d-%s", p.kind, p.at.UnixMicro(), digest), Topic: "entities/" + p.kind,
		Status: ledger.Accepted, ReceivedAt: p.at.UTC(), SHA256: sha256.Sum256(body), Body: body}}
	if err := b.name(ctx, a); err != nil {
		return err
	}
	b.messages = append(b.messages, a.message)
	return a.apply(ctx, b)
}

// body is the page as it is kept: each entity as the system wrote it.
func (p *entityPage) body() ([]byte, error) {
	page := struct {
		Items []jsontext.Value `json:"items"`
		Next  string           `json:"next"`
	}{Next: p.next}
	for _, ev := range p.events {
		page.Items = append(page.Items, ev.Data)
	}
	body, err := waybill.Marshal(page)
	if err != nil {
		return nil, fmt.Errorf("write a page of %s of %s: %w", p.kind, p.target.sys.Name, err)
	}
	return body, nil
}

// digest tells two answers to the same question apart. That a position is still
// the same is no news.
func (p *entityPage) digest() (string, error) {
	sum := sha256.New()
	for _, ev := range p.events {
		data := []byte(ev.Data)
		if p.kind == inventoryKind {
			var fields map[string]jsontext.Value
			if err := waybill.Unmarshal(data, &fields); err != nil {
				return "", fmt.Errorf("read a page of %s of %s: %w", p.kind, p.target.sys.Name, err)
			}
			delete(fields, "as_of")
			var err error
			if data, err = waybill.Marshal(fields); err != nil {
				return "", fmt.Errorf("read a page of %s of %s: %w", p.kind, p.target.sys.Name, err)
			}
		}
		sum.Write(bytes.TrimSpace(data))
		sum.Write([]byte{'\n'})
	}
	return hex.EncodeToString(sum.Sum(nil)[:8]), nil
}

// wanted reports whether an order waits for an item of the page: then it is of
// use that what is available is still so.
func (p *entityPage) wanted(ctx context.Context, b *batch) (bool, error) {
	if p.kind != inventoryKind {
		return false, nil
	}
	for _, ev := range p.events {
		entity := watchStock + ev.Ref
		stored, err := b.e.store.Watching(ctx, entity, 0, 1)
		if err != nil {
			return false, fmt.Errorf("read which orders wait for %s: %w", ev.Ref, err)
		}
		if len(b.watching(entity, stored)) > 0 {
			return true, nil
		}
	}
	return false, nil
}
