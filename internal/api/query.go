package api

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Sizes of pages.
const (
	limitDefault = 100
	limitMax     = 1000
)

// Param is a parameter of a route's query.
type Param struct {
	Name    string
	Doc     string
	Allowed []string // the values it may have; none: any
}

// paging are the parameters of every list.
var paging = []Param{
	{Name: "after", Doc: "the Next-Cursor of the page before; opaque"},
	{Name: "limit", Doc: "entries per page, 1 to 1000; 100 where it is absent"},
}

func listOf(params ...Param) []Param { return append(params, paging...) }

// query holds the parameters of a request, each known and there once.
type query map[string]string

// readQuery reads a query string. A parameter that the route does not know is
// refused by name: ignored, a misspelt filter would answer with everything.
func readQuery(raw string, known []Param) (query, error) {
	values, err := url.ParseQuery(raw)
	if err != nil {
		return nil, reject(http.StatusBadRequest, "query_malformed", "", "the query can't be read: "+err.Error(), "")
	}
	names := make([]string, 0, len(values))
	for name := range values {
		names = append(names, name)
	}
	slices.Sort(names)
	q := query{}
	for _, name := range names {
		i := slices.IndexFunc(known, func(p Param) bool { return p.Name == name })
		switch {
		case i < 0:
			return nil, reject(http.StatusBadRequest, "unknown_parameter", name, fmt.Sprintf("there is no parameter %q here", name), knownFix(known))
		case len(values[name]) > 1:
			return nil, reject(http.StatusBadRequest, "repeated_parameter", name, "the parameter is there more than once", "send it once")
		}
		value := values[name][0]
		if allowed := known[i].Allowed; len(allowed) > 0 && value != "" && !slices.Contains(allowed, value) {
			return nil, reject(http.StatusBadRequest, "unknown_value", name, fmt.Sprintf("%q is none of its values", value), "use one of "+strings.Join(allowed, ", "))
		}
		q[name] = value
	}
	return q, nil
}

func knownFix(known []Param) string {
	if len(known) == 0 {
		return "leave the query out"
	}
	names := make([]string, len(known))
	for i, p := range known {
		names[i] = p.Name
	}
	return "there are " + strings.Join(names, ", ")
}

// page reads where a list begins and how long it is.
func (q query) page() (after int64, limit int, err error) {
	limit = limitDefault
	if text := q["limit"]; text != "" {
		if limit, err = strconv.Atoi(text); err != nil || limit < 1 || limit > limitMax {
			return 0, 0, reject(http.StatusBadRequest, "limit_out_of_range", "limit",
				fmt.Sprintf("%q is no number from 1 to %d", text, limitMax), "ask for fewer entries and read on with Next-Cursor")
		}
	}
	if text := q["after"]; text != "" {
		if after, err = strconv.ParseInt(text, 10, 64); err != nil || after < 0 {
			return 0, 0, reject(http.StatusBadRequest, "cursor_malformed", "after",
				fmt.Sprintf("%q is no cursor", text), "send the Next-Cursor of the page before, or leave it out to begin")
		}
	}
	return after, limit, nil
}

// The prefixes of ids as the API writes them.
const (
	eventPrefix     = "evt_"
	messagePrefix   = "msg_"
	exceptionPrefix = "exc_"
)

// number reads an id of the API, with its prefix or without. Text that is no
// id names nothing.
func number(text, prefix, thing string) (int64, error) {
	n, err := strconv.ParseInt(strings.TrimPrefix(text, prefix), 10, 64)
	if err != nil || n <= 0 {
		return 0, reject(http.StatusNotFound, "not_found", "", fmt.Sprintf("there is no %s %s", thing, text), "")
	}
	return n, nil
}

// id writes a number with its prefix; "" for 0, which is none.
func id(prefix string, n int64) string {
	if n == 0 {
		return ""
	}
	return prefix + strconv.FormatInt(n, 10)
}
