package process

import (
	"cmp"
	"encoding/hex"
	"strings"

	"github.com/waybillhq/waybill"
)

// Blind is a return whose order nobody named (W4.6): its facts wait until a
// person, or something that comes later, says which order it belongs to. Then
// the order takes them over, and decides on them as on any other.
type Blind struct{ x blindState }

type blindState struct {
	Ref   string      `json:"ref"`
	Order string      `json:"order,omitzero"` // that it was matched to
	Facts []blindFact `json:"facts,omitzero"` // in the order in which they came
}

type blindFact struct {
	Event   string            `json:"event"`
	Type    waybill.EventType `json:"type"`
	Source  string            `json:"source"`
	Version int64             `json:"version"`
	Digest  string            `json:"digest"`
}

// Matched is the data of return.matched.
type Matched struct {
	Order string `json:"order"`        // the order's number, unique in the installation
	By    string `json:"by,omitzero"`  // the operator; empty: what the return or the order names
	Why   string `json:"why,omitzero"` // the operator's reason
}

// CauseUnmatched is the exception of a return that waits for its order.
const CauseUnmatched = "unmatched_return"

func newBlind(ref string) *Blind { return &Blind{x: blindState{Ref: ref}} }

func loadBlind(b []byte) (*Blind, error) {
	s := &Blind{}
	if err := loadBlob(b, "return", &s.x); err != nil {
		return nil, err
	}
	return s, nil
}

// Order is the order that the return was matched to; empty while it waits.
func (s *Blind) Order() string { return s.x.Order }

// Events are the ids of the facts that the order takes over, in the order in
// which they came.
func (s *Blind) Events() []string {
	out := make([]string, len(s.x.Facts))
	for i, f := range s.x.Facts {
		out[i] = f.Event
	}
	return out
}

// Decide implements [Flow].
func (s *Blind) Decide(e *waybill.Event, _ *Policy) Decision {
	var out Decision
	switch e.Type {
	case waybill.ReturnRequested, waybill.ReturnReceived:
		s.keep(e, &out)
	case waybill.ReturnMatched:
		m, err := body[Matched](e)
		if err == nil && s.x.Order == "" {
			s.x.Order = m.Order
			out.Clear = append(out.Clear, ExceptionKey{Cause: CauseUnmatched, Subject: s.x.Ref})
		}
	default:
		out.Facts = append(out.Facts, FactState{Event: e.ID, Place: Ignored, Reason: "no step of a return without an order uses " + string(e.Type)})
	}
	return out
}

// keep lets a fact wait, unless the same is there.
func (s *Blind) keep(e *waybill.Event, out *Decision) {
	sum, err := contentDigest(e)
	if err != nil {
		out.Facts = append(out.Facts, FactState{Event: e.ID, Place: Parked, Reason: "unreadable: " + fault(err)})
		return
	}
	f := blindFact{Event: e.ID, Type: e.Type, Source: e.Source, Version: e.Version, Digest: hex.EncodeToString(sum[:12])}
	for _, known := range s.x.Facts {
		if cmp.Or(strings.Compare(string(known.Type), string(f.Type)), strings.Compare(known.Source, f.Source),
			cmp.Compare(known.Version, f.Version), strings.Compare(known.Digest, f.Digest)) == 0 {
			out.Facts = append(out.Facts, FactState{Event: e.ID, Place: Ignored, Reason: "same fact as event " + known.Event})
			return
		}
	}
	if len(s.x.Facts) == 0 {
		out.Raise = append(out.Raise, Exception{ExceptionKey: ExceptionKey{Cause: CauseUnmatched, Subject: s.x.Ref},
			Detail: "return " + s.x.Ref + " of " + e.Source + " names no order that is known",
			Next:   "find its order by the goods or the sender, and match them; it is credited then as any other"})
	}
	s.x.Facts = append(s.x.Facts, f)
	out.Facts = append(out.Facts, FactState{Event: e.ID, Place: Parked, Reason: "waits to be matched to its order"})
}

// Compose implements [Flow]: a return without an order has no documents.
func (s *Blind) Compose(key string, _ *Policy) (waybill.Document, error) {
	return waybill.Document{}, &waybill.Error{Code: "no_document", Detail: "return " + s.x.Ref + " has no document " + key}
}

// Fetch implements [Flow]: everything is in the state.
func (s *Blind) Fetch(func(event int64) ([]byte, error)) error { return nil }

// Append implements [Flow].
func (s *Blind) Append(b []byte) []byte { return appendBlob(b, &s.x) }

// Status implements [Flow]: it is no order.
func (s *Blind) Status() waybill.Status { return "" }

// Customer implements [Flow].
func (s *Blind) Customer() string { return "" }

// OpenValue implements [Flow].
func (s *Blind) OpenValue() (waybill.Decimal, string) { return waybill.Decimal{}, "" }

// View implements [Flow].
func (s *Blind) View() View {
	v := emptyView(waybill.FlowReturn, s.x.Ref)
	if s.x.Order != "" {
		v.Refs = append(v.Refs, Reference{System: own, Kind: refOrder, Value: s.x.Order})
	}
	return v
}
