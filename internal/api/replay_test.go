package api_test

import (
	"strings"
	"testing"
	"time"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/connector"
	"github.com/waybillhq/waybill/connector/contract"
	"github.com/waybillhq/waybill/internal/api"
	"github.com/waybillhq/waybill/internal/engine"
	"github.com/waybillhq/waybill/internal/process"
	"github.com/waybillhq/waybill/internal/replay"
)

// withReplayer adds a runner of replays over the world's store and engine.
func withReplayer(d *api.Deps) {
	c, err := contract.Manifest().Open(connector.Env{System: "shop", Role: waybill.RoleChannel, Observe: true})
	if err != nil {
		panic(err)
	}
	d.Replayer = replay.NewRunner(d.Store.(replay.Store), d.Engine.(*engine.Engine), replay.Configuration{
		Policy:      &process.Policy{Namespace: "test", ERP: "erp", WMS: "wms", Channels: map[string]process.Channel{"shop": {}}},
		Translators: map[string]connector.Translator{"shop": c.Translator},
	}, time.Now)
}

func (w *world) replayed(id string) map[string]any {
	w.t.Helper()
	for range 500 {
		got := decode[map[string]any](w.t, w.get("/api/v1/replays/"+id, 200))
		if got["state"] != "running" {
			return got
		}
		<-time.After(5 * time.Millisecond)
	}
	w.t.Fatal("the replay does not end")
	return nil
}

func TestContract_Replay(t *testing.T) {
	w := newWorld(t, withReplayer)
	d := newDescribed(w)
	w.push("shop", "order.placed", order1)
	w.rest()
	b := w.tell("/api/v1/replays", `{"order":"SO-1","dry_run":true}`, 202)
	id := decode[map[string]any](t, b)["id"].(string)
	got := w.replayed(id)
	if got["state"] != "done" || got["dry_run"] != true || got["messages"] != 1.0 ||
		len(got["would_send"].([]any)) != 0 || len(got["differs"].([]any)) != 0 {
		t.Errorf("a replay of what is as it was: %v", got)
	}
	body := w.get("/api/v1/replays/"+id, 200)
	d.holds("/api/v1/replays/{id}", "get", "200", "application/json", body)

	for body, field := range map[string]string{
		`{}`: "/from",
		`{"from":"2026-01-02T00:00:00Z","to":"2026-01-01T00:00:00Z"}`: "/to",
		`{"order":"SO-1","dry_run":false}`:                            "/reason",
		`{"from":"yesterday"}`:                                        "body",
	} {
		if p := string(w.tell("/api/v1/replays", body, 400)); !strings.Contains(p, `"`+field+`"`) {
			t.Errorf("%s: the problem does not name %s: %s", body, field, p)
		}
	}
	// Without a word of it, nothing is sent.
	b = w.tell("/api/v1/replays", `{"from":"2020-01-01T00:00:00Z"}`, 202)
	if got := w.replayed(decode[map[string]any](t, b)["id"].(string)); got["dry_run"] != true || got["state"] != "done" {
		t.Errorf("a replay that does not say how: %v", got)
	}
	b = w.tell("/api/v1/replays", `{"order":"SO-404"}`, 202)
	if got := w.replayed(decode[map[string]any](t, b)["id"].(string)); got["state"] != "failed" || !strings.Contains(got["error"].(string), "SO-404") {
		t.Errorf("a replay of an unknown order: %v", got)
	}
	w.get("/api/v1/replays/rep_77", 404)
	w.get("/api/v1/replays/none", 404)
	b = w.tell("/api/v1/replays", `{"order":"SO-1","dry_run":false,"reason":"a mapping was corrected"}`, 202)
	if got := w.replayed(decode[map[string]any](t, b)["id"].(string)); got["state"] != "done" {
		t.Errorf("a live replay: %v", got)
	}
	log := w.list("/api/v1/audit")
	if last := log[len(log)-1]; last["action"] != "replay" || last["object"] != "order SO-1" || last["reason"] != "a mapping was corrected" {
		t.Errorf("the audit log ends with %v", last)
	}
	newWorld(t).get("/api/v1/replays/rep_1", 404)
}
