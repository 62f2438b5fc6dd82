package engine

import (
	"container/heap"
	"time"

	"github.com/waybillhq/waybill/internal/store"
)

// dueItem is something that happens at a time: the next step of a delivery, a
// timer of a waybill, or a look at a target. Items are hints: whoever takes
// one checks against the state whether it is still so.
type dueItem struct {
	at       time.Time
	waybill  int64
	delivery int64  // 0: not a delivery
	name     string // a timer's name; or
	target   string // a target to look at
}

type dueHeap []dueItem

func (h dueHeap) Len() int           { return len(h) }
func (h dueHeap) Less(i, j int) bool { return h[i].at.Before(h[j].at) }
func (h dueHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }

// Push and Pop serve container/heap.
func (h *dueHeap) Push(x any) { *h = append(*h, x.(dueItem)) }

// Pop removes the last item.
func (h *dueHeap) Pop() any {
	old := *h
	x := old[len(old)-1]
	*h = old[:len(old)-1]
	return x
}

func (h *dueHeap) add(d dueItem) { heap.Push(h, d) }

func (h *dueHeap) addTimer(t store.Timer) {
	h.add(dueItem{at: t.Due, waybill: t.Waybill, name: t.Name})
}

// next is the time of the earliest item.
func (h dueHeap) next() (time.Time, bool) {
	if len(h) == 0 {
		return time.Time{}, false
	}
	return h[0].at, true
}

// pop takes the earliest item where its time has come.
func (h *dueHeap) pop(now time.Time) (dueItem, bool) {
	if len(*h) == 0 || (*h)[0].at.After(now) {
		return dueItem{}, false
	}
	return heap.Pop(h).(dueItem), true
}
