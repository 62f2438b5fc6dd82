package shopify

import (
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/validator/rules"
)

// TestDocuments_FitEveryVersion holds what Waybill sends against Shopify's
// official schemas: nothing unknown, nothing deprecated.
func TestDocuments_FitEveryVersion(t *testing.T) {
	files, err := filepath.Glob("testdata/schema/*.gz")
	if err != nil || len(files) < 3 {
		t.Fatalf("found %d schemas, error %v; want three", len(files), err)
	}
	for _, file := range files {
		packed, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		unpacked, err := gzip.NewReader(bytes.NewReader(packed))
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(unpacked)
		if err != nil {
			t.Fatal(err)
		}
		schema, err := gqlparser.LoadSchema(&ast.Source{Name: file, Input: string(text)})
		if err != nil {
			t.Fatal(err)
		}
		for _, document := range documents {
			doc, errs := gqlparser.LoadQueryWithRules(schema, document, rules.NewDefaultRules())
			if len(errs) > 0 {
				t.Errorf("%s: %v in\n%s", file, errs, document)
				continue
			}
			for _, op := range doc.Operations {
				checkDeprecated(t, file, op.SelectionSet)
			}
		}
	}
}

func checkDeprecated(t *testing.T, file string, set ast.SelectionSet) {
	t.Helper()
	for _, s := range set {
		f, ok := s.(*ast.Field)
		if !ok {
			t.Fatalf("%s: a document has a fragment, which this check does not follow", file)
		}
		if f.Definition.Directives.ForName("deprecated") != nil {
			t.Errorf("%s: field %s is deprecated", file, f.Name)
		}
		checkDeprecated(t, file, f.SelectionSet)
	}
}
