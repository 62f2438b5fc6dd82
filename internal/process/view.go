package process

import (
	"slices"
	"strings"
	"time"

	"github.com/waybillhq/waybill"
)

// View is an order as the control API shows it (system contract C6).
type View struct {
	Order     string         `json:"order"`
	PO        string         `json:"po"`
	Status    waybill.Status `json:"status"`
	Refs      []Reference    `json:"refs"`
	Holds     []HoldView     `json:"holds"`
	Shipments []ShipmentView `json:"shipments"`
	Invoices  []InvoiceView  `json:"invoices"`
	Lines     []LineView     `json:"lines"`
	// Stock is there where the reference names an item, a receipt or a transfer
	// and no order; the fields of orders are empty then.
	Stock *StockView `json:"stock,omitzero"`
}

// HoldView is a reason why the order does not go on.
type HoldView struct {
	Kind   string    `json:"kind"`
	Reason string    `json:"reason"`
	Line   string    `json:"line,omitzero"`
	Since  time.Time `json:"since"`
}

// ShipmentView is what left the building in one shipment.
type ShipmentView struct {
	Shipment string            `json:"shipment"`
	Lines    []waybill.LineQty `json:"lines"`
}

// InvoiceView is an invoice in the ERP's books, by the ERP's number.
type InvoiceView struct {
	Ref   string            `json:"ref"`
	Lines []waybill.LineQty `json:"lines"`
}

// LineView is a line with all its quantities, in the item's base unit.
type LineView struct {
	Line        string          `json:"line"`
	SKU         string          `json:"sku"`
	BaseUOM     string          `json:"base_uom"`
	Parent      string          `json:"parent,omitzero"` // of a kit's component: the kit's line, which is counted by it
	Ordered     waybill.Decimal `json:"ordered"`
	Cancelled   waybill.Decimal `json:"cancelled"`
	Released    waybill.Decimal `json:"released"`
	Allocated   waybill.Decimal `json:"allocated"`
	Picked      waybill.Decimal `json:"picked"`
	Packed      waybill.Decimal `json:"packed"`
	Shipped     waybill.Decimal `json:"shipped"`
	Delivered   waybill.Decimal `json:"delivered"`
	Posted      waybill.Decimal `json:"posted"`
	Invoiced    waybill.Decimal `json:"invoiced"`
	Returned    waybill.Decimal `json:"returned"`
	Credited    waybill.Decimal `json:"credited"`
	Backordered waybill.Decimal `json:"backordered"`
}

// View shows the order. What [Sales.Missing] lists must be attached.
func (s *Sales) View() View {
	pic := s.look(nil)
	defer s.giveBack()
	v := View{Order: s.ref, Status: pic.status(), Refs: s.refs(), Holds: []HoldView{}, Shipments: []ShipmentView{},
		Invoices: []InvoiceView{}, Lines: []LineView{}}
	if pic.body != nil {
		v.PO = pic.body.PO
	}
	for _, h := range s.holds {
		v.Holds = append(v.Holds, HoldView{Kind: h.kind, Reason: h.reason, Line: h.line, Since: instant(h.since)})
	}
	for _, f := range pic.shipments {
		if f.void {
			continue
		}
		v.Shipments = append(v.Shipments, ShipmentView{Shipment: f.subject, Lines: pic.quantities(pic.base(f))})
	}
	for _, d := range s.docs {
		if d.kind == waybill.Invoice && d.state == done {
			v.Invoices = append(v.Invoices, InvoiceView{Ref: d.ref, Lines: pic.quantities(d.lines)})
		}
	}
	for _, f := range s.of(famInvoiced) {
		if f.place == Applied {
			v.Invoices = append(v.Invoices, InvoiceView{Ref: f.subject, Lines: pic.quantities(pic.inBooks(f))})
		}
	}
	pic.eachLine(func(at int) {
		l, q := pic.info[at], &pic.q
		v.Lines = append(v.Lines, LineView{Line: l.Line, SKU: l.SKU, BaseUOM: s.baseUnit(l), Parent: l.Parent,
			Ordered: q[waybill.Ordered][at], Cancelled: q[waybill.Cancelled][at], Released: q[waybill.Released][at],
			Allocated: q[waybill.Allocated][at], Picked: q[waybill.Picked][at], Packed: q[waybill.Packed][at],
			Shipped: q[waybill.Shipped][at], Delivered: q[waybill.Delivered][at], Posted: q[waybill.Posted][at],
			Invoiced: q[waybill.Invoiced][at], Returned: q[waybill.Returned][at], Credited: q[waybill.Credited][at],
			Backordered: q[waybill.Backordered][at]})
	})
	return v
}

// quantities writes a vector with the ids of its lines, in the order's order, in
// base units.
func (pic *picture) quantities(v vector) []waybill.LineQty {
	out := make([]waybill.LineQty, 0, len(v))
	pic.eachLine(func(at int) {
		if qty, has := v.of(at); has {
			l := waybill.LineQty{Line: pic.s.table[at], Qty: qty}
			if base := pic.s.baseUnit(pic.info[at]); base != lineUnit(pic.info[at]) {
				l.UOM = base
			}
			out = append(out, l)
		}
	})
	return out
}

// The kinds of reference.
const (
	refOrder         = "order"
	refChannelOrder  = "channel_order"
	refChannelName   = "channel_name"
	refPO            = "po"
	refShipment      = "shipment"
	refTracking      = "tracking"
	refSSCC          = "sscc"
	refBOL           = "bol"
	refPRO           = "pro"
	refLoad          = "load"
	refWarehouse     = "warehouse_order"
	refInvoice       = "invoice"
	refCredit        = "credit"
	refReturn        = "return"
	refCancelRequest = "request"
)

// refs lists every reference of the order, sorted.
func (s *Sales) refs() []Reference {
	out := []Reference{}
	for _, f := range s.facts {
		out = s.factRefs(out, f)
	}
	for _, d := range s.docs {
		if d.named() {
			out = append(out, Reference{System: d.target, Kind: docRef(d), Value: d.ref})
		}
	}
	slices.SortFunc(out, func(a, b Reference) int {
		return slices.Compare([]string{a.System, a.Kind, a.Value}, []string{b.System, b.Kind, b.Value})
	})
	return slices.Compact(out)
}

// named reports whether the target gave the document a number that somebody
// may ask for: a question leaves none.
func (d *doc) named() bool { return d.ref != "" && d.kind != waybill.OrderCheck }

// docRef is the kind of the number that a target gave a document.
func docRef(d *doc) string {
	switch d.kind {
	case waybill.Invoice:
		return refInvoice
	case waybill.CreditMemo:
		return refCredit
	}
	return string(d.kind)
}

// factRefs appends the references that a fact names.
func (s *Sales) factRefs(out []Reference, f *fact) []Reference {
	add := func(system, kind, value string) {
		if value != "" {
			out = append(out, Reference{System: system, Kind: kind, Value: value})
		}
	}
	switch f.family {
	case famOrder:
		add(named(f.source, s.origin), refOrder, s.ref)
		if o := f.order(); o != nil {
			if own := named(s.own, o.ChannelOrder); own != s.ref {
				add(named(f.source, s.origin), refChannelOrder, own)
			}
			add(named(f.source, s.origin), refChannelName, o.ChannelName)
			add(o.Customer, refPO, o.PO)
		}
	case famShipped:
		add(f.source, refShipment, f.subject)
		if sh := f.shipment(); sh != nil {
			add(f.source, refBOL, sh.BOL)
			add(f.source, refPRO, sh.PRO)
			add(f.source, refLoad, sh.Load)
			for _, pk := range sh.Packages {
				add(sh.Carrier, refTracking, pk.Tracking)
				add(f.source, refSSCC, pk.SSCC)
			}
		}
	case famInvoiced:
		add(f.source, refInvoice, f.subject)
	case famCredited:
		add(f.source, refCredit, f.subject)
	case famReturned, famReturnRequested: // also what was only requested: its receipt may name no order
		add(f.source, refReturn, f.subject)
	case famCancel:
		if f.event != "" {
			add(f.source, refCancelRequest, f.subject)
		}
	case famAccepted, famClosed:
		if !strings.HasPrefix(f.subject, s.tag) { // the warehouse's number, not the document's key
			add(f.source, refWarehouse, f.subject)
		}
	}
	return out
}

// refer tells the references that a fact brings and that no other version of
// its subject brought before.
func (r *round) refer(f *fact) {
	found := r.s.factRefs(nil, f)
	var before []Reference
	for _, other := range r.s.facts {
		if other != f && compareSubjects(other, f) == 0 {
			before = r.s.factRefs(before, other)
		}
	}
	for _, ref := range found {
		if !slices.Contains(before, ref) && !slices.Contains(r.out.Refs, ref) {
			r.out.Refs = append(r.out.Refs, ref)
		}
	}
}

// referReceipt tells the number that a target gave a document.
func (r *round) referReceipt(d *doc) {
	if d.named() {
		r.out.Refs = append(r.out.Refs, Reference{System: d.target, Kind: docRef(d), Value: d.ref})
	}
}
