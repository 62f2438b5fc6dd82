package file

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/waybillhq/waybill"
)

// What a cell can stand for.
const (
	asText    = "text"
	asDecimal = "decimal"
	asInteger = "integer"
	asDate    = "date"
	asTime    = "time"
	asBool    = "bool"
)

var kindsOfValue = []string{asText, asDecimal, asInteger, asDate, asTime, asBool}

// source is where one value comes from and what it is.
type source struct {
	column   string
	columns  []string // a list of those that are not empty
	fixed    string   // the value itself
	absent   string   // stands for an empty cell
	as       string
	layout   layout // of dates and times
	decimals int    // places that are implied, as in fixed width: 1250 is 12.50
	words    map[string]string
}

// member is a field of an event's data: a value, or an object of members.
type member struct {
	name    string
	source  *source
	members []*member
}

// source reads where a value comes from.
func (r *reading) source(b sourceBody, f *format, at []any) *source {
	s := &source{column: b.Column, columns: b.Columns, fixed: b.Value, absent: b.Default, as: orElse(b.As, asText), decimals: b.Decimals, words: b.Map}
	wrong := func(key, detail, fix string) { r.Wrong(detail, fix, append(append([]any{}, at...), key)...) }
	given := 0
	for _, there := range []bool{b.Column != "", len(b.Columns) > 0, b.Value != ""} {
		if there {
			given++
		}
	}
	if given != 1 {
		wrong("column", "a value has one source", "write one of column, columns and value")
	}
	if !slices.Contains(kindsOfValue, s.as) {
		wrong("as", fmt.Sprintf("there is no kind of value %q", b.As), "choose one of "+strings.Join(kindsOfValue, ", "))
	}
	for _, name := range append(slices.Clone(b.Columns), b.Column) {
		if name != "" {
			r.column(f, name, append(append([]any{}, at...), "column")...)
		}
	}
	if b.Decimals < 0 || b.Decimals > 12 || b.Decimals > 0 && s.as != asDecimal {
		wrong("decimals", "implied places are 0 to 12, of a decimal", "take it out, or write as: decimal")
	}
	s.layout = f.date
	if s.as == asTime {
		s.layout = f.time
	}
	if b.Format != "" {
		var err error
		if s.layout, err = parseLayout(b.Format); err != nil {
			wrong("format", err.Error(), "write it like DD.MM.YYYY hh:mm")
		}
	}
	return s
}

// members reads the fields of an event, a dotted name for those within
// another: "ship_to.name". They are sorted, so that the same rows give the
// same bytes.
func (r *reading) members(list map[string]sourceBody, f *format, at []any) []*member {
	var top member
	for _, name := range slices.Sorted(maps.Keys(list)) {
		into := &top
		steps := strings.Split(name, ".")
		for i, step := range steps {
			k := slices.IndexFunc(into.members, func(m *member) bool { return m.name == step })
			if k < 0 {
				into.members = append(into.members, &member{name: step})
				k = len(into.members) - 1
			}
			into = into.members[k]
			if into.source != nil || step == "" || i == len(steps)-1 && into.members != nil {
				r.Wrong("it is a value and holds others", "choose another name", append(append([]any{}, at...), name)...)
			}
		}
		into.source = r.source(list[name], f, append(append([]any{}, at...), name))
	}
	return top.members
}

// text gives the raw words of a source in a row: one, or several of a list.
func (s *source) text(t *table, r *row) ([]string, error) {
	names := s.columns
	if s.column != "" {
		names = []string{s.column}
	}
	var out []string
	for _, name := range names {
		v, err := t.cell(r, name)
		if err != nil {
			return nil, err
		}
		if v != "" || s.column != "" {
			out = append(out, v)
		}
	}
	return out, nil
}

// appendJSON appends the value of a row; nothing where the cell is empty.
func (s *source) appendJSON(b []byte, t *table, r *row, zone *time.Location) ([]byte, error) {
	if s.fixed != "" {
		return s.appendOne(b, s.fixed, t.f, zone, nil)
	}
	words, err := s.text(t, r)
	if err != nil {
		return b, err
	}
	at := func(reason string) error {
		return wrongf(r.line, orElse(s.column, strings.Join(s.columns, ", ")), "%s", reason)
	}
	if s.columns != nil {
		if len(words) == 0 {
			return b, nil
		}
		b = append(b, '[')
		for i, w := range words {
			if i > 0 {
				b = append(b, ',')
			}
			if b, err = s.appendOne(b, w, t.f, zone, at); err != nil {
				return b, err
			}
		}
		return append(b, ']'), nil
	}
	w := words[0]
	if w == "" {
		w = s.absent
	}
	if w == "" {
		return b, nil
	}
	return s.appendOne(b, w, t.f, zone, at)
}

// appendOne appends one word as what it stands for.
func (s *source) appendOne(b []byte, w string, f *format, zone *time.Location, at func(string) error) ([]byte, error) {
	v, err := s.convert(w, f, zone)
	if err != nil {
		if at != nil {
			return b, at(err.Error())
		}
		return b, wrongf(0, "", "the value %q: %v", w, err)
	}
	if s.as == asBool || s.as == asInteger {
		return append(b, v...), nil
	}
	return jsontext.AppendQuote(b, v)
}

// convert turns a word into what JSON writes for it, without quotes. An
// unknown word is never guessed.
func (s *source) convert(w string, f *format, zone *time.Location) (string, error) {
	if s.words != nil {
		v, ok := s.words[w]
		if !ok {
			return "", fmt.Errorf("%.60q is none of the words in map; add it there, with what it means", w)
		}
		w = v
	}
	switch s.as {
	case asDecimal:
		d, err := f.number(w, s.decimals)
		if err != nil {
			return "", err
		}
		return d.String(), nil
	case asInteger:
		n, err := strconv.ParseInt(w, 10, 64)
		if err != nil {
			return "", fmt.Errorf("want a whole number, got %.60q", w)
		}
		return strconv.FormatInt(n, 10), nil
	case asDate:
		at, err := s.layout.parse(w, time.UTC)
		if err != nil {
			return "", err
		}
		return at.Format(time.DateOnly), nil
	case asTime:
		at, err := s.layout.parse(w, zone)
		if err != nil {
			return "", err
		}
		return at.Format(time.RFC3339Nano), nil
	case asBool:
		switch strings.ToLower(w) {
		case "true", "1", "y", "yes", "x":
			return "true", nil
		case "false", "0", "n", "no":
			return "false", nil
		}
		return "", fmt.Errorf("want true or false, got %.60q; a map can say what it means", w)
	}
	return w, nil
}

// number reads a number as the system writes it: its decimal mark, its
// thousands in groups of three, a minus before or behind it.
func (f *format) number(w string, implied int) (waybill.Decimal, error) {
	bad := fmt.Errorf("%.60q is no number with the decimal mark %q", w, f.decimal)
	text := strings.TrimPrefix(strings.TrimSpace(w), "+")
	negative := false
	if rest, ok := strings.CutSuffix(text, "-"); ok {
		negative, text = true, rest
	} else if rest, ok := strings.CutPrefix(text, "-"); ok {
		negative, text = true, rest
	}
	whole, places, dotted := strings.Cut(text, string(rune(f.decimal)))
	if f.thousands != 0 && strings.IndexByte(whole, f.thousands) >= 0 {
		groups := strings.Split(whole, string(rune(f.thousands)))
		for i, g := range groups {
			if len(g) != 3 && (i > 0 || len(g) > 3 || g == "") {
				return waybill.Decimal{}, bad
			}
		}
		whole = strings.Join(groups, "")
	}
	if !digits(whole+places) || whole+places == "" || dotted && places == "" {
		return waybill.Decimal{}, bad
	}
	if implied > 0 {
		if dotted {
			return waybill.Decimal{}, fmt.Errorf("%.60q has a decimal mark, and decimals says that %d places are implied", w, implied)
		}
		whole = strings.Repeat("0", max(implied+1-len(whole), 0)) + whole
		whole, places = whole[:len(whole)-implied], whole[len(whole)-implied:]
	}
	if whole == "" {
		whole = "0"
	}
	if places != "" {
		whole += "." + places
	}
	d, err := waybill.ParseDecimal(whole)
	if err != nil {
		return d, err
	}
	if negative {
		d = d.Neg()
	}
	return d, nil
}

func digits(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

// layout is how a date or a time is written.
type layout struct {
	words string // as the spec has it
	form  string // as package time has it
}

// tokens are the letters of a layout, the longer first.
var tokens = []struct{ word, form string }{
	{"YYYY", "2006"}, {"YY", "06"}, {"MM", "01"}, {"DD", "02"}, {"hh", "15"}, {"mm", "04"}, {"ss", "05"}, {"Z", "Z07:00"},
}

// parseLayout reads a layout like "DD.MM.YYYY hh:mm".
func parseLayout(words string) (layout, error) {
	l := layout{words: words}
	for rest := words; rest != ""; {
		before := rest
		for _, t := range tokens {
			if after, ok := strings.CutPrefix(rest, t.word); ok {
				l.form += t.form
				rest = after
				break
			}
		}
		if rest != before {
			continue
		}
		if c := rest[0]; c >= '0' && c <= '9' || c != 'T' && (c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z') {
			return l, fmt.Errorf("%q: %q stands for nothing; use YYYY, YY, MM, DD, hh, mm, ss and Z", words, c)
		}
		l.form += rest[:1]
		rest = rest[1:]
	}
	if !strings.Contains(l.form, "06") || !strings.Contains(l.form, "01") || !strings.Contains(l.form, "02") {
		return l, fmt.Errorf("%q has no year, month or day", words)
	}
	return l, nil
}

// parse reads a date or a time; what has no offset is in the zone.
func (l layout) parse(w string, zone *time.Location) (time.Time, error) {
	at, err := time.ParseInLocation(l.form, w, zone)
	if err != nil {
		return at, fmt.Errorf("%.60q is no date or time like %s", w, l.words)
	}
	return at, nil
}
