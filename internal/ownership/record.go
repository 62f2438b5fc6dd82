package ownership

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/waybillhq/waybill"
)

// Record is an entity as it is in force, with what is needed to judge the next
// write. Its zero value is an entity that nobody has described.
type Record struct {
	Version   int64             `json:"version,omitzero"` // under which it came into force; rises
	Data      jsontext.Value    `json:"data,omitzero"`
	From      map[string]Said   `json:"from,omitzero"` // by system: the newest it wrote
	Proposals []Proposal        `json:"proposals,omitzero"`
	Rules     string            `json:"rules,omitzero"`    // by which it was judged last
	Declined  map[string]string `json:"declined,omitzero"` // by system and field: the value, as digest
}

// Said is a system's newest write.
type Said struct {
	Version int64  `json:"version"`
	Digest  string `json:"digest"`
}

// Proposal is a value that a system wrote which does not own the field, kept
// until a person takes or declines it.
type Proposal struct {
	Field  string         `json:"field"`
	Source string         `json:"source"`
	Owner  string         `json:"owner"`
	Old    jsontext.Value `json:"old,omitzero"` // in force when it was written; absent: nothing
	New    jsontext.Value `json:"new"`
	Event  string         `json:"event"` // that said it
	Since  time.Time      `json:"since"`
}

// Write is what a system says of an entity.
type Write struct {
	Kind    Kind
	Source  string
	Version int64 // of the source: each numbers its own
	Data    jsontext.Value
	Event   string
	At      time.Time
}

// Change is a value of a system that does not own its field.
type Change struct {
	Field    string
	Rule     Rule
	Old, New jsontext.Value
}

// Outcome is what becomes of a write.
type Outcome struct {
	// Stale: the source has said something newer, or the other content of the
	// same version counts. Nothing changes.
	Stale bool
	// Conflict: one version came with two contents.
	Conflict bool
	// Whole: the entity is in force exactly as it was written, under its own
	// version.
	Whole bool
	// Changed: Record.Data is not what it was.
	Changed   bool
	Refused   []Change
	Proposed  []Change // new ones; those known before are not repeated
	Flagged   []Change
	Withdrawn []Proposal // of proposals: what they wanted is so, or is wanted no more
}

// identity are the members that say which entity it is and how new the record
// is: nobody owns them.
var identity = []string{"/sku", "/customer", "/warehouse", "/version", "/as_of"}

func isIdentity(k Kind, field string) bool {
	switch {
	case k == Item && (field == "/customer" || field == "/warehouse"), k == Customer && (field == "/sku" || field == "/warehouse"),
		k == Warehouse && (field == "/sku" || field == "/customer"), k == Price && field == "/warehouse":
		return false
	}
	return slices.Contains(identity, field)
}

// Write brings a write into the record. Each field's value in force is the one
// of its owner's newest write, whatever came in between. What a writer leaves
// out it only takes away where it owns the field. A record that is no JSON
// object is an error and changes nothing.
func (r *Record) Write(m *Matrix, w Write) (Outcome, error) {
	var out Outcome
	sum, err := waybill.ContentDigest(w.Data)
	if err != nil {
		return out, fmt.Errorf("read what %s says of the %s: %w", w.Source, w.Kind, err)
	}
	digest := hex.EncodeToString(sum[:12])
	if was, known := r.From[w.Source]; known {
		tie := w.Version == was.Version
		out.Conflict = tie && digest != was.Digest
		again := tie && digest == was.Digest && r.Rules == m.rev // by other rules it may come to something else
		if out.Stale = w.Version < was.Version || again || tie && digest > was.Digest; out.Stale {
			return out, nil
		}
	}
	r.Rules = m.rev
	merged := &merge{m: m, w: &w, out: &out, r: r}
	data, err := merged.objects("", r.Data, w.Data)
	if err != nil {
		return Outcome{}, fmt.Errorf("read what %s says of the %s: %w", w.Source, w.Kind, err)
	}
	out.Changed = !same(r.Data, data)
	out.Whole = same(data, w.Data) && w.Version > r.Version
	if out.Whole {
		data = w.Data
	}
	if r.From == nil {
		r.From = map[string]Said{}
	}
	r.From[w.Source] = Said{Version: w.Version, Digest: digest}
	if out.Changed || out.Whole {
		r.Data, r.Version = data, max(r.Version+1, w.Version)
	}
	r.withdraw(&out, w.Source, merged.proposed)
	return out, nil
}

// withdraw drops proposals that are moot: what they want is in force, or their
// system does not want it any more.
func (r *Record) withdraw(out *Outcome, source string, wanted []string) {
	r.Proposals = slices.DeleteFunc(r.Proposals, func(p Proposal) bool {
		moot := p.Source == source && !slices.Contains(wanted, p.Field) || same(at(r.Data, p.Field), p.New)
		if moot {
			out.Withdrawn = append(out.Withdrawn, p)
		}
		return moot
	})
}

// Propose keeps a value for a person to judge. It is false where the same value
// waits already or was declined.
func (r *Record) Propose(p Proposal) bool {
	if r.Declined[p.Source+" "+p.Field] == digestOf(p.New) {
		return false
	}
	for i := range r.Proposals {
		if old := &r.Proposals[i]; old.Field == p.Field && old.Source == p.Source {
			news := !same(old.New, p.New)
			if news {
				*old = p
			}
			return news
		}
	}
	r.Proposals = append(r.Proposals, p)
	return true
}

// Settle ends a proposal: taken, its value comes into force until the owner
// writes another; declined, the same value of the same system is not proposed
// again. It is false where there is no such proposal.
func (r *Record) Settle(source, field string, take bool) (Proposal, bool) {
	i := slices.IndexFunc(r.Proposals, func(p Proposal) bool { return p.Source == source && p.Field == field })
	if i < 0 {
		return Proposal{}, false
	}
	p := r.Proposals[i]
	r.Proposals = slices.Delete(r.Proposals, i, i+1)
	if take {
		r.Data = put(r.Data, p.Field, p.New)
		r.Version++
		delete(r.Declined, source+" "+field)
		return p, true
	}
	if r.Declined == nil {
		r.Declined = map[string]string{}
	}
	r.Declined[source+" "+field] = digestOf(p.New)
	return p, true
}

// merge goes through a write field by field.
type merge struct {
	m        *Matrix
	w        *Write
	r        *Record
	out      *Outcome
	proposed []string // fields that wait for a person, also those from before
}

// objects merges an object into the one in force. Lists are one value: their
// places mean nothing.
func (g *merge) objects(path string, was, is jsontext.Value) (jsontext.Value, error) {
	before, after := map[string]jsontext.Value{}, map[string]jsontext.Value{}
	if len(was) > 0 {
		if err := waybill.Unmarshal(was, &before); err != nil {
			return nil, err
		}
	}
	if len(is) > 0 {
		if err := waybill.Unmarshal(is, &after); err != nil {
			return nil, err
		}
	}
	names := slices.Collect(maps.Keys(before))
	for name := range after {
		if _, both := before[name]; !both {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	merged := map[string]jsontext.Value{}
	for _, name := range names {
		v, err := g.value(path+"/"+escape.Replace(name), before[name], after[name])
		if err != nil {
			return nil, err
		}
		if len(v) > 0 {
			merged[name] = v
		}
	}
	if len(merged) == 0 && path != "" { // who emptied it took it away
		return nil, nil
	}
	return waybill.Marshal(merged)
}

var escape = strings.NewReplacer("~", "~0", "/", "~1")

// value is what is in force of one member.
func (g *merge) value(field string, was, is jsontext.Value) (jsontext.Value, error) {
	if object(was) && (object(is) || len(is) == 0) || len(was) == 0 && object(is) && !same(is, jsontext.Value("{}")) {
		return g.objects(field, was, is)
	}
	if isIdentity(g.w.Kind, field) { // the system of record's count of versions is shown, with no policy
		if whole, owned := g.m.Of(g.w.Kind, ""); owned && whole.Owner != g.w.Source && len(was) > 0 {
			return was, nil
		}
		return is, nil
	}
	rule, owned := g.m.Of(g.w.Kind, field)
	switch {
	case same(was, is), owned && rule.Owner == g.w.Source:
		return is, nil
	case len(is) == 0: // who does not own it says nothing by leaving it out
		return was, nil
	case !owned:
		return is, nil
	}
	c := Change{Field: field, Rule: rule, Old: was, New: is}
	switch rule.Others {
	case Accept:
		g.out.Flagged = append(g.out.Flagged, c)
		return is, nil
	case Propose:
		g.proposed = append(g.proposed, field)
		if g.r.Propose(Proposal{Field: field, Source: g.w.Source, Owner: rule.Owner, Old: was, New: is, Event: g.w.Event, Since: g.w.At}) {
			g.out.Proposed = append(g.out.Proposed, c)
		}
	default:
		g.out.Refused = append(g.out.Refused, c)
	}
	return was, nil
}

func object(v jsontext.Value) bool { return len(v) > 0 && v.Kind() == '{' }

// same reports whether two values are the same content (RFC 8785); absent is
// the same as absent alone.
func same(a, b jsontext.Value) bool {
	if len(a) == 0 || len(b) == 0 {
		return len(a) == len(b)
	}
	return bytes.Equal(a, b) || digestOf(a) == digestOf(b)
}

// digestOf is the content of a value, for comparison. What can't be read is
// like nothing else.
func digestOf(v jsontext.Value) string {
	sum, err := waybill.ContentDigest(v)
	if err != nil {
		return "unreadable " + string(v)
	}
	return hex.EncodeToString(sum[:12])
}

var unescape = strings.NewReplacer("~1", "/", "~0", "~")

// at is the value at a field; nil where there is none.
func at(data jsontext.Value, field string) jsontext.Value {
	for name := range strings.SplitSeq(strings.TrimPrefix(field, "/"), "/") {
		members := map[string]jsontext.Value{}
		if len(data) == 0 || waybill.Unmarshal(data, &members) != nil {
			return nil
		}
		data = members[unescape.Replace(name)]
	}
	return data
}

// put gives a field a value, with the objects that it stands in.
func put(data jsontext.Value, field string, v jsontext.Value) jsontext.Value {
	name, rest, deeper := strings.Cut(strings.TrimPrefix(field, "/"), "/")
	members := map[string]jsontext.Value{}
	if len(data) > 0 {
		if err := waybill.Unmarshal(data, &members); err != nil {
			clear(members) // what stood there is no object: the field replaces it
		}
	}
	name = unescape.Replace(name)
	if deeper {
		v = put(members[name], rest, v)
	}
	members[name] = v
	out, err := waybill.Marshal(members)
	if err != nil { // members were read from JSON
		return data
	}
	return out
}
