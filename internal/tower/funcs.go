package tower

import (
	"fmt"
	"html/template"
	"slices"
	"strconv"
	"strings"
	"time"
)

// item pairs a value with the page's time, for templates that show ages.
type item struct {
	Now time.Time
	X   any
}

// mark is how a state looks: a word, an icon and a tone, never a tone alone.
type mark struct{ Word, Icon, Tone string }

// marks has every state of an order (C6), a delivery (C3) and an event (C4).
var marks = map[string]mark{
	"received":          {"Received", "doc", ""},
	"held":              {"Held", "pause", "warn"},
	"accepted":          {"Accepted", "check", "acc"},
	"released":          {"Released", "box", "acc"},
	"partially_shipped": {"Partly shipped", "truck", "acc"},
	"shipped":           {"Shipped", "truck", "acc"},
	"backordered":       {"Backordered", "clock", "warn"},
	"invoiced":          {"Invoiced", "check", "ok"},

	"ready":     {"Ready", "play", ""},
	"in_flight": {"In flight", "right", "acc"},
	"in_doubt":  {"In doubt", "alert", "warn"},
	"waiting":   {"Waiting", "clock", "warn"},
	"done":      {"Done", "check", "ok"},
	"parked":    {"Parked", "block", "bad"},
	"cancelled": {"Cancelled", "x", ""},
	"skipped":   {"Skipped", "right", ""},

	"accepted_with_errors": {"Accepted with errors", "alert", "warn"},
	"awaiting":             {"Awaiting", "clock", ""},
	"overdue":              {"Overdue", "clock", "bad"},
	"sent":                 {"Sent", "check", "ok"},

	"applied":     {"Applied", "check", "ok"},
	"superseded":  {"Superseded", "copy", ""},
	"ignored":     {"Ignored", "x", ""},
	"limbo":       {"In limbo", "clock", "warn"},
	"quarantined": {"Quarantined", "block", "bad"},
	"rejected":    {"Rejected", "block", "bad"},
	"pending":     {"Pending", "clock", "warn"},
}

func markOf(state string) mark {
	if m, ok := marks[state]; ok {
		return m
	}
	return mark{Word: human(state), Icon: "doc"}
}

// roleIcons tells systems apart without a colour.
var roleIcons = map[string]string{
	"channel": "cart", "oms": "cart", "crm": "user", "wms": "box", "supplier": "box", "carrier": "truck",
	"tms": "truck", "erp": "ledger", "tax": "ledger", "returns": "retry", "sink": "db", "waybill": "pulse",
}

func roleIcon(role string) string {
	if icon, ok := roleIcons[role]; ok {
		return icon
	}
	return "plug"
}

// roleWords are the field's names for the roles.
var roleWords = map[string]string{
	"channel": "Sales channel", "oms": "Order management", "crm": "CRM", "wms": "Warehouse", "supplier": "Supplier",
	"carrier": "Carrier", "tms": "Transport", "erp": "ERP", "tax": "Tax service", "returns": "Returns desk", "sink": "Sink",
}

func roleWord(role string) string {
	if word, ok := roleWords[role]; ok {
		return word
	}
	return human(role)
}

// statuses is the order of an order's life, for lists and filters.
var statuses = []string{"received", "held", "accepted", "released", "partially_shipped", "shipped", "backordered", "invoiced", "cancelled"}

// actionWords are what the buttons say, with their icons.
var actionWords = map[ActionKind]mark{
	Retry:   {"Retry", "retry", ""},
	Skip:    {"Skip", "right", ""},
	Settle:  {"Settle", "check", ""},
	Recheck: {"Check again", "retry", ""},
	Hold:    {"Hold", "pause", ""},
	Release: {"Release", "play", ""},
	Cancel:  {"Cancel order", "x", ""},
	Pause:   {"Pause", "pause", ""},

	ReleaseBackorder: {"Release backorder", "play", ""},
	Match:            {"Match to order", "check", ""},
	Take:             {"Take", "check", ""},
	Decline:          {"Decline", "x", ""},
	Resume:           {"Resume", "play", ""},
}

// doneWords acknowledge an action on the page that follows it.
var doneWords = map[ActionKind]string{
	Retry:   "Retry asked for. It goes out as soon as its lane lets it.",
	Skip:    "Skipped. The lane goes on without it.",
	Settle:  "Settled with the reference you gave.",
	Recheck: "The check is asked for again.",
	Hold:    "Held. No first attempt is made until it is released.",
	Release: "Released. All holds are lifted.",
	Cancel:  "Cancellation asked for. The warehouse has the last word on what it already picked.",
	Pause:   "Paused. Its lanes wait in order.",

	ReleaseBackorder: "Released. What is backordered goes to the warehouse again.",
	Match:            "Matched. The return is its order's now.",
	Take:             "Taken. It is in force until its owner says otherwise.",
	Decline:          "Declined. What was in force stays.",
	Resume:           "Resumed.",
}

func doneWord(kind string) string { return doneWords[ActionKind(kind)] }

func funcs(a *assets) template.FuncMap {
	return template.FuncMap{
		"asset":     a.url,
		"at":        func(now time.Time, x any) item { return item{now, x} },
		"when":      when,
		"minute":    minute,
		"lower":     strings.ToLower,
		"clock":     func(t time.Time) string { return t.UTC().Format("15:04") },
		"iso":       func(t time.Time) string { return t.Format(time.RFC3339Nano) },
		"date":      func(t time.Time) string { return t.UTC().Format("Monday 2 January 2006") },
		"age":       func(now, t time.Time) string { return duration(now.Sub(t)) },
		"between":   func(from, to time.Time) string { return duration(to.Sub(from)) },
		"n":         thousands,
		"plural":    plural,
		"mark":      markOf,
		"action":    func(k ActionKind) mark { return actionWords[k] },
		"roleIcon":  roleIcon,
		"roleWord":  roleWord,
		"human":     human,
		"join":      strings.Join,
		"spark":     sparkline,
		"bar":       layBar,
		"id":        elementID,
		"has":       func(list []ActionKind, k ActionKind) bool { return slices.Contains(list, k) },
		"initials":  initials,
		"queryWith": queryWith,
		"moneys":    func(m []string) string { return strings.Join(m, ", ") },
	}
}

// when is a time in UTC: of today the clock, of another day with its date.
func when(now, t time.Time) string {
	if t.IsZero() {
		return ""
	}
	t, now = t.UTC(), now.UTC()
	if t.YearDay() == now.YearDay() && t.Year() == now.Year() {
		return t.Format("15:04:05")
	}
	if t.Year() == now.Year() {
		return t.Format("2 Jan 15:04")
	}
	return t.Format("2 Jan 2006")
}

// minute is a time in UTC where seconds say nothing.
func minute(now, t time.Time) string {
	switch {
	case t.IsZero():
		return ""
	case t.UTC().Format(time.DateOnly) == now.UTC().Format(time.DateOnly):
		return t.UTC().Format("15:04")
	}
	return when(now, t)
}

// duration is how long something took or is going on, in at most two units.
func duration(d time.Duration) string {
	if d < 0 {
		d = -d
	}
	switch {
	case d < time.Millisecond:
		return "under 1 ms"
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < 10*time.Second:
		return fmt.Sprintf("%d.%d s", d/time.Second, d%time.Second/(100*time.Millisecond))
	case d < time.Minute:
		return fmt.Sprintf("%d s", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%d min", d/time.Minute)
	case d < 24*time.Hour:
		return fmt.Sprintf("%d h %02d", d/time.Hour, d%time.Hour/time.Minute)
	default:
		return fmt.Sprintf("%d d %d h", d/(24*time.Hour), d%(24*time.Hour)/time.Hour)
	}
}

// thousands writes a count with separators.
func thousands(n int) string {
	s := strconv.Itoa(n)
	start := 0
	if n < 0 {
		start = 1
	}
	for i := len(s) - 3; i > start; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return thousands(n) + " " + many
}

// human turns a machine's word into one for people: "sales_order" to "Sales order".
func human(word string) string {
	if word == "" {
		return ""
	}
	word = strings.NewReplacer("_", " ", ".", " ").Replace(word)
	return strings.ToUpper(word[:1]) + word[1:]
}

func initials(name string) string {
	var out []rune
	for word := range strings.FieldsFuncSeq(name, func(r rune) bool { return r == ' ' || r == '-' || r == '_' || r == '.' }) {
		out = append(out, []rune(strings.ToUpper(word))[0])
		if len(out) == 2 {
			break
		}
	}
	return string(out)
}

// elementID makes an id for an element out of any text: what is not a letter, a
// digit or a hyphen is written as its code between underscores.
func elementID(prefix, text string) string {
	var b strings.Builder
	b.WriteString(prefix)
	b.WriteByte('-')
	for _, r := range text {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-':
			b.WriteRune(r)
		default:
			fmt.Fprintf(&b, "_%x_", r)
		}
	}
	return b.String()
}
