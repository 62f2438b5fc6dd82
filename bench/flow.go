package main

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/connector"
	"github.com/waybillhq/waybill/connector/contract"
)

// linesPerOrder is how many lines each order has.
const linesPerOrder = 4

// deliveries are the documents of an order in the sequence in which every peer
// delivers them. Waybill runs the same ones, some of them side by side.
var deliveries = []waybill.Kind{
	waybill.OrderCheck, waybill.SalesOrder, waybill.WarehouseOrder, waybill.OrderAcknowledgment,
	waybill.ShipmentPosting, waybill.Fulfilment, waybill.Invoice,
}

// shipped is the round in which the warehouse's message comes in, counted from
// the order's own message as round 1.
const shipped = 6

// roundsPerOrder is the durable rounds of an order: two messages and seven
// deliveries, each on disk before the next begins.
const roundsPerOrder = 9

// flow is the work that every engine does: what comes in, what goes out, and
// the count of what went out. Safe for concurrent use.
type flow struct {
	orders   int
	renderer connector.Renderer
	seen     []atomic.Int32 // by order and delivery: how often it reached its system
	bytes    atomic.Int64   // of messages and of documents delivered
}

func newFlow(orders int) (*flow, error) {
	c, err := contract.Manifest().Open(connector.Env{System: "erp", Role: waybill.RoleERP})
	if err != nil {
		return nil, fmt.Errorf("open the renderer of documents: %w", err)
	}
	return &flow{orders: orders, renderer: c.Renderer, seen: make([]atomic.Int32, orders*len(deliveries))}, nil
}

// placed is the storefront's message for order i: two kilobytes, most of which
// nobody maps, as storefronts send them.
func placed(i int) []byte {
	var s strings.Builder
	fmt.Fprintf(&s, `{"type":"order.placed","timestamp":"2026-03-02T09:00:00Z","data":{"order":"SO-%d","version":1,"customer":"C-%d","currency":"EUR","po":"PO-%d","ship_to":{"name":"Goods in","lines":["Example Road %d"],"city":"Exampleton","postal":"10115","country":"DE"},"note":%q,"lines":[`,
		i, i%500, i, i%90, note(i))
	for l := 1; l <= linesPerOrder; l++ {
		if l > 1 {
			s.WriteByte(',')
		}
		fmt.Fprintf(&s, `{"line":"%d","sku":"SKU-%d","qty":"%d","uom":"EA","price":"%d.90","description":"Hexagon bolt M%d, zinc plated","options":{"finish":"zinc","pack":"box of 50"}}`,
			l, (i*7+l)%2000, 1+(i+l)%9, 3+l, 4+l)
	}
	s.WriteString(`]}}`)
	return []byte(s.String())
}

// words are what notes are made of.
var words = strings.Fields("deliver leave pallet gate before noon ring forklift dock call driver signed cold keep dry stack " +
	"never tilt blue door behind office copy papers label box ask for after week order urgent partial accept split")

// note is a kilobyte that an order's documents carry along. It differs from
// order to order and repeats little, so that an engine that compresses what it
// stores, as Waybill does, gains no more here than it would elsewhere.
func note(i int) string {
	s := make([]byte, 0, 1024)
	for x := uint64(i)*2654435761 + 12345; len(s) < 960; {
		x = x*6364136223846793005 + 1442695040888963407
		s = append(append(s, words[(x>>33)%uint64(len(words))]...), ' ')
		s = strconv.AppendUint(append(s, '#'), x>>48, 36)
		s = append(s, ' ')
	}
	return string(s)
}

// confirmed is the warehouse's message that order i has left in full: half a
// kilobyte.
func confirmed(i int) []byte {
	var s strings.Builder
	fmt.Fprintf(&s, `{"type":"shipment.confirmed","timestamp":"2026-03-02T10:00:00Z","data":{"order":"SO-%d","shipment":"S-%d","shipped_at":"2026-03-02T10:00:00Z","carrier":"DPD","service":"classic","warehouse":"W-1","final":true,"packages":[{"tracking":"1Z%09d","weight":"12.5","sscc":"0034012345%08d"}],"lines":[`,
		i, i, i, i)
	for l := 1; l <= linesPerOrder; l++ {
		if l > 1 {
			s.WriteByte(',')
		}
		fmt.Fprintf(&s, `{"line":"%d","sku":"SKU-%d","qty":"%d","uom":"EA"}`, l, (i*7+l)%2000, 1+(i+l)%9)
	}
	s.WriteString(`]}}`)
	return []byte(s.String())
}

// record is what a round leaves behind, and all that the next one needs. A peer
// stores it in the form that its own makers advise: as a step's result, a job's
// arguments or a message's body.
type record struct {
	Message  json.RawMessage `json:"message,omitempty"`
	Document json.RawMessage `json:"document,omitempty"`
	Receipt  json.RawMessage `json:"receipt,omitempty"`
	// Lines are those of the order where neither message nor document has them
	// with their prices.
	Lines []waybill.DocumentLine `json:"lines,omitempty"`
}

// first is the record of round 1: order i's message.
func (f *flow) first(i int) record {
	m := placed(i)
	f.bytes.Add(int64(len(m)))
	return record{Message: m}
}

// round does round n (2 to 9) of order i and returns what must be durable
// before round n+1 begins.
func (f *flow) round(n, i int, before record) (record, error) {
	lines, err := before.lines()
	if err != nil {
		return record{}, fmt.Errorf("read what round %d of order %s left: %w", n-1, orderName(i), err)
	}
	if n == shipped {
		m := confirmed(i)
		f.bytes.Add(int64(len(m)))
		return record{Message: m, Lines: lines}, nil
	}
	d := n - 2
	if n > shipped {
		d--
	}
	kind := deliveries[d]
	out, err := f.renderer.Render(waybill.Document{
		Kind: kind, Company: "01", Order: orderName(i), Version: 1, Key: keyOf(i, d), Seq: int64(d + 1), After: int64(d),
		Currency: "EUR", Lines: lines, Data: dataOf(kind, i),
	})
	if err != nil {
		return record{}, err
	}
	return record{Document: out.Body, Receipt: f.deliver(i, d, out.Body)}, nil
}

// deliver is the system that a document goes to: it answers at once and keeps
// nothing but a count.
func (f *flow) deliver(i, d int, body []byte) []byte {
	f.seen[i*len(deliveries)+d].Add(1)
	f.bytes.Add(int64(len(body)))
	result := ""
	if deliveries[d] == waybill.OrderCheck {
		result = `,"result":{"approved":true}`
	}
	return fmt.Appendf(nil, `{"ref":"E-%d","n":%d,"applied_at":"2026-03-02T10:00:00Z","generation":"g1"%s}`, i, i*len(deliveries)+d, result)
}

// lines reads the order's lines out of what the round before left.
func (r record) lines() ([]waybill.DocumentLine, error) {
	if len(r.Lines) > 0 {
		return r.Lines, nil
	}
	var from struct {
		Lines []waybill.DocumentLine `json:"lines"`
		Data  struct {
			Lines []waybill.DocumentLine `json:"lines"`
		} `json:"data"`
	}
	text := r.Document
	if len(text) == 0 {
		text = r.Message
	}
	if err := waybill.Unmarshal(text, &from); err != nil {
		return nil, err
	}
	if len(r.Document) == 0 {
		return from.Data.Lines, nil
	}
	return from.Lines, nil
}

// tally says how often documents reached their systems more than once; the
// error names the first one that never did.
func (f *flow) tally() (repeated int, err error) {
	for at := range f.seen {
		switch n := int(f.seen[at].Load()); n {
		case 0:
			return repeated, fmt.Errorf("the %s of order %s was never delivered", deliveries[at%len(deliveries)], orderName(at/len(deliveries)))
		default:
			repeated += n - 1
		}
	}
	return repeated, nil
}

func orderName(i int) string { return "SO-" + strconv.Itoa(i) }

// orderNumber is the inverse of orderName.
func orderNumber(name string) (int, error) {
	i, err := strconv.Atoi(strings.TrimPrefix(name, "SO-"))
	if err != nil {
		return 0, fmt.Errorf("order %q is not one of the benchmark's: %w", name, err)
	}
	return i, nil
}

// keyOf is as long as a real key.
func keyOf(i, d int) string { return fmt.Sprintf("r%024d%08d", i, d) }

// dataOf is what a document says beside its lines: what Waybill's own say.
func dataOf(kind waybill.Kind, i int) []byte {
	switch kind {
	case waybill.OrderCheck, waybill.SalesOrder, waybill.WarehouseOrder:
		return fmt.Appendf(nil, `{"customer":"C-%d","po":"PO-%d","ship_to":{"name":"Goods in","lines":["Example Road %d"],"city":"Exampleton","postal":"10115","country":"DE"},"note":%q}`,
			i%500, i, i%90, note(i))
	case waybill.ShipmentPosting, waybill.Fulfilment:
		return fmt.Appendf(nil, `{"shipment":"S-%d","shipped_at":"2026-03-02T10:00:00Z","carrier":"DPD","service":"classic","packages":[{"tracking":"1Z%09d","sscc":"0034012345%08d","weight":"12.5"}],"tracking":["1Z%09d"],"warehouse":"W-1"}`,
			i, i, i, i)
	case waybill.Invoice:
		return fmt.Appendf(nil, `{"shipment":"S-%d","posting":%q,"customer":"C-%d","po":"PO-%d","charges":[],"tax":"0.00"}`, i, keyOf(i, 4), i%500, i)
	default:
		return fmt.Appendf(nil, `{"channel_order":"SO-%d","po":"PO-%d"}`, i, i)
	}
}
