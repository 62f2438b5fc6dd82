package sandbox

import (
	"bytes"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// bodyMax bounds what a target reads of a request.
const bodyMax = 1 << 20

// document is a posted business document (system contract T1), as far as the
// systems here look into it.
type document struct {
	Kind        string           `json:"kind"`
	Order       string           `json:"order"`
	Key         string           `json:"key"`
	Version     int              `json:"version"`
	Seq         int              `json:"seq"`
	After       int              `json:"after"`
	Revision    int              `json:"revision"`
	Supersedes  string           `json:"supersedes"`
	Compensates string           `json:"compensates"`
	Covers      []jsontext.Value `json:"covers"`
	Lines       []docLine        `json:"lines"`
	Data        docData          `json:"data"`

	lane string // Waybill-Lane
	sum  [32]byte
}

// docLine is a line of a document; qty is read from Qty.
type docLine struct {
	Line     string `json:"line"`
	SKU      string `json:"sku"`
	Qty      string `json:"qty"`
	UOM      string `json:"uom"`
	Price    string `json:"price"`
	PriceUOM string `json:"price_uom"`
	Parent   string `json:"parent"` // of a kit's part: the kit's line

	item   int    // place in the catalogue; -1: not there
	stated amount // the quantity in the document's unit
	qty    amount // the same in base units
	price  amount // for one base unit
	priced bool
}

// docData are the members of data that the systems use. They stay raw until
// asked for: what a system does not need it does not judge.
type docData struct {
	Shipment       jsontext.Value `json:"shipment"`
	Return         jsontext.Value `json:"return"`
	WarehouseOrder jsontext.Value `json:"warehouse_order"`
	Customer       jsontext.Value `json:"customer"`
	Document       jsontext.Value `json:"document"`
	Warehouse      jsontext.Value `json:"warehouse"`
	Reason         jsontext.Value `json:"reason"`
	ChannelOrder   jsontext.Value `json:"channel_order"`
	Tax            jsontext.Value `json:"tax"`
	Charges        jsontext.Value `json:"charges"`
	Lines          jsontext.Value `json:"lines"`
}

// extras are the charges and the tax of a bill.
func (d *docData) extras() (amount, *refusal) {
	var charges []struct {
		Amount string `json:"amount"`
	}
	if len(d.Charges) > 0 && json.Unmarshal(d.Charges, &charges) != nil {
		return 0, refuse("charges_unreadable", "", "data.charges is no list of amounts")
	}
	var sum amount
	if tax := text(d.Tax); tax != "" {
		v, err := parseAmount(tax)
		if err != nil {
			return 0, refuse("tax_unreadable", "", "data.tax: %v", err)
		}
		sum = v
	}
	for _, c := range charges {
		v, err := parseAmount(c.Amount)
		if err != nil {
			return 0, refuse("charges_unreadable", "", "data.charges: %v", err)
		}
		sum += v
	}
	return sum, nil
}

// backLine is a line of goods that came back, as data.lines of a credit says.
type backLine struct {
	Line        string `json:"line"`
	SKU         string `json:"sku"`
	Qty         string `json:"qty"`
	UOM         string `json:"uom"`
	Disposition string `json:"disposition"`
}

// text reads a member that is a string or a number, or an object that names
// its id; "" where there is none.
func text(raw jsontext.Value) string {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 || string(raw) == "null" {
		return ""
	}
	switch raw[0] {
	case '"':
		var s string
		if json.Unmarshal(raw, &s) != nil {
			return ""
		}
		return s
	case '{':
		var o struct {
			ID       jsontext.Value `json:"id"`
			Customer jsontext.Value `json:"customer"`
		}
		if json.Unmarshal(raw, &o) != nil {
			return ""
		}
		if s := text(o.Customer); s != "" {
			return s
		}
		return text(o.ID)
	case '[':
		return ""
	}
	return string(raw)
}

// Call is the head of one T1 request, recorded before anything is judged.
type Call struct {
	Key      string
	Lane     string
	Seq      int
	Attempt  int
	Epoch    int64
	After    int // of the body
	Deadline time.Time
	Digest   string // of the body, as in Content-Digest
	Arrived  time.Time
}

// readCall takes the request headers of T0.
func readCall(h http.Header, now time.Time) (Call, *refusal) {
	c := Call{Key: h.Get("Idempotency-Key"), Lane: h.Get("Waybill-Lane"), Arrived: now}
	if !isID(c.Key) {
		return c, malformed("idempotency_key", "Idempotency-Key %q is no id", c.Key)
	}
	if !isID(c.Lane) {
		return c, malformed("lane", "Waybill-Lane %q is no id", c.Lane)
	}
	var err error
	if c.Seq, err = strconv.Atoi(h.Get("Waybill-Seq")); err != nil || c.Seq < 1 {
		return c, malformed("seq", "Waybill-Seq %q is no number from 1", h.Get("Waybill-Seq"))
	}
	if c.Attempt, err = strconv.Atoi(h.Get("Waybill-Attempt")); err != nil || c.Attempt < 1 {
		return c, malformed("attempt", "Waybill-Attempt %q is no number from 1", h.Get("Waybill-Attempt"))
	}
	if c.Epoch, err = strconv.ParseInt(h.Get("Waybill-Epoch"), 10, 64); err != nil || c.Epoch < 0 {
		return c, malformed("epoch", "Waybill-Epoch %q is no number from 0", h.Get("Waybill-Epoch"))
	}
	if c.Deadline, err = time.Parse(time.RFC3339Nano, h.Get("Waybill-Deadline")); err != nil {
		return c, malformed("deadline", "Waybill-Deadline %q is no RFC 3339 time", h.Get("Waybill-Deadline"))
	}
	return c, nil
}

// isID says whether s matches [A-Za-z0-9._~-]{1,128} (G1).
func isID(s string) bool {
	if len(s) == 0 || len(s) > 128 {
		return false
	}
	for i := range len(s) {
		c := s[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '.', c == '_', c == '~', c == '-':
		default:
			return false
		}
	}
	return true
}

// readDocument decodes a body and compares it with its headers.
func readDocument(body []byte, sum [32]byte, c Call) (*document, *refusal) {
	d := &document{lane: c.Lane, sum: sum}
	if err := json.Unmarshal(body, d, jsontext.AllowDuplicateNames(true)); err != nil {
		return nil, malformed("body_not_json", "body: %v", err)
	}
	switch {
	case d.Kind == "":
		return nil, malformed("kind_missing", "body has no kind")
	case d.Key != c.Key:
		return nil, malformed("key_differs", "body has key %q, the header %q", d.Key, c.Key)
	case d.Seq != c.Seq:
		return nil, malformed("seq_differs", "body has seq %d, the header %d", d.Seq, c.Seq)
	case d.Order != "" && len(d.Covers) == 0 && d.Order != c.Lane && d.Order[0] != '~' && c.Lane[:min(2, len(c.Lane))] != "~~":
		return nil, malformed("lane_differs", "body is of order %q, its lane is %q", d.Order, c.Lane)
	}
	if d.Version == 0 {
		d.Version = 1
	}
	return d, d.readLines()
}

// readLines reads the quantities and prices.
func (d *document) readLines() *refusal {
	for i := range d.Lines {
		l := &d.Lines[i]
		var err error
		if l.stated, err = parseAmount(l.Qty); err != nil {
			return &refusal{status: 422, code: "qty_unreadable", line: l.Line, detail: "line " + l.Line + ": " + err.Error()}
		}
		l.item = -1
		if at, known := bySKU[l.SKU]; known {
			l.item = at
		}
		ratio := ratioOf(l.item, l.UOM)
		if ratio == 0 {
			return refuse("uom_unknown", l.Line, "line %s: item %s has no unit %s", l.Line, l.SKU, l.UOM)
		}
		l.qty = l.stated * ratio
		if l.Price == "" {
			continue
		}
		if r := l.readPrice(ratio); r != nil {
			return r
		}
	}
	return nil
}

// readPrice reads the price for one base unit; the document's is for one of its
// unit, or of the one it names.
func (l *docLine) readPrice(ratio amount) *refusal {
	price, err := parseAmount(l.Price)
	if err != nil {
		return &refusal{status: 422, code: "price_unreadable", line: l.Line, detail: "line " + l.Line + ": " + err.Error()}
	}
	if l.PriceUOM != "" {
		ratio = ratioOf(l.item, l.PriceUOM)
	}
	if ratio == 0 || price%ratio != 0 {
		return refuse("price_unreadable", l.Line, "line %s: price %s for one %s%s is none for a piece", l.Line, l.Price, l.UOM, l.PriceUOM)
	}
	l.price, l.priced = price/ratio, true
	return nil
}

// refusal is an answer of problem+json (G3).
type refusal struct {
	status             int
	code, line, detail string
	early              bool // it came because a document it builds on is missing
}

// refuse makes the usual refusal: 422 with a code.
func refuse(code, line, format string, args ...any) *refusal {
	return &refusal{status: http.StatusUnprocessableEntity, code: code, line: line, detail: fmt.Sprintf(format, args...)}
}

// missing refuses a document whose predecessor the system does not hold.
func missing(code, format string, args ...any) *refusal {
	r := refuse(code, "", format, args...)
	r.early = true
	return r
}

// malformed makes a 400.
func malformed(code, format string, args ...any) *refusal {
	return &refusal{status: http.StatusBadRequest, code: code, detail: fmt.Sprintf(format, args...)}
}

// problem renders a refusal.
func (r *refusal) problem() []byte {
	b, err := json.Marshal(struct {
		Type   string `json:"type"`
		Title  string `json:"title"`
		Status int    `json:"status"`
		Code   string `json:"code"`
		Detail string `json:"detail,omitzero"`
		Line   string `json:"line,omitzero"`
	}{"about:blank", http.StatusText(r.status), r.status, r.code, r.detail, r.line})
	if err != nil {
		return []byte(`{"code":"internal"}`)
	}
	return b
}
