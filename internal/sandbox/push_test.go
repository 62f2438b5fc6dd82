package sandbox

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// ear is a Waybill that answers pushes as told and remembers them.
type ear struct {
	mu     sync.Mutex
	heard  []string // system and id
	stamps []string
	answer func(n int) (status int, header http.Header)
}

func (e *ear) RoundTrip(r *http.Request) (*http.Response, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.heard = append(e.heard, r.Header.Get("webhook-id"))
	e.stamps = append(e.stamps, r.Header.Get("webhook-timestamp"))
	status, header := e.answer(len(e.heard))
	if status == 0 {
		return nil, fmt.Errorf("connection refused")
	}
	return &http.Response{StatusCode: status, Status: fmt.Sprint(status), Header: header, Body: http.NoBody}, nil
}

// listening makes a started world whose pushes go to an ear.
func listening(t *testing.T, cfg Config, answer func(int) (int, http.Header)) (*World, *ear) {
	t.Helper()
	cfg.InProcess = true
	w, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	e := &ear{answer: answer}
	w.SetWaybill("http://waybill.example", &http.Client{Transport: e})
	if err := w.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Close)
	return w, e
}

func yes(int) (int, http.Header) { return 202, http.Header{} }

func TestPush_TriesAgainWithTheSameIDUntilTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, e := listening(t, Config{}, func(n int) (int, http.Header) {
			switch n {
			case 1:
				return 0, nil
			case 2:
				return 503, http.Header{"Retry-After": {"7"}}
			case 3:
				return 500, http.Header{}
			}
			return 202, http.Header{}
		})
		start := time.Now()
		done := make(chan bool)
		w.tell("wms", "pick.confirmed", "SO-1", "1", nil, func() { close(done) })
		w.tell("wms", "pack.confirmed", "SO-1", "2", nil, nil)
		if quiet, why := w.Quiet(); quiet || !strings.Contains(why, "wms") {
			t.Errorf("quiet with two messages open: %t, %q", quiet, why)
		}
		<-done
		synctest.Wait()
		if quiet, why := w.Quiet(); !quiet {
			t.Errorf("not quiet in the end: %s", why)
		}
		first := e.heard[0]
		if len(e.heard) != 5 || !slices.Equal(e.heard[:4], []string{first, first, first, first}) || e.heard[4] == first {
			t.Errorf("heard %v, want the first message four times, then the second", e.heard)
		}
		if time.Since(start) < 7*time.Second || e.stamps[0] == e.stamps[3] {
			t.Errorf("Retry-After was not waited for (%s), or the attempts share a timestamp", time.Since(start))
		}
	})
}

func TestPush_KeepsTheOrderOfALane(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, e := listening(t, Config{}, func(n int) (int, http.Header) {
			if n%3 == 0 {
				return 500, http.Header{}
			}
			return 202, http.Header{}
		})
		for i := range 50 {
			for lane := range 4 {
				w.tell("wms", "pick.confirmed", fmt.Sprintf("SO-%d", lane), fmt.Sprintf("%03d", i), nil, nil)
			}
		}
		for quiet, _ := w.Quiet(); !quiet; quiet, _ = w.Quiet() {
			pause(10 * time.Millisecond)
		}
		last := map[string]string{}
		for _, id := range e.heard {
			lane, n := id[:len(id)-4], id[len(id)-3:]
			if n < last[lane] {
				t.Errorf("%s after %s in %s", n, last[lane], lane)
			}
			last[lane] = n
		}
		if len(last) != 4 {
			t.Errorf("heard of %d lanes", len(last))
		}
	})
}

func TestPush_DuplicatesAndReordersWhereTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, e := listening(t, Config{}, yes)
		for _, f := range []Fault{Duplicate, Reorder} {
			if err := w.SetFault("wms", string(f), true); err != nil {
				t.Fatal(err)
			}
		}
		for i := range 60 {
			w.tell("wms", "pick.confirmed", "SO-1", fmt.Sprintf("%03d", i), nil, nil)
		}
		for quiet, _ := w.Quiet(); !quiet; quiet, _ = w.Quiet() {
			pause(time.Millisecond)
		}
		met := map[string]int{}
		backwards, last := 0, ""
		for _, id := range e.heard {
			met[id]++
			if id < last {
				backwards++
			}
			last = id
		}
		b := w.Books()
		if len(met) != 60 || b.Messages != 60 || len(e.heard) != 60+b.DuplicatesSent || b.DuplicatesSent == 0 {
			t.Errorf("%d messages in %d sends, the books say %d and %d repeats", len(met), len(e.heard), b.Messages, b.DuplicatesSent)
		}
		if backwards == 0 {
			t.Error("nothing was overtaken")
		}
	})
}

func TestPush_WaitsForTheAddressOfWaybill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, err := New(Config{InProcess: true})
		if err != nil {
			t.Fatal(err)
		}
		w.tell("erp", "customer.changed", "SO-1", "1", nil, nil) // before Start
		if err := w.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		defer w.Close()
		pause(time.Minute)
		if quiet, why := w.Quiet(); quiet || !strings.Contains(why, "no address") {
			t.Errorf("quiet without an address: %t, %q", quiet, why)
		}
		w.SetWaybill("http://waybill.example", &http.Client{Transport: &ear{answer: yes}})
		pause(time.Minute)
		if quiet, why := w.Quiet(); !quiet {
			t.Errorf("not quiet with an address: %s", why)
		}
	})
}

func TestPlaceOrders_ReturnsWhenAllAreAcknowledged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _ := listening(t, Config{First: 40}, func(n int) (int, http.Header) {
			if n%2 == 1 {
				return 429, http.Header{"Retry-After": {"1"}}
			}
			return 202, http.Header{}
		})
		if err := w.PlaceOrders(t.Context(), 30, 5); err != nil {
			t.Fatal(err)
		}
		b := w.Books()
		if b.Placed != 30 || b.Acknowledged != 30 || b.Orders[0].Index != 40 || b.Orders[0].Name != "#1041" {
			t.Errorf("placed %d, acknowledged %d, first %+v", b.Placed, b.Acknowledged, b.Orders[0])
		}
		if b.Lost == 0 {
			t.Error("acknowledged and not worked on at all: that must count as lost")
		}
	})
}
