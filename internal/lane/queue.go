package lane

import "sort"

// Queue is one lane: the deliveries of one waybill to one target, in order.
// Attempted documents stand in the order of their sequence numbers, the others
// behind them in the order of their decision; a partial retry goes first.
type Queue []*Delivery

// Sort puts the queue in its order.
func (q Queue) Sort() {
	sort.SliceStable(q, func(i, j int) bool {
		a, b := q[i], q[j]
		if a.Attempted() != b.Attempted() {
			return a.Attempted()
		}
		if a.Attempted() {
			return a.Seq < b.Seq
		}
		if a.Front != b.Front {
			return a.Front
		}
		if a.Event != b.Event {
			return a.Event < b.Event
		}
		return a.ID < b.ID
	})
}

// NextSeq is the sequence number of the next document to be attempted.
func (q Queue) NextSeq() int64 {
	last := int64(0)
	for _, d := range q {
		last = max(last, d.Seq)
	}
	return last + 1
}

// After is the sequence number of the last document that the target applied or
// took; 0: none.
func (q Queue) After() int64 {
	last := int64(0)
	for _, d := range q {
		if d.Attempted() && (d.State == Done && d.Reason != ReasonNothing || !d.AckBy.IsZero()) {
			last = max(last, d.Seq)
		}
	}
	return last
}

// Head is the first document that holds the lane; nil where nothing does. A
// pending document holds it only where the target does not keep order itself.
func (q Queue) Head(keepsOrder bool) *Delivery {
	for _, d := range q {
		if d.State.Settled() || keepsOrder && d.Next == AskPending {
			continue
		}
		return d
	}
	return nil
}

// Settle gives every document behind the head the state that follows from it,
// and makes a head without a state of its own ready. It calls changed for each
// that became another.
func (q Queue) Settle(keepsOrder bool, changed func(*Delivery)) *Delivery {
	head := q.Head(keepsOrder)
	if head == nil {
		return nil
	}
	if behind(head) {
		head.Release()
		changed(head)
	}
	past := false
	for _, d := range q {
		if d == head {
			past = true
			continue
		}
		if !past || d.State.Settled() || d.Attempted() {
			continue
		}
		state, reason := Waiting, "behind "+head.Key
		if head.State == Parked {
			state = Parked
		}
		if d.State != state || d.Reason != reason {
			d.State, d.Reason, d.Next = state, reason, Stay
			changed(d)
		}
	}
	return head
}

// behind reports whether the delivery only ever stood behind another.
func behind(d *Delivery) bool {
	return !d.Attempted() && d.Next == Stay && (d.State == Waiting || d.State == Parked && d.Hold == "")
}
