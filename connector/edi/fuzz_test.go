package edi_test

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	sets "github.com/waybillhq/waybill/connector/edi"
)

// FuzzReport: whatever a file holds, its report is whole JSON, made without a
// panic.
func FuzzReport(f *testing.F) {
	for _, pattern := range []string{"samples/*.edi", "bad/*.edi"} {
		files, err := filepath.Glob(x12Data + pattern)
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
	f.Fuzz(func(t *testing.T, b []byte) {
		history := &sets.History{}
		tr := &sets.Translator{Book: history}
		open := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b)), nil }
		_ = history.ReadBefore(tr, open, at) // what can't be read teaches nothing
		v, err := tr.Profile.Judge(bytes.NewReader(b), nil, at)
		if err != nil {
			t.Fatal(err)
		}
		if err := tr.Report(bytes.NewReader(b), v, func(yield func(io.Reader) bool) {
			for _, a := range v.Acknowledgments {
				if !yield(strings.NewReader(a)) {
					return
				}
			}
		}, io.Discard); err != nil {
			t.Fatal(err)
		}
	})
}
