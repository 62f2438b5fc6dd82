package edi

import (
	"fmt"
	"io"
	"strings"

	wire "github.com/waybillhq/waybill/edi"
	"github.com/waybillhq/waybill/edi/edifact"
	"github.com/waybillhq/waybill/edi/x12"
)

// ForeignProblem is what is said of an EDIFACT file as a whole.
const ForeignProblem = "the file is EDIFACT, which is not supported yet; X12 is"

// notSupported is the EDIFACT syntax error code (0085) for a message type that
// the receiver does not take: value not supported in this position.
const notSupported = "14"

// ForeignFault says of an EDIFACT message by its name that it is not supported.
func ForeignFault(m edifact.Message) wire.Fault {
	name := strings.TrimSpace(m.Set + " " + m.Version)
	return wire.Fault{Code: notSupported, Segment: "UNH", Position: 1, Element: 2, Level: string(x12.LevelSet), Value: m.Set,
		Detail: fmt.Sprintf("EDIFACT message %s is not supported yet; have it sent as X12", name)}
}

// ReportForeign writes the report of an EDIFACT file as JSON: each message is
// refused by its name, and nobody gets an acknowledgment.
func ReportForeign(in io.Reader, out io.Writer) error {
	w := wire.NewReportWriter(out)
	open := 0 // levels: interchange, group
	end := func(levels int) {
		for ; open >= levels; open-- {
			w.End()
		}
	}
	err := edifact.Read(in, edifact.Handler{
		Interchange: func(ic edifact.Interchange) error {
			end(1)
			w.BeginInterchange(wire.Interchange{Standard: wire.EDIFACT, Control: ic.Control, Sender: ic.Sender, Receiver: ic.Receiver, Test: ic.Test,
				Status: string(x12.Rejected)})
			open = 1
			return nil
		},
		Group: func(g edifact.Group) error {
			end(2)
			w.BeginGroup(wire.Group{Code: g.Code, Control: g.Control, Version: g.Version, Status: string(x12.Rejected)})
			open = 2
			return nil
		},
		Message: func(m edifact.Message) error {
			w.Message(wire.Message{Set: m.Set, Control: m.Control, Status: string(x12.Rejected), Errors: []wire.Fault{ForeignFault(m)}})
			return nil
		},
	})
	end(1)
	if closed := w.Close(func(func(io.Reader) bool) {}, ForeignProblem); err == nil {
		err = closed
	}
	return err
}
