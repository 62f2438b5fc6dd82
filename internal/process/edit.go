package process

import (
	"slices"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/waybillhq/waybill"
)

// Edited is what an operator puts in place of a document's content (system
// contract C7): its lines in place of those decided, its members of data in
// place of the decided members of the same name. Kind, order, company and
// currency may be named and stay what they are; what else a document says about
// itself (key, seq, revision) is given anew and not read.
type Edited struct {
	Kind        waybill.Kind   `json:"kind,omitzero"`
	Order       string         `json:"order,omitzero"`
	Company     string         `json:"company,omitzero"`
	Currency    string         `json:"currency,omitzero"`
	PostingDate string         `json:"posting_date,omitzero"` // YYYY-MM-DD
	Lines       []EditedLine   `json:"lines,omitzero"`        // absent: as they were decided
	Data        jsontext.Value `json:"data,omitzero"`         // an object
	Unknown     jsontext.Value `json:",embed"`
}

// EditedLine is a line as an operator writes it. What it leaves out stays as it
// was decided.
type EditedLine struct {
	Line  string           `json:"line"`
	SKU   string           `json:"sku,omitzero"`
	Qty   *waybill.Decimal `json:"qty,omitzero"`
	UOM   string           `json:"uom,omitzero"` // of Qty; absent: the order line's
	Price *waybill.Decimal `json:"price,omitzero"`
	Kind  waybill.LineKind `json:"kind,omitzero"`
}

// wrong is an error in what an operator wrote.
func wrong(field, detail, fix string) *waybill.Error {
	return &waybill.Error{Code: CodeEdit, Field: "/document" + field, Detail: detail, Fix: fix}
}

// CodeEdit is the code of every error in the content of an edit.
const CodeEdit = "document_invalid"

// CheckEdit says what is wrong with an edit of a document, as a [*waybill.Error]
// that names the member; nil where it can be folded as command.given. Whether
// the target may hold the document is the caller's to know.
func (s *Sales) CheckEdit(key string, e *Edited) error {
	at := s.byKey(key)
	pic := s.look(nil)
	defer s.giveBack()
	if !s.turnedDown(at) {
		return refusal("not_editable", "the document is not one that its system was sent and turned down", "edit the one that waits in the lane")
	}
	if _, err := pic.edited(s.docs[at], e); err != nil {
		return err
	}
	return nil
}

// turnedDown reports whether the document at a place was sent and may be edited,
// where its target does not hold it.
func (s *Sales) turnedDown(at int) bool {
	if at < 0 {
		return false
	}
	switch s.docs[at].state {
	case attempted, pending, refused, absent:
		return true
	}
	return false
}

// edited returns the quantities of a document by an edit, in base units.
func (pic *picture) edited(d *doc, e *Edited) (vector, *waybill.Error) {
	if err := pic.sameDocument(d, e); err != nil {
		return nil, err
	}
	if e.Lines == nil {
		return d.lines, nil
	}
	if len(e.Lines) == 0 && len(d.lines) > 0 {
		return nil, wrong("/lines", "a document without lines would say nothing", "name its lines, or skip the delivery where it is not needed")
	}
	out := make(vector, 0, len(e.Lines))
	for i := range e.Lines {
		qty, line, err := pic.editedLine(d, &e.Lines[i], "/lines/"+strconv.Itoa(i))
		if err != nil {
			return nil, err
		}
		if _, twice := out.of(line); twice {
			return nil, wrong("/lines/"+strconv.Itoa(i)+"/line", "line "+e.Lines[i].Line+" is there twice", "name it once, with its whole quantity")
		}
		out = out.put(line, qty)
	}
	return out, nil
}

func (pic *picture) editedLine(d *doc, l *EditedLine, field string) (qty waybill.Decimal, line int, err *waybill.Error) {
	at := slices.Index(pic.s.table, l.Line)
	if at < 0 || pic.info[at] == nil {
		return qty, at, wrong(field+"/line", "order "+pic.s.ref+" has no line "+strconv.Quote(l.Line), "name a line of the order; another one needs a newer version of the order")
	}
	decided, has := d.lines.of(at)
	switch {
	case l.Qty == nil && !has:
		return qty, at, wrong(field+"/qty", "the document had no line "+l.Line+" whose quantity could stay", "say how much of it")
	case l.Qty == nil:
		qty = decided
	default:
		var known bool
		if qty, known = pic.s.toBase(pic.info[at], *l.Qty, l.UOM); !known {
			return qty, at, wrong(field+"/uom", "unit "+l.UOM+" of line "+l.Line+" is not known", "use the order line's unit, or have the item's units kept where it is mastered")
		}
	}
	if qty.Sign() < 0 || qty.IsZero() && !d.carriesTotals() {
		return qty, at, wrong(field+"/qty", "a "+string(d.kind)+" can't carry "+qty.String()+" of line "+l.Line, "leave the line out, or give a quantity above zero")
	}
	return qty, at, nil
}

// carriesTotals reports whether a document's lines are new totals, of which 0
// says that the line is cancelled (system contract T1).
func (d *doc) carriesTotals() bool {
	switch d.kind {
	case waybill.OrderCheck, waybill.SalesOrder, waybill.SalesOrderChange, waybill.WarehouseOrderChange:
		return true
	}
	return false
}

// sameDocument says what of an edit would make another document of it, or none
// that can be read.
func (pic *picture) sameDocument(d *doc, e *Edited) *waybill.Error {
	stays := func(field, given, is string) *waybill.Error {
		if given == "" || given == is {
			return nil
		}
		return wrong("/"+field, "the "+field+" stays "+is, "leave it out; "+strconv.Quote(given)+" would be another document")
	}
	company, currency := "", ""
	if pic.body != nil {
		company, currency = pic.body.Company, pic.body.Currency
	}
	for _, err := range []*waybill.Error{stays("kind", string(e.Kind), string(d.kind)), stays("order", e.Order, pic.s.ref),
		stays("company", e.Company, named(e.Company, company)), stays("currency", e.Currency, currency)} {
		if err != nil {
			return err
		}
	}
	if e.Lines == nil && len(e.Data) == 0 && e.PostingDate == "" {
		return wrong("", "the edit changes nothing", "give lines, data or posting_date; to send the document again as it is, retry it")
	}
	if _, err := time.Parse(time.DateOnly, e.PostingDate); err != nil && e.PostingDate != "" {
		return wrong("/posting_date", strconv.Quote(e.PostingDate)+" is no date", "write it as 2006-01-31")
	}
	members, err := members(e.Data)
	if err != nil {
		return wrong("/data", "data is no object", "give an object with the members to replace")
	}
	if tax, has := members["tax"]; has && d.taxed() {
		if _, err := decimalIn(tax); err != nil {
			return wrong("/data/tax", "the tax is no amount", `write it as a decimal in quotes: "19.00"`)
		}
	}
	return nil
}

// taxed reports whether a document's tax counts against the order's.
func (d *doc) taxed() bool {
	switch d.kind {
	case waybill.Invoice, waybill.CreditMemo, waybill.PaymentCapture, waybill.PaymentReceipt, waybill.RefundNotice:
		return true
	}
	return false
}

func members(object jsontext.Value) (map[string]jsontext.Value, error) {
	var out map[string]jsontext.Value
	if len(object) == 0 {
		return nil, nil
	}
	if err := waybill.Unmarshal(object, &out); err != nil {
		return nil, err
	}
	if out == nil {
		return nil, &waybill.Error{Code: CodeEdit, Detail: "null is no object"}
	}
	return out, nil
}

func decimalIn(v jsontext.Value) (d waybill.Decimal, err error) {
	err = waybill.Unmarshal(v, &d)
	return d, err
}

// edit takes an operator's content for a document that its target does not hold:
// the same document in its next revision, to stand in its place in the lane.
// The plan puts it there. The one before it counts as skipped.
func (r *round) edit(c *Command, e *waybill.Event) {
	s := r.s
	at := s.byKey(c.Key)
	if c.Document == nil || !s.turnedDown(at) {
		return
	}
	old := s.docs[at]
	lines, err := s.look(nil).edited(old, c.Document)
	if err != nil {
		return
	}
	d := &doc{kind: old.kind, target: old.target, subject: old.subject, revision: old.revision + 1, version: old.version, state: withdrawn,
		lines: lines, rest: old.rest, of: old.of, supersedes: at + 1, compensates: old.compensates, fact: old.fact, first: old.first,
		freight: old.freight, tax: old.tax, terms: versionOf(s.inForce()), byVersion: old.byVersion, before: old.before, answer: old.answer,
		edit: e.ID, edited: c.Document, undoes: old.undoes, lapsed: old.lapsed}
	if c.Document.Lines != nil || old.meant != nil {
		if d.meant = old.meant; d.meant == nil {
			d.meant = old.lines
		}
	}
	if all, _ := members(c.Document.Data); d.taxed() && all["tax"] != nil {
		d.tax, _ = decimalIn(all["tax"])
	}
	d.key = r.key(d)
	s.docs = append(s.docs, d)
	if d.undoes {
		s.docs[d.compensates-1].undone = len(s.docs)
	}
	old.epoch = s.epoch
	r.skip(old)
}

func versionOf(o *fact) int64 {
	if o == nil {
		return 0
	}
	return o.version
}

// forget lets the facts write a document again that an operator had edited:
// they say something else than when he did.
func (d *doc) forget() { d.edit, d.edited, d.meant = "", nil, nil }

// plans is what the plan counts of a document that is accounted for: what an
// operator wrote stands in the books, and the plan does not make up the
// difference to what it had decided, as long as the facts are what they were.
func (r *round) plans(d *doc) vector {
	if d.meant != nil && !r.outdated(d) {
		return d.meant
	}
	return d.lines
}

// outdated reports whether the order, or the shipment or return that a document
// is about, is told in a newer version than when an operator had his word on it.
func (r *round) outdated(d *doc) bool {
	if versionOf(r.pic.order) != d.terms {
		return true
	}
	if was := r.s.factOf(d.fact); was != nil {
		f := r.pic.shipped(was.subject)
		return f != nil && f != was
	}
	if was := r.s.returnFact(d.fact); was != nil && was.family == famReturned {
		return slices.ContainsFunc(r.pic.returns, func(c comeback) bool { return c.f.subject == was.subject && c.f != was })
	}
	return false
}

// write puts an operator's content over what the facts say.
func (c *composer) write(d *waybill.Document) error {
	e := c.d.edited
	if e == nil {
		return nil
	}
	if e.PostingDate != "" {
		d.PostingDate = e.PostingDate
	}
	for i := range d.Lines {
		l := &d.Lines[i]
		at := slices.IndexFunc(e.Lines, func(x EditedLine) bool { return x.Line == l.Line })
		if at < 0 {
			continue
		}
		x := &e.Lines[at]
		l.SKU, l.Kind = named(l.SKU, x.SKU), waybill.LineKind(named(string(l.Kind), string(x.Kind)))
		if x.Price != nil {
			l.Price, l.PriceUOM = &waybill.Price{Amount: *x.Price, Currency: d.Currency}, ""
		}
	}
	over, err := members(e.Data)
	if err != nil || over == nil {
		return err
	}
	all, err := members(d.Data)
	if err != nil {
		return err
	}
	for name, value := range over {
		all[name] = value
	}
	d.Data, err = waybill.Marshal(all)
	return err
}
