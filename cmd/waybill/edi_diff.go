package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/waybillhq/waybill/edi/x12"
)

// diffWindow is how many segments ahead a segment that one file lacks is looked
// for.
const diffWindow = 500

func ediDiffCommand() *cobra.Command {
	var envelope bool
	c := &cobra.Command{
		Use:   "diff A B",
		Short: "Compare two X12 files segment by segment, whatever their delimiters and line ends",
		Long: "Compare two X12 files by their segments and elements. Delimiters, line breaks, blanks at the\n" +
			"end of elements and empty elements at the end of segments make no difference. Dates, times and\n" +
			"control numbers of the envelopes are compared with --envelope only. Exits with 1 where the\n" +
			"files differ.",
		Example: "  waybill edi diff ours.edi theirs.edi",
		Args:    cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			var sides [2]*segmentSource
			for i, name := range args {
				f, err := os.Open(name)
				if err != nil {
					return usagef("%s: %w", []string{"A", "B"}[i], err)
				}
				defer func() { _ = f.Close() }()
				sides[i] = &segmentSource{r: x12.NewReader(f), envelope: envelope}
			}
			differ, err := diffSegments(c.OutOrStdout(), sides[0], sides[1])
			if err == nil && differ {
				err = errFinding
			}
			return err
		},
	}
	c.Flags().BoolVar(&envelope, "envelope", false, "compare dates, times and control numbers of the envelopes too")
	return c
}

// segmentSource reads segments ahead.
type segmentSource struct {
	r        *x12.Reader
	ahead    []diffSegment
	envelope bool
	done     bool
}

// diffSegment is a segment as it is compared.
type diffSegment struct {
	elements []string
	at       x12.Position
}

func (d diffSegment) text() string { return strings.Join(d.elements, "*") }

// look returns the n-th segment ahead; ok is false past the end.
func (s *segmentSource) look(n int) (diffSegment, bool, error) {
	for len(s.ahead) <= n && !s.done {
		seg, err := s.r.Next()
		if errors.Is(err, io.EOF) {
			s.done = true
			break
		}
		if err != nil {
			return diffSegment{}, false, err
		}
		s.ahead = append(s.ahead, s.plain(seg))
	}
	if n >= len(s.ahead) {
		return diffSegment{}, false, nil
	}
	return s.ahead[n], true, nil
}

// envelopeNumbers are the elements that differ with every sending.
var envelopeNumbers = map[string][]int{"ISA": {9, 10, 11, 13, 16}, "GS": {4, 5, 6}, "GE": {2}, "IEA": {2}}

func (s *segmentSource) plain(seg x12.Segment) diffSegment {
	d := diffSegment{elements: []string{seg.ID()}, at: s.r.Position()}
	delims := s.r.Delimiters()
	for n := 1; n <= seg.Len(); n++ {
		e := strings.TrimRight(seg.Element(n), " ")
		if !s.envelope && slices.Contains(envelopeNumbers[seg.ID()], n) {
			e = ""
		}
		if seg.ID() != "ISA" {
			e = strings.ReplaceAll(e, string(rune(delims.Component)), ":")
		}
		d.elements = append(d.elements, e)
	}
	for len(d.elements) > 1 && d.elements[len(d.elements)-1] == "" {
		d.elements = d.elements[:len(d.elements)-1]
	}
	return d
}

func (s *segmentSource) drop(n int) { s.ahead = s.ahead[n:] }

// diffSegments prints where two files differ.
func diffSegments(out io.Writer, a, b *segmentSource) (differ bool, err error) {
	for {
		x, okA, errA := a.look(0)
		y, okB, errB := b.look(0)
		if err := errors.Join(errA, errB); err != nil || !okA && !okB {
			return differ, err
		}
		if okA && okB && slices.Equal(x.elements, y.elements) {
			a.drop(1)
			b.drop(1)
			continue
		}
		differ = true
		skipA, skipB, err := resync(a, b)
		if err != nil {
			return differ, err
		}
		if skipA == 1 && skipB == 1 && x.elements[0] == y.elements[0] {
			printElements(out, x, y)
		} else {
			printSide(out, "-", a, skipA)
			printSide(out, "+", b, skipB)
		}
		a.drop(skipA)
		b.drop(skipB)
	}
}

// resync finds how many segments to pass over on each side until both agree
// again, as few as possible.
func resync(a, b *segmentSource) (skipA, skipB int, err error) {
	for sum := 1; sum <= diffWindow; sum++ {
		for i := 0; i <= sum; i++ {
			x, okA, errA := a.look(i)
			y, okB, errB := b.look(sum - i)
			if err := errors.Join(errA, errB); err != nil {
				return 0, 0, err
			}
			if okA == okB && slices.Equal(x.elements, y.elements) {
				return i, sum - i, nil
			}
		}
	}
	return min(1, len(a.ahead)), min(1, len(b.ahead)), nil
}

func printSide(out io.Writer, sign string, s *segmentSource, n int) {
	for _, d := range s.ahead[:n] {
		fmt.Fprintf(out, "%s %s  %s\n", sign, d.at, d.text())
	}
}

// printElements prints which elements of a segment differ.
func printElements(out io.Writer, x, y diffSegment) {
	for n := 1; n < max(len(x.elements), len(y.elements)); n++ {
		if l, r := elementAt(x, n), elementAt(y, n); l != r {
			fmt.Fprintf(out, "~ %s  %s%02d %q is %q\n", x.at, x.elements[0], n, l, r)
		}
	}
}

func elementAt(d diffSegment, n int) string {
	if n < len(d.elements) {
		return d.elements[n]
	}
	return ""
}
