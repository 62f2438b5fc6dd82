package shopify

import (
	"slices"

	"github.com/waybillhq/waybill"
)

// picture is what a look-up found out about an order.
type picture struct {
	// known are all sets of tracking numbers the shipment ever had; the task's
	// own is among them.
	known [][]string
	ours  []fulfilment // live ones that carry one of the known sets
	open  []openLine   // what the shop still expects to be fulfilled
}

type fulfilment struct {
	id      string
	numbers []string
	lines   []taskLine
}

type openLine struct {
	order     string // of fulfilment
	line      string // of the order
	id        string // of the fulfilment order's line
	location  string
	status    string
	remaining int64
}

// takes reports whether the fulfilment order can be fulfilled as it is.
func (l openLine) takes() bool { return l.status == "OPEN" || l.status == "IN_PROGRESS" }

// waits reports whether it could be, once somebody lifts its hold or its date
// has come.
func (l openLine) waits() bool { return l.status == "ON_HOLD" || l.status == "SCHEDULED" }

// step is one mutation on the way.
type step struct {
	document  string
	variables any
	fulfilled string // the fulfilment that it changes; "" where it makes one
}

// course is how to get from a picture to the task.
type course struct {
	steps []step
	again bool             // look again afterwards and go on from there
	stop  *waybill.Outcome // cannot get there
	short int64            // pieces that the shop no longer expects
}

// plot decides what is to be done so that the shipment is fulfilled as the
// task says. It starts from what is there, whoever made it, so that the same
// task after a time-out, after half its steps or after all of them ends the
// same.
func plot(t task, p picture) course {
	have := map[string]int64{}
	for _, f := range p.ours {
		for _, l := range f.lines {
			have[l.Line] += l.Qty
		}
	}
	want := map[string]int64{}
	for _, l := range t.Lines {
		want[l.Line] += l.Qty
	}
	for _, f := range p.ours {
		for _, l := range f.lines {
			if t.Corrects && have[l.Line] > want[l.Line] {
				return undo(p)
			}
		}
	}
	var c course
	for _, f := range p.ours {
		if !sameNumbers(f.numbers, t.Tracking.Numbers) {
			c.steps = append(c.steps, step{document: mutationTrack, fulfilled: f.id, variables: map[string]any{
				"marks": t.remember(p.known), "id": f.id, "tracking": t.Tracking, "notify": t.Notify}})
		}
	}
	creations, missing, held := allot(t, p.open, have)
	for _, groups := range creations {
		c.steps = append(c.steps, step{document: mutationCreate, variables: map[string]any{
			"marks":       t.remember(p.known),
			"fulfillment": fulfillmentInput{Groups: groups, Notify: t.Notify, Tracking: t.Tracking}}})
	}
	c.short = missing
	switch {
	case missing == 0:
	case held:
		c.stop = &waybill.Outcome{Verdict: waybill.Park, Note: "the shop holds or has scheduled the fulfilment",
			Problem: waybill.Problem{Code: "on_hold", Detail: "release the fulfilment order in the shop's admin"}}
	case len(p.ours) == 0 && len(creations) == 0:
		c.stop = refusal("nothing_to_fulfil", "the shop no longer expects any piece of shipment "+t.Shipment+
			": the order was cancelled or fulfilled there by other means; settle the document with that fulfilment's number, or skip it")
	}
	return c
}

// undo cancels what was fulfilled, because Shopify has no way to lower the
// quantity of a fulfilment; the next look creates it as it should be.
func undo(p picture) course {
	c := course{again: true}
	for _, f := range p.ours {
		c.steps = append(c.steps, step{document: mutationCancel, fulfilled: f.id, variables: map[string]any{"id": f.id}})
	}
	return c
}

// fulfillmentInput is Shopify's FulfillmentInput.
type fulfillmentInput struct {
	Groups   []group  `json:"lineItemsByFulfillmentOrder"`
	Notify   bool     `json:"notifyCustomer"`
	Tracking tracking `json:"trackingInfo"`
}

type group struct {
	Order string      `json:"fulfillmentOrderId"`
	Lines []groupLine `json:"fulfillmentOrderLineItems"`
}

type groupLine struct {
	ID  string `json:"id"`
	Qty int64  `json:"quantity"`
}

// allot spreads what is missing over the open lines, in the shop's order. A
// fulfilment has one location, so there is one creation for each. missing is
// what no open line is left for; held, that some line waits.
func allot(t task, open []openLine, have map[string]int64) (creations [][]group, missing int64, held bool) {
	var locations []string
	for _, w := range t.Lines {
		covered := min(have[w.Line], w.Qty)
		have[w.Line] -= covered // a task may name a line twice
		need := w.Qty - covered
		for i := range open {
			o := &open[i]
			if o.line != w.Line || o.remaining == 0 || need == 0 {
				continue
			}
			if !o.takes() {
				held = held || o.waits()
				continue
			}
			qty := min(need, o.remaining)
			o.remaining -= qty
			need -= qty
			at := slices.Index(locations, o.location)
			if at < 0 {
				at = len(locations)
				locations, creations = append(locations, o.location), append(creations, nil)
			}
			creations[at] = addLine(creations[at], o.order, groupLine{o.id, qty})
		}
		missing += need
	}
	return creations, missing, held
}

func addLine(groups []group, order string, l groupLine) []group {
	for i := range groups {
		if groups[i].Order == order {
			groups[i].Lines = append(groups[i].Lines, l)
			return groups
		}
	}
	return append(groups, group{Order: order, Lines: []groupLine{l}})
}

// remember is the mark that lets a correction find the shipment's fulfilments:
// every set of tracking numbers it ever had.
func (t task) remember(known [][]string) []mark {
	value, err := waybill.Marshal(known)
	if err != nil { // strings that a JSON reader gave: they can be written
		return []mark{}
	}
	return []mark{{Owner: t.Order, Namespace: namespace, Key: t.Handle, Type: "json", Value: string(value)}}
}

// sameNumbers compares sets of tracking numbers, as far as a look-up shows
// them.
func sameNumbers(shown, whole []string) bool {
	if len(shown) != min(len(whole), numbersShown) {
		return false
	}
	for _, n := range shown {
		if !slices.Contains(whole, n) {
			return false
		}
	}
	return true
}

// isOurs reports whether a fulfilment with these numbers is the shipment's.
func (p picture) isOurs(numbers []string) bool {
	return slices.ContainsFunc(p.known, func(set []string) bool { return sameNumbers(numbers, set) })
}
