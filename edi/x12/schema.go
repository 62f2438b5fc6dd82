package x12

import (
	"embed"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
)

//go:embed schema/*.txt
var schemaFiles embed.FS

// Schemas are the transaction sets that can be checked, by version. Those of
// [Standard] are the plain ones; [Schemas.Overlay] adds a partner's rules.
type Schemas struct {
	sets  map[string]*Schema // "850/004010"
	known map[string]bool    // every segment name that X12 has
}

// Schema is one transaction set of one version.
type Schema struct {
	Set     string
	Group   string // functional group code
	Version string
	Name    string
	root    *loop
	defs    map[string]*segmentDef
}

// loop is a list of segments and loops in their order. Of a loop in a set, the
// first is the segment that it begins with.
type loop struct {
	nodes []node
	must  []int // which nodes are mandatory
}

type node struct {
	def  *segmentDef
	must bool
	max  int   // 0: any number of times
	loop *loop // nil: a segment
}

// segmentDef is a segment with its elements. Where elements is nil, nothing is
// known of them and nothing is checked.
type segmentDef struct {
	id       string
	name     string
	elements []elementDef
	open     bool // more elements may follow
	rules    []rule
}

type elementDef struct {
	ref        int
	name       string
	must       bool
	kind       byte // A(N), I(D), N, R, D(T), T(M); C composite; 0 unchecked
	min, max   int
	codes      map[string]bool
	components []elementDef
}

// rule is a condition between elements: P, R, E, C or L over a set of positions.
type rule struct {
	kind  byte
	mask  uint64 // bit n: element n
	first int    // of C and L
	text  string
}

var versions = []string{"004010", "005010"}

// Versions lists the releases that schemas exist for. A GS08 names one by its
// first six characters (004010VICS).
func Versions() []string { return slices.Clone(versions) }

// Standard are the schemas of the plain standard, as far as the sets of order,
// warehouse and invoice go.
var Standard = sync.OnceValue(mustLoad)

// mustLoad reads the embedded files; a test reads them first.
func mustLoad() *Schemas {
	s, err := load()
	if err != nil {
		panic(err)
	}
	return s
}

// Schema is the schema of a set in the version that GS08 names, nil where there
// is none.
func (s *Schemas) Schema(set, version string) *Schema {
	if len(version) > 6 {
		version = version[:6]
	}
	if isAck(set) && !slices.Contains(versions, version) {
		version = versions[len(versions)-1] // acknowledgments of any version are read
	}
	return s.sets[set+"/"+version]
}

func (s *Schemas) knowsVersion(version string) bool {
	return len(version) >= 6 && slices.Contains(versions, version[:6])
}

func (s *Schemas) knowsGroup(code string) bool {
	for _, schema := range s.sets {
		if schema.Group == code {
			return true
		}
	}
	return false
}

// Sets lists the sets that have a schema, sorted.
func (s *Schemas) Sets() []string {
	sets := map[string]bool{}
	for _, schema := range s.sets {
		sets[schema.Set] = true
	}
	return slices.Sorted(maps.Keys(sets))
}

// GroupCode is the functional group that a set belongs to, "" where the set is
// none of [Standard].
func GroupCode(set string) string {
	for _, v := range versions {
		if schema := Standard().sets[set+"/"+v]; schema != nil {
			return schema.Group
		}
	}
	return ""
}

// SegmentName is what a segment is, in words; "" where it is not known.
func (s *Schema) SegmentName(id string) string {
	if def := s.defs[id]; def != nil {
		return def.name
	}
	return ""
}

// ElementName is what the n-th element of a segment is, in words; "" where it
// is not known.
func (s *Schema) ElementName(id string, n int) string {
	def := s.defs[id]
	if def == nil || n < 1 || n > len(def.elements) {
		return ""
	}
	return def.elements[n-1].name
}

// Overlay returns the schemas with a partner's own rules on top, one a line:
//
//	850 BEG02 = SA NE     only these codes
//	850 PO107 !           mandatory
//	850 DTM !             at least once in the set
//	850 SAC -             not used
//	850 PO1 max 500       at most so often
//
// An error names the line that can't be understood.
func (s *Schemas) Overlay(rules []string) (*Schemas, error) {
	out := &Schemas{sets: maps.Clone(s.sets), known: s.known}
	for i, line := range rules {
		f := strings.Fields(line)
		if len(f) == 0 {
			continue
		}
		matched := false
		for _, v := range versions {
			key := f[0] + "/" + v
			schema := out.sets[key]
			if schema == nil {
				continue
			}
			matched = true
			changed, err := schema.with(f[1:])
			if err != nil {
				return nil, fmt.Errorf("overlay line %d %q: %w", i+1, line, err)
			}
			out.sets[key] = changed
		}
		if !matched {
			return nil, fmt.Errorf("overlay line %d %q: set %s has no schema; there is %s", i+1, line, f[0], strings.Join(s.Sets(), ", "))
		}
	}
	return out, nil
}

// with is the schema changed by one rule.
func (s *Schema) with(f []string) (*Schema, error) {
	if len(f) < 2 {
		return nil, fmt.Errorf("want a segment or element and a rule, like BEG02 = SA NE")
	}
	id, at, err := s.target(f[0])
	if err != nil {
		return nil, err
	}
	out := &Schema{Set: s.Set, Group: s.Group, Version: s.Version, Name: s.Name, defs: maps.Clone(s.defs)}
	def := *s.defs[id]
	def.elements = slices.Clone(def.elements)
	switch {
	case f[1] == "!" && at > 0:
		def.elements[at-1].must = true
	case f[1] == "=" && at > 0 && len(f) > 2:
		codes := map[string]bool{}
		for _, c := range f[2:] {
			codes[c] = true
		}
		def.elements[at-1].codes = codes
	case f[1] == "!" && at == 0, f[1] == "-" && at == 0, f[1] == "max" && at == 0 && len(f) == 3:
	default:
		return nil, fmt.Errorf("rule %q is not understood", strings.Join(f[1:], " "))
	}
	out.defs[id] = &def
	limit := 0
	if f[1] == "max" {
		n, ok := number(f[2])
		if !ok || n == 0 {
			return nil, fmt.Errorf("%q is no number of times", f[2])
		}
		limit = n
	}
	done := false
	out.root = s.root.copy(out.defs, func(n *node) bool {
		if n.def.id != id || done || at > 0 {
			return true
		}
		done = true
		switch f[1] {
		case "!":
			n.must = true
		case "-":
			done = false
			return false
		case "max":
			n.max = limit
		}
		return true
	})
	if f[1] == "-" {
		delete(out.defs, id) // as if the set had never had it
	}
	return out, nil
}

// target reads BEG02 as element 2 of BEG, and BEG as the segment.
func (s *Schema) target(name string) (id string, element int, err error) {
	if s.defs[name] != nil {
		return name, 0, nil
	}
	if n := len(name) - 2; n >= 2 && s.defs[name[:n]] != nil {
		at, ok := number(name[n:])
		if ok && at >= 1 && at <= len(s.defs[name[:n]].elements) {
			return name[:n], at, nil
		}
	}
	return "", 0, fmt.Errorf("set %s has no segment or element %q", s.Set, name)
}

// copy is the loop with other definitions and without the nodes that keep
// refuses.
func (l *loop) copy(defs map[string]*segmentDef, keep func(*node) bool) *loop {
	out := &loop{}
	for _, n := range l.nodes {
		n.def = defs[n.def.id]
		if !keep(&n) {
			continue
		}
		if n.loop != nil {
			n.loop = n.loop.copy(defs, keep)
			if len(n.loop.nodes) == 0 {
				continue
			}
		}
		out.nodes = append(out.nodes, n)
	}
	out.index()
	return out
}

func (l *loop) index() {
	for i := range l.nodes {
		if l.nodes[i].must {
			l.must = append(l.must, i)
		}
	}
}
