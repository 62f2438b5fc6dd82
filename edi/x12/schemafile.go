package x12

import (
	"fmt"
	"slices"
	"strings"
)

// load reads the embedded schemas.
func load() (*Schemas, error) {
	out := &Schemas{sets: map[string]*Schema{}, known: map[string]bool{}}
	text := map[string]string{}
	for _, name := range []string{"elements", "segments", "sets", "others"} {
		b, err := schemaFiles.ReadFile("schema/" + name + ".txt")
		if err != nil {
			return nil, err
		}
		text[name] = string(b)
	}
	for _, version := range versions {
		p := schemaParser{version: version, elements: map[int]elementDef{}, composites: map[string][]elementDef{},
			defs: map[string]*segmentDef{}, macros: map[string][]string{}}
		for _, step := range []struct {
			file string
			read func(string) error
		}{{"elements", p.element}, {"segments", p.segment}, {"sets", p.set}} {
			for i, line := range contentLines(text[step.file]) {
				if err := step.read(line); err != nil {
					return nil, fmt.Errorf("schema/%s.txt, entry %d %q, version %s: %w", step.file, i+1, clip(line), version, err)
				}
			}
		}
		for _, s := range p.sets {
			out.sets[s.Set+"/"+version] = s
		}
		for id := range p.defs {
			out.known[id] = true
		}
	}
	for _, line := range contentLines(text["others"]) {
		for _, id := range strings.Fields(line) {
			out.known[id] = true
		}
	}
	return out, nil
}

func contentLines(text string) []string {
	var out []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			out = append(out, line)
		}
	}
	return out
}

// schemaParser reads the files of one version.
type schemaParser struct {
	version    string
	elements   map[int]elementDef
	composites map[string][]elementDef
	defs       map[string]*segmentDef
	macros     map[string][]string
	sets       []*Schema
}

var elementKinds = map[string]byte{"AN": 'A', "ID": 'I', "N0": 'N', "N2": 'N', "R": 'R', "DT": 'D', "TM": 'T'}

// element reads "353 ID 2 2 purpose = 00 01".
func (p *schemaParser) element(line string) error {
	text, codes, coded := strings.Cut(line, " = ")
	f := strings.Fields(text)
	if len(f) < 5 {
		return fmt.Errorf("want number, type, shortest, longest and name")
	}
	ref, ok := number(f[0])
	lo, ok2 := number(f[2])
	plainMax, newMax, two := strings.Cut(f[3], "/")
	if two && p.version >= "005010" {
		plainMax = newMax
	}
	hi, ok3 := number(plainMax)
	kind := elementKinds[f[1]]
	if !ok || !ok2 || !ok3 || kind == 0 || hi < lo {
		return fmt.Errorf("number, type or lengths can't be")
	}
	e := elementDef{ref: ref, kind: kind, min: lo, max: hi, name: strings.Join(f[4:], " ")}
	if coded {
		e.codes = map[string]bool{}
		for _, c := range strings.Fields(codes) {
			e.codes[c] = true
		}
	}
	if _, twice := p.elements[ref]; twice {
		return fmt.Errorf("element %d is there twice", ref)
	}
	p.elements[ref] = e
	return nil
}

// segment reads "BEG order | 353! 92! … ; C0302", or a composite.
func (p *schemaParser) segment(line string) error {
	head, rest, ok := strings.Cut(line, "|")
	if !ok {
		return fmt.Errorf("want a | before the elements")
	}
	id, name, _ := strings.Cut(strings.TrimSpace(head), " ")
	list, rules, _ := strings.Cut(rest, ";")
	def := &segmentDef{id: id, name: name}
	var err error
	if def.elements, def.open, err = p.elementList(strings.Fields(expandPairs(list))); err != nil {
		return err
	}
	if len(id) == 4 { // C001
		p.composites[id] = def.elements
		return nil
	}
	for _, r := range strings.Fields(rules) {
		more, err := parseRule(r, len(def.elements))
		if err != nil {
			return err
		}
		def.rules = append(def.rules, more...)
	}
	p.defs[id] = def
	return nil
}

// expandPairs writes 10(235 234) out.
func expandPairs(list string) string {
	open := strings.IndexByte(list, '(')
	if open < 0 {
		return list
	}
	before, after := list[:open], list[open+1:]
	inner, rest, _ := strings.Cut(after, ")")
	start := strings.LastIndexByte(before, ' ') + 1
	n, _ := number(before[start:])
	return before[:start] + strings.Repeat(inner+" ", n) + rest
}

func (p *schemaParser) elementList(fields []string) (list []elementDef, open bool, err error) {
	for _, f := range fields {
		name, must := strings.CutSuffix(f, "!")
		name, unchecked := strings.CutSuffix(name, "?")
		switch {
		case name == "...":
			return list, true, nil
		case name[0] == 'C':
			parts, ok := p.composites[name]
			if !ok {
				return nil, false, fmt.Errorf("composite %s is not defined above", name)
			}
			list = append(list, elementDef{kind: 'C', must: must, name: parts[0].name, components: parts})
		default:
			ref, _ := number(name)
			e, ok := p.elements[ref]
			if !ok && !unchecked {
				return nil, false, fmt.Errorf("element %q has no definition", name)
			}
			e.ref, e.must = ref, must
			list = append(list, e)
		}
	}
	return list, false, nil
}

// parseRule reads C0302 or PAIRS06.
func parseRule(text string, count int) ([]rule, error) {
	if from, ok := strings.CutPrefix(text, "PAIRS"); ok {
		n, ok := number(from)
		if !ok {
			return nil, fmt.Errorf("rule %q", text)
		}
		var out []rule
		for ; n+1 <= count; n += 2 {
			out = append(out, rule{kind: 'P', mask: 3 << n, text: fmt.Sprintf("P%02d%02d", n, n+1)})
		}
		return out, nil
	}
	r := rule{kind: text[0], text: text}
	if !strings.Contains("PRECL", text[:1]) || len(text) < 5 || len(text)%2 == 0 {
		return nil, fmt.Errorf("rule %q", text)
	}
	for i := 1; i < len(text); i += 2 {
		n, ok := number(text[i : i+2])
		if !ok || n < 1 || n > count {
			return nil, fmt.Errorf("rule %q names element %s of %d", text, text[i:i+2], count)
		}
		if i == 1 {
			r.first = n
		}
		if i == 1 && (r.kind == 'C' || r.kind == 'L') {
			continue // the condition is not among what it asks for
		}
		r.mask |= 1 << n
	}
	return []rule{r}, nil
}

// set reads "850 PO purchase order | ST! …", or "$name = …".
func (p *schemaParser) set(line string) error {
	if name, tokens, ok := strings.Cut(line, " = "); ok && name[0] == '$' {
		list, err := p.expand(strings.Fields(tokens))
		p.macros[name] = list
		return err
	}
	head, body, ok := strings.Cut(line, " | ")
	f := strings.Fields(head)
	if !ok || len(f) < 3 {
		return fmt.Errorf("want set, group, name and | before the segments")
	}
	s := &Schema{Set: f[0], Group: f[1], Version: p.version, Name: strings.Join(f[2:], " "), defs: map[string]*segmentDef{}}
	if name, since, ok := strings.Cut(s.Name, " @"); ok {
		if p.version < since {
			return nil
		}
		s.Name = name
	}
	tokens, err := p.expand(strings.Fields(body))
	if err != nil {
		return err
	}
	rest, root, err := p.loop(tokens, s.defs)
	if err != nil {
		return err
	}
	if len(rest) > 0 {
		return fmt.Errorf("a loop is closed that was never opened, before %q", strings.Join(rest[:min(3, len(rest))], " "))
	}
	s.root = root
	p.sets = append(p.sets, s)
	return nil
}

func (p *schemaParser) expand(tokens []string) ([]string, error) {
	var out []string
	for _, t := range tokens {
		if t[0] != '$' {
			out = append(out, t)
			continue
		}
		list, ok := p.macros[t]
		if !ok {
			return nil, fmt.Errorf("%s is not defined above", t)
		}
		out = append(out, list...)
	}
	return out, nil
}

// loop reads tokens up to the parenthesis that closes it, which it leaves.
func (p *schemaParser) loop(tokens []string, defs map[string]*segmentDef) (rest []string, l *loop, err error) {
	l = &loop{}
	for len(tokens) > 0 && tokens[0][0] != ')' {
		t := tokens[0]
		if t[0] != '(' {
			n, err := p.node(t, defs)
			if err != nil {
				return nil, nil, err
			}
			l.nodes = append(l.nodes, n)
			tokens = tokens[1:]
			continue
		}
		inner := slices.Clone(tokens)
		if inner[0] = t[1:]; inner[0] == "" {
			inner = inner[1:]
		}
		after, sub, err := p.loop(inner, defs)
		if err != nil {
			return nil, nil, err
		}
		if len(after) == 0 || len(sub.nodes) == 0 {
			return nil, nil, fmt.Errorf("a loop is empty or not closed")
		}
		n := node{def: sub.nodes[0].def, loop: sub}
		if n.must, n.max, err = usage(after[0][1:]); err != nil {
			return nil, nil, err
		}
		l.nodes = append(l.nodes, n)
		tokens = after[1:]
	}
	l.index()
	return tokens, l, nil
}

// node reads BEG! or REF:12.
func (p *schemaParser) node(t string, defs map[string]*segmentDef) (node, error) {
	end := strings.IndexAny(t, "!:")
	if end < 0 {
		return node{}, fmt.Errorf("segment %q says neither ! nor how often", t)
	}
	id := t[:end]
	def := p.defs[id]
	if def == nil {
		def = &segmentDef{id: id, open: true}
		p.defs[id] = def
	}
	defs[id] = def
	must, most, err := usage(t[end:])
	return node{def: def, must: must, max: most}, err
}

// usage reads "!", ":3", "!:3", ":*" or "!:*".
func usage(t string) (must bool, most int, err error) {
	t, must = strings.CutPrefix(t, "!")
	switch t {
	case "":
		return must, 1, nil
	case ":*":
		return must, 0, nil
	}
	n, ok := number(strings.TrimPrefix(t, ":"))
	if !ok || n == 0 {
		return false, 0, fmt.Errorf("%q is no number of times", t)
	}
	return must, n, nil
}
