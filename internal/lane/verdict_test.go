package lane_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/internal/lane"
)

var (
	now    = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	timing = lane.Timing{Deadline: 30 * time.Second, Settle: 2 * time.Second, BackoffMin: time.Second, BackoffMax: time.Minute,
		AckDeadline: time.Hour, HoldRecheck: 15 * time.Minute}
)

func TestBackoff(t *testing.T) {
	for n, want := range map[int]time.Duration{1: 500 * time.Millisecond, 2: time.Second, 3: 2 * time.Second, 6: 16 * time.Second,
		7: 30 * time.Second, 8: 30 * time.Second, 1000: 30 * time.Second} {
		if got := timing.Backoff(n, 0); got != want {
			t.Errorf("the shortest wait before repetition %d is %s, want %s", n, got, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		n, chance := rapid.IntRange(1, 100).Draw(t, "n"), rapid.Float64Range(0, 0.999999).Draw(t, "chance")
		low, wait := timing.Backoff(n, 0), timing.Backoff(n, chance)
		if wait < low || wait >= 2*low || wait > timing.BackoffMax {
			t.Fatalf("repetition %d waits %s, want from %s to twice that", n, wait, low)
		}
	})
}

func TestWorth_HalfOfTheTimeIsLeft(t *testing.T) {
	deadline := now.Add(30 * time.Second)
	for after, want := range map[time.Duration]bool{0: true, 15 * time.Second: true, 15*time.Second + 1: false, time.Minute: false} {
		if got := lane.Worth(now, deadline, now.Add(after)); got != want {
			t.Errorf("after %s of 30 s: %t", after, got)
		}
	}
}

func TestRemembers_HalfOfTheKeysTime(t *testing.T) {
	d := &lane.Delivery{DecidedAt: now}
	for _, row := range []struct {
		class lane.Class
		after time.Duration
		want  bool
	}{
		{lane.Class{Idempotency: waybill.ByKey}, 10000 * time.Hour, true},
		{lane.Class{Idempotency: waybill.ByKey, KeyTTL: 24 * time.Hour}, 12*time.Hour - 1, true},
		{lane.Class{Idempotency: waybill.ByKey, KeyTTL: 24 * time.Hour}, 12 * time.Hour, false},
		{lane.Class{Idempotency: waybill.ByLookup}, 0, false},
		{lane.Class{Idempotency: waybill.NoIdempotency}, 0, false},
	} {
		if got := row.class.Remembers(d, now.Add(row.after)); got != row.want {
			t.Errorf("%+v after %s: %t", row.class, row.after, got)
		}
	}
}

// A settle wait runs from the deadline; a back-off that is longer wins.
func TestInDoubt_WaitsForDeadlineAndSettle(t *testing.T) {
	d := sent()
	d.Answer(waybill.Outcome{Verdict: waybill.InDoubt}, now.Add(time.Second), timing, lane.Class{Idempotency: waybill.ByLookup}, 0)
	if want := now.Add(32 * time.Second); d.State != lane.InDoubt || d.Next != lane.Ask || !d.Due.Equal(want) {
		t.Errorf("%s, next %q at %s, want a look-up at %s", d.State, d.Next, d.Due, want)
	}
	d = sent()
	d.Failures = 9
	d.Answer(waybill.Outcome{Verdict: waybill.InDoubt}, now.Add(25*time.Second), timing, lane.Class{Idempotency: waybill.ByLookup}, 0)
	if want := now.Add(55 * time.Second); !d.Due.Equal(want) {
		t.Errorf("after many failures the look-up is at %s, want %s", d.Due, want)
	}
}

func TestAnswer_PartialByLine(t *testing.T) {
	line := func(n, status string) waybill.LineOutcome {
		return waybill.LineOutcome{Line: n, Status: status, Problem: &waybill.Problem{Code: "why_" + n}}
	}
	for name, row := range map[string]struct {
		lines  []waybill.LineOutcome
		want   lane.Settlement
		state  lane.State
		reason string
	}{
		"all applied":           {[]waybill.LineOutcome{line("1", "applied"), line("2", "applied")}, lane.SettledDone, lane.Done, ""},
		"applied and rejected":  {[]waybill.LineOutcome{line("1", "applied"), line("2", "rejected")}, lane.SettledPartial, lane.Done, "partial"},
		"applied and retry":     {[]waybill.LineOutcome{line("1", "applied"), line("2", "retry")}, lane.SettledPartial, lane.Done, "partial"},
		"retry only":            {[]waybill.LineOutcome{line("1", "retry")}, lane.SettledPartial, lane.Done, lane.ReasonNothing},
		"rejected and retry":    {[]waybill.LineOutcome{line("1", "rejected"), line("2", "retry")}, lane.SettledPartial, lane.Done, lane.ReasonNothing},
		"all rejected":          {[]waybill.LineOutcome{line("1", "rejected"), line("2", "rejected")}, lane.SettledRefused, lane.Parked, "why_1"},
		"an unknown line state": {[]waybill.LineOutcome{line("1", "applied"), line("2", "odd")}, lane.SettledPartial, lane.Done, "partial"},
	} {
		for _, found := range []bool{false, true} {
			d, r := sent(), waybill.Receipt{Ref: "R-1", N: 7, Lines: row.lines}
			var got lane.Settlement
			if found {
				d.State, d.Next = lane.InDoubt, lane.Ask
				got = d.Found(lane.Look{State: "applied", Receipt: r}, now, timing, 0)
			} else {
				got = d.Answer(waybill.Outcome{Verdict: waybill.Partial, Receipt: r}, now, timing, lane.Class{}, 0)
			}
			if got != row.want || d.State != row.state || d.Reason != row.reason || row.state == lane.Done && (d.Ref != "R-1" || d.N != 7) {
				t.Errorf("%s (found: %t): %q, %s (%s), ref %q", name, found, got, d.State, d.Reason, d.Ref)
			}
		}
	}
}

func TestFound(t *testing.T) {
	doubt := func(next lane.Move) *lane.Delivery {
		d := sent()
		d.State, d.Next, d.Reason, d.Due = lane.InDoubt, next, "strange", now
		return d
	}
	type end struct {
		State  lane.State
		Next   lane.Move
		Reason string
		Due    time.Duration
		Said   lane.Settlement
	}
	for name, row := range map[string]struct {
		next lane.Move
		look lane.Look
		want end
	}{
		"absent":             {lane.Ask, lane.Look{State: "absent"}, end{lane.Ready, lane.Send, "absent", 0, ""}},
		"absent, was pended": {lane.AskPending, lane.Look{State: "absent"}, end{lane.Ready, lane.Send, "absent", 0, ""}},
		"absent, refusing":   {lane.AskThenRefuse, lane.Look{State: "absent"}, end{lane.Parked, lane.Stay, "strange", 0, lane.SettledRefused}},
		"applied, refusing":  {lane.AskThenRefuse, lane.Look{State: "applied"}, end{lane.Done, lane.Stay, "", 0, lane.SettledDone}},
		"rejected": {lane.Ask, lane.Look{State: "rejected", Problem: waybill.Problem{Code: "no"}},
			end{lane.Parked, lane.Stay, "no", 0, lane.SettledRefused}},
		"pending":           {lane.Ask, lane.Look{State: "pending"}, end{lane.Waiting, lane.AskPending, "pending", 500 * time.Millisecond, ""}},
		"unknown":           {lane.Ask, lane.Look{State: "unknown"}, end{lane.InDoubt, lane.Ask, "strange", 500 * time.Millisecond, ""}},
		"unknown, refusing": {lane.AskThenRefuse, lane.Look{}, end{lane.InDoubt, lane.AskThenRefuse, "strange", 500 * time.Millisecond, ""}},
		"unknown, throttled": {lane.Ask, lane.Look{State: "unknown", RetryAfter: now.Add(time.Hour)},
			end{lane.InDoubt, lane.Ask, "strange", time.Hour, ""}},
	} {
		d := doubt(row.next)
		got := end{Said: d.Found(row.look, now, timing, 0), State: d.State, Next: d.Next, Reason: d.Reason}
		if !d.Due.IsZero() {
			got.Due = d.Due.Sub(now)
		}
		if diff := cmp.Diff(row.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// sent is a delivery with its first attempt under way.
func sent() *lane.Delivery {
	d := &lane.Delivery{ID: 1, Key: "k", Seq: 1, DecidedAt: now}
	d.Begin(now, 1, timing)
	return d
}
