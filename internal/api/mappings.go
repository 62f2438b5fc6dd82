package api

import (
	"bytes"
	"net/http"
	"strings"
	"time"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/internal/auth"
	"github.com/waybillhq/waybill/internal/crossref"
	"github.com/waybillhq/waybill/internal/engine"
	"github.com/waybillhq/waybill/internal/identity"
	"github.com/waybillhq/waybill/internal/intake"
)

const mappingPrefix = "map_"

// mappingView is what a reference means.
type mappingView struct {
	ID         string          `json:"id"`
	Kind       identity.Kind   `json:"kind"`
	Company    string          `json:"company,omitzero"`
	System     string          `json:"system,omitzero"` // absent: every system
	Scope      string          `json:"scope,omitzero"`  // what value is unique within, such as a customer
	Value      string          `json:"value"`
	ValidFrom  string          `json:"valid_from,omitzero"` // YYYY-MM-DD, UTC; absent: always
	Canonical  string          `json:"canonical"`
	Multiplier waybill.Decimal `json:"multiplier,omitzero"` // absent: 1
	Unit       string          `json:"unit,omitzero"`
	Actor      string          `json:"actor"`
	At         time.Time       `json:"at"`
}

// mappingBody is a mapping as it is asked for.
type mappingBody struct {
	Kind       identity.Kind   `json:"kind"`
	Company    string          `json:"company,omitzero"`
	System     string          `json:"system,omitzero"`
	Scope      string          `json:"scope,omitzero"`
	Value      string          `json:"value"`
	ValidFrom  string          `json:"valid_from,omitzero"`
	Canonical  string          `json:"canonical"`
	Multiplier waybill.Decimal `json:"multiplier,omitzero"`
	Unit       string          `json:"unit,omitzero"`
	Reason     string          `json:"reason,omitzero"` // kept in the audit log
}

// released says what waited for a mapping and goes on.
type released struct {
	Mappings   []mappingView `json:"mappings"`
	Orders     []string      `json:"orders"`
	Events     []string      `json:"events"`
	Deliveries []string      `json:"deliveries"` // keys of documents that waited for a target's number
}

// unmappedView is a reference that nobody has mapped.
type unmappedView struct {
	Kind        identity.Kind         `json:"kind"`
	Company     string                `json:"company,omitzero"`
	System      string                `json:"system"`
	Scope       string                `json:"scope,omitzero"`
	Value       string                `json:"value"`
	Detail      string                `json:"detail"`
	Waiting     int                   `json:"waiting"` // orders, and facts of no order
	Orders      []string              `json:"orders"`  // the first of them
	Money       []heldValue           `json:"money"`
	Since       time.Time             `json:"since"`
	Exception   string                `json:"exception"` // map is its action too
	Suggestions []identity.Suggestion `json:"suggestions"`
}

type heldValue struct {
	Amount   waybill.Decimal `json:"amount"`
	Currency string          `json:"currency"`
}

// imported says what became of each line of a sheet.
type imported struct {
	DryRun   bool        `json:"dry_run"`
	Refused  int         `json:"refused"` // above 0: nothing was changed
	Lines    []sheetLine `json:"lines"`
	Released released    `json:"released"`
}

type sheetLine struct {
	Line      int             `json:"line"`
	Effect    identity.Effect `json:"effect"` // map, known, refused
	Reference string          `json:"reference"`
	Means     string          `json:"means"`
	Code      string          `json:"code,omitzero"`
	Detail    string          `json:"detail,omitzero"`
}

func mappingRoutes() []Route {
	return []Route{
		{Method: "GET", Path: "/api/v1/mappings", Role: auth.Viewer, Tag: "identity", Summary: "List what references mean", list: true,
			Query: listOf(Param{Name: "system", Doc: "whose references"}, Param{Name: "kind", Doc: "what they name", Allowed: kindNames()},
				Param{Name: "value", Doc: "the reference as the system writes it"}, Param{Name: "canonical", Doc: "what they mean"}),
			answers: ok(mappingView{}), serve: (*API).mappings},
		{Method: "POST", Path: "/api/v1/mappings", Role: auth.Operator, Tag: "identity", Summary: "Say what a reference means; what waited for it goes on",
			body: mappingBody{}, answers: ok(released{}), serve: (*API).mapReference},
		{Method: "DELETE", Path: "/api/v1/mappings/{mapping}", Role: auth.Operator, Tag: "identity", Summary: "Remove a mapping; what was translated stays",
			Query: []Param{{Name: "reason", Doc: "kept in the audit log"}}, answers: ok(done{}), serve: (*API).unmap},
		{Method: "GET", Path: "/api/v1/mappings/unmapped", Role: auth.Viewer, Tag: "identity", Summary: "List what waits for a mapping, with what it may mean",
			list: true, Query: listOf(), answers: ok(unmappedView{}), serve: (*API).unmapped},
		{Method: "GET", Path: "/api/v1/mappings/export", Role: auth.Viewer, Tag: "identity", Summary: "All mappings as CSV", bytes: true, answers: ok(nil),
			serve: (*API).exportMappings},
		{Method: "POST", Path: "/api/v1/mappings/import", Role: auth.Operator, Tag: "identity", Summary: "Bring mappings in from CSV: all lines, or none where one is refused",
			Query:   []Param{{Name: "dry_run", Doc: "true: say what each line would do, and change nothing", Allowed: []string{"true", "false"}}, {Name: "reason", Doc: "kept in the audit log"}},
			answers: ok(imported{}), serve: (*API).importMappings},
	}
}

func kindNames() (names []string) {
	for _, k := range identity.Kinds() {
		names = append(names, string(k))
	}
	return names
}

func newMapping(m *identity.Mapping) mappingView {
	return mappingView{ID: id(mappingPrefix, m.ID), Kind: m.Kind, Company: m.Company, System: m.System, Scope: m.Scope, Value: m.Value,
		ValidFrom: m.ValidFrom, Canonical: m.Canonical, Multiplier: m.Multiplier, Unit: m.Unit, Actor: m.Actor, At: m.At}
}

func newReleased(m *engine.Mapped) released {
	out := released{Mappings: []mappingView{}, Orders: m.Orders, Events: []string{}, Deliveries: m.Deliveries}
	for i := range m.Mappings {
		out.Mappings = append(out.Mappings, newMapping(&m.Mappings[i]))
	}
	for _, event := range m.Events {
		out.Events = append(out.Events, eventPrefix+event)
	}
	return out
}

func (a *API) mappings(c *call) error {
	after, limit, err := c.query.page()
	if err != nil {
		return err
	}
	found, err := a.Store.Mappings(c.Context(), identity.Query{System: c.query["system"], Kind: identity.Kind(c.query["kind"]),
		Value: c.query["value"], Canonical: c.query["canonical"], After: after, Limit: limit + 1})
	if err != nil {
		return err
	}
	found, more := cut(found, limit)
	page, next := make([]mappingView, len(found)), int64(0)
	for i := range found {
		page[i], next = newMapping(&found[i]), found[i].ID
	}
	return writeList(c, page, more, next)
}

func (a *API) mapReference(c *call) error {
	var body mappingBody
	if err := c.read(&body); err != nil {
		return err
	}
	m := identity.Mapping{Reference: identity.Reference{Kind: body.Kind, Company: body.Company, System: body.System, Scope: body.Scope, Value: body.Value},
		ValidFrom: body.ValidFrom, Canonical: body.Canonical, Multiplier: body.Multiplier, Unit: body.Unit}
	out, err := a.Engine.Map(c.Context(), engine.Remap{Actor: c.actor.Name, Reason: body.Reason, Add: []identity.Mapping{m}})
	if err != nil {
		return err
	}
	return c.write(http.StatusOK, newReleased(&out))
}

func (a *API) unmap(c *call) error {
	n, err := number(c.PathValue("mapping"), mappingPrefix, "mapping")
	if err != nil {
		return err
	}
	if _, err := a.Engine.Map(c.Context(), engine.Remap{Actor: c.actor.Name, Reason: c.query["reason"], Remove: []int64{n}}); err != nil {
		return err
	}
	return c.write(http.StatusOK, done{Done: true})
}

// unmapped pages by place: the list is small, and sorted by what it holds up.
func (a *API) unmapped(c *call) error {
	after, limit, err := c.query.page()
	if err != nil {
		return err
	}
	all, err := crossref.List(c.Context(), a.Store)
	if err != nil {
		return err
	}
	all = all[min(int(after), len(all)):]
	all, more := cut(all, limit)
	page := make([]unmappedView, len(all))
	for i := range all {
		page[i] = newUnmapped(&all[i])
	}
	return writeList(c, page, more, after+int64(len(page)))
}

func newUnmapped(u *crossref.Unmapped) unmappedView {
	v := unmappedView{Kind: u.Kind, Company: u.Company, System: u.System, Scope: u.Scope, Value: u.Value, Detail: u.Detail, Waiting: u.Waiting,
		Orders: u.Orders, Money: []heldValue{}, Since: u.Since, Exception: id(exceptionPrefix, u.Exception), Suggestions: u.Suggestions}
	for _, m := range u.Money {
		v.Money = append(v.Money, heldValue{Amount: m.Amount, Currency: m.Currency})
	}
	return v
}

func (a *API) exportMappings(c *call) error {
	book, err := crossref.Book(c.Context(), a.Store)
	if err != nil {
		return err
	}
	var sheet bytes.Buffer
	if err := identity.WriteSheet(&sheet, book.All()); err != nil {
		return err
	}
	c.send(http.StatusOK, "text/csv; charset=utf-8", sheet.Bytes())
	return nil
}

// sheetBytes bounds a sheet.
const sheetBytes = 32 << 20

func (a *API) importMappings(c *call) error {
	if kind := c.Header.Get("Content-Type"); !strings.HasPrefix(kind, "text/csv") {
		return reject(http.StatusUnsupportedMediaType, "content_type", "Content-Type", "the sheet is sent as "+kind, "send Content-Type: text/csv")
	}
	body, err := intake.ReadBody(c.w, c.Request, sheetBytes)
	if err != nil {
		return err
	}
	dry := c.query["dry_run"] == "true"
	out, err := crossref.Read(c.Context(), a.Store, a.Engine, bytes.NewReader(body), engine.Remap{Actor: c.actor.Name, Reason: c.query["reason"]}, dry)
	if err != nil {
		return err
	}
	v := imported{DryRun: dry, Refused: out.Refused, Lines: []sheetLine{}, Released: newReleased(&out.Mapped)}
	for i := range out.Lines {
		l := &out.Lines[i]
		line := sheetLine{Line: l.Line, Effect: l.Effect, Reference: l.Mapping.Reference.String(), Means: l.Mapping.Meaning()}
		if l.Error != nil {
			line.Code, line.Detail = l.Error.Code, l.Error.Error()
		}
		v.Lines = append(v.Lines, line)
	}
	return c.write(http.StatusOK, v)
}
