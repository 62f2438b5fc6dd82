package edi_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
	"time"

	sets "github.com/waybillhq/waybill/connector/edi"
	"github.com/waybillhq/waybill/edi/x12"
)

// bigFile is an interchange of 850s of about so many bytes, in groups of 5000,
// made while it is read.
type bigFile struct {
	order         string // a set, its ST02 and order number as %04[1]d and %[1]d
	left          int
	sets, groups  int
	inGroup       int
	begun, finish bool
	pending       []byte
}

const groupSets = 5000

func newBigFile(tb testing.TB, size int) *bigFile {
	tb.Helper()
	b, err := os.ReadFile("../../edi/x12/testdata/samples/own-850-basic.edi")
	if err != nil {
		tb.Fatal(err)
	}
	text := strings.ReplaceAll(string(b), "\n", "")
	start, end := strings.Index(text, "ST*850"), strings.Index(text, "GE*")
	set := strings.ReplaceAll(text[start:end], "%", "%%")
	line := set[strings.Index(set, "PO1*1*"):strings.Index(set, "PO1*2*")]
	var more strings.Builder
	for n := 3; n <= 10; n++ { // ten lines an order
		more.WriteString(strings.Replace(line, "PO1*1*", fmt.Sprintf("PO1*%d*", n), 1))
	}
	set = strings.Replace(set, "CTT*2", more.String()+"CTT*10", 1)
	set = strings.Replace(set, "SE*28", "SE*52", 1)
	set = strings.Replace(strings.ReplaceAll(set, "*0001~", "*%04[1]d~"), "4500012345", "%[1]d", 1)
	set = strings.Replace(set, "N1*BT*ACME DISTRIBUTION*92*%04[1]d~", "N1*BT*ACME DISTRIBUTION*92*0001~", 1)
	return &bigFile{order: set, left: size}
}

// Read makes the next part of the file.
func (f *bigFile) Read(p []byte) (int, error) {
	for len(f.pending) == 0 {
		if f.finish {
			return 0, io.EOF
		}
		f.next()
	}
	n := copy(p, f.pending)
	f.pending = f.pending[n:]
	f.left -= n
	return n, nil
}

func (f *bigFile) next() {
	b := f.pending[:0]
	switch {
	case !f.begun:
		f.begun = true
		b = append(b, "ISA*00*          *00*          *ZZ*ACMEDIST       *ZZ*WAYBILL3PL     *260914*1203*U*00401*000000011*0*P*>~"...)
	case f.left <= 0:
		b = fmt.Appendf(f.closeGroup(b), "IEA*%d*000000011~", f.groups)
		f.finish = true
	case f.inGroup == 0 || f.inGroup == groupSets:
		b = f.closeGroup(b)
		f.groups++
		b = fmt.Appendf(b, "GS*PO*ACMEDIST*WAYBILL3PL*20260914*1203*%d*X*004010~", f.groups)
		fallthrough
	default:
		f.inGroup++
		f.sets++
		b = fmt.Appendf(b, f.order, f.inGroup)
	}
	f.pending = b
}

func (f *bigFile) closeGroup(b []byte) []byte {
	if f.inGroup == 0 {
		return b
	}
	b = fmt.Appendf(b, "GE*%d*%d~", f.inGroup, f.groups)
	f.inGroup = 0
	return b
}

// readOrders reads a file to typed orders, with envelope and schema checks. A
// set becomes an order while the next ones are read, as in a report.
func readOrders(tb testing.TB, in io.Reader, each func()) (orders int) {
	tb.Helper()
	t := &sets.Translator{}
	read, wrong := make(chan *x12.Message, 64), make(chan error, 1)
	go func() {
		defer close(wrong)
		for m := range read {
			o := t.Order(m)
			if (len(o.Lines) != 10 || o.Lines[9].SKU != "SKU-1000") && len(wrong) == 0 {
				wrong <- fmt.Errorf("set %s of group %s is read as %+v", m.Control, m.Group.Control, o)
			}
			orders++
			each()
		}
	}()
	err := x12.Read(in, x12.Options{}, x12.Handler{
		Message: func(m *x12.Message) error {
			if m.Status != x12.Accepted {
				return fmt.Errorf("set %s of group %s: %s %v", m.Control, m.Group.Control, m.Status, m.Faults)
			}
			read <- m
			return nil
		},
		End: func(ic *x12.Interchange) error {
			if ic.Status != x12.Accepted {
				return fmt.Errorf("interchange: %v", ic.Faults)
			}
			return nil
		},
	})
	close(read)
	if err := errors.Join(err, <-wrong); err != nil {
		tb.Fatal(err)
	}
	return orders
}

// tokenise is the bare loop that reading is measured against: split into
// segments and elements, count, compare SE01. It keeps nothing.
func tokenise(tb testing.TB, in io.Reader) (elements int) {
	tb.Helper()
	scan := bufio.NewScanner(in)
	scan.Split(func(data []byte, _ bool) (int, []byte, error) {
		if end := bytes.IndexByte(data, '~'); end >= 0 {
			return end + 1, data[:end], nil
		}
		return 0, nil, nil
	})
	segments := 0
	for scan.Scan() {
		parts := bytes.Split(scan.Bytes(), []byte{'*'})
		segments++
		elements += len(parts) - 1
		switch string(parts[0]) {
		case "ST":
			segments = 1
		case "SE":
			if n, err := strconv.Atoi(string(parts[1])); err != nil || n != segments {
				tb.Fatalf("SE01 %s, counted %d", parts[1], segments)
			}
		}
	}
	return elements
}

// BenchmarkRead850 reads 50 MB of purchase orders to typed orders, and reports
// its speed as a share of the bare loop's, and of node-x12's streaming parser
// where that is installed, over the same bytes in turn with it.
func BenchmarkRead850(b *testing.B) {
	file := filepath.Join(b.TempDir(), "orders.edi")
	content, err := io.ReadAll(newBigFile(b, 50<<20))
	if err == nil {
		err = os.WriteFile(file, content, 0o600)
	}
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(content)))
	defer debug.SetGCPercent(debug.SetGCPercent(300)) // as the program has it
	b.ReportAllocs()
	open := func() io.ReadCloser {
		in, err := os.Open(file)
		if err != nil {
			b.Fatal(err)
		}
		return in
	}
	var bare, node time.Duration
	for b.Loop() {
		b.StopTimer()
		node += byNode(b, file)
		in, began := open(), time.Now()
		tokenise(b, in)
		bare += time.Since(began)
		_ = in.Close()
		in = open()
		b.StartTimer()
		readOrders(b, in, func() {})
		_ = in.Close()
	}
	b.ReportMetric(float64(bare)/float64(b.Elapsed()), "of-bare-loop")
	b.ReportMetric(float64(node)/float64(b.Elapsed()), "times-node-x12")
}

// byNode is how long node-x12's streaming parser takes for a file, the start of
// Node not counted.
func byNode(b *testing.B, file string) time.Duration {
	b.Helper()
	out, err := exec.CommandContext(b.Context(), "node", "../../test/edi/stream.mjs", file).Output()
	if err != nil {
		b.Fatalf("test/edi/stream.mjs: %v (scripts/install-test-deps.sh installs what it needs)", err)
	}
	var took struct {
		MS       float64 `json:"ms"`
		Segments int     `json:"segments"`
	}
	if err := json.Unmarshal(out, &took); err != nil || took.Segments == 0 {
		b.Fatalf("test/edi/stream.mjs says %s: %v", out, err)
	}
	return time.Duration(took.MS * float64(time.Millisecond))
}

// TestRead850_MemoryStaysBounded reads 50 MB that nobody holds, and looks at
// the heap while it does.
func TestRead850_MemoryStaysBounded(t *testing.T) {
	const most = 64 << 20
	var peak uint64
	n := 0
	f := newBigFile(t, 50<<20)
	orders := readOrders(t, f, func() {
		if n++; n%2000 == 0 {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			peak = max(peak, m.HeapInuse)
		}
	})
	if orders != f.sets || orders < 10000 {
		t.Errorf("%d orders read of %d", orders, f.sets)
	}
	if peak > most {
		t.Errorf("the heap grew to %d MB while reading, want less than %d MB", peak>>20, most>>20)
	}
}
