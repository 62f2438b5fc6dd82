package api

import (
	"net/http"

	"github.com/waybillhq/waybill/internal/auth"
	"github.com/waybillhq/waybill/internal/intake"
	"github.com/waybillhq/waybill/internal/process"
)

// Access says how a route knows its caller.
type Access string

// The ways to be admitted. The zero value is by key.
const (
	ByKey     Access = ""          // an API key with the route's role
	Signature Access = "signature" // the system's connector authenticates the push
	Open      Access = "open"      // anybody
)

// Route is one line of the table: what may be asked, of whom. A route by key
// without a role admits nobody.
type Route struct {
	Method  string
	Path    string // as http.ServeMux writes it
	Access  Access
	Role    auth.Role // the least that a key needs
	Summary string
	Tag     string  // C1 to C11 of the system contract, or what it belongs to
	Query   []Param // all others are refused
	Family  Family

	scoped bool // keys of some customers may call it; it shows and takes theirs alone

	body    any         // an example of the body's type; nil: none
	header  string      // a header that the route requires; empty: none
	answers map[int]any // by status: an example of the answer's type
	list    bool        // paged; the answer is an array of what answers has
	bytes   bool        // the answer is bytes as they are kept
	needs   func(*Deps) bool
	serve   func(*API, *call) error
}

// Who names who may call the route: a role, "signature" or "open".
func (r Route) Who() string {
	if r.Access != ByKey {
		return string(r.Access)
	}
	return r.Role.String()
}

// Routes is the table of all routes, for `waybill routes`. Those of C8
// and C9 are served only where there is somebody to replay and to reconcile.
func Routes() []Route { return routes() }

func routes() []Route {
	var all []Route
	for _, part := range [][]Route{
		healthRoutes(), descriptionRoutes(), inFamily(Process, readingRoutes()), inFamily(Experience, orderRoutes()),
		inFamily(Process, actionRoutes()), inFamily(Process, reconcileRoutes()), inFamily(Process, interchangeRoutes()), inFamily(System, mappingRoutes()), systemRoutes(), ownershipRoutes(),
	} {
		all = append(all, part...)
	}
	return all
}

func ok(v any) map[int]any { return map[int]any{http.StatusOK: v} }

func healthRoutes() []Route {
	return []Route{
		{Method: "GET", Path: "/healthz", Access: Open, Tag: "C1", Summary: "Does the process live?",
			answers: ok(alive{}), serve: (*API).healthz},
		{Method: "GET", Path: "/readyz", Access: Open, Tag: "C1", Summary: "Can it commit and dispatch?",
			answers: map[int]any{http.StatusOK: readiness{}, http.StatusServiceUnavailable: readiness{}}, serve: (*API).readyz},
		{Method: "GET", Path: "/metrics", Access: Open, Tag: "C1", Summary: "Prometheus metrics", bytes: true, answers: ok(nil),
			serve: func(a *API, c *call) error { a.metrics.ServeHTTP(c.w, c.Request); return nil }},
		{Method: "POST", Path: "/in/{system}", Access: Signature, Tag: "W1", Family: System, Summary: "Push an event", body: event{},
			answers: map[int]any{http.StatusAccepted: intake.Answer{}, http.StatusOK: intake.Answer{}},
			needs:   func(d *Deps) bool { return d.Intake != nil }},
	}
}

// event is the body of a push, as W3 has it.
type event struct {
	Type      string         `json:"type"`
	Timestamp string         `json:"timestamp"`
	Data      map[string]any `json:"data"`
}

func readingRoutes() []Route {
	return []Route{
		{Method: "GET", Path: "/api/v1/status", Role: auth.Viewer, Tag: "C2", Summary: "Where everything stands",
			answers: ok(status{}), serve: (*API).status},
		{Method: "GET", Path: "/api/v1/deliveries", Role: auth.Viewer, Tag: "C3", Summary: "List deliveries", list: true,
			Query: listOf(Param{Name: "target", Doc: "a system's name"}, Param{Name: "order", Doc: "any reference of an order"},
				Param{Name: "state", Doc: "the state shown", Allowed: deliveryStates}, Param{Name: "key", Doc: "a document's key"}),
			answers: ok(delivery{}), serve: (*API).deliveries},
		{Method: "GET", Path: "/api/v1/deliveries/{key}/attempts", Role: auth.Viewer, Tag: "C3", Summary: "List a delivery's attempts, from the first to the last",
			list: true, answers: ok(attempt{}), serve: (*API).attempts},
		{Method: "GET", Path: "/api/v1/events", Role: auth.Viewer, Tag: "C4", Family: System, Summary: "List events", list: true,
			Query: listOf(Param{Name: "source", Doc: "a system's name"}, Param{Name: "id", Doc: "the id of the message as its source wrote it"},
				Param{Name: "state", Doc: "what became of it", Allowed: eventStates}),
			answers: ok(eventView{}), serve: (*API).events},
		// Raw messages hold names and addresses: reading them is not for every viewer.
		{Method: "GET", Path: "/api/v1/messages/{message}/raw", Role: auth.Operator, Tag: "C5", Family: System, Summary: "The exact bytes of a message",
			bytes: true, answers: ok(nil), serve: (*API).messageRaw},
		{Method: "GET", Path: "/api/v1/events/{event}/raw", Role: auth.Operator, Tag: "C5", Family: System, Summary: "The exact bytes of the message that carried an event",
			bytes: true, answers: ok(nil), serve: (*API).eventRaw},
		{Method: "GET", Path: "/api/v1/exceptions", Role: auth.Viewer, Tag: "C7", Summary: "List exceptions", list: true,
			Query: listOf(Param{Name: "state", Doc: "open where it is absent", Allowed: []string{"open", "closed", "all"}},
				Param{Name: "cause", Doc: "the cause they share"}, Param{Name: "order", Doc: "any reference of an order"}),
			answers: ok(exceptionView{}), serve: (*API).exceptions},
		{Method: "GET", Path: "/api/v1/audit", Role: auth.Viewer, Tag: "C10", Summary: "Read the audit log in order",
			list: true, Query: listOf(), answers: ok(auditEntry{}), serve: (*API).audit},
	}
}

func orderRoutes() []Route {
	several := map[int]any{http.StatusOK: process.View{}, http.StatusMultipleChoices: severalOrders{}}
	return []Route{
		{Method: "GET", Path: "/api/v1/orders", Role: auth.Viewer, Tag: "C6", Summary: "List orders, newest first", list: true, scoped: true,
			Query: listOf(Param{Name: "q", Doc: "a reference of any kind, or the beginning of one"},
				Param{Name: "status", Doc: "the order's status", Allowed: orderStatuses}),
			answers: ok(orderRow{}), serve: (*API).orders},
		{Method: "POST", Path: "/api/v1/orders", Role: auth.Operator, Tag: "C11", Summary: "Place an order", scoped: true,
			header: "Idempotency-Key", body: orderBody{}, answers: map[int]any{http.StatusAccepted: intake.Answer{}, http.StatusOK: intake.Answer{}},
			needs: func(d *Deps) bool { return d.Intake != nil }, serve: (*API).placeOrder},
		{Method: "GET", Path: "/api/v1/orders/{ref}", Role: auth.Viewer, Tag: "C6", Summary: "One order, by any reference", scoped: true,
			answers: several, serve: (*API).order},
		{Method: "GET", Path: "/api/v1/orders/{ref}/timeline", Role: auth.Viewer, Tag: "C6",
			Summary: "An order's events, decisions, deliveries and receipts in one order", list: true, scoped: true, Query: listOf(),
			answers: map[int]any{http.StatusOK: entry{}, http.StatusMultipleChoices: severalOrders{}}, serve: (*API).timeline},
	}
}

func reconcileRoutes() []Route {
	there := func(d *Deps) bool { return d.Reconciler != nil }
	replays := func(d *Deps) bool { return d.Replayer != nil }
	return []Route{
		{Method: "POST", Path: "/api/v1/replays", Role: auth.Integrator, Tag: "C8", Summary: "Read messages again with today's connectors and policy",
			body: replayBody{}, answers: map[int]any{http.StatusAccepted: started{}}, needs: replays, serve: (*API).replay},
		// What messages say is shown member by member, names and addresses too.
		{Method: "GET", Path: "/api/v1/replays/{id}", Role: auth.Operator, Tag: "C8", Summary: "What a replay would send and change",
			answers: ok(replayed{}), needs: replays, serve: (*API).replayed},
		{Method: "POST", Path: "/api/v1/reconciliations", Role: auth.Integrator, Tag: "C9", Summary: "Compare a system's books with what happened",
			body: reconcileBody{}, answers: map[int]any{http.StatusAccepted: started{}}, needs: there, serve: (*API).reconcile},
		{Method: "GET", Path: "/api/v1/reconciliations/{id}", Role: auth.Viewer, Tag: "C9", Summary: "What a reconciliation found",
			answers: ok(reconciliation{}), needs: there, serve: (*API).reconciliation},
	}
}
