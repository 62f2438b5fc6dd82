package file

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // zones are the same on every machine

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/connector"
	"github.com/waybillhq/waybill/connector/fact"
	"github.com/waybillhq/waybill/internal/yamlfile"
)

// Limits and defaults of what a spec can ask for.
const (
	specVersion     = 1
	everyMin        = time.Second
	everyDefault    = time.Minute
	stableDefault   = 10 * time.Second
	fileMaxDefault  = 1 << 30
	rowsMax         = 100_000 // of one batch file; they are in memory while it is written
	rowsDefault     = 10_000
	rememberDefault = 90 * 24 * time.Hour
)

// specBody is a spec as it is written.
type specBody struct {
	Version     int                  `yaml:"version"`
	Zone        string               `yaml:"zone"`
	Format      formatBody           `yaml:"format"`
	In          map[string]feedBody  `yaml:"in"`
	Out         map[string]batchBody `yaml:"out"`
	WithoutFile []string             `yaml:"without_file"`
	State       string               `yaml:"state"`
	Remember    time.Duration        `yaml:"remember"`
	KeepsOrder  bool                 `yaml:"keeps_order"`
}

// formatBody is how rows are written; what a feed or batch leaves out is the
// spec's own.
type formatBody struct {
	Type      string  `yaml:"type"`
	Delimiter string  `yaml:"delimiter"`
	Quote     *string `yaml:"quote"`
	Encoding  string  `yaml:"encoding"`
	Header    *bool   `yaml:"header"`
	Decimal   string  `yaml:"decimal"`
	Thousands string  `yaml:"thousands"`
	Date      string  `yaml:"date"`
	Time      string  `yaml:"time"`
	LineEnd   string  `yaml:"line_end"`
}

type columnBody struct {
	Name   string `yaml:"name"`
	From   int    `yaml:"from"`
	Length int    `yaml:"length"`
}

type feedBody struct {
	Folder    string                `yaml:"folder"`
	Files     string                `yaml:"files"`
	Every     time.Duration         `yaml:"every"`
	Stable    *time.Duration        `yaml:"stable"`
	Companion string                `yaml:"companion"`
	Work      string                `yaml:"work"`
	Done      string                `yaml:"done"`
	Rejected  string                `yaml:"rejected"`
	FileMax   int64                 `yaml:"file_max"`
	Same      string                `yaml:"same"`
	OnError   string                `yaml:"on_error"`
	Format    formatBody            `yaml:"format"`
	Columns   []columnBody          `yaml:"columns"`
	Event     string                `yaml:"event"`
	Group     []string              `yaml:"group"`
	At        *sourceBody           `yaml:"at"`
	Fields    map[string]sourceBody `yaml:"fields"`
	Lines     map[string]sourceBody `yaml:"lines"`
	Totals    *totalsBody           `yaml:"totals"`
}

// sourceBody says where a value of an event comes from and what it is.
type sourceBody struct {
	Column   string            `yaml:"column"`
	Columns  []string          `yaml:"columns"`
	Value    string            `yaml:"value"`
	Default  string            `yaml:"default"`
	As       string            `yaml:"as"`
	Format   string            `yaml:"format"`
	Decimals int               `yaml:"decimals"`
	Map      map[string]string `yaml:"map"`
}

// totalsBody says where a file's control totals are.
type totalsBody struct {
	Trailer   string            `yaml:"trailer"`
	Companion bool              `yaml:"companion"`
	Columns   bool              `yaml:"columns"`
	Rows      string            `yaml:"rows"`
	Groups    string            `yaml:"groups"`
	Sums      map[string]string `yaml:"sums"`
}

// spec is a spec that was read and found right.
type spec struct {
	revision string
	zone     *time.Location
	feeds    map[string]*feed
	batches  map[string]*batch
	byKind   map[waybill.Kind]*batch
	without  map[waybill.Kind]bool
	state    string
	remember time.Duration
	ordered  bool
}

// feed is one sort of files that come in.
type feed struct {
	drop   connector.Drop
	format format
	event  waybill.EventType
	group  []string
	at     *source
	fields []*member
	lines  []*member // of one line; nil: the event has no lines of its own
	totals *totals
}

// reading gathers what is wrong with a spec.
type reading struct {
	*yamlfile.File
	body specBody
	spec *spec
}

// loadSpec reads the spec at a path. The error is [yamlfile.Problems].
func loadSpec(name string) (*spec, error) {
	if name == "" {
		return nil, fmt.Errorf("no spec is named; write settings: {spec: FILE}")
	}
	r := &reading{spec: &spec{feeds: map[string]*feed{}, batches: map[string]*batch{}, byKind: map[waybill.Kind]*batch{},
		without: map[waybill.Kind]bool{}}}
	var err error
	if r.File, err = yamlfile.Load(name, &r.body); err != nil {
		return nil, err
	}
	src, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(src)
	r.spec.revision = hex.EncodeToString(sum[:8])
	r.top()
	for _, name := range slices.Sorted(maps.Keys(r.body.In)) {
		r.spec.feeds[name] = r.feed(name, r.body.In[name])
	}
	for _, name := range slices.Sorted(maps.Keys(r.body.Out)) {
		r.spec.batches[name] = r.batch(name, r.body.Out[name])
	}
	if len(r.body.In)+len(r.body.Out) == 0 {
		r.Wrong("it describes no files", "write under in what comes from the system, and under out what goes to it")
	}
	return r.spec, r.Err()
}

// top reads what holds for the whole spec.
func (r *reading) top() {
	b, s := &r.body, r.spec
	if b.Version != specVersion {
		r.Wrong(fmt.Sprintf("version %d is not known", b.Version), "write version: 1", "version")
	}
	var err error
	if s.zone, err = time.LoadLocation(b.Zone); err != nil || b.Zone == "Local" {
		s.zone = time.UTC
		r.Wrong(fmt.Sprintf("there is no time zone %q", b.Zone), "write it like Europe/Berlin", "zone")
	}
	s.state = path.Clean(orElse(b.State, ".waybill"))
	s.remember, s.ordered = orElse(b.Remember, rememberDefault), b.KeepsOrder
	if s.remember < 24*time.Hour {
		r.Wrong("what was sent is forgotten too soon to tell a repetition", "write 24h or more", "remember")
	}
	for i, name := range b.WithoutFile {
		if kind, ok := r.kind(name, "without_file", i); ok {
			s.without[kind] = true
		}
	}
}

func orElse[T comparable](v, otherwise T) T {
	var zero T
	if v == zero {
		return otherwise
	}
	return v
}

// kind reads the name of a kind of document that nothing else has claimed.
func (r *reading) kind(name string, at ...any) (waybill.Kind, bool) {
	kind := waybill.Kind(name)
	switch {
	case !slices.Contains(waybill.Kinds(), kind):
		r.Wrong(fmt.Sprintf("there is no kind of document %q", name), "choose one of the system contract's (T1), like sales_order", at...)
	case r.spec.without[kind] || r.spec.byKind[kind] != nil:
		r.Wrong(fmt.Sprintf("%s is named twice", kind), "a kind goes to one batch, or to without_file", at...)
	default:
		return kind, true
	}
	return kind, false
}

// feed reads one sort of files that come in.
func (r *reading) feed(name string, b feedBody) *feed {
	in := func(keys ...any) []any { return append([]any{"in", name}, keys...) }
	f := &feed{event: waybill.EventType(b.Event), group: b.Group}
	f.drop = connector.Drop{Name: name, Folder: orElse(b.Folder, name), Pattern: orElse(b.Files, "*"), Every: orElse(b.Every, everyDefault),
		Stable: stableDefault, Companion: b.Companion, FileMax: orElse(b.FileMax, fileMaxDefault),
		Whole: orElse(b.OnError, "file") == "file", Same: connector.Sameness(orElse(b.Same, string(connector.SameNameAndContent)))}
	if b.Stable != nil {
		f.drop.Stable = *b.Stable
	}
	f.drop.Work = orElse(b.Work, path.Join(f.drop.Folder, "work"))
	f.drop.Done = orElse(b.Done, path.Join(f.drop.Folder, "done"))
	f.drop.Rejected = orElse(b.Rejected, path.Join(f.drop.Folder, "rejected"))
	r.drop(&f.drop, b, in)
	f.format = r.format(b.Format, in("format"))
	f.format.columns = r.columns(&f.format, b.Columns, in)
	if !fact.Known(f.event) {
		r.Wrong(fmt.Sprintf("there is no event %q", b.Event), "choose one of the system contract's (W3), like order.placed", in("event")...)
	}
	f.fields = r.members(b.Fields, &f.format, in("fields"))
	f.lines = r.members(b.Lines, &f.format, in("lines"))
	if len(f.lines) > 0 && len(f.group) == 0 {
		r.Wrong("rows become lines, and nothing says which belong together", "name the columns that rows of one event have in common", in("group")...)
	}
	for i, column := range f.group {
		r.column(&f.format, column, in("group", i)...)
	}
	if b.At != nil {
		if f.at = r.source(*b.At, &f.format, in("at")); f.at.as != asTime && f.at.as != asDate {
			r.Wrong("the time of an event is a time", "write as: time, or as: date", in("at", "as")...)
		}
	}
	if b.Totals != nil {
		f.totals = r.totals(*b.Totals, f, in)
	}
	return f
}

// drop checks where a feed's files are and when they are taken.
func (r *reading) drop(d *connector.Drop, b feedBody, in func(...any) []any) {
	if _, err := path.Match(d.Pattern, ""); err != nil || strings.Contains(d.Pattern, "/") {
		r.Wrong(fmt.Sprintf("%q is no pattern for names", d.Pattern), `write it like "ORD*.csv"`, in("files")...)
	}
	if d.Every < everyMin {
		r.Wrong("the folder would be looked at without a pause", "write 1s or more", in("every")...)
	}
	if d.Stable < 0 || d.FileMax < 0 {
		r.Wrong("below zero", "leave it out for the default", in("stable")...)
	}
	if !slices.Contains([]connector.Sameness{connector.SameNameAndContent, connector.SameContent, connector.SameName}, d.Same) {
		r.Wrong(fmt.Sprintf("%q does not say when two files are the same", b.Same), "choose name_and_content, content or name", in("same")...)
	}
	if b.OnError != "" && b.OnError != "file" && b.OnError != "group" {
		r.Wrong(fmt.Sprintf("%q is not rejected or quarantined", b.OnError), "choose file (all of it is rejected) or group (the rows of one event are quarantined)", in("on_error")...)
	}
	seen := map[string]bool{}
	for _, folder := range []string{d.Folder, d.Work, d.Done, d.Rejected} {
		if seen[path.Clean(folder)] {
			r.Wrong("two of folder, work, done and rejected are one folder", "give each its own", in("folder")...)
		}
		seen[path.Clean(folder)] = true
	}
	if d.Companion != "" && !strings.Contains(d.Companion, "{name}") && !strings.Contains(d.Companion, "{stem}") {
		r.Wrong("a companion has to be told from others", `write it like "{stem}.done" or "{name}.ok"`, in("companion")...)
	}
}

// columns reads names and places of cells, where no header names them.
func (r *reading) columns(f *format, list []columnBody, in func(...any) []any) []column {
	if len(list) == 0 && (f.kind == kindFixed || f.kind == kindCSV && !f.header) {
		r.Wrong("is missing", "name the columns in their order: nothing in the file does", in("columns")...)
	}
	if len(list) > 0 && (f.kind == kindJSON || f.kind == kindCSV && f.header) {
		r.Wrong("the file itself names its columns", "take it out, or write header: false", in("columns")...)
	}
	var out []column
	next := 1
	for i, b := range list {
		c := column{name: b.Name, from: orElse(b.From, next), length: b.Length}
		if f.kind == kindFixed && (c.length < 1 || c.from < 1) {
			r.Wrong("a column of fixed width needs its length", "write from (counted from 1; default: where the one before ends) and length", in("columns", i)...)
		}
		if slices.ContainsFunc(out, func(o column) bool { return o.name == c.name }) || c.name == "" {
			r.Wrong(fmt.Sprintf("the name %q is empty or taken", c.name), "give each column its own", in("columns", i, "name")...)
		}
		out, next = append(out, c), c.from+c.length
	}
	return out
}

// column checks that a column is there, where that can be known.
func (r *reading) column(f *format, name string, at ...any) {
	if name == "" || len(f.columns) > 0 && !slices.ContainsFunc(f.columns, func(c column) bool { return c.name == name }) {
		r.Wrong(fmt.Sprintf("there is no column %q", name), "name one of columns", at...)
	}
}

// totals reads where the control totals of a feed are.
func (r *reading) totals(b totalsBody, f *feed, in func(...any) []any) *totals {
	t := &totals{trailer: b.Trailer, companion: b.Companion, columns: b.Columns, rows: b.Rows, groups: b.Groups}
	places := 0
	for _, on := range []bool{b.Trailer != "", b.Companion, b.Columns} {
		if on {
			places++
		}
	}
	if places != 1 {
		r.Wrong("control totals are in one place", "write one of trailer, companion: true, columns: true", in("totals")...)
	}
	if b.Companion && f.drop.Companion == "" {
		r.Wrong("the feed has no companion", `write companion: "{stem}.ctl" or the like`, in("totals", "companion")...)
	}
	cell := func(ref string, keys ...any) {
		n, err := strconv.Atoi(ref)
		switch {
		case ref == "":
		case b.Columns:
			r.column(&f.format, ref, in(keys...)...)
		case err != nil || n < 1:
			r.Wrong(fmt.Sprintf("%q is no cell", ref), "write the number of the cell in its row, from 1", in(keys...)...)
		}
	}
	cell(b.Rows, "totals", "rows")
	cell(b.Groups, "totals", "groups")
	for _, name := range slices.Sorted(maps.Keys(b.Sums)) {
		r.column(&f.format, name, in("totals", "sums", name)...)
		cell(b.Sums[name], "totals", "sums", name)
		t.sums = append(t.sums, columnSum{column: name, at: b.Sums[name]})
	}
	if b.Rows == "" && b.Groups == "" && len(b.Sums) == 0 {
		r.Wrong("nothing is compared", "write rows, groups or sums", in("totals")...)
	}
	return t
}
