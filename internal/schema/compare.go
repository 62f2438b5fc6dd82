package schema

import (
	"bytes"
	"fmt"
	"maps"
	"slices"

	"github.com/waybillhq/waybill"
)

// Difference is a change of a schema that breaks whoever relies on the
// published one.
type Difference struct {
	Schema  string `json:"schema"`
	Pointer string `json:"pointer"` // of the field in a payload; "[]" stands for the entries of a list
	Change  string `json:"change"`  // snake_case, stable
	Detail  string `json:"detail"`
	Fix     string `json:"fix"`
}

// String is the difference on one line.
func (d Difference) String() string {
	return fmt.Sprintf("%s %s: %s: %s; %s", d.Schema, d.Pointer, d.Change, d.Detail, d.Fix)
}

// Breaking lists what breaks whoever relies on the published schemas, if the
// current ones came into force. A schema may break its published version only
// under a new version, with a step in [Formats] where data of it is stored.
func Breaking(published, now []Schema, formats Formats) ([]Difference, error) {
	var out []Difference
	for _, old := range published {
		at := slices.IndexFunc(now, func(s Schema) bool { return s.Name == old.Name && s.Kind == old.Kind })
		switch {
		case at < 0:
			out = append(out, Difference{old.String(), "", "removed", "there is no schema of this name any more", "keep it: others speak it"})
		case old.Version > now[at].Version:
			out = append(out, Difference{old.String(), "", "newer", fmt.Sprintf("this program knows version %d", now[at].Version), "use the program that published it, or a newer one"})
		case old.Version < now[at].Version:
			if old.Kind == Event && formats.Version(waybill.EventType(old.Name)) != now[at].Version {
				out = append(out, Difference{old.String(), "", "unreadable", "no step leads from it to the version in force", "add one to stored of internal/schema"})
			}
		default:
			some, err := compare(old, now[at])
			if err != nil {
				return nil, err
			}
			out = append(out, some...)
		}
	}
	return out, nil
}

// compare lists what breaks whoever relies on a schema of the same version.
func compare(old, now Schema) ([]Difference, error) {
	if bytes.Equal(old.JSON, now.JSON) {
		return nil, nil
	}
	var before, after Object
	if err := waybill.Unmarshal(old.JSON, &before); err != nil {
		return nil, fmt.Errorf("read the published schema %s: %w", old, err)
	}
	if err := waybill.Unmarshal(now.JSON, &after); err != nil {
		return nil, fmt.Errorf("read the schema %s: %w", now, err)
	}
	c := comparison{schema: old.String(), full: now.Mode == Full}
	c.node("", before, after)
	return c.found, nil
}

type comparison struct {
	schema string
	full   bool // readers of the old schema count too
	found  []Difference
}

func (c *comparison) add(pointer, change, fix, format string, args ...any) {
	c.found = append(c.found, Difference{c.schema, pointer, change, fmt.Sprintf(format, args...), fix})
}

const (
	newVersion = "raise the version, or take the change back"
	keepReader = "readers of the published schema don't expect it: raise the version, or take the change back"
)

// node compares what two schemas say of one value.
func (c *comparison) node(at string, before, after Object) {
	c.types(at, before, after)
	c.words(at, before, after)
	c.bounds(at, before, after)
	c.fields(at, before, after)
	inner, isList := before["items"].(Object)
	if still, ok := after["items"].(Object); isList && ok {
		c.node(at+"/[]", inner, still)
	} else if isList != ok {
		c.add(at, "entries_changed", newVersion, "what its entries are is said on one side only")
	}
}

func (c *comparison) fields(at string, before, after Object) {
	old, now := properties(before), properties(after)
	for _, name := range slices.Sorted(maps.Keys(old)) {
		still, there := now[name].(Object)
		if !there {
			c.add(at+"/"+name, "field_removed", newVersion, "the field is gone")
			continue
		}
		if was, ok := old[name].(Object); ok {
			c.node(at+"/"+name, was, still)
		}
	}
	was, is := texts(before["required"]), texts(after["required"])
	for _, name := range is {
		if !slices.Contains(was, name) {
			c.add(at+"/"+name, "field_required", newVersion, "the field has to be there now, and did not have to")
		}
	}
	for _, name := range was {
		if c.full && !slices.Contains(is, name) {
			c.add(at+"/"+name, "field_not_sure", keepReader, "the field was always there, and may now be missing")
		}
	}
}

// types compares the types that a value may have; none are all.
func (c *comparison) types(at string, before, after Object) {
	was, is := texts(before["type"]), texts(after["type"])
	if lost := without(was, is); len(is) > 0 && (len(was) == 0 || len(lost) > 0) {
		c.add(at, "type_narrowed", newVersion, "it may be %s, and could be %s", listed(is), listed(was))
	}
	if gained := without(is, was); c.full && len(was) > 0 && (len(is) == 0 || len(gained) > 0) {
		c.add(at, "type_widened", keepReader, "it may be %s, and could be %s only", listed(is), listed(was))
	}
}

// words compares the values that a field may have; none are all.
func (c *comparison) words(at string, before, after Object) {
	was, is := allowed(before), allowed(after)
	switch lost := without(was, is); {
	case len(is) > 0 && len(was) == 0:
		c.add(at, "values_restricted", newVersion, "only %s are values now", listed(is))
	case len(is) > 0 && len(lost) > 0:
		c.add(at, "value_removed", newVersion, "%s is no value any more", listed(lost))
	}
	switch gained := without(is, was); {
	case !c.full || len(was) == 0:
	case len(is) == 0:
		c.add(at, "values_opened", keepReader, "any value is possible now, and only %s were", listed(was))
	case len(gained) > 0:
		c.add(at, "value_added", keepReader, "%s is a value now", listed(gained))
	}
}

// bounds compares every other assertion: one that is new or different may
// refuse what was fine, one that is gone may let in what readers don't expect.
func (c *comparison) bounds(at string, before, after Object) {
	for _, key := range []string{"allOf", "anyOf", "else", "format", "if", "minItems", "minLength", "minimum", "pattern", "then"} {
		was, is := written(before[key]), written(after[key])
		switch {
		case was == is:
		case is == "":
			if c.full {
				c.add(at, "bound_lifted", keepReader, "%s %s holds no longer", key, was)
			}
		case was == "":
			c.add(at, "bound_added", newVersion, "%s %s is new", key, is)
		default:
			c.add(at, "bound_changed", newVersion, "%s was %s and is %s", key, was, is)
		}
	}
}

// allowed lists the values of enum and const.
func allowed(o Object) []string {
	list, _ := o["enum"].([]any)
	if v, ok := o["const"]; ok {
		list = append(slices.Clip(list), v)
	}
	out := make([]string, len(list))
	for i, v := range list {
		out[i] = written(v)
	}
	return out
}

// texts reads a word or a list of words.
func texts(v any) []string {
	switch v := v.(type) {
	case string:
		return []string{v}
	case []any:
		var out []string
		for _, w := range v {
			if text, ok := w.(string); ok {
				out = append(out, text)
			}
		}
		return out
	}
	return nil
}

func without(list, other []string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(w string) bool { return slices.Contains(other, w) })
}

// written is a JSON value as text; nothing for one that is not there.
func written(v any) string {
	if v == nil {
		return ""
	}
	b, err := waybill.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(b)
}

func listed(words []string) string {
	if len(words) == 0 {
		return "anything"
	}
	text := words[0]
	for _, w := range words[1:] {
		text += ", " + w
	}
	return text
}
