package contract_test

import (
	"fmt"
	"strings"
	"testing"
)

// replayed runs C8 to its end and gives what it found.
func (w *world) replayed(body obj) obj {
	w.Helper()
	code, v := w.post("/api/v1/replays", body)
	if code != 202 || v["id"] == nil {
		w.Fatalf("POST /api/v1/replays: %d %s", code, marshal(v))
	}
	var out obj
	w.await("the replay is done", func() bool {
		out = w.get(fmt.Sprintf("/api/v1/replays/%v", v["id"])).(obj)
		if out["state"] == "failed" {
			w.Fatalf("the replay failed: %s", marshal(out))
		}
		return out["state"] == "done"
	})
	return out
}

// sends lists the documents of a replay as "target kind lines".
func sends(replay obj) string {
	var out []string
	for _, d := range replay["would_send"].([]any) {
		d := d.(obj)
		text := fmt.Sprint(d["target"], " ", d["kind"])
		for _, l := range d["lines"].([]any) {
			text += fmt.Sprint(" ", l.(obj)["line"], ":", l.(obj)["qty"])
		}
		out = append(out, text)
	}
	return strings.Join(out, ", ")
}

// misread is a world in which a depot's shipments are not understood, because
// the configuration gives it a role that reports none; corrected gives it the
// right one.
func misread(t *testing.T) (w *world, corrected func()) {
	w = newWorld(t, further("depot:carrier"))
	w.released("SO-1", "1 A 5 9.90")
	w.pushAs("quarantined", "depot", "shipment.confirmed", shipped("SO-1", "S-1", 1, "1 5"))
	return w, func() {
		w.stop()
		w.rewrite("waybill.yaml", "depot:\n    role: carrier", "depot:\n    role: supplier")
		w.start()
	}
}

// TestC8_DryRun: it says what would be sent and what would change, and sends
// nothing.
func TestC8_DryRun(t *testing.T) {
	t.Parallel()
	w, corrected := misread(t)
	window := obj{"from": "2020-01-01T00:00:00Z", "to": "2100-01-01T00:00:00Z", "dry_run": true}
	if r := w.replayed(window); sends(r) != "" || len(r["differs"].([]any)) != 0 {
		t.Errorf("with the configuration of the day: %s", marshal(r))
	}
	corrected()
	before := len(w.list("/api/v1/events?limit=1000"))
	for _, body := range []obj{window, {"order": "SO-1", "dry_run": true}, {"order": "SO-1"}} {
		r := w.replayed(body)
		if got := sends(r); got != "channel fulfilment 1:5, erp shipment_posting 1:5" {
			t.Errorf("%s would send %q", marshal(body), got)
		}
		differs := r["differs"].([]any)
		if len(differs) != 1 || differs[0].(obj)["order"] != "SO-1" || !strings.Contains(string(marshal(differs[0])), `"to":"shipped"`) ||
			!strings.Contains(string(marshal(differs[0])), `"stage":"shipped"`) {
			t.Errorf("%s differs by %s", marshal(body), marshal(differs))
		}
	}
	if after := len(w.list("/api/v1/events?limit=1000")); after != before {
		t.Errorf("a dry run recorded %d events", after-before)
	}
	w.books(w.erp, "SO-1", "order_check sales_order")
	if out, errs, code := w.run("replay", "--config", "waybill.yaml", "--data", "data", "--order", "SO-1"); code != 1 || !strings.Contains(out, "shipment_posting") {
		t.Errorf("waybill replay: exit %d\n%s%s", code, out, errs)
	}
}

// TestC8_Live: what is understood now comes into force, and only what is missing
// is sent, once, under the keys that the dry run named.
func TestC8_Live(t *testing.T) {
	t.Parallel()
	w, corrected := misread(t)
	corrected()
	dry := w.replayed(obj{"order": "SO-1", "dry_run": true})
	if code, v := w.post("/api/v1/replays", obj{"order": "SO-1", "dry_run": false}); code != 400 {
		t.Errorf("a live replay without a reason: %d %s", code, marshal(v))
	}
	w.replayed(obj{"order": "SO-1", "dry_run": false, "reason": "the depot's role was wrong"})
	w.quiet()
	w.books(w.erp, "SO-1", "order_check sales_order shipment_posting invoice")
	w.books(w.channel, "SO-1", "order_acknowledgment fulfilment")
	for _, d := range dry["would_send"].([]any) {
		d := d.(obj)
		if got := w.one(w.target(d["target"].(string)), d["kind"].(string), "SO-1")["key"]; got != d["key"] {
			t.Errorf("%s went under %v, the dry run said %v", d["kind"], got, d["key"])
		}
	}
	if len(w.exceptions("state=open&cause=message_quarantined")) != 0 || w.status()["quarantined"] != 0.0 {
		t.Errorf("still quarantined: %s", marshal(w.status()))
	}
	if r := w.replayed(obj{"order": "SO-1", "dry_run": false, "reason": "once more"}); sends(r) != "" || len(r["differs"].([]any)) != 0 {
		t.Errorf("once more: %s", marshal(r))
	}
	audited := false
	for _, e := range w.list("/api/v1/audit?limit=1000") {
		audited = audited || e["action"] == "replay" && e["reason"] == "the depot's role was wrong"
	}
	if !audited {
		t.Error("the audit log does not say who replayed it, and why")
	}
	w.quiet()
	w.books(w.erp, "SO-1", "order_check sales_order shipment_posting invoice")
}

// TestC8_LiveByCommand: the command has the running installation do it.
func TestC8_LiveByCommand(t *testing.T) {
	t.Parallel()
	w, corrected := misread(t)
	corrected()
	at := []string{"replay", "--config", "waybill.yaml", "--data", "data", "--order", "SO-1"}
	if _, _, code := w.run(append(at, "--live", "--url", w.base)...); code != 2 {
		t.Errorf("--live without --reason: exit %d, want 2", code)
	}
	if out, errs, code := w.run(append(at, "--live", "--reason", "the depot's role was wrong", "--url", w.base)...); code != 0 {
		t.Fatalf("waybill replay --live: exit %d\n%s%s", code, out, errs)
	}
	w.quiet()
	w.books(w.erp, "SO-1", "order_check sales_order shipment_posting invoice")
	if out, errs, code := w.run(append(at, "--json")...); code != 0 {
		t.Errorf("afterwards: exit %d\n%s%s", code, out, errs)
	}
}

// TestC8_WhatIsWrong: a request that can't be carried out names its field.
func TestC8_WhatIsWrong(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, body := range []obj{{}, {"from": "2026-01-02T00:00:00Z", "to": "2026-01-01T00:00:00Z"}, {"from": "yesterday"}} {
		if code, v := w.post("/api/v1/replays", body); code != 400 || v["code"] == nil {
			t.Errorf("%s: %d %s", marshal(body), code, marshal(v))
		}
	}
	if code, _, _ := w.try("GET", "/api/v1/replays/rep_99", nil, w.bearer()); code != 404 {
		t.Errorf("a replay that never was: %d", code)
	}
}
