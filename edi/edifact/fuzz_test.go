package edifact_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/waybillhq/waybill/edi/edifact"
)

// FuzzRead: whatever a file holds, it is gone through without a panic, and every
// message stands in an interchange and a group that were told before it.
func FuzzRead(f *testing.F) {
	files, err := filepath.Glob("testdata/*.edi")
	if err != nil || len(files) == 0 {
		f.Fatalf("no seeds: %v", err)
	}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		interchange, group := false, false
		err := edifact.Read(bytes.NewReader(b), edifact.Handler{
			Interchange: func(edifact.Interchange) error { interchange, group = true, false; return nil },
			Group: func(edifact.Group) error {
				if group = true; !interchange {
					t.Error("a group without an interchange")
				}
				return nil
			},
			Message: func(m edifact.Message) error {
				if !interchange || !group {
					t.Errorf("message %s stands nowhere", m.Set)
				}
				return nil
			},
		})
		if err != nil {
			t.Error(err)
		}
	})
}
