package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// ediWorld is the example with its two partners and a simulated ERP, served by
// the real binary.
type ediWorld struct {
	ctx          context.Context
	dir          string
	erp          *ledgerERP
	buyer, floor *mailbox
	*child
}

// startEDI serves the example until the test ends. Both partners acknowledge
// what they get, and the test lets them look.
func startEDI(t *testing.T) *ediWorld {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	w := &ediWorld{ctx: ctx, erp: &ledgerERP{taken: map[string]int{}, kinds: map[string]int{}}}
	server := httptest.NewServer(w.erp)
	t.Cleanup(server.Close)
	bin := buildBinary(t)
	w.dir = exampleByEDI(t, server.URL)
	box := func(name, id string) *mailbox {
		return &mailbox{t: t, dir: filepath.Join(w.dir, "exchange", name), id: id, us: "EXAMPLEHDW", got: map[string]int{}, controls: map[string]map[string]int{}}
	}
	w.buyer, w.floor = box("bigbox", "08/9254850000"), box("threepl", "ZZ/EXAMPLE3PL")
	w.child = startServe(t, bin, w.dir, "127.0.0.1:0")
	t.Cleanup(func() { w.stop(t) })
	return w
}

// stop ends the program, once.
func (w *ediWorld) stop(t *testing.T) {
	t.Helper()
	if w.child != nil {
		w.kill(t)
		w.child = nil
	}
}

// until lets the partners look into their mailboxes until a condition holds.
func (w *ediWorld) until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		w.buyer.look()
		w.floor.look()
		if holds() {
			return
		}
		select {
		case <-w.ctx.Done():
			t.Fatalf("%s: not in time; the customer has %v, the warehouse %v; exceptions %s", what, w.buyer.got, w.floor.got, exceptionsIn(t, w.base, ""))
		case <-tick.C:
		}
	}
}

// erpHas is how often the ERP has a document of the order.
func (w *ediWorld) erpHas(kind, order string) int {
	w.erp.mu.Lock()
	defer w.erp.mu.Unlock()
	return w.erp.kinds[kind+" "+order]
}

func order850(no string) [][]string {
	return [][]string{{"ST", "850", "0001"}, {"BEG", "00", "SA", no, "", "20260105"}, {"N1", "ST", "Example Stores 17", "92", "0017"},
		{"N3", "Main Street 1"}, {"N4", "Springfield", "IL", "62701", "US"}, {"PO1", "1", "6", "EA", "4.20", "", "VN", "HAMMER-16"}, {"CTT", "1"}}
}

// TestEDI_CancelledWarehouseOrder: an 860 that cancels after the 940 went out is
// put to the warehouse, whose 997 is its word: the order is cancelled in the
// ERP, and the customer gets its 865.
func TestEDI_CancelledWarehouseOrder(t *testing.T) {
	w := startEDI(t)
	w.buyer.send("PO", order850("4800"))
	w.until(t, "the 940", func() bool { return w.floor.got["940 bigbox!.4800"] == 1 })
	w.until(t, "its settlement", func() bool {
		st, err := getStatus(w.ctx, w.base)
		return err == nil && st.Quiescent
	})
	w.buyer.send("PC", [][]string{{"ST", "860", "0001"}, {"BCH", "01", "SA", "4800", "", "", "20260105", "", "", "", "", "20260106"}})
	w.until(t, "the answer", func() bool {
		return w.buyer.got["865 4800 AT"] == 1 && w.erpHas("sales_order_cancel", "bigbox~.4800") == 1
	})
	if w.floor.got["940 bigbox!.4800 F"] != 1 {
		t.Errorf("the warehouse got %v", w.floor.got)
	}
	takenByOthers(t, w.buyer, w.floor)
	for set := range maps.Keys(w.buyer.got) {
		if strings.HasPrefix(set, "856") || strings.HasPrefix(set, "810") {
			t.Errorf("the customer got a %s for a cancelled order", set)
		}
	}
}

// TestEDI_ChangeBesideItsOrder: an 860 that is picked up before its 850, or with
// it, waits for it and is applied. One whose order never comes is named at the
// deadline, and acknowledged.
func TestEDI_ChangeBesideItsOrder(t *testing.T) {
	w := startEDI(t)
	change := func(no string) [][]string {
		return [][]string{{"ST", "860", "0001"}, {"BCH", "04", "SA", no, "", "1", "20260105", "", "", "", "", "20260106"},
			{"POC", "1", "QD", "4", "", "EA", "4.20", "", "VN", "HAMMER-16"}, {"CTT", "1"}}
	}
	w.buyer.send("PC", change("4810")) // its number is below that of its order, and it is there first
	w.until(t, "the claim of the 860", func() bool {
		left, err := filepath.Glob(filepath.Join(w.buyer.dir, "from-partner", "*.edi"))
		return err == nil && len(left) == 0
	})
	w.buyer.send("PO", order850("4810"))
	w.buyer.send("PO", order850("4811"))
	w.buyer.send("PC", change("4811"))
	w.buyer.send("PC", change("4899"))
	for _, no := range []string{"4810", "4811"} {
		w.until(t, "the change of "+no, func() bool { return orderedQty(t, w.base, "bigbox~."+no) == "4" })
	}
	w.until(t, "the deadline of the 860 without an order", func() bool {
		said := exceptionsIn(t, w.base, "edi_not_taken")
		return strings.Contains(said, "bigbox-000000005-") && w.buyer.got["997 PC5"] == 1
	})
	if said := exceptionsIn(t, w.base, "edi_not_taken"); strings.Count(said, "edi_not_taken") != 1 {
		t.Errorf("a change that was applied is called not taken: %s", said)
	}
	for _, group := range []string{"PC1", "PO2", "PO3", "PC4"} {
		if n := w.buyer.got["997 "+group]; n != 1 {
			t.Errorf("group %s was acknowledged %d times", group, n)
		}
	}
}

// orderedQty is what is ordered of the order's first line, by the API; "" where
// it is not known.
func orderedQty(t *testing.T, base, ref string) string {
	t.Helper()
	var o struct {
		Lines []struct{ Ordered string } `json:"lines"`
	}
	if b, status := apiGet(t, base+"/api/v1/orders/"+ref); status != http.StatusOK || json.Unmarshal(b, &o) != nil || len(o.Lines) == 0 {
		return ""
	}
	return o.Lines[0].Ordered
}

// exceptionsIn are the open exceptions of a cause, as the API has them.
func exceptionsIn(t *testing.T, base, cause string) string {
	t.Helper()
	b, _ := apiGet(t, base+"/api/v1/exceptions?cause="+cause)
	return string(b)
}

func apiGet(t *testing.T, url string) (body []byte, status int) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+demoKey)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	body, err = io.ReadAll(resp.Body)
	if err = errors.Join(err, resp.Body.Close()); err != nil {
		t.Fatal(err)
	}
	return body, resp.StatusCode
}

// TestEDI_RepeatedInterchange: an interchange that comes again, unchanged or
// with other bytes, gets a TA1 that calls it a duplicate, and makes nothing. Of the
// changed one a person is told.
func TestEDI_RepeatedInterchange(t *testing.T) {
	w := startEDI(t)
	w.buyer.send("PO", order850("4820"))
	w.until(t, "the order", func() bool { return w.buyer.got["997 PO1"] == 1 && w.floor.got["940 bigbox!.4820"] == 1 })

	again := func(no string) { // with the control number of the first
		w.buyer.mu.Lock()
		next := w.buyer.control
		w.buyer.control = 0
		w.buyer.mu.Unlock()
		w.buyer.send("PO", order850(no))
		w.buyer.mu.Lock()
		w.buyer.control = next
		w.buyer.mu.Unlock()
	}
	again("4820")
	w.until(t, "a TA1", func() bool { return w.buyer.got["TA1 000000001 R 025"] == 1 })
	if said := exceptionsIn(t, w.base, ""); strings.Contains(said, "edi_rejected") || strings.Contains(said, "message_conflict") {
		t.Errorf("a harmless repetition bothers a person: %s", said)
	}

	again("4821")
	w.until(t, "another TA1", func() bool { return w.buyer.got["TA1 000000001 R 025"] == 2 })
	w.until(t, "the exception", func() bool { return strings.Contains(exceptionsIn(t, w.base, "edi_rejected"), "bigbox-000000001-") })
	if qty := orderedQty(t, w.base, "bigbox~.4821"); qty != "" {
		t.Errorf("the changed repetition made an order of %s", qty)
	}
	if n := w.buyer.got["997 PO1"]; n != 1 || w.floor.got["940 bigbox!.4820"] != 1 {
		t.Errorf("the first is acknowledged %d times; the warehouse got %v", n, w.floor.got)
	}
	var out, errs strings.Builder
	w.stop(t)
	if code := run([]string{"verify", "--config", filepath.Join(w.dir, "waybill.yaml"), "--data", filepath.Join(w.dir, "data")}, nil, &out, &errs); code != exitFine {
		t.Errorf("verify exits with %d: %s%s", code, out.String(), errs.String())
	}
}
