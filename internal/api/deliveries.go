package api

import (
	"encoding/base64"
	"errors"
	"strings"
	"time"

	"github.com/waybillhq/waybill/internal/lane"
	"github.com/waybillhq/waybill/internal/store"
	"github.com/waybillhq/waybill/internal/trace"
)

// deliveryStates are the states of C3.
var deliveryStates = []string{string(lane.Ready), string(lane.InFlight), string(lane.InDoubt), string(lane.Waiting),
	string(lane.Done), string(lane.Parked), string(lane.Cancelled), string(lane.Skipped)}

// delivery is C3.
type delivery struct {
	Key      string   `json:"key"`
	Target   string   `json:"target"`
	Lane     string   `json:"lane"`
	Order    string   `json:"order"` // empty in a lane that belongs to no order
	Kind     string   `json:"kind"`
	Subject  string   `json:"subject"`
	Revision int      `json:"revision"`
	Seq      int64    `json:"seq"` // 0 before the first attempt
	State    string   `json:"state"`
	Attempts int      `json:"attempts"`
	Ref      string   `json:"ref"`    // the target's own number
	Digest   string   `json:"digest"` // of the bytes sent, as Content-Digest has it; empty before the first attempt
	Events   []string `json:"events"` // that decided it
	Reason   string   `json:"reason"`
}

func newDelivery(d trace.Delivery) delivery {
	v := delivery{Key: d.Key, Target: d.Target, Lane: d.Lane, Kind: string(d.Kind), Subject: d.Subject,
		Revision: d.Revision, Seq: d.Seq, State: string(d.Shown), Attempts: d.Attempts, Ref: d.Ref, Reason: d.Reason}
	if !strings.HasPrefix(d.Lane, "~~") { // no order begins so (G4)
		v.Order = d.Lane
	}
	if d.Digest != [32]byte{} {
		v.Digest = "sha-256=:" + base64.StdEncoding.EncodeToString(d.Digest[:]) + ":"
	}
	if d.Event != 0 {
		v.Events = []string{id(eventPrefix, d.Event)}
	}
	return v
}

func (a *API) deliveries(c *call) error {
	after, limit, err := c.query.page()
	if err != nil {
		return err
	}
	q := trace.DeliveryQuery{Target: c.query["target"], Order: c.query["order"],
		State: lane.State(c.query["state"]), After: after, Limit: limit + 1}
	if key := c.query["key"]; key != "" {
		return a.deliveryByKey(c, key, q)
	}
	ds, err := a.Trace.Deliveries(c.Context(), q)
	if err != nil {
		return err
	}
	ds, more := cut(ds, limit)
	return writeDeliveries(c, ds, more)
}

// deliveryByKey lists one delivery, or none where the other filters leave it out.
func (a *API) deliveryByKey(c *call, key string, q trace.DeliveryQuery) error {
	w, d, err := a.Trace.Delivery(c.Context(), key)
	if errors.Is(err, store.ErrNotFound) {
		return writeDeliveries(c, nil, false)
	}
	if err != nil {
		return err
	}
	fits := (q.Target == "" || d.Target == q.Target) && (q.State == "" || d.Shown == q.State) && d.ID > q.After
	if fits && q.Order != "" {
		if fits, err = a.named(c, q.Order, w.ID); err != nil {
			return err
		}
	}
	if !fits {
		return writeDeliveries(c, nil, false)
	}
	return writeDeliveries(c, []trace.Delivery{d}, false)
}

// named reports whether a reference names the waybill.
func (a *API) named(c *call, ref string, waybill int64) (bool, error) {
	found, err := a.Trace.Find(c.Context(), ref)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return false, err
	}
	for _, w := range found {
		if w.ID == waybill {
			return true, nil
		}
	}
	return false, nil
}

func writeDeliveries(c *call, ds []trace.Delivery, more bool) error {
	page := make([]delivery, len(ds))
	next := int64(0)
	for i, d := range ds {
		page[i], next = newDelivery(d), d.ID
	}
	return writeList(c, page, more, next)
}

// attempt is one attempt of a delivery (C3). End and outcome are missing while
// it is under way.
type attempt struct {
	Start    time.Time  `json:"start"`
	Deadline time.Time  `json:"deadline"`
	End      *time.Time `json:"end"`
	Outcome  string     `json:"outcome"`
	Epoch    int64      `json:"epoch"`
}

func (a *API) attempts(c *call) error {
	_, d, err := a.Trace.Delivery(c.Context(), c.PathValue("key"))
	if err != nil {
		return err
	}
	made, err := a.Trace.Attempts(c.Context(), d.Delivery)
	if err != nil {
		return err
	}
	page := make([]attempt, len(made))
	for i, m := range made {
		page[i] = attempt{Start: m.Started, Deadline: m.Deadline, End: moment(m.Ended), Outcome: string(m.Outcome), Epoch: m.Epoch}
	}
	return writeList(c, page, false, 0)
}

// moment is nil for the zero time.
func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
