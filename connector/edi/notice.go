package edi

import (
	"fmt"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/waybillhq/waybill"
	wire "github.com/waybillhq/waybill/edi"
)

// Structures of an 856 (BSN05): what hangs under what.
const (
	structurePack = "0001" // shipment, order, (tare,) pack, item
	structureItem = "0002" // shipment, order, item, pack
	structureBare = "0004" // shipment, order, item
)

// notice is an 856 while it is written.
type notice struct {
	*writing
	data  fulfilmentData
	level int // HL01 of the last level
}

// fulfilmentData is what a fulfilment says of its shipment.
type fulfilmentData struct {
	Shipment  string            `json:"shipment"`
	ShippedAt string            `json:"shipped_at"`
	Mode      string            `json:"mode"`
	Carrier   string            `json:"carrier"`
	Service   string            `json:"service"`
	BOL       string            `json:"bol"`
	PRO       string            `json:"pro"`
	Weight    string            `json:"weight"` // "84.5 LB"
	Packages  []waybill.Package `json:"packages"`
}

// shipNotice is an 856.
func (w *writing) shipNotice() error {
	n := &notice{writing: w}
	if err := waybill.Unmarshal(w.j.Document.Data, &n.data); err != nil {
		return fmt.Errorf("its data: %w", err)
	}
	po, err := w.po()
	if err != nil {
		return err
	}
	if len(n.data.Shipment) < 2 || len(n.data.Shipment) > 30 {
		return fmt.Errorf("shipment number %q can't be written: want 2 to 30 characters (element 396)", n.data.Shipment)
	}
	shipped, err := time.Parse(time.RFC3339, n.data.ShippedAt)
	if err != nil {
		return fmt.Errorf("shipped_at %q is no time: %w", n.data.ShippedAt, err)
	}
	zone, err := w.p.location()
	if err != nil {
		return err
	}
	shipped = shipped.In(zone)
	structure := named(w.p.Structure, structurePack)
	if len(n.data.Packages) == 0 {
		structure = structureBare
	}
	w.out.Set = "856"
	purpose := "00"
	if w.j.Document.Kind == waybill.FulfilmentUpdate {
		purpose = "05"
	}
	w.add("BSN", purpose, n.data.Shipment, w.day(), w.j.At.Format("1504"), structure)
	top := n.hl(0, "S")
	n.shipmentLevel(shipped)
	order := n.hl(top, "O")
	w.add("PRF", po, "", "", w.placed())
	w.references("DP", "IA")
	w.buyer("BY", "BY")
	w.buyer("Z7", "Z7")
	switch structure {
	case structurePack:
		err = n.packs(order)
	case structureItem:
		err = n.itemsThenPacks(order)
	default:
		err = n.items(order, w.j.Document.Lines)
	}
	if err != nil {
		return err
	}
	w.add("CTT", count(n.level))
	return nil
}

// hl begins a level under another and returns its number.
func (n *notice) hl(parent int, kind string) int {
	n.level++
	above := ""
	if parent > 0 {
		above = count(parent)
	}
	n.add("HL", count(n.level), above, kind)
	return n.level
}

func (n *notice) shipmentLevel(shipped time.Time) {
	if len(n.data.Packages) > 0 {
		weight, unit, weighed := strings.Cut(n.data.Weight, " ")
		if weighed {
			n.add("TD1", "CTN25", count(len(n.data.Packages)), "", "", "", "G", weight, unit)
		} else {
			n.add("TD1", "CTN25", count(len(n.data.Packages)))
		}
	}
	if n.data.Carrier != "" {
		mode := map[string]string{"parcel": "U", "ltl": "M", "pickup": "H", "own_truck": "P"}[n.data.Mode]
		n.add("TD5", "B", "2", n.text(n.data.Carrier, 80), mode, n.text(n.data.Service, 35))
	}
	if n.data.BOL != "" {
		n.add("REF", "BM", n.text(n.data.BOL, 30))
	}
	if n.data.PRO != "" {
		n.add("REF", "CN", n.text(n.data.PRO, 30))
	}
	n.add("DTM", "011", shipped.Format("20060102"), shipped.Format("1504"))
	if n.p.Warehouse != "" {
		n.party("SF", &waybill.Party{ID: n.p.Warehouse, Name: n.p.Warehouse})
	}
	n.party("ST", n.j.Order.ShipTo)
}

// packs writes every package with its content. Packages that name the pallet
// they stand on hang under it.
func (n *notice) packs(order int) error {
	content, err := n.contents()
	if err != nil {
		return err
	}
	tares := map[string]int{}
	for i, p := range n.data.Packages {
		parent := order
		if pallet := palletOf(p.Unknown); pallet != "" {
			if tares[pallet] == 0 {
				tares[pallet] = n.hl(order, "T")
				if err := n.marks(waybill.Package{SSCC: pallet}); err != nil {
					return err
				}
			}
			parent = tares[pallet]
		}
		pack := n.hl(parent, "P")
		if err := n.marks(p); err != nil {
			return err
		}
		if err := n.items(pack, content[i]); err != nil {
			return err
		}
	}
	return nil
}

// palletOf is the SSCC of the pallet that a package stands on.
func palletOf(unknown jsontext.Value) string {
	var v struct {
		Pallet string `json:"pallet"`
	}
	if len(unknown) == 0 || waybill.Unmarshal(unknown, &v) != nil {
		return ""
	}
	return v.Pallet
}

// contents is what lies in each package. One package without content holds
// all; of several, nobody can say what is in which.
func (n *notice) contents() ([][]waybill.DocumentLine, error) {
	out := make([][]waybill.DocumentLine, len(n.data.Packages))
	for i, p := range n.data.Packages {
		if len(p.Lines) == 0 && len(n.data.Packages) > 1 {
			return nil, fmt.Errorf("package %d of %d names no lines, so that nobody can say what is in it; report the content, or give the partner structure 0004", i+1, len(n.data.Packages))
		}
		for _, l := range p.Lines {
			out[i] = append(out[i], waybill.DocumentLine{Line: l.Line, SKU: l.SKU, Qty: l.Qty, UOM: l.UOM})
		}
		if len(p.Lines) == 0 {
			out[i] = n.j.Document.Lines
		}
	}
	return out, nil
}

// marks writes the numbers on a package. A wrong SSCC would cost a chargeback,
// so it is refused.
func (n *notice) marks(p waybill.Package) error {
	if p.SSCC != "" {
		sscc, err := wire.SSCC(p.SSCC)
		if err != nil {
			return err
		}
		n.add("MAN", "GM", "00"+sscc)
	}
	if p.Tracking != "" {
		n.add("MAN", "CP", n.text(p.Tracking, 48))
	}
	return nil
}

func (n *notice) items(parent int, lines []waybill.DocumentLine) error {
	for _, l := range lines {
		if _, err := n.item(parent, l); err != nil {
			return err
		}
	}
	return nil
}

func (n *notice) item(parent int, l waybill.DocumentLine) (int, error) {
	c, unit, err := n.line(l)
	if err != nil {
		return 0, err
	}
	at := n.hl(parent, "I")
	n.add("LIN", append([]string{number20(l.Line)}, ids(c.IDs)...)...)
	ordered, orderedUnit := "", ""
	if _, known := n.lines[l.Line]; known {
		if orderedUnit, err = n.p.unitOut(c.UOM); err != nil {
			return 0, fmt.Errorf("line %s: %w", l.Line, err)
		}
		ordered = c.Qty.String()
	}
	n.add("SN1", number20(l.Line), l.Qty.String(), unit, "", ordered, orderedUnit)
	if c.Description != "" {
		n.add("PID", "F", "", "", "", n.text(c.Description, 80))
	}
	return at, nil
}

// itemsThenPacks writes every line with the packages that hold some of it.
func (n *notice) itemsThenPacks(order int) error {
	content, err := n.contents()
	if err != nil {
		return err
	}
	for _, l := range n.j.Document.Lines {
		at, err := n.item(order, l)
		if err != nil {
			return err
		}
		for i, lines := range content {
			for _, in := range lines {
				if in.Line != l.Line {
					continue
				}
				n.hl(at, "P")
				if err := n.marks(n.data.Packages[i]); err != nil {
					return err
				}
			}
		}
	}
	return nil
}
