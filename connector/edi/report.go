package edi

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"time"

	"github.com/waybillhq/waybill"
	wire "github.com/waybillhq/waybill/edi"
	"github.com/waybillhq/waybill/edi/x12"
)

// Verdicts are what a first reading of a file found: enough to say, at a second
// one, of every set whether its group and its interchange were accepted. They
// grow with the interchanges of a file, not with what is in them.
type Verdicts struct {
	Interchanges    []Verdict
	Acknowledgments []string // as they go on the wire
	Problem         string   // why the file could not be read to its end; "" where it could
	Findings        bool     // something was rejected or accepted with errors
}

// Verdict is what became of one interchange.
type Verdict struct {
	*x12.Interchange
	Wrong map[int]*x12.Group // by their number: the groups that were not accepted without a fault
}

// of is the group of this reading with what became of it.
func (v Verdict) of(g *x12.Group) *x12.Group {
	if judged := v.Wrong[g.N]; judged != nil {
		return judged
	}
	g.Status = x12.Accepted
	return g
}

// Judge reads a file to its end and says what is accepted, and what its senders
// get in answer. memory may be nil. The error is that of in.
func (p *Profile) Judge(in io.Reader, memory x12.Memory, at time.Time) (*Verdicts, error) {
	var acks []string
	v, err := p.JudgeTo(in, memory, at, nil, func(o x12.Outgoing) error {
		b, err := o.Bytes()
		acks = append(acks, string(b))
		return err
	})
	v.Acknowledgments = acks
	return v, err
}

// JudgeTo is Judge for files of any size: each acknowledgment is handed over to
// be written at once, and none is kept in the verdicts. The spool is
// [x12.NewAcknowledger]'s.
func (p *Profile) JudgeTo(in io.Reader, memory x12.Memory, at time.Time, spool x12.Spool, answer func(x12.Outgoing) error) (*Verdicts, error) {
	v := &Verdicts{}
	acks := x12.NewAcknowledger(func(ic *x12.Interchange) x12.AckPolicy {
		partner, _ := p.Of(ic)
		return partner.AckPolicy(at)
	}, spool)
	var groups map[int]*x12.Group
	err := x12.Read(in, x12.Options{Rules: p.Rules, Memory: memory}, x12.Handler{
		Begin: acks.Begin,
		Message: func(m *x12.Message) error {
			v.Findings = v.Findings || m.Status != x12.Accepted
			return acks.Message(m)
		},
		EndGroup: func(g *x12.Group) error {
			if g.Status != x12.Accepted {
				if groups == nil {
					groups = map[int]*x12.Group{}
				}
				groups[g.N] = g
				v.Findings = true
			}
			return acks.EndGroup(g)
		},
		End: func(ic *x12.Interchange) error {
			v.Interchanges = append(v.Interchanges, Verdict{Interchange: ic, Wrong: groups})
			groups = nil
			v.Findings = v.Findings || ic.Status != x12.Accepted
			for _, o := range acks.Answers(ic) {
				if err := answer(o); err != nil {
					return fmt.Errorf("acknowledge interchange %s: %w", ic.Control, err)
				}
			}
			return nil
		},
	})
	var syntax *x12.SyntaxError
	switch {
	case errors.As(err, &syntax):
		v.Problem, v.Findings, err = syntax.Error(), true, nil
	case err == nil && len(v.Interchanges) == 0:
		v.Problem, v.Findings = "the file is empty", true
	}
	return v, err
}

// Report writes a judged file, read again from in, as JSON, with the
// acknowledgments that it gets.
func (t *Translator) Report(in io.Reader, v *Verdicts, acknowledgments iter.Seq[io.Reader], out io.Writer) error {
	w := wire.NewReportWriter(out)
	open := 0 // levels: interchange, group
	end := func(levels int) {
		for ; open >= levels; open-- {
			w.End()
		}
	}
	err := t.OutcomesAhead(in, v, func(ic *Verdict, g *x12.Group) error {
		if g == nil {
			end(1)
			w.BeginInterchange(interchangeReport(ic))
			open = 1
			return nil
		}
		end(2)
		w.BeginGroup(wire.Group{Code: g.Code, Control: g.Control, Version: g.Version, Status: string(g.Status), Errors: faultReport(g.Faults)})
		open = 2
		return nil
	}, func(o Outcome) error {
		m := wire.Message{Set: o.Set, Control: o.Control, Status: string(o.Final), Errors: faultReport(o.Faults),
			Events: o.Translation.Events, Notes: o.Translation.Notes}
		if ack, ok := x12.ReadGroupAck(o.Message); ok {
			m.Acknowledges = ackReport(ack)
		}
		w.Message(m)
		return nil
	})
	end(1)
	if closed := w.Close(acknowledgments, v.Problem); err == nil {
		err = closed
	}
	return err
}

func interchangeReport(ic *Verdict) wire.Interchange {
	out := wire.Interchange{Standard: wire.X12, Control: ic.Control, Sender: ic.SenderQualifier + "/" + ic.Sender,
		Receiver: ic.ReceiverQualifier + "/" + ic.Receiver, Test: ic.Usage == "T", Status: string(ic.Status), Errors: faultReport(ic.Faults)}
	if len(ic.Acks) > 0 {
		answers := make([]map[string]string, 0, len(ic.Acks))
		for _, a := range ic.Acks {
			answers = append(answers, map[string]string{"interchange": a.Control, "result": a.Result, "code": a.Code})
		}
		out.Answers = answers
	}
	return out
}

// setAnswer is what a 997 or 999 says of one of our sets.
type setAnswer struct {
	Set     string       `json:"set"`
	Control string       `json:"control"`
	Result  string       `json:"result"`
	Codes   []string     `json:"codes,omitzero"`
	Errors  []wire.Fault `json:"errors,omitzero"`
}

type groupAnswer struct {
	Group    string      `json:"group"`
	Control  string      `json:"control"`
	Result   string      `json:"result"`
	Codes    []string    `json:"codes,omitzero"`
	Messages []setAnswer `json:"messages,omitzero"`
}

func ackReport(a x12.GroupAck) groupAnswer {
	out := groupAnswer{Group: a.Code, Control: a.Control, Result: a.Result, Codes: a.Notes}
	for _, s := range a.Sets {
		answer := setAnswer{Set: s.Set, Control: s.Control, Result: s.Result, Codes: s.Notes}
		if len(s.Faults) > 0 {
			answer.Errors = faultReport(s.Faults)
		}
		out.Messages = append(out.Messages, answer)
	}
	return out
}

func faultReport(list []x12.Fault) []wire.Fault {
	out := make([]wire.Fault, 0, len(list))
	for _, f := range list {
		out = append(out, wire.Fault{Code: f.Code, Segment: f.Segment, Position: f.Position, Element: f.Element, Component: f.Component,
			Reference: f.Reference, Level: string(f.Level), Value: f.Value, Detail: f.Detail})
	}
	return out
}

// History is what came before: the interchanges and the orders of earlier
// files. It is a [connector.Book] and an [x12.Memory].
type History struct {
	interchanges map[string][][32]byte
	orders       map[string]*waybill.Order
}

// Received notes an interchange and says what was known of it.
func (h *History) Received(key string, digest [32]byte) x12.Seen {
	before := h.interchanges[key]
	if h.interchanges == nil {
		h.interchanges = map[string][][32]byte{}
	}
	h.interchanges[key] = append(before, digest)
	for _, d := range before {
		if d == digest {
			return x12.Same
		}
	}
	if len(before) > 0 {
		return x12.Different
	}
	return x12.New
}

// Order is the version of an order that came last.
func (h *History) Order(ref string) *waybill.Order { return h.orders[ref] }

// Learn takes the orders of a set in.
func (h *History) Learn(o Outcome) {
	for _, e := range o.Translation.Events {
		order, ok := e.Body.(*waybill.Order)
		if !ok {
			continue
		}
		if h.orders == nil {
			h.orders = map[string]*waybill.Order{}
		}
		h.orders[order.Order] = order
	}
}

// ReadBefore takes a file in that was received earlier. The error is that of
// the file or of its translation.
func (h *History) ReadBefore(t *Translator, open func() (io.ReadCloser, error), at time.Time) error {
	first, err := open()
	if err != nil {
		return err
	}
	defer func() { _ = first.Close() }()
	v, err := t.Profile.Judge(first, h, at)
	if err != nil {
		return err
	}
	if v.Problem != "" {
		return fmt.Errorf("read what came before: %s", v.Problem)
	}
	again, err := open()
	if err != nil {
		return err
	}
	defer func() { _ = again.Close() }()
	return t.Outcomes(again, v, func(*Verdict, *x12.Group) error { return nil }, func(o Outcome) error {
		h.Learn(o)
		return nil
	})
}
