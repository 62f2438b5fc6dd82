package contract_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// The inputs that no good system sends: how many, from which seed, and how much
// memory the process may ever have had for them.
const (
	hostileInputs = 600
	hostileSeed   = 4
	hostileMemory = 512 << 20
)

// spoiling is one way to spoil an input.
type spoiling struct {
	name  string
	spoil func(chance *rand.Rand, good []byte) []byte
}

// spoilings are the ways, for inputs of any form.
var spoilings = []spoiling{
	{"cut off", func(c *rand.Rand, good []byte) []byte { return good[:1+c.IntN(len(good)-1)] }},
	{"bytes changed", func(c *rand.Rand, good []byte) []byte {
		out := bytes.Clone(good)
		for range 1 + c.IntN(8) {
			out[c.IntN(len(out))] = byte(c.IntN(256))
		}
		return out
	}},
	{"no text at all", func(c *rand.Rand, _ []byte) []byte {
		out := make([]byte, 1+c.IntN(5000))
		for i := range out {
			out[i] = byte(c.IntN(256))
		}
		return out
	}},
	{"doubled", func(_ *rand.Rand, good []byte) []byte { return append(bytes.Clone(good), good...) }},
	{"a tail behind it", func(_ *rand.Rand, good []byte) []byte { return append(bytes.Clone(good), "\x00 and more"...) }},
	{"oversized", func(c *rand.Rand, good []byte) []byte {
		return append(bytes.Clone(good), bytes.Repeat([]byte{' '}, 10<<20+c.IntN(1<<20))...)
	}},
}

// spoiledValues take the place of a value of a good JSON input.
var spoiledValues = []spoiling{
	{"another type", func(c *rand.Rand, _ []byte) []byte {
		return []byte([]string{"null", "true", "[]", "{}", "[[]]", `""`, "-1", `{"a":[]}`, `"word"`}[c.IntN(9)])
	}},
	{"a number that is none", func(c *rand.Rand, _ []byte) []byte {
		return []byte([]string{"1e999999999", `"1e999999999"`, `"NaN"`, `"0x10"`, `"1/3"`, `"-5"`, "00", "1.", `"` + strings.Repeat("9", 4000) + `"`}[c.IntN(9)])
	}},
	{"deeply nested", func(c *rand.Rand, _ []byte) []byte {
		n := 1000 + c.IntN(100_000)
		if c.IntN(2) == 0 {
			return []byte(strings.Repeat("[", n) + strings.Repeat("]", n))
		}
		return []byte(strings.Repeat(`{"a":`, n) + "1" + strings.Repeat("}", n))
	}},
	{"long text", func(c *rand.Rand, _ []byte) []byte {
		return []byte(`"` + strings.Repeat("x", 1000+c.IntN(2<<20)) + `"`)
	}},
	{"characters that are none", func(c *rand.Rand, _ []byte) []byte {
		return []byte([]string{`"\u0000"`, `"\ud800"`, "\"\xff\xfe\"", `"a` + "\n" + `b"`, `"../../etc"`, `"~~item~A"`}[c.IntN(6)])
	}},
	{"a long list", func(c *rand.Rand, _ []byte) []byte {
		return []byte("[" + strings.Repeat("{},", 1000+c.IntN(200_000)) + "{}]")
	}},
	{"a member twice", func(*rand.Rand, []byte) []byte { return []byte(`{"order":"A","order":"B"}`) }},
}

// fieldNamed is a reason that says where the trouble is: a member by its JSON
// pointer or its name, or the body as a whole.
var fieldNamed = regexp.MustCompile(`/\w|^body|^\w+ is missing|order`)

// door is a way into the installation.
type door struct {
	name   string
	good   []byte   // an input that is taken
	values []string // of it: what is spoiled, where it is JSON
	send   func(n int, body []byte) (code int, answer []byte)
}

// spoil makes the n-th input of a door, and names what is wrong with it.
func (d *door) spoil(chance *rand.Rand) (body []byte, how string) {
	if len(d.values) > 0 && chance.IntN(3) > 0 {
		s := spoiledValues[chance.IntN(len(spoiledValues))]
		value := d.values[chance.IntN(len(d.values))]
		return bytes.Replace(d.good, []byte(value), s.spoil(chance, nil), 1), s.name
	}
	s := spoilings[chance.IntN(len(spoilings))]
	return s.spoil(chance, d.good), s.name
}

const (
	hostileOrder = `{"order":"H-1","customer":"C1","currency":"EUR","ship_to":{"name":"Example Hardware"},"lines":[{"line":"1","sku":"A","qty":"5","uom":"EA","price":"9.90"}]}`
	hostileShop  = `{"id":1001,"name":"#1001","created_at":"2026-01-02T08:15:00Z","updated_at":"2026-01-02T08:15:00Z","currency":"EUR","customer":{"id":7001},` +
		`"shipping_address":{"name":"Example Hardware"},"total_tax":"0.00","line_items":[{"id":11,"sku":"A","quantity":2,"current_quantity":2,"fulfillable_quantity":2,"price":"5.00","requires_shipping":true}]}`
	hostileDepot = `{"event":"DISPATCHED","when":"2026-01-02T10:00:00+01:00","consignment":{"clientRef":"SO-1001","requestKey":"k1","closed":true},` +
		`"dispatch":{"number":"D-77","rev":1,"carrier":{"scac":"UPSN","product":"GROUND"},"parcels":[{"trackingNo":"1Z0001"}],"positions":[{"ref":"1","units":100,"unit":"PCE"}]}}`
	hostileDesk   = "No,Customer,Line,Item,Qty,Price\nF-1,7001,11,A,2,5.00\nF-1,7001,12,B,1,2.20\n"
	hostileSecret = "depot-secret-of-some-32-bytes..."
	shopSecret    = "storefront-secret-of-32-bytes..."
)

// hostileConfig is what the configuration has beside the reference systems.
const hostileConfig = `systems:
  shop: {role: channel, connector: shopify, order_prefix: shop~.}
  desk: {role: channel, connector: file, order_prefix: desk~., folder: desk, settings: {spec: desk.yaml}}
  depot: {role: wms, connector: rest, settings: {spec: depot.yaml}}
  bigbox: {role: channel, connector: edi, order_prefix: bigbox~., folder: bigbox, settings: {partner: bigbox.yaml}}
`

const hostileSpec = `version: 1
in:
  orders:
    every: 1s
    stable: 0s
    event: order.placed
    group: [No]
    fields: {order: {column: No}, customer: {column: Customer}, currency: {value: EUR}, ship_to.name: {value: Example Hardware}}
    lines: {line: {column: Line}, sku: {column: Item}, qty: {column: Qty, as: decimal}, uom: {value: EA}, price: {column: Price, as: decimal}}
`

// hostileWorld is an installation with every kind of door.
func hostileWorld(t *testing.T) *world {
	w := prepare(t)
	w.unquiet = true // some inputs are odd orders, and go on as such
	text, err := os.ReadFile(filepath.Join(w.dir, "waybill.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	w.writeFile("waybill.yaml", strings.Replace(string(text), "systems:\n", hostileConfig, 1))
	w.writeFile("desk.yaml", hostileSpec)
	for name, from := range map[string]string{"depot.yaml": "3pl-rest", "depot.mapping.yaml": "3pl-rest", "bigbox.yaml": "edi-partner"} {
		example, err := os.ReadFile(filepath.Join("..", "..", "examples", from, name))
		if err != nil {
			t.Fatal(err)
		}
		w.writeFile(name, strings.Replace(string(example), "stable: 2s", "stable: 0s", 1))
	}
	for _, dir := range []string{"desk/orders", "bigbox/from-partner", "bigbox/to-partner"} {
		if err := os.MkdirAll(filepath.Join(w.dir, dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.CopyFS(filepath.Join(w.dir, "examples"), os.DirFS(filepath.Join("..", "..", "examples", "3pl-rest", "examples"))); err != nil {
		t.Fatal(err)
	}
	w.writeSecrets(func(s obj) {
		s["shop"] = obj{"webhook_secret": shopSecret}
		s["depot"] = obj{"token": "depot-token", "webhook_secret": hostileSecret}
	})
	w.start()
	return w
}

// hostileDoors are the doors that answer, and the two that are folders.
func (w *world) hostileDoors() []*door {
	purchase, err := os.ReadFile(filepath.Join("..", "..", "examples", "edi-partner", "samples", "850.x12"))
	if err != nil {
		w.Fatal(err)
	}
	push := func(system string, header func(n int, body []byte) http.Header) func(int, []byte) (int, []byte) {
		return func(n int, body []byte) (int, []byte) {
			code, _, answer := w.try("POST", "/in/"+system, body, header(n, body))
			return code, answer
		}
	}
	drop := func(folder, ending string) func(int, []byte) (int, []byte) {
		return func(n int, body []byte) (int, []byte) {
			at := filepath.Join(w.dir, folder, fmt.Sprintf("h%04d%s", n, ending))
			if err := os.WriteFile(at+".tmp", body, 0o600); err != nil {
				w.Fatal(err)
			}
			if err := os.Rename(at+".tmp", at); err != nil {
				w.Fatal(err)
			}
			return 0, nil
		}
	}
	mac := func(secret, text string) []byte {
		m := hmac.New(sha256.New, []byte(secret))
		m.Write([]byte(text))
		return m.Sum(nil)
	}
	return []*door{
		{"contract", envelope("order.placed", unmarshal(w, []byte(hostileOrder)).(obj)), []string{`"H-1"`, `"C1"`, `"EUR"`, `"1"`, `"A"`, `"5"`, `"9.90"`, `"order.placed"`},
			push("channel", func(n int, body []byte) http.Header {
				return signed(hookSecret, fmt.Sprintf("h-%d", n), time.Now(), body)
			})},
		{"api", []byte(hostileOrder), []string{`"H-1"`, `"C1"`, `"EUR"`, `"1"`, `"A"`, `"5"`, `"9.90"`, `{"name":"Example Hardware"}`},
			func(n int, body []byte) (int, []byte) {
				h := w.bearer()
				h.Set("Content-Type", "application/json")
				h.Set("Idempotency-Key", fmt.Sprintf("h-%d", n))
				code, _, answer := w.try("POST", "/api/v1/orders", body, h)
				return code, answer
			}},
		{"shop", []byte(hostileShop), []string{"1001", `"2026-01-02T08:15:00Z"`, `"EUR"`, "7001", `"0.00"`, "11", `"A"`, "2,", `"5.00"`, `{"name":"Example Hardware"}`},
			push("shop", func(n int, body []byte) http.Header {
				return http.Header{"Content-Type": {"application/json"}, "X-Shopify-Topic": {"orders/create"}, "X-Shopify-Webhook-Id": {fmt.Sprintf("h-%d", n)},
					"X-Shopify-Triggered-At": {"2026-01-02T08:15:01Z"}, "X-Shopify-Hmac-Sha256": {base64.StdEncoding.EncodeToString(mac(shopSecret, string(body)))}}
			})},
		{"depot", []byte(hostileDepot), []string{`"DISPATCHED"`, `"2026-01-02T10:00:00+01:00"`, `"SO-1001"`, `"D-77"`, `{"scac":"UPSN","product":"GROUND"}`, `"1"`, "100", `"PCE"`},
			push("depot", func(n int, body []byte) http.Header {
				stamp := strconv.FormatInt(time.Now().UnixMilli(), 10)
				return http.Header{"Content-Type": {"application/json"}, "X-Depot-Delivery": {fmt.Sprintf("h-%d", n)}, "X-Depot-Event": {"DISPATCHED"},
					"X-Depot-Time": {stamp}, "X-Depot-Signature": {"sha256=" + hex.EncodeToString(mac(hostileSecret, stamp+"."+string(body)))}}
			})},
		{"desk", []byte(hostileDesk), nil, drop("desk/orders", ".csv")},
		{"bigbox", purchase, nil, drop("bigbox/from-partner", ".x12")},
	}
}

// TestHostileInputs sends what no good system sends by every door. Each input
// has one verdict, with a reason; nothing crashes, memory is bounded, and the
// order of a good customer goes through behind it all.
func TestHostileInputs(t *testing.T) {
	t.Parallel()
	w := hostileWorld(t)
	doors := w.hostileDoors()
	chance := rand.New(rand.NewPCG(hostileSeed, 2026)) //nolint:gosec // repeatable on purpose
	verdicts, kinds, sent := map[string]int{}, map[string]int{}, map[string]int{}
	for n := range hostileInputs {
		d := doors[n%len(doors)]
		body, how := d.spoil(chance)
		kinds[how]++
		sent[d.name]++
		code, answer := d.send(n, body)
		if code == 0 && d.name != "desk" && d.name != "bigbox" {
			t.Fatalf("input %d (%s, %s): no answer; the process is dead or mute", n, d.name, how)
		}
		if code != 0 {
			verdicts[d.name+" "+w.judged(d, n, how, code, answer)]++
		}
	}
	for _, folder := range []struct{ system, at string }{{"desk", "desk/orders"}, {"bigbox", "bigbox/from-partner"}} {
		taken, rejected := w.filed(folder.at, sent[folder.system])
		verdicts[folder.system+" taken"], verdicts[folder.system+" rejected"] = taken, rejected
		if rejected == 0 {
			t.Errorf("%s: no file of %d was rejected: they try too little", folder.system, sent[folder.system])
		}
	}
	for _, d := range doors[:4] {
		if bad := verdicts[d.name+" refused"] + verdicts[d.name+" quarantined"]; bad < sent[d.name]/2 {
			t.Errorf("%s: %d of %d inputs were refused or quarantined: they try too little", d.name, bad, sent[d.name])
		}
	}
	peak := w.peakMemory()
	t.Logf("%d inputs, seed %d: %v; verdicts %v; the process never had more than %d MiB", hostileInputs, hostileSeed, kinds, verdicts, peak>>20)
	if peak == 0 || peak > hostileMemory {
		t.Errorf("the process has had %d MiB, want at most %d", peak>>20, hostileMemory>>20)
	}
	good := envelope("order.placed", placed("GOOD-1", 1, "1 A 1 1.00"))
	if code, _, answer := w.try("POST", "/in/channel", good, signed(hookSecret, "good", time.Now(), good)); code != 202 {
		t.Errorf("a good order behind it: %d %s", code, answer)
	}
	w.awaitState("warehouse_order", "GOOD-1", "done")
}

// judged reads the one verdict on an input that was answered.
func (w *world) judged(d *door, n int, how string, code int, answer []byte) string {
	w.Helper()
	v, _ := unmarshal(w, answer).(obj)
	text := func(name string) string { s, _ := v[name].(string); return s }
	switch {
	case code == 202 && v["status"] == "accepted":
		return "accepted"
	case code == 202 && v["status"] == "quarantined":
		source := d.name
		if source == "contract" {
			source = "channel"
		}
		rows := w.list(fmt.Sprintf("/api/v1/events?source=%s&id=h-%d", source, n))
		if len(rows) != 1 || rows[0]["state"] != "quarantined" || rows[0]["reason"] == "" {
			w.Errorf("input %d (%s, %s): quarantined, and C4 has %s", n, d.name, how, marshal(rows))
		} else if reason := rows[0]["reason"].(string); len(reason) > 2000 || !fieldNamed.MatchString(reason) {
			w.Errorf("input %d (%s, %s): the reason names no field: %.500s", n, d.name, how, reason)
		}
		return "quarantined"
	case code == 400 || code == 413 || code == 422:
		if text("code") == "" || text("detail") == "" || len(answer) > 4000 {
			w.Errorf("input %d (%s, %s): %d without code and reason, or with too many words: %.500s", n, d.name, how, code, answer)
		}
		if code == 422 && text("field") == "" {
			w.Errorf("input %d (%s, %s): 422 names no field: %.500s", n, d.name, how, answer)
		}
		return "refused"
	}
	w.Errorf("input %d (%s, %s): answer %d %.500s is no verdict on a bad input", n, d.name, how, code, answer)
	return "odd"
}

// filed waits until every file of a folder is taken or rejected, with a reason
// beside it, and counts both.
func (w *world) filed(folder string, sent int) (taken, rejected int) {
	w.Helper()
	at := filepath.Join(w.dir, folder)
	w.awaitFor(90*time.Second, "all files of "+folder+" have their verdict", func() bool {
		rejected = 0
		taken = len(w.under(at, "done"))
		for _, name := range w.under(at, "rejected") {
			if !strings.HasSuffix(name, ".reason") {
				rejected++
			}
		}
		return taken+rejected == sent
	})
	for _, name := range w.under(at, "rejected") {
		if strings.HasSuffix(name, ".reason") {
			continue
		}
		if reason, err := os.ReadFile(filepath.Join(at, "rejected", name+".reason")); err != nil || len(bytes.TrimSpace(reason)) == 0 {
			w.Errorf("%s was rejected without a reason beside it: %v", name, err)
		}
	}
	return taken, rejected
}

// under lists a folder's files; none where it is not there yet.
func (w *world) under(folder, sub string) (names []string) {
	entries, err := os.ReadDir(filepath.Join(folder, sub))
	if err != nil {
		return nil
	}
	for _, e := range entries {
		if !e.IsDir() {
			names = append(names, e.Name())
		}
	}
	return names
}

// peakMemory is the most that the process has had, by the kernel's count; 0
// where it does not count.
func (w *world) peakMemory() int64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", w.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			if err != nil {
				w.Fatal(err)
			}
			return kib << 10
		}
	}
	return 0
}
