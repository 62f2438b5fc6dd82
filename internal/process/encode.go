package process

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/waybillhq/waybill"
)

// A stored state begins with its format and its schema; both stay readable for
// ever. Format 1 is compact JSON with short names: zero values are left out,
// systems are numbered, times count from the first fact, keys lack the part
// that all keys of the order share.
const (
	blobFormat = 1
	blobSchema = 2 // 2: several warehouse orders

	// orderSchema is the schema of an order's state. 3: what operators edited and
	// undid. 4: kits.
	orderSchema = 4
)

// Append writes the state behind b. The content of orders and shipments is not
// in it: it stays with the ledger's events.
func (s *Sales) Append(b []byte) []byte {
	b = append(b, blobFormat, orderSchema)
	w := writer{b: b, s: s, base: s.firstTime()}
	w.open('{')
	w.text("r", s.ref)
	w.text("n", s.origin)
	if s.own != s.ref {
		w.text("w", s.own)
	}
	w.text("g", s.tag)
	w.texts("l", s.table)
	w.texts("b", s.sites)
	w.number("z", w.base)
	w.number("e", int64(s.epoch))
	w.list("f", len(s.facts), func(i int) { w.fact(s.facts[i]) })
	w.list("d", len(s.docs), func(i int) { w.doc(s.docs[i]) })
	w.list("i", len(s.items), func(i int) {
		it := &s.items[i]
		w.text("k", it.SKU)
		w.text("b", it.BaseUOM)
		w.list("u", len(it.UOMs), func(n int) {
			w.text("u", it.UOMs[n].UOM)
			w.text("r", it.UOMs[n].Ratio.String())
		})
		w.kit(it.Kit)
	})
	w.list("h", len(s.holds), func(i int) {
		h := s.holds[i]
		w.text("k", h.kind)
		w.text("y", h.reason)
		w.text("l", h.line)
		w.number("a", h.since-w.base)
	})
	w.list("x", len(s.open), func(i int) {
		w.text("c", s.open[i].Cause)
		w.text("u", s.open[i].Subject)
		w.text("l", s.open[i].Line)
	})
	w.list("t", len(s.timers), func(i int) {
		w.text("n", s.timers[i].Name)
		w.number("a", millis(s.timers[i].Due)-w.base)
	})
	w.texts("y", s.watching)
	w.number("v", s.top)
	w.number("a", int64(s.asked))
	w.number("o", int64(s.ordinal))
	w.text("c", s.reached)
	w.flag("p", s.excess)
	w.texts("s", w.systems) // last: writing the rest numbers them
	w.shut('}')
	return w.b
}

func (w *writer) kit(k *waybill.Kit) {
	if k == nil {
		return
	}
	w.text("v", string(k.Invoice))
	w.list("c", len(k.Components), func(i int) {
		c := &k.Components[i]
		w.text("k", c.SKU)
		w.decimal("q", c.Qty)
		w.text("u", c.UOM)
		w.decimal("p", c.Price)
		w.text("d", c.Description)
	})
}

// firstTime is the time that stored times count from.
func (s *Sales) firstTime() int64 {
	first := int64(0)
	for _, f := range s.facts {
		if first == 0 || f.at < first {
			first = f.at
		}
	}
	return first
}

// writer appends compact JSON. Fields with their zero value are left out.
type writer struct {
	b       []byte
	s       *Sales
	base    int64
	systems []string
	space   [4]string // for the systems of most orders
	more    bool      // a comma is due
	attempt int       // of the document before
}

func (w *writer) open(c byte) {
	w.b = append(w.b, c)
	w.more = false
}

func (w *writer) shut(c byte) {
	w.b = append(w.b, c)
	w.more = true
}

func (w *writer) comma() {
	if w.more {
		w.b = append(w.b, ',')
	}
	w.more = true
}

func (w *writer) name(n string) {
	w.comma()
	w.b = append(append(append(w.b, '"'), n...), '"', ':')
}

func (w *writer) quoted(v string) {
	if b, err := jsontext.AppendQuote(w.b, v); err == nil {
		w.b = b
		return
	}
	w.b = append(w.b, '"', '"') // not UTF-8: no id of the contract is (G1)
}

func (w *writer) text(n, v string) {
	if v != "" {
		w.name(n)
		w.quoted(v)
	}
}

func (w *writer) number(n string, v int64) {
	if v != 0 {
		w.name(n)
		w.b = strconv.AppendInt(w.b, v, 10)
	}
}

func (w *writer) flag(n string, v bool) {
	if v {
		w.number(n, 1)
	}
}

func (w *writer) vector(n string, v vector) {
	if v != nil {
		w.name(n)
		w.b = append(w.b, '"')
		w.b = append(v.appendTo(w.b), '"')
	}
}

func (w *writer) decimal(n string, v waybill.Decimal) {
	if !v.IsZero() {
		w.text(n, v.String())
	}
}

func (w *writer) texts(n string, v []string) {
	if len(v) == 0 {
		return
	}
	w.name(n)
	w.open('[')
	for _, t := range v {
		w.comma()
		w.quoted(t)
	}
	w.shut(']')
}

func (w *writer) list(n string, count int, item func(i int)) {
	if count == 0 {
		return
	}
	w.name(n)
	w.open('[')
	for i := range count {
		w.comma()
		w.open('{')
		item(i)
		w.shut('}')
	}
	w.shut(']')
}

// system writes a system's number; the first has 1.
func (w *writer) system(n, name string) {
	if name == "" {
		return
	}
	at := slices.Index(w.systems, name)
	if at < 0 {
		if w.systems == nil {
			w.systems = w.space[:0]
		}
		w.systems = append(w.systems, name)
		at = len(w.systems) - 1
	}
	w.number(n, int64(at)+1)
}

func (w *writer) fact(f *fact) {
	w.text("e", f.event)
	w.number("f", int64(f.family))
	w.system("s", f.source)
	w.text("u", f.subject)
	w.number("v", f.version-1)
	w.name("d")
	w.b = append(w.b, '"')
	w.b = append(base64.RawURLEncoding.AppendEncode(w.b, f.digest[:]), '"')
	w.number("a", f.at-w.base)
	w.vector("q", f.lines)
	w.flag("l", f.all)
	w.texts("m", f.units)
	w.number("p", int64(f.place)-int64(Applied))
	w.flag("x", f.expired)
	w.flag("c", f.changed)
	w.number("r", int64(f.round))
	w.number("k", int64(f.verdict))
	w.flag("g", f.again)
	if f.when != 0 {
		w.number("w", f.when-w.base)
	}
	w.flag("z", f.final)
	w.number("i", int64(f.fix))
	w.number("h", int64(f.byWarehouse))
	w.number("b", int64(f.byBooks))
	w.number("n", int64(f.answers))
	w.number("R", int64(f.reading))
	w.flag("V", f.void)
	w.number("L", int64(f.late))
}

func (w *writer) doc(d *doc) {
	w.text("k", codeOf(d.kind))
	w.system("t", d.target)
	if d.subject != w.s.defaultSubject(d) {
		w.text("u", d.subject)
	}
	w.number("r", int64(d.revision))
	w.text("h", d.key[min(len(w.s.tag), len(d.key)):])
	w.number("v", d.version-1)
	w.number("p", int64(d.state)-int64(done))
	w.number("n", int64(d.attempt-w.attempt-1))
	w.attempt = d.attempt
	w.number("e", int64(d.epoch-w.s.epoch))
	w.vector("q", d.lines)
	w.vector("a", d.again)
	w.vector("j", d.rejected)
	w.vector("w", d.before)
	w.vector("B", d.freed)
	w.flag("y", d.rest)
	w.number("o", int64(d.of))
	w.number("s", int64(d.supersedes))
	w.number("c", int64(d.compensates))
	if d.fact != "" {
		w.number("f", int64(slices.IndexFunc(w.s.facts, func(f *fact) bool { return f.event == d.fact }))+1)
	}
	w.flag("i", d.first)
	w.flag("g", d.freight)
	w.decimal("x", d.tax)
	w.flag("b", d.byVersion)
	w.text("z", d.answer)
	w.flag("l", d.late)
	if d.kind == waybill.Invoice || d.edit != "" || d.undoes {
		w.number("T", d.terms-1)
	}
	w.text("E", d.edit)
	w.vector("M", d.meant)
	w.flag("U", d.undoes)
	w.flag("P", d.lapsed)
	w.number("N", int64(d.undone))
	w.text("m", d.ref)
	w.text("d", d.code)
}

// defaultSubject is the subject that most documents of a kind have; it is not
// stored.
func (s *Sales) defaultSubject(d *doc) string {
	if d.kind == waybill.Invoice {
		return s.keyAt(d.of)
	}
	return s.ref
}

// kindCodes are the stored names of kinds.
var kindCodes = [...]struct {
	kind waybill.Kind
	code string
}{
	{waybill.OrderCheck, "oc"}, {waybill.SalesOrder, "so"}, {waybill.SalesOrderChange, "sg"}, {waybill.SalesOrderCancel, "sx"},
	{waybill.WarehouseOrder, "wo"}, {waybill.WarehouseOrderChange, "wg"}, {waybill.WarehouseOrderCancel, "wx"},
	{waybill.ShipmentPosting, "sp"}, {waybill.ShipmentReversal, "sr"}, {waybill.Invoice, "in"}, {waybill.CreditMemo, "cm"},
	{waybill.OrderAcknowledgment, "oa"}, {waybill.ChangeAnswer, "ga"}, {waybill.CancellationAnswer, "xa"},
	{waybill.Fulfilment, "ff"}, {waybill.FulfilmentUpdate, "fu"},
	{waybill.PurchaseOrder, "po"}, {waybill.BackorderNotice, "bn"},
	{waybill.ReturnAuthorization, "ra"}, {waybill.ReturnAdvice, "rv"}, {waybill.RefundNotice, "rn"},
	{waybill.PaymentCapture, "pc"}, {waybill.PaymentReceipt, "pr"}, {waybill.InvoiceNotice, "iv"},
}

func codeOf(k waybill.Kind) string {
	for i := range kindCodes {
		if kindCodes[i].kind == k {
			return kindCodes[i].code
		}
	}
	return string(k)
}

func kindOf(code string) waybill.Kind {
	for i := range kindCodes {
		if kindCodes[i].code == code {
			return kindCodes[i].kind
		}
	}
	return waybill.Kind(code)
}

// keepsBody reports whether more of a fact is needed than its quantities: that
// stays in the ledger.
func (f family) keepsBody() bool {
	return f == famOrder || f == famShipped || f == famReturned || f == famReturnRequested
}

// Missing lists the events whose data the state needs and does not hold: the
// versions of the order, of its shipments and of its returns. Nil when nothing is missing.
func (s *Sales) Missing() []string {
	var out []string
	for _, f := range s.facts {
		if f.body == nil && f.family.keepsBody() {
			out = append(out, f.event)
		}
	}
	for _, d := range s.docs {
		if d.edit != "" && d.edited == nil && (d.state == planned || d.state == withdrawn) {
			out = append(out, d.edit)
		}
	}
	return out
}

// Attach brings the data of an event back that Missing listed.
func (s *Sales) Attach(eventID string, data []byte) error {
	for _, f := range s.facts {
		if f.event != eventID {
			continue
		}
		var err error
		switch f.family {
		case famOrder:
			o := new(waybill.Order)
			err = waybill.Unmarshal(data, o)
			f.body = o
		case famShipped:
			sh := new(waybill.Shipment)
			err = waybill.Unmarshal(data, sh)
			f.body = sh
		case famReturned, famReturnRequested:
			ret := new(waybill.Return)
			err = waybill.Unmarshal(data, ret)
			f.body = ret
		default:
			continue
		}
		if err != nil {
			f.body = nil
			return fmt.Errorf("attach event %s to order %s: %w", eventID, s.ref, err)
		}
		return nil
	}
	for _, d := range s.docs {
		if d.edit != eventID || d.edited != nil {
			continue
		}
		var c Command
		if err := waybill.Unmarshal(data, &c); err != nil || c.Document == nil {
			return fmt.Errorf("attach event %s to order %s: it is no edit that can be read (%w)", eventID, s.ref, err)
		}
		d.edited = c.Document
		return nil
	}
	return fmt.Errorf("attach event %s to order %s: the order's state does not ask for it", eventID, s.ref)
}
