package mapping

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/internal/yamlfile"
)

// Example is an input with what has to come of it; examples are the tests of a
// mapping, and its documentation.
type Example struct {
	Name    string
	Program string // of a program; or
	Rule    string // of a rule

	in      []byte
	context map[string]any
	out     []byte // as it shall be, formatted; nil with wantErr
	wantErr string
}

// exampleBody is an example as it is written: in and out as JSON text, or in
// files beside the mapping.
type exampleBody struct {
	Name    string `yaml:"name"`
	Program string `yaml:"program"`
	Rule    string `yaml:"rule"`
	In      string `yaml:"in"`
	InFile  string `yaml:"in_file"`
	Context string `yaml:"context"`
	Out     string `yaml:"out"`
	OutFile string `yaml:"out_file"`
	Error   string `yaml:"error"`
}

func (f *File) readExamples(y *yamlfile.File, bodies []exampleBody) {
	seen := map[string]bool{}
	for i, b := range bodies {
		at := []any{"examples", i}
		if b.Name == "" || seen[b.Name] {
			y.Wrong("an example needs a name of its own", "say in words what it shows", append(at, "name")...)
		}
		seen[b.Name] = true
		if b.Program == "" && b.Rule == "" && len(f.programs) == 1 && len(f.rules) == 0 {
			b.Program = f.Programs()[0]
		}
		switch {
		case b.Rule != "" && f.Rule(b.Rule) == nil:
			y.Wrong(fmt.Sprintf("there is no rule %q", clip(b.Rule, 60)), "name one under rules", append(at, "rule")...)
		case b.Rule == "" && f.programs[b.Program] == nil:
			y.Wrong(fmt.Sprintf("there is no program %q", clip(b.Program, 60)), "name one of "+strings.Join(f.Programs(), ", "), append(at, "program")...)
		}
		e := Example{Name: b.Name, Program: b.Program, Rule: b.Rule, wantErr: b.Error}
		e.in = side(y, b.In, b.InFile, i, "in")
		if b.Error == "" {
			if out := side(y, b.Out, b.OutFile, i, "out"); out != nil {
				e.out = pretty(out)
			}
		} else if b.Out != "" || b.OutFile != "" {
			y.Wrong("an example ends in out or in error, not in both", "keep one", append(at, "error")...)
		}
		if b.Context != "" {
			v, err := Decode([]byte(b.Context))
			object, ok := v.(map[string]any)
			if err != nil || !ok {
				y.Wrong("want a JSON object", "", append(at, "context")...)
			}
			e.context = object
		}
		f.examples = append(f.examples, e)
	}
}

// side reads what an example has under key, as text or in a file.
func side(y *yamlfile.File, text, file string, i int, key string) []byte {
	at := []any{"examples", i, key}
	if (text == "") == (file == "") {
		y.Wrong("want "+key+" or "+key+"_file", "write JSON under "+key+", or name a file beside the mapping", "examples", i)
		return nil
	}
	b := []byte(text)
	if file != "" {
		at[2] = key + "_file"
		read, err := os.ReadFile(y.Beside(file))
		if err != nil {
			y.Wrong("the file can't be read: "+err.Error(), "name a file beside the mapping", at...)
			return nil
		}
		b = read
	}
	if _, err := Decode(b); err != nil {
		y.Wrong("want JSON: "+err.Error(), "", at...)
		return nil
	}
	return b
}

// Result is what came of an example.
type Result struct {
	Name string `json:"name"`
	OK   bool   `json:"ok"`
	// Difference is, line by line, what was wanted (-) and what came (+).
	Difference string `json:"difference,omitzero"`
}

// Test runs every example of the file.
func (f *File) Test() []Result {
	results := make([]Result, 0, len(f.examples))
	for _, e := range f.examples {
		r := Result{Name: e.Name}
		got, err := f.try(e)
		switch {
		case err != nil && e.wantErr != "":
			if r.OK = strings.Contains(err.Error(), e.wantErr); !r.OK {
				r.Difference = lines("- ", "error: "+e.wantErr) + lines("+ ", "error: "+err.Error())
			}
		case err != nil:
			r.Difference = lines("- ", string(e.out)) + lines("+ ", "error: "+err.Error())
		case e.wantErr != "":
			r.Difference = lines("- ", "error: "+e.wantErr) + lines("+ ", string(pretty(got)))
		default:
			r.Difference = difference(string(e.out), string(pretty(got)))
			r.OK = r.Difference == ""
		}
		results = append(results, r)
	}
	return results
}

// try runs one example: a program's one result as itself, several as a list;
// a rule's answer as {"matches", "why"}.
func (f *File) try(e Example) ([]byte, error) {
	if e.Rule != "" {
		return f.tryRule(e)
	}
	in, err := Decode(e.in)
	if err != nil {
		return nil, err
	}
	results, err := f.programs[e.Program].Run(nil, in, e.context)
	if err != nil {
		return nil, err
	}
	if len(results) == 1 {
		return Encode(results[0])
	}
	if results == nil {
		results = []any{}
	}
	return Encode(results)
}

// tryRule asks a rule about each line of an order.
func (f *File) tryRule(e Example) ([]byte, error) {
	var o waybill.Order
	if err := waybill.Unmarshal(e.in, &o); err != nil {
		return nil, fmt.Errorf("the example's in is no order: %w", err)
	}
	type answer struct {
		Line    string `json:"line"`
		Matches bool   `json:"matches"`
		Why     string `json:"why"`
	}
	answers := make([]answer, 0, len(o.Lines))
	for i := range o.Lines {
		ok, why, err := f.Rule(e.Rule).Matches(&o, &o.Lines[i])
		if err != nil {
			return nil, err
		}
		answers = append(answers, answer{o.Lines[i].Line, ok, why})
	}
	return waybill.Marshal(answers)
}

// pretty writes JSON one member a line, members sorted.
func pretty(b []byte) []byte {
	v := jsontext.Value(b).Clone()
	if decoded, err := Decode(b); err == nil { // sorted, numbers as they are written
		if sorted, err := Encode(decoded); err == nil {
			v = sorted
		}
	}
	if err := v.Indent(jsontext.WithIndent("  ")); err != nil {
		return b
	}
	return v
}

func lines(mark, text string) string {
	var b strings.Builder
	for line := range strings.Lines(strings.TrimRight(text, "\n") + "\n") {
		b.WriteString(mark + line)
	}
	return b.String()
}

// difference compares line by line, by the longest common run of lines, and
// shows two lines around each difference; empty where there is none.
func difference(want, got string) string {
	if want == got {
		return ""
	}
	a, b := strings.Split(want, "\n"), strings.Split(got, "\n")
	const most = 2000 // lines compared; beyond, both are shown
	if len(a) > most || len(b) > most {
		return lines("- ", want) + lines("+ ", got)
	}
	common := make([][]int, len(a)+1)
	for i := range common {
		common[i] = make([]int, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			common[i][j] = max(common[i+1][j], common[i][j+1])
			if a[i] == b[j] {
				common[i][j] = common[i+1][j+1] + 1
			}
		}
	}
	var out []string
	for i, j := 0, 0; i < len(a) || j < len(b); {
		switch {
		case i < len(a) && j < len(b) && a[i] == b[j]:
			out = append(out, "  "+a[i])
			i, j = i+1, j+1
		case j == len(b) || i < len(a) && common[i+1][j] >= common[i][j+1]:
			out = append(out, "- "+a[i])
			i++
		default:
			out = append(out, "+ "+b[j])
			j++
		}
	}
	return strings.Join(around(out), "\n") + "\n"
}

// around keeps changed lines and two beside them.
func around(all []string) []string {
	var kept []string
	skipped := false
	for i, line := range all {
		near := slices.ContainsFunc(all[max(i-2, 0):min(i+3, len(all))], func(s string) bool { return s[0] != ' ' })
		if near {
			kept = append(kept, line)
		} else if !skipped {
			kept = append(kept, "  …")
		}
		skipped = !near
	}
	return kept
}
