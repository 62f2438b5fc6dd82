package engine

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/connector"
	"github.com/waybillhq/waybill/internal/lane"
)

// A throttled target hears nothing before the time it named: no document, no
// look-up, no probe. Others go on, and every lane keeps its order.
func TestF21_NothingGoesBeforeRetryAfter(t *testing.T) {
	r := newRig(t)
	r.place("SO-0") // in doubt when the throttle comes: its look-up waits too
	r.settle()
	erp := r.fakes["erp"]
	erp.on(waybill.SalesOrder, lose)
	r.place("SO-1")
	r.settle()
	until := r.now.Add(10 * time.Minute)
	erp.any = []manner{say(waybill.Outcome{Verdict: waybill.Throttled, RetryAfter: until})}
	r.place("SO-2")
	r.settle()
	for i := range 8 {
		r.place(fmt.Sprintf("SO-%d", 3+i))
	}
	r.ship("SO-0", "S0", allLines)
	sent, told := len(erp.sentAt), len(r.fakes["shop"].seen)
	r.pass(10*time.Minute - time.Millisecond)
	if n := len(erp.sentAt) - sent; n != 0 {
		t.Errorf("%d requests went to the ERP before the time it named", n)
	}
	if len(r.fakes["shop"].seen) == told {
		t.Error("the shop was told nothing while the ERP was throttled")
	}
	r.restart()
	r.pass(30 * time.Minute)
	for i := range 11 {
		if n := r.held("erp", fmt.Sprintf("SO-%d", i))[waybill.SalesOrder]; n != 1 {
			t.Errorf("SO-%d is booked %d times", i, n)
		}
	}
	r.audit()
}

// A throttled target is asked more slowly, and gets its room back.
func TestF22_ThrottledTargetsRoomShrinksAndGrows(t *testing.T) {
	r := newRig(t, func(r *rig) { r.fakes["erp"].room = 8 })
	r.settle()
	r.fakes["erp"].any = []manner{problem(waybill.Throttled, "", 429)}
	r.place("SO-1")
	r.settle()
	if room := r.system("erp").Room; room != 4 {
		t.Errorf("after a throttle the room is %d, want half of 8", room)
	}
	for i := range 8 {
		r.place(fmt.Sprintf("SO-%d", 2+i))
	}
	r.pass(time.Minute)
	if room := r.system("erp").Room; room != 8 {
		t.Errorf("after many answers the room is %d, want 8 again", room)
	}
	r.audit()
}

// No more requests are under way than the target has room for.
func TestBudget_Concurrency(t *testing.T) {
	r := newRig(t, func(r *rig) { r.fakes["erp"].room = 3 })
	r.settle()
	for i := range 10 {
		r.place(fmt.Sprintf("SO-%d", i))
	}
	r.stir()
	if n := len(r.calls); n != 3 {
		t.Errorf("%d requests are under way, want 3", n)
	}
	r.settle()
	for i := range 10 {
		if s := r.orderStatus(fmt.Sprintf("SO-%d", i)); s != waybill.StatusReleased {
			t.Errorf("SO-%d is %s", i, s)
		}
	}
	r.audit()
}

// A rate is kept, and everything goes in the end: a start spends one token.
func TestBudget_Rate(t *testing.T) {
	r := newRig(t, func(r *rig) { r.fakes["erp"].rate, r.fakes["erp"].burst = 2, 1 })
	r.settle()
	for i := range 6 {
		r.place(fmt.Sprintf("SO-%d", i))
	}
	r.pass(10 * time.Second)
	seen := len(r.fakes["erp"].seen) // a check and a sales order each
	if seen != 12 {
		t.Errorf("%d of 12 documents went in 10 seconds at 2 per second", seen)
	}
	erp := r.fakes["erp"]
	for i := 1; i < len(erp.seen); i++ {
		a, b := erp.seen[i-1].Deadline, erp.seen[i].Deadline
		if gap := b.Sub(a); gap < 500*time.Millisecond {
			t.Errorf("document %d left %s after the one before it", i, gap)
		}
	}
	r.audit()
}

// Failures without an answer open the breaker; then only probes go, and one
// that succeeds closes it. No attempt is burnt in between.
func TestF23_BreakerProbesOnly(t *testing.T) {
	r := newRig(t)
	r.settle()
	erp := r.fakes["erp"]
	down := true
	erp.info = func() (connector.Info, error) {
		if down {
			return connector.Info{}, errors.New("connection refused")
		}
		return erp.healthy(), nil
	}
	for range 5 {
		erp.any = append(erp.any, problem(waybill.NotSent, "", 0))
	}
	for i := range 8 {
		r.place(fmt.Sprintf("SO-%d", i))
	}
	r.settle()
	if s := r.system("erp"); s.Breaker != "open" {
		t.Fatalf("the breaker is %s after five failures in a row", s.Breaker)
	}
	state, _ := r.shown(r.one("SO-7", waybill.OrderCheck))
	if state != lane.Waiting && state != lane.Done {
		t.Errorf("a delivery behind an open breaker is %s, want waiting", state)
	}
	before, probes := len(erp.seen), erp.probes
	r.pass(30 * time.Minute)
	if n := len(erp.seen) - before; n != 0 {
		t.Errorf("%d documents went while the breaker was open", n)
	}
	if n := erp.probes - probes; n < 30 || n > 100 {
		t.Errorf("%d probes in half an hour, want at least one a minute and no storm", n)
	}
	down = false
	r.pass(2 * time.Minute)
	if s := r.system("erp"); s.Breaker != "closed" {
		t.Errorf("the breaker is %s after a probe that succeeded", s.Breaker)
	}
	for i := range 8 {
		ref := fmt.Sprintf("SO-%d", i)
		if s := r.orderStatus(ref); s != waybill.StatusReleased {
			t.Errorf("%s is %s", ref, s)
		}
		if d := r.one(ref, waybill.OrderCheck); d.Attempts > 2 {
			t.Errorf("%s burnt %d attempts", ref, d.Attempts)
		}
	}
	r.audit()
}

// Any answer starts the count anew.
func TestF23_AnswersBetweenFailuresKeepTheBreakerClosed(t *testing.T) {
	r := newRig(t)
	r.settle()
	for i := range 6 {
		r.fakes["erp"].any = append(r.fakes["erp"].any, problem(waybill.NotSent, "", 0))
		if i%2 == 1 {
			r.fakes["erp"].any = append(r.fakes["erp"].any, (*fake).apply201)
		}
		r.place(fmt.Sprintf("SO-%d", i))
		r.settle()
		if r.system("erp").Breaker != "closed" {
			t.Fatalf("the breaker opened after %d failures with answers between", i+1)
		}
	}
}

// 401 pauses the target; it resumes when T3 takes the credential. Nothing is
// sent meanwhile but probes, and the document goes with its old number.
func TestF30_UnauthorizedPausesUntilTheProbeSucceeds(t *testing.T) {
	r := newRig(t)
	r.settle()
	erp := r.fakes["erp"]
	rotated := false
	erp.info = func() (connector.Info, error) {
		if !rotated {
			return connector.Info{}, &connector.Rejection{Status: 401}
		}
		return erp.healthy(), nil
	}
	erp.on(waybill.SalesOrder, problem(waybill.Unauthorized, "", 401))
	r.place("SO-1")
	r.place("SO-2")
	r.settle()
	before := len(erp.seen)
	r.pass(10 * time.Minute)
	if n := len(erp.seen) - before; n != 0 {
		t.Errorf("%d documents went with a refused credential", n)
	}
	for _, ref := range []string{"SO-1", "SO-2"} {
		for _, d := range r.deliveries(ref, "erp", "") {
			if state, reason := r.shown(d); !d.State.Settled() && (state != lane.Parked || reason != "unauthorized") {
				t.Errorf("%s of %s is %s (%s), want parked", d.Kind, ref, state, reason)
			}
		}
	}
	if len(r.open("target_unauthorized")) != 1 {
		t.Error("no exception says that the credential is refused")
	}
	rotated = true
	r.pass(time.Minute)
	if len(r.open("target_unauthorized")) != 0 {
		t.Error("the target took the credential and the exception is still open")
	}
	if s := r.orderStatus("SO-1"); s != waybill.StatusReleased {
		t.Errorf("SO-1 is %s after the credential was taken", s)
	}
	if a := erp.attemptsOf(waybill.SalesOrder); a[0].Attempt != 1 || a[len(a)-1].Attempt != 1 {
		t.Error("a 401 counted as an attempt")
	}
	r.audit()
}

// What a pause left open closes when the target works again, also where the
// process was restarted in between.
func TestF30_PauseExceptionClosesAfterARestart(t *testing.T) {
	for _, v := range []waybill.Verdict{waybill.Unauthorized, waybill.Misconfigured} {
		r := newRig(t)
		r.settle()
		erp := r.fakes["erp"]
		erp.info = func() (connector.Info, error) { return connector.Info{}, errors.New("no answer") }
		erp.on(waybill.SalesOrder, problem(v, "", 401))
		r.place("SO-1")
		r.settle()
		if len(r.open("target_"+string(v))) != 1 {
			t.Fatalf("%s: no exception says so", v)
		}
		erp.info = nil
		r.restart()
		r.pass(5 * time.Minute)
		if s := r.orderStatus("SO-1"); s != waybill.StatusReleased {
			t.Errorf("%s: SO-1 is %s after the restart", v, s)
		}
		if xs := r.open(""); len(xs) != 0 {
			t.Errorf("%s: the target works and %s is still open", v, xs[0].Cause)
		}
		r.audit()
	}
}

// 403 is about the credential where T3 refuses it too.
func TestT1_ForbiddenWithARefusedProbePauses(t *testing.T) {
	r := newRig(t)
	r.settle()
	erp := r.fakes["erp"]
	ok := false
	erp.info = func() (connector.Info, error) {
		if !ok {
			return connector.Info{}, &connector.Rejection{Status: 403}
		}
		return erp.healthy(), nil
	}
	erp.on(waybill.SalesOrder, problem(waybill.Forbidden, "forbidden", 403))
	r.place("SO-1")
	r.settle()
	d := r.one("SO-1", waybill.SalesOrder)
	if state, reason := r.shown(d); state != lane.Parked || reason != "unauthorized" || d.Attempts != 0 {
		t.Errorf("%s (%s) after %d attempts, want parked as unauthorized without one", state, reason, d.Attempts)
	}
	ok = true
	r.pass(time.Minute)
	if s := r.orderStatus("SO-1"); s != waybill.StatusReleased {
		t.Errorf("SO-1 is %s after T3 answered", s)
	}
	r.audit()
}

// A target that answers as something else pauses until somebody says so: by
// resume, or by a reload of the configuration.
func TestT1_MisconfiguredWaitsForResumeOrReload(t *testing.T) {
	for _, by := range []string{"resume", "reload"} {
		r := newRig(t, func(r *rig) { r.fakes["erp"].on(waybill.SalesOrder, problem(waybill.Misconfigured, "", 302)) })
		r.place("SO-1")
		r.pass(time.Hour)
		if n := len(r.fakes["erp"].attemptsOf(waybill.SalesOrder)); n != 1 {
			t.Fatalf("%d attempts while misconfigured, want 1", n)
		}
		if by == "resume" {
			r.must(r.do(ToSystem, "erp", "resume"))
		} else {
			r.must(r.reload(r.opt))
		}
		r.settle()
		if s := r.orderStatus("SO-1"); s != waybill.StatusReleased {
			t.Errorf("SO-1 is %s after the %s", s, by)
		}
		if xs := r.open(""); len(xs) != 0 {
			t.Errorf("%s is still open after the %s", xs[0].Cause, by)
		}
		r.audit()
	}
}

func (r *rig) reload(opt Options) error {
	r.t.Helper()
	reply := make(chan error, 1)
	r.enqueue(func(e *Engine) {
		reply <- e.Reconfigure(r.t.Context(), Configuration{Policy: opt.Policy, Systems: r.systems(), Timing: opt.Timing,
			Milestones: opt.Milestones, Ownership: opt.Ownership, Rev: "2"}, "ops")
	})
	r.step()
	return soon(r.t, reply)
}

// One refusal code on twenty lanes in a row pauses the target (T1).
func TestT1_TwentyRefusalsPauseTheTarget(t *testing.T) {
	r := newRig(t)
	r.settle()
	erp := r.fakes["erp"]
	refuse := func(n int, code string) { // the checks go first, then nothing is applied between
		for range n {
			erp.on(waybill.SalesOrder, refused(code, 422))
			r.serial++
			r.place(fmt.Sprintf("SO-%d", r.serial))
		}
		r.settle()
	}
	refuse(19, "unknown_item")
	refuse(1, "unknown_customer") // another code, and a check was applied: the count starts anew
	refuse(19, "unknown_item")
	if s := r.system("erp"); s.Paused != "" {
		t.Fatalf("paused (%s) before twenty in a row", s.Paused)
	}
	refuse(20, "unknown_item")
	if s := r.system("erp"); s.Paused != "refusals" {
		t.Fatalf("paused is %q after twenty refusals in a row", s.Paused)
	}
	if xs := r.open("target_refusals"); len(xs) != 1 {
		t.Fatalf("%d exceptions of the pause, want 1", len(xs))
	}
	r.place("SO-later")
	r.pass(10 * time.Minute)
	r.restart()
	r.pass(10 * time.Minute)
	if len(erp.seen) > 0 && erp.seen[len(erp.seen)-1].Order == "SO-later" {
		t.Fatal("a document went to the paused target")
	}
	r.must(r.do(ToSystem, "erp", "resume"))
	r.settle()
	if s := r.orderStatus("SO-later"); s != waybill.StatusReleased {
		t.Errorf("SO-later is %s after the resume", s)
	}
	if len(r.open("target_refusals")) != 0 {
		t.Error("the exception is still open after the resume")
	}
	r.audit()
}

// Credit holds and refusals that are answers don't count towards the pause.
func TestT1_AnswersDontPauseTheTarget(t *testing.T) {
	r := newRig(t)
	const orders = 25
	each := func(f func(ref string)) {
		for i := range orders {
			f(fmt.Sprintf("SO-%d", i))
		}
		r.settle()
	}
	each(func(ref string) {
		r.fakes["erp"].on(waybill.SalesOrder, refused("credit_hold", 422))
		r.place(ref)
	})
	each(func(ref string) { r.must(r.do(ToOrder, ref, "release")) })
	each(func(ref string) {
		r.fakes["wms"].on(waybill.WarehouseOrderCancel, refused("too_late", 422))
		r.tell("shop", waybill.OrderCancelRequested, fmt.Sprintf(`{"order":%q,"request":"c1"}`, ref))
	})
	each(func(ref string) {
		if d := r.one(ref, waybill.WarehouseOrderCancel); d.State != lane.Skipped {
			t.Errorf("the refused cancellation of %s is %s, want skipped: it is an answer", ref, d.State)
		}
	})
	for _, name := range []string{"erp", "wms"} {
		if s := r.system(name); s.Paused != "" {
			t.Errorf("%s is paused (%s) by answers", name, s.Paused)
		}
	}
	r.audit()
}

// Twenty refusals in one lane are one lane's trouble.
func TestT1_OneLaneDoesNotPauseTheTarget(t *testing.T) {
	r := newRig(t)
	r.place("SO-1")
	for range 25 {
		r.fakes["erp"].on(waybill.SalesOrder, refused("unknown_item", 422))
	}
	r.settle()
	key := r.one("SO-1", waybill.SalesOrder).Key
	for range 24 {
		r.must(r.do(ToDelivery, key, "retry"))
		r.settle()
	}
	if s := r.system("erp"); s.Paused != "" {
		t.Errorf("the ERP is paused (%s) by one document that an operator tried again and again", s.Paused)
	}
}

// A changed generation, a fallen head and a position that another key holds
// are a rewind: nothing goes until a person says so (T3).
func TestF51_RewindStopsPosting(t *testing.T) {
	rewinds := map[string]func(r *rig){
		"generation": func(r *rig) {
			r.fakes["erp"].setBack = true
		},
		"head": func(r *rig) {
			r.fakes["erp"].info = func() (connector.Info, error) {
				i := r.fakes["erp"].healthy()
				i.Head = 1
				return i, nil
			}
		},
		"position": func(r *rig) {
			r.fakes["erp"].on(waybill.OrderCheck, func(f *fake, a connector.Attempt) (waybill.Outcome, error) {
				b, _ := f.book(a)
				receipt := receiptOf(b)
				receipt.N = 2
				return waybill.Outcome{Verdict: waybill.Done, Receipt: receipt}, nil
			})
		},
		"while an operator has it paused": func(r *rig) {
			r.must(r.do(ToSystem, "erp", "pause"))
			r.fakes["erp"].setBack = true
		},
	}
	for name, rewind := range rewinds {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.place("SO-1")
			r.pass(2 * time.Minute)
			rewind(r)
			r.place("SO-2")
			r.pass(2 * time.Minute)
			if s := r.system("erp"); s.Paused != "target_rewind" {
				t.Fatalf("paused is %q", s.Paused)
			}
			if xs := r.open("target_rewind"); len(xs) != 1 {
				t.Errorf("%d incidents, want 1", len(xs))
			}
			before := len(r.fakes["erp"].seen)
			r.restart()
			r.place("SO-3")
			r.pass(10 * time.Minute)
			if n := len(r.fakes["erp"].seen) - before; n != 0 {
				t.Errorf("%d documents went to a system that was set back", n)
			}
			r.fakes["erp"].info = nil // its journal grows from where it was set back to
			r.must(r.do(ToSystem, "erp", "resume"))
			r.pass(2 * time.Minute)
			if s := r.orderStatus("SO-3"); s != waybill.StatusReleased {
				t.Errorf("SO-3 is %s after the resume", s)
			}
			if xs := r.open("target_rewind"); len(xs) != 0 {
				t.Errorf("the incident is still open after the resume")
			}
		})
	}
}

// An operator's pause and resume are durable, and stop one system only.
func TestC7_PauseSurvivesARestart(t *testing.T) {
	r := newRig(t)
	r.settle()
	r.must(r.do(ToSystem, "wms", "pause"))
	r.place("SO-1")
	r.settle()
	r.restart()
	r.pass(time.Hour)
	if s := r.orderStatus("SO-1"); s != waybill.StatusAccepted {
		t.Errorf("SO-1 is %s while the WMS is paused, want accepted", s)
	}
	if n := len(r.fakes["wms"].seen); n != 0 {
		t.Errorf("%d documents went to the paused WMS", n)
	}
	if state, reason := r.shown(r.one("SO-1", waybill.WarehouseOrder)); state != lane.Parked || reason != "operator" {
		t.Errorf("the warehouse order is %s (%s), want parked (operator)", state, reason)
	}
	r.must(r.do(ToSystem, "wms", "resume"))
	r.settle()
	r.restart()
	r.settle()
	if s := r.orderStatus("SO-1"); s != waybill.StatusReleased {
		t.Errorf("SO-1 is %s after the resume", s)
	}
	r.audit()
}

// Pausing and resuming what takes no documents must not make it take them.
func TestC7_WhatTakesNothingIsNotPaused(t *testing.T) {
	r := newRig(t)
	r.place("SO-1")
	r.settle()
	delete(r.fakes, "shop")
	r.ship("SO-1", "S1", allLines)
	r.must(r.reload(r.opt)) // the shop is no longer configured
	r.fakes["shop"] = newFake(r, "shop", waybill.RoleChannel)
	for _, action := range []string{"pause", "resume", "pause", "resume"} {
		for _, name := range []string{"shop", "carrier"} {
			var wrong *waybill.Error
			if err := r.do(ToSystem, name, action); !errors.As(err, &wrong) {
				t.Errorf("%s of %s: %v, want a refusal", action, name, err)
			}
		}
	}
	r.settle()
	r.place("SO-2")
	r.settle()
	if s := r.orderStatus("SO-2"); s != waybill.StatusReleased {
		t.Errorf("SO-2 is %s", s)
	}
	if xs := r.open("poison_message"); len(xs) != 0 {
		t.Errorf("poison: %s", xs[0].Detail)
	}
}

// An adapter that can't look up parks what is in doubt, and waits for the
// report of what was taken.
func TestT5_WithoutALookUp(t *testing.T) {
	r := newRig(t, func(r *rig) {
		r.fakes["erp"].noInquirer = true
		r.fakes["erp"].on(waybill.SalesOrder, lose, take)
	})
	r.place("SO-1")
	r.pass(time.Minute)
	d := r.one("SO-1", waybill.SalesOrder)
	if d.State != lane.Parked || d.Reason != "in_doubt" {
		t.Fatalf("in doubt and without a look-up it is %s (%s)", d.State, d.Reason)
	}
	r.checkParked()
	r.must(r.do(ToDelivery, d.Key, "retry"))
	r.pass(30 * time.Minute)
	if d = r.one("SO-1", waybill.SalesOrder); d.State != lane.Waiting || d.Reason != "pending" {
		t.Fatalf("taken and without a look-up it is %s (%s), want waiting for the report", d.State, d.Reason)
	}
	r.pass(time.Hour)
	if len(r.open("ack_overdue")) != 1 {
		t.Error("the acknowledgment is overdue and nobody says so")
	}
	b := r.fakes["erp"].apply(d.Key)
	r.tell("erp", waybill.DocumentApplied, fmt.Sprintf(`{"key":%q,"ref":"R-%d","n":%d}`, d.Key, b.n, b.n))
	r.settle()
	if s := r.orderStatus("SO-1"); s != waybill.StatusReleased {
		t.Errorf("SO-1 is %s after the report", s)
	}
	r.audit()
}
