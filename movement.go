package waybill

import "github.com/go-json-experiment/json/jsontext"

// StockAdjustment is the data of inventory.adjusted: a correction of one
// item's stock in one warehouse.
type StockAdjustment struct {
	Document  string         `json:"document"`
	SKU       string         `json:"sku"`
	Warehouse string         `json:"warehouse"`
	Version   int64          `json:"version,omitzero"`
	Qty       Decimal        `json:"qty"` // signed
	UOM       string         `json:"uom,omitzero"`
	Reason    string         `json:"reason,omitzero"`
	Unknown   jsontext.Value `json:",embed"`
}

// StockSnapshot is the data of inventory.snapshot: all stock of a warehouse at
// one moment.
type StockSnapshot struct {
	Warehouse string         `json:"warehouse"`
	AsOf      string         `json:"as_of"` // RFC 3339
	Version   int64          `json:"version,omitzero"`
	Lines     []StockLine    `json:"lines"`
	Unknown   jsontext.Value `json:",embed"`
}

// StockMovement is the data of receipt.confirmed, transfer.shipped and
// transfer.received.
type StockMovement struct {
	Document  string         `json:"document"`
	Warehouse string         `json:"warehouse"`
	Version   int64          `json:"version,omitzero"`
	Lines     []StockLine    `json:"lines"`
	Unknown   jsontext.Value `json:",embed"`
}

// StockLine is a quantity of one item that belongs to no order line. State is
// the warehouse's word for what can be done with it (available, damaged, …).
type StockLine struct {
	SKU     string         `json:"sku"`
	Qty     Decimal        `json:"qty"`
	UOM     string         `json:"uom,omitzero"`
	State   string         `json:"state,omitzero"`
	Unknown jsontext.Value `json:",embed"`
}

// Return is the data of return.requested and return.received. A return without
// an order waits to be matched.
type Return struct {
	Return       string         `json:"return"`
	Order        string         `json:"order,omitzero"`
	ChannelOrder string         `json:"channel_order,omitzero"` // the channel's own number, where it differs
	Version      int64          `json:"version,omitzero"`
	Lines        []ReturnLine   `json:"lines"`
	Unknown      jsontext.Value `json:",embed"`
}

// ReturnLine is what comes back of one line, or of one item where the line is
// not known. Disposition is what became of it (restock, scrap, …).
type ReturnLine struct {
	Line        string         `json:"line,omitzero"`
	SKU         string         `json:"sku,omitzero"`
	Qty         Decimal        `json:"qty"`
	UOM         string         `json:"uom,omitzero"`
	Reason      string         `json:"reason,omitzero"`
	Disposition string         `json:"disposition,omitzero"`
	Unknown     jsontext.Value `json:",embed"`
}
