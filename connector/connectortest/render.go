package connectortest

import (
	"bytes"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/waybillhq/waybill"
)

// render checks that every document becomes the bytes that its fixture holds,
// always the same, and that the document itself stays as it was.
func (s *suite) render(t *testing.T) {
	fixtures := Fixtures(t, filepath.Join(s.h.Fixtures, "out"))
	if len(fixtures) == 0 {
		if len(s.m.Accepts) > 0 {
			t.Fatalf("it accepts documents, and %s/out has no fixtures", s.h.Fixtures)
		}
		t.Skip("no Renderer")
	}
	env := s.env("")
	env.Observe = true
	c := s.openEnv(t, env)
	for _, f := range fixtures {
		t.Run(f.Name, func(t *testing.T) {
			d := f.Document(t)
			if !slices.Contains(s.m.Accepts, d.Kind) {
				t.Errorf("kind %s is not among the manifest's Accepts", d.Kind)
			}
			before := mustJSON(t, d)
			first, err := c.Renderer.Render(d)
			if err != nil {
				f.Expect(t, "error", []byte(err.Error()), "request")
				return
			}
			f.Expect(t, "request", first.Body, "error")
			if first.ContentType == "" {
				t.Error("the bytes have no content type")
			}
			if strings.Contains(first.ContentType, "json") && !jsontext.Value(first.Body).IsValid() {
				t.Errorf("the bytes are no JSON:\n%s", first.Body)
			}
			again, err := c.Renderer.Render(f.Document(t))
			if err != nil || !bytes.Equal(first.Body, again.Body) || first.ContentType != again.ContentType {
				t.Errorf("the same document gave other bytes (%v):\n%s\nbefore:\n%s", err, again.Body, first.Body)
			}
			if !bytes.Equal(before, mustJSON(t, d)) {
				t.Error("Render changed the document")
			}
		})
	}
}

func mustJSON(t *testing.T, d waybill.Document) []byte {
	t.Helper()
	b, err := waybill.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
