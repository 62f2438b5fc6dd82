package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/internal/auth"
	"github.com/waybillhq/waybill/internal/engine"
	"github.com/waybillhq/waybill/internal/exception"
	"github.com/waybillhq/waybill/internal/identity"
	"github.com/waybillhq/waybill/internal/process"
)

// actionBody is the body of every action (C7).
type actionBody struct {
	Reason string `json:"reason"`         // kept in the audit log
	Ref    string `json:"ref,omitzero"`   // settle: the number under which the system has the document
	Order  string `json:"order,omitzero"` // match: the order that a return belongs to, by any reference
	// Document is an edit's: lines, and members of data, to put in place of those
	// that were turned down.
	Document *process.Edited `json:"document,omitzero"`
	// What the reference of an exception means, to map it.
	Canonical  string          `json:"canonical,omitzero"`
	Multiplier waybill.Decimal `json:"multiplier,omitzero"`
	Unit       string          `json:"unit,omitzero"`
}

// done answers an action that was carried out and committed.
type done struct {
	Done bool `json:"done"`
}

// carriedOut answers an action on all open exceptions of a cause.
type carriedOut struct {
	Done   int       `json:"done"`
	Failed []failure `json:"failed"`
	More   bool      `json:"more"` // there were more than one call takes: call again
}

type failure struct {
	ID     string `json:"id"`
	Code   string `json:"code"`
	Detail string `json:"detail"`
}

// What can be done, by what it is done to.
var (
	exceptionActions = []string{"retry", "skip", "settle", "resume", "close", "match", "map", "take", "decline"}
	causeActions     = []string{"retry", "skip", "resume", "close", "take", "decline"}
	deliveryActions  = []string{"retry", "skip", "settle", "edit", "compensate"}
	orderActions     = []string{"recheck", "hold", "release", "release_backorder", "cancel"}
	systemActions    = []string{"pause", "resume"}
)

func actionRoutes() []Route {
	var out []Route
	family := Process
	add := func(path string, role auth.Role, actions []string, thing string, object engine.Object, param string) {
		for _, action := range actions {
			out = append(out, Route{Method: "POST", Path: path + "/" + action, Role: role, Tag: "C7", Family: family,
				Summary: title(action) + " " + thing, body: actionBody{}, answers: ok(done{}),
				serve: func(a *API, c *call) error { return a.act(c, object, c.PathValue(param), action) }})
		}
	}
	add("/api/v1/exceptions/{id}", auth.Operator, exceptionActions, "an exception", engine.ToException, "id")
	for _, action := range causeActions {
		out = append(out, Route{Method: "POST", Path: "/api/v1/exceptions/by-cause/{cause}/" + action, Role: auth.Operator,
			Tag: "C7", Summary: title(action) + " all open exceptions of a cause", body: actionBody{}, answers: ok(carriedOut{}),
			serve: func(a *API, c *call) error { return a.actOnCause(c, action) }})
	}
	add("/api/v1/deliveries/{key}", auth.Operator, deliveryActions, "a delivery", engine.ToDelivery, "key")
	add("/api/v1/orders/{ref}", auth.Operator, orderActions, "an order", engine.ToOrder, "ref")
	family = System
	add("/api/v1/systems/{name}", auth.Integrator, systemActions, "a system", engine.ToSystem, "name")
	return out
}

func title(action string) string {
	return string(action[0]-'a'+'A') + strings.ReplaceAll(action[1:], "_", " ")
}

// act carries out one action.
func (a *API) act(c *call, object engine.Object, name, action string) error {
	var body actionBody
	if err := c.read(&body); err != nil {
		return err
	}
	cmd := engine.Command{Actor: c.actor.Name, Object: object, Name: name, Action: action, Reason: body.Reason, Ref: body.Ref, Order: body.Order,
		Document: body.Document, Mapping: identity.Mapping{Canonical: body.Canonical, Multiplier: body.Multiplier, Unit: body.Unit}}
	if object == engine.ToException {
		var err error
		if cmd.ID, err = number(name, exceptionPrefix, "exception"); err != nil {
			return err
		}
		cmd.Name = id(exceptionPrefix, cmd.ID)
	}
	if err := a.Engine.Do(c.Context(), cmd); err != nil {
		return err
	}
	return c.write(http.StatusOK, done{Done: true})
}

// Limits of an action on a whole cause.
const (
	causeMax     = 1000 // exceptions a call
	causeAtOnce  = 64   // so many share a commit
	failuresKept = 100  // in the answer
)

// actOnCause carries out an action on every exception of a cause that is open
// now. Each stands alone: one that can't be done keeps no other from it.
func (a *API) actOnCause(c *call, action string) error {
	var body actionBody
	if err := c.read(&body); err != nil {
		return err
	}
	cause := c.PathValue("cause")
	open, err := a.Store.Exceptions(c.Context(), exception.Query{State: exception.Open, Cause: cause, Limit: causeMax + 1})
	if err != nil {
		return err
	}
	if len(open) == 0 {
		return &waybill.Error{Code: "not_found", Detail: fmt.Sprintf("no open exception has the cause %q", cause)}
	}
	open, more := cut(open, causeMax)
	failed := make([]error, len(open))
	group, ctx := errgroup.WithContext(c.Context())
	group.SetLimit(causeAtOnce)
	for i, x := range open {
		group.Go(func() error {
			failed[i] = a.Engine.Do(ctx, engine.Command{Actor: c.actor.Name, Object: engine.ToException, ID: x.ID,
				Name: id(exceptionPrefix, x.ID), Action: action, Reason: body.Reason})
			return stops(failed[i])
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	answer := carriedOut{More: more}
	for i, err := range failed {
		var wrong *waybill.Error
		switch {
		case err == nil:
			answer.Done++
		case errors.As(err, &wrong) && len(answer.Failed) < failuresKept:
			answer.Failed = append(answer.Failed, failure{ID: id(exceptionPrefix, open[i].ID), Code: wrong.Code, Detail: wrong.Error()})
		}
	}
	return c.write(http.StatusOK, answer)
}

// stops is the error that ends a whole bulk action: the caller is at fault for
// all of it, or nothing can be committed.
func stops(err error) error {
	var wrong *waybill.Error
	if err == nil || errors.As(err, &wrong) && wrong.Code != "reason_missing" {
		return nil
	}
	if errors.Is(err, context.Canceled) {
		return nil // of another's failure
	}
	return err
}
