package rest_test

import (
	"errors"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/connector"
	"github.com/waybillhq/waybill/connector/connectortest"
	"github.com/waybillhq/waybill/connector/rest"
)

// deep is nested deeper than a mapping reads.
var deep = strings.Repeat(`{"ok":`, 5000) + "true" + strings.Repeat("}", 5000)

// badInputs is how many inputs are made, badMemory how much memory may be in
// use after each part of them, in bytes.
const (
	badInputs = 500
	badMemory = 200 << 20
)

// hostile are values that take the place of those of a good message.
func hostile(chance *rand.Rand) string {
	list := []func() string{
		func() string { return "null" }, func() string { return "true" }, func() string { return "[]" }, func() string { return "{}" },
		func() string { return "-1" }, func() string { return "1e999999999" }, func() string { return "1e400" }, func() string { return "-0" },
		func() string { return strings.Repeat("9", 1+chance.IntN(2000)) }, func() string { return "0." + strings.Repeat("3", 1+chance.IntN(1000)) },
		func() string { return `""` }, func() string { return `"\u0000"` }, func() string { return `"\ud800"` }, func() string { return "\"\xff\"" },
		func() string { return `"` + strings.Repeat("a", chance.IntN(3<<20)) + `"` },
		func() string { return strings.Repeat("[", 1+chance.IntN(20_000)) },
		func() string { n := 1 + chance.IntN(9000); return strings.Repeat("[", n) + strings.Repeat("]", n) },
		func() string {
			n := 1 + chance.IntN(9000)
			return strings.Repeat(`{"a":`, n) + "1" + strings.Repeat("}", n)
		},
		func() string { return "[" + strings.Repeat("{},", chance.IntN(1_000_000)) + "{}]" },
		func() string { return `{"a":1,"a":2}` }, func() string { return "nope" }, func() string { return `"~~item~X"` },
		func() string { return "[[[]]]" }, func() string { return `{"ref":{"ref":[]}}` }, func() string { return "0x1" }, func() string { return "1/3" },
	}
	return list[chance.IntN(len(list))]()
}

// badBody is a good push with one or two of its values spoilt.
func badBody(chance *rand.Rand) string {
	const good = `{"event":"DISPATCHED","when":"2026-01-02T10:00:00+01:00","consignment":{"clientRef":"SO-1001","requestKey":"k1","closed":true},` +
		`"dispatch":{"number":"D-77","rev":1,"carrier":{"scac":"UPSN","product":"GROUND"},"parcels":[{"trackingNo":"1Z0001"}],"positions":[{"ref":"1","units":100,"unit":"PCE"}]}}`
	values := []string{`"DISPATCHED"`, `"2026-01-02T10:00:00+01:00"`, `"SO-1001"`, `"D-77"`, `1,"carrier"`, `{"scac":"UPSN","product":"GROUND"}`,
		`[{"trackingNo":"1Z0001"}]`, `[{"ref":"1","units":100,"unit":"PCE"}]`, `"ref":"1"`, `100`, `"PCE"`, `{"clientRef":"SO-1001","requestKey":"k1","closed":true}`}
	body := good
	for range 1 + chance.IntN(2) {
		v := values[chance.IntN(len(values))]
		with := hostile(chance)
		switch v {
		case `1,"carrier"`:
			with += `,"carrier"`
		case `"ref":"1"`:
			with = `"ref":` + with
		}
		body = strings.Replace(body, v, with, 1)
	}
	return body
}

// inUse is the memory that is held, after what is not was given back.
func inUse() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// Whatever a system pushes, it becomes events or one verdict with field and
// reason: no crash, and no memory kept.
func TestTranslate_MalformedInputs(t *testing.T) {
	c, err := rest.Manifest().Open(connector.Env{System: "depot", Role: waybill.RoleWMS, Settings: map[string]string{"spec": depot}, Observe: true})
	if err != nil {
		t.Fatal(err)
	}
	chance := rand.New(rand.NewPCG(4, 2026)) //nolint:gosec // repeatable on purpose
	verdicts := map[bool]int{}
	for i := range badInputs {
		body := badBody(chance)
		events, err := c.Translator.Translate(connector.Message{System: "depot", Body: []byte(body), Header: http.Header{}, ReceivedAt: connectortest.Now})
		var u *connector.Untranslatable
		switch {
		case err == nil:
		case !errors.As(err, &u):
			t.Fatalf("input %d: error of type %T", i, err)
		case u.Field == "" || u.Reason == "" || len(err.Error()) > 1000 || len(events) > 0:
			t.Errorf("input %d: %d events and the verdict %.300q for\n%.300q", i, len(events), err, body)
		}
		verdicts[err == nil]++
	}
	if verdicts[false] < badInputs/2 || verdicts[true] == 0 {
		t.Errorf("%d inputs are refused and %d are taken: they try too little", verdicts[false], verdicts[true])
	}
	if held := inUse(); held > badMemory {
		t.Errorf("%d MiB are held", held>>20)
	}
}

// Whatever a system answers, it is one verdict; none that only a clear answer
// gives.
func TestDeliver_MalformedAnswers(t *testing.T) {
	chance := rand.New(rand.NewPCG(4, 2027)) //nolint:gosec // repeatable on purpose
	body := ""
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { answer(200, body)(w, r) }))
	t.Cleanup(server.Close)
	c, err := rest.Manifest().Open(connector.Env{System: "depot", Role: waybill.RoleWMS, BaseURL: server.URL, Token: "t", Client: server.Client(),
		Now: func() time.Time { return connectortest.Now }, Settings: map[string]string{"spec": depot}})
	if err != nil {
		t.Fatal(err)
	}
	for i := range badInputs {
		value := hostile(chance)
		if len(value) > 1<<20 && i%50 != 0 {
			value = value[:1<<10] // large ones are a few: each crosses a socket
		}
		body = strings.Replace(`{"ok":true,"document":{"id":"C-1"},"taken":false,"errors":[]}`,
			[]string{"true", `{"id":"C-1"}`, `"C-1"`, "false", "[]"}[chance.IntN(5)], value, 1)
		o, err := c.Deliverer.Deliver(t.Context(), connector.Attempt{Kind: waybill.WarehouseOrder, Order: "SO-1", Key: "k", Body: []byte(rendered)})
		if err != nil || o.Verdict == "" {
			t.Fatalf("answer %d: %+v, error %v", i, o, err)
		}
		if o.Verdict == waybill.Done && o.Receipt.Ref == "" {
			t.Errorf("answer %d is taken for a receipt: %.300q", i, body)
		}
		if o.Verdict != waybill.Done && o.Note == "" {
			t.Errorf("answer %d: verdict %s without a word", i, o.Verdict)
		}
	}
}

// Whatever a spec says, opening it gives a connector or says what is wrong.
func TestSpec_MalformedFiles(t *testing.T) {
	good, err := os.ReadFile(depot)
	if err != nil {
		t.Fatal(err)
	}
	words := strings.Fields(string(good))
	chance := rand.New(rand.NewPCG(4, 2028)) //nolint:gosec // repeatable on purpose
	spoil := []string{"", "[", "{", "'", "- - -", "&a", "*a", "null", "-1", "{a: b}", "[1, 2]", "99999999999999999999", "!!binary x", "\t", ": :", "|", "${env:X}", "\x00"}
	path := specFile(t, string(good))
	for i := range badInputs {
		text := strings.Replace(string(good), words[chance.IntN(len(words))], spoil[chance.IntN(len(spoil))], 1)
		if i%7 == 0 {
			text = text[:chance.IntN(len(text))]
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := openFile(path); err != nil && !strings.Contains(err.Error(), path) && !strings.Contains(err.Error(), "mapping") {
			t.Errorf("spec %d: the error names no file: %v", i, err)
		}
	}
}
