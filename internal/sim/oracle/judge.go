package oracle

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// judge gathers what is wrong.
type judge struct {
	h     *History
	found []Violation
}

// violationsMax is how many violations a judgment names.
const violationsMax = 20

func (j *judge) add(invariant, format string, args ...any) {
	if len(j.found) < violationsMax {
		j.found = append(j.found, Violation{invariant, fmt.Sprintf(format, args...)})
	}
}

// Judge says which invariants a run broke. The numbers are those of the list
// in docs/explanation/simulation.md.
func Judge(h *History) []Violation {
	j := &judge{h: h}
	j.kept()
	j.chains()
	for _, t := range h.Targets {
		j.books(t)
		left := slices.Clone(t.Seen)
		slices.SortStableFunc(left, func(a, b Request) int { return a.Left.Compare(b.Left) })
		j.requests(t, left)
		j.doubts(t, left)
	}
	j.outgoing()
	j.visible()
	for _, o := range h.Orders {
		j.order(o)
	}
	j.items()
	for _, b := range h.Shown.Breaches {
		j.add("I10", "the ledger does not refold: %s", b)
	}
	if !h.Shown.Quiet {
		j.add("I22", "it did not come to rest: %s", h.Shown.Open)
	}
	return j.found
}

// kept: what was answered yes is there once, byte for byte (I1, I7).
func (j *judge) kept() {
	type name struct{ source, id string }
	there := map[name][]Message{}
	for _, m := range j.h.Shown.Messages {
		n := name{m.Source, m.ID}
		there[n] = append(there[n], m)
		if m.Body != m.Sum {
			j.add("I1", "message %s of %s is kept with other bytes than its hash says", m.ID, m.Source)
		}
	}
	for _, in := range j.h.Inputs {
		kept := there[name{in.Source, in.ID}]
		switch {
		case in.Acked && len(kept) == 0:
			j.add("I1", "message %s of %s (%s) was answered yes and is lost", in.ID, in.Source, in.Type)
		case len(kept) > 1:
			j.add("I7", "message %s of %s is kept %d times", in.ID, in.Source, len(kept))
		case len(kept) == 1 && kept[0].Sum != in.Sum:
			j.add("I1", "message %s of %s is kept with other bytes than were sent", in.ID, in.Source)
		case !in.Acked && j.h.Shown.Quiet:
			j.add("I22", "message %s of %s was never answered", in.ID, in.Source)
		}
		delete(there, name{in.Source, in.ID})
	}
	for n := range there {
		j.add("I6", "message %s of %s is kept and nobody sent it", n.id, n.source)
	}
}

// chains: the ledger and the audit log have no gap and no second history (I9,
// I18).
func (j *judge) chains() {
	byShard := map[int][]Event{}
	for _, e := range j.h.Shown.Events {
		byShard[e.Shard] = append(byShard[e.Shard], e)
	}
	for _, shard := range slices.Sorted(maps.Keys(byShard)) {
		events := byShard[shard]
		slices.SortFunc(events, func(a, b Event) int { return int(a.Seq - b.Seq) })
		var prev [32]byte
		for i, e := range events {
			if e.Seq != int64(i)+1 || e.Prev != prev {
				j.add("I9", "the chain of shard %d is broken at %d (event %d)", shard, i+1, e.ID)
				break
			}
			prev = e.Hash
		}
	}
	var prev [32]byte
	for i, a := range j.h.Shown.Audit {
		if a.Seq != int64(i)+1 || a.Prev != prev {
			j.add("I18", "the audit log is broken at %d", i+1)
			return
		}
		prev = a.Hash
	}
	if n := len(j.h.Shown.Audit); n < j.h.Shown.Commands {
		j.add("I18", "%d commands were carried out and %d are in the audit log", j.h.Shown.Commands, n)
	}
}

// books: once, in order, and nothing that was not decided (I2, I4, I6).
func (j *judge) books(t *Target) {
	decided := map[string]Delivery{}
	for _, d := range j.h.Shown.Deliveries {
		if d.Target == t.Name {
			decided[d.Key] = d
		}
	}
	times, last := map[string]int{}, map[string]int64{}
	for _, e := range t.Books {
		if times[e.Key]++; times[e.Key] == 2 {
			j.add("I2", "%s holds %s of %s twice under %s", t.Name, e.Kind, e.Order, e.Key)
		}
		if d, known := decided[e.Key]; !known {
			j.add("I6", "%s holds %s of %s under %s, which no delivery has", t.Name, e.Kind, e.Order, e.Key)
		} else if d.Digest != e.Digest || d.Kind != e.Kind {
			j.add("I3", "%s holds other bytes of %s %s than the delivery says", t.Name, e.Kind, e.Key)
		}
		if times[e.Key] == 1 && e.Seq <= last[e.Lane] && !t.KeepsOrder {
			j.add("I4", "%s booked number %d of lane %s (%s) after number %d", t.Name, e.Seq, e.Lane, e.Kind, last[e.Lane])
		}
		last[e.Lane] = max(last[e.Lane], e.Seq)
	}
}

// requests: what a target sees of one lane, in the order in which it left the
// program (I5, I12, I16, I17).
func (j *judge) requests(t *Target, left []Request) {
	seen, epoch, open := map[string]Request{}, map[string]int64{}, map[string]Request{}
	for _, r := range left {
		j.pauses(t, r)
		if r.Ask || r.Copy {
			if before := open[seen[r.Key].Lane]; r.Ask && before.Key == r.Key && !r.Answered.IsZero() && !r.Pending && !r.Unsettled {
				delete(open, before.Lane) // it is known now what became of it
			}
			continue
		}
		j.head(t, r)
		was, again := seen[r.Key]
		switch {
		case !again:
			seen[r.Key] = r
		case was.Digest != r.Digest, was.Seq != r.Seq, was.Lane != r.Lane, was.Kind != r.Kind:
			j.add("I2", "%s saw attempt %d of %s %s with other bytes or another number than before", t.Name, r.Attempt, r.Kind, r.Key)
		}
		if r.Epoch < epoch[r.Lane] && r.Left.After(j.h.Calm) {
			j.add("I16", "%s saw epoch %d in lane %s after %d", t.Name, r.Epoch, r.Lane, epoch[r.Lane])
		}
		epoch[r.Lane] = max(epoch[r.Lane], r.Epoch)
		if before, some := open[r.Lane]; some && before.Key != r.Key && !t.KeepsOrder &&
			(before.Answered.IsZero() || before.Answered.After(r.Left)) && !r.Left.After(before.Deadline) && before.Left.Before(r.Left) {
			j.add("I5", "%s saw %s of lane %s while %s was under way", t.Name, r.Kind, r.Lane, before.Kind)
		}
		open[r.Lane] = r
	}
	for lane, numbers := range numbersOf(t) {
		for i, n := range numbers {
			if n != int64(i)+1 && !j.setAside(t.Name, lane) {
				j.add("I4", "%s never saw number %d of lane %s", t.Name, i+1, lane)
				break
			}
		}
	}
}

// head: what the headers say is what the body says.
func (j *judge) head(t *Target, r Request) {
	if !r.DigestHeld || r.BodyKey != r.Key || r.BodySeq != r.Seq || r.BodyKind == "" {
		j.add("I12", "%s saw %s %s whose headers and body differ", t.Name, r.BodyKind, r.Key)
	}
	if r.Attempt < 1 || r.Epoch < 1 || r.Seq < 1 || r.After >= r.Seq || r.Deadline.IsZero() {
		j.add("I12", "%s saw %s %s as attempt %d, epoch %d, number %d after %d", t.Name, r.BodyKind, r.Key, r.Attempt, r.Epoch, r.Seq, r.After)
	}
	if d := r.Deadline.Sub(r.Left); j.h.Epochs && (d > j.h.Deadline+time.Second || d < 0) {
		j.add("I12", "%s saw %s %s with a deadline %s ahead", t.Name, r.BodyKind, r.Key, d)
	}
}

// heard is how long what a target said may take to reach everybody who sends
// to it (T1, 429).
const heard = time.Second

// pauses: nothing comes while a target wants no request (I17).
func (j *judge) pauses(t *Target, r Request) {
	for _, p := range t.Until {
		if r.Left.After(p.From.Add(heard)) && r.Left.Before(p.To) && !r.Copy {
			j.add("I17", "%s saw %s of %s at %s, and had asked for nothing before %s", t.Name, r.Kind, r.Order,
				r.Left.Format("15:04:05.000"), p.To.Format("15:04:05.000"))
		}
	}
}

// numbersOf are the numbers that a target saw of each lane, once each, rising.
func numbersOf(t *Target) map[string][]int64 {
	out := map[string][]int64{}
	for _, r := range t.Seen {
		if !r.Ask && !slices.Contains(out[r.Lane], r.Seq) {
			out[r.Lane] = append(out[r.Lane], r.Seq)
		}
	}
	for _, numbers := range out {
		slices.Sort(numbers)
	}
	return out
}

// setAside reports whether a document of the lane may never have been seen:
// its attempt was committed, and then it was skipped or settled by hand.
func (j *judge) setAside(target, lane string) bool {
	for _, d := range j.h.Shown.Deliveries {
		if d.Target == target && d.Lane == lane && (d.State == "skipped" || d.State == "parked" || d.Reason == "settled") {
			return true
		}
	}
	return false
}

// doubts: after an attempt without an answer comes a question, not a second
// try, and not before its time (I13).
func (j *judge) doubts(t *Target, left []Request) {
	open := map[string]*time.Time{} // the deadline of an attempt without an answer, by key
	for _, r := range left {
		d := open[r.Key]
		switch {
		case r.Copy:
		case r.Ask:
			if d != nil && r.Left.Before(d.Add(j.h.Settle)) && t.Class != "key" && j.h.Epochs {
				j.add("I13", "%s was asked about %s at %s, before its deadline and the settle time", t.Name, r.Key, r.Left.Format("15:04:05.000"))
			}
			if d != nil && r.Absent && !r.Answered.IsZero() {
				delete(open, r.Key)
			}
		default:
			if d != nil && t.Class == "lookup" {
				j.add("I13", "%s was sent %s %s again while it was in doubt", t.Name, r.Kind, r.Key)
			}
			if d != nil && t.Class == "none" && r.Left.Before(*d) {
				j.add("I13", "%s was sent %s %s again before its deadline", t.Name, r.Kind, r.Key)
			}
			delete(open, r.Key)
			if r.Answered.IsZero() || r.Status >= 500 && r.Status != 503 {
				open[r.Key] = &r.Deadline
			}
		}
	}
}

// outgoing: what is decided and neither parked nor withdrawn is in the books
// once (I3).
func (j *judge) outgoing() {
	held := map[string]int{}
	for _, t := range j.h.Targets {
		for _, e := range t.Books {
			held[t.Name+" "+e.Key]++
		}
	}
	for _, d := range j.h.Shown.Deliveries {
		n := held[d.Target+" "+d.Key]
		switch d.State {
		case "done":
			if n == 0 {
				j.add("I3", "%s %s is done and %s does not hold it", d.Kind, d.Key, d.Target)
			}
		case "cancelled", "skipped":
			if n != 0 {
				j.add("I3", "%s %s is %s and %s holds it", d.Kind, d.Key, d.State, d.Target)
			}
		case "parked":
		default:
			if j.h.Shown.Quiet {
				j.add("I3", "%s %s to %s is left %s (%s)", d.Kind, d.Key, d.Target, d.State, d.Reason)
			}
		}
	}
}

// visible: what waits for a person is shown, and names what stands before it
// (I15); every event has found its place (I1).
func (j *judge) visible() {
	named := map[string]bool{}
	for _, x := range j.h.Shown.Exceptions {
		named[x.Subject] = true
	}
	for _, d := range j.h.Shown.Deliveries {
		if d.State == "parked" && !strings.HasPrefix(d.Reason, "behind ") && !named[d.Key] {
			j.add("I15", "%s %s to %s is parked (%s) and no exception says so", d.Kind, d.Key, d.Target, d.Reason)
		}
	}
	for _, e := range j.h.Shown.Events {
		if e.State == "undecided" {
			j.add("I11", "event %d of %s was never decided", e.ID, e.Source)
		}
	}
}
