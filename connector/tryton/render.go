package tryton

import (
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/connector"
)

// task is a rendered document: what shall stand in Tryton's books. Which calls
// that takes depends on what they hold already.
type task struct {
	Kind        waybill.Kind           `json:"kind"`
	Order       string                 `json:"order"`
	Key         string                 `json:"key"`
	Currency    string                 `json:"currency,omitzero"`
	Date        string                 `json:"date,omitzero"` // YYYY-MM-DD
	Compensates string                 `json:"compensates,omitzero"`
	Lines       []waybill.DocumentLine `json:"lines"`
	Details     details                `json:"details"`
}

// details are what a document's data says that the books have a place for.
type details struct {
	Customer      string            `json:"customer,omitzero"`
	PO            string            `json:"po,omitzero"`
	Terms         string            `json:"terms,omitzero"`
	RequestedShip string            `json:"requested_ship,omitzero"`
	ShipTo        *waybill.Party    `json:"ship_to,omitzero"`
	Request       string            `json:"request,omitzero"`
	Shipment      string            `json:"shipment,omitzero"`
	Return        string            `json:"return,omitzero"`
	Posting       string            `json:"posting,omitzero"`
	Carrier       string            `json:"carrier,omitzero"`
	Tracking      []string          `json:"tracking,omitzero"`
	Packages      []waybill.Package `json:"packages,omitzero"`
	Charges       []waybill.Charge  `json:"charges,omitzero"`
	Tax           waybill.Decimal   `json:"tax,omitzero"`
	Amount        waybill.Decimal   `json:"amount,omitzero"`
	Document      string            `json:"document,omitzero"`
	Warehouse     string            `json:"warehouse,omitzero"`
	Reason        string            `json:"reason,omitzero"`
}

// Render writes a document's task.
func (e *erp) Render(d waybill.Document) (connector.Rendered, error) {
	if !slices.Contains(Manifest().Accepts, d.Kind) {
		return connector.Rendered{}, renderError(&d, "kind", "Tryton takes no "+string(d.Kind), "leave this kind out of the documents for it")
	}
	t := task{Kind: d.Kind, Order: d.Order, Key: d.Key, Currency: d.Currency, Date: d.PostingDate,
		Compensates: d.Compensates, Lines: d.Lines}
	if len(d.Data) > 0 {
		if err := waybill.Unmarshal(d.Data, &t.Details); err != nil {
			return connector.Rendered{}, renderError(&d, "data", err.Error(), "correct the field and send the document again")
		}
	}
	if err := t.valid(&d); err != nil {
		return connector.Rendered{}, err
	}
	body, err := waybill.Marshal(t)
	if err != nil {
		return connector.Rendered{}, fmt.Errorf("render %s of order %s: %w", d.Kind, d.Order, err)
	}
	return connector.Rendered{Body: body, ContentType: "application/json"}, nil
}

// valid wants what the books can't do without.
func (t *task) valid(d *waybill.Document) error {
	need := func(field, value string) error {
		if value != "" {
			return nil
		}
		return renderError(d, field, "is missing", "give it in the document")
	}
	switch t.Kind {
	case waybill.OrderCheck, waybill.SalesOrder:
		if err := errors.Join(need("data/customer", t.Details.Customer), need("currency", t.Currency)); err != nil {
			return err
		}
	case waybill.ShipmentPosting, waybill.ShipmentReversal:
		if err := need("data/shipment", t.Details.Shipment); err != nil {
			return err
		}
	case waybill.InventoryAdjustment:
		if err := need("data/warehouse", t.Details.Warehouse); err != nil {
			return err
		}
	}
	if t.Key == "" {
		return renderError(d, "key", "is missing", "give the document its key")
	}
	for i, l := range t.Lines {
		if l.SKU == "" && (t.Kind == waybill.SalesOrder || t.Kind == waybill.InventoryAdjustment) {
			return renderError(d, "lines/"+strconv.Itoa(i)+"/sku", "line "+l.Line+" names no item", "give the item's code in Tryton")
		}
	}
	return nil
}

func renderError(d *waybill.Document, field, detail, fix string) error {
	return &waybill.Error{Code: "cannot_render", Field: field,
		Detail: fmt.Sprintf("%s of order %s: %s", d.Kind, d.Order, detail), Fix: fix}
}

var errDocument = errors.New("the stored body is no task of this connector")

// readTask reads back what Render wrote.
func readTask(body []byte) (*task, error) {
	var t task
	if err := waybill.Unmarshal(body, &t); err != nil {
		return nil, fmt.Errorf("%w: %w", errDocument, err)
	}
	if t.Kind == "" || t.Key == "" {
		return nil, errDocument
	}
	for i := range t.Lines {
		if t.Lines[i].Price != nil {
			t.Lines[i].Price.Currency = t.Currency
		}
	}
	return &t, nil
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }
