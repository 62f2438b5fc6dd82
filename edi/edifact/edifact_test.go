package edifact_test

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

	"github.com/waybillhq/waybill/edi/edifact"
)

// outline reads a file and writes what is told of it.
func outline(in io.Reader) (string, error) {
	var b strings.Builder
	err := edifact.Read(in, edifact.Handler{
		Interchange: func(ic edifact.Interchange) error {
			fmt.Fprintf(&b, "interchange %s from %s to %s, test %t\n", ic.Control, ic.Sender, ic.Receiver, ic.Test)
			return nil
		},
		Group: func(g edifact.Group) error {
			fmt.Fprintf(&b, " group %s %s %s\n", g.Code, g.Control, g.Version)
			return nil
		},
		Message: func(m edifact.Message) error {
			fmt.Fprintf(&b, "  %s %s %s\n", m.Set, m.Control, m.Version)
			return nil
		},
	})
	return b.String(), err
}

func TestRead_NamesEveryMessage(t *testing.T) {
	const head = "UNB+UNOC:3+5412345000013:14+4012345500004:14+260914:1203+7++ORDERS++++1'"
	const told = "interchange 7 from 5412345000013:14 to 4012345500004:14, test true\n"
	const plain = told + " group   \n  ORDERS 1 D:96A:UN:EAN008\n"
	for name, c := range map[string]struct{ file, want string }{
		"plain":              {head + "UNH+1+ORDERS:D:96A:UN:EAN008'BGM+220+X+9'UNT+3+1'UNZ+1+7'", plain},
		"byte order mark":    {"\xef\xbb\xbf\r\n" + head + "\r\nUNH+1+ORDERS:D:96A:UN:EAN008'\r\nUNT+2+1'", plain},
		"wrapped":            {head[:30] + "\r\n" + head[30:] + "UNH+1+ORD\nERS:D:96A:UN:EAN008'", plain},
		"cut off":            {head + "UNH+1+ORDERS:D:96A:UN:EAN008", plain},
		"released":           {head + "UNH+1+ORDERS:D:96A:UN:EAN008'FTX+DON?'T UNH+2+X?'UNH+3+Y'UNT+3+1'", plain},
		"other delimiters":   {"UNA^*.? $" + strings.NewReplacer("+", "*", ":", "^", "'", "$").Replace(head+"UNH+1+ORDERS:D:96A:UN:EAN008'"), plain},
		"no release":         {"UNA:+.  '" + head + "UNH+1+ORDERS:D:96A:UN:EAN008'FTX+WHY?'UNH+2+INVOIC:D:96A:UN'", plain + "  INVOIC 2 D:96A:UN\n"},
		"level B":            {strings.NewReplacer("+", "\x1d", ":", "\x1f", "'", "\x1c").Replace(head + "UNH+1+ORDERS:D:96A:UN:EAN008'"), plain},
		"no interchange":     {"UNH+1+ORDERS:D:96A:UN'", "interchange  from  to , test false\n group   \n  ORDERS 1 D:96A:UN\n"},
		"groups":             {head + "UNG+ORDERS+A+B+260914:1203+9+UN+D:96A'UNH+1+ORDERS:D:96A:UN'UNE+1+9'", told + " group ORDERS 9 D:96A:UN\n  ORDERS 1 D:96A:UN\n"},
		"two interchanges":   {head + "UNH+1+CONTRL:D:3:UN'" + head, told + " group   \n  CONTRL 1 D:3:UN\n" + told},
		"a very long text":   {head + "FTX+" + strings.Repeat("x", 3<<20) + "'UNH+1+ORDERS:D:96A:UN:EAN008'", plain},
		"an advice, cut off": {"UNA:+", ""},
		"nothing":            {"", ""},
	} {
		t.Run(name, func(t *testing.T) {
			for _, in := range []io.Reader{strings.NewReader(c.file), iotest.DataErrReader(strings.NewReader(c.file))} {
				got, err := outline(in)
				if diff := cmp.Diff(c.want, got); err != nil || diff != "" {
					t.Errorf("error %v (-want +got):\n%s", err, diff)
				}
			}
		})
	}
}

func TestRead_Samples(t *testing.T) {
	for file, want := range map[string]string{
		"own-CONTRL-ok.edi":                "CONTRL",
		"own-INVOIC-basic.edi":             "INVOIC",
		"own-ORDERS-basic.edi":             "ORDERS",
		"own-ORDERS-two-messages.edi":      "ORDERS ORDERS",
		"own-ORDERS-una-comma-decimal.edi": "ORDERS",
		"own-ORDERS-utf8-UNOW.edi":         "ORDERS",
		"own-ORDRSP-basic.edi":             "ORDRSP",
	} {
		b, err := os.ReadFile(filepath.Join("testdata", file))
		if err != nil {
			t.Fatal(err)
		}
		var sets []string
		err = edifact.Read(bytes.NewReader(b), edifact.Handler{
			Interchange: func(edifact.Interchange) error { return nil },
			Group:       func(edifact.Group) error { return nil },
			Message: func(m edifact.Message) error {
				sets = append(sets, m.Set)
				return nil
			},
		})
		if got := strings.Join(sets, " "); err != nil || got != want {
			t.Errorf("%s holds %q, want %q (error %v)", file, got, want, err)
		}
	}
}

func TestRead_PassesErrorsOn(t *testing.T) {
	broken := errors.New("the disk is gone")
	if _, err := outline(io.MultiReader(strings.NewReader("UNH+1+ORDERS'"), iotest.ErrReader(broken))); !errors.Is(err, broken) {
		t.Errorf("error %v, want that of the source", err)
	}
	stop := errors.New("enough")
	err := edifact.Read(strings.NewReader("UNB+UNOA:1+A+B'UNH+1+ORDERS'"), edifact.Handler{Interchange: func(edifact.Interchange) error { return stop }})
	if !errors.Is(err, stop) {
		t.Errorf("error %v, want that of the handler", err)
	}
}
