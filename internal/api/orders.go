package api

import (
	"net/http"
	"time"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/internal/intake"
	"github.com/waybillhq/waybill/internal/ledger"
	"github.com/waybillhq/waybill/internal/trace"
)

// orderStatuses are the statuses of C6.
var orderStatuses = []string{string(waybill.StatusReceived), string(waybill.StatusHeld), string(waybill.StatusAccepted),
	string(waybill.StatusReleased), string(waybill.StatusPartiallyShipped), string(waybill.StatusShipped),
	string(waybill.StatusBackordered), string(waybill.StatusInvoiced), string(waybill.StatusCancelled)}

// severalOrders answers a reference that names more than one.
type severalOrders struct {
	Orders []string `json:"orders"`
}

func (a *API) order(c *call) error {
	ref := c.PathValue("ref")
	if c.actor.Scope != nil { // the reference may name others' orders too
		found, err := a.find(c, ref)
		if err != nil {
			return err
		}
		if len(found) > 1 {
			return c.write(http.StatusMultipleChoices, namesOf(found))
		}
		ref = found[0].Ref
	}
	o, several, err := a.Trace.Order(c.Context(), ref)
	if err != nil {
		return err
	}
	if several != nil {
		return c.write(http.StatusMultipleChoices, severalOrders{Orders: several})
	}
	return c.write(http.StatusOK, o.View)
}

func namesOf(found []ledger.Waybill) (several severalOrders) {
	for _, w := range found {
		several.Orders = append(several.Orders, waybill.Lane(w.Kind, w.Ref))
	}
	return several
}

// orderRow is an order in a list.
type orderRow struct {
	Order    string    `json:"order"`
	Status   string    `json:"status"`
	Customer string    `json:"customer"`
	Received time.Time `json:"received_at"`
	Updated  time.Time `json:"updated_at"`
}

func (a *API) orders(c *call) error {
	before, limit, err := c.query.page()
	if err != nil {
		return err
	}
	q := ledger.WaybillQuery{Ref: c.query["q"], Status: waybill.Status(c.query["status"]), Before: before, Limit: limit + 1}
	var found []ledger.Waybill
	var next int64
	var more bool
	if c.actor.Scope != nil {
		found, next, more, err = a.ownOrders(c, q, limit)
	} else if found, err = a.Trace.Orders(c.Context(), q); err == nil {
		if found, more = cut(found, limit); len(found) > 0 {
			next = found[len(found)-1].ID
		}
	}
	if err != nil {
		return err
	}
	page := make([]orderRow, len(found))
	for i, w := range found {
		page[i] = orderRow{Order: w.Ref, Status: string(w.Status), Customer: w.Customer, Received: w.CreatedAt, Updated: w.UpdatedAt}
	}
	return writeList(c, page, more, next)
}

// entry is one entry of a timeline (C6).
type entry struct {
	Seq        int       `json:"seq"`
	At         time.Time `json:"at"`    // on the clock named, its offset kept
	Clock      string    `json:"clock"` // whose it was; waybill: our own
	RecordedAt time.Time `json:"recorded_at"`
	Kind       string    `json:"kind"` // event, decision, delivery, attempt, receipt
	System     string    `json:"system"`
	Type       string    `json:"type"` // of the event, or the document's kind
	Title      string    `json:"title"`
	Detail     string    `json:"detail"`
	State      string    `json:"state"`
	Event      string    `json:"event"`
	Message    string    `json:"message"`
	Key        string    `json:"key"`
	Attempts   int       `json:"attempts"`
}

func (a *API) timeline(c *call) error {
	after, limit, err := c.query.page()
	if err != nil {
		return err
	}
	found, err := a.find(c, c.PathValue("ref"))
	if err != nil {
		return err
	}
	if len(found) > 1 {
		return c.write(http.StatusMultipleChoices, namesOf(found))
	}
	all, err := a.Trace.Timeline(c.Context(), found[0])
	if err != nil {
		return err
	}
	rest, more := cut(all[min(after, int64(len(all))):], limit)
	page, next := make([]entry, len(rest)), int64(0)
	for i, e := range rest {
		page[i], next = newEntry(e), int64(e.Seq)
	}
	return writeList(c, page, more, next)
}

func newEntry(e trace.Entry) entry {
	return entry{Seq: e.Seq, At: e.At, Clock: e.Clock, RecordedAt: e.RecordedAt, Kind: string(e.Kind), System: e.System,
		Type: e.Type, Title: e.Title, Detail: e.Detail, State: e.State, Event: id(eventPrefix, e.Event),
		Message: id(messagePrefix, e.Message), Key: e.Key, Attempts: e.Attempts}
}

// orderBody is the data of an order.placed, as C11 takes it; W3 has all fields.
type orderBody struct {
	Order    string      `json:"order"`
	Customer string      `json:"customer"`
	Currency string      `json:"currency"`
	ShipTo   any         `json:"ship_to,omitzero"`
	Lines    []orderLine `json:"lines"`
}

type orderLine struct {
	Line  string          `json:"line"`
	SKU   string          `json:"sku"`
	Qty   waybill.Decimal `json:"qty"`
	UOM   string          `json:"uom,omitzero"`
	Price waybill.Decimal `json:"price,omitzero"`
}

// placeOrder is C11. The order's body goes through the same door as a push.
func (a *API) placeOrder(c *call) error {
	body, err := intake.ReadBody(c.w, c.Request, a.Intake.MaxBody())
	if err != nil {
		return err
	}
	if err := a.mayPlace(c, body); err != nil {
		return err
	}
	answer, err := a.Intake.Order(c.Context(), c.Header, body)
	if err != nil {
		return err
	}
	intake.Reply(c.w, answer, nil)
	return nil
}
