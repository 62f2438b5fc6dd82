package file_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/connector"
	"github.com/waybillhq/waybill/connector/file"
)

// open opens the connector with a spec that is written out.
func open(t *testing.T, role waybill.Role, spec string, files connector.Files) connector.Connector {
	t.Helper()
	path := filepath.Join(t.TempDir(), "spec.yaml")
	if err := os.WriteFile(path, []byte(spec), 0o600); err != nil {
		t.Fatal(err)
	}
	return openAt(t, role, path, files)
}

func openAt(t *testing.T, role waybill.Role, path string, files connector.Files) connector.Connector {
	t.Helper()
	c, err := file.Manifest().Open(connector.Env{System: "legacy", Role: role, Files: files, Settings: map[string]string{"spec": path}, Now: clock})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// parts reads a file and gives its messages.
func parts(c connector.Connector, drop, name, companion string, content io.Reader) (out []string, err error) {
	err = c.Collector.Read(connector.DroppedFile{Drop: drop, Name: name, Companion: []byte(companion), Content: content}, func(p connector.Part) error {
		out = append(out, fmt.Sprintf("%s %d %s", p.Topic, p.Line, p.Body))
		return nil
	})
	return out, err
}

const orders = `
version: 1
format: {delimiter: ";", decimal: ","}
in:
  orders:
    event: order.placed
    group: [No]
    fields: {order: {column: No}, customer: {value: C1}, currency: {value: EUR}, ship_to.name: {value: N}}
    lines: {line: {column: Pos}, sku: {value: A}, qty: {column: Qty, as: decimal}, uom: {value: EA}, price: {value: "1"}}
    totals: `

func TestRead_SplitsAFileByEvent(t *testing.T) {
	files, _ := folder(t)
	c := open(t, waybill.RoleChannel, orders+`{trailer: END, rows: "2", groups: "3", sums: {Qty: "4"}}`, files)
	const head = "\xef\xbb\xbfNo;Pos;Qty\r\n"
	got, err := parts(c, "orders", "a.csv", "", strings.NewReader(head+"1;1;2,5\r\n\r\n1;2;\"3\"\r\n2;1;4\r\nEND;3;2;9,5\r\n"))
	if err != nil {
		t.Fatal(err)
	}
	// The bytes are the file's own, its mark and its blank line included.
	want := []string{"orders 2 " + head + "1;1;2,5\r\n\r\n1;2;\"3\"\r\n", "orders 5 " + head + "2;1;4\r\n"}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("messages (-want +got):\n%s", d)
	}
}

// What makes a file wrong as a whole is named with its line and the figure.
func TestRead_RefusesAFileWhole(t *testing.T) {
	const trailer, companion, columns = `{trailer: END, rows: "2", groups: "3", sums: {Qty: "4"}}`, `{companion: true, rows: "1", sums: {Qty: "2"}}`, `{columns: true, rows: Rows}`
	tests := []struct{ name, totals, companion, content, reason string }{
		{"rows", trailer, "", "No;Pos;Qty\n1;1;2\nEND;2;1;2\n", "line 3: control total, rows: the file says 2 and holds 1"},
		{"groups", trailer, "", "No;Pos;Qty\n1;1;2\nEND;1;2;2\n", "control total, groups: the file says 2 and holds 1"},
		{"sum", trailer, "", "No;Pos;Qty\n1;1;2\nEND;1;1;2,1\n", "control total, sum of Qty: the file says 2.1 and holds 2"},
		{"cut", trailer, "", "No;Pos;Qty\n1;1;2\n", "the control totals are missing after 1 rows"},
		{"no figure", trailer, "", "No;Pos;Qty\n1;1;2\nEND\n", "control total, rows"},
		{"after the end", trailer, "", "No;Pos;Qty\n1;1;2\nEND;1;1;2\n2;1;2\n", "line 4: a row follows the control totals"},
		{"companion", companion, "3;2\n", "No;Pos;Qty\n1;1;2\n", "control total, rows: the file says 3 and holds 1"},
		{"empty companion", companion, "", "No;Pos;Qty\n1;1;2\n", "control totals are missing"},
		{"columns", columns, "", "No;Pos;Qty;Rows\n1;1;2;2\n1;2;2;3\n", "line 3, column Rows: control total, rows: the file says 3 and holds 2"},
		{"two places", columns, "", "No;Pos;Qty;Rows\n1;1;2;3\n2;1;2;3\n1;2;2;3\n", "line 4, column No: rows of one event stand here and from line 2 on"},
		{"no order", columns, "", "No;Pos;Qty;Rows\n;1;2;1\n", "line 2, column No: is empty"},
		{"open quote", columns, "", "No;Pos;Qty;Rows\n1;\"1;2;1\n2;1\n", "line 2: the file ends within quotes"},
		{"text after a quote", columns, "", "No;Pos;Qty;Rows\n1;\"1\"x;2;1\n", "line 2: cell 2: "},
		{"other characters", columns, "", "No;Pos;Qty;Rows\n1;K\xf6ln;2;1\n", "is not UTF-8; set encoding"},
		{"UTF-16", columns, "", "\xff\xfeN\x00o\x00", "line 1: the file is UTF-16"},
		{"no header", columns, "", "", "line 1: the file is empty"},
		{"header twice", columns, "", "No;No;Qty\n", "line 1, column No: the header names it twice"},
		{"endless", columns, "", "No;Pos;Qty;Rows\n1;" + strings.Repeat("x", 1<<20), "line 2: the row is longer"},
		{"endless lines", columns, "", "No;Pos;Qty;Rows\n1;\"" + strings.Repeat("\n", 2000), "line 2: the row has more than 1000 lines"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			files, _ := folder(t)
			spec := orders + tt.totals + "\n"
			if tt.totals == companion {
				spec += "    companion: \"{stem}.ctl\"\n"
			}
			c := open(t, waybill.RoleChannel, spec, files)
			_, err := parts(c, "orders", "a.csv", tt.companion, strings.NewReader(tt.content))
			u := (*connector.Untranslatable)(nil)
			if !errors.As(err, &u) || !strings.Contains(err.Error(), tt.reason) {
				t.Errorf("error %v, want %q", err, tt.reason)
			}
		})
	}
}

// endless makes a file of n orders while it is read.
type endless struct {
	n, at int
	rest  []byte
	bytes int64
}

func (e *endless) Read(b []byte) (int, error) {
	for len(e.rest) < len(b) && e.at <= e.n {
		if e.at == 0 {
			e.rest = append(e.rest, "No;Pos;Qty;Text\n"...)
		} else {
			for line := range 4 {
				e.rest = fmt.Appendf(e.rest, "2026-%07d;%d;1,5;%s\n", e.at, line, filler)
			}
		}
		e.at++
	}
	if len(e.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(b, e.rest)
	e.rest = append(e.rest[:0], e.rest[n:]...)
	e.bytes += int64(n)
	return n, nil
}

var filler = strings.Repeat("x", 600)

// Memory does not grow with the file but for 24 bytes an order.
func TestRead_MemoryIsBounded(t *testing.T) {
	files, _ := folder(t)
	c := open(t, waybill.RoleChannel, strings.TrimSuffix(orders, "totals: "), files)
	e := &endless{n: 200_000} // 500 MB
	var most uint64
	n := 0
	err := c.Collector.Read(connector.DroppedFile{Drop: "orders", Content: e}, func(connector.Part) error {
		if n++; n%20_000 == 0 {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			most = max(most, m.HeapInuse)
		}
		return nil
	})
	if err != nil || n != 200_000 {
		t.Fatalf("%d messages, %v", n, err)
	}
	t.Logf("%d MB read, at most %d MB of heap", e.bytes>>20, most>>20)
	if e.bytes < 490_000_000 || most > 64<<20 {
		t.Errorf("%d MB read with %d MB of heap", e.bytes>>20, most>>20)
	}
}

// The example's samples are read as they lie there.
func TestRead_ExampleSamples(t *testing.T) {
	files, _ := folder(t)
	samples := filepath.Join(filepath.Dir(desk), "samples")
	for _, tt := range []struct {
		spec, drop, file, companion string
		role                        waybill.Role
		refs                        string
	}{
		{desk, "orders", "ORD0102.csv", "", waybill.RoleChannel, "20260102-1 20260102-2"},
		{legacy, "stock", "STOCK0102.txt", "STOCK0102.ok", waybill.RoleERP, "SCREW-M8 DRILL-8 ANCHOR-10"},
		{legacy, "invoices", "INV0102.csv", "", waybill.RoleERP, "20260102-1"},
		{legacy, "answers", "ERR0102.csv", "", waybill.RoleERP, ""},
	} {
		c := openAt(t, tt.role, tt.spec, files)
		content, err := os.ReadFile(filepath.Join(samples, tt.file))
		if err != nil {
			t.Fatal(err)
		}
		var companion []byte
		if tt.companion != "" {
			if companion, err = os.ReadFile(filepath.Join(samples, tt.companion)); err != nil {
				t.Fatal(err)
			}
		}
		var refs []string
		err = c.Collector.Read(connector.DroppedFile{Drop: tt.drop, Name: tt.file, Companion: companion, Content: strings.NewReader(string(content))},
			func(p connector.Part) error {
				events, err := c.Translator.Translate(connector.Message{System: "legacy", Topic: p.Topic, Body: p.Body, ReceivedAt: clock()})
				for _, e := range events {
					refs = append(refs, e.Ref)
				}
				return err
			})
		if got := strings.Join(refs, " "); err != nil || got != tt.refs {
			t.Errorf("%s: %q, %v; want %q", tt.file, got, err, tt.refs)
		}
	}
}
