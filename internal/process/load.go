package process

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/waybillhq/waybill"
)

// Load reads a state that Append wrote. What [Sales.Missing] then lists is to
// be attached before anything is asked of it.
func Load(b []byte) (*Sales, error) {
	if len(b) < 2 {
		return nil, errors.New("load order state: it is cut short; refold it from the ledger")
	}
	if b[0] != blobFormat || b[1] < 1 || b[1] > orderSchema {
		return nil, fmt.Errorf("load order state: format %d schema %d is newer than this program; run the newer one", b[0], b[1])
	}
	r := reader{dec: jsontext.NewDecoder(bytes.NewBuffer(b[2:])), schema: b[1], s: &Sales{}}
	r.state()
	if r.err == nil {
		r.err = r.join()
	}
	if r.err != nil {
		return nil, fmt.Errorf("load order state: %w; refold it from the ledger", r.err)
	}
	return r.s, nil
}

// reader reads what writer wrote. The first error stops it.
type reader struct {
	dec     *jsontext.Decoder
	schema  byte
	s       *Sales
	err     error
	base    int64
	systems []string
	sources []int64 // of facts, by number of the system
	targets []int64 // of documents
	carried []int64 // of documents: place + 1 of the fact
	attempt int     // of the document before
}

func (r *reader) token() jsontext.Token {
	if r.err != nil {
		return jsontext.Null
	}
	t, err := r.dec.ReadToken()
	if err != nil {
		r.err = err
		return jsontext.Null
	}
	return t
}

func (r *reader) text() string {
	t := r.token()
	if r.err == nil && t.Kind() != '"' {
		r.err = fmt.Errorf("at %s: want a text", r.dec.StackPointer())
	}
	if r.err != nil {
		return ""
	}
	return t.String()
}

func (r *reader) number() int64 {
	t := r.token()
	if r.err == nil && t.Kind() != '0' {
		r.err = fmt.Errorf("at %s: want a number", r.dec.StackPointer())
	}
	if r.err != nil {
		return 0
	}
	n, err := t.Int()
	if err != nil {
		r.err = err
	}
	return n
}

func (r *reader) flag() bool { return r.number() != 0 }

func (r *reader) vector() vector {
	var v vector
	text := r.text()
	if err := v.UnmarshalText([]byte(text)); err != nil && r.err == nil {
		r.err = err
	}
	if v == nil && r.err == nil {
		v = vector{}
	}
	for i := range v {
		if v[i].line >= len(r.s.table) && r.err == nil {
			r.err = fmt.Errorf("at %s: quantities %q name a line that is not in the table", r.dec.StackPointer(), text)
		}
	}
	return v
}

// object reads an object field by field.
func (r *reader) object(field func(name string)) {
	if t := r.token(); r.err == nil && t.Kind() != '{' {
		r.err = fmt.Errorf("at %s: want an object", r.dec.StackPointer())
	}
	for r.err == nil && r.dec.PeekKind() != '}' {
		field(r.text())
	}
	r.token()
}

// array reads an array item by item.
func (r *reader) array(item func()) {
	if t := r.token(); r.err == nil && t.Kind() != '[' {
		r.err = fmt.Errorf("at %s: want an array", r.dec.StackPointer())
	}
	for r.err == nil && r.dec.PeekKind() != ']' {
		item()
	}
	r.token()
}

func (r *reader) texts() (out []string) {
	r.array(func() { out = append(out, r.text()) })
	return out
}

// unknown refuses a field that this schema does not have: reading around it
// would lose what it says.
func (r *reader) unknown(name string) {
	if r.err == nil {
		r.err = fmt.Errorf("at %s: schema %d has no field %q", r.dec.StackPointer(), orderSchema, name)
	}
}

func (r *reader) state() {
	s := r.s
	r.object(func(name string) {
		switch name {
		case "r":
			s.ref = r.text()
			s.own = s.ref
		case "n":
			s.origin = r.text()
		case "w":
			s.own = r.text()
		case "g":
			s.tag = r.text()
		case "l":
			s.table = r.texts()
		case "b":
			s.sites = r.texts()
		case "z":
			r.base = r.number()
		case "f":
			r.array(r.fact)
		case "d":
			r.array(r.doc)
		case "i":
			r.array(r.item)
		case "h":
			r.array(r.hold)
		case "x":
			r.array(r.exception)
		case "t":
			r.array(r.timer)
		case "y":
			s.watching = r.texts()
		case "e":
			s.epoch = int(r.number())
		case "v":
			s.top = r.number()
		case "a":
			s.asked = int(r.number())
		case "o":
			s.ordinal = int(r.number())
		case "c":
			s.reached = r.text()
		case "p":
			s.excess = r.flag()
		case "s":
			r.systems = r.texts()
		default:
			r.unknown(name)
		}
	})
}

func (r *reader) item() {
	var it Item
	var kit waybill.Kit
	r.object(func(name string) {
		switch name {
		case "k":
			it.SKU = r.text()
		case "b":
			it.BaseUOM = r.text()
		case "u":
			r.array(func() { it.UOMs = append(it.UOMs, r.unit()) })
		case "v":
			kit.Invoice = waybill.KitRule(r.text())
		case "c":
			r.array(func() { kit.Components = append(kit.Components, r.component()) })
		default:
			r.unknown(name)
		}
	})
	if kit.Components != nil {
		it.Kit = &kit
	}
	r.s.items = append(r.s.items, it)
}

func (r *reader) component() (c waybill.Component) {
	r.object(func(name string) {
		switch name {
		case "k":
			c.SKU = r.text()
		case "q":
			c.Qty = r.decimal()
		case "u":
			c.UOM = r.text()
		case "p":
			c.Price = r.decimal()
		case "d":
			c.Description = r.text()
		default:
			r.unknown(name)
		}
	})
	return c
}

func (r *reader) unit() (u waybill.UOM) {
	r.object(func(name string) {
		switch name {
		case "u":
			u.UOM = r.text()
		case "r":
			u.Ratio = r.decimal()
		default:
			r.unknown(name)
		}
	})
	return u
}

func (r *reader) decimal() waybill.Decimal {
	d, err := waybill.ParseDecimal(r.text())
	if err != nil && r.err == nil {
		r.err = err
	}
	return d
}

func (r *reader) hold() {
	h := hold{since: r.base}
	r.object(func(name string) {
		switch name {
		case "k":
			h.kind = r.text()
		case "y":
			h.reason = r.text()
		case "l":
			h.line = r.text()
		case "a":
			h.since = r.base + r.number()
		default:
			r.unknown(name)
		}
	})
	r.s.holds = append(r.s.holds, h)
}

func (r *reader) exception() {
	var k ExceptionKey
	r.object(func(name string) {
		switch name {
		case "c":
			k.Cause = r.text()
		case "u":
			k.Subject = r.text()
		case "l":
			k.Line = r.text()
		default:
			r.unknown(name)
		}
	})
	r.s.open = append(r.s.open, k)
}

func (r *reader) timer() {
	t := Timer{Due: instant(r.base)}
	r.object(func(name string) {
		switch name {
		case "n":
			t.Name = r.text()
		case "a":
			t.Due = instant(r.base + r.number())
		default:
			r.unknown(name)
		}
	})
	r.s.timers = append(r.s.timers, t)
}

func (r *reader) fact() {
	f := &fact{version: 1, at: r.base, place: Applied}
	source := int64(0)
	r.object(func(name string) {
		switch name {
		case "e":
			f.event = r.text()
		case "f":
			f.family = family(r.number())
		case "s":
			source = r.number()
		case "u":
			f.subject = r.text()
		case "v":
			f.version = 1 + r.number()
		case "d":
			if b, err := base64.RawURLEncoding.DecodeString(r.text()); r.err == nil && (err != nil || copy(f.digest[:], b) != len(f.digest)) {
				r.err = fmt.Errorf("at %s: want a digest", r.dec.StackPointer())
			}
		case "a":
			f.at = r.base + r.number()
		case "q":
			f.lines = r.vector()
		case "l":
			f.all = r.flag()
		case "m":
			f.units = r.texts()
		case "p":
			f.place = FactPlace(int64(Applied) + r.number())
		case "x":
			f.expired = r.flag()
		default:
			r.factOfKind(f, name)
		}
	})
	if f.family != famOrder && f.family.keepsBody() && f.when == 0 {
		f.when = r.base
	}
	r.s.facts = append(r.s.facts, f)
	r.sources = append(r.sources, source)
}

// factOfKind reads the fields that only some families have.
func (r *reader) factOfKind(f *fact, name string) {
	switch name {
	case "c":
		f.changed = r.flag()
	case "r":
		f.round = int(r.number())
	case "k":
		f.verdict = verdict(r.number())
	case "g":
		f.again = r.flag()
	case "w":
		f.when = r.base + r.number()
	case "z":
		f.final = r.flag()
	case "i":
		f.fix = int(r.number())
	case "h":
		f.byWarehouse = int(r.number())
	case "b":
		f.byBooks = int(r.number())
	case "n":
		f.answers = int(r.number())
	case "R":
		f.reading = int(r.number())
	case "V":
		f.void = r.flag()
	case "L":
		f.late = int(r.number())
	default:
		r.unknown(name)
	}
}

func (r *reader) doc() {
	d := &doc{version: 1, terms: 1, state: done, attempt: r.attempt + 1, epoch: r.s.epoch}
	target, carried := int64(0), int64(0)
	r.object(func(name string) {
		switch name {
		case "k":
			d.kind = kindOf(r.text())
		case "t":
			target = r.number()
		case "u":
			d.subject = r.text()
		case "r":
			d.revision = int(r.number())
		case "h":
			d.key = r.s.tag + r.text()
		case "v":
			d.version = 1 + r.number()
		case "p":
			d.state = docState(int64(done) + r.number())
		case "n":
			d.attempt += int(r.number())
		case "e":
			d.epoch += int(r.number())
		case "q":
			d.lines = r.vector()
		case "o":
			d.of = int(r.number())
		case "f":
			carried = r.number()
		case "m":
			d.ref = r.text()
		default:
			r.docOfKind(d, name)
		}
	})
	r.attempt = d.attempt
	r.s.docs = append(r.s.docs, d)
	r.targets = append(r.targets, target)
	r.carried = append(r.carried, carried)
}

// docOfKind reads the fields that few documents have.
func (r *reader) docOfKind(d *doc, name string) {
	switch name {
	case "a":
		d.again = r.vector()
	case "j":
		d.rejected = r.vector()
	case "w":
		d.before = r.vector()
	case "B":
		d.freed = r.vector()
	case "T":
		d.terms = 1 + r.number()
	case "y":
		d.rest = r.flag()
	case "s":
		d.supersedes = int(r.number())
	case "c":
		d.compensates = int(r.number())
	case "i":
		d.first = r.flag()
	case "g":
		d.freight = r.flag()
	case "x":
		d.tax = r.decimal()
	case "b":
		d.byVersion = r.flag()
	case "z":
		d.answer = r.text()
	case "l":
		d.late = r.flag()
	case "d":
		d.code = r.text()
	case "E":
		d.edit = r.text()
	case "M":
		d.meant = r.vector()
	case "U":
		d.undoes = r.flag()
	case "P":
		d.lapsed = r.flag()
	case "N":
		d.undone = int(r.number())
	default:
		r.unknown(name)
	}
}

// join puts back what was stored as a place or a number.
func (r *reader) join() error {
	s := r.s
	name := func(n int64) (string, error) {
		switch {
		case n == 0:
			return "", nil
		case n < 0 || n > int64(len(r.systems)):
			return "", fmt.Errorf("system %d is not in the table", n)
		}
		return r.systems[n-1], nil
	}
	var err error
	for i, f := range s.facts {
		if f.source, err = name(r.sources[i]); err != nil {
			return err
		}
		if max(f.byWarehouse, f.byBooks, f.answers) > len(s.docs) || min(f.byWarehouse, f.byBooks, f.answers) < 0 {
			return fmt.Errorf("fact %s names a document that is not there", f.event)
		}
	}
	for i, d := range s.docs {
		if d.target, err = name(r.targets[i]); err != nil {
			return err
		}
		if max(d.of, d.supersedes, d.compensates, d.undone) > len(s.docs) || min(d.of, d.supersedes, d.compensates, d.undone) < 0 ||
			r.carried[i] < 0 || r.carried[i] > int64(len(s.facts)) {
			return fmt.Errorf("document %s names another that is not there", d.key)
		}
		if r.carried[i] > 0 {
			d.fact = s.facts[r.carried[i]-1].event
		}
		if d.subject == "" {
			d.subject = s.defaultSubject(d)
		}
	}
	for _, f := range s.facts {
		if r.schema == 1 && f.family == famShipped { // it did not say which warehouse order it is about: there was one
			f.answers = s.latestOrder(f.source)
		}
	}
	return nil
}
