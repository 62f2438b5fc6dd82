package tower

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"

	"github.com/waybillhq/waybill/edi/x12"
)

const (
	segmentsShown   = 1000 // of one interchange; the file has all of them
	ediFaultsShown  = 200
	ediElementMax   = 400 // characters of one element
	ediFaultReading = 10 << 20
)

// ediView is an interchange: what its segments mean, beside the segments.
type ediView struct {
	Message
	Now      time.Time
	Control  string
	Parties  string // sender to receiver, as the ISA has them
	Test     bool
	Segments []ediSegment
	Cut      bool     // there are more segments than are shown
	Problem  string   // why the rest can't be read
	Faults   []string // that stand at no segment
	Wrong    int      // faults in all
}

// ediSegment is a segment with what it is called.
type ediSegment struct {
	N        int // in the interchange, from 1; both sides are found by it
	Depth    string
	ID, Name string
	Raw      string
	Elements []ediElement
	Faults   []string
	offset   int64
}

// ediElement is an element that has a value.
type ediElement struct{ Ref, Name, Value, Meaning string }

func (t *tower) edi(ctx context.Context, id string) (view, error) {
	m, err := t.src.Message(ctx, id)
	if err != nil {
		return view{}, fmt.Errorf("interchange %s: %w", id, err)
	}
	if !isX12(m.Raw) {
		return view{}, moved{"/messages/" + url.PathEscape(id)}
	}
	v := layInterchange(m, t.now())
	return view{Title: "Interchange " + v.Control, Nav: "edi", page: "interchange", Body: v,
		Crumbs: []crumb{{"EDI", "/edi"}, {v.System, "/edi?system=" + url.QueryEscape(v.System)}, {v.Control, ""}}}, nil
}

// layInterchange reads the segments with their names, and puts what the
// standard finds wrong at the segment where it was found.
func layInterchange(m Message, now time.Time) ediView {
	v := ediView{Message: m, Now: now}
	in := x12.NewReader(bytes.NewReader(m.Raw))
	var schema *x12.Schema
	version, depth := "", 0
	for {
		seg, err := in.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			v.Problem = err.Error()
			break
		}
		if len(v.Segments) == segmentsShown {
			v.Cut = true
			break
		}
		switch seg.ID() {
		case "ISA":
			depth, schema = 0, nil
			v.open(seg)
		case "IEA":
			depth = 0
		case "GS":
			depth, version = 1, seg.Element(8)
		case "TA1", "GE":
			depth = 1
		case "ST":
			depth, schema = 2, x12.Standard().Schema(seg.Element(1), version)
		case "SE":
			depth = 2
		}
		v.Segments = append(v.Segments, laySegment(seg, len(v.Segments)+1, depth, schema, in.Delimiters()))
		if seg.ID() == "ST" {
			depth = 3
		}
	}
	v.judge()
	return v
}

// open notes what the first header says.
func (v *ediView) open(isa x12.Segment) {
	if v.Control != "" {
		return
	}
	text := func(n int) string { return strings.TrimSpace(isa.Element(n)) }
	v.Control, v.Test = text(13), text(15) == "T"
	v.Parties = text(5) + "/" + text(6) + " to " + text(7) + "/" + text(8)
}

func laySegment(seg x12.Segment, n, depth int, schema *x12.Schema, d x12.Delimiters) ediSegment {
	out := ediSegment{N: n, Depth: [...]string{"d0", "d1", "d2", "d3"}[depth], ID: seg.ID(), Name: envelopeNames[seg.ID()], offset: seg.Offset(),
		Raw: clipped(strings.Join(append([]string{seg.ID()}, seg.Elements()...), string(rune(d.Element))))}
	if out.Name == "" && schema != nil {
		out.Name = schema.SegmentName(seg.ID())
	}
	if seg.ID() == "ST" && schema != nil {
		out.Name = schema.Name
	}
	for i := 1; i <= seg.Len(); i++ {
		if !seg.Has(i) {
			continue
		}
		value := strings.TrimSpace(seg.Element(i))
		e := ediElement{Ref: fmt.Sprintf("%s%02d", seg.ID(), i), Value: clipped(value)}
		e.Meaning = codeMeanings[e.Ref+" "+value]
		if e.Name = elementNames[e.Ref]; e.Name == "" && schema != nil {
			e.Name = schema.ElementName(seg.ID(), i)
		}
		out.Elements = append(out.Elements, e)
	}
	return out
}

func clipped(text string) string {
	if r := []rune(text); len(r) > ediElementMax {
		return string(r[:ediElementMax]) + "…"
	}
	return text
}

// judge reads the interchange by the plain standard, for the places of faults.
// What its partner's profile makes of them is in the verdict and in the
// acknowledgment.
func (v *ediView) judge() {
	if len(v.Raw) > ediFaultReading {
		v.Faults = []string{"too large to be checked on a page; download it and read it with waybill edi read"}
		return
	}
	at := map[int64]int{}
	for i := range v.Segments {
		at[v.Segments[i].offset] = i
	}
	note := func(place int, known bool, f x12.Fault) {
		v.Wrong++
		text := fmt.Sprintf("%s error %s: %s", f.Level, f.Code, f.Detail)
		switch {
		case known:
			v.Segments[place].Faults = append(v.Segments[place].Faults, text)
		case len(v.Faults) < ediFaultsShown:
			v.Faults = append(v.Faults, text)
		}
	}
	err := x12.Read(bytes.NewReader(v.Raw), x12.Options{}, x12.Handler{
		Message: func(m *x12.Message) error {
			for _, f := range m.Faults {
				if f.Position < 1 || m.Len() == 0 {
					note(0, false, f)
					continue
				}
				place, known := at[m.Segment(min(f.Position, m.Len())-1).Offset()]
				note(place, known, f)
			}
			return nil
		},
		EndGroup: func(g *x12.Group) error {
			for _, f := range g.Faults {
				note(0, false, f)
			}
			return nil
		},
		End: func(ic *x12.Interchange) error {
			for _, f := range ic.Faults {
				note(0, len(v.Segments) > 0 && f.Segment == "ISA", f)
			}
			return nil
		},
	})
	var syntax *x12.SyntaxError
	if err != nil && v.Problem == "" && !errors.As(err, &syntax) {
		v.Problem = err.Error()
	}
}
