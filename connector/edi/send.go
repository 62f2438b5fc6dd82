package edi

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/connector"
	"github.com/waybillhq/waybill/edi/x12"
)

// ContentType is that of every interchange (RFC 1767).
const ContentType = "application/EDI-X12"

// Render implements [connector.Renderer]: each document is an interchange with
// one group and one set, so that every acknowledgment names one document.
func (s *system) Render(d waybill.Document) (connector.Rendered, error) {
	if d.Kind == waybill.FunctionalAcknowledgment {
		body, err := renumber(d)
		return connector.Rendered{Body: body, ContentType: ContentType}, err
	}
	if s.sends[d.Kind] == "" {
		return connector.Rendered{ContentType: ContentType}, nil
	}
	zone, err := s.partner.location()
	if err != nil {
		return connector.Rendered{}, err
	}
	out := connector.Rendered{ContentType: ContentType}
	if out.Doubts, err = s.prove(d); err != nil {
		return out, err
	}
	number := ""
	if d.Kind == waybill.InvoiceNotice {
		var data struct {
			Invoice string `json:"invoice"`
		}
		if err := waybill.Unmarshal(d.Data, &data); err != nil {
			return out, fmt.Errorf("read the invoice of order %s: %w", d.Order, err)
		}
		number = data.Invoice
	}
	at := d.At.In(zone)
	set, err := s.partner.Render(Job{Document: d, Order: d.Placed, At: at, Number: number})
	if err != nil {
		return out, err
	}
	out.Body, err = s.envelope(d.Control, at, set)
	if err != nil {
		return out, fmt.Errorf("render %s of order %s: %w", d.Kind, d.Order, err)
	}
	return out, nil
}

// envelope puts a set into its group and interchange.
func (s *system) envelope(control int64, at time.Time, set Rendered) ([]byte, error) {
	isa := s.release[:5] // 004010 goes in 00401
	d := s.partner.WireDelimiters(isa)
	if s.lineEnds {
		d.LineEnd = "\n"
	}
	usQualifier, us, _ := strings.Cut(s.us, "/")
	themQualifier, them, _ := strings.Cut(s.them, "/")
	return x12.Outgoing{SenderQualifier: usQualifier, Sender: us, ReceiverQualifier: themQualifier, Receiver: them, Version: isa,
		Control: control, Usage: s.usage, Time: at, Delimiters: d,
		Groups: []x12.OutgoingGroup{{Code: set.Group, Sender: s.usGS, Receiver: s.themGS, Control: control, Version: s.release,
			Messages: []x12.OutgoingMessage{{Set: set.Set, Control: "0001", Body: set.Body}}}}}.Bytes()
}

// answersOf cuts an acknowledgment into interchanges of one group each: each
// gets a control number of its own.
func answersOf(text string) []waybill.InterchangeAnswer {
	var isa x12.Segment
	var body []x12.Segment
	var out []waybill.InterchangeAnswer
	in := x12.NewReader(strings.NewReader(text))
	set := ""
	for {
		seg, err := in.Next()
		if err != nil {
			return out
		}
		switch seg.ID() {
		case "ISA":
			isa, body, set = seg, nil, ""
			continue
		case "IEA":
			if set == "TA1" {
				out = append(out, answer(in.Delimiters(), set, isa, body, "0"))
			}
			continue
		case "TA1":
			set = "TA1"
		case "ST":
			set = seg.Element(1)
		}
		body = append(body, seg)
		if seg.ID() == "GE" {
			out = append(out, answer(in.Delimiters(), set, isa, body, "1"))
			body, set = nil, ""
		}
	}
}

func answer(d x12.Delimiters, set string, isa x12.Segment, body []x12.Segment, groups string) waybill.InterchangeAnswer {
	var b bytes.Buffer
	segments := append(append([]x12.Segment{isa}, body...), x12.MakeSegment("IEA", groups, isa.Element(13)))
	w, err := x12.NewWriter(&b, d)
	if err == nil {
		err = writeAll(w, segments)
	}
	if err != nil { // it was written with these delimiters before
		return waybill.InterchangeAnswer{Set: set}
	}
	return waybill.InterchangeAnswer{Set: set, Text: b.String()}
}

func writeAll(w *x12.Writer, segments []x12.Segment) error {
	for _, s := range segments {
		if err := w.Write(s); err != nil {
			return err
		}
	}
	return w.Flush()
}

// renumber gives an acknowledgment its own control numbers and time.
func renumber(d waybill.Document) ([]byte, error) {
	var data struct {
		Text string `json:"text"`
	}
	if err := waybill.Unmarshal(d.Data, &data); err != nil {
		return nil, fmt.Errorf("read the acknowledgment %s: %w", d.Subject, err)
	}
	isa, group := fmt.Sprintf("%09d", d.Control), strconv.FormatInt(d.Control, 10)
	at := d.At.UTC()
	var segments []x12.Segment
	in := x12.NewReader(strings.NewReader(data.Text))
	for {
		seg, err := in.Next()
		if errors.Is(err, io.EOF) && len(segments) > 0 {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("read the acknowledgment %s: %w", d.Subject, err)
		}
		switch seg.ID() {
		case "ISA":
			seg = with(seg, map[int]string{9: at.Format("060102"), 10: at.Format("1504"), 13: isa})
		case "GS":
			seg = with(seg, map[int]string{4: at.Format("20060102"), 5: at.Format("1504"), 6: group})
		case "GE":
			seg = with(seg, map[int]string{2: group})
		case "IEA":
			seg = with(seg, map[int]string{2: isa})
		}
		segments = append(segments, seg)
	}
	var b bytes.Buffer
	w, err := x12.NewWriter(&b, in.Delimiters())
	if err == nil {
		err = writeAll(w, segments)
	}
	return b.Bytes(), err
}

// with is a segment with other elements in some places.
func with(s x12.Segment, elements map[int]string) x12.Segment {
	list := s.Elements()
	for n, v := range elements {
		if n <= len(list) {
			list[n-1] = v
		}
	}
	return x12.MakeSegment(s.ID(), list...)
}
