package contract

import (
	"fmt"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/connector"
)

const contentJSON = "application/json"

type renderer struct{}

// Render writes a document as the body of T1, its members in the contract's
// order. The same document gives the same bytes.
func (renderer) Render(d waybill.Document) (connector.Rendered, error) {
	w := writer{b: make([]byte, 0, 512+96*len(d.Lines)+len(d.Data))}
	w.document(&d)
	if w.err != nil {
		return connector.Rendered{}, fmt.Errorf("render %s of order %s: %w", d.Kind, d.Order, w.err)
	}
	return connector.Rendered{Body: w.b, ContentType: contentJSON}, nil
}

// writer appends JSON. It is written by hand because every document passes
// here: reflection takes several times as long.
type writer struct {
	b   []byte
	err error
}

func (w *writer) document(d *waybill.Document) {
	w.text(`{"kind":`, string(d.Kind))
	if d.Company != "" {
		w.text(`,"company":`, d.Company)
	}
	w.text(`,"order":`, d.Order)
	if d.Version != 0 {
		w.number(`,"version":`, d.Version)
	}
	w.text(`,"key":`, d.Key)
	w.number(`,"seq":`, d.Seq)
	w.number(`,"after":`, d.After)
	w.number(`,"revision":`, int64(d.Revision))
	w.textIf(`,"supersedes":`, d.Supersedes)
	w.textIf(`,"compensates":`, d.Compensates)
	if len(d.Covers) > 0 {
		w.covers(d.Covers)
	}
	w.textIf(`,"currency":`, d.Currency)
	w.textIf(`,"posting_date":`, d.PostingDate)
	w.lines(d.Lines)
	w.data(d.Data)
	w.b = append(w.b, '}')
}

func (w *writer) covers(covers []waybill.Cover) {
	open := `,"covers":[{"order":`
	for i := range covers {
		w.text(open, covers[i].Order)
		w.text(`,"line":`, covers[i].Line)
		w.decimal(`,"qty":`, covers[i].Qty)
		open = `},{"order":`
	}
	w.b = append(w.b, `}]`...)
}

func (w *writer) lines(lines []waybill.DocumentLine) {
	w.b = append(w.b, `,"lines":[`...)
	for i := range lines {
		l := &lines[i]
		if i > 0 {
			w.b = append(w.b, ',')
		}
		w.text(`{"line":`, l.Line)
		w.textIf(`,"sku":`, l.SKU)
		w.decimal(`,"qty":`, l.Qty)
		w.textIf(`,"uom":`, l.UOM)
		if l.Price != nil {
			w.b = append(append(w.b, `,"price":"`...), waybill.FormatAmount(l.Price.Amount, l.Price.Currency)...)
			w.b = append(w.b, '"')
		}
		w.textIf(`,"price_uom":`, l.PriceUOM)
		w.textIf(`,"kind":`, string(l.Kind))
		w.textIf(`,"parent":`, l.Parent)
		w.b = append(w.b, '}')
	}
	w.b = append(w.b, ']')
}

// data is there always, an empty object where the kind has nothing to add.
func (w *writer) data(data jsontext.Value) {
	if len(data) == 0 {
		w.b = append(w.b, `,"data":{}`...)
		return
	}
	if data.Kind() != '{' || !data.IsValid() {
		w.err = fmt.Errorf("its data is no JSON object")
		return
	}
	w.b = append(append(w.b, `,"data":`...), data...)
}

func (w *writer) text(name, value string) {
	w.b = append(w.b, name...)
	var err error
	if w.b, err = jsontext.AppendQuote(w.b, value); err != nil && w.err == nil {
		w.err = fmt.Errorf("%q: %w", value, err)
	}
}

func (w *writer) textIf(name, value string) {
	if value != "" {
		w.text(name, value)
	}
}

func (w *writer) number(name string, value int64) {
	w.b = strconv.AppendInt(append(w.b, name...), value, 10)
}

func (w *writer) decimal(name string, value waybill.Decimal) {
	w.b = append(append(append(w.b, name...), '"'), value.String()...)
	w.b = append(w.b, '"')
}
