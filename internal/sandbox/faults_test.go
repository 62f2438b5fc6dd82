package sandbox

import (
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

// only switches one fault on.
func (b *bench) only(system string, f Fault) {
	b.t.Helper()
	if err := b.w.SetFault(system, string(f), true); err != nil {
		b.t.Fatal(err)
	}
}

func TestTarget_FaultsAreBoundedPerDocument(t *testing.T) {
	for _, fault := range []Fault{Throttle, Busy, ServerFail, Reset, ApplyDrop, ApplyHang, LateApply, Pending, Slow} {
		t.Run(string(fault), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, Config{Idempotency: map[string]string{"erp": "key"}})
				b.only("erp", fault)
				for i := range 40 {
					b.untilClean(t, fmt.Sprintf("SO-%d", i), fmt.Sprintf("k%d", i))
				}
				if n := b.w.Books().Faults["erp"][fault]; n == 0 {
					t.Errorf("%s never struck", fault)
				}
				if books := b.w.Books(); books.Duplicated != 0 {
					t.Errorf("class key booked twice: %v", books.Findings)
				}
			})
		})
	}
}

// untilClean posts a document until it is applied, and fails the test when the
// faults don't end.
func (b *bench) untilClean(t *testing.T, order, key string) {
	t.Helper()
	for attempt := 1; ; attempt++ {
		if attempt > 40 {
			t.Fatalf("%s met faults without end", key)
		}
		r, _ := b.post("erp", doc{kind: "order_check", order: order, key: key, seq: 1, attempt: attempt})
		if r.Status == 201 || r.Status == 200 {
			break
		}
		pause(100 * time.Millisecond)
	}
	calls, faults := b.w.Calls("erp", key), 0
	if rec := b.w.targets["erp"].find(key); rec != nil {
		faults = rec.faults
	}
	if faults > faultsPerDocument || len(calls) < faults {
		t.Errorf("%s: %d faults in %d requests, want at most %d", key, faults, len(calls), faultsPerDocument)
	}
}

func TestTarget_LateApplyKeepsTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, Config{})
		b.only("erp", LateApply)
		applied, passed := 0, 0
		for i := range 60 {
			key := fmt.Sprintf("k%d", i)
			// half of the deadlines end before the late application
			deadline := lateAfter/2 + time.Duration(i%2)*time.Second
			r, _ := b.post("erp", doc{kind: "order_check", order: fmt.Sprintf("SO-%d", i), key: key, seq: 1, deadline: deadline})
			if r.Status != 504 {
				continue
			}
			if status, _, _ := b.call("erp", http.MethodGet, "/v1/documents/by-key/"+key, nil, nil); status != 404 {
				t.Errorf("%s was applied before its 504", key)
			}
			pause(2 * time.Second)
			status, _, found := b.call("erp", http.MethodGet, "/v1/documents/by-key/"+key, nil, nil)
			switch {
			case deadline > lateAfter && status == 200:
				applied++
			case deadline < lateAfter && status == 404:
				passed++
			default:
				t.Errorf("%s with %s left: T2 says %d %v", key, deadline, status, found)
			}
		}
		if applied == 0 || passed == 0 {
			t.Errorf("%d applied late, %d not applied: the fault hardly struck", applied, passed)
		}
	})
}

func TestTarget_PendingIsAppliedOrRejectedAndToldSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, Config{})
		b.only("erp", Pending)
		told := map[string]int{}
		for i := range 60 {
			key, name := fmt.Sprintf("k%d", i), fmt.Sprintf("SO-%d", i)
			d := doc{kind: "order_check", order: name, key: key, seq: 1}
			if i%2 == 1 {
				d.kind = "invoice" // refused: there is no sales order
			}
			r, out := b.post("erp", d)
			if r.Status != 202 {
				continue
			}
			if out["state"] != "pending" {
				t.Errorf("202 says %v", out)
			}
			_, _, found := b.call("erp", http.MethodGet, "/v1/documents/by-key/"+key, nil, nil)
			if found["state"] != "pending" {
				t.Errorf("T2 says %v", found)
			}
			p := <-b.pushed
			data := p.body["data"].(map[string]any)
			_, _, found = b.call("erp", http.MethodGet, "/v1/documents/by-key/"+key, nil, nil)
			if "document."+found["state"].(string) != p.body["type"] || data["key"] != key {
				t.Errorf("push %v, T2 %v", p.body, found)
			}
			told[p.body["type"].(string)]++
		}
		if told["document.applied"] == 0 || told["document.rejected"] == 0 {
			t.Errorf("told %v", told)
		}
	})
}

func TestTarget_PartialNamesOneLineToRetry(t *testing.T) {
	b := newBench(t, Config{})
	b.only("erp", Partial)
	for i := range 60 {
		d := sale(fmt.Sprintf("k%d", i), 1, 0)
		d.order = fmt.Sprintf("SO-%d", i)
		r, out := b.post("erp", d)
		if r.Status != 207 {
			continue
		}
		lines := out["lines"].([]any)
		first, second := lines[0].(map[string]any), lines[1].(map[string]any)
		if first["line"] != "1" || first["status"] != "applied" || second["line"] != "2" || second["status"] != "retry" || second["problem"] == nil {
			t.Errorf("207 says %v", out)
		}
		rest := doc{kind: "sales_order", order: d.order, key: d.key + ".1", seq: 2, after: 1, lines: d.lines[1:]}
		if r, _ := b.post("erp", rest); r.Status != 201 {
			t.Errorf("the rest was answered %v", r)
		}
		if books := b.w.Books(); books.Duplicated != 0 {
			t.Errorf("a line sent again counts as doubled: %v", books.Findings)
		}
		return
	}
	t.Error("no 207 in 60 documents")
}

func TestTarget_OutageEndsAfterSoManyRequests(t *testing.T) {
	b := newBench(t, Config{Faults: "heavy"})
	prof := profiles["heavy"]
	out := 0
	for range prof.outageAfter + 3*prof.outageLength {
		status, _, _ := b.call("carrier", http.MethodGet, "/v1/info", nil, nil)
		if status != 200 {
			out++
		}
	}
	if out != prof.outageLength {
		t.Errorf("%d requests met the outage, want %d", out, prof.outageLength)
	}
	b.only("carrier", Outage)
	if status, _, _ := b.call("carrier", http.MethodGet, "/v1/info", nil, nil); status == 200 {
		t.Error("switched on, the outage lets a request through")
	}
	if err := b.w.SetFault("carrier", "outage", false); err != nil {
		t.Fatal(err)
	}
	if status, _, _ := b.call("carrier", http.MethodGet, "/v1/info", nil, nil); status != 200 {
		t.Error("switched off, the outage goes on")
	}
}

func TestTarget_InProgressWhileAnAnswerIsSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, Config{Idempotency: map[string]string{"erp": "key"}})
		b.only("erp", Slow)
		for i := range 60 {
			d := doc{kind: "order_check", order: fmt.Sprintf("SO-%d", i), key: fmt.Sprintf("k%d", i), seq: 1}
			answers := make(chan result, 2)
			for attempt := 1; attempt <= 2; attempt++ {
				d.attempt = attempt
				go func(d doc) {
					r, _ := b.post("erp", d)
					answers <- r
				}(d)
				pause(time.Millisecond)
			}
			first, second := <-answers, <-answers
			if first.Code == "in_progress" && second.Status == 201 {
				return
			}
		}
		t.Error("no repeat met its slow first attempt")
	})
}
