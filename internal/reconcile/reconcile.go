// Package reconcile proves that the systems' books agree with what happened on
// the floor. It reads a system's own journal from the beginning and compares
// it with Waybill's receipts, document by document, and with the shipments the
// warehouse reported, line by line and unit by unit. What differs is a break
// with its cause, its money and the one thing that repairs it; nothing is
// repaired by itself.
package reconcile

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/connector"
	"github.com/waybillhq/waybill/internal/lane"
	"github.com/waybillhq/waybill/internal/ledger"
	"github.com/waybillhq/waybill/internal/process"
)

// Control names what was compared (system contract C9).
type Control string

// The controls.
const (
	ReleasedNotAllocated Control = "released_not_allocated"
	ShippedNotPosted     Control = "shipped_not_posted"
	PostedNotShipped     Control = "posted_not_shipped"
	ShippedNotInvoiced   Control = "shipped_not_invoiced"
	InvoicedNotShipped   Control = "invoiced_not_shipped"
	Duplicate            Control = "duplicate"
	Quantity             Control = "quantity"
)

// Break is a difference, in the item's base unit and the order's currency.
type Break struct {
	Control  Control         `json:"control"`
	Order    string          `json:"order"`
	Line     string          `json:"line"`
	Qty      waybill.Decimal `json:"qty"`
	Money    waybill.Decimal `json:"money"`
	Currency string          `json:"currency"`
	Since    time.Time       `json:"since"`
	Cause    string          `json:"cause"`  // in_flight, refused, held, missing, by_hand, duplicate, unknown
	Action   string          `json:"action"` // the one thing that repairs it
}

// Report is the outcome for one system. The first four lists are documents
// (keys) and journal positions.
type Report struct {
	System          string   `json:"system"`
	AsOf            string   `json:"as_of"`
	Entries         int      `json:"entries"` // of the journal
	MissingInTarget []string `json:"missing_in_target"`
	UnknownInTarget []int64  `json:"unknown_in_target"`
	Duplicate       []string `json:"duplicate"`
	Differs         []string `json:"differs"`
	Breaks          []Break  `json:"breaks"`
}

// Clean reports whether everything agrees.
func (r *Report) Clean() bool {
	return len(r.MissingInTarget)+len(r.UnknownInTarget)+len(r.Duplicate)+len(r.Differs)+len(r.Breaks) == 0
}

// Reader is what is compared with.
type Reader interface {
	WaybillsByTag(ctx context.Context, tag int64) ([]ledger.Waybill, error)
	Waybills(ctx context.Context, q ledger.WaybillQuery) ([]ledger.Waybill, error)
	DeliveriesOf(ctx context.Context, waybill int64) ([]lane.Delivery, error)
	Event(ctx context.Context, id int64) (ledger.Event, error)
}

// System is the one whose books are read.
type System struct {
	Name    string
	Role    waybill.Role
	Journal connector.Journal
}

// ErrNoJournal is returned where a system's books can't be read.
var ErrNoJournal = errors.New("the system has no journal that can be read")

// Limits of a run.
const (
	journalPage = 1000
	orderPage   = 500
)

// run is a reconciliation under way.
type run struct {
	db      Reader
	sys     System
	asOf    time.Time
	rep     *Report
	entries map[string]entry        // by key
	booked  map[string][]bookedLine // by order and line, one for each unit
}

type entry struct {
	n      int64
	digest string
}

// bookedLine is what the journal holds of a line in one unit; empty is the order
// line's.
type bookedLine struct {
	uom      string
	posted   waybill.Decimal // less what was reversed
	invoiced waybill.Decimal // less what was credited because less had shipped
	credited waybill.Decimal // for returns: what shipped and was invoiced stays so
	byHand   bool
}

// Run compares a system's books as of a time; the zero time is now.
func Run(ctx context.Context, db Reader, sys System, asOf time.Time) (*Report, error) {
	if sys.Journal == nil {
		return nil, fmt.Errorf("%s: %w", sys.Name, ErrNoJournal)
	}
	r := &run{db: db, sys: sys, asOf: asOf, entries: map[string]entry{}, booked: map[string][]bookedLine{},
		rep: &Report{System: sys.Name, MissingInTarget: []string{}, UnknownInTarget: []int64{}, Duplicate: []string{}, Differs: []string{}, Breaks: []Break{}}}
	if !asOf.IsZero() {
		r.rep.AsOf = asOf.UTC().Format(time.RFC3339)
	}
	if err := r.readJournal(ctx); err != nil {
		return nil, err
	}
	if err := r.readOrders(ctx); err != nil {
		return nil, err
	}
	return r.rep, nil
}

// readJournal takes in the system's own books.
func (r *run) readJournal(ctx context.Context) error {
	for after := int64(0); ; {
		page, head, err := r.sys.Journal.Entries(ctx, after, journalPage)
		if err != nil {
			return fmt.Errorf("read the journal of %s after %d: %w", r.sys.Name, after, err)
		}
		for i := range page {
			e := &page[i]
			after = max(after, e.N)
			if !r.asOf.IsZero() && e.At.After(r.asOf) {
				continue
			}
			r.rep.Entries++
			if err := r.take(ctx, e); err != nil {
				return err
			}
		}
		if len(page) == 0 || after >= head {
			return nil
		}
	}
}

func (r *run) take(ctx context.Context, e *connector.Entry) error {
	r.book(e)
	if e.Key == "" {
		r.rep.UnknownInTarget = append(r.rep.UnknownInTarget, e.N)
		return nil
	}
	if first, twice := r.entries[e.Key]; twice {
		r.rep.Duplicate = append(r.rep.Duplicate, e.Key)
		for _, l := range e.Lines {
			r.rep.Breaks = append(r.rep.Breaks, Break{Control: Duplicate, Order: e.Order, Line: l.Line, Qty: l.Qty, Since: e.At,
				Cause: "duplicate", Action: fmt.Sprintf("reverse entry %d of %s; entry %d stands", e.N, r.sys.Name, first.n)})
		}
		return nil
	}
	r.entries[e.Key] = entry{n: e.N, digest: e.Digest}
	ours, err := r.isOurs(ctx, e.Key)
	if err != nil {
		return err
	}
	if !ours {
		r.rep.UnknownInTarget = append(r.rep.UnknownInTarget, e.N)
	}
	return nil
}

func (r *run) isOurs(ctx context.Context, key string) (bool, error) {
	tag, ok := waybill.TagOfKey(key)
	if !ok {
		return false, nil
	}
	ws, err := r.db.WaybillsByTag(ctx, tag)
	if err != nil {
		return false, fmt.Errorf("find the order of key %s: %w", key, err)
	}
	return len(ws) > 0, nil
}

// book adds an entry to what the system holds per line.
func (r *run) book(e *connector.Entry) {
	for _, l := range e.Lines {
		at := e.Order + "\x00" + l.Line
		i := slices.IndexFunc(r.booked[at], func(b bookedLine) bool { return b.uom == l.UOM })
		if i < 0 {
			i = len(r.booked[at])
			r.booked[at] = append(r.booked[at], bookedLine{uom: l.UOM})
		}
		b := &r.booked[at][i]
		b.byHand = b.byHand || e.Key == ""
		switch e.Kind {
		case waybill.ShipmentPosting:
			b.posted = b.posted.Add(l.Qty)
		case waybill.ShipmentReversal:
			b.posted = b.posted.Sub(l.Qty)
		case waybill.Invoice:
			b.invoiced = b.invoiced.Add(l.Qty)
		case waybill.CreditMemo:
			if aboutReturn(e) {
				b.credited = b.credited.Add(l.Qty)
			} else {
				b.invoiced = b.invoiced.Sub(l.Qty)
			}
		}
	}
}

// aboutReturn reports whether a credit memo says in its data that it is for a
// return (T1).
func aboutReturn(e *connector.Entry) bool {
	var data struct {
		Return string `json:"return"`
	}
	return len(e.Data) > 0 && waybill.Unmarshal(e.Data, &data) == nil && data.Return != ""
}

// readOrders compares every order, and every document of any other flow, with
// the books.
func (r *run) readOrders(ctx context.Context) error {
	for before := int64(0); ; {
		page, err := r.db.Waybills(ctx, ledger.WaybillQuery{Before: before, Limit: orderPage})
		if err != nil {
			return fmt.Errorf("read the orders before %d: %w", before, err)
		}
		for i := range page {
			before = page[i].ID
			if !r.asOf.IsZero() && page[i].CreatedAt.After(r.asOf) {
				continue
			}
			if err := r.order(ctx, &page[i]); err != nil {
				return err
			}
		}
		if len(page) < orderPage {
			break
		}
	}
	sort.Slice(r.rep.Breaks, func(i, j int) bool {
		a, b := &r.rep.Breaks[i], &r.rep.Breaks[j]
		if a.Control != b.Control {
			return a.Control < b.Control
		}
		if a.Order != b.Order {
			return a.Order < b.Order
		}
		return a.Line < b.Line
	})
	return nil
}

func (r *run) order(ctx context.Context, w *ledger.Waybill) error {
	ds, err := r.db.DeliveriesOf(ctx, w.ID)
	if err != nil {
		return fmt.Errorf("read the deliveries of %s: %w", w.Ref, err)
	}
	for i := range ds {
		r.document(&ds[i])
	}
	if w.Kind != waybill.FlowSales {
		return nil
	}
	state, err := r.state(ctx, w)
	if err != nil {
		return err
	}
	v := state.View()
	for i := range v.Lines {
		r.line(w, state, ds, &v.Lines[i])
	}
	return nil
}

// document compares a receipt with the journal.
func (r *run) document(d *lane.Delivery) {
	if d.Target != r.sys.Name || d.State != lane.Done || !r.asOf.IsZero() && d.SettledAt.After(r.asOf) {
		return
	}
	e, there := r.entries[d.Key]
	switch {
	case !there && !answersOnly(d.Kind):
		r.rep.MissingInTarget = append(r.rep.MissingInTarget, d.Key)
	case there && e.digest != "" && !sameDigest(e.digest, d.Digest):
		r.rep.Differs = append(r.rep.Differs, d.Key)
	}
}

// answersOnly reports whether a kind of document asks a question and leaves
// nothing in the books.
func answersOnly(k waybill.Kind) bool { return k == waybill.OrderCheck || k == waybill.TaxQuote }

// state folds nothing: it reads the order's state with the facts it needs.
func (r *run) state(ctx context.Context, w *ledger.Waybill) (*process.Sales, error) {
	state, err := process.Load(w.State)
	if err != nil {
		return nil, fmt.Errorf("read the state of %s: %w", w.Ref, err)
	}
	err = state.Fetch(func(id int64) ([]byte, error) {
		ev, err := r.db.Event(ctx, id)
		return ev.Data, err
	})
	if err != nil {
		return nil, fmt.Errorf("read the facts of %s: %w", w.Ref, err)
	}
	return state, nil
}

// sameDigest compares a journal's digest with ours: both are SHA-256, written
// as Content-Digest writes it, in hexadecimal or in base64.
func sameDigest(theirs string, ours [32]byte) bool {
	text := strings.TrimSuffix(strings.TrimPrefix(theirs, "sha-256=:"), ":")
	return text == base64.StdEncoding.EncodeToString(ours[:]) || strings.EqualFold(text, hex.EncodeToString(ours[:]))
}
