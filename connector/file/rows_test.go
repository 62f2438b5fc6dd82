package file

import (
	"bytes"
	"encoding/csv"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func plain(columns ...string) *format {
	f := &format{kind: kindCSV, delimiter: ';', quote: '"', charset: charsets["utf-8"], decimal: ',', lineEnd: "\r\n"}
	for _, name := range columns {
		f.columns = append(f.columns, column{name: name})
	}
	return f
}

func readRows(f *format, text []byte) (rows [][]string, raw []byte, err error) {
	t, err := openTable(f, bytes.NewReader(text), 1)
	if err != nil {
		return nil, nil, err
	}
	for {
		r, err := t.next()
		if errors.Is(err, io.EOF) {
			return rows, raw, nil
		}
		if err != nil {
			return nil, nil, err
		}
		rows, raw = append(rows, append([]string{}, r.cells...)), append(raw, r.raw...)
	}
}

// What is written is read back: by this reader, by the standard library's, and
// in every encoding.
func TestRows_WrittenAndReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := plain("a", "b", "c")
		f.charset = charsets[rapid.SampledFrom([]string{"utf-8", "latin-1", "windows-1252"}).Draw(t, "charset")]
		cell := rapid.StringOf(rapid.SampledFrom([]rune("aä;\"\n, \r'1é€"[:])))
		if f.charset.name == "latin-1" {
			cell = rapid.StringOf(rapid.SampledFrom([]rune("aä;\"\n, \r'1é")))
		}
		var want [][]string
		var text []byte
		for range rapid.IntRange(1, 5).Draw(t, "rows") {
			row := []string{"x" + cell.Draw(t, "a"), cell.Draw(t, "b"), cell.Draw(t, "c") + "y"}
			want = append(want, row)
			var err error
			if text, err = f.appendRow(text, row, nil); err != nil {
				t.Fatal(err)
			}
		}
		got, raw, err := readRows(f, text)
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Fatalf("%q (-want +got):\n%s", text, d)
		}
		if !bytes.Equal(raw, text) {
			t.Fatalf("raw rows are %q, the file %q", raw, text)
		}
		if f.charset.name != "utf-8" {
			return
		}
		std := csv.NewReader(bytes.NewReader(text))
		std.Comma, std.LazyQuotes = ';', true
		records, err := std.ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range want { // the library takes CR LF within quotes for LF
			for i := range row {
				row[i] = strings.ReplaceAll(row[i], "\r\n", "\n")
			}
		}
		if d := cmp.Diff(want, records); d != "" {
			t.Fatalf("encoding/csv reads %q otherwise (-want +got):\n%s", text, d)
		}
	})
}

// No bytes whatever break the reader, and no byte of a file is lost or twice
// in its rows.
func FuzzRows(f *testing.F) {
	for _, seed := range []string{"a;b\n", "\"a\n\";b\r\n\r\n;", "\xef\xbb\xbfx", "\"\"\"\"\n", "a\"b;\"c"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		_, raw, err := readRows(plain("a", "b"), text)
		if err != nil {
			return
		}
		file := bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
		if !bytes.HasPrefix(file, raw) || len(bytes.TrimSpace(file[len(raw):])) > 0 {
			t.Errorf("the rows of %q are %q", file, raw)
		}
	})
}

func TestNumber_AsItIsWritten(t *testing.T) {
	german, english := &format{decimal: ',', thousands: '.'}, &format{decimal: '.', thousands: ','}
	for _, tt := range []struct {
		f       *format
		in      string
		implied int
		want    string // "": an error
	}{
		{german, "1.234.567,89", 0, "1234567.89"}, {german, "1234,5", 0, "1234.5"}, {german, "0,085", 0, "0.085"}, {german, ",5", 0, "0.5"},
		{german, "12,50-", 0, "-12.5"}, {german, "-12,50", 0, "-12.5"}, {german, "+3", 0, "3"}, {german, "1.5", 0, ""}, {german, "1.23,4", 0, ""},
		{german, "1,2,3", 0, ""}, {german, "", 0, ""}, {german, "1,", 0, ""}, {german, "--1", 0, ""}, {german, "1e3", 0, ""}, {german, "1.2345,0", 0, ""},
		{english, "1,234.50", 0, "1234.5"}, {english, "1.234,50", 0, ""}, {english, "000001250", 2, "12.5"}, {english, "5", 3, "0.005"}, {english, "1.5", 2, ""},
		{english, "12345678901234567.89", 0, "12345678901234567.89"},
	} {
		got, err := tt.f.number(tt.in, tt.implied)
		if (err == nil) != (tt.want != "") || err == nil && got.String() != tt.want {
			t.Errorf("%q with %d implied: %s, %v; want %q", tt.in, tt.implied, got, err, tt.want)
		}
	}
}

func TestCharset_NamesWhatIsNoCharacter(t *testing.T) {
	c := charsets["windows-1252"]
	if got, err := c.decode([]byte("\x80 K\xf6ln")); err != nil || got != "€ Köln" {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := c.decode([]byte{0x81}); err == nil {
		t.Error("0x81 is a character")
	}
	if _, err := charsets["latin-1"].encode("5 €"); err == nil || !strings.Contains(err.Error(), "€") {
		t.Errorf("the euro sign in Latin-1: %v", err)
	}
}
