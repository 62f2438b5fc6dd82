package tower

import (
	"cmp"
	"fmt"
	"slices"
)

// flow.go places the systems around Waybill: who asks at the left, who is asked
// at the right, what is on its way in the middle.

// flow is the map of the systems around Waybill.
type flow struct {
	Height      int
	Top         int // where the boxes inside Waybill begin
	In, Out     int // per minute
	Left, Right []flowNode
	Boxes       []flowBox
	Folded      int // healthy systems that are not drawn
}

// flowNode is a system with its two arrows.
type flowNode struct {
	System
	X, Y         int
	ToUs, FromUs flowArrow
	Waiting      string
	Tone         string // bad, warn, shadow or empty
}

// flowArrow is one direction between a system and Waybill.
type flowArrow struct {
	Show           bool
	X1, X2, Y      int
	HeadX          int // where the head's back ends are
	Width          string
	Word           string
	WordX, WordY   int
	Tone           string
	Dashed, Dotted bool
}

// Stroke is the line's colour, HeadStroke its head's.
func (a flowArrow) Stroke() string { return toneOr(a.Tone, "var(--line-2)") }

// HeadStroke is a little stronger than the line, so that thin ones show a way.
func (a flowArrow) HeadStroke() string { return toneOr(a.Tone, "var(--control)") }

// Head is the path of the arrow's head.
func (a flowArrow) Head() string {
	tip := a.HeadX + 7
	if a.X2 < a.X1 {
		tip = a.HeadX - 7
	}
	return fmt.Sprintf("M%d %d.8L%d %dL%d %d.2", a.HeadX, a.Y-5, tip, a.Y, a.HeadX, a.Y+4)
}

// TextClass is the word's colour.
func (a flowArrow) TextClass() string {
	switch a.Tone {
	case "bad":
		return "tb u-fw-600"
	case "warn":
		return "tw u-fw-600"
	case "shadow":
		return "ts u-fw-600"
	}
	return "t3"
}

func toneOr(tone, plain string) string {
	if tone == "" {
		return plain
	}
	return "var(--" + tone + ")"
}

// flowBox is one state inside Waybill.
type flowBox struct {
	Y     int
	Word  string
	Sub   string
	Count int
	Tone  string
}

// Y1, Y2 and Y3 are the lines of a box's text.
func (b flowBox) Y1() int { return b.Y + 20 }

// Y2 is the second line.
func (b flowBox) Y2() int { return b.Y + 37 }

// Y3 is where the count stands.
func (b flowBox) Y3() int { return b.Y + 29 }

// Inner is the height of Waybill's own frame, Head and Sub its two lines.
func (f flow) Inner() int { return f.Height - 12 }

// Head is the line with the name.
func (f flow) Head() int { return f.Top + 28 }

// Sub is the line with the rates.
func (f flow) Sub() int { return f.Top + 46 }

// Rate is what a system moves in a minute, both ways.
func (n flowNode) Rate() int { return n.InRate + n.OutRate }

// Worst are all systems, the worst first, for a narrow screen.
func (f flow) Worst() []flowNode {
	all := slices.Concat(f.Left, f.Right)
	rank := []Health{Blocked, Degraded, Healthy, Shadow}
	slices.SortStableFunc(all, func(a, b flowNode) int {
		return cmp.Compare(slices.Index(rank, a.Health), slices.Index(rank, b.Health))
	})
	return all
}

const (
	flowSideMax = 6 // systems drawn on a side; above it healthy ones are folded
	flowNodeH   = 70
	flowPitch   = 88
	flowBoxStep = 57
)

// leftOfMap says on which side of Waybill a system is drawn: who asks stands left.
func leftOfMap(s System) bool {
	switch s.Role {
	case "channel", "oms", "crm":
		return true
	}
	return s.Source && !s.Target
}

// layFlow places the systems around the boxes of what Waybill has to do.
func layFlow(o Overview) flow {
	f := flow{}
	var left, right []System
	for _, s := range o.Systems {
		f.In += s.InRate
		f.Out += s.OutRate
		if leftOfMap(s) {
			left = append(left, s)
		} else {
			right = append(right, s)
		}
	}
	left, foldedLeft := foldHealthy(left)
	right, foldedRight := foldHealthy(right)
	f.Folded = foldedLeft + foldedRight
	f.Boxes = flowBoxes(o)
	inner := 66 + len(f.Boxes)*flowBoxStep
	f.Height = max(inner+8, max(len(left), len(right))*flowPitch) + 12
	f.Top = 4 + (f.Inner()-inner)/2
	for i := range f.Boxes {
		f.Boxes[i].Y = f.Top + 66 + i*flowBoxStep
	}
	for i, s := range left {
		f.Left = append(f.Left, layNode(s, true, nodeY(i, len(left), f.Height)))
	}
	for i, s := range right {
		f.Right = append(f.Right, layNode(s, false, nodeY(i, len(right), f.Height)))
	}
	return f
}

func nodeY(i, n, height int) int {
	free := height - n*flowNodeH
	return free*(2*i+1)/(2*n) + i*flowNodeH
}

// foldHealthy keeps a side readable: what is not healthy is always drawn.
func foldHealthy(systems []System) (kept []System, folded int) {
	room := flowSideMax
	for _, s := range systems {
		if s.Health != Healthy {
			room--
		}
	}
	for _, s := range systems {
		switch {
		case s.Health != Healthy:
			kept = append(kept, s)
		case room > 0:
			kept, room = append(kept, s), room-1
		default:
			folded++
		}
	}
	return kept, folded
}

func flowBoxes(o Overview) []flowBox {
	d := o.Deliveries
	boxes := []flowBox{
		{Word: "To decide", Sub: "taken in, not yet decided", Count: o.Undecided},
		{Word: "Ready", Sub: "could go now", Count: d.Ready},
		{Word: "In flight", Sub: "sent, no answer yet", Count: d.InFlight},
		{Word: "Waiting", Sub: "has its own due time", Count: d.Waiting},
		{Word: "In doubt", Sub: "looked up first", Count: d.InDoubt},
		{Word: "Parked", Sub: "needs a person", Count: d.Parked},
	}
	if d.InDoubt > 0 {
		boxes[4].Tone = "warn"
	}
	if d.Parked > 0 {
		boxes[5].Tone = "bad"
	}
	return boxes
}

// flowWords say what runs on the two arrows of a role.
var flowWords = map[string][2]string{
	"channel":  {"orders", "answers, tracking"},
	"oms":      {"orders", "answers, tracking"},
	"wms":      {"confirms, stock", "warehouse orders"},
	"erp":      {"items, customers", "postings, invoices"},
	"carrier":  {"tracking", "labels"},
	"tms":      {"status", "bookings"},
	"supplier": {"shipments", "purchase orders"},
	"tax":      {"answers", "tax"},
}

func layNode(s System, left bool, y int) flowNode {
	n := flowNode{System: s, X: 792, Y: y, Tone: healthTone(s.Health)}
	words, known := flowWords[s.Role]
	if !known {
		words = [2]string{"events", "documents"}
	}
	mid := y + flowNodeH/2
	upper, lower := mid-6, mid+6
	in := flowArrow{Show: s.Source, Word: words[0], Tone: n.Tone, Width: flowWidth(s.InRate)}
	out := flowArrow{Show: s.Target, Word: words[1], Tone: n.Tone, Width: flowWidth(s.OutRate)}
	if left {
		n.X = 0
		in.X1, in.X2, in.Y, in.HeadX, in.WordX, in.WordY = 212, 394, upper, 389, 303, upper-7
		out.X1, out.X2, out.Y, out.HeadX, out.WordX, out.WordY = 394, 214, lower, 219, 303, lower+16
	} else {
		out.X1, out.X2, out.Y, out.HeadX, out.WordX, out.WordY = 606, 787, upper, 782, 697, upper-7
		in.X1, in.X2, in.Y, in.HeadX, in.WordX, in.WordY = 788, 607, lower, 612, 697, lower+16
	}
	if s.Target { // trouble belongs to the direction that it stops
		in.Tone = ""
	}
	if s.Health == Shadow {
		in.Dashed, out.Dashed = true, true
	}
	if s.Health == Blocked {
		out.Dotted = s.Target
		if s.Note != "" && len(s.Note) <= 28 {
			out.Word = s.Note
		}
	}
	n.ToUs, n.FromUs = in, out
	n.Waiting = backlogWord(s)
	return n
}

func backlogWord(s System) string {
	b := s.Backlog
	switch {
	case s.Health == Shadow:
		return "compare only"
	case b.Parked > 0:
		return thousands(b.Parked) + " parked"
	case b.InDoubt > 0:
		return thousands(b.InDoubt) + " in doubt"
	case !s.Target:
		return ""
	case s.Drain > 0:
		return thousands(b.Ready+b.Waiting+b.InFlight) + " waiting, " + duration(s.Drain)
	default:
		return thousands(b.Ready+b.Waiting+b.InFlight) + " waiting"
	}
}

func healthTone(h Health) string {
	switch h {
	case Blocked:
		return "bad"
	case Degraded:
		return "warn"
	case Shadow:
		return "shadow"
	}
	return ""
}

// flowWidth grows with the volume, slowly: each threefold adds the same.
func flowWidth(perMinute int) string {
	w := 16
	for ; perMinute > 0; perMinute /= 3 {
		w += 5
	}
	return tenths(min(w, 52))
}
