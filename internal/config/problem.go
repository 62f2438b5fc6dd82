package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Problem is one thing that is wrong in a configuration, said so that its
// writer can mend it without the manual.
type Problem struct {
	File    string // as given to Load; the secrets file where that is wrong
	Line    int    // from 1; 0 where no line is at fault
	Column  int    // from 1; 0 where no line is at fault
	Path    string // of the key: "systems.erp.base_url"; may be empty
	Detail  string // what is wrong
	Fix     string // what to do; may be empty
	Warning bool   // Waybill runs nevertheless
}

// String writes "waybill.yaml:12:5: systems.erp.base_url: …; fix". A warning
// says so.
func (p Problem) String() string {
	var b strings.Builder
	b.WriteString(p.File)
	if p.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", p.Line, p.Column)
	}
	b.WriteString(": ")
	if p.Warning {
		b.WriteString("warning: ")
	}
	if p.Path != "" {
		b.WriteString(p.Path + ": ")
	}
	b.WriteString(p.Detail)
	if p.Fix != "" {
		b.WriteString("; " + p.Fix)
	}
	return b.String()
}

// Problems is everything that is wrong with a configuration, in the order of
// its lines. It is the error of Load.
type Problems []Problem

// Error writes one problem a line.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// Fatal reports whether one of them is more than a warning.
func (ps Problems) Fatal() bool {
	return slices.ContainsFunc(ps, func(p Problem) bool { return !p.Warning })
}

func (ps Problems) sort() {
	slices.SortStableFunc(ps, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
}

// place is where in its file a key's value stands.
type place struct{ line, column int }

// places finds the place of a path.
type places map[string]place

// of gives the place of path, or of what it would stand in.
func (ps places) of(path string) place {
	for {
		if p, ok := ps[path]; ok {
			return p
		}
		i := strings.LastIndexAny(path, ".[")
		if i < 0 {
			return ps[""]
		}
		path = path[:i]
	}
}

// nearest gives the one of names that is closest to name, where one is close
// enough to have been meant.
func nearest(name string, names []string) (string, bool) {
	best, found := "", len(name)/2+1
	for _, n := range names {
		if d := distance(strings.ToLower(name), n); d < found {
			best, found = n, d
		}
	}
	return best, best != ""
}

// distance counts the letters to insert, delete, replace or swap with their
// neighbour to make b of a (optimal string alignment).
func distance(a, b string) int {
	before, last, now := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		now[0] = i
		for j := 1; j <= len(b); j++ {
			change := 1
			if a[i-1] == b[j-1] {
				change = 0
			}
			now[j] = min(last[j]+1, now[j-1]+1, last[j-1]+change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				now[j] = min(now[j], before[j-2]+1)
			}
		}
		before, last, now = last, now, before
	}
	return last[len(b)]
}

// oneOf says which names there are, and which was likely meant.
func oneOf(name string, names []string) string {
	if n, ok := nearest(name, names); ok {
		return fmt.Sprintf("did you mean %s? There are %s", n, strings.Join(names, ", "))
	}
	return "there are " + strings.Join(names, ", ")
}
