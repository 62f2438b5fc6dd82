package sandbox

import (
	"net/http"
	"time"
)

// carrier is the carrier: it makes labels on request and tells when a
// shipment was delivered. It hears of shipments from the warehouse.
type carrier struct{ w *World }

// book makes and voids labels.
func (c *carrier) book(d *document, _ *orderBook, ref string) (booking, *refusal) {
	switch d.Kind {
	case "shipping_label":
		result := appendField([]byte{'{'}, "tracking", "EXP"+ref)
		return booking{result: string(append(appendField(append(result, ','), "label", "LBL-"+ref), '}'))}, nil
	case "label_void":
		return booking{}, nil
	}
	return booking{}, refuse("kind_unknown", "", "the carrier takes no %s", d.Kind)
}

// delivered tells that a shipment arrived.
func (c *carrier) delivered(order, shipment string) {
	fields := appendField(nil, "shipment", shipment)
	fields = appendField(append(fields, ','), "delivered_at", c.w.cfg.Now().UTC().Format(time.RFC3339Nano))
	c.w.tell("carrier", "shipment.delivered", order, shipment, fields, nil)
}

// splits: labels are whole.
func (c *carrier) splits(string) bool { return false }

// entities: a carrier keeps no master data.
func (c *carrier) entities(http.ResponseWriter, *http.Request, string) bool { return false }
