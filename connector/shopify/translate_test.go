package shopify

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/connector"
	"github.com/waybillhq/waybill/connector/connectortest"
)

// testShop is a shop behind the prefix "web~.".
func testShop(t testing.TB, change func(*connector.Env)) connector.Connector {
	t.Helper()
	env := connector.Env{System: "shop", Role: waybill.RoleChannel, OrderPrefix: "web~.",
		WebhookSecret: []string{"first secret", "second secret"}, Token: "shpat_example", Observe: true,
		Client: http.DefaultClient, Now: func() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) }}
	if change != nil {
		change(&env)
	}
	c, err := Manifest().Open(env)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func translate(t testing.TB, topic string, body []byte, headers ...string) ([]waybill.Event, error) {
	t.Helper()
	h := http.Header{}
	for i := 0; i+1 < len(headers); i += 2 {
		h.Set(headers[i], headers[i+1])
	}
	return testShop(t, nil).Translator.Translate(connector.Message{System: "shop", Topic: topic, Header: h, Body: body})
}

// golden compares with a file in testdata, or writes it.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if connectortest.Updating() {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s differs (-want +got; -update writes it anew):\n%s", path, diff)
	}
}

// sampleTopic is the topic that a sample's name tells; "" where it tells none.
func sampleTopic(path string) string {
	dir, file := filepath.Split(path)
	name := strings.TrimSuffix(file, ".json")
	switch filepath.Base(dir) {
	case "webhooks-2026-04":
		return strings.Replace(name, "-", "/", 1)
	case "webhooks-real":
		if name == "2025-04-orders-3" {
			return "orders/risk_assessment_changed"
		}
		kind := strings.TrimRight(name[len("2025-04-"):], "-0123456789")
		return kind + "/" + map[string]string{"bulk_operations": "finish"}[kind] + map[bool]string{true: "", false: "create"}[kind == "bulk_operations"]
	}
	return ""
}

// TestTranslate_EverySample states for each sample what it becomes, or the
// named reason why it becomes nothing.
func TestTranslate_EverySample(t *testing.T) {
	var table bytes.Buffer
	count := 0
	err := filepath.WalkDir("testdata/samples", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".json" {
			return err
		}
		count++
		body, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		topic := sampleTopic(path)
		events, err := translate(t, topic, body)
		fmt.Fprintf(&table, "%s  topic %q\n", strings.TrimPrefix(filepath.ToSlash(path), "testdata/samples/"), topic)
		var reason *connector.Untranslatable
		switch {
		case errors.As(err, &reason):
			fmt.Fprintf(&table, "    quarantined: %s\n", reason)
		case err != nil:
			t.Errorf("%s: %v is no named reason", path, err)
		case len(events) == 0:
			why := topics[topic].why
			if why == "" {
				why = "money only: no goods are withdrawn and none come back"
			}
			fmt.Fprintf(&table, "    nothing: %s\n", why)
		}
		for _, e := range events {
			fmt.Fprintf(&table, "    %s of %s, subject %s, version %d, at %s\n", e.Type, e.Ref, e.Subject, e.Version, e.OccurredAt.Format(time.RFC3339Nano))
			golden(t, "events/"+strings.TrimSuffix(filepath.Base(path), ".json")+"."+string(e.Type)+".json", indented(t, e.Data))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if count < 70 {
		t.Errorf("read %d samples, want all 77 or so: the folder is incomplete", count)
	}
	golden(t, "samples.txt", table.Bytes())
}

func indented(t testing.TB, data []byte) []byte {
	t.Helper()
	v := jsontext.Value(bytes.Clone(data))
	if err := v.Indent(jsontext.WithIndent("  ")); err != nil {
		t.Fatalf("the event's data is not JSON: %v\n%s", err, data)
	}
	return append(v, '\n')
}
