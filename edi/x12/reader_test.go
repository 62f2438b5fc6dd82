package x12_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/waybillhq/waybill/edi/x12"
)

const isa = "ISA*00*          *00*          *ZZ*ACME           *ZZ*US             *260914*1203*U*00401*000000011*0*P*>"

// segments reads a file and writes every segment on a line.
func segments(in io.Reader) (string, error) {
	r := x12.NewReader(in)
	var b strings.Builder
	for {
		s, err := r.Next()
		if errors.Is(err, io.EOF) {
			return b.String(), nil
		}
		if err != nil {
			return b.String(), err
		}
		fmt.Fprintf(&b, "%s|%s\n", s.ID(), strings.Join(s.Elements(), "|"))
	}
}

func TestReader_TakesTheOdditiesOfRealFiles(t *testing.T) {
	plain := isa + "~GS*PO*A*B~ST*850*0001~BEG*00*SA*X~IEA*1*000000011~"
	want, err := segments(strings.NewReader(plain))
	if err != nil {
		t.Fatal(err)
	}
	for name, file := range map[string]string{
		"byte order mark, blank lines":   "\xef\xbb\xbf\r\n\n" + plain,
		"line breaks and indentation":    strings.ReplaceAll(plain, "~", "~\r\n\t  "),
		"line break as terminator":       strings.ReplaceAll(plain, "~", "\n"),
		"CR LF as terminator":            strings.ReplaceAll(plain, "~", "\r\n"),
		"terminator 0x85":                strings.ReplaceAll(plain, "~", "\x85"),
		"terminator re-encoded as UTF-8": strings.ReplaceAll(plain, "~", "…"),
		"wrapped in a segment":           strings.Replace(plain, "BEG*00", "BE\r\nG*0\n0", 1),
		"wrapped in the ISA":             plain[:80] + "\n" + plain[80:],
		"no terminator at the end":       strings.TrimSuffix(plain, "~"),
		"control-Z at the end":           plain + "\r\n\x1a",
		"a block filled with NUL":        plain + "\x00\x00\x00\x00\x00",
		"empty segments":                 strings.ReplaceAll(plain, "~", "~~"),
	} {
		t.Run(name, func(t *testing.T) {
			for _, in := range []io.Reader{strings.NewReader(file), iotest.OneByteReader(strings.NewReader(file))} {
				got, err := segments(in)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("read (-plain +odd):\n%s", diff)
				}
			}
		})
	}
}

func TestReader_TakesAnISAThatIsNotFilled(t *testing.T) {
	got, err := segments(strings.NewReader("ISA*00* *00* *ZZ*ACME*ZZ*US*260914*1203*^*00501*000000011*0*P*:!\nGS*PO!IEA*1*1!"))
	want := "ISA|00| |00| |ZZ|ACME|ZZ|US|260914|1203|^|00501|000000011|0|P|:\nGS|PO\nIEA|1|1\n"
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("err %v (-want +got):\n%s", err, diff)
	}
}

func TestReader_TakesInterchangesWithDifferentDelimiters(t *testing.T) {
	second := strings.NewReplacer("*", "|", ">", ":", "~", "'").Replace(isa + "~GS*PO*A>B~IEA*1*2~")
	r := x12.NewReader(strings.NewReader(isa + "~GS*PO~IEA*1*1~\n" + second))
	var seen []x12.Delimiters
	for {
		s, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if s.ID() == "GS" {
			seen = append(seen, r.Delimiters())
		}
	}
	want := []x12.Delimiters{{Element: '*', Component: '>', Segment: "~"}, {Element: '|', Component: ':', Segment: "'"}}
	if diff := cmp.Diff(want, seen); diff != "" {
		t.Errorf("delimiters (-want +got):\n%s", diff)
	}
}

func TestReader_RefusesWithPosition(t *testing.T) {
	for name, c := range map[string]struct{ file, want string }{
		"HTML":                {"<html><body>404</body></html>", `the file does not begin with ISA but with "<html><body>404</body></"`},
		"UTF-16":              {"\xff\xfeI\x00S\x00A\x00", `the file does not begin with ISA but with "..I.S.A.": it is UTF-16`},
		"UTF-16 without mark": {"I\x00S\x00A\x00*\x00", "it is UTF-16"},
		"EBCDIC":              {"\xc9\xe2\xc1\x5c\xf0\xf0", "it is EBCDIC"},
		"gzip":                {"\x1f\x8b\x08\x00", "it is compressed"},
		"ZIP":                 {"PK\x03\x04\x14", "it is compressed"},
		"small letters":       {strings.ToLower(isa) + "~gs*po~", "in small letters"},
		"no ISA":              {"GS*PO*A*B~ST*850*0001~", "the ISA is missing"},
		"EDIFACT":             {"UNB+UNOA:1+A+B'", "it is EDIFACT"},
		"TRADACOMS":           {"STX=ANA:1+A+B'", "it is TRADACOMS"},
		"blank separators":    {strings.ReplaceAll(isa, "*", " ") + "~", "what follows ISA is no separator"},
		"short ISA":           {"ISA*00*          *00*          *ZZ*ACME~GS*PO*A*B~", "the ISA has no sixteen elements"},
		"junk behind":         {isa + "~IEA*0*000000011~HELLO", `after the end of an interchange, "HELLO" is neither another one nor the end of the file at interchange 1, segment 2 (byte 122)`},
		"blank terminator":    {isa + " GS*PO IEA*1*1 ", `segment terminator " "`},
		"equal delimiters":    {strings.TrimSuffix(isa, ">") + "*~GS*PO~", "are not distinct"},
		"cut in a segment":    {isa + "~GS*PO*A*B~ST*850*00", "the file ends inside a segment at interchange 1, group 1, message 1, segment 1"},
		"endless segment":     {isa + "~GS*" + strings.Repeat("x", x12.SegmentBytesMax+1<<17), "no segment terminator within the 4 MiB"},
		"nothing but an ISA":  {"ISA", "does not begin with ISA"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := segments(strings.NewReader(c.file))
			var syntax *x12.SyntaxError
			if !errors.As(err, &syntax) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want a SyntaxError with %q", err, c.want)
			}
		})
	}
}

// TestReader_TakesBinaryDataWhole: delimiters and line breaks inside what BIN
// and BDS state the length of are data; a length that does not fit is no length.
func TestReader_TakesBinaryDataWhole(t *testing.T) {
	for name, c := range map[string]struct{ segment, want string }{
		"BIN":            {"BIN*12*ab~c\n*ef\r\x00gh", "BIN|12|ab~c\n|ef\r\x00gh\n"},
		"BDS":            {"BDS*ASC*5*a~b~c", "BDS|ASC|5|a~b~c\n"},
		"without marks":  {"BIN*3*abc", "BIN|3|abc\n"},
		"wrong length":   {"BIN*9*abc", "BIN|9|abc\n"},
		"no length":      {"BIN*X*abc", "BIN|X|abc\n"},
		"no such length": {"BIN*999999999*abc", "BIN|999999999|abc\n"},
	} {
		t.Run(name, func(t *testing.T) {
			file := isa + "~\nGS*PO~\n" + c.segment + "~\nGE*1*1~\nIEA*1*1~\n"
			for _, in := range []io.Reader{strings.NewReader(file), iotest.OneByteReader(strings.NewReader(file))} {
				got, err := segments(in)
				if err != nil || !strings.Contains(got, "GS|PO\n"+c.want+"GE|1|1\n") {
					t.Errorf("error %v, want %q in\n%q", err, c.want, got)
				}
			}
		})
	}
}

func TestReader_PassesErrorsOfItsSourceOn(t *testing.T) {
	broken := errors.New("the line was cut")
	_, err := segments(io.MultiReader(strings.NewReader(isa+"~GS*PO*"), iotest.ErrReader(broken)))
	if !errors.Is(err, broken) {
		t.Errorf("error %v, want %v", err, broken)
	}
}

// TestRoundTrip: what the writer writes is read back as the same segments.
func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := rapid.SampledFrom([]x12.Delimiters{
			x12.DefaultDelimiters("00401"), x12.DefaultDelimiters("00501"),
			{Element: '|', Component: ':', Segment: "\n"}, {Element: 0x1d, Component: 0x1f, Segment: "\x1c", LineEnd: "\r\n"},
			{Element: '+', Component: '>', Repetition: '!', Segment: "'", LineEnd: "\n"},
		}).Draw(t, "delimiters")
		text := rapid.StringMatching(`[A-Za-z0-9 .,;()%&/-]{0,12}`)
		o := x12.Outgoing{SenderQualifier: "ZZ", Sender: "US", ReceiverQualifier: "01", Receiver: "THEM", Version: "00401", Usage: "T",
			Control: rapid.Int64Range(1, x12.ControlMax).Draw(t, "control"), Delimiters: d}
		var want []x12.Segment
		for g := range rapid.IntRange(0, 3).Draw(t, "groups") {
			group := x12.OutgoingGroup{Code: "PO", Sender: "US", Receiver: "THEM", Control: int64(g + 1), Version: "004010"}
			for m := range rapid.IntRange(0, 3).Draw(t, "sets") {
				msg := x12.OutgoingMessage{Set: "850", Control: fmt.Sprintf("%04d", m+1)}
				for range rapid.IntRange(0, 6).Draw(t, "segments") {
					elements := rapid.SliceOfN(text, 0, 8).Draw(t, "elements")
					msg.Body = append(msg.Body, x12.MakeSegment(rapid.SampledFrom([]string{"BEG", "N1", "PO1", "REF"}).Draw(t, "id"), elements...))
				}
				want = append(want, msg.Body...)
				group.Messages = append(group.Messages, msg)
			}
			o.Groups = append(o.Groups, group)
		}
		b, err := o.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		var got []x12.Segment
		if err := x12.Read(bytes.NewReader(b), x12.Options{}, x12.Handler{
			Message: func(m *x12.Message) error {
				for i := 1; i < m.Len()-1; i++ {
					got = append(got, m.Segment(i))
				}
				return nil
			},
			EndGroup: func(g *x12.Group) error {
				if g.Status != x12.Accepted {
					t.Errorf("group: %v", g.Faults)
				}
				return nil
			},
			End: func(ic *x12.Interchange) error {
				if ic.Status != x12.Accepted && len(o.Groups) > 0 {
					t.Errorf("interchange: %v", ic.Faults)
				}
				return nil
			},
		}); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(plainSegments(want), plainSegments(got)); diff != "" {
			t.Errorf("round trip (-written +read):\n%s\n%q", diff, b)
		}
	})
}

// plainSegments are segments without the empty elements at their end.
func plainSegments(list []x12.Segment) []string {
	out := []string{}
	for _, s := range list {
		out = append(out, strings.TrimRight(s.ID()+"|"+strings.Join(s.Elements(), "|"), "|"))
	}
	return out
}

func TestWriter_RefusesWhatCannotBeReadBack(t *testing.T) {
	for _, c := range []struct {
		d       x12.Delimiters
		element string
	}{
		{x12.DefaultDelimiters("00401"), "A*B"}, {x12.DefaultDelimiters("00401"), "A~B"}, {x12.DefaultDelimiters("00401"), "A\nB"},
		{x12.Delimiters{Element: '|', Component: ':', Segment: "'"}, "O'NEIL"},
	} {
		w, err := x12.NewWriter(io.Discard, c.d)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Write(x12.MakeSegment("N1", "ST", c.element)); err == nil || !strings.Contains(err.Error(), "N102") {
			t.Errorf("element %q with %+v: error %v, want one that names N102", c.element, c.d, err)
		}
	}
	if _, err := x12.NewWriter(io.Discard, x12.Delimiters{Element: 'x', Component: '>', Segment: "~"}); err == nil {
		t.Error("a letter is taken as element separator")
	}
}

// corpus adds every file of testdata to a fuzzer's seeds.
func corpus(f *testing.F) {
	f.Helper()
	for _, pattern := range []string{"testdata/samples/*.edi", "testdata/bad/*.edi"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			f.Fatalf("no seeds in %s: %v", pattern, err)
		}
		for _, name := range files {
			b, err := os.ReadFile(name)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(b)
		}
	}
}

// FuzzRead: whatever the bytes, reading ends without a panic, every fault has a
// code, and the acknowledgments are X12 that is accepted.
func FuzzRead(f *testing.F) {
	corpus(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		acks := x12.NewAcknowledger(func(*x12.Interchange) x12.AckPolicy { return x12.AckPolicy{TA1: "always"} }, nil)
		err := x12.Read(bytes.NewReader(b), x12.Options{}, x12.Handler{
			Begin: acks.Begin,
			Message: func(m *x12.Message) error {
				for _, fault := range m.Faults {
					if fault.Code == "" || fault.Detail == "" {
						t.Errorf("a fault without code or words: %+v", fault)
					}
				}
				for i := range m.Len() {
					_ = m.Segment(i).Elements()
				}
				_, _ = x12.ReadGroupAck(m)
				return acks.Message(m)
			},
			EndGroup: acks.EndGroup,
			End: func(ic *x12.Interchange) error {
				out, err := acks.End(ic)
				if err != nil {
					return err
				}
				for _, ack := range out {
					mustBeRead(t, ack)
				}
				return nil
			},
		})
		var syntax *x12.SyntaxError
		if err != nil && !errors.As(err, &syntax) {
			t.Errorf("error %v is no SyntaxError", err)
		}
	})
}

// mustBeRead wants bytes that are whole interchanges with right counts.
func mustBeRead(t *testing.T, b []byte) {
	t.Helper()
	if err := x12.Read(bytes.NewReader(b), x12.Options{}, x12.Handler{
		EndGroup: func(g *x12.Group) error {
			if len(g.Faults) > 0 && g.Faults[0].Class != x12.ClassControl {
				t.Errorf("acknowledgment's group: %+v\n%q", g.Faults, b)
			}
			return nil
		},
		End: func(ic *x12.Interchange) error {
			for _, fault := range ic.Faults {
				switch fault.Code {
				case "005", "006", "007", "008", "024": // the parties are as the sender wrote them
				default:
					t.Errorf("acknowledgment: %+v\n%q", fault, b)
				}
			}
			return nil
		},
	}); err != nil {
		t.Errorf("acknowledgment can't be read: %v\n%q", err, b)
	}
}

// FuzzRoundTrip: what was read and can be written is read back the same.
func FuzzRoundTrip(f *testing.F) {
	corpus(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		r := x12.NewReader(bytes.NewReader(b))
		var out bytes.Buffer
		var w *x12.Writer
		var want []string
		for {
			s, err := r.Next()
			if err != nil {
				break
			}
			if s.ID() == "ISA" && len(s.Element(16)) == 1 {
				if w != nil && w.Flush() != nil {
					return
				}
				d := r.Delimiters()
				if len(d.Segment) > 1 || d.Segment[0] >= 0x80 {
					return
				}
				if w, err = x12.NewWriter(&out, d); err != nil {
					return
				}
			}
			if w == nil || s.ID() == "" || strings.TrimSpace(s.ID()) != s.ID() || w.Write(s) != nil {
				return
			}
			want = append(want, plainSegments([]x12.Segment{s})...)
		}
		if w == nil || w.Flush() != nil {
			return
		}
		again := x12.NewReader(&out)
		for i := range want {
			s, err := again.Next()
			if err != nil {
				t.Fatalf("segment %d of %d can't be read back: %v", i, len(want), err)
			}
			if got := plainSegments([]x12.Segment{s})[0]; got != want[i] {
				t.Fatalf("segment %d: read back %q, want %q", i, got, want[i])
			}
		}
	})
}
