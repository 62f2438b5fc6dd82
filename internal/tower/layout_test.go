package tower

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// TestLanes_Layout draws orders of any shape: entries keep their order from left
// to right, stay inside, and no two share a place while there is room.
func TestLanes_Layout(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 300).Draw(t, "entries")
		o := Order{Order: "SO-1", Status: rapid.SampledFrom(statuses).Draw(t, "status")}
		now := noon
		when := noon.Add(-time.Duration(rapid.Int64Range(0, int64(400*24*time.Hour)).Draw(t, "start")))
		for i := range n {
			gap := rapid.SampledFrom([]time.Duration{0, time.Microsecond, 3 * time.Millisecond, time.Second, time.Minute, 26 * time.Hour}).Draw(t, "gap")
			when = when.Add(gap)
			o.Timeline = append(o.Timeline, Entry{ID: fmt.Sprint(i), At: when, Kind: rapid.SampledFrom([]EntryKind{Event, Decision, Sent, Receipt}).Draw(t, "kind"),
				System: rapid.SampledFrom([]string{"", "erp", "wms", "shop"}).Draw(t, "system"), Role: "erp", Short: "word", State: rapid.SampledFrom([]string{"done", "parked", "waiting"}).Draw(t, "state")})
		}
		if rapid.Bool().Draw(t, "promised") {
			o.Promise = &Promise{Label: "ship by", At: now.Add(time.Duration(rapid.IntRange(-72, 72).Draw(t, "promise")) * time.Hour)}
		}
		l := layLanes(o, now)
		drawn := min(n, laneEntryMax)
		if got := len(l.Arrows) + len(l.Dots); got != drawn || l.Left != n-drawn {
			t.Fatalf("%d entries are drawn and %d left out of %d", got, l.Left, n)
		}
		before := 0
		for _, a := range l.Arrows {
			if a.X < before || a.X < laneLabelW || a.X > laneEnd {
				t.Fatalf("an arrow at %d after one at %d, want them in order between %d and %d", a.X, before, laneLabelW, laneEnd)
			}
			before = a.X
			if l.Now != nil && a.X > l.Now.X {
				t.Fatalf("an arrow at %d is after now at %d", a.X, l.Now.X)
			}
		}
		end := 0
		for _, tick := range l.Ticks {
			if half := 3 * len(tick.Text); tick.TextX-half < end {
				t.Fatalf("the time %q at %d touches the one before, which ends at %d", tick.Text, tick.TextX, end)
			} else {
				end = tick.TextX + half
			}
		}
		for _, b := range l.Bars {
			if b.W <= 0 || b.X+b.W > 1000 {
				t.Fatalf("a bar from %d is %d wide", b.X, b.W)
			}
		}
	})
}

func TestIdleGaps(t *testing.T) {
	clock := func(minutes ...int) (out []time.Time) {
		for _, m := range minutes {
			out = append(out, noon.Add(time.Duration(m)*time.Minute))
		}
		return out
	}
	for name, test := range map[string]struct {
		at   []time.Time
		want []int
	}{
		"a night between two shifts":       {clock(0, 1, 2, 900, 960, 1020, 1080), []int{2}},
		"an even pace":                     {clock(0, 10, 20, 30, 40, 50), nil},
		"two entries":                      {clock(0, 900), nil},
		"few entries and a gap like a day": {clock(0, 1, 1440), []int{1}},
		"all at once":                      {clock(0, 0, 0, 0, 0, 0, 0), nil},
	} {
		if diff := cmp.Diff(test.want, idleGaps(test.at)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestFlow_FoldsOnlyHealthySystems(t *testing.T) {
	o := Overview{}
	for i := range 20 {
		s := System{Name: fmt.Sprintf("wms-%d", i), Role: "wms", Source: true, Target: true}
		if i%4 == 3 {
			s.Health = Blocked
		}
		o.Systems = append(o.Systems, s)
	}
	f := layFlow(o)
	blocked := 0
	for _, n := range f.Right {
		if n.Health == Blocked {
			blocked++
		}
		if n.Y < 0 || n.Y+flowNodeH > f.Height {
			t.Errorf("%s at %d is outside of %d", n.Name, n.Y, f.Height)
		}
	}
	if blocked != 5 || len(f.Right) != flowSideMax || f.Folded != 14 {
		t.Errorf("%d blocked of %d drawn, %d folded; want 5 of %d and 14", blocked, len(f.Right), f.Folded, flowSideMax)
	}
}

func TestBar_NeverPassesItsEnd(t *testing.T) {
	got := layBar(Bar{{"invoiced", "1", 700}, {"shipped", "0", 0}, {"open", "1", 400}})
	want := []barSegment{{"invoiced", "0.0%", "70.0%", true}, {"open", "70.0%", "30.0%", false}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestSparkline(t *testing.T) {
	s := sparkline([]int{0, 5, 10}, 84, 26)
	if s.Line != "M3.0 23.0 42.0 13.0 81.0 3.0" || s.X != "81.0" || s.Y != "3.0" {
		t.Errorf("drawn as %q, ending at %s %s", s.Line, s.X, s.Y)
	}
	if sparkline([]int{4}, 84, 26).Line != "" {
		t.Error("one value is no line")
	}
}

func text(c code) string {
	var b strings.Builder
	for _, line := range c.Lines {
		for _, s := range line.Spans {
			b.WriteString(s.Text)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func TestCode(t *testing.T) {
	x12 := "ISA*00*          *00*          *ZZ*SENDER         *ZZ*RECEIVER       *261123*1432*U*00401*000000001*0*P*>~GS*PO*A*B~ST*850*0001~"
	for name, test := range map[string]struct {
		raw      string
		want     string
		language string
	}{
		"JSON on one line is broken": {`{"order":"SO-1","lines":[{"line":"1","qty":"5","price":9.90,"big":12345678901234567890}]}`, "{\n  \"order\": \"SO-1\",\n  \"lines\": [\n    {\n      \"line\": \"1\",\n      \"qty\": \"5\",\n      \"price\": 9.90,\n      \"big\": 12345678901234567890\n    }\n  ]\n}\n", "JSON"},
		"JSON on lines stays":        {"{\n \"a\" : null }", "{\n \"a\" : null }\n", "JSON"},
		"broken JSON is text":        {`{"a":`, "{\"a\":\n", "text"},
		"X12 by segment":             {x12, strings.ReplaceAll(x12, "~", "~\n"), "text"},
		"bytes":                      {"\xff\x00A", "00000000  ff 00 41                                          |..A|\n", "bytes"},
		"nothing":                    {"", "", "text"},
	} {
		c := layRaw([]byte(test.raw))
		if diff := cmp.Diff(test.want, text(c)); diff != "" || c.Language != test.language {
			t.Errorf("%s: %s (-want +got):\n%s", name, c.Language, diff)
		}
	}
	if c := layRaw([]byte(strings.Repeat("line\n", 10_000))); len(c.Lines) != codeLinesMax || c.Note == "" {
		t.Errorf("a long payload has %d lines and the note %q", len(c.Lines), c.Note)
	}
}

func TestCode_MarksWhatTheMappingMade(t *testing.T) {
	made := markMade(layJSON("{\n  \"qty\": 5,\n  \"uom\": \"EA\"\n}"), layRaw([]byte(`{"qty":"5","unit":"each"}`)))
	var marked []string
	for _, line := range made.Lines {
		if line.Mark != "" {
			marked = append(marked, line.Spans[1].Text)
		}
	}
	if diff := cmp.Diff([]string{`"uom"`}, marked); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestWhenAndDuration(t *testing.T) {
	for in, want := range map[time.Time]string{
		noon: "14:32:10", noon.AddDate(0, 0, -1): "22 Nov 14:32", noon.AddDate(-1, 0, 0): "23 Nov 2025",
		time.Date(2026, 11, 24, 0, 30, 0, 0, time.FixedZone("", 3600)): "23:30:00", {}: "",
	} {
		if got := when(noon, in); got != want {
			t.Errorf("when(%s) = %q, want %q", in, got, want)
		}
	}
	for in, want := range map[time.Duration]string{
		0: "under 1 ms", 212 * time.Millisecond: "212 ms", 4250 * time.Millisecond: "4.2 s", 40 * time.Second: "40 s", 47 * time.Minute: "47 min",
		88 * time.Minute: "1 h 28", 50 * time.Hour: "2 d 2 h", -time.Minute: "1 min",
	} {
		if got := duration(in); got != want {
			t.Errorf("duration(%s) = %q, want %q", in, got, want)
		}
	}
	if got := []string{thousands(0), thousands(999), thousands(1284), thousands(-1234567)}; !cmp.Equal(got, []string{"0", "999", "1,284", "-1,234,567"}) {
		t.Errorf("counts are written %q", got)
	}
}

func TestElementID_IsOneToOneAndPlain(t *testing.T) {
	seen := map[string]string{}
	for _, s := range []string{"SO-1", "SO_1", "SO.1", "SO~1", "api~.SO-1", "so 1", "ü", "_7e_"} {
		id := elementID("order", s)
		if strings.Trim(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") != "" {
			t.Errorf("%q is written %q, which is no plain selector", s, id)
		}
		if other, twice := seen[id]; twice {
			t.Errorf("%q and %q are both written %q", s, other, id)
		}
		seen[id] = s
	}
}
