package engine

import (
	"container/heap"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/internal/lane"
)

// ranks is how many priorities there are; keeps is the turn, of every so many,
// that each of the lower ones is sure of: 5 %.
const (
	ranks = 6
	keeps = 20
)

// rank orders documents that wait for the same budget: cancellations before
// shipment postings before invoices before orders before stock before catalogue.
func rank(k waybill.Kind) int {
	switch k {
	case waybill.WarehouseOrderCancel, waybill.SalesOrderCancel, waybill.CancellationAnswer, waybill.WarehouseOrderChange:
		return 0
	case waybill.ShipmentPosting, waybill.ShipmentReversal, waybill.Fulfilment, waybill.FulfilmentUpdate:
		return 1
	case waybill.Invoice, waybill.CreditMemo:
		return 2
	case waybill.InventoryAdjustment, waybill.ReceiptPosting, waybill.InventoryAvailability:
		return 4
	case waybill.ItemDocument, waybill.CustomerDocument:
		return 5
	default:
		return 3
	}
}

// backlog holds what waits for one target's budget, by rank and within a rank
// oldest first.
type backlog struct {
	ranks [ranks]readyHeap
	n     int
	turn  int // of the last document that was taken while others of lower rank waited
}

func (b *backlog) len() int { return b.n }

func (b *backlog) reset() { *b = backlog{} }

func (b *backlog) push(k waybill.Kind, id, of int64) {
	heap.Push(&b.ranks[rank(k)], readyItem{id: id, waybill: of})
	b.n++
}

// pop takes what goes next: of the highest rank that waits, except that in
// every round of turns each lower one has a turn of its own, so that none
// starves behind a flood.
func (b *backlog) pop() readyItem {
	next := -1
	for r := range b.ranks {
		if len(b.ranks[r]) > 0 {
			next = r
			break
		}
	}
	if len(b.ranks[next]) < b.n { // others wait, too
		b.turn = (b.turn + 1) % keeps
		if r := b.turn + 1; r < ranks && r > next && len(b.ranks[r]) > 0 {
			next = r
		}
	}
	b.n--
	return heap.Pop(&b.ranks[next]).(readyItem)
}

// readyItem is a delivery that waits for its target's budget.
type readyItem struct{ id, waybill int64 }

type readyHeap []readyItem

func (h readyHeap) Len() int           { return len(h) }
func (h readyHeap) Less(i, j int) bool { return h[i].id < h[j].id }
func (h readyHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }

// Push and Pop serve container/heap.
func (h *readyHeap) Push(x any) { *h = append(*h, x.(readyItem)) }

// Pop removes the last item.
func (h *readyHeap) Pop() any {
	old := *h
	x := old[len(old)-1]
	*h = old[:len(old)-1]
	return x
}

func (t *target) queue(d *lane.Delivery) { t.ready.push(d.Kind, d.ID, d.Waybill) }

// moved counts a delivery that went from one state to another; "" is none.
func (e *Engine) moved(to *target, from, now lane.State) {
	e.counts.move(to.sys.Name, from, now)
	was, is := onItsWay(from), onItsWay(now)
	switch {
	case !was && is:
		to.drain.Opened(e.opt.Now())
	case was && !is:
		to.drain.Closed(e.opt.Now())
	}
}

// onItsWay reports whether a delivery needs its target yet, and no person.
func onItsWay(s lane.State) bool {
	return s != "" && !s.Settled() && s != lane.Parked
}
