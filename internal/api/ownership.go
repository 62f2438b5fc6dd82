package api

import (
	"net/http"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/waybillhq/waybill/internal/auth"
	"github.com/waybillhq/waybill/internal/engine"
)

// ruleView says who owns a field.
type ruleView struct {
	Entity string `json:"entity"`
	Field  string `json:"field"` // JSON pointer; empty: the entity as a whole
	Owner  string `json:"owner"`
	Others string `json:"others"` // what becomes of another system's value: refuse, propose, accept
}

// ownershipView is the matrix in force, the rule that wins first.
type ownershipView struct {
	Rules []ruleView `json:"rules"`
}

// proposalView is a value that waits for a person. Its id is its exception's:
// take and decline are actions on that.
type proposalView struct {
	ID     string         `json:"id"`
	Entity string         `json:"entity"`
	Ref    string         `json:"ref"`
	Field  string         `json:"field"`
	Source string         `json:"source"`
	Owner  string         `json:"owner"`
	Old    jsontext.Value `json:"old"` // null: nothing was in force
	New    jsontext.Value `json:"new"`
	Event  string         `json:"event"`
	Since  time.Time      `json:"since"`
}

func ownershipRoutes() []Route {
	return []Route{
		{Method: "GET", Path: "/api/v1/ownership", Role: auth.Viewer, Tag: "ownership", Family: System,
			Summary: "Which system owns which master data", answers: ok(ownershipView{}), serve: (*API).ownership},
		{Method: "GET", Path: "/api/v1/proposals", Role: auth.Viewer, Tag: "ownership", Family: System,
			Summary: "List values that systems propose which do not own them", list: true, Query: listOf(),
			answers: ok(proposalView{}), serve: (*API).proposals},
	}
}

func (a *API) ownership(c *call) error {
	out := ownershipView{Rules: []ruleView{}}
	for _, r := range a.Ownership.Rules() {
		out.Rules = append(out.Rules, ruleView{Entity: string(r.Entity), Field: r.Field, Owner: r.Owner, Others: string(r.Others)})
	}
	return c.write(http.StatusOK, out)
}

func (a *API) proposals(c *call) error {
	after, limit, err := c.query.page()
	if err != nil {
		return err
	}
	found, err := engine.Proposals(c.Context(), a.Store, after, limit+1)
	if err != nil {
		return err
	}
	found, more := cut(found, limit)
	page, next := make([]proposalView, len(found)), int64(0)
	for i, p := range found {
		page[i], next = newProposal(&p), p.ID
	}
	return writeList(c, page, more, next)
}

func newProposal(p *engine.Proposal) proposalView {
	v := proposalView{ID: id(exceptionPrefix, p.ID), Entity: string(p.Entity), Ref: p.Ref, Field: p.Field, Source: p.Source, Owner: p.Owner,
		Old: orNull(p.Old), New: orNull(p.New), Since: p.Since}
	if p.Event != "" {
		v.Event = eventPrefix + p.Event
	}
	return v
}
