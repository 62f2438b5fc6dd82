package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/internal/mapping"
	"github.com/waybillhq/waybill/internal/process"
)

// Route sends the lines that it fits to a warehouse. The first that fits a line
// decides; what none fits goes to the first warehouse by name.
type Route struct {
	System    string // a system of role wms
	SKUs      []string
	Customers []string
	Countries []string // of ship_to
	Types     []waybill.OrderType
	Channels  []string // systems that place orders
	When      string   // a rule over order and line; empty: none

	rule *mapping.Rule
}

// What becomes of backorders, and of an order whose PO another open order of
// the buyer has.
var (
	backorders = []string{string(process.BackorderWait), string(process.BackorderCancelRest)}
	duplicates = []string{"off", duplicateHold}
	orderTypes = []string{string(waybill.OrderStandard), string(waybill.OrderTransfer), string(waybill.OrderSample),
		string(waybill.OrderReplacement), string(waybill.OrderDropShip), string(waybill.OrderRelease)}
)

const duplicateHold = "hold"

// loadRoutes reads policy.routes.
func (p *Policy) loadRoutes(s *section) {
	for _, r := range s.each("routes") {
		one := Route{System: r.text("system", ""), SKUs: r.texts("skus"), Customers: r.texts("customers"), Countries: r.texts("countries"),
			Channels: r.texts("channels"), When: r.text("when", "")}
		for _, t := range r.texts("types") {
			one.Types = append(one.Types, waybill.OrderType(t))
		}
		if one.When != "" {
			var err error
			if one.rule, err = mapping.CompileRule(r.path, one.When); err != nil {
				s.r.problem(r.nodes["when"], r.at("when"), err.Error(), "")
			}
		}
		r.close()
		p.Routes = append(p.Routes, one)
	}
}

// texts reads a list of single values.
func (s *section) texts(key string) []string {
	nodes, paths := s.items(key)
	var list []string
	for i, n := range nodes {
		if text, ok := s.r.scalar(n, paths[i]); ok {
			list = append(list, text)
		}
	}
	return list
}

// choice checks that a value is one of a few.
func (k *checker) choice(path, value string, of []string) {
	if !slices.Contains(of, value) {
		k.wrong(path, fmt.Sprintf("%q is not a choice", value), oneOf(value, of))
	}
}

func (k *checker) routes() {
	for i, r := range k.c.Policy.Routes {
		path := fmt.Sprintf("policy.routes[%d]", i)
		if k.required(path+".system", r.System, "name the system of role wms that ships what the route fits") {
			k.routeTo(path, r.System)
		}
		for _, t := range r.Types {
			k.choice(path+".types", string(t), orderTypes)
		}
		for _, c := range r.Countries {
			if len(c) != 2 || strings.ToUpper(c) != c {
				k.wrong(path+".countries", fmt.Sprintf("%q is no country", c), "write the two capital letters of ISO 3166-1, such as DE")
			}
		}
		for _, name := range r.Channels {
			if s := k.c.Systems[name]; s == nil || s.Role != waybill.RoleChannel {
				k.wrong(path+".channels", fmt.Sprintf("%q is no system of role channel", name), "name one of systems")
			}
		}
	}
	k.catchAll()
}

// catchAll warns where it is the alphabet that decides: between several
// warehouses, what no route fits goes to the first by name.
func (k *checker) catchAll() {
	several := 0
	for _, s := range k.c.Systems {
		if s.Role == waybill.RoleWMS && s.TakesDocuments() {
			several++
		}
	}
	routes := k.c.Policy.Routes
	if several < 2 || len(routes) == 0 || slices.ContainsFunc(routes, Route.fitsAll) {
		return
	}
	k.warn("policy.routes", "what no route fits is shipped by "+k.c.Target(waybill.RoleWMS)+", the first warehouse by name",
		"end the list with a route without conditions that says who ships the rest: - {system: "+k.c.Target(waybill.RoleWMS)+"}")
}

// fitsAll reports whether a route fits every line.
func (r Route) fitsAll() bool {
	return len(r.SKUs)+len(r.Customers)+len(r.Countries)+len(r.Types)+len(r.Channels) == 0 && r.When == ""
}

func (k *checker) routeTo(path, name string) {
	s := k.c.Systems[name]
	switch {
	case s == nil || s.Role != waybill.RoleWMS:
		k.wrong(path+".system", fmt.Sprintf("%q is no system of role wms", name), "name one of systems")
	case !s.TakesDocuments():
		k.wrong(path+".system", name+" takes no documents", "give it an address, and the mode live")
	}
}

// Rules are the policy's routes as decisions use them. The configuration must
// have loaded.
func (p *Policy) Rules() []process.Route {
	var out []process.Route
	for _, r := range p.Routes {
		one := process.Route{System: r.System, SKUs: r.SKUs, Customers: r.Customers, Countries: r.Countries, Types: r.Types, Channels: r.Channels}
		if r.rule != nil { // not a nil rule in a matcher that is not nil
			one.Match = mapping.Predicate{Rule: r.rule}
		}
		out = append(out, one)
	}
	return out
}

// HoldsDuplicates reports whether an order waits for a person where another open
// order of its buyer has the same PO.
func (p *Policy) HoldsDuplicates() bool { return p.DuplicatePO == duplicateHold }
