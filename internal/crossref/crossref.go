// Package crossref says what waits for a mapping and what it may mean, and
// brings sheets of mappings in. The API, the pages and the command ask it alike;
// what references mean is the engine's and the store's.
package crossref

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/internal/engine"
	"github.com/waybillhq/waybill/internal/exception"
	"github.com/waybillhq/waybill/internal/identity"
	"github.com/waybillhq/waybill/internal/ledger"
)

// Limits of what is looked through for one answer.
const (
	waitingMax = 10_000 // exceptions
	knownMax   = 5_000  // items, the newest
	pageSize   = 1_000
	ordersMax  = 20 // named of one reference
)

// Reader is what is read.
type Reader interface {
	identity.Reader
	Exceptions(ctx context.Context, q exception.Query) ([]exception.Exception, error)
	Waybills(ctx context.Context, q ledger.WaybillQuery) ([]ledger.Waybill, error)
	Watching(ctx context.Context, entity string, after int64, limit int) ([]int64, error)
	Event(ctx context.Context, id int64) (ledger.Event, error)
	WaybillsByRef(ctx context.Context, value string, limit int) ([]ledger.Waybill, error)
}

// Unmapped is a reference that orders and facts wait for.
type Unmapped struct {
	identity.Reference
	Detail      string
	Waiting     int             // orders, and facts of no order
	Orders      []string        // the first of them
	Money       []waybill.Money // held up, by currency, sorted
	Since       time.Time
	Exception   int64 // one of those it raised, the oldest
	Suggestions []identity.Suggestion
}

// List lists what waits for a mapping: what holds up the most first.
func List(ctx context.Context, db Reader) ([]Unmapped, error) {
	all, err := waiting(ctx, db)
	if err != nil || len(all) == 0 {
		return all, err
	}
	book, err := Book(ctx, db)
	if err != nil {
		return nil, err
	}
	var items []string
	if slices.ContainsFunc(all, func(u Unmapped) bool { return u.Kind.Entity() == identity.Item }) {
		if items, err = knownItems(ctx, db); err != nil {
			return nil, err
		}
	}
	for i := range all {
		u := &all[i]
		known := canonicals(book, u.Kind.Entity())
		var twins []string
		if u.Kind.Entity() == identity.Item {
			known = append(known, items...)
			number, err := gtinOf(ctx, db, u.Reference)
			if err == nil && number != "" {
				twins, err = sameGTIN(ctx, db, number)
			}
			if err != nil {
				return nil, err
			}
		}
		u.Suggestions = book.Suggest(u.Reference, known, twins)
	}
	return all, nil
}

// waiting groups the open exceptions by their reference.
func waiting(ctx context.Context, db Reader) ([]Unmapped, error) {
	by := map[string]*Unmapped{}
	for after, n := int64(0), 0; n < waitingMax; {
		xs, err := db.Exceptions(ctx, exception.Query{State: exception.Open, Cause: engine.CauseUnmapped, After: after, Limit: pageSize})
		if err != nil {
			return nil, fmt.Errorf("read what waits for a mapping: %w", err)
		}
		for i := range xs {
			x := &xs[i]
			after = x.ID
			r, err := identity.ParseKey(x.Subject)
			if err != nil {
				return nil, fmt.Errorf("read exception %d: %w", x.ID, err)
			}
			if by[x.Subject] == nil {
				by[x.Subject] = &Unmapped{Reference: r, Detail: x.Detail, Since: x.Since, Exception: x.ID}
			}
			by[x.Subject].add(x)
		}
		if n += len(xs); len(xs) < pageSize {
			break
		}
	}
	out := make([]Unmapped, 0, len(by))
	for _, u := range by {
		slices.SortFunc(u.Money, func(a, b waybill.Money) int { return strings.Compare(a.Currency, b.Currency) })
		out = append(out, *u)
	}
	slices.SortFunc(out, func(a, b Unmapped) int {
		return cmp.Or(cmp.Compare(b.Waiting, a.Waiting), a.Since.Compare(b.Since), strings.Compare(a.Key(), b.Key()))
	})
	return out, nil
}

func (u *Unmapped) add(x *exception.Exception) {
	u.Waiting++
	if x.Ref != "" && len(u.Orders) < ordersMax {
		u.Orders = append(u.Orders, x.Ref)
	}
	if x.Money.Amount.IsZero() {
		return
	}
	at := slices.IndexFunc(u.Money, func(m waybill.Money) bool { return m.Currency == x.Money.Currency })
	if at < 0 {
		u.Money = append(u.Money, x.Money)
		return
	}
	u.Money[at].Amount = u.Money[at].Amount.Add(x.Money.Amount)
}

// Book reads all mappings.
func Book(ctx context.Context, db identity.Reader) (*identity.Book, error) {
	var all []identity.Mapping
	for after := int64(0); ; {
		page, err := db.Mappings(ctx, identity.Query{After: after, Limit: pageSize})
		if err != nil {
			return nil, fmt.Errorf("read the mappings: %w", err)
		}
		all = append(all, page...)
		if len(page) < pageSize {
			return identity.NewBook(all...), nil
		}
		after = page[len(page)-1].ID
	}
}

// canonicals lists the ids that references of an entity mean already.
func canonicals(book *identity.Book, entity identity.Kind) (ids []string) {
	for _, m := range book.All() {
		if m.Kind.Entity() == entity {
			ids = append(ids, m.Canonical)
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

func knownItems(ctx context.Context, db Reader) ([]string, error) {
	var skus []string
	for before := int64(0); len(skus) < knownMax; {
		page, err := db.Waybills(ctx, ledger.WaybillQuery{Kind: waybill.FlowItem, Before: before, Limit: pageSize})
		if err != nil {
			return nil, fmt.Errorf("read the items that are known: %w", err)
		}
		for _, w := range page {
			skus, before = append(skus, w.Ref), w.ID
		}
		if len(page) < pageSize {
			break
		}
	}
	return skus, nil
}

// gtinOf is the GTIN beside a number, where the first event that waits for it
// names one.
func gtinOf(ctx context.Context, db Reader, r identity.Reference) (string, error) {
	if r.Kind == identity.GTIN {
		return r.Value, nil
	}
	ids, err := db.Watching(ctx, engine.WaitsFor(r), 0, 1)
	if err != nil || len(ids) == 0 {
		return "", err
	}
	ev, err := db.Event(ctx, ids[0])
	if err != nil {
		return "", fmt.Errorf("read what waits for %s: %w", r, err)
	}
	type named struct {
		SKU         string `json:"sku"`
		VendorPart  string `json:"vendor_part"`
		CustomerSKU string `json:"customer_sku"`
		GTIN        string `json:"gtin"`
	}
	var fact struct {
		Lines []named `json:"lines"`
	}
	if waybill.Unmarshal(ev.Data, &fact) != nil {
		return "", nil
	}
	for _, l := range fact.Lines {
		if l.GTIN != "" && slices.Contains([]string{l.SKU, l.VendorPart, l.CustomerSKU}, r.Value) {
			return l.GTIN, nil
		}
	}
	return "", nil
}

// sameGTIN finds the items whose records have a number as their GTIN.
func sameGTIN(ctx context.Context, db Reader, number string) ([]string, error) {
	rows, err := db.WaybillsByRef(ctx, number, pageSize)
	if err != nil {
		return nil, fmt.Errorf("find the items with the number %s: %w", number, err)
	}
	var skus []string
	for _, w := range rows {
		if w.Kind == waybill.FlowItem && w.Ref != number {
			skus = append(skus, w.Ref)
		}
	}
	return skus, nil
}

// Mapper is the engine.
type Mapper interface {
	Map(ctx context.Context, r engine.Remap) (engine.Mapped, error)
}

// Line says what a line of a sheet did, or would do.
type Line struct {
	Line    int
	Effect  identity.Effect
	Mapping identity.Mapping
	Error   *waybill.Error // of a refused line
}

// Import is what became of a sheet.
type Import struct {
	Lines   []Line
	Refused int
	Mapped  engine.Mapped // nothing where it was tried out
}

// Read brings a sheet in, all of its lines or none: where one is refused, nothing
// is changed, and the answer says which and why. tryOut changes nothing either.
func Read(ctx context.Context, db identity.Reader, to Mapper, sheet io.Reader, by engine.Remap, tryOut bool) (Import, error) {
	rows, err := identity.ReadSheet(sheet)
	if err != nil {
		return Import{}, err
	}
	book, err := Book(ctx, db)
	if err != nil {
		return Import{}, err
	}
	var out Import
	var add []identity.Mapping
	for i, effect := range book.Plan(rows) {
		l := Line{Line: rows[i].Line, Effect: effect, Mapping: rows[i].Mapping}
		if effect == identity.Refused {
			out.Refused++
			if !errors.As(rows[i].Err, &l.Error) {
				return Import{}, rows[i].Err
			}
		}
		if effect == identity.Maps {
			add = append(add, rows[i].Mapping)
		}
		out.Lines = append(out.Lines, l)
	}
	if tryOut || out.Refused > 0 {
		return out, nil
	}
	for part := range slices.Chunk(add, engine.RemapMax) {
		by.Add = part
		done, err := to.Map(ctx, by)
		if err != nil {
			return out, fmt.Errorf("after %d of %d mappings (what was mapped stays; the same sheet again goes on): %w", len(out.Mapped.Mappings), len(add), err)
		}
		out.Mapped.Mappings = append(out.Mapped.Mappings, done.Mappings...)
		out.Mapped.Events = append(out.Mapped.Events, done.Events...)
		out.Mapped.Orders = append(out.Mapped.Orders, done.Orders...)
		out.Mapped.Deliveries = append(out.Mapped.Deliveries, done.Deliveries...)
	}
	slices.Sort(out.Mapped.Orders)
	out.Mapped.Orders = slices.Compact(out.Mapped.Orders)
	return out, nil
}
