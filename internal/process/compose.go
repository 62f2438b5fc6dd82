package process

import (
	"fmt"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/waybillhq/waybill"
)

// Compose returns a planned document with the content that the facts in force
// give it now. It is called right before the document's first attempt, with
// nothing decided in between: the content that document.attempted then fixes is
// this one. Seq and After are the caller's.
func Compose(s *Sales, key string, p *Policy) (waybill.Document, error) {
	at := s.byKey(key)
	if at < 0 {
		return waybill.Document{}, fmt.Errorf("compose document %s of order %s: it was never decided", key, s.ref)
	}
	if missing := s.Missing(); missing != nil {
		return waybill.Document{}, fmt.Errorf("compose document %s of order %s: attach the data of events %v first", key, s.ref, missing)
	}
	c := composer{s: s, d: s.docs[at], p: p, pic: s.look(nil)}
	defer s.giveBack()
	if c.pic.body == nil {
		return waybill.Document{}, fmt.Errorf("compose document %s of order %s: the order is not known", key, s.ref)
	}
	data, err := waybill.Marshal(c.data())
	if err != nil {
		return waybill.Document{}, fmt.Errorf("compose document %s of order %s: %w", key, s.ref, err)
	}
	d := c.d
	out := waybill.Document{Kind: d.kind, Company: named(p.Company, c.pic.body.Company), Order: s.ref, Version: d.version,
		Key: d.key, Revision: d.revision, Supersedes: s.keyAt(d.supersedes), Compensates: s.keyAt(d.compensates),
		Currency: c.pic.body.Currency, PostingDate: c.postingDate(), Lines: c.lines(), Data: data,
		Target: d.target, Lane: waybill.Lane(waybill.FlowSales, s.ref), Subject: d.subject, Placed: c.pic.body}
	if err := c.write(&out); err != nil {
		return waybill.Document{}, fmt.Errorf("compose document %s of order %s by its edit: %w", key, s.ref, err)
	}
	return out, nil
}

// composer writes one document.
type composer struct {
	s   *Sales
	d   *doc
	p   *Policy
	pic *picture
}

// postingDate is the day, in the company's zone, on which the goods that the
// document books left the building.
func (c *composer) postingDate() string {
	switch c.d.kind {
	case waybill.ShipmentPosting, waybill.ShipmentReversal, waybill.Invoice, waybill.InvoiceNotice, waybill.CreditMemo:
	default:
		return ""
	}
	f := c.s.factOf(c.d.fact)
	if f == nil {
		f = c.s.returnFact(c.d.fact)
	}
	if f == nil {
		return ""
	}
	return time.UnixMilli(f.when).In(c.p.zone()).Format(time.DateOnly)
}

// lines writes the document's quantities; prices where money is at stake.
func (c *composer) lines() []waybill.DocumentLine {
	priced := false
	switch c.d.kind {
	case waybill.OrderCheck, waybill.SalesOrder, waybill.SalesOrderChange, waybill.Invoice, waybill.InvoiceNotice, waybill.CreditMemo, waybill.RefundNotice,
		waybill.PaymentCapture, waybill.PaymentReceipt,
		waybill.OrderAcknowledgment, waybill.ChangeAnswer:
		priced = true
	}
	out := make([]waybill.DocumentLine, 0, len(c.d.lines))
	prices := make([]waybill.Price, 0, len(c.d.lines)) // one allocation for all
	c.pic.eachLine(func(at int) {
		qty, has := c.d.lines.of(at)
		if !has || c.answersByKit() && c.pic.kitOf(at) != nil {
			return
		}
		info := c.pic.info[at]
		l := waybill.DocumentLine{Line: info.Line, SKU: info.SKU, Qty: qty, UOM: info.UOM, Kind: info.Kind, Parent: info.Parent}
		price := waybill.Decimal{}
		if priced {
			price = c.priceOf(at)
		}
		if inLine, base := c.s.inLineUnit(info, qty); base == "" {
			l.Qty = inLine
		} else if l.UOM = base; priced {
			price, l.PriceUOM = c.perBase(info, price)
		}
		if priced {
			prices = append(prices, waybill.Price{Amount: price, Currency: c.pic.body.Currency})
			l.Price = &prices[len(prices)-1]
		}
		out = append(out, l)
	})
	return out
}

// answersByKit reports whether the document answers what a buyer ordered, which
// is kits. What left, and what comes back, is told by component.
func (c *composer) answersByKit() bool {
	switch c.d.kind {
	case waybill.OrderAcknowledgment, waybill.ChangeAnswer, waybill.CancellationAnswer:
		return true
	}
	return false
}

// perBase is a line's price for one base unit; where that is no finite decimal,
// the price for one of the line's unit, which is then named.
func (c *composer) perBase(line *waybill.OrderLine, price waybill.Decimal) (amount waybill.Decimal, uom string) {
	amount = price.Quo(c.s.perLineUnit(line))
	if strings.Contains(amount.String(), "/") {
		return price, lineUnit(line)
	}
	return amount, ""
}

// data is what the document says beside its lines, by kind.
func (c *composer) data() any {
	d := c.d
	switch d.kind {
	case waybill.OrderCheck, waybill.SalesOrder:
		return c.header()
	case waybill.SalesOrderChange:
		if d.byVersion {
			return c.header()
		}
		return &requestData{Request: d.subject}
	case waybill.SalesOrderCancel:
		return &requestData{Request: d.subject}
	case waybill.WarehouseOrder, waybill.WarehouseOrderChange, waybill.WarehouseOrderCancel, waybill.PurchaseOrder:
		return c.warehouse()
	case waybill.ReturnAuthorization, waybill.ReturnAdvice, waybill.RefundNotice:
		return c.returned()
	case waybill.PaymentCapture, waybill.PaymentReceipt:
		return c.payment()
	case waybill.InvoiceNotice:
		return c.invoiceNotice()
	case waybill.BackorderNotice:
		return &notice{ChannelOrder: c.channelOrder(), WarehouseOrder: d.subject}
	case waybill.OrderAcknowledgment:
		return &ackData{ChannelOrder: c.channelOrder(), PO: c.pic.body.PO}
	case waybill.ChangeAnswer:
		return &changeAnswer{ChannelOrder: c.channelOrder(), Version: d.version, Result: d.answer, Lines: c.changeLines()}
	case waybill.CancellationAnswer:
		return &cancelAnswer{ChannelOrder: c.channelOrder(), Request: d.subject, Result: d.answer, Lines: c.cancelLines()}
	case waybill.Fulfilment, waybill.FulfilmentUpdate:
		out := c.shipment()
		out.ChannelOrder = c.channelOrder()
		return out
	case waybill.ShipmentPosting, waybill.ShipmentReversal:
		return c.shipment()
	default:
		return c.billData()
	}
}

// channelOrder is the order's number as its channel knows it.
func (c *composer) channelOrder() string { return named(c.s.own, c.pic.body.ChannelOrder) }

// header is an order without its lines: everything known of it, unknown fields
// included.
type header struct {
	Customer       string            `json:"customer,omitzero"`
	PO             string            `json:"po,omitzero"`
	Type           waybill.OrderType `json:"type,omitzero"`
	Terms          string            `json:"terms,omitzero"`
	RequestedShip  string            `json:"requested_ship,omitzero"`
	CancelAfter    string            `json:"cancel_after,omitzero"`
	ShipComplete   bool              `json:"ship_complete,omitzero"`
	FreightTerms   string            `json:"freight_terms,omitzero"`
	CarrierAccount string            `json:"carrier_account,omitzero"`
	MarkFor        string            `json:"mark_for,omitzero"`
	ShipTo         *waybill.Party    `json:"ship_to,omitzero"`
	BillTo         *waybill.Party    `json:"bill_to,omitzero"`
	Tax            waybill.Decimal   `json:"tax,omitzero"`
	Charges        []waybill.Charge  `json:"charges,omitzero"`
	ChannelOrder   string            `json:"channel_order,omitzero"`
	WarehouseOrder string            `json:"warehouse_order,omitzero"` // its key, to the warehouse
	BackorderOf    string            `json:"backorder_of,omitzero"`    // the key of the one that was closed short
	Request        string            `json:"request,omitzero"`         // of a cancellation, to the warehouse
	Unknown        jsontext.Value    `json:",embed"`
}

func (c *composer) header() *header {
	o := c.pic.body
	return &header{Customer: o.Customer, PO: o.PO, Type: o.Type, Terms: o.Terms, RequestedShip: o.RequestedShip,
		CancelAfter: o.CancelAfter, ShipComplete: o.ShipComplete, FreightTerms: o.FreightTerms, CarrierAccount: o.CarrierAccount,
		MarkFor: o.MarkFor, ShipTo: o.ShipTo, BillTo: o.BillTo, Tax: o.Tax, Charges: o.Charges, Unknown: o.Unknown}
}

// warehouse is what the warehouse is told: no money.
func (c *composer) warehouse() *header {
	h := c.header()
	h.Terms, h.BillTo, h.Tax, h.Charges = "", nil, waybill.Decimal{}, nil
	switch c.d.kind {
	case waybill.PurchaseOrder:
		h.BackorderOf = c.s.keyAt(c.d.of)
		return h
	case waybill.WarehouseOrder:
		h.WarehouseOrder, h.BackorderOf = c.d.key, c.s.keyAt(c.d.of)
		return h
	case waybill.WarehouseOrderCancel:
		h.Request, _, _ = strings.Cut(c.d.subject, "/")
	}
	of := c.d.of - 1
	if of < 0 { // it was made when there was only one
		of = c.s.firstOrder()
	}
	if of >= 0 {
		h.WarehouseOrder = c.s.docs[of].key
	}
	return h
}

// notice is what the channel is told of a backorder.
type notice struct {
	ChannelOrder   string `json:"channel_order"`
	WarehouseOrder string `json:"warehouse_order"` // the key of the one that was closed short
}

type requestData struct {
	Request string `json:"request"`
}

type ackData struct {
	ChannelOrder string `json:"channel_order"`
	PO           string `json:"po,omitzero"`
}

type changeAnswer struct {
	ChannelOrder string            `json:"channel_order"`
	Version      int64             `json:"version"`
	Result       string            `json:"result"`
	Lines        []waybill.LineQty `json:"lines"`
}

// changeLines are the totals that hold after the change, or in spite of it.
func (c *composer) changeLines() []waybill.LineQty {
	out := make([]waybill.LineQty, 0, len(c.pic.info))
	c.pic.eachLine(func(at int) {
		if c.pic.kitOf(at) != nil {
			return
		}
		qty, uom := c.s.inLineUnit(c.pic.info[at], c.pic.goal[at])
		out = append(out, waybill.LineQty{Line: c.pic.info[at].Line, Qty: qty, UOM: uom})
	})
	return out
}

type cancelAnswer struct {
	ChannelOrder string       `json:"channel_order"`
	Request      string       `json:"request"`
	Result       string       `json:"result"`
	Lines        []cancelLine `json:"lines"`
}

type cancelLine struct {
	Line      string          `json:"line"`
	Cancelled waybill.Decimal `json:"cancelled"`
	Shipped   waybill.Decimal `json:"shipped"`
	UOM       string          `json:"uom,omitzero"` // the base unit, where the line's does not come out even
}

// cancelLines tells of every line that the request is about.
func (c *composer) cancelLines() []cancelLine {
	out := make([]cancelLine, 0, len(c.pic.info))
	for i := range c.pic.requests {
		q := &c.pic.requests[i]
		if q.f.subject != c.d.subject {
			continue
		}
		c.pic.eachLine(func(at int) {
			if c.pic.concerns(q, at) && c.pic.kitOf(at) == nil {
				qty, _ := c.d.lines.of(at)
				out = append(out, c.cancelLine(c.pic.info[at], qty, c.pic.q[waybill.Shipped][at]))
			}
		})
	}
	return out
}

func (c *composer) cancelLine(line *waybill.OrderLine, cancelled, shipped waybill.Decimal) cancelLine {
	less, odd := c.s.inLineUnit(line, cancelled)
	gone, odd2 := c.s.inLineUnit(line, shipped)
	if base := named(odd, odd2); base != "" {
		return cancelLine{Line: line.Line, Cancelled: cancelled, Shipped: shipped, UOM: base}
	}
	return cancelLine{Line: line.Line, Cancelled: less, Shipped: gone}
}

// shipmentData is what systems are told of a shipment.
type shipmentData struct {
	ChannelOrder string            `json:"channel_order,omitzero"`
	Shipment     string            `json:"shipment"`
	ShippedAt    string            `json:"shipped_at,omitzero"`
	Mode         string            `json:"mode,omitzero"`
	Carrier      string            `json:"carrier,omitzero"`
	Service      string            `json:"service,omitzero"`
	BOL          string            `json:"bol,omitzero"`
	PRO          string            `json:"pro,omitzero"`
	Load         string            `json:"load,omitzero"`
	Packages     []waybill.Package `json:"packages"`
	Tracking     []string          `json:"tracking,omitzero"`
	Unknown      jsontext.Value    `json:",embed"`
}

func (c *composer) shipment() *shipmentData {
	f := c.s.factOf(c.d.fact)
	if f == nil || f.shipment() == nil {
		return &shipmentData{Shipment: c.d.subject}
	}
	sh := f.shipment()
	out := &shipmentData{Shipment: sh.Shipment, ShippedAt: sh.ShippedAt, Mode: sh.Mode, Carrier: sh.Carrier, Service: sh.Service,
		BOL: sh.BOL, PRO: sh.PRO, Load: sh.Load, Packages: sh.Packages, Unknown: sh.Unknown}
	for _, pk := range sh.Packages {
		if pk.Tracking != "" {
			out.Tracking = append(out.Tracking, pk.Tracking)
		}
	}
	return out
}

// billData is what an invoice or a credit memo says beside its lines.
type billData struct {
	Shipment string           `json:"shipment,omitzero"`
	Return   string           `json:"return,omitzero"`
	Posting  string           `json:"posting,omitzero"` // key of what it bills or gives back
	Customer string           `json:"customer,omitzero"`
	PO       string           `json:"po,omitzero"`
	Terms    string           `json:"terms,omitzero"`
	Charges  []waybill.Charge `json:"charges"`
	Tax      string           `json:"tax"`
	// Lines of a return, with reason and disposition, as they were reported.
	Lines []waybill.ReturnLine `json:"lines,omitzero"`
}

// chargeFreight is the code of a shipment's freight among an invoice's charges.
const chargeFreight = "freight"

func (c *composer) billData() *billData {
	o := c.pic.body
	out := &billData{Shipment: c.s.shipmentOf(c.d), Posting: c.s.keyAt(c.d.of), Customer: o.Customer, PO: o.PO, Terms: o.Terms,
		Tax: waybill.FormatAmount(c.d.tax, o.Currency)}
	if f := c.s.returnFact(c.d.fact); f != nil && f.returned() != nil {
		out.Return, out.Lines = f.subject, f.returned().Lines
	}
	out.Charges = c.charges()
	return out
}

// charges are the order's, on the first document that asks for money, and the
// freight of its shipment.
func (c *composer) charges() (out []waybill.Charge) {
	if c.d.first {
		out = append(out, c.pic.body.Charges...)
	}
	if f := c.s.factOf(c.d.fact); c.d.freight && f != nil && f.shipment() != nil && !f.shipment().Freight.IsZero() {
		out = append(out, waybill.Charge{Code: chargeFreight, Amount: f.shipment().Freight})
	}
	return out
}
