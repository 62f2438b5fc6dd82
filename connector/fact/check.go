package fact

import (
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/connector"
)

// check collects what is wrong with a fact; the first finding counts. Pointers
// are put together only then: most facts are right.
type check struct {
	source Source
	fact   Fact
	own    string // a channel's own number for the order
	err    *connector.Untranslatable
	lines  []map[string]jsontext.Value // members of data.lines, read when presence matters
}

func (c *check) fail(pointer, format string, args ...any) {
	if c.err == nil {
		c.err = &connector.Untranslatable{Field: c.fact.Pointer + pointer, Reason: fmt.Sprintf(format, args...)}
	}
}

// lineOf points to a field of a line: "/lines/3/qty".
func lineOf(i int, field string) string { return "/lines/" + strconv.Itoa(i) + "/" + field }

const idRule = "ids are 1 to 128 of the characters A-Z a-z 0-9 . _ ~ - (G1)"

// id wants a valid id.
func (c *check) id(pointer, v string) {
	switch {
	case waybill.ValidID(v):
	case v == "":
		c.fail(pointer, "is missing or empty; %s", idRule)
	default:
		c.fail(pointer, "%q is no valid id; %s", clip(v), idRule)
	}
}

// optionalID wants a valid id or none.
func (c *check) optionalID(pointer, v string) {
	if v != "" {
		c.id(pointer, v)
	}
}

// lineID is id for a field of a line.
func (c *check) lineID(i int, field, v string) {
	if !waybill.ValidID(v) {
		c.id(lineOf(i, field), v)
	}
}

// order names the order that a fact belongs to. A channel sends its own
// number, every other system the installation's (G4).
func (c *check) order(v string) string {
	if c.source.Role == waybill.RoleChannel {
		if v == "" {
			c.fail("/order", "is missing or empty; send your own number of the order")
			return ""
		}
		name := waybill.OrderName(c.source.OrderPrefix, v)
		if !waybill.ValidID(name) {
			c.fail("/order", "%q is too long: with its prefix it is written in %d characters, and at most %d are possible (G4)",
				clip(v), len(name), waybill.IDMax)
		}
		c.own = v
		return name
	}
	c.id("/order", v)
	if strings.HasPrefix(v, "~~") {
		c.fail("/order", "%q begins with ~~, as no order does (G4); send the order's number as the document named it", clip(v))
	}
	return v
}

// version is the version of the fact's subject: 1 where absent. A 0 that was
// written is no version: the next one would not be told from the first.
func (c *check) version(v int64) int64 {
	if v > 0 {
		return v
	}
	if v < 0 || c.present("version") {
		c.fail("/version", "%d is no version; count from 1, or leave it out where the subject never changes", v)
	}
	return 1
}

// entityVersion is version for master data: absent, it is the time of the
// message in microseconds (W3).
func (c *check) entityVersion(v int64) int64 {
	if v == 0 && !c.present("version") {
		return max(c.fact.At.UnixMicro(), 1)
	}
	return c.version(v)
}

// present reports whether data has a member. It is asked only where a decoded
// zero could also be an absence.
func (c *check) present(name string) bool {
	_, _, ok := member(c.fact.Data, name)
	return ok
}

// linePresent is present for a field of a line.
func (c *check) linePresent(i int, field string) bool {
	if c.lines == nil {
		var v struct {
			Lines []map[string]jsontext.Value `json:"lines"`
		}
		if json.Unmarshal(c.fact.Data, &v) != nil {
			return false
		}
		c.lines = v.Lines
	}
	if i >= len(c.lines) {
		return false
	}
	v, ok := c.lines[i][field]
	return ok && v.Kind() != 'n'
}

// qty wants a quantity that is there and not below zero: a fact's quantity is
// its own, and less is told by a newer version with a smaller one.
func (c *check) qty(i int, v waybill.Decimal) {
	switch v.Sign() {
	case -1:
		c.fail(lineOf(i, "qty"), "%s is below zero; a correction is a newer version with the smaller quantity", v)
	case 0:
		if !c.linePresent(i, "qty") {
			c.fail(lineOf(i, "qty"), `is missing; send a decimal string like "12" or "0.5"`)
		}
	}
}

// hasLines wants the lines; an empty list is one.
func (c *check) hasLines(there bool) {
	if !there {
		c.fail("/lines", "is missing; send the list of lines")
	}
}

// instant wants an RFC 3339 time.
func (c *check) instant(pointer, v string) {
	if v == "" {
		c.fail(pointer, "is missing; send a time as in RFC 3339, like 2026-01-02T03:04:05Z")
		return
	}
	if _, err := ParseTime(v); err != nil {
		c.fail(pointer, "%q is no time as in RFC 3339; write it like 2026-01-02T03:04:05Z or with its offset +01:00", clip(v))
	}
}

// date wants YYYY-MM-DD or nothing.
func (c *check) date(pointer, v string) {
	if v == "" {
		return
	}
	if _, err := time.Parse(time.DateOnly, v); err != nil {
		c.fail(pointer, "%q is no date; write it like 2026-01-31, in the company's zone", clip(v))
	}
}

// currency wants an ISO 4217 code.
func (c *check) currency(v string) {
	ok := len(v) == 3
	for i := 0; ok && i < 3; i++ {
		ok = v[i] >= 'A' && v[i] <= 'Z'
	}
	if !ok {
		c.fail("/currency", "%q is no currency code; send three capital letters as in ISO 4217, like EUR", clip(v))
	}
}

// ParseTime reads an RFC 3339 time and keeps its offset. It never depends on
// the zone of the machine.
func ParseTime(s string) (time.Time, error) {
	return time.ParseInLocation(time.RFC3339Nano, s, time.UTC)
}

func clip(s string) string {
	if len(s) > 60 {
		return strings.ToValidUTF8(s[:60], "") + "…"
	}
	return s
}

// Unreadable turns a decoder's error into a reason that names the field.
// pointer is where the decoded value lies in the message.
func Unreadable(err error, pointer string) error {
	if u := (*connector.Untranslatable)(nil); errors.As(err, &u) {
		return &connector.Untranslatable{Field: pointer + u.Field, Reason: u.Reason}
	}
	if s := (*json.SemanticError)(nil); errors.As(err, &s) {
		return &connector.Untranslatable{Field: pointer + string(s.JSONPointer), Reason: wanted(s)}
	}
	if s := (*jsontext.SyntacticError)(nil); errors.As(err, &s) {
		return &connector.Untranslatable{Field: pointer + string(s.JSONPointer),
			Reason: fmt.Sprintf("is not JSON: %v at byte %d", s.Err, s.ByteOffset)}
	}
	return &connector.Untranslatable{Field: pointer, Reason: "is not JSON: " + err.Error()}
}

// wanted says what should have stood in the place of the value at fault.
func wanted(e *json.SemanticError) string {
	got := kindName(e.JSONKind)
	if e.GoType == nil {
		return fmt.Sprint(e.Err)
	}
	if e.GoType == reflect.TypeFor[waybill.Decimal]() {
		if e.Err != nil {
			return e.Err.Error()
		}
		return `want a decimal string like "12.50", got ` + got
	}
	want := ""
	switch e.GoType.Kind() {
	case reflect.String:
		want = "a string"
	case reflect.Bool:
		want = "true or false"
	case reflect.Int, reflect.Int64:
		want = "a whole number"
	case reflect.Slice:
		want = "a list"
	case reflect.Struct, reflect.Map, reflect.Pointer:
		want = "an object"
	}
	switch {
	case want == "" && e.Err != nil:
		return e.Err.Error()
	case len(e.JSONValue) > 0 && len(e.JSONValue) <= 60:
		return fmt.Sprintf("want %s, got %s", want, e.JSONValue)
	}
	return fmt.Sprintf("want %s, got %s", want, got)
}

func kindName(k jsontext.Kind) string {
	switch k {
	case 'n':
		return "null"
	case 't', 'f':
		return "true or false"
	case '"':
		return "a string"
	case '0':
		return "a number"
	case '{':
		return "an object"
	case '[':
		return "a list"
	}
	return "something else"
}
