package connector_test

import (
	"strings"
	"testing"

	"github.com/waybillhq/waybill/connector"
)

func TestCheckJSON_NamesThePosition(t *testing.T) {
	tests := []struct{ body, want string }{
		{``, "the body is empty at offset 0 (line 1, column 1)"},
		{"  \n ", "the body is empty at offset 0 (line 1, column 1)"},
		{`{"a":nope}`, "at offset 6 (line 1, column 7)"},
		{"{\n \"a\": 1,\n}", "at offset 11 (line 3, column 1)"},
		{`{"a":1`, "at offset 6 (line 1, column 7)"},
		{`{"a":1} x`, "at offset 8 (line 1, column 9)"},
		{`{}{}`, "at offset 3 (line 1, column 4)"},
		{"{\"a\":\"\xff\"}", "at offset 6 (line 1, column 7)"},
		{`{"a":1,"a":2}`, "duplicate"},
		{`{"a":"\ud800"}`, "at offset 6 (line 1, column 7)"},
		{"\xef\xbb\xbf{}", "at offset 0 (line 1, column 1)"},
		{strings.Repeat("[", 20000), "depth"},
	}
	for _, tt := range tests {
		r := connector.CheckJSON([]byte(tt.body))
		if r == nil || r.Status != 400 || r.Err.Code != "body_not_json" || !strings.Contains(r.Error(), tt.want) {
			t.Errorf("%.40q: %v, want 400 with %q", tt.body, r, tt.want)
		}
	}
	for _, body := range []string{`{}`, ` [1, "é", null] `, `"text"`, "1"} {
		if r := connector.CheckJSON([]byte(body)); r != nil {
			t.Errorf("%q: %v", body, r)
		}
	}
}

func TestRegistry_TakesEachNameOnce(t *testing.T) {
	one := connector.Manifest{Name: "one"}
	if r, err := connector.NewRegistry(one, connector.Manifest{Name: "another"}); err != nil || strings.Join(r.Names(), " ") != "another one" {
		t.Errorf("registry %v, error %v", r.Names(), err)
	}
	for _, twice := range [][]connector.Manifest{{one, one}, {{}}} {
		if _, err := connector.NewRegistry(twice...); err == nil {
			t.Errorf("%v is taken", twice)
		}
	}
}
