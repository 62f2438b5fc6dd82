package connectortest

import (
	"bytes"
	"slices"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
)

func TestSpansOf_FindsEveryValueAndNoName(t *testing.T) {
	text := []byte(` {"a\"b" : [1, -2.5e3 ,"x\\", "\"}"],"c":{"d":null}, "e" :true}`)
	var got []string
	for _, s := range spansOf(text) {
		got = append(got, string(text[s[0]:s[1]]))
	}
	want := []string{`1`, `-2.5e3`, `"x\\"`, `"\"}"`, `[1, -2.5e3 ,"x\\", "\"}"]`, `null`, `{"d":null}`, `true`, string(text[1:])}
	if !slices.Equal(got, want) {
		t.Errorf("values\n%q, want\n%q", got, want)
	}
}

// The variants are broken in many ways, are the same each time, and leave the
// body itself alone.
func TestMutate_IsRepeatable(t *testing.T) {
	body := []byte(`{"type":"order.placed","data":{"order":"SO-1","lines":[{"qty":"1"}]}}`)
	before := bytes.Clone(body)
	run := func() (all [][]byte) {
		mutate(body, func(_ string, b []byte) { all = append(all, bytes.Clone(b)) })
		return all
	}
	first, second := run(), run()
	if !slices.EqualFunc(first, second, bytes.Equal) {
		t.Error("two runs gave other variants")
	}
	if !bytes.Equal(body, before) {
		t.Error("the body was changed")
	}
	valid := 0
	for _, b := range first {
		if jsontext.Value(b).IsValid() {
			valid++
		}
	}
	if valid < 50 || len(first)-valid < 50 {
		t.Errorf("%d variants, %d of them JSON: both sorts are needed", len(first), valid)
	}
}
