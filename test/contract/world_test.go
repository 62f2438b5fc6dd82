// Package contract_test is an outside program: it starts the binary as its
// users do, stands around it as ERP, WMS and channel with books of its own, and
// holds it to the system contract row by row. It knows that text alone and
// imports nothing of the module.
package contract_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// binary is what every test runs, built once.
var binary string

func TestMain(m *testing.M) {
	flag.Parse()
	if f := flag.Lookup("test.parallel"); f.Value.String() == f.DefValue {
		_ = flag.Set("test.parallel", "10") // the tests wait for timers far more than they compute
	}
	dir, err := os.MkdirTemp("", "waybill-contract")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	binary = filepath.Join(dir, "waybill")
	build := exec.Command("go", "build", "-o", binary, "./cmd/waybill")
	build.Dir = filepath.Join("..", "..")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build the binary: %v\n%s", err, out)
		os.Exit(1)
	}
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

const (
	apiKey     = "key-of-the-contract-test-0123456789abcdef"
	hookSecret = "whsec_d2F5YmlsbC1jb250cmFjdC10ZXN0LXNlY3JldC0zMmI="
)

// obj is a JSON object.
type obj = map[string]any

// world is one installation: the process, its configuration and the systems
// around it.
type world struct {
	*testing.T
	dir, base         string
	erp, wms, channel *target
	all               []*target
	databases         map[string]string // on the server, by data directory
	cmd               *exec.Cmd
	exited            chan error
	log               *bytes.Buffer
	tick              int  // of the clock that positions speak of
	unquiet           bool // the test ends with work left; the end says nothing about it
}

// option changes a world before its process starts.
type option func(*world)

// class lets a target offer another way of finding out about a key.
func class(name, idempotency string) option {
	return func(w *world) { w.target(name).class = idempotency }
}

// further adds a target, NAME or NAME:ROLE; without a role the name is one.
func further(spec string) option {
	return func(w *world) {
		name, role, _ := strings.Cut(spec, ":")
		f := newTarget(w.T, name)
		f.role = role
		w.all = append(w.all, f)
	}
}

func (w *world) target(name string) *target {
	for _, f := range w.all {
		if f.name == name {
			return f
		}
	}
	w.Fatalf("the world has no target %s", name)
	return nil
}

// newWorld writes the configuration with "waybill init" and starts the process
// in an empty directory. When the test ends it is drained and verified.
func newWorld(t *testing.T, options ...option) *world {
	t.Helper()
	w := prepare(t, options...)
	w.start()
	return w
}

// prepare is newWorld without the start.
func prepare(t *testing.T, options ...option) *world {
	t.Helper()
	w := &world{T: t, dir: t.TempDir(), databases: map[string]string{}}
	t.Cleanup(func() { // after the last process has gone
		for _, at := range w.databases {
			name := at[strings.LastIndex(at, "/contract_")+1:]
			name, _, _ = strings.Cut(name, "?")
			psql(t, "DROP DATABASE "+name+" WITH (FORCE)")
		}
	})
	w.erp, w.wms, w.channel = newTarget(t, "erp"), newTarget(t, "wms"), newTarget(t, "channel")
	w.all = []*target{w.erp, w.wms, w.channel}
	for _, o := range options {
		o(w)
	}
	w.writeSecrets(nil)
	args := []string{"init", "--pack", "o2c"}
	for _, f := range w.all {
		args = append(args, "--target", strings.TrimSuffix(f.name+":"+f.role, ":")+"="+f.url)
	}
	args = append(args, "--secrets", filepath.Join(w.dir, "secrets.json"), "--timing", "fast", "--egress-allow", "127.0.0.0/8")
	out, errs, code := w.run(args...)
	if code != 0 {
		t.Fatalf("waybill init: exit %d: %s", code, errs)
	}
	w.writeFile("waybill.yaml", out)
	w.base = "http://" + freeAddress(t)
	return w
}

func (w *world) writeSecrets(change func(obj)) {
	secrets := obj{"api_key": apiKey}
	for _, f := range w.all {
		secrets[f.name] = obj{"token": f.token, "webhook_secret": hookSecret}
	}
	if change != nil {
		change(secrets)
	}
	w.writeFile("secrets.json", string(marshal(secrets)))
}

func (w *world) writeFile(name, text string) {
	w.Helper()
	if err := os.WriteFile(filepath.Join(w.dir, name), []byte(text), 0o600); err != nil {
		w.Fatal(err)
	}
}

var port atomic.Int64

// freeAddress gives an address below the ephemeral ports, so that no outgoing
// connection takes it while the process is down.
func freeAddress(t *testing.T) string {
	port.CompareAndSwap(0, 15000+rand.Int64N(12000))
	for range 500 {
		address := fmt.Sprintf("127.0.0.1:%d", port.Add(1))
		if l, err := net.Listen("tcp", address); err == nil {
			_ = l.Close()
			return address
		}
	}
	t.Fatal("no free port")
	return ""
}

// run runs one command of the binary to its end.
func (w *world) run(args ...string) (stdout, stderr string, code int) {
	w.Helper()
	if i := slices.Index(args, "--data"); i >= 0 && i+1 < len(args) {
		w.keepOn(args[i+1])
	}
	var out, errs bytes.Buffer
	cmd := exec.Command(binary, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = w.dir, &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		w.Fatalf("run %v: %v", args, err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// server is a PostgreSQL server to run the tests on, as postgres://…; without it
// they run on the embedded database. Each data directory has a database of its
// own there.
var server = os.Getenv("WAYBILL_TEST_DATABASE")

// databaseMark begins what keepOn writes at the end of the configuration.
const databaseMark = "\n# Where the tests keep it.\ndatabase:\n"

// keepOn makes the configuration name the database of a data directory.
func (w *world) keepOn(data string) {
	w.Helper()
	path := filepath.Join(w.dir, "waybill.yaml")
	text, err := os.ReadFile(path)
	if server == "" || err != nil {
		return
	}
	if w.databases[data] == "" {
		w.databases[data] = newDatabase(w.T)
	}
	rest, _, _ := strings.Cut(string(text), databaseMark)
	w.writeFile("waybill.yaml", fmt.Sprintf("%s%s  url: %q\n", rest, databaseMark, w.databases[data]))
}

var databases atomic.Int64

// psql runs a statement on the server.
func psql(t *testing.T, statement string) {
	t.Helper()
	if out, err := exec.Command("psql", "--no-psqlrc", "--quiet", "--dbname", server, "--command", statement).CombinedOutput(); err != nil {
		t.Errorf("%s: %v\n%s", statement, err, out)
	}
}

// newDatabase makes an empty database on the server.
func newDatabase(t *testing.T) string {
	t.Helper()
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	name := fmt.Sprintf("contract_%d_%d", os.Getpid(), databases.Add(1))
	psql(t, "CREATE DATABASE "+name)
	u.Path = "/" + name
	return u.String()
}

func (w *world) start() { w.Helper(); w.startOn("data") }

// startOn serves the data directory of that name and waits until it is ready.
func (w *world) startOn(data string) {
	w.Helper()
	w.keepOn(data)
	if w.cmd == nil {
		w.Cleanup(func() { w.finish(data) })
	}
	w.log = &bytes.Buffer{}
	w.cmd = exec.Command(binary, "serve", "--config", "waybill.yaml", "--data", data, "--listen", strings.TrimPrefix(w.base, "http://"))
	w.cmd.Dir, w.cmd.Stdout, w.cmd.Stderr = w.dir, w.log, w.log
	if err := w.cmd.Start(); err != nil {
		w.Fatal(err)
	}
	w.exited = make(chan error, 1)
	go func(cmd *exec.Cmd, exited chan error) { exited <- cmd.Wait() }(w.cmd, w.exited)
	w.await("the process is ready", func() bool {
		select {
		case err := <-w.exited:
			w.Fatalf("serve ended: %v\n%s", err, w.log)
		default:
		}
		code, _, _ := w.try("GET", "/readyz", nil, nil)
		return code == 200
	})
}

// stop sends SIGTERM and wants exit 0.
func (w *world) stop() {
	w.Helper()
	if w.exited == nil {
		return
	}
	_ = w.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case err := <-w.exited:
		if err != nil {
			w.Errorf("SIGTERM: serve ended with %v, want exit 0\n%s", err, w.log)
		}
	case <-time.After(20 * time.Second):
		_ = w.cmd.Process.Kill()
		<-w.exited
		w.Errorf("SIGTERM: serve did not drain in 20 s")
	}
	w.exited = nil
}

// kill is kill -9.
func (w *world) kill() {
	_ = w.cmd.Process.Kill()
	<-w.exited
	w.exited = nil
}

// finish ends the process, verifies the database and the targets' own findings.
func (w *world) finish(data string) {
	if w.exited != nil && !w.unquiet && !w.Failed() {
		w.quiet() // a probe or a page of master data on its way in counts for a moment
	}
	log := w.log
	w.stop()
	for _, f := range w.all {
		for _, fault := range f.found() {
			w.Errorf("%s saw: %s", f.name, fault)
		}
	}
	for _, verb := range [][]string{{"verify"}, {"audit", "verify"}} {
		out, errs, code := w.run(append(verb, "--config", "waybill.yaml", "--data", data)...)
		if code != 0 {
			w.Errorf("waybill %s: exit %d\n%s%s", strings.Join(verb, " "), code, out, errs)
		}
	}
	if text := strings.ReplaceAll(log.String(), "\n", "\n\t"); w.Failed() && strings.Count(text, "\n") > 3 {
		w.Logf("serve said (end):\n%s", text[max(0, len(text)-3000):])
	}
}

// await polls until done, or fails the test after 30 s.
func (w *world) await(what string, done func() bool) {
	w.Helper()
	w.awaitFor(30*time.Second, what, done)
}

func (w *world) awaitFor(limit time.Duration, what string, done func() bool) {
	w.Helper()
	tick := time.NewTicker(25 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(limit); !done(); <-tick.C {
		if time.Now().After(deadline) {
			state := "(not running)"
			if code, _, body := w.try("GET", "/api/v1/status", nil, w.bearer()); code != 0 {
				state = string(body)
			}
			w.Fatalf("waited %v in vain: %s\nstatus %s", limit, what, state)
		}
	}
}

// watch holds that a condition stays true for a while.
func (w *world) watch(d time.Duration, what string, holds func() bool) {
	w.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(d); time.Now().Before(end); <-tick.C {
		if !holds() {
			w.Fatalf("did not hold for %v: %s", d, what)
		}
	}
}

func (w *world) bearer() http.Header {
	return http.Header{"Authorization": {"Bearer " + apiKey}}
}

// try makes one request; code 0 when there is no answer.
func (w *world) try(method, path string, body []byte, header http.Header) (int, http.Header, []byte) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, w.base+path, bytes.NewReader(body))
	if err != nil {
		w.Fatal(err)
	}
	if header != nil {
		req.Header = header.Clone()
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil, nil
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, resp.Header, text
}

// get is a GET of the control API that must be answered 200.
func (w *world) get(path string) any {
	w.Helper()
	code, _, body := w.try("GET", path, nil, w.bearer())
	if code != 200 {
		w.Fatalf("GET %s: %d %s", path, code, body)
	}
	return unmarshal(w, body)
}

// list is get of a list.
func (w *world) list(path string) []obj {
	w.Helper()
	rows, ok := w.get(path).([]any)
	if !ok {
		w.Fatalf("GET %s: not a JSON list: %s", path, marshal(w.get(path)))
	}
	var out []obj
	for _, r := range rows {
		out = append(out, r.(obj))
	}
	return out
}

// post is a POST of the control API; it gives code and body.
func (w *world) post(path string, body any) (int, obj) {
	w.Helper()
	h := w.bearer()
	h.Set("Content-Type", "application/json")
	code, _, text := w.try("POST", path, marshal(body), h)
	v, _ := unmarshal(w, text).(obj)
	return code, v
}

// act is a POST with a reason that must be answered 2xx.
func (w *world) act(path string, more ...obj) obj {
	w.Helper()
	body := obj{"reason": "the contract test wants it"}
	for _, m := range more {
		for k, v := range m {
			body[k] = v
		}
	}
	code, v := w.post(path, body)
	if code/100 != 2 {
		w.Fatalf("POST %s: %d %s", path, code, marshal(v))
	}
	return v
}

func (w *world) status() obj { w.Helper(); return w.get("/api/v1/status").(obj) }

// quiet waits until nothing is left to do.
func (w *world) quiet() {
	w.Helper()
	w.await("quiescent", func() bool { return w.status()["quiescent"] == true })
}

func (w *world) order(ref string) obj { w.Helper(); return w.get("/api/v1/orders/" + ref).(obj) }

// line gives one line's quantities of an order as C6 shows them.
func (w *world) line(order, line string) obj {
	w.Helper()
	for _, l := range w.order(order)["lines"].([]any) {
		if l.(obj)["line"] == line {
			return l.(obj)
		}
	}
	w.Fatalf("order %s shows no line %s", order, line)
	return nil
}

// stages holds a line to quantities, written "ordered 5 shipped 3".
func (w *world) stages(order, line, want string) {
	w.Helper()
	have := w.line(order, line)
	words := strings.Fields(want)
	for i := 0; i+1 < len(words); i += 2 {
		if have[words[i]] != words[i+1] {
			w.Errorf("order %s line %s: %s is %v, want %s (%s)", order, line, words[i], have[words[i]], words[i+1], marshal(have))
		}
	}
}

// delivery gives the one delivery of a kind for an order as C3 shows it, nil
// when there is none; with several the latest revision.
func (w *world) delivery(kind, order string) obj {
	w.Helper()
	var found obj
	for _, d := range w.list("/api/v1/deliveries?limit=1000&order=" + order) {
		if d["kind"] == kind {
			found = d
		}
	}
	return found
}

// awaitState waits until the delivery of a kind has a state.
func (w *world) awaitState(kind, order, state string) obj {
	w.Helper()
	var d obj
	w.await(fmt.Sprintf("%s of %s is %s", kind, order, state), func() bool {
		d = w.delivery(kind, order)
		return d != nil && d["state"] == state
	})
	return d
}

func (w *world) exceptions(query string) []obj {
	w.Helper()
	return w.list("/api/v1/exceptions?" + query)
}

func marshal(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}

func unmarshal(w *world, b []byte) any {
	w.Helper()
	if len(bytes.TrimSpace(b)) == 0 {
		return nil
	}
	var v any
	if err := json.Unmarshal(b, &v); err != nil {
		w.Fatalf("not JSON: %v: %s", err, b)
	}
	return v
}

// rewrite replaces text in a file of the world.
func (w *world) rewrite(name, from, to string) {
	w.Helper()
	text, err := os.ReadFile(filepath.Join(w.dir, name))
	if err != nil || !strings.Contains(string(text), from) {
		w.Fatalf("%s has no %q (%v)", name, from, err)
	}
	w.writeFile(name, strings.ReplaceAll(string(text), from, to))
}

// serveOn opens a target on a second address.
func (w *world) serveOn(url string, f *target) {
	w.Helper()
	l, err := net.Listen("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		w.Fatal(err)
	}
	server := &http.Server{Handler: f.routes()}
	go func() { _ = server.Serve(l) }()
	w.Cleanup(func() { _ = server.Close() })
}
