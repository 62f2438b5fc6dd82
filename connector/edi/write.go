package edi

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/edi/x12"
)

// Job is a document to be written as a transaction set, with what it says
// nothing of itself.
type Job struct {
	Document waybill.Document
	// Order is the order as it was placed: an answer, a ship notice and an invoice
	// repeat the buyer's own numbers from it. Nil for stock.
	Order *waybill.Order
	// At is the document's date, in the partner's zone.
	At time.Time
	// Number is the invoice's, as the ERP gave it. Empty: the document's key.
	Number string
}

// Rendered is a transaction set without its envelope.
type Rendered struct {
	Set   string // ST01
	Group string // GS01
	Body  []x12.Segment
	Notes []string // what had to be replaced in free text
}

// Render writes a document as a transaction set: order_acknowledgment as 855,
// change_answer and cancellation_answer as 865, fulfilment as 856, invoice as
// 810, the warehouse_order kinds as 940, inventory_availability as 846. It is
// pure. What can't be written is refused with the document's kind and order.
func (p *Partner) Render(j Job) (Rendered, error) {
	w := &writing{p: p, j: j, out: Rendered{}, delims: p.WireDelimiters("00501")}
	w.readContext()
	var err error
	switch j.Document.Kind {
	case waybill.OrderAcknowledgment:
		err = w.acknowledgment()
	case waybill.ChangeAnswer:
		err = w.changeAnswer()
	case waybill.CancellationAnswer:
		err = w.cancellationAnswer()
	case waybill.Fulfilment, waybill.FulfilmentUpdate:
		err = w.shipNotice()
	case waybill.Invoice, waybill.InvoiceNotice:
		err = w.invoice()
	case waybill.WarehouseOrder, waybill.WarehouseOrderChange, waybill.WarehouseOrderCancel:
		err = w.warehouseOrder()
	case waybill.InventoryAvailability:
		err = w.availability()
	default:
		err = fmt.Errorf("no transaction set is written for it")
	}
	if err == nil {
		err = w.err
	}
	if err != nil {
		return Rendered{}, fmt.Errorf("render %s of order %s: %w", j.Document.Kind, j.Document.Order, err)
	}
	w.out.Group = x12.GroupCode(w.out.Set)
	return w.out, nil
}

// writing is one set on its way out.
type writing struct {
	p      *Partner
	j      Job
	out    Rendered
	delims x12.Delimiters
	ctx    orderContext
	lines  map[string]lineContext
	err    error // the first text that was refused
}

// orderContext is what the order kept of its 850.
type orderContext struct {
	EDI struct {
		Date       string   `json:"date"`
		Sequence   string   `json:"sequence"`
		References []ref    `json:"references"`
		Dates      []ref    `json:"dates"`
		Carrier    string   `json:"carrier"`
		Routing    string   `json:"routing"`
		Texts      []string `json:"texts"`
		Parties    []struct {
			Role string `json:"role"`
			ID   string `json:"id"`
			Name string `json:"name"`
		} `json:"parties"`
	} `json:"edi"`
}

// lineContext is a line of the order with the numbers that its 850 gave it.
type lineContext struct {
	waybill.OrderLine
	IDs []ref `json:"item_ids"`
}

func (w *writing) readContext() {
	w.lines = map[string]lineContext{}
	o := w.j.Order
	if o == nil {
		return
	}
	w.context(o.Unknown)
	for _, l := range o.Lines {
		c := lineContext{OrderLine: l}
		if len(l.Unknown) > 0 {
			var ids struct {
				IDs []ref `json:"item_ids"`
			}
			if waybill.Unmarshal(l.Unknown, &ids) == nil {
				c.IDs = ids.IDs
			}
		}
		if len(c.IDs) == 0 {
			c.IDs = []ref{{Qualifier: "VN", Value: outward(l.SKU)}}
		}
		w.lines[l.Line] = c
	}
}

// context reads what came with an order and has no field of its own. An order
// of another origin has none.
func (w *writing) context(unknown jsontext.Value) {
	if len(unknown) == 0 {
		return
	}
	var c orderContext
	if waybill.Unmarshal(unknown, &c) == nil {
		w.ctx = c
	}
}

func (w *writing) add(id string, elements ...string) {
	w.out.Body = append(w.out.Body, x12.MakeSegment(id, elements...))
}

// text makes free text fit for an element: its longest length, the character
// set, and no delimiter.
func (w *writing) text(v string, most int) string {
	v = strings.TrimSpace(v)
	if w.p.Upper {
		v = strings.ToUpper(v)
	}
	if w.p.Charset != "utf-8" {
		plain := toASCII(v)
		if plain != v {
			w.note(fmt.Sprintf("%q is written as %q", v, plain))
			v = plain
		}
	}
	clean := strings.Map(func(r rune) rune {
		if r < ' ' || strings.ContainsRune(w.delims.Segment, r) || r == rune(w.delims.Element) || r == rune(w.delims.Component) || r == rune(w.delims.Repetition) {
			return ' '
		}
		return r
	}, v)
	if clean != v {
		if w.p.Text == "refuse" && w.err == nil {
			w.err = fmt.Errorf("%q holds a delimiter of the partner; change the text, or the partner's delimiters", v)
		}
		w.note(fmt.Sprintf("%q is written as %q: it holds a delimiter", v, clean))
	}
	if runes := []rune(clean); len(runes) > most {
		w.note(fmt.Sprintf("%q is cut to %d characters", clean, most))
		clean = strings.TrimSpace(string(runes[:most]))
	}
	return clean
}

func (w *writing) note(text string) { w.out.Notes = append(w.out.Notes, text) }

// order number that the buyer gave.
func (w *writing) po() (string, error) {
	po := ""
	if o := w.j.Order; o != nil {
		po = named(o.PO, named(o.ChannelOrder, o.Order))
	}
	if po == "" || len(po) > 22 {
		return "", fmt.Errorf("its order number %q can't be written: want 1 to 22 characters (element 324)", po)
	}
	return po, nil
}

// placed is the date of the order, the document's where it is not known.
func (w *writing) placed() string {
	if d := compact(w.ctx.EDI.Date); d != "" {
		return d
	}
	return w.day()
}

func (w *writing) day() string { return w.j.At.Format("20060102") }

// compact writes YYYY-MM-DD as YYYYMMDD.
func compact(date string) string { return strings.ReplaceAll(date, "-", "") }

// references repeats those of the order that the buyer wants to see again.
func (w *writing) references(qualifiers ...string) {
	for _, q := range qualifiers {
		for _, r := range w.ctx.EDI.References {
			if r.Qualifier == q {
				w.add("REF", q, w.text(r.Value, 30))
				break
			}
		}
	}
}

// party writes an N1 loop.
func (w *writing) party(role string, p *waybill.Party) {
	if p == nil || p.Name == "" && p.ID == "" {
		return
	}
	qualifier, code := "", ""
	switch {
	case p.GLN != "":
		qualifier, code = "UL", p.GLN
	case len(p.ID) > 1:
		qualifier, code = "92", p.ID
	}
	w.add("N1", role, w.text(p.Name, 60), qualifier, code)
	if p.Company != "" {
		w.add("N2", w.text(p.Company, 60))
	}
	for i := 0; i < len(p.Lines) && i < 4; i += 2 {
		second := ""
		if i+1 < len(p.Lines) {
			second = w.text(p.Lines[i+1], 55)
		}
		w.add("N3", w.text(p.Lines[i], 55), second)
	}
	if p.City != "" || p.Postal != "" {
		region := ""
		if len(p.Region) == 2 {
			region = p.Region
		}
		w.add("N4", w.text(p.City, 30), region, p.Postal, p.Country)
	}
}

// buyer writes the N1 of a role that the order named.
func (w *writing) buyer(role, as string) {
	for _, p := range w.ctx.EDI.Parties {
		if p.Role == role {
			w.party(as, &waybill.Party{ID: p.ID, Name: p.Name})
			return
		}
	}
}

// ids flattens the numbers of an item.
func ids(of []ref) []string {
	out := make([]string, 0, 2*len(of))
	for _, r := range of {
		out = append(out, r.Qualifier, r.Value)
	}
	return out
}

// line is the order's line that a document's line is about.
func (w *writing) line(l waybill.DocumentLine) (lineContext, string, error) {
	c, ok := w.lines[l.Line]
	if !ok {
		c = lineContext{OrderLine: waybill.OrderLine{Line: l.Line, SKU: l.SKU, Qty: l.Qty, UOM: l.UOM}, IDs: []ref{{Qualifier: "VN", Value: outward(l.SKU)}}}
	}
	unit, err := w.p.unitOut(named(l.UOM, c.UOM))
	if err != nil {
		return c, "", fmt.Errorf("line %s: %w", l.Line, err)
	}
	return c, unit, nil
}

// Ids of ours may hold "~", which ends most partners' segments. On the wire it
// is "!", which no id of ours can hold, and comes back as it was.
const ours, theirs = "~", "!"

func outward(id string) string { return strings.ReplaceAll(id, ours, theirs) }

func inward(v string) string { return strings.ReplaceAll(v, theirs, ours) }

// cents writes an amount with two implied decimals (type N2).
func cents(d waybill.Decimal) string {
	return d.Mul(waybill.NewDecimal(100)).Round(0).String()
}

func count(n int) string { return strconv.Itoa(n) }

// latin are letters that ASCII lacks and how they are written without them.
var latin = strings.NewReplacer("ß", "ss", "ä", "ae", "ö", "oe", "ü", "ue", "Ä", "AE", "Ö", "OE", "Ü", "UE", "æ", "ae", "Æ", "AE", "ø", "oe", "Ø", "OE",
	"å", "aa", "Å", "AA", "é", "e", "è", "e", "ê", "e", "ë", "e", "É", "E", "È", "E", "Ê", "E", "á", "a", "à", "a", "â", "a", "ã", "a", "Á", "A", "À", "A",
	"Â", "A", "í", "i", "ì", "i", "î", "i", "ï", "i", "Í", "I", "ó", "o", "ò", "o", "ô", "o", "õ", "o", "Ó", "O", "Ô", "O", "ú", "u", "ù", "u", "û", "u",
	"Ú", "U", "ñ", "n", "Ñ", "N", "ç", "c", "Ç", "C", "–", "-", "—", "-", "’", "'", "‘", "'", "“", "\"", "”", "\"", "…", "...", "€", "EUR", "£", "GBP",
	"½", "1/2", "¼", "1/4", "¾", "3/4", "°", " deg", "×", "x", "®", "(R)", "™", "(TM)", "\u00a0", " ")

// toASCII writes text in ASCII: by the table, and a question mark for what it
// lacks.
func toASCII(v string) string {
	for i := 0; i < len(v); i++ {
		if v[i] >= 0x80 {
			return strings.Map(func(r rune) rune {
				if r >= 0x80 {
					return '?'
				}
				return r
			}, latin.Replace(v))
		}
	}
	return v
}
