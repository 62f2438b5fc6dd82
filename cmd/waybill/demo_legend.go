package main

import (
	"fmt"
	"io"

	"github.com/waybillhq/waybill/internal/sandbox"
)

// feature is something that the demonstration shows, and the fate of the orders
// that show it.
type feature struct {
	fate sandbox.Fate
	what string
}

var features = []feature{
	{sandbox.Kitted, "a kit, ordered as one and shipped as its parts"},
	{sandbox.Cases, "ordered by the case, shipped by the piece too"},
	{sandbox.TwoSites, "two warehouses, a part of the order from each"},
	{sandbox.Parts, "one order in several shipments"},
	{sandbox.Loaded, "several orders on one truck"},
	{sandbox.Backordered, "closed short, backordered, received and shipped"},
	{sandbox.Returned, "sent back in part, and credited"},
	{sandbox.HeldReleased, "held for credit, released by the ERP"},
	{sandbox.Renamed, "an item nobody knew, held until it is mapped"},
	{sandbox.ChangedLate, "changed when the warehouse had it"},
	{sandbox.CancelLate, "cancelled when the warehouse had it"},
	{sandbox.Refused, "refused by the ERP: it waits for a person"},
}

// shown is an order that shows a feature.
type shown struct {
	What  string `json:"shows"`
	Order string `json:"order"`
}

// shows lists the first order of every feature, of those that were placed.
func (d *demo) shows() (out []shown) {
	orders := map[sandbox.Fate]string{}
	for _, e := range d.world.Examples() {
		orders[e.Fate] = demoPrefixes[e.System] + e.Number
	}
	for _, f := range features {
		if ref := orders[f.fate]; ref != "" {
			out = append(out, shown{f.what, ref})
		}
	}
	return out
}

// legend tells a visitor which order shows what, with the address of its page,
// as soon as there is such an order.
type legend struct {
	told map[string]bool
}

// tell prints what is new.
func (l *legend) tell(d *demo, out io.Writer) {
	if len(l.told) == len(features) {
		return
	}
	for _, s := range d.shows() {
		if l.told[s.What] {
			continue
		}
		l.told[s.What] = true
		_, _ = fmt.Fprintf(out, "\r  %-50s %s/orders/%s\033[K\n", s.What, d.address, s.Order)
	}
}
