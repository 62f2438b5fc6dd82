package yamlfile_test

import (
	"errors"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/waybillhq/waybill/internal/yamlfile"
)

type body struct {
	Name  string         `yaml:"name"`
	Text  string         `yaml:"text"`
	Items []string       `yaml:"items"`
	Deep  map[string]any `yaml:"deep"`
}

const good = `name: one
text: |
  first
  second
items:
  - a
  - &anchor b
deep:
  key: {inner: 1}
`

func TestFile_FindsThePlace(t *testing.T) {
	var b body
	f, err := yamlfile.Read("f.yaml", []byte(good), &b)
	if err != nil {
		t.Fatal(err)
	}
	if f.Err() != nil || b.Name != "one" {
		t.Errorf("body %+v, error %v", b, f.Err())
	}
	f.Wrong("item", "fix it", "items", 1)
	f.WrongAt(2, "second line", "", "text")
	f.Wrong("a key", "", "deep", "key", "inner")
	f.Wrong("what is not there", "", "deep", "absent", "more")
	f.Wrong("an index that is not there", "", "items", 7)
	f.Join(yamlfile.Problems{{File: "other.yaml", Line: 3, Column: 1, Detail: "elsewhere"}})
	f.Join(errors.New("no problems"))
	want := `f.yaml:4:1: text: second line
f.yaml:6:3: items[7]: an index that is not there
f.yaml:7:5: items[1]: item; fix it
f.yaml:9:3: deep.absent.more: what is not there
f.yaml:9:16: deep.key.inner: a key
other.yaml:3:1: elsewhere`
	if d := cmp.Diff(want, f.Err().Error()); d != "" {
		t.Errorf("problems (-want +got):\n%s", d)
	}
}

func TestRead_NamesLineAndKey(t *testing.T) {
	for text, want := range map[string]string{
		"name: one\nnome: two\n":       "f.yaml:2:1: nome: unknown key; check its spelling and how far it is indented",
		"name: [\n":                    "f.yaml:2:1: did not find expected node content",
		"- a\n":                        "f.yaml:1:1: the file has no keys; write keys with values, one a line",
		"items: 7\ndeep: x\nname: a\n": "f.yaml:1:8: cannot construct !!int `7` into []string\nf.yaml:2:7: cannot construct !!str `x` into map[string]interface {}",
	} {
		var b body
		_, err := yamlfile.Read("f.yaml", []byte(text), &b)
		if err == nil || err.Error() != want {
			t.Errorf("%q:\n%v\nwant\n%s", text, err, want)
		}
	}
}

func TestFile_NamesBegin(t *testing.T) {
	var b body
	f, err := yamlfile.Read(filepath.Join("sub", "f.yaml"), []byte(good), &b)
	if err != nil {
		t.Fatal(err)
	}
	if got := f.Beside("m.yaml"); got != filepath.Join("sub", "m.yaml") {
		t.Errorf("beside it: %s", got)
	}
	if got := f.Beside("/etc/m.yaml"); got != "/etc/m.yaml" {
		t.Errorf("elsewhere: %s", got)
	}
}
