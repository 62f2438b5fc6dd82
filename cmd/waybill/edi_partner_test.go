package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/waybillhq/waybill/internal/transport/transporttest"
)

// ledgerERP is an ERP of the system contract that books whatever it is sent,
// once for each key.
type ledgerERP struct {
	mu    sync.Mutex
	taken map[string]int // key → journal position
	kinds map[string]int // "kind order" → documents
}

func (e *ledgerERP) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	e.mu.Lock()
	defer e.mu.Unlock()
	say := func(status int, format string, args ...any) {
		rw.Header().Set("Content-Type", "application/json")
		rw.WriteHeader(status)
		fmt.Fprintf(rw, format, args...)
	}
	now := time.Now().UTC().Format(time.RFC3339Nano)
	key := filepath.Base(r.URL.Path)
	switch {
	case strings.HasSuffix(r.URL.Path, "/v1/info"):
		say(200, `{"system":"erp","generation":"g1","head":%d,"now":%q,"idempotency":"lookup"}`, len(e.taken), now)
	case strings.Contains(r.URL.Path, "/by-key/") && e.taken[key] > 0:
		say(200, `{"found":true,"state":"applied","key":%q,"ref":"E%d","n":%d,"generation":"g1","result":{"approved":true,"reasons":[]}}`, key, e.taken[key], e.taken[key])
	case strings.Contains(r.URL.Path, "/by-key/"):
		say(404, `{"found":false,"as_of":%q,"generation":"g1"}`, now)
	case r.Method != http.MethodPost:
		rw.WriteHeader(http.StatusNotFound)
	default:
		var d struct{ Kind, Order, Key string }
		body, _ := io.ReadAll(r.Body)
		if err := json.Unmarshal(body, &d); err != nil {
			say(400, `{"code":"bad_json"}`)
			return
		}
		if e.taken[d.Key] == 0 {
			e.taken[d.Key] = len(e.taken) + 1
			e.kinds[d.Kind+" "+d.Order]++
		}
		say(201, `{"ref":"E%d","n":%d,"applied_at":%q,"generation":"g1","result":{"approved":true,"reasons":[]}}`, e.taken[d.Key], e.taken[d.Key], now)
	}
}

// mailbox is the partner's side of two folders. What it reads it takes as a
// partner does: by text alone, with nothing of the program's own.
type mailbox struct {
	t        *testing.T
	dir, id  string
	us       string
	answer   func(m *mailbox, set string, segments [][]string) [][]string // bodies of sets that answer, each ST first element
	mu       sync.Mutex
	control  int
	got      map[string]int            // "set order" → times
	controls map[string]map[string]int // control → bytes → times
}

// elements splits an interchange with the delimiters * and ~.
func elements(text string) (out [][]string) {
	for _, seg := range strings.Split(text, "~") {
		if seg = strings.TrimSpace(seg); seg != "" {
			out = append(out, strings.Split(seg, "*"))
		}
	}
	return out
}

func value(segments [][]string, id string, n int) string {
	for _, s := range segments {
		if s[0] == id && n < len(s) {
			return s[n]
		}
	}
	return ""
}

// look takes what lies there and answers it.
func (m *mailbox) look() {
	files, err := filepath.Glob(filepath.Join(m.dir, "to-partner", "*.x12"))
	if err != nil {
		m.t.Error(err)
	}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			m.t.Error(err)
			continue
		}
		segments := elements(string(b))
		set, control := value(segments, "ST", 1), value(segments, "ISA", 13)
		if set == "" && value(segments, "TA1", 1) != "" {
			set = "TA1"
		}
		m.mu.Lock()
		if m.controls[control] == nil {
			m.controls[control] = map[string]int{}
		}
		again := m.controls[control][string(b)] > 0
		m.controls[control][string(b)]++
		if !again {
			m.got[set+" "+orderOf(set, segments)]++
		}
		m.mu.Unlock()
		if !again {
			if set != "997" && set != "TA1" {
				m.send("FA", [][]string{{"ST", "997", "0001"}, {"AK1", value(segments, "GS", 1), value(segments, "GS", 6)},
					{"AK2", set, value(segments, "ST", 2)}, {"AK5", "A"}, {"AK9", "A", "1", "1", "1"}})
			}
			if m.answer != nil {
				if body := m.answer(m, set, segments); body != nil {
					m.send("SW", body)
				}
			}
		}
		if err := os.Remove(name); err != nil {
			m.t.Error(err)
		}
	}
}

// orderOf is the order that a set is about, by the buyer's number or ours.
func orderOf(set string, segments [][]string) string {
	switch set {
	case "855":
		return value(segments, "BAK", 3)
	case "856":
		return value(segments, "PRF", 1)
	case "810":
		return value(segments, "BIG", 4)
	case "940":
		if what := value(segments, "W05", 1); what != "N" {
			return value(segments, "W05", 2) + " " + what
		}
		return value(segments, "W05", 2)
	case "TA1":
		return value(segments, "TA1", 1) + " " + value(segments, "TA1", 4) + " " + value(segments, "TA1", 5)
	case "865":
		return value(segments, "BCA", 3) + " " + value(segments, "BCA", 2)
	case "997":
		return value(segments, "AK1", 1) + value(segments, "AK1", 2)
	}
	return ""
}

// send leaves an interchange of one set, under its name in one step.
func (m *mailbox) send(group string, set [][]string) {
	m.mu.Lock()
	m.control++
	n := m.control
	m.mu.Unlock()
	var b bytes.Buffer
	qualifier, id, _ := strings.Cut(m.id, "/")
	fmt.Fprintf(&b, "ISA*00*          *00*          *%s*%-15s*ZZ*%-15s*260105*1200*U*00401*%09d*0*P*>~\n", qualifier, id, m.us, n)
	fmt.Fprintf(&b, "GS*%s*%s*%s*20260105*1200*%d*X*004010~\n", group, id, m.us, n)
	for _, s := range set {
		fmt.Fprintf(&b, "%s~\n", strings.Join(s, "*"))
	}
	fmt.Fprintf(&b, "SE*%d*%s~\nGE*1*%d~\nIEA*1*%09d~\n", len(set)+1, set[0][2], n, n)
	name := filepath.Join(m.dir, "from-partner", fmt.Sprintf("%06d.edi", n))
	if err := os.WriteFile(name+".part", b.Bytes(), 0o600); err != nil {
		m.t.Error(err)
	}
	if err := os.Rename(name+".part", name); err != nil {
		m.t.Error(err)
	}
}

// ships answers a 940 with a 945 of all of it in one carton.
func ships(_ *mailbox, set string, segments [][]string) [][]string {
	if set != "940" {
		return nil
	}
	order := value(segments, "W05", 2)
	out := [][]string{{"ST", "945", "0001"}, {"W06", "F", order, "20260105", "SH" + value(segments, "ISA", 13)}, {"G62", "11", "20260105"},
		{"W27", "U", "UPSN", "GROUND"}, {"LX", "1"}, {"MAN", "GM", "00006141410000000012"}}
	for i, s := range segments {
		if s[0] == "W01" {
			out = append(out, []string{"W12", "CC", s[1], s[1], "0", s[2], "", "VN", s[5]})
			if next := segments[i+1]; next[0] == "N9" && next[1] == "LI" {
				out = append(out, next)
			}
		}
	}
	return append(out, []string{"W03", "1", "12", "LB"})
}

// exampleByEDI copies the example and puts the test's address in.
func exampleByEDI(t *testing.T, erp string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for _, name := range []string{"bigbox.yaml", "threepl.yaml", "waybill.yaml"} {
		b, err := os.ReadFile(filepath.Join("../../examples/edi-partner", name))
		if err != nil {
			t.Fatal(err)
		}
		b = bytes.ReplaceAll(b, []byte("https://erp.example.com/waybill"), []byte(erp))
		b = bytes.ReplaceAll(b, []byte("profile: standard"), []byte("profile: fast"))
		b = bytes.ReplaceAll(b, []byte("policy:\n"), []byte("egress: {allow: [127.0.0.0/8]}\npolicy:\n"))
		b = bytes.ReplaceAll(b, []byte("stable: 2s"), []byte("stable: 0s"))
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	secrets := fmt.Sprintf(`{"api_key":%q,"erp":{"token":"t"}}`, demoKey)
	if err := os.WriteFile(filepath.Join(dir, "secrets.json"), []byte(secrets), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, partner := range []string{"bigbox", "threepl"} {
		for _, folder := range []string{"from-partner", "to-partner"} {
			if err := os.MkdirAll(filepath.Join(dir, "exchange", partner, folder), 0o700); err != nil {
				t.Fatal(err)
			}
		}
	}
	return dir
}

// bySFTP puts OpenSSH's server between the program and the partners' folders.
func bySFTP(t *testing.T, dir string, s *transporttest.Server) {
	t.Helper()
	name := filepath.Join(dir, "waybill.yaml")
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for _, partner := range []string{"bigbox", "threepl"} {
		folder := "folder: exchange/" + partner
		if !bytes.Contains(b, []byte(folder)) {
			t.Fatalf("the example has no %q", folder)
		}
		b = bytes.Replace(b, []byte(folder), fmt.Appendf(nil, "sftp: {address: %q, user: %q, host_keys: [%q], key: \"${file:sftp.key}\", path: %q}",
			s.Address, s.User, s.HostKey, filepath.Join(dir, "exchange", partner)), 1)
	}
	for name, text := range map[string]string{name: string(b), filepath.Join(dir, "sftp.key"): s.Key} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// TestEDI_PartnersSurviveKills has both partners on the other side of folders.
func TestEDI_PartnersSurviveKills(t *testing.T) {
	partnersSurvive(t, 40*time.Second, nil)
}

// TestEDI_PartnersOverSFTPSurviveKillsAndCuts has them behind OpenSSH, over a
// line that is cut in the middle of what it carries.
func TestEDI_PartnersOverSFTPSurviveKillsAndCuts(t *testing.T) {
	s := transporttest.SSHD(t)
	partnersSurvive(t, 2*time.Minute, s)
	if s.Line.Cuts() == 0 {
		t.Error("no connection was cut: the test shows nothing of cuts")
	}
}

// partnersSurvive runs the example with the real binary: it is killed again and
// again while orders come in and answers go out. At the end each partner has
// each set once, and its control numbers have no gap and no repetition.
func partnersSurvive(t *testing.T, within time.Duration, s *transporttest.Server) {
	t.Helper()
	kills, orders := 8, 24
	if testing.Short() {
		kills, orders = 3, 8
	}
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	erp := &ledgerERP{taken: map[string]int{}, kinds: map[string]int{}}
	server := httptest.NewServer(erp)
	defer server.Close()
	bin, dir := buildBinary(t), exampleByEDI(t, server.URL)
	if s != nil {
		bySFTP(t, dir, s)
	}
	box := func(name, id string) *mailbox {
		return &mailbox{t: t, dir: filepath.Join(dir, "exchange", name), id: id, us: "EXAMPLEHDW", got: map[string]int{}, controls: map[string]map[string]int{}}
	}
	buyer, floor := box("bigbox", "08/9254850000"), box("threepl", "ZZ/EXAMPLE3PL")
	floor.answer = ships
	c := startServe(t, bin, dir, "127.0.0.1:0")
	listen := strings.TrimPrefix(c.base, "http://")

	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(30 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				buyer.look()
				floor.look()
			}
		}
	}()
	for i := range orders {
		no := strconv.Itoa(4700 + i)
		buyer.send("PO", [][]string{{"ST", "850", "0001"}, {"BEG", "00", "SA", no, "", "20260105"}, {"N1", "ST", "Example Stores 17", "92", "0017"},
			{"N3", "Main Street 1"}, {"N4", "Springfield", "IL", "62701", "US"}, {"PO1", "1", "6", "EA", "4.20", "", "VN", "HAMMER-16"},
			{"PO1", "2", "12", "EA", "1.10", "", "VN", "NAILS-100"}, {"CTT", "2"}})
	}
	for range kills {
		if s != nil {
			s.Line.CutAfter(1000 + rand.Int64N(8000))
		}
		pause := time.NewTimer(time.Duration(200+rand.IntN(1500)) * time.Millisecond)
		select {
		case <-pause.C:
		case <-ctx.Done():
			t.Fatal(ctx.Err())
		}
		c.kill(t)
		c = startServe(t, bin, dir, listen)
	}
	waitTold(ctx, t, c.base, buyer, orders)
	c.kill(t)
	cancel()
	<-done

	want := map[string]int{}
	wantFloor := map[string]int{}
	for i := range orders {
		no := strconv.Itoa(4700 + i)
		want["997 PO"+strconv.Itoa(i+1)] = 1
		want["855 "+no], want["856 "+no], want["810 "+no] = 1, 1, 1
		wantFloor["940 bigbox!."+no] = 1
	}
	if d := cmp.Diff(want, buyer.got); d != "" {
		t.Errorf("sets that the customer got (-want +got):\n%s", d)
	}
	for set := range maps.Keys(floor.got) {
		if strings.HasPrefix(set, "997 SW") {
			delete(floor.got, set)
		}
	}
	if d := cmp.Diff(wantFloor, floor.got); d != "" {
		t.Errorf("sets that the warehouse got (-want +got):\n%s", d)
	}
	for _, m := range []*mailbox{buyer, floor} {
		for i, control := range slices.Sorted(maps.Keys(m.controls)) {
			if n, _ := strconv.Atoi(control); n != i+1 {
				t.Errorf("%s: control number %s is number %d of its interchanges", m.dir, control, i+1)
				break
			}
			if len(m.controls[control]) != 1 {
				t.Errorf("%s: control number %s was given to %d interchanges", m.dir, control, len(m.controls[control]))
			}
		}
	}
	takenByOthers(t, buyer, floor)
	for kind, n := range erp.kinds {
		if n != 1 && !strings.HasPrefix(kind, "order_check") {
			t.Errorf("the ERP has %s %d times", kind, n)
		}
	}
	var out, errs strings.Builder
	if code := run([]string{"verify", "--config", filepath.Join(dir, "waybill.yaml"), "--data", filepath.Join(dir, "data")}, nil, &out, &errs); code != exitFine {
		t.Errorf("verify exits with %d: %s%s", code, out.String(), errs.String())
	}
}

// takenByOthers holds every interchange that the partners got to two readers
// that share nothing with the program, both as strict as they can be.
func takenByOthers(t *testing.T, boxes ...*mailbox) {
	t.Helper()
	dir := t.TempDir()
	var files []string
	for _, m := range boxes {
		for _, texts := range m.controls {
			for text := range texts {
				files = append(files, filepath.Join(dir, fmt.Sprintf("%04d.edi", len(files))))
				if err := os.WriteFile(files[len(files)-1], []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	for _, reader := range [][]string{{"check.mjs", "--short"}, {"strict.mjs"}} {
		args := append([]string{"../../test/edi/" + reader[0]}, append(reader[1:], files...)...)
		out, err := exec.CommandContext(t.Context(), "node", args...).CombinedOutput()
		if err != nil || strings.Contains(string(out), `"warnings":["`) {
			t.Errorf("test/edi/%s of %d interchanges: %v (scripts/install-test-deps.sh installs what it needs)\n%s", reader[0], len(files), err, out)
		}
	}
}

// waitTold waits until the customer has an 810 of every order and nothing is
// left to do.
func waitTold(ctx context.Context, t *testing.T, base string, buyer *mailbox, orders int) {
	t.Helper()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			st, err := getStatus(context.WithoutCancel(ctx), base)
			t.Fatalf("not billed in time: %+v, %v; the customer has %v; exceptions: %s", st, err, buyer.got, exceptionsOf(t, base))
		case <-tick.C:
		}
		buyer.mu.Lock()
		billed := 0
		for set := range buyer.got {
			if strings.HasPrefix(set, "810 ") {
				billed++
			}
		}
		buyer.mu.Unlock()
		if billed < orders {
			continue
		}
		if st, err := getStatus(ctx, base); err == nil && st.Quiescent {
			return
		}
	}
}

// exceptionsOf is what the inbox says, for a failure.
func exceptionsOf(t *testing.T, base string) string {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, base+"/api/v1/orders/4700/timeline", nil) //nolint:noctx // the test is over
	if err != nil {
		return err.Error()
	}
	req.Header.Set("Authorization", "Bearer "+demoKey)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err.Error()
	}
	b, err := io.ReadAll(io.LimitReader(resp.Body, 1<<16))
	_ = resp.Body.Close()
	return fmt.Sprintf("%s %v", b, err)
}
