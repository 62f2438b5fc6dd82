package tower

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	ordersPerPage     = 50
	exceptionsPerPage = 25
	queryMax          = 200 // characters of a search
)

// errorView is a page that says what went wrong.
type errorView struct {
	Status int
	Title  string
	Detail string
}

type loginView struct {
	Back   string
	Failed bool
}

type overviewView struct {
	Overview
	Now   time.Time
	Flow  flow
	Stats []stat
	Ramp  []rampStep
	Bar   Bar
	Other []StatusCount // statuses beside the ramp: held, backordered, cancelled
	InAll int           // orders in the bar
}

// stat is a number of the strip at the top.
type stat struct {
	ID, Word, Icon, Value, Detail, Tone, Link string
	Values                                    []int
	SparkLabel                                string
}

// rampStep is a status on the stage ramp.
type rampStep struct {
	StatusCount
	Stage string
}

type ordersView struct {
	OrderPage
	Query    OrderQuery
	Now      time.Time
	Statuses []string
	Several  []string // of a reference that belongs to several orders
	Link     string   // of this list, without its place in the pages
}

type orderView struct {
	Order
	Now      time.Time
	Lanes    lanes
	List     bool // the timeline as text
	Messages []messageRow
	Selected string
	Detail   *messageView
	Failed   int
	Path     string
}

// messageRow is a message in the order's list.
type messageRow struct {
	Entry
	Now  time.Time
	Href string
}

type messageView struct {
	Message
	Now       time.Time
	RawCode   code
	Canonical []canonicalView
	Alone     bool // on its own page
}

type canonicalView struct {
	Canonical
	Code code
}

type exceptionsView struct {
	ExceptionPage
	Query    ExceptionQuery
	Now      time.Time
	Opened   string
	Selected *Exception
	Gone     bool // the one that was asked for is no longer here
	Path     string
	Causes   int
}

// moved says that a page is elsewhere.
type moved struct{ to string }

func (m moved) Error() string { return "the page is at " + m.to }

// page answers every GET of a page.
func (t *tower) page(w http.ResponseWriter, r *http.Request, _ string) {
	v, err := t.build(r.Context(), r.URL)
	var elsewhere moved
	switch {
	case errors.As(err, &elsewhere):
		http.Redirect(w, r, elsewhere.to, http.StatusSeeOther)
	case err != nil:
		t.fail(w, r, err)
	default:
		status := http.StatusOK
		if o, ok := v.Body.(ordersView); ok && len(o.Several) > 0 {
			status = http.StatusMultipleChoices
		}
		t.write(w, r, status, v)
	}
}

// build makes the view of a page from its address alone, so that the event
// stream can make the same one again.
func (t *tower) build(ctx context.Context, u *url.URL) (view, error) {
	q := u.Query()
	switch name, rest := splitPath(u); {
	case name == "" && rest == "":
		return t.overview(ctx)
	case name == "orders" && rest == "":
		return t.orders(ctx, q)
	case name == "orders":
		return t.order(ctx, rest, q, u.RequestURI())
	case name == "messages" && rest != "":
		return t.message(ctx, rest)
	case name == "edi" && rest == "":
		return t.ediList(ctx, q)
	case name == "edi":
		return t.edi(ctx, rest)
	case name == "exceptions" && rest == "":
		return t.exceptions(ctx, q, u.RequestURI())
	case name == "mapping" && rest == "":
		return t.mapping(ctx, q)
	}
	return view{}, fmt.Errorf("there is no page %s: %w", u.Path, ErrNotFound)
}

// splitPath gives the first segment and the second one unescaped, so that a
// reference may contain a slash.
func splitPath(u *url.URL) (name, rest string) {
	name, rest, _ = strings.Cut(strings.TrimPrefix(u.EscapedPath(), "/"), "/")
	if plain, err := url.PathUnescape(rest); err == nil {
		rest = plain
	}
	return name, rest
}

// rampStages puts the statuses of an order on the stage ramp.
var rampStages = []rampStep{
	{StatusCount{Status: "received"}, "open"},
	{StatusCount{Status: "accepted"}, "allocated"},
	{StatusCount{Status: "released"}, "picked"},
	{StatusCount{Status: "partially_shipped"}, "shipped"},
	{StatusCount{Status: "shipped"}, "posted"},
	{StatusCount{Status: "invoiced"}, "invoiced"},
}

func (t *tower) overview(ctx context.Context) (view, error) {
	o, err := t.src.Overview(ctx)
	if err != nil {
		return view{}, fmt.Errorf("read the overview: %w", err)
	}
	b := overviewView{Overview: o, Now: t.now(), Flow: layFlow(o), Ramp: slices.Clone(rampStages)}
	for _, s := range o.Statuses {
		i := slices.IndexFunc(b.Ramp, func(r rampStep) bool { return r.Status == s.Status })
		if i < 0 {
			if s.Orders > 0 {
				b.Other = append(b.Other, s)
			}
			continue
		}
		b.Ramp[i].Orders = s.Orders
		b.InAll += s.Orders
	}
	seen := 0
	for _, r := range b.Ramp {
		if b.InAll > 0 {
			from := seen * 1000 / b.InAll
			seen += r.Orders
			b.Bar = append(b.Bar, Segment{Stage: r.Stage, Qty: thousands(r.Orders), Permille: seen*1000/b.InAll - from})
		}
	}
	b.Stats = stats(o)
	parts := []part{
		{id: "incidents", tmpl: "incidents", data: b},
		{id: "stats", tmpl: "stats", data: b},
		{id: "flow", tmpl: "flow", data: b},
		{id: "stages", tmpl: "stages", data: b},
		{id: "causes", tmpl: "causes", data: b},
		{id: "recent", tmpl: "recent", data: b, kids: orderParts(o.Recent, b.Now)},
	}
	return view{Title: "Overview", Nav: "overview", page: "overview", Body: b, parts: parts}, nil
}

// stats are the five numbers to look at first.
func stats(o Overview) []stat {
	d := o.Deliveries
	backlog := d.Ready + d.InFlight + d.Waiting
	rate := func(perMinute []int) int {
		if len(perMinute) == 0 {
			return 0
		}
		return perMinute[len(perMinute)-1]
	}
	open := 0
	for _, c := range o.Causes {
		open += c.Open
	}
	inFlight := 0
	for _, s := range o.Statuses {
		if s.Status != "invoiced" && s.Status != "cancelled" {
			inFlight += s.Orders
		}
	}
	oldest := "nothing ready waits"
	if o.OldestReady > 0 {
		oldest = "oldest ready " + duration(o.OldestReady)
	}
	toneIf := func(n int, tone string) string {
		if n > 0 {
			return tone
		}
		return ""
	}
	return []stat{
		{ID: "stat-parked", Word: "Parked deliveries", Icon: "block", Value: thousands(d.Parked), Tone: toneIf(d.Parked, "bad"), Link: "/exceptions",
			Detail: plural(open, "open exception", "open exceptions"), Values: o.Exceptions, SparkLabel: "Exceptions opened per minute, last hour"},
		{ID: "stat-doubt", Word: "In doubt", Icon: "alert", Value: thousands(d.InDoubt), Tone: toneIf(d.InDoubt, "warn"), Link: "/exceptions",
			Detail: fmt.Sprintf("%s in limbo, %s quarantined", thousands(o.Limbo), thousands(o.Quarantined))},
		{ID: "stat-backlog", Word: "Deliveries under way", Icon: "lanes", Value: thousands(backlog), Detail: oldest, Link: "/orders"},
		{ID: "stat-out", Word: "Deliveries a minute", Icon: "swap", Value: thousands(rate(o.Out)), Link: "/orders",
			Detail: thousands(rate(o.In)) + " messages in", Values: o.Out, SparkLabel: "Deliveries done per minute, last hour"},
		{ID: "stat-orders", Word: "Orders in flight", Icon: "doc", Value: thousands(inFlight), Link: "/orders",
			Detail: cmp.Or(o.OrderLag, "from taken in to invoiced"), Values: o.In, SparkLabel: "Messages in per minute, last hour"},
	}
}

func orderParts(rows []OrderRow, now time.Time) []part {
	out := make([]part, 0, len(rows))
	for _, row := range rows {
		out = append(out, part{id: elementID("order", row.Order), tmpl: "order-row", data: item{now, row}})
	}
	return out
}

func (t *tower) orders(ctx context.Context, q url.Values) (view, error) {
	query := OrderQuery{Q: strings.TrimSpace(q.Get("q")), Status: q.Get("status"), After: q.Get("after"), Limit: ordersPerPage}
	if len(query.Q) > queryMax {
		return view{}, fmt.Errorf("a search has at most %d characters: %w", queryMax, errBadRequest)
	}
	page, err := t.src.Orders(ctx, query)
	if err != nil {
		return view{}, fmt.Errorf("list orders: %w", err)
	}
	if page.Exact != "" {
		return view{}, moved{"/orders/" + url.PathEscape(page.Exact)}
	}
	v := ordersView{OrderPage: page, Query: query, Now: t.now(), Statuses: statuses}
	link := url.Values{}
	for key, value := range map[string]string{"q": query.Q, "status": query.Status} {
		if value != "" {
			link.Set(key, value)
		}
	}
	v.Link = "/orders?" + link.Encode()
	parts := []part{{id: "orders-body", tmpl: "orders-body", data: v, kids: orderParts(page.Orders, v.Now)}}
	return view{Title: "Orders", Nav: "orders", page: "orders", Body: v, parts: parts}, nil
}

func (t *tower) order(ctx context.Context, ref string, q url.Values, self string) (view, error) {
	o, several, err := t.src.Order(ctx, ref)
	if err != nil {
		return view{}, fmt.Errorf("order %s: %w", ref, err)
	}
	if len(several) > 0 {
		v := ordersView{Query: OrderQuery{Q: ref}, Now: t.now(), Several: several}
		return view{Title: "Orders of " + ref, Nav: "orders", page: "orders", Body: v}, nil
	}
	if o.Order != ref {
		return view{}, moved{"/orders/" + url.PathEscape(o.Order)}
	}
	now := t.now()
	v := orderView{Order: o, Now: now, Lanes: layLanes(o, now), List: q.Get("view") == "list", Path: self}
	v.Messages, v.Selected = orderMessages(o, q.Get("m"), self, now)
	for _, m := range v.Messages {
		if m.State == "parked" || m.State == "quarantined" {
			v.Failed++
		}
	}
	if v.Selected != "" {
		m, err := t.src.Message(ctx, v.Selected)
		if err == nil {
			v.Detail = layMessage(m, now)
		} else if !errors.Is(err, ErrNotFound) {
			return view{}, fmt.Errorf("order %s: message %s: %w", ref, v.Selected, err)
		}
	}
	parts := []part{
		{id: "order-head", tmpl: "order-head", data: v},
		{id: "order-problems", tmpl: "order-problems", data: v},
		{id: "order-refs", tmpl: "order-refs", data: v},
		{id: "timeline", tmpl: "timeline", data: v},
		{id: "lines", tmpl: "lines", data: v},
		{id: "papers", tmpl: "papers", data: v},
		{id: "messages", tmpl: "messages", data: v, kids: messageParts(v.Messages, v.Selected)},
		{id: "deliveries", tmpl: "deliveries", data: v, kids: v.deliveryParts()},
	}
	return view{Title: "Order " + o.Order, Nav: "orders", page: "order", Body: v, parts: parts,
		Crumbs: []crumb{{"Orders", "/orders"}, {o.Order, ""}}}, nil
}

// orderMessages are what came in and went out, newest first. Without a choice
// the newest that failed is opened, otherwise the newest.
func orderMessages(o Order, chosen, self string, now time.Time) (rows []messageRow, selected string) {
	selected = chosen
	failed := ""
	for _, e := range slices.Backward(o.Timeline) {
		if e.Message == "" || e.Kind == Receipt || e.Kind == Decision {
			continue
		}
		rows = append(rows, messageRow{Entry: e, Now: now, Href: queryWith(self, "m", e.Message) + "#detail"})
		if failed == "" && (e.State == "parked" || e.State == "quarantined") {
			failed = e.Message
		}
	}
	if selected == "" && len(rows) > 0 {
		selected = cmp.Or(failed, rows[0].Message)
	}
	return rows, selected
}

func messageParts(rows []messageRow, selected string) []part {
	out := make([]part, 0, len(rows))
	for _, m := range rows {
		out = append(out, part{id: elementID("entry", m.ID), tmpl: "message-row", data: selectable{m, m.Message == selected}})
	}
	return out
}

// selectable is a message of the list that may be the opened one.
type selectable struct {
	messageRow
	Open bool
}

// Rows are the messages with the opened one marked.
func (v orderView) Rows() []selectable {
	out := make([]selectable, 0, len(v.Messages))
	for _, m := range v.Messages {
		out = append(out, selectable{m, m.Message == v.Selected})
	}
	return out
}

// X12 reports whether the bytes are an interchange, which has a page of its own.
func (v messageView) X12() bool { return isX12(v.Raw) }

// Units is the order's size in words.
func (v orderView) Units() string { return plural(len(v.Lines), "line", "lines") }

func (t *tower) message(ctx context.Context, id string) (view, error) {
	m, err := t.src.Message(ctx, id)
	if err != nil {
		return view{}, fmt.Errorf("message %s: %w", id, err)
	}
	v := layMessage(m, t.now())
	v.Alone = true
	crumbs := []crumb{{"Orders", "/orders"}}
	if m.Order != "" {
		crumbs = append(crumbs, crumb{m.Order, "/orders/" + url.PathEscape(m.Order)})
	}
	return view{Title: m.Title, Nav: "orders", page: "message", Body: v, Crumbs: append(crumbs, crumb{m.Title, ""})}, nil
}

func layMessage(m Message, now time.Time) *messageView {
	v := &messageView{Message: m, Now: now, RawCode: layRaw(m.Raw)}
	var canonical code
	for _, c := range m.Canonical {
		one := canonicalView{c, layJSON(c.JSON)}
		if !m.Outbound {
			one.Code = markMade(one.Code, v.RawCode)
		}
		canonical.Lines = append(canonical.Lines, one.Code.Lines...)
		v.Canonical = append(v.Canonical, one)
	}
	if m.Outbound && v.RawCode.Language == "JSON" {
		v.RawCode = markMade(v.RawCode, canonical)
	}
	return v
}

// raw hands out the exact bytes, as a file, so that no browser runs them.
func (t *tower) raw(w http.ResponseWriter, r *http.Request, _ string) {
	id := r.PathValue("message")
	m, err := t.src.Message(r.Context(), id)
	if err != nil {
		t.fail(w, r, fmt.Errorf("message %s: %w", id, err))
		return
	}
	h := w.Header()
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", elementID("message", id)))
	h.Set("Content-Length", strconv.Itoa(len(m.Raw)))
	h.Set("Cache-Control", "no-store")
	_, _ = w.Write(m.Raw) // a reader that left is no error of ours
}

func (t *tower) exceptions(ctx context.Context, q url.Values, self string) (view, error) {
	query := ExceptionQuery{State: q.Get("state"), Cause: q.Get("cause"), Order: q.Get("order"), After: q.Get("after"), Limit: exceptionsPerPage}
	page, err := t.src.Exceptions(ctx, query)
	if err != nil {
		return view{}, fmt.Errorf("list exceptions: %w", err)
	}
	v := exceptionsView{ExceptionPage: page, Query: query, Now: t.now(), Path: self, Causes: len(page.Groups)}
	wanted := q.Get("e")
	var parts []part
	for _, g := range page.Groups {
		if len(g.Items) > 0 && v.Opened == "" {
			v.Opened = g.Cause
		}
		for i := range g.Items {
			if g.Items[i].ID == wanted || (wanted == "" && v.Selected == nil) {
				v.Selected = &g.Items[i]
			}
		}
	}
	v.Gone = wanted != "" && v.Selected == nil
	for _, g := range v.GroupViews() {
		parts = append(parts, part{id: elementID("cause", g.Cause), tmpl: "cause-group", data: g})
	}
	list := part{id: "inbox", tmpl: "inbox", data: v, kids: parts}
	return view{Title: "Exceptions", Nav: "exceptions", page: "exceptions", Body: v,
		parts: []part{{id: "inbox-head", tmpl: "inbox-head", data: v}, list}}, nil
}

// groupView is a group with what its rows need.
type groupView struct {
	ExceptionGroup
	Now      time.Time
	Expanded bool
	Selected string // the exception that is open beside the list
	Href     string // opens or closes the group
	More     string // the group's next items; empty: no more
	Path     string
}

// GroupViews are the groups with the opened one marked.
func (v exceptionsView) GroupViews() []groupView {
	out := make([]groupView, 0, len(v.Groups))
	for _, g := range v.Groups {
		one := groupView{ExceptionGroup: g, Now: v.Now, Expanded: g.Cause == v.Opened, Path: v.Path}
		one.Href = v.link("cause", g.Cause)
		if v.Selected != nil {
			one.Selected = v.Selected.ID
		}
		if one.Expanded && v.ExceptionPage.Next != "" {
			one.More = queryWith(one.Href, "after", v.ExceptionPage.Next)
		}
		out = append(out, one)
	}
	return out
}

// link keeps the filters of this page and sets one more.
func (v exceptionsView) link(key, value string) string {
	link := "/exceptions"
	for k, old := range map[string]string{"state": v.Query.State, "order": v.Query.Order} {
		if old != "" {
			link = queryWith(link, k, old)
		}
	}
	return queryWith(link, key, value)
}

// Held is how much money waits, in words.
func (v exceptionsView) Held() string { return strings.Join(v.Money, ", ") }
