package sandbox

import (
	"fmt"
	"strconv"
	"time"
)

// ship books a shipment and returns its telling; the carrier hears of it once
// Waybill has, and so does closing, where the shipment says that it is the last.
func (m *wms) ship(order string, p *plan, o *wmsOrder, s shipment, closing func()) func() {
	o.shipments = append(o.shipments, s)
	m.move(s.lines, -1)
	n := len(o.shipments)
	at := m.w.cfg.Now().UTC().Format(time.RFC3339Nano)
	fields := appendField(nil, "order", order)
	fields = appendField(append(fields, ','), "shipment", s.id)
	fields = appendField(append(fields, ','), "shipped_at", at)
	if s.load != "" {
		fields = appendField(append(fields, `,"mode":"own_truck",`...), "load", s.load)
	} else {
		fields = append(fields, `,"mode":"parcel","carrier":"Example Parcel","service":"ground"`...)
	}
	fields = appendLines(append(fields, `,"lines":`...), s.lines)
	fields = append(fields, `,"packages":[`...)
	for i, lines := range packages(s.lines) {
		if i > 0 {
			fields = append(fields, ',')
		}
		serial := int(mix(textHash(s.id)+uint64(i)) % 1_000_000_000)
		fields = appendField(append(fields, '{'), "tracking", fmt.Sprintf("EXP%s%s%02d%02d", m.mark, p.label(order), n, i+1))
		fields = appendField(append(fields, ','), "sscc", packageCode(serial))
		fields = append(appendLines(append(fields, `,"lines":`...), lines), '}')
	}
	fields = append(fields, ']')
	if s.final {
		fields = append(fields, `,"final":true`...)
	}
	o.told++
	name := strconv.Itoa(o.told) + "-shipment"
	then := func() {
		if p.says&tellsDelivered != 0 && s.load == "" { // the house's own truck is no carrier
			m.w.carrier.delivered(order, s.id)
		}
		if s.final && closing != nil {
			closing()
		}
	}
	return func() { m.w.tell(m.t.name, "shipment.confirmed", order, name, fields, then) }
}

// packages puts the lines into boxes of up to three lines.
func packages(lines []entryLine) [][]entryLine {
	var out [][]entryLine
	for len(lines) > 3 {
		out, lines = append(out, lines[:3]), lines[3:]
	}
	return append(out, lines)
}

// tellWork prepares a push about work on the floor, under a document number
// of its own.
func (m *wms) tellWork(order string, p *plan, o *wmsOrder, kind, prefix string, lines []entryLine) func() {
	o.told++
	fields := appendField(nil, "order", order)
	fields = appendField(append(fields, ','), "document", fmt.Sprintf("%s%s-%s-%d", prefix, m.mark, p.label(order), o.told))
	fields = appendLines(append(fields, `,"lines":`...), lines)
	name := strconv.Itoa(o.told) + "-" + prefix
	return func() { m.w.tell(m.t.name, kind, order, name, fields, nil) }
}

// tellWO prepares a push about a warehouse order, named by the document's key
// or by the warehouse's own ref; done is called once Waybill has it.
func (m *wms) tellWO(order string, p *plan, o *wmsOrder, wo *warehouseOrder, kind string, lines []entryLine, done func()) func() {
	o.told++
	fields := appendField(nil, "order", order)
	id := wo.key
	if p.byRef {
		id = wo.ref
	}
	fields = appendField(append(fields, ','), "warehouse_order", id)
	if len(lines) > 0 {
		fields = appendLines(append(fields, `,"lines":`...), lines)
	}
	name := strconv.Itoa(o.told) + "-wo"
	return func() { m.w.tell(m.t.name, kind, order, name, fields, done) }
}

// appendLines writes lines of line and qty: in pieces, which are named where the
// item is sold by the case too.
func appendLines(b []byte, lines []entryLine) []byte {
	b = append(b, '[')
	for i, l := range lines {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendField(append(b, '{'), "line", l.line)
		b = append(appendAmount(append(b, `,"qty":"`...), l.qty), '"')
		if i, known := bySKU[l.sku]; known && catalogue[i].byCase {
			b = append(b, `,"uom":"EA"`...)
		}
		b = append(b, '}')
	}
	return append(b, ']')
}
