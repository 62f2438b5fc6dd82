package mapping_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/waybillhq/waybill/internal/mapping"
)

// run gives the results of a program as JSON, one a line.
func run(t testing.TB, source, input string) (string, error) {
	t.Helper()
	p, err := mapping.Compile("test", source)
	if err != nil {
		t.Fatalf("%s: %v", source, err)
	}
	in, err := mapping.Decode([]byte(input))
	if err != nil {
		return "", err
	}
	results, err := p.Run(nil, in, nil)
	if err != nil {
		return "", err
	}
	lines := make([]string, len(results))
	for i, r := range results {
		b, err := mapping.Encode(r)
		if err != nil {
			return "", err
		}
		lines[i] = string(b)
	}
	return strings.Join(lines, "\n"), nil
}

func TestProgram_NumbersStayExact(t *testing.T) {
	tests := []struct{ source, in, want string }{
		{`.`, `0.1`, `0.1`},
		{`.`, `12345678901234567.89`, `12345678901234567.89`},
		{`.`, `[1.50,-0,1e3,123456789012345678901234567890]`, `[1.50,-0,1e3,123456789012345678901234567890]`},
		{`.a + .b`, `{"a":0.1,"b":0.2}`, `0.3`},
		{`.a + .b`, `{"a":"0.1","b":"0.2"}`, `"0.10.2"`},
		{`(.a|tonumber) + (.b|tonumber) | tostring`, `{"a":"0.1","b":"0.2"}`, `"0.3"`},
		{`. * 3`, `12345678901234567.89`, `37037036703703703.67`},
		{`0.1 * 3`, `null`, `0.3`},
		{`1 - 0.9`, `null`, `0.1`},
		{`-.`, `0.3`, `-0.3`},
		{`6 / 4`, `null`, `1.5`},
		{`div(1; 3; 4)`, `null`, `0.3333`},
		{`div("2"; "3"; 2) | fixed(2)`, `null`, `"0.67"`},
		{`"9.9" | fixed(2)`, `null`, `"9.90"`},
		{`[.[] | tonumber] | add`, `["0.1","0.2","0.3"]`, `0.6`},
		{`add(.[] | tonumber)`, `["12345678901234567.89","0.01"]`, `12345678901234567.9`},
		{`.a += 0.2 | .a`, `{"a":0.1}`, `0.3`},
		{`.[0] == .[1], .[0] < .[1]`, `[12345678901234567.88,12345678901234567.89]`, "false\ntrue"},
		{`. == 1.0`, `1`, `true`},
		{`"qty: \(.)"`, `0.10`, `"qty: 0.10"`},
		{`floor, round, round(1), abs`, `-2.55`, "-3\n-3\n-2.6\n2.55"},
		{`9007199254740993 + 0`, `null`, `9007199254740993`},
		{`. + 1`, `9223372036854775807`, `9223372036854775808`},
		{`@csv`, `[0.1,"a",12345678901234567.89]`, `"0.1,\"a\",12345678901234567.89"`},
		{`tojson`, `{"b":1.10,"a":2}`, `"{\"a\":2,\"b\":1.10}"`},
		{`tojson | fromjson`, `[0.10]`, `[0.10]`},
	}
	for _, tt := range tests {
		got, err := run(t, tt.source, tt.in)
		if err != nil || got != tt.want {
			t.Errorf("%s on %s: %s, error %v; want %s", tt.source, tt.in, got, err, tt.want)
		}
	}
}

// Whatever number comes in goes out as it was written.
func TestProgram_AnyNumberSurvives(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`-?(0|[1-9][0-9]{0,30})(\.[0-9]{1,30})?([eE][+-]?[0-9]{1,2})?`).Draw(t, "number")
		in, err := mapping.Decode([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		out, err := mapping.Encode(in)
		if err != nil || string(out) != text {
			t.Fatalf("%s became %s, error %v", text, out, err)
		}
	})
}

func TestProgram_SpeaksJQ(t *testing.T) {
	tests := []struct{ source, in, want string }{
		{`[.lines[] | {line: .n, qty: (.q | tostring)}]`, `{"lines":[{"n":"1","q":2}]}`, `[{"line":"1","qty":"2"}]`},
		{`def total: map(.a) | add; total`, `[{"a":1},{"a":2}]`, `3`},
		{`reduce .[] as {$a, b: [$c]} (0; . + $a + $c)`, `[{"a":1,"b":[2]},{"a":3,"b":[4]}]`, `10`},
		{`.a // "none"`, `{}`, `"none"`},
		{`.a |= . + 1 | .b[0].c = 2 | .d //= 3`, `{"a":1}`, `{"a":2,"b":[{"c":2}],"d":3}`},
		{`try error("x") catch .`, `null`, `"x"`},
		{`[limit(3; repeat(1))], first(range(5; 10)), [foreach range(3) as $i (0; . + $i)]`, `null`, "[1,1,1]\n5\n[0,1,3]"},
		{`gsub("[^0-9]"; ""), replace("-"; "."), (split("-") | join("+"))`, `"1-2-3"`, "\"123\"\n\"1.2.3\"\n\"1+2+3\""},
		{`{"a\(.x)": 1, ("b" + .x): 2}`, `{"x":"y"}`, `{"ay":1,"by":2}`},
		{`@base64 "x\(.)"`, `"hi"`, `"xaGk="`},
		{`if .a then 1 elif .b then 2 else 3 end`, `{"b":true}`, `2`},
		{`with_entries(.value += 1) | to_entries | length`, `{"a":1,"b":2}`, `2`},
		{`strptime("%d.%m.%Y") | mktime | todate`, `"31.01.2026"`, `"2026-01-31T00:00:00Z"`},
		{`label $out | .[] | if . > 1 then ., break $out else empty end`, `[1,2,3]`, `2`},
		{`[.[] - 1], (. - [2])`, `[1,2]`, "[0,1]\n[1]"},
		{`del(.a, .b[0]) | walk(if type == "string" then ascii_upcase else . end)`, `{"a":1,"b":["x","y"]}`, `{"b":["Y"]}`},
		{`pointer("/a/0/b")`, `{"a":[{"b":7}]}`, `7`},
		{`sort_by(.q) | map(.q), (group_by(.q) | length)`, `[{"q":2},{"q":1}]`, "[1,2]\n2"},
	}
	for _, tt := range tests {
		got, err := run(t, tt.source, tt.in)
		if err != nil || got != tt.want {
			t.Errorf("%s on %s: %s, error %v; want %s", tt.source, tt.in, got, err, tt.want)
		}
	}
}

// What reaches outside, or is reckoned inexactly, is refused on load.
func TestCompile_Refuses(t *testing.T) {
	tests := []struct {
		source, detail string
		line           int
	}{
		{"{a: 1,\n b: now}", "now/0", 2},
		{"env", "env/0", 1}, {"$ENV.HOME", "environment", 1}, {"{$ENV}", "environment", 0}, {"input", "input/0", 1},
		{"[inputs]", "inputs/0", 1}, {"debug", "debug/0", 1}, {"input_filename", "input_filename/0", 1},
		{"get_search_list", "get_search_list/0", 1}, {`import "a" as a; .`, "imports", 1}, {"halt", "halt/0", 1},
		{".\n| nosuch(1; 2)", "nosuch/2", 2}, {"$nosuch", "$nosuch", 1}, {". |\n (.a", "ends too early", 2}, {"{a: }", "not expected", 1},
		{"sqrt", "sqrt/0", 1}, {"pow(2; 3)", "pow/2", 1}, {"localtime", "localtime/0", 1}, {"setpath([0]; 1)", "setpath/2", 1},
		{".[.n] = 1", "reckoned", 1}, {".a[$context.n] |= 1", "reckoned", 1}, {".[100000] = 1", "reckoned", 1},
		{`gsub("a"; .b)`, "gsub/2", 1}, {`_add(1; 2)`, "_add/2", 1}, {"@base32", "format", 1}, {"transpose", "transpose/0", 1},
		{"(def now: 1; now) | now", "now/0", 1},
		{strings.Repeat("(", 300) + "1" + strings.Repeat(")", 300), "nested deeper", 0},
		{strings.Repeat(" ", 70_000), "KiB", 0},
	}
	for _, tt := range tests {
		_, err := mapping.Compile("test", tt.source)
		var s *mapping.SyntaxError
		switch {
		case !errors.As(err, &s):
			t.Errorf("%.40s: error %v, want a SyntaxError", tt.source, err)
		case !strings.Contains(s.Detail, tt.detail) || s.Line != tt.line && tt.line != 0:
			t.Errorf("%.40s: line %d, %s; want line %d, %s", tt.source, s.Line, s.Detail, tt.line, tt.detail)
		}
	}
}

// Whatever a program does, its run ends within its budget, in one error.
func TestProgram_IsBounded(t *testing.T) {
	text := `"` + strings.Repeat("a", 1<<20) + `"`
	many := "[" + strings.Repeat("1,", 50_000) + "1]"
	tests := []struct{ name, source, in, want string }{
		{"endless loop", `def f: f; f`, `1`, "steps"},
		{"endless list", `[repeat(1)]`, `1`, "steps"},
		{"caught", `try (def f: f; f) catch "caught"`, `1`, "steps"},
		{"doubling text", `reduce range(60) as $i (.; . + .)`, `"aaaaaaaaaaaaaaaa"`, "bytes"},
		{"doubling text, caught", `try (reduce range(60) as $i (.; . + .)) catch 1`, `"aaaaaaaaaaaaaaaa"`, "bytes"},
		{"doubling list", `reduce range(60) as $i (.; . + .)`, `[1]`, "bytes"},
		{"text for each element", `. as $t | [range(1000) | "\($t)-\(.)"]`, text, "bytes"},
		{"join", `. as $t | [range(10000) | tostring] | join($t)`, text, "bytes"},
		{"replace", `replace("a"; "0123456789012345678901234567890123456789012345678901234567890123456789")`, text, "bytes"},
		{"gsub", `[range(5) as $i | gsub("a"; "bb")]`, text, "bytes"},
		{"expressions on long text", `[range(100000) as $i | test("b$")]`, text, "bytes"},
		{"sorting again and again", `. as $l | [range(1000) | $l | sort | length]`, many, "bytes"},
		{"many results", `range(20000)`, `1`, "results"},
		{"large result", `[range(500) as $i | "` + strings.Repeat("x", 20_000) + `"]`, `1`, "above"},
		{"a tree of shared branches", `reduce range(40) as $i (1; [., .])`, `1`, "above"},
		{"a deep result", `reduce range(1000) as $i (1; [.])`, `1`, "deeper"},
		{"text of a tree", `reduce range(40) as $i (1; [., .]) | tojson | length`, `1`, "above"},
		{"not exact", `mktime`, `[2026,0,1,0,0,0.5,0,0]`, ""},
		{"an endless fraction", `1 / 3`, `1`, "div("},
		{"text by number", `"2" * 3`, `1`, "tonumber"},
		{"by nothing", `1 / 0`, `1`, "/ 0"},
		{"a huge number", `1e300 * 1e300`, `1`, "digits"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			started := time.Now()
			got, err := run(t, tt.source, tt.in)
			if tt.want == "" {
				return // gives something or an error, and ends
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%.60s, error %v; want %q", got, err, tt.want)
			}
			if took := time.Since(started); took > 20*time.Second {
				t.Errorf("it took %s", took)
			}
		})
	}
}

func TestProgram_IsStoppedFromOutside(t *testing.T) {
	p, err := mapping.Compile("test", `def f: f; f`)
	if err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	close(stop)
	if _, err := p.Run(stop, nil, nil); err == nil || !strings.Contains(err.Error(), "canceled") {
		t.Errorf("error %v", err)
	}
	// The instance is as good as new for the next run.
	if _, err := p.Run(nil, nil, nil); err == nil || !strings.Contains(err.Error(), "steps") {
		t.Errorf("error %v", err)
	}
}

func TestProgram_ErrorsNameTheField(t *testing.T) {
	tests := []struct{ source, in, field, reason string }{
		{`error({field: "/ship/ref", reason: "is missing"})`, `1`, "/ship/ref", "is missing"},
		{`pointer("/ship/ref")`, `{"ship":{}}`, "/ship/ref", "is missing"},
		{`pointer("/ship/0")`, `{"ship":[]}`, "/ship/0", "is missing"},
		{`error("no shipment")`, `1`, "", "no shipment"},
		{`.a.b`, `{"a":"x"}`, "", "expected an object"},
	}
	for _, tt := range tests {
		_, err := run(t, tt.source, tt.in)
		var e *mapping.Error
		if !errors.As(err, &e) || e.Field != tt.field || !strings.Contains(e.Reason, tt.reason) {
			t.Errorf("%s: %v", tt.source, err)
		}
	}
}

// One input gives one result: again, side by side, and whatever the order in
// which members came.
func TestProgram_IsDeterministic(t *testing.T) {
	const source = `map_values(. * 0.1), (to_entries | map("\(.key)=\(.value)") | join("&")), keys, [.[]], add`
	want, err := run(t, source, `{"a":1,"b":2,"c":3,"d":4,"e":5,"f":6,"g":7,"h":8,"i":9}`)
	if err != nil {
		t.Fatal(err)
	}
	for range 50 {
		if got, err := run(t, source, `{"i":9,"c":3,"h":8,"a":1,"g":7,"b":2,"f":6,"d":4,"e":5}`); got != want || err != nil {
			t.Fatalf("%s, error %v; want %s", got, err, want)
		}
	}
}

func TestDecode_IsBounded(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"depth", strings.Repeat("[", 200) + strings.Repeat("]", 200), "deeper"},
		{"values", "[" + strings.Repeat("1,", 600_000) + "1]", "values"},
		{"bytes", `"` + strings.Repeat("a", 11<<20) + `"`, "bytes"},
		{"digits", strings.Repeat("9", 500), "digits"},
		{"exponent", "1e999999999", "digits"},
		{"twice", `{"a":1,"a":2}`, "JSON"},
		{"text", "\"\xff\"", "JSON"},
		{"rest", "1 2", "follows"},
		{"nothing", "", "JSON"},
	}
	for _, tt := range tests {
		if _, err := mapping.Decode([]byte(tt.in)); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v, want %q", tt.name, err, tt.want)
		}
	}
}

func FuzzProgram(f *testing.F) {
	for _, seed := range []string{`.a + 1`, `[.[] | {a: (.b // "x")}]`, `def f($x): $x * 0.1; f(3)`, `"a\(.b)"`, `.a[1:2] |= 3`, `@csv "x\(.)"`, `reduce .[] as [$a] (0; . + $a)`} {
		f.Add(seed, `{"a":[1,0.5,"x",null]}`)
	}
	f.Fuzz(func(t *testing.T, source, input string) {
		p, err := mapping.Compile("fuzz", source)
		if err != nil {
			return
		}
		in, err := mapping.Decode([]byte(input))
		if err != nil {
			return
		}
		first, err := p.Run(nil, in, nil)
		again, errAgain := p.Run(nil, in, nil)
		if (err == nil) != (errAgain == nil) || len(first) != len(again) {
			t.Errorf("%q on %q: %v and %v", source, input, err, errAgain)
		}
		for i := range first {
			a, err := mapping.Encode(first[i])
			b, errAgain := mapping.Encode(again[i])
			if string(a) != string(b) || (err == nil) != (errAgain == nil) {
				t.Errorf("%q on %q: %s and %s", source, input, a, b)
			}
		}
	})
}
