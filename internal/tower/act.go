package tower

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
)

const (
	formMax   = 16 << 10 // bytes of an action's form
	reasonMax = 500      // characters of a reason
)

// scopes says what each action may be done to.
var scopes = map[ActionKind][]Scope{
	Retry: {OnException, OnCause, OnDelivery}, Skip: {OnException, OnCause, OnDelivery}, Settle: {OnException, OnDelivery},
	Recheck: {OnOrder}, Hold: {OnOrder}, Release: {OnOrder}, Cancel: {OnOrder}, ReleaseBackorder: {OnOrder}, Match: {OnException},
	Take: {OnException, OnCause}, Decline: {OnException, OnCause},
	Pause: {OnSystem}, Resume: {OnSystem},
}

// act takes the one form that every action of the pages uses, and goes back to
// where it was sent from.
func (t *tower) act(w http.ResponseWriter, r *http.Request, actor string) {
	r.Body = http.MaxBytesReader(w, r.Body, formMax)
	if err := r.ParseForm(); err != nil {
		t.fail(w, r, fmt.Errorf("%w: the form could not be read: %w", errBadRequest, err))
		return
	}
	a := Action{
		Actor: actor, Kind: ActionKind(r.PostForm.Get("kind")), Scope: Scope(r.PostForm.Get("scope")), Target: r.PostForm.Get("target"),
		Reason: strings.TrimSpace(r.PostForm.Get("reason")), Ref: strings.TrimSpace(r.PostForm.Get("ref")),
	}
	if err := a.check(); err != nil {
		t.fail(w, r, err)
		return
	}
	if err := t.src.Act(r.Context(), a); err != nil {
		t.fail(w, r, fmt.Errorf("%s %s %s: %w", a.Kind, a.Scope, a.Target, err))
		return
	}
	http.Redirect(w, r, queryWith(localPath(r.PostForm.Get("back")), "done", string(a.Kind)), http.StatusSeeOther)
}

// check refuses what the Source should never see.
func (a Action) check() error {
	allowed, known := scopes[a.Kind]
	switch {
	case !known:
		return fmt.Errorf("%w: kind %q is no action; use retry, skip, settle, recheck, hold, release, release_backorder, cancel, match, take, decline, pause or resume", errBadRequest, a.Kind)
	case !slices.Contains(allowed, a.Scope):
		return fmt.Errorf("%w: %s cannot be done to scope %q", errBadRequest, a.Kind, a.Scope)
	case a.Target == "":
		return fmt.Errorf("%w: target is empty; name what to %s", errBadRequest, a.Kind)
	case a.Reason == "":
		return fmt.Errorf("%w: give a reason; it is kept in the audit log", errBadRequest)
	case len([]rune(a.Reason)) > reasonMax:
		return fmt.Errorf("%w: the reason has more than %d characters; shorten it", errBadRequest, reasonMax)
	case a.Kind == Settle && a.Ref == "":
		return fmt.Errorf("%w: give the reference that the target system has it under, to settle it", errBadRequest)
	case a.Kind == Match && a.Ref == "":
		return fmt.Errorf("%w: name the order that the return belongs to", errBadRequest)
	}
	return nil
}
