package shopify

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/connector"
)

// The operations a document is rendered to.
const (
	opFulfil = "fulfil" // fulfillmentCreate, fulfillmentTrackingInfoUpdate, fulfillmentCancel
	opAnswer = "answer" // tagsAdd and metafieldsSet
)

// task is a rendered document: what shall hold in the shop afterwards. It is
// stored, and equal on all attempts; the calls that get there follow from it
// and from what a look-up finds.
type task struct {
	Operation string `json:"operation"`
	Order     string `json:"order"` // GraphQL id
	// Of a fulfilment:
	Shipment string     `json:"shipment,omitzero"`
	Handle   string     `json:"handle,omitzero"` // key of the metafield that remembers the shipment's tracking numbers
	Lines    []taskLine `json:"lines,omitzero"`
	Tracking tracking   `json:"tracking,omitzero"`
	Notify   bool       `json:"notify,omitzero"`
	Corrects bool       `json:"corrects,omitzero"` // may cancel what was fulfilled too much
	// Of an answer:
	Tags []string `json:"tags,omitzero"`
	Mark *mark    `json:"mark,omitzero"`
}

type taskLine struct {
	Line string `json:"line"` // GraphQL id of the order's line item
	Qty  int64  `json:"qty"`
}

// Render writes the task of a document.
func (s *shop) Render(d waybill.Document) (connector.Rendered, error) {
	own, ok := waybill.OwnNumber(s.env.OrderPrefix, d.Order)
	if !ok || !isDigits(own) {
		return connector.Rendered{}, renderError(d, "order",
			fmt.Sprintf("order %s has no number of this shop behind the prefix %q", d.Order, s.env.OrderPrefix),
			"send documents only to the channel that placed the order")
	}
	t := task{Order: gid("Order", own)}
	var err error
	switch d.Kind {
	case waybill.Fulfilment, waybill.FulfilmentUpdate:
		err = s.renderFulfilment(d, &t)
	case waybill.OrderAcknowledgment, waybill.ChangeAnswer, waybill.CancellationAnswer, waybill.BackorderNotice:
		err = renderAnswer(d, &t)
	default:
		err = renderError(d, "kind", "Shopify takes no "+string(d.Kind), "leave this kind out of the channel's documents")
	}
	if err != nil {
		return connector.Rendered{}, err
	}
	body, err := waybill.Marshal(t)
	if err != nil {
		return connector.Rendered{}, fmt.Errorf("render %s of order %s: %w", d.Kind, d.Order, err)
	}
	return connector.Rendered{Body: body, ContentType: "application/json"}, nil
}

// renderFulfilment names the shipment by its tracking numbers, which is what a
// later look-up recognises it by. Parcels have numbers of their own; freight
// and deliveries of one's own go under the shipment's number, behind the PRO or
// bill of lading, which several shipments may share.
func (s *shop) renderFulfilment(d waybill.Document, t *task) error {
	var data struct {
		Shipment string            `json:"shipment"`
		Carrier  string            `json:"carrier"`
		PRO      string            `json:"pro"`
		BOL      string            `json:"bol"`
		Packages []waybill.Package `json:"packages"`
	}
	if err := json.Unmarshal(d.Data, &data); err != nil {
		return renderError(d, "data", err.Error(), "give the shipment's data")
	}
	if data.Shipment == "" {
		return renderError(d, "data/shipment", "the fulfilment names no shipment", "give the shipment's number")
	}
	t.Operation, t.Shipment, t.Notify = opFulfil, data.Shipment, s.notify
	t.Corrects = d.Kind == waybill.FulfilmentUpdate
	sum := sha256.Sum256([]byte(data.Shipment))
	t.Handle = "shipment-" + hex.EncodeToString(sum[:12])
	t.Tracking.Company = data.Carrier
	seen := map[string]bool{"": true}
	for _, p := range data.Packages {
		if !seen[p.Tracking] {
			seen[p.Tracking] = true
			t.Tracking.Numbers = append(t.Tracking.Numbers, p.Tracking)
		}
	}
	if len(t.Tracking.Numbers) == 0 {
		for _, n := range [...]string{data.PRO, data.BOL, data.Shipment} {
			if !seen[n] {
				seen[n] = true
				t.Tracking.Numbers = append(t.Tracking.Numbers, n)
			}
		}
	}
	for i, l := range d.Lines {
		field := "lines/" + strconv.Itoa(i)
		if !isDigits(l.Line) {
			return renderError(d, field+"/line", fmt.Sprintf("%q is no line of a Shopify order", l.Line), "keep the channel's line ids")
		}
		qty, err := strconv.ParseInt(l.Qty.String(), 10, 32)
		if err != nil || qty < 0 {
			return renderError(d, field+"/qty", fmt.Sprintf("Shopify counts whole pieces and line %s has %s", l.Line, l.Qty),
				"correct the shipment, or the unit's ratio")
		}
		if qty > 0 {
			t.Lines = append(t.Lines, taskLine{Line: gid("LineItem", l.Line), Qty: qty})
		}
	}
	return nil
}

// answerTags are what people and the shop's own rules see on an order. The
// order's note is left alone: writing it would overwrite the merchant's.
var answerTags = map[waybill.Kind]map[string]string{
	waybill.OrderAcknowledgment: {"": "waybill-accepted"},
	waybill.BackorderNotice:     {"": "waybill-backordered"},
	waybill.ChangeAnswer:        {"accepted": "waybill-change-accepted", "too_late": "waybill-change-too-late"},
	waybill.CancellationAnswer: {"accepted": "waybill-cancelled", "partial": "waybill-cancelled-in-part",
		"too_late": "waybill-cancel-too-late"},
}

// renderAnswer tags the order and keeps the answer itself in a metafield named
// after the document's key.
func renderAnswer(d waybill.Document, t *task) error {
	answer := struct {
		Kind    waybill.Kind   `json:"kind"`
		Request string         `json:"request,omitzero"`
		Version jsontext.Value `json:"version,omitzero"`
		Result  string         `json:"result,omitzero"`
		Lines   jsontext.Value `json:"lines,omitzero"`
	}{}
	if len(d.Data) > 0 {
		if err := json.Unmarshal(d.Data, &answer); err != nil {
			return renderError(d, "data", err.Error(), "give the answer's data")
		}
	}
	answer.Kind = d.Kind
	tags := answerTags[d.Kind]
	result := answer.Result
	if _, single := tags[""]; single {
		result = ""
	}
	tag, ok := tags[result]
	if !ok {
		return renderError(d, "data/result", fmt.Sprintf("%q is no result of a %s", answer.Result, d.Kind),
			"give accepted, partial or too_late")
	}
	value, err := waybill.Marshal(answer)
	if err != nil {
		return renderError(d, "data", err.Error(), "give the answer's data as JSON")
	}
	t.Operation, t.Tags = opAnswer, []string{tag}
	t.Mark = &mark{Owner: t.Order, Namespace: namespace, Key: d.Key, Type: "json", Value: string(value)}
	return nil
}

func gid(kind, id string) string { return "gid://shopify/" + kind + "/" + id }

func renderError(d waybill.Document, field, detail, fix string) error {
	return &waybill.Error{Code: "cannot_render", Field: field,
		Detail: fmt.Sprintf("%s of order %s: %s", d.Kind, d.Order, detail), Fix: fix}
}
