package x12

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// Outgoing is an interchange to be written, with its envelope's numbers. Which
// numbers they are is the caller's: they are reserved where the bytes are kept.
type Outgoing struct {
	SenderQualifier, Sender     string
	ReceiverQualifier, Receiver string
	Version                     string // ISA12, like 00401
	Control                     int64  // ISA13, 1 to 999999999
	AckRequested                bool   // ISA14
	Usage                       string // ISA15: P, T or I
	Time                        time.Time
	Delimiters                  Delimiters
	Acks                        []InterchangeAck // TA1 segments, before the groups
	Groups                      []OutgoingGroup
	// Rendered are more groups, as a [Writer] with the same delimiters wrote
	// them. Nil: none.
	Rendered       io.Reader
	RenderedGroups int
}

// OutgoingGroup is a functional group to be written.
type OutgoingGroup struct {
	Code             string // GS01
	Sender, Receiver string // GS02 and GS03
	Control          int64  // GS06
	Version          string // GS08, like 004010
	Messages         []OutgoingMessage
}

// OutgoingMessage is a transaction set to be written: ST and SE are added.
type OutgoingMessage struct {
	Set, Control   string
	Implementation string // ST03
	Body           []Segment
}

// ControlMax is the highest control number of an interchange or a group; 1
// follows it.
const ControlMax = 999999999

// Bytes is the interchange as [Outgoing.Write] writes it.
func (o Outgoing) Bytes() ([]byte, error) {
	var b bytes.Buffer
	if err := o.Write(&b); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// Write writes the interchange with its counts. Data that holds a delimiter, an
// id that is too long or a number out of range is refused, and nothing of the
// output is of use then.
func (o Outgoing) Write(out io.Writer) error {
	w, err := NewWriter(out, o.Delimiters)
	if err != nil {
		return fmt.Errorf("write interchange %d: %w", o.Control, err)
	}
	isa, err := o.isa()
	if err != nil {
		return fmt.Errorf("write interchange %d: %w", o.Control, err)
	}
	segments := []Segment{isa}
	for _, a := range o.Acks {
		segments = append(segments, MakeSegment("TA1", a.Control, a.Date, a.Time, a.Result, a.Code))
	}
	for _, s := range segments {
		if err := w.Write(s); err != nil {
			return err
		}
	}
	for _, g := range o.Groups {
		if err := g.write(w, o.Time); err != nil {
			return fmt.Errorf("write interchange %d: %w", o.Control, err)
		}
	}
	if o.Rendered != nil {
		if _, err := io.Copy(w.out, o.Rendered); err != nil {
			return fmt.Errorf("write interchange %d: %w", o.Control, err)
		}
	}
	if err := w.Write(MakeSegment("IEA", strconv.Itoa(len(o.Groups)+o.RenderedGroups), isa.Element(13))); err != nil {
		return err
	}
	return w.Flush()
}

func (o Outgoing) isa() (Segment, error) {
	switch {
	case o.Control < 1 || o.Control > ControlMax:
		return Segment{}, fmt.Errorf("ISA13 %d: want 1 to %d", o.Control, ControlMax)
	case len(o.Sender) > 15 || len(o.Receiver) > 15:
		return Segment{}, fmt.Errorf("ISA06 %q, ISA08 %q: an id has at most 15 characters", o.Sender, o.Receiver)
	case len(o.SenderQualifier) != 2 || len(o.ReceiverQualifier) != 2:
		return Segment{}, fmt.Errorf("ISA05 %q, ISA07 %q: a qualifier has two characters", o.SenderQualifier, o.ReceiverQualifier)
	case len(o.Version) != 5 || len(o.Usage) != 1:
		return Segment{}, fmt.Errorf("ISA12 %q, ISA15 %q: want a version like 00401, and P, T or I", o.Version, o.Usage)
	}
	standard, ack := "U", "0"
	if o.Delimiters.Repetition != 0 {
		standard = string([]byte{o.Delimiters.Repetition})
	}
	if o.AckRequested {
		ack = "1"
	}
	blank := strings.Repeat(" ", 10)
	return MakeSegment("ISA", "00", blank, "00", blank, o.SenderQualifier, fmt.Sprintf("%-15s", o.Sender), o.ReceiverQualifier,
		fmt.Sprintf("%-15s", o.Receiver), o.Time.Format("060102"), o.Time.Format("1504"), standard, o.Version,
		fmt.Sprintf("%09d", o.Control), ack, o.Usage, string([]byte{o.Delimiters.Component})), nil
}

func (g OutgoingGroup) write(w *Writer, at time.Time) error {
	if g.Control < 1 || g.Control > ControlMax {
		return fmt.Errorf("GS06 %d: want 1 to %d", g.Control, ControlMax)
	}
	if err := w.Write(g.header(at)); err != nil {
		return err
	}
	for _, m := range g.Messages {
		if err := m.write(w); err != nil {
			return fmt.Errorf("set %s %s: %w", m.Set, m.Control, err)
		}
	}
	return w.Write(MakeSegment("GE", strconv.Itoa(len(g.Messages)), strconv.FormatInt(g.Control, 10)))
}

// header is the GS.
func (g OutgoingGroup) header(at time.Time) Segment {
	return MakeSegment("GS", g.Code, g.Sender, g.Receiver, at.Format("20060102"), at.Format("1504"), strconv.FormatInt(g.Control, 10), "X", g.Version)
}

func (m OutgoingMessage) write(w *Writer) error {
	if err := w.Write(MakeSegment("ST", m.Set, m.Control, m.Implementation)); err != nil {
		return err
	}
	for _, s := range m.Body {
		if err := w.Write(s); err != nil {
			return err
		}
	}
	return w.Write(MakeSegment("SE", strconv.Itoa(len(m.Body)+2), m.Control))
}
