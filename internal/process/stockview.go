package process

import (
	"fmt"
	"strconv"
	"time"

	"github.com/waybillhq/waybill"
)

// Compose implements [Flow].
func (s *Stock) Compose(key string, p *Policy) (waybill.Document, error) {
	lane := waybill.Lane(s.x.Kind, s.x.Ref)
	d := s.paper(key)
	if d == nil {
		return waybill.Document{}, fmt.Errorf("compose document %s of %s: it is not on its way", key, lane)
	}
	out := waybill.Document{Kind: d.Kind, Company: p.Company, Order: lane, Version: d.Version, Key: d.Key, Revision: d.Revision,
		Supersedes: d.Supersedes, Compensates: d.Corrects, Lines: make([]waybill.DocumentLine, len(d.Lines)),
		Target: d.Target, Lane: lane, Subject: d.Subject}
	data := stockData{Document: d.Subject, Warehouse: d.Warehouse, Reason: "position"}
	if m := s.move(d.Move); m != nil {
		data.Document, data.Warehouse, data.Reason = m.Force.Document, m.Force.Warehouse, m.Force.Reason
		out.PostingDate = time.UnixMilli(m.Force.When).In(p.zone()).Format(time.DateOnly)
	} else if at := s.position(d.Warehouse); at != nil {
		data.AsOf = at.AsOf
	}
	for i, l := range d.Lines {
		uom := l.UOM
		if item := s.Record(); uom == "" && item != nil {
			uom = item.BaseUOM
		}
		out.Lines[i] = waybill.DocumentLine{Line: strconv.Itoa(i + 1), SKU: l.SKU, Qty: l.Qty, UOM: uom}
		if l.State != "" {
			data.States = append(data.States, lineState{Line: out.Lines[i].Line, State: l.State})
		}
	}
	var err error
	if out.Data, err = waybill.Marshal(&data); err != nil {
		return out, fmt.Errorf("compose document %s of %s: %w", key, lane, err)
	}
	return out, nil
}

// stockData is what a stock document says beside its lines.
type stockData struct {
	Document  string      `json:"document"`
	Warehouse string      `json:"warehouse"`
	Reason    string      `json:"reason"`
	AsOf      string      `json:"as_of,omitzero"`
	States    []lineState `json:"states,omitzero"` // what can be done with a line's goods, in the warehouse's word
}

type lineState struct {
	Line  string `json:"line"`
	State string `json:"state"`
}

// StockView is an item, a receipt or a transfer as the control API shows it.
type StockView struct {
	Kind      waybill.FlowKind `json:"kind"`
	Ref       string           `json:"ref"`
	Record    *waybill.Item    `json:"record,omitzero"`
	Positions []PositionView   `json:"positions"`
	Movements []MovementView   `json:"movements"` // of an item only those that are not settled
}

// PositionView is what is available in a warehouse by the newest position.
type PositionView struct {
	Warehouse string          `json:"warehouse"`
	Available waybill.Decimal `json:"available"`
	Spent     waybill.Decimal `json:"spent"` // of it, allotted to backorders
	AsOf      string          `json:"as_of,omitzero"`
}

// MovementView is what a warehouse did to the stock.
type MovementView struct {
	Document  string          `json:"document"`
	Version   int64           `json:"version"`
	Warehouse string          `json:"warehouse"`
	Reason    string          `json:"reason"`
	State     string          `json:"state"` // applied; limbo or parked while its unit is not known
	Lines     []MovementLines `json:"lines"`
}

// MovementLines is a line of a movement: what was reported, and what of it the
// ERP has booked.
type MovementLines struct {
	SKU    string          `json:"sku"`
	Qty    waybill.Decimal `json:"qty"`
	UOM    string          `json:"uom,omitzero"`
	Booked waybill.Decimal `json:"booked"`
}

// View implements [Flow].
func (s *Stock) View() View {
	v := emptyView(s.x.Kind, s.x.Ref)
	v.Stock = &StockView{Kind: s.x.Kind, Ref: s.x.Ref, Record: s.Record(), Positions: []PositionView{}, Movements: []MovementView{}}
	for _, p := range s.x.Positions {
		v.Stock.Positions = append(v.Stock.Positions, PositionView{Warehouse: p.Warehouse, Available: p.Available, Spent: p.Spent, AsOf: p.AsOf})
	}
	for _, m := range s.x.Moves {
		for _, f := range m.Waits {
			v.Stock.Movements = append(v.Stock.Movements, f.view(nil))
		}
		if m.Force != nil {
			v.Stock.Movements = append(v.Stock.Movements, m.Force.view(m.Booked))
		}
	}
	return v
}

func (f *stockFact) view(booked []stockLine) MovementView {
	v := MovementView{Document: f.Document, Version: f.Version, Warehouse: f.Warehouse, Reason: f.Reason, State: f.Place.String(),
		Lines: make([]MovementLines, 0, len(f.Lines))}
	for _, l := range f.Lines {
		out := MovementLines{SKU: l.SKU, Qty: l.Qty, UOM: l.UOM}
		for _, b := range booked {
			if b.SKU == l.SKU && b.UOM == l.UOM && b.State == l.State {
				out.Booked = b.Qty
			}
		}
		v.Lines = append(v.Lines, out)
	}
	return v
}

// emptyView is the view of a waybill that is no order: its name is its lane's.
func emptyView(kind waybill.FlowKind, ref string) View {
	return View{Order: waybill.Lane(kind, ref), Refs: []Reference{}, Holds: []HoldView{}, Shipments: []ShipmentView{},
		Invoices: []InvoiceView{}, Lines: []LineView{}}
}

// RecordVersion is the version of [Stock.Record]; 0 where there is none.
func (s *Stock) RecordVersion() int64 {
	if s.x.Record == nil {
		return 0
	}
	return s.x.Record.Version
}

// Stated is what the position in force says is available in a warehouse,
// whatever was spent of it; ok is false where none is known.
func (s *Stock) Stated(warehouse string) (available waybill.Decimal, ok bool) {
	if p := s.position(warehouse); p != nil {
		return p.Available, true
	}
	return waybill.Decimal{}, false
}

// Told is what a channel was last told is available in a warehouse; ok is false
// where it was told nothing.
func (s *Stock) Told(target, warehouse string) (available waybill.Decimal, ok bool) {
	for i := range s.x.Told {
		if t := &s.x.Told[i]; t.Target == target && t.Warehouse == warehouse && t.Available != nil {
			return *t.Available, true
		}
	}
	return waybill.Decimal{}, false
}
