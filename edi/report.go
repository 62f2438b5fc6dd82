package edi

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/waybillhq/waybill"
)

// Fault is something wrong with a message, in the code of its acknowledgment.
// Level says which list the code is of: element, segment, set, group or
// interchange. Element is 0 where the fault is not about one.
type Fault struct {
	Code      string `json:"code"`
	Segment   string `json:"segment"`
	Position  int    `json:"position"` // of the segment in its set, from 1; 0 outside of sets
	Element   int    `json:"element"`
	Component int    `json:"component,omitzero"`
	Reference int    `json:"reference,omitzero"` // data element number
	Level     string `json:"level"`
	Value     string `json:"value,omitzero"`
	Detail    string `json:"detail"`
}

// Message is what became of one message: its verdict, what is wrong with it and
// the events that it makes.
type Message struct {
	Set          string          `json:"set"`
	Control      string          `json:"control"`
	Status       string          `json:"status"` // accepted, accepted_with_errors, rejected
	Errors       []Fault         `json:"errors"`
	Events       []waybill.Event `json:"events"`
	Notes        []string        `json:"notes,omitzero"`
	Acknowledges any             `json:"acknowledges,omitzero"` // of a message that answers one of ours
}

// Group is a functional group. Its messages are written between its beginning
// and its end.
type Group struct {
	Code    string
	Control string
	Version string
	Status  string
	Errors  []Fault
}

// Interchange is an interchange. Its groups are written between its beginning
// and its end.
type Interchange struct {
	Standard Standard
	Control  string
	Sender   string
	Receiver string
	Test     bool
	Status   string
	Errors   []Fault
	Answers  any // acknowledgments of interchanges of ours in it (TA1); nil: none
}

// ReportWriter writes the report of a reading as JSON while it goes on, so that
// a file of any size is reported in little memory:
//
//	{"interchanges":[{"standard","control",…,"groups":[{…,"messages":[…]}]}],
//	 "acknowledgments":["…"],"problem":"…"}
//
// The first error is kept and returned by Close.
type ReportWriter struct {
	out *bufio.Writer
	enc *jsontext.Encoder // of the interchanges
	err error
}

// NewReportWriter begins a report.
func NewReportWriter(out io.Writer) *ReportWriter {
	w := &ReportWriter{out: bufio.NewWriter(out)}
	_, w.err = w.out.WriteString("{\n  \"interchanges\": ")
	w.enc = jsontext.NewEncoder(w.out, jsontext.WithIndentPrefix("  "), jsontext.WithIndent("  "), jsontext.AllowDuplicateNames(true)) // they were looked for when the values were made
	w.token(jsontext.BeginArray)
	return w
}

func (w *ReportWriter) token(t jsontext.Token) {
	if w.err == nil {
		w.err = w.enc.WriteToken(t)
	}
}

func (w *ReportWriter) value(v any) {
	if w.err == nil {
		w.err = json.MarshalEncode(w.enc, v, json.Deterministic(true))
	}
}

func (w *ReportWriter) member(name string, v any) {
	w.token(jsontext.String(name))
	w.value(v)
}

// BeginInterchange writes what is known of an interchange, up to its groups.
func (w *ReportWriter) BeginInterchange(ic Interchange) {
	w.token(jsontext.BeginObject)
	w.member("standard", ic.Standard)
	w.member("control", ic.Control)
	w.member("sender", ic.Sender)
	w.member("receiver", ic.Receiver)
	if ic.Test {
		w.member("test", true)
	}
	w.member("status", ic.Status)
	w.member("errors", faults(ic.Errors))
	if ic.Answers != nil {
		w.member("acknowledges", ic.Answers)
	}
	w.token(jsontext.String("groups"))
	w.token(jsontext.BeginArray)
}

// BeginGroup writes what is known of a group, up to its messages.
func (w *ReportWriter) BeginGroup(g Group) {
	w.token(jsontext.BeginObject)
	w.member("code", g.Code)
	w.member("control", g.Control)
	w.member("version", g.Version)
	w.member("status", g.Status)
	w.member("errors", faults(g.Errors))
	w.token(jsontext.String("messages"))
	w.token(jsontext.BeginArray)
}

// Message writes one message.
func (w *ReportWriter) Message(m Message) {
	m.Errors = faults(m.Errors)
	if m.Events == nil {
		m.Events = []waybill.Event{}
	}
	w.value(m)
}

// End closes the group or the interchange that was begun last.
func (w *ReportWriter) End() {
	w.token(jsontext.EndArray)
	w.token(jsontext.EndObject)
}

// Close ends the report with the acknowledgments that are owed, and with why
// the file could not be read to its end; "" where it could.
func (w *ReportWriter) Close(acknowledgments iter.Seq[io.Reader], problem string) error {
	w.token(jsontext.EndArray)
	w.text(`  ,"acknowledgments": [`)
	n := 0
	for a := range acknowledgments {
		if n++; n > 1 {
			w.text(",")
		}
		w.text("\n    \"")
		w.escaped(a)
		w.text("\"")
	}
	w.text("]")
	if problem != "" {
		b, err := waybill.Marshal(problem)
		if w.err == nil {
			w.err = err
		}
		w.text(",\n  \"problem\": " + string(b))
	}
	w.text("\n}\n")
	if w.err != nil {
		return w.err
	}
	return w.out.Flush()
}

func (w *ReportWriter) text(s string) {
	if w.err == nil {
		_, w.err = w.out.WriteString(s)
	}
}

// escaped writes text of any length as the inside of a JSON string.
func (w *ReportWriter) escaped(text io.Reader) {
	in := bufio.NewReader(text)
	for w.err == nil {
		r, _, err := in.ReadRune()
		if errors.Is(err, io.EOF) {
			return
		}
		switch {
		case err != nil:
			w.err = err
		case r == '"' || r == '\\':
			_, w.err = w.out.Write([]byte{'\\', byte(r)})
		case r < ' ' || r == 0x7f:
			_, w.err = fmt.Fprintf(w.out, "\\u%04x", r)
		default:
			_, w.err = w.out.WriteRune(r)
		}
	}
}

func faults(list []Fault) []Fault {
	if list == nil {
		return []Fault{}
	}
	return list
}
