package tower

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// refGroup is a label with all its values.
type refGroup struct {
	Label  string
	Values []string
	More   int // values that are not shown
}

const refsShown = 3 // values of one label; the rest is counted

// RefGroups gathers the references by system and kind, in the order they came.
func (v orderView) RefGroups() (out []refGroup) {
	for _, r := range v.Refs {
		label := refLabel(r)
		if label == "" || r.Value == v.PO {
			continue
		}
		i := slices.IndexFunc(out, func(g refGroup) bool { return g.Label == label })
		if i < 0 {
			out, i = append(out, refGroup{Label: label}), len(out)
		}
		switch {
		case slices.Contains(out[i].Values, r.Value):
		case len(out[i].Values) == refsShown:
			out[i].More++
		default:
			out[i].Values = append(out[i].Values, r.Value)
		}
	}
	return out
}

// refLabel is short where a system has one name for the order itself.
func refLabel(r Ref) string {
	switch r.Kind {
	case "order", "":
		return cmp.Or(r.System, "Order")
	case "po":
		return "Customer PO"
	case "sscc", "bol", "pro":
		return strings.ToUpper(r.Kind)
	case "tracking", "shipment", "invoice":
		return human(r.Kind)
	}
	return strings.TrimSpace(r.System + " " + strings.ReplaceAll(r.Kind, "_", " "))
}

// deliveryView is a delivery with what its row needs.
type deliveryView struct {
	Delivery
	Now  time.Time
	Path string
}

// DeliveryViews are the deliveries, ready for the list.
func (v orderView) DeliveryViews() []deliveryView {
	out := make([]deliveryView, 0, len(v.Deliveries))
	for _, d := range v.Deliveries {
		out = append(out, deliveryView{d, v.Now, v.Path})
	}
	return out
}

// deliveryParts are the rows of the list, each replaced by itself.
func (v orderView) deliveryParts() []part {
	out := make([]part, 0, len(v.Deliveries))
	for _, d := range v.DeliveryViews() {
		out = append(out, part{id: elementID("delivery", d.Key), tmpl: "delivery-row", data: d})
	}
	return out
}

// lineView is a line with the counters that the table shows.
type lineView struct {
	Line
	Counters []counter
}

// counter is one number of a line; its class says whether it lags.
type counter struct{ Name, Qty, Class string }

// LineViews are the order's lines, ready for the table. Names are those of the
// field, numbers are what the Source wrote.
func (v orderView) LineViews() []lineView {
	out := make([]lineView, 0, len(v.Lines))
	for _, l := range v.Lines {
		one := lineView{Line: l}
		for _, c := range []counter{{Name: "Released", Qty: l.Released}, {Name: "Picked", Qty: l.Picked}, {Name: "Shipped", Qty: l.Shipped},
			{Name: "Posted", Qty: l.Posted}, {Name: "Invoiced", Qty: l.Invoiced}, {Name: "Returned", Qty: l.Returned}} {
			c.Qty = cmp.Or(c.Qty, "0")
			switch {
			case slices.Contains(l.Behind, strings.ToLower(c.Name)):
				c.Class = "bad strong"
			case zero(c.Qty):
				c.Class = "mut"
			default:
				c.Class = "sec"
			}
			if c.Name == "Returned" && zero(c.Qty) {
				c.Qty = "-"
			}
			one.Counters = append(one.Counters, c)
		}
		out = append(out, one)
	}
	return out
}

// zero reads a decimal's text.
func zero(qty string) bool { return strings.Trim(qty, "0.") == "" }

// NoteText is the note with what was cancelled, credited and backordered.
func (l lineView) NoteText() string {
	var words []string
	for _, c := range []struct{ qty, word string }{{l.Backordered, "backordered"}, {l.Cancelled, "cancelled"}, {l.Credited, "credited"}} {
		if c.qty != "" && !zero(c.qty) {
			words = append(words, c.qty+" "+c.word)
		}
	}
	if l.Note != "" {
		words = append(words, l.Note)
	}
	return strings.Join(words, ", ")
}
