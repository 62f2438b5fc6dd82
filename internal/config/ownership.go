package config

import (
	"fmt"

	"github.com/waybillhq/waybill/internal/ownership"
)

// loadOwnership reads who owns which master data. A rule without others refuses
// what other systems write.
func (c *Config) loadOwnership(top *section) {
	for _, s := range top.each("ownership") {
		c.Ownership = append(c.Ownership, ownership.Rule{
			Entity: ownership.Kind(s.text("entity", "")), Field: s.text("field", ""), Owner: s.text("owner", ""),
			Others: ownership.Policy(s.text("others", string(ownership.Refuse))),
		})
		s.close()
	}
}

// Matrix is the ownership as the engine uses it; nil where nobody owns
// anything. The configuration must have loaded.
func (c *Config) Matrix() (*ownership.Matrix, error) {
	if len(c.Ownership) == 0 {
		return nil, nil
	}
	return ownership.NewMatrix(c.Ownership)
}

func (k *checker) ownership() {
	type place struct {
		entity ownership.Kind
		field  string
	}
	seen := map[place]int{}
	for i, r := range k.c.Ownership {
		path := fmt.Sprintf("ownership[%d]", i)
		if k.required(path+".entity", string(r.Entity), "name the kind of master data, such as item, or * for all") {
			k.choice(path+".entity", string(r.Entity), ownership.Kinds())
		}
		if wrong := ownership.CheckField(r.Entity, r.Field); wrong != "" {
			k.wrong(path+".field", fmt.Sprintf("%q %s", r.Field, wrong), "")
		}
		k.choice(path+".others", string(r.Others), ownership.Policies())
		if k.required(path+".owner", r.Owner, "name the system of record, one of systems") {
			switch s := k.c.Systems[r.Owner]; {
			case s == nil:
				k.wrong(path+".owner", fmt.Sprintf("there is no system %q", r.Owner), oneOf(r.Owner, k.c.SystemNames()))
			case s.Mode == Off:
				k.warn(path+".owner", r.Owner+" is off", "nobody can change what it owns until it is live")
			}
		}
		at := place{r.Entity, r.Field}
		if first, twice := seen[at]; twice {
			k.wrong(path, fmt.Sprintf("ownership[%d] is about %s %s too", first, r.Entity, ownership.Name(r.Field)), "keep one of them")
			continue
		}
		seen[at] = i
	}
}
