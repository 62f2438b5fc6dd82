package file

import (
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/waybillhq/waybill"
)

type batchBody struct {
	Kinds           []string        `yaml:"kinds"`
	Folder          string          `yaml:"folder"`
	File            string          `yaml:"file"`
	Every           time.Duration   `yaml:"every"`
	At              string          `yaml:"at"`
	Rows            int             `yaml:"rows"`
	Settled         string          `yaml:"settled"`
	Acknowledgement *ackBody        `yaml:"acknowledgement"`
	Format          formatBody      `yaml:"format"`
	Per             string          `yaml:"per"`
	Columns         []outColumnBody `yaml:"columns"`
	Trailer         []string        `yaml:"trailer"`
}

// ackBody names the files by which the system says what became of a batch.
type ackBody struct {
	Folder  string `yaml:"folder"`
	Taken   string `yaml:"taken"`
	Refused string `yaml:"refused"`
}

type outColumnBody struct {
	Name     string            `yaml:"name"`
	Field    string            `yaml:"field"`
	Value    string            `yaml:"value"`
	As       string            `yaml:"as"`
	Format   string            `yaml:"format"`
	Places   *int              `yaml:"places"`
	Length   int               `yaml:"length"`
	Right    bool              `yaml:"right"`
	Map      map[string]string `yaml:"map"`
	Required bool              `yaml:"required"`
}

// batch is one sort of files that go out.
type batch struct {
	name    string
	kinds   []waybill.Kind
	folder  string
	file    string
	every   time.Duration // windows end at multiples of it; 0: once a day
	at      time.Duration // after midnight in the spec's zone
	zone    *time.Location
	rows    int
	ack     *ackBody // nil: uploaded is done
	format  format
	per     string
	columns []outColumn
	trailer []string
}

// outColumn is a cell of each row that is written.
type outColumn struct {
	name     string
	field    []string // path into the document; nil: fixed
	fixed    string
	as       string
	layout   layout
	places   int // of decimals; -1: as many as there are
	length   int
	right    bool
	words    map[string]string
	required bool
}

// What a row of a batch stands for.
const (
	perLine     = "line"
	perDocument = "document"
)

var (
	seqMark     = regexp.MustCompile(`\{seq(?::([1-9]))?\}`)
	trailerMark = regexp.MustCompile(`\{(rows|documents|seq|sum:[^}]+)\}`)
)

// batch reads one sort of files that go out.
func (r *reading) batch(name string, b batchBody) *batch {
	in := func(keys ...any) []any { return append([]any{"out", name}, keys...) }
	t := &batch{name: name, folder: orElse(b.Folder, name), file: orElse(b.File, name+"_{seq:6}.csv"), every: b.Every, zone: r.spec.zone,
		rows: orElse(b.Rows, rowsDefault), per: orElse(b.Per, perLine), trailer: b.Trailer}
	for i, kind := range b.Kinds {
		if k, ok := r.kind(kind, in("kinds", i)...); ok {
			t.kinds = append(t.kinds, k)
			r.spec.byKind[k] = t
		}
	}
	if len(b.Kinds) == 0 {
		r.Wrong("names no kinds of document", "write kinds: [shipment_posting] or the like", in("kinds")...)
	}
	if !seqMark.MatchString(t.file) || strings.ContainsAny(t.file, "/\\") {
		r.Wrong("the names of two batches would be one, or lie elsewhere", `write {seq} or {seq:6} into it, like "POST_{seq:6}.csv"; {date} and {time} are there too`, in("file")...)
	}
	if t.rows < 1 || t.rows > rowsMax {
		r.Wrong(fmt.Sprintf("%d rows are out of range", t.rows), fmt.Sprintf("choose 1 to %d", rowsMax), in("rows")...)
	}
	if t.per != perLine && t.per != perDocument {
		r.Wrong(fmt.Sprintf("there is no row per %q", t.per), "choose line or document", in("per")...)
	}
	r.window(t, b, in)
	r.settled(t, b, in)
	t.format = r.format(b.Format, in("format"))
	if t.format.kind == kindJSON {
		r.Wrong("batches are csv or fixed", "write type: csv", in("format", "type")...)
	}
	r.outColumns(t, b.Columns, in)
	r.trailer(t, in)
	return t
}

// window reads when a batch is closed.
func (r *reading) window(t *batch, b batchBody, in func(...any) []any) {
	switch {
	case b.At != "" && b.Every != 0:
		r.Wrong("there is every too", "keep one of them", in("at")...)
	case b.At != "":
		at, err := time.Parse("15:04", b.At)
		if err != nil {
			r.Wrong(fmt.Sprintf("%q is no time of day", b.At), `write it like "22:30"`, in("at")...)
		}
		t.at = time.Duration(at.Hour())*time.Hour + time.Duration(at.Minute())*time.Minute
	case b.Every < everyMin:
		r.Wrong("says when a batch is closed, and is missing or too short", `write every: 15m, or at: "22:30"`, in("every")...)
	}
}

// settled reads when a document of a batch is done.
func (r *reading) settled(t *batch, b batchBody, in func(...any) []any) {
	switch orElse(b.Settled, "on_upload") {
	case "on_upload":
		if b.Acknowledgement != nil {
			r.Wrong("nobody waits for it", "write settled: acknowledged, or take it out", in("acknowledgement")...)
		}
	case "acknowledged":
		t.ack = orElse(b.Acknowledgement, &ackBody{})
		for _, name := range []string{t.ack.Taken, t.ack.Refused} {
			if name != "" && !strings.Contains(name, "{name}") && !strings.Contains(name, "{stem}") {
				r.Wrong("the name does not say of which batch", `write it like "{name}.ack"`, in("acknowledgement")...)
			}
		}
	default:
		r.Wrong(fmt.Sprintf("%q does not say when a document is done", b.Settled), "choose on_upload or acknowledged", in("settled")...)
	}
}

// outColumns reads the cells of a row.
func (r *reading) outColumns(t *batch, list []outColumnBody, in func(...any) []any) {
	keyed := false
	for i, b := range list {
		at := func(key string) []any { return in("columns", i, key) }
		c := outColumn{name: b.Name, fixed: b.Value, as: orElse(b.As, asText), places: -1, length: b.Length, right: b.Right, words: b.Map, required: b.Required}
		if (b.Field == "") == (b.Value == "") {
			r.Wrong("a cell has one source", "write one of field and value", at("field")...)
		}
		if b.Field != "" {
			c.field = strings.Split(b.Field, ".")
		}
		keyed = keyed || b.Field == "key"
		if c.name == "" || slices.ContainsFunc(t.columns, func(o outColumn) bool { return o.name == c.name }) {
			r.Wrong(fmt.Sprintf("the name %q is empty or taken", c.name), "give each column its own", at("name")...)
		}
		if t.format.kind == kindFixed && c.length < 1 {
			r.Wrong("a column of fixed width needs its length", "write length", at("length")...)
		}
		if !slices.Contains([]string{asText, asDecimal, asDate, asTime}, c.as) {
			r.Wrong(fmt.Sprintf("a cell can't be %q", c.as), "choose text, decimal, date or time", at("as")...)
		}
		if b.Places != nil {
			if c.places = *b.Places; c.places < 0 || c.places > 12 || c.as != asDecimal {
				r.Wrong("places are 0 to 12, of a decimal", "take it out, or write as: decimal", at("places")...)
			}
		}
		if c.layout = t.format.date; c.as == asTime {
			c.layout = t.format.time
		}
		if b.Format != "" {
			var err error
			if c.layout, err = parseLayout(b.Format); err != nil {
				r.Wrong(err.Error(), "write it like DD.MM.YYYY", at("format")...)
			}
		}
		t.columns = append(t.columns, c)
		t.format.columns = append(t.format.columns, column{name: c.name, from: t.from(i), length: c.length})
	}
	if !keyed {
		r.Wrong("no column holds the document's key", "add one with field: key, or nobody can tell in the system what was taken", in("columns")...)
	}
}

// from is the first character of a column of fixed width, from 1.
func (t *batch) from(i int) int {
	from := 1
	for _, c := range t.columns[:i] {
		from += c.length
	}
	return from
}

// trailer checks the row of control totals.
func (r *reading) trailer(t *batch, in func(...any) []any) {
	for i, cell := range t.trailer {
		for _, m := range trailerMark.FindAllStringSubmatch(cell, -1) {
			if name, ok := strings.CutPrefix(m[1], "sum:"); ok && !slices.ContainsFunc(t.columns, func(c outColumn) bool { return c.name == name && c.as == asDecimal }) {
				r.Wrong(fmt.Sprintf("there is no decimal column %q to sum", name), "name one of columns", in("trailer", i)...)
			}
		}
	}
}

// boundary is when the last window before now was closed.
func (t *batch) boundary(now time.Time) time.Time {
	if t.every > 0 {
		return now.Truncate(t.every)
	}
	local := now.In(t.zone)
	day := time.Date(local.Year(), local.Month(), local.Day(), 0, int(t.at/time.Minute), 0, 0, t.zone)
	if day.After(now) {
		day = time.Date(local.Year(), local.Month(), local.Day()-1, 0, int(t.at/time.Minute), 0, 0, t.zone)
	}
	return day
}

// next is when the window that now lies in will be closed.
func (t *batch) next(now time.Time) time.Time {
	last := t.boundary(now)
	if t.every > 0 {
		return last.Add(t.every)
	}
	local := last.In(t.zone)
	return time.Date(local.Year(), local.Month(), local.Day()+1, 0, int(t.at/time.Minute), 0, 0, t.zone)
}

// fileName is the name of a batch that was closed at a time.
func (t *batch) fileName(seq int64, at time.Time) string {
	name := seqMark.ReplaceAllStringFunc(t.file, func(mark string) string {
		width := 1
		if m := seqMark.FindStringSubmatch(mark); m[1] != "" {
			width, _ = strconv.Atoi(m[1]) //nolint:errcheck // the pattern has a digit there
		}
		return fmt.Sprintf("%0*d", width, seq)
	})
	at = at.In(t.zone)
	return strings.NewReplacer("{date}", at.Format("20060102"), "{time}", at.Format("150405")).Replace(name)
}

// beside is the name of a file about another: {name} is its name, {stem} its
// name without the ending.
func beside(pattern, name string) string {
	return strings.NewReplacer("{name}", name, "{stem}", strings.TrimSuffix(name, path.Ext(name))).Replace(pattern)
}

// batchNames lists the batches of a spec, sorted.
func (s *spec) batchNames() []string { return slices.Sorted(maps.Keys(s.batches)) }
