package main

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience is how long a test waits for what must come.
const patience = 30 * time.Second

// partner is an ERP, a warehouse or a channel that speaks the system contract:
// it takes every document and remembers it.
type partner struct {
	*httptest.Server
	name string

	mu      sync.Mutex
	keys    map[string]int
	entries []document
}

type document struct {
	Kind  string           `json:"kind"`
	Order string           `json:"order"`
	Key   string           `json:"key"`
	Lines []map[string]any `json:"lines"`
	Data  map[string]any   `json:"data"`
}

func newPartner(t *testing.T, name string) *partner {
	p := &partner{name: name, keys: map[string]int{}}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/documents", p.take)
	mux.HandleFunc("GET /v1/documents/by-key/{key}", p.lookUp)
	mux.HandleFunc("GET /v1/info", func(w http.ResponseWriter, _ *http.Request) {
		p.mu.Lock()
		defer p.mu.Unlock()
		fmt.Fprintf(w, `{"system":%q,"generation":"g1","head":%d,"now":%q,"idempotency":"key"}`, name, len(p.entries), time.Now().UTC().Format(time.RFC3339Nano))
	})
	p.Server = httptest.NewServer(mux)
	t.Cleanup(p.Close)
	return p
}

func (p *partner) take(w http.ResponseWriter, r *http.Request) {
	var d document
	if err := json.NewDecoder(r.Body).Decode(&d); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	n, known := p.keys[d.Key]
	if !known {
		p.entries = append(p.entries, d)
		n = len(p.entries)
		p.keys[d.Key] = n
	}
	result := `{}`
	if d.Kind == "order_check" {
		result = `{"approved":true}`
	}
	w.WriteHeader(http.StatusCreated)
	fmt.Fprintf(w, `{"ref":"%s-%d","n":%d,"generation":"g1","result":%s}`, p.name, n, n, result)
}

func (p *partner) lookUp(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n, known := p.keys[r.PathValue("key")]
	if !known {
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprintf(w, `{"found":false,"as_of":%q,"generation":"g1"}`, time.Now().UTC().Format(time.RFC3339Nano))
		return
	}
	fmt.Fprintf(w, `{"found":true,"state":"applied","ref":"%s-%d","n":%d,"generation":"g1"}`, p.name, n, n)
}

// count is how many documents of a kind it holds of an order.
func (p *partner) count(kind, order string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for _, d := range p.entries {
		if d.Kind == kind && d.Order == order {
			n++
		}
	}
	return n
}

// shape is what it got of an order, without what differs from order to order:
// kinds in their sequence, members of data, and the lines.
func (p *partner) shape(order string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var b strings.Builder
	for _, d := range p.entries {
		if d.Order != order {
			continue
		}
		var members []string
		for name := range d.Data {
			members = append(members, name)
		}
		sort.Strings(members)
		fmt.Fprintf(&b, "%s %v", d.Kind, members)
		for _, l := range d.Lines {
			fmt.Fprintf(&b, " [%v %v %v %v]", l["line"], l["sku"], l["qty"], l["uom"])
		}
		b.WriteString("\n")
	}
	return b.String()
}

// installation is a Waybill with its partners, started as its users do.
type installation struct {
	*testing.T
	dir, address      string
	erp, wms, channel *partner
	depot             *depot
	depotURL          string
}

const hookSecret = "whsec_d2F5YmlsbC1jb250cmFjdC10ZXN0LXNlY3JldC0zMmI="

// binary is what every test runs, built once.
var binary string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "waybill-depot")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	binary = filepath.Join(dir, "waybill")
	cmd := exec.Command("go", "build", "-o", binary, "./cmd/waybill")
	cmd.Dir, cmd.Env = filepath.Join("..", ".."), append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build the binary: %v\n%s", err, out)
		os.Exit(1)
	}
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

func (in *installation) write(name, text string) {
	in.Helper()
	if err := os.WriteFile(filepath.Join(in.dir, name), []byte(text), 0o600); err != nil {
		in.Fatal(err)
	}
}

// install writes the configuration of an ERP, a warehouse and a channel, as
// "waybill init" does.
func install(t *testing.T) *installation {
	in := &installation{T: t, dir: t.TempDir(), erp: newPartner(t, "erp"), wms: newPartner(t, "wms"), channel: newPartner(t, "channel")}
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	in.address = listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	in.depot = newDepot("depot-key", "depot-secret", "http://"+in.address+"/in/depot")
	server := httptest.NewServer(in.depot.handler())
	t.Cleanup(server.Close)
	in.depotURL = server.URL
	secrets := map[string]any{"api_key": "key-of-the-example-0123456789"}
	args := []string{"init", "--pack", "o2c", "--secrets", "secrets.json", "--timing", "fast", "--egress-allow", "127.0.0.0/8"}
	for _, p := range []*partner{in.erp, in.wms, in.channel} {
		secrets[p.name] = map[string]string{"token": "token", "webhook_secret": hookSecret}
		args = append(args, "--target", p.name+"="+p.URL)
	}
	text, err := json.Marshal(secrets)
	if err != nil {
		t.Fatal(err)
	}
	in.write("secrets.json", string(text))
	in.write("waybill.yaml", in.run(args...))
	return in
}

func (in *installation) run(args ...string) string {
	in.Helper()
	var out, errs bytes.Buffer
	cmd := exec.Command(binary, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = in.dir, &out, &errs
	if err := cmd.Run(); err != nil {
		in.Fatalf("waybill %v: %v\n%s%s", args, err, out.String(), errs.String())
	}
	return out.String()
}

// serve starts it; the end of the test stops it and verifies its books.
func (in *installation) serve() {
	in.Helper()
	log := &bytes.Buffer{}
	cmd := exec.Command(binary, "serve", "--config", "waybill.yaml", "--data", "data", "--listen", in.address)
	cmd.Dir, cmd.Stdout, cmd.Stderr = in.dir, log, log
	if err := cmd.Start(); err != nil {
		in.Fatal(err)
	}
	in.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			in.Errorf("serve ended with %v", err)
		}
		if in.Failed() {
			in.Logf("serve said:\n%s", log)
			return
		}
		in.run("verify", "--config", "waybill.yaml", "--data", "data")
	})
	in.await("it is ready", func() bool {
		resp, err := http.Get("http://" + in.address + "/readyz")
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
}

func (in *installation) await(what string, done func() bool) {
	in.Helper()
	tick := time.NewTicker(25 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); !done(); <-tick.C {
		if time.Now().After(deadline) {
			in.Fatalf("waited in vain: %s", what)
		}
	}
}

// push sends an event of a partner, signed by the system contract.
func (in *installation) push(system, id, body string) {
	in.Helper()
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(hookSecret, "whsec_"))
	if err != nil {
		in.Fatal(err)
	}
	stamp := strconv.FormatInt(time.Now().Unix(), 10)
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%s.%s", id, stamp, body)
	req, err := http.NewRequest(http.MethodPost, "http://"+in.address+"/in/"+system, strings.NewReader(body))
	if err != nil {
		in.Fatal(err)
	}
	req.Header = http.Header{"Content-Type": {"application/json"}, "Webhook-Id": {id}, "Webhook-Timestamp": {stamp},
		"Webhook-Signature": {"v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))}}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		in.Fatal(err)
	}
	defer resp.Body.Close()
	if text, _ := io.ReadAll(resp.Body); resp.StatusCode != http.StatusAccepted {
		in.Fatalf("push %s: %s %s", id, resp.Status, text)
	}
}

// place places an order of two lines, one of them for a fraction of a unit.
func (in *installation) place(order, sku string) {
	in.Helper()
	in.push("channel", "placed-"+order, fmt.Sprintf(`{"type":"order.placed","timestamp":"2026-01-02T03:04:05Z","data":{"order":%q,"customer":"C-1","currency":"EUR",`+
		`"ship_to":{"name":"Example Hardware","address":["Main Street 1"],"city":"Springfield","country":"US"},`+
		`"lines":[{"line":"1","sku":%q,"qty":"5","uom":"EA","price":"9.90"},{"line":"2","sku":%q,"qty":"0.1","uom":"M","price":"10.00"}]}}`, order, sku+"-1", sku+"-2"))
}

// ship lets the warehouse that speaks the contract ship an order.
func (in *installation) ship(order string) {
	in.Helper()
	in.push("wms", "shipped-"+order, fmt.Sprintf(`{"type":"shipment.confirmed","timestamp":"2026-01-02T10:00:00Z","data":{"order":%q,"shipment":"S-%s","version":1,"shipped_at":"2026-01-02T10:00:00Z",`+
		`"carrier":"UPSN","service":"GROUND","packages":[{"tracking":"1Z1"}],"final":true,"lines":[{"line":"1","qty":"5","uom":"EA"},{"line":"2","qty":"0.1","uom":"M"}]}}`, order, order))
}

// dispatch lets the depot ship an order, once it was asked to.
func (in *installation) dispatch(order string) {
	in.Helper()
	in.await("the depot is asked for "+order, func() bool { return in.depot.dispatch(order) == nil })
}

// files hashes every file of the installation beside its data.
func (in *installation) files() map[string][32]byte {
	in.Helper()
	out := map[string][32]byte{}
	paths, err := filepath.Glob(filepath.Join(in.dir, "*.*"))
	if err != nil {
		in.Fatal(err)
	}
	for _, path := range paths {
		b, err := os.ReadFile(path)
		if err != nil {
			in.Fatal(err)
		}
		out[filepath.Base(path)] = sha256.Sum256(b)
	}
	return out
}

// connect adds the depot's files and its section of the configuration, and
// routes what is called D-… to it.
func (in *installation) connect() {
	in.Helper()
	for _, name := range []string{"depot.yaml", "depot.mapping.yaml", "examples"} {
		source, err := filepath.Abs(name)
		if err != nil {
			in.Fatal(err)
		}
		if err := os.Symlink(source, filepath.Join(in.dir, name)); err != nil {
			in.Fatal(err)
		}
	}
	in.write("depot-key", "depot-key\n")
	in.write("depot-webhook-secret", "depot-secret\n")
	text, err := os.ReadFile(filepath.Join(in.dir, "waybill.yaml"))
	if err != nil {
		in.Fatal(err)
	}
	section := fmt.Sprintf("  depot:\n    role: wms\n    connector: rest\n    base_url: %s\n    token: ${file:depot-key}\n    webhook_secret: ${file:depot-webhook-secret}\n    settings: {spec: depot.yaml}\n", in.depotURL)
	config := strings.Replace(string(text), "  channel:\n", section+"  channel:\n", 1)
	config = strings.Replace(config, "\npolicy:\n", "\npolicy:\n"+
		"  routes:\n    - {system: depot, when: 'line.sku startsWith \"D-\"'}\n    - {system: wms}\n", 1)
	in.write("waybill.yaml", config)
	in.run("config", "check", "--config", "waybill.yaml")
}

// A second warehouse with another payload format is two files and a section of
// the configuration. Half of the orders go to it; what the ERP and the channel
// get of them has the shape of the others', and no other file changed.
func TestDepot_IsAddedByItsFilesAlone(t *testing.T) {
	in := install(t)
	before := in.files()
	in.connect()
	after := in.files()
	for name, sum := range before {
		if name != "waybill.yaml" && after[name] != sum {
			t.Errorf("%s was changed", name)
		}
	}
	in.serve()
	shapes := map[string][]string{}
	for i := range 8 {
		order, sku := fmt.Sprintf("SO-%d", i), "W"
		if i%2 == 1 {
			sku = "D"
		}
		in.place(order, sku)
		if sku == "D" {
			in.dispatch(order)
		} else {
			in.await("the warehouse is asked for "+order, func() bool { return in.wms.count("warehouse_order", order) == 1 })
			in.ship(order)
		}
		in.await("the channel is told of "+order, func() bool { return in.erp.count("invoice", order) == 1 && in.channel.count("fulfilment", order) == 1 })
		shape := in.erp.shape(order) + in.channel.shape(order)
		shapes[sku] = append(shapes[sku], strings.ReplaceAll(shape, " "+sku+"-", " SKU-"))
	}
	for i, shape := range slices.Concat(shapes["W"], shapes["D"]) {
		if want := shapes["W"][0]; shape != want || strings.Count(shape, "\n") != 6 {
			t.Errorf("order %d:\n%s\nthe first of the other warehouse:\n%s", i, shape, want)
		}
	}
	if len(in.wms.entries) != 4 || len(in.depot.consignments) != 4 {
		t.Errorf("%d orders went to the warehouse and %d to the depot", len(in.wms.entries), len(in.depot.consignments))
	}
}

// What the depot refuses inside a 200 is refused: an exception, and no shipment.
func TestDepot_ARefusalInsideAnAnswerIsSeen(t *testing.T) {
	in := install(t)
	in.connect()
	in.serve()
	in.place("SO-9", "D-GONE")
	in.await("the exception is there", func() bool {
		req, err := http.NewRequest(http.MethodGet, "http://"+in.address+"/api/v1/exceptions?order=SO-9", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer key-of-the-example-0123456789")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		text, _ := io.ReadAll(resp.Body)
		return strings.Contains(string(text), "article_unknown")
	})
}
