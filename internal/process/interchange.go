package process

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/waybillhq/waybill"
)

// CauseEDIRejected is the exception of an interchange that was rejected or
// taken with errors, whole or in part. Its sender is told by the
// acknowledgment; a person, by this.
const CauseEDIRejected = "edi_rejected"

// CauseEDINotTaken is the exception of a message that was in order and that
// nothing followed from.
const CauseEDINotTaken = "edi_not_taken"

// reasonsShown bounds what an exception quotes of a broken interchange.
const reasonsShown = 5

// Interchange is an EDI interchange that came in. What its messages say belongs
// to the orders that they name; here is what its sender is owed: each
// acknowledgment is a document, stored, numbered, sent and shown as any other.
// An acknowledgment is never acknowledged, so nothing is awaited for it.
type Interchange struct{ x interchangeState }

type interchangeState struct {
	Ref     string      `json:"ref"`
	Source  string      `json:"source,omitzero"`
	Event   string      `json:"event,omitzero"` // that reported it
	Answers []answerDoc `json:"answers,omitzero"`
	Problem string      `json:"problem,omitzero"`
}

// answerDoc is one acknowledgment on its way.
type answerDoc struct {
	Key   string   `json:"key"`
	Set   string   `json:"set"`
	Text  string   `json:"text"`
	State docState `json:"state,omitzero"`
	Code  string   `json:"code,omitzero"` // of a refusal
}

// acknowledgment is what a functional_acknowledgment says.
type acknowledgment struct {
	Interchange string `json:"interchange"`
	Set         string `json:"set"`
	Text        string `json:"text"` // as it goes, but for its own control numbers and time
}

func newInterchange(ref string) *Interchange { return &Interchange{x: interchangeState{Ref: ref}} }

func loadInterchange(b []byte) (*Interchange, error) {
	s := &Interchange{}
	if err := loadBlob(b, "interchange", &s.x); err != nil {
		return nil, err
	}
	return s, nil
}

// Decide implements [Flow].
func (s *Interchange) Decide(e *waybill.Event, p *Policy) Decision {
	var out Decision
	switch e.Type {
	case waybill.InterchangeReceived:
		s.receive(e, p, &out)
	case waybill.DocumentAttempted:
		if a, err := body[Attempted](e); err == nil {
			s.set(a.Key, attempted, "")
		}
	case waybill.DocumentSettled:
		if a, err := body[Settled](e); err == nil {
			s.settle(a, &out)
		}
	default:
		out.Facts = append(out.Facts, FactState{Event: e.ID, Place: Ignored, Reason: "no step of an interchange uses " + string(e.Type)})
	}
	return out
}

// receive takes an interchange in, once: the same one again is answered
// already.
func (s *Interchange) receive(e *waybill.Event, p *Policy, out *Decision) {
	ic, err := body[waybill.Interchange](e)
	switch {
	case err != nil:
		out.Facts = append(out.Facts, FactState{Event: e.ID, Place: Parked, Reason: "unreadable: " + fault(err)})
		return
	case s.x.Event != "":
		out.Facts = append(out.Facts, FactState{Event: e.ID, Place: Ignored, Reason: "received already, with event " + s.x.Event})
		return
	}
	s.x.Event, s.x.Source = e.ID, e.Source
	out.Facts = append(out.Facts, FactState{Event: e.ID, Place: Applied})
	out.Refs = append(out.Refs, Reference{System: e.Source, Kind: "interchange", Value: ic.Control})
	for i, a := range ic.Answers {
		subject := s.x.Ref + "." + strconv.Itoa(i+1)
		key := waybill.Identity{Namespace: p.Namespace, Target: e.Source, OriginRef: waybill.Lane(waybill.FlowInterchange, s.x.Ref),
			Kind: waybill.FunctionalAcknowledgment, Subject: subject}.Key()
		s.x.Answers = append(s.x.Answers, answerDoc{Key: key, Set: a.Set, Text: a.Text})
		out.Add = append(out.Add, Doc{Key: key, Target: e.Source, Kind: waybill.FunctionalAcknowledgment, Subject: subject, Version: 1,
			Why: a.Set + " for interchange " + ic.Control + ", which was " + strings.ReplaceAll(ic.Status, "_", " ")})
	}
	s.complain(ic, out)
}

// complain raises what of an interchange needs a person.
func (s *Interchange) complain(ic *waybill.Interchange, out *Decision) {
	var wrong, idle []string
	if ic.Problem != "" {
		wrong = append(wrong, ic.Problem)
	}
	for _, m := range ic.Messages {
		text := m.Set + " " + m.Control + " was " + strings.ReplaceAll(m.Status, "_", " ")
		if len(m.Reasons) > 0 {
			text += ": " + strings.Join(m.Reasons, "; ")
		}
		if m.Status == "accepted" {
			idle = append(idle, text)
		} else {
			wrong = append(wrong, text)
		}
	}
	if len(wrong) > 0 {
		out.Raise = append(out.Raise, Exception{ExceptionKey: ExceptionKey{Cause: CauseEDIRejected, Subject: s.x.Ref},
			Detail: fmt.Sprintf("interchange %s of %s: %s", ic.Control, s.x.Source, quoted(wrong)),
			Next:   "the sender is told by the acknowledgment; agree on the correction, and have what was rejected sent again"})
	}
	if len(idle) > 0 {
		out.Raise = append(out.Raise, Exception{ExceptionKey: ExceptionKey{Cause: CauseEDINotTaken, Subject: s.x.Ref},
			Detail: fmt.Sprintf("interchange %s of %s: nothing followed from %s", ic.Control, s.x.Source, quoted(idle)),
			Next:   "correct the partner's profile or ask its sender, and replay the message"})
	}
}

func quoted(list []string) string {
	if len(list) > reasonsShown {
		return strings.Join(list[:reasonsShown], " | ") + fmt.Sprintf(" | and %d more", len(list)-reasonsShown)
	}
	return strings.Join(list, " | ")
}

func (s *Interchange) set(key string, state docState, code string) {
	for i := range s.x.Answers {
		if s.x.Answers[i].Key == key {
			s.x.Answers[i].State, s.x.Answers[i].Code = state, code
		}
	}
}

func (s *Interchange) find(key string) *answerDoc {
	for i := range s.x.Answers {
		if s.x.Answers[i].Key == key {
			return &s.x.Answers[i]
		}
	}
	return nil
}

// settle takes in what became of an acknowledgment.
func (s *Interchange) settle(a *Settled, out *Decision) {
	d := s.find(a.Key)
	if d == nil {
		return
	}
	if d.State == refused {
		out.Clear = append(out.Clear, ExceptionKey{Cause: d.cause(), Subject: d.Key})
	}
	switch a.Outcome {
	case OutcomeDone, OutcomePartial:
		s.set(a.Key, done, "")
	case OutcomePending:
		s.set(a.Key, pending, "")
	case OutcomeSkipped, OutcomeAbsent:
		s.set(a.Key, skipped, "")
	case OutcomeRefused:
		code := "refused"
		if a.Problem != nil && a.Problem.Code != "" {
			code = a.Problem.Code
		}
		s.set(a.Key, refused, code)
		out.Raise = append(out.Raise, Exception{ExceptionKey: ExceptionKey{Cause: d.cause(), Subject: d.Key},
			Detail: s.x.Source + " refused the " + d.Set + " for interchange " + s.x.Ref + ": " + code,
			Next:   "repair the cause and retry it, or skip it and tell the sender another way"})
	}
}

func (d *answerDoc) cause() string {
	return "refused_" + string(waybill.FunctionalAcknowledgment) + "_" + d.Code
}

// Compose implements [Flow].
func (s *Interchange) Compose(key string, p *Policy) (waybill.Document, error) {
	lane := waybill.Lane(waybill.FlowInterchange, s.x.Ref)
	d := s.find(key)
	if d == nil {
		return waybill.Document{}, fmt.Errorf("compose document %s of %s: it was never decided", key, lane)
	}
	out := waybill.Document{Kind: waybill.FunctionalAcknowledgment, Company: p.Company, Order: lane, Version: 1, Key: key,
		Lines: []waybill.DocumentLine{}, Target: s.x.Source, Lane: lane, Subject: s.x.Ref}
	var err error
	if out.Data, err = waybill.Marshal(acknowledgment{Interchange: s.x.Ref, Set: d.Set, Text: d.Text}); err != nil {
		return out, fmt.Errorf("compose document %s of %s: %w", key, lane, err)
	}
	return out, nil
}

// Fetch implements [Flow]: everything is in the state.
func (s *Interchange) Fetch(func(event int64) ([]byte, error)) error { return nil }

// Append implements [Flow].
func (s *Interchange) Append(b []byte) []byte { return appendBlob(b, &s.x) }

// Status implements [Flow]: it is no order.
func (s *Interchange) Status() waybill.Status { return "" }

// Customer implements [Flow].
func (s *Interchange) Customer() string { return "" }

// OpenValue implements [Flow].
func (s *Interchange) OpenValue() (waybill.Decimal, string) { return waybill.Decimal{}, "" }

// View implements [Flow].
func (s *Interchange) View() View { return emptyView(waybill.FlowInterchange, s.x.Ref) }
