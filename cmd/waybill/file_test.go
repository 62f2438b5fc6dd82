package main

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/waybillhq/waybill/internal/transport/transporttest"
)

// warehouse speaks the system contract: it takes warehouse orders by their key
// and ships each at once.
type warehouse struct {
	t      *testing.T
	mu     sync.Mutex
	taken  map[string]int // key → journal position
	toShip chan shipment
	base   string // of Waybill
}

type shipment struct{ order, lines string }

var warehouseSecret = []byte("warehouse-secret-of-32-bytes-....")

func (w *warehouse) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	say := func(status int, format string, args ...any) {
		rw.Header().Set("Content-Type", "application/json")
		rw.WriteHeader(status)
		fmt.Fprintf(rw, format, args...)
	}
	now := time.Now().UTC().Format(time.RFC3339Nano)
	switch {
	case strings.HasSuffix(r.URL.Path, "/v1/info"):
		say(200, `{"system":"wms","generation":"g1","head":%d,"now":%q,"idempotency":"lookup"}`, len(w.taken), now)
	case strings.Contains(r.URL.Path, "/by-key/"):
		if n := w.taken[filepath.Base(r.URL.Path)]; n > 0 {
			say(200, `{"found":true,"state":"applied","key":%q,"ref":"W-%d","n":%d,"generation":"g1"}`, filepath.Base(r.URL.Path), n, n)
			return
		}
		say(404, `{"found":false,"as_of":%q,"generation":"g1"}`, now)
	case r.Method != http.MethodPost: // no journal, no entities
		rw.WriteHeader(http.StatusNotFound)
	default:
		var d struct {
			Kind, Order, Key string
			Lines            []struct{ Line, Qty string }
		}
		body, _ := io.ReadAll(r.Body)
		if err := json.Unmarshal(body, &d); err != nil || d.Kind != "warehouse_order" {
			w.t.Errorf("the warehouse got %s", body)
		}
		if w.taken[d.Key] == 0 {
			w.taken[d.Key] = len(w.taken) + 1
			lines, _ := json.Marshal(d.Lines)
			w.toShip <- shipment{d.Order, strings.ToLower(string(lines))}
		}
		say(201, `{"ref":"W-%d","n":%d,"applied_at":%q,"generation":"g1"}`, w.taken[d.Key], w.taken[d.Key], now)
	}
}

// ship reports shipments until Waybill has taken each.
func (w *warehouse) ship(ctx context.Context) {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		var s shipment
		select {
		case <-ctx.Done():
			return
		case s = <-w.toShip:
		}
		for !w.push(ctx, s) {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	}
}

func (w *warehouse) push(ctx context.Context, s shipment) bool {
	body := fmt.Sprintf(`{"type":"shipment.confirmed","timestamp":"2026-01-05T10:00:00Z","data":{"order":%q,"shipment":"SH-%s","shipped_at":"2026-01-05T10:00:00Z","lines":%s}}`,
		s.order, s.order, s.lines)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.base+"/in/wms", strings.NewReader(body))
	if err != nil {
		w.t.Error(err)
		return true
	}
	id, stamp := "ship_"+s.order, fmt.Sprint(time.Now().Unix())
	mac := hmac.New(sha256.New, warehouseSecret)
	fmt.Fprintf(mac, "%s.%s.%s", id, stamp, body)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Webhook-Id", id)
	req.Header.Set("Webhook-Timestamp", stamp)
	req.Header.Set("Webhook-Signature", "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	_ = resp.Body.Close()
	return resp.StatusCode < 300
}

// exampleByFile copies the example of the ERP that knows nothing but files,
// and puts the addresses of the test in the place of its own.
func exampleByFile(t *testing.T, s *transporttest.Server, wms string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	const from = "../../examples/erp-csv"
	for _, name := range []string{"desk.yaml", "legacy.yaml", "waybill.yaml"} {
		b, err := os.ReadFile(filepath.Join(from, name))
		if err != nil {
			t.Fatal(err)
		}
		if name == "waybill.yaml" {
			for _, change := range [][2]string{
				{"files.example.com:22", s.Address}, {"SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", s.HostKey},
				{"user: waybill", "user: " + s.User}, {"/exchange/legacy", s.Dir}, {"https://wms.example.com/waybill", wms},
				{"profile: standard", "profile: fast"}, {"policy:", "egress: {allow: [127.0.0.0/8]}\npolicy:"},
			} {
				if !bytes.Contains(b, []byte(change[0])) {
					t.Fatalf("the example has no %q", change[0])
				}
				b = bytes.Replace(b, []byte(change[0]), []byte(change[1]), 1)
			}
		}
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	secrets := fmt.Sprintf(`{"api_key":%q,"wms":{"token":"t","webhook_secret":"whsec_%s"}}`, demoKey, base64.StdEncoding.EncodeToString(warehouseSecret))
	for name, text := range map[string]string{"secrets.json": secrets, "sftp.key": s.Key} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	folders := []string{filepath.Join(dir, "exchange/desk/orders")}
	for _, name := range []string{"stock", "invoices", "answers"} {
		folders = append(folders, filepath.Join(s.Dir, name))
	}
	for _, name := range folders {
		if err := os.MkdirAll(name, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestFile_ERPByFilesSurvivesKills runs the example with the real binary, its
// ERP behind OpenSSH: it is killed again and again while files of orders come
// in and batches go out. At the end each order went the whole way once, and no
// number of a batch is missing.
func TestFile_ERPByFilesSurvivesKills(t *testing.T) {
	kills, files, each := 8, 5, 4
	if testing.Short() {
		kills, files = 3, 2
	}
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	wms := &warehouse{t: t, taken: map[string]int{}, toShip: make(chan shipment, 1000)}
	server := httptest.NewServer(wms)
	defer server.Close()
	s := transporttest.SSHD(t)
	bin, dir := buildBinary(t), exampleByFile(t, s, server.URL)
	c := startServe(t, bin, dir, "127.0.0.1:0")
	wms.base = c.base
	listen := strings.TrimPrefix(c.base, "http://")
	shipping := make(chan struct{})
	go func() { defer close(shipping); wms.ship(ctx) }()

	var orders []string
	for f := range files {
		orders = append(orders, dropOrders(t, filepath.Join(dir, "exchange/desk/orders"), f, each)...)
	}
	for range kills {
		pause := time.NewTimer(time.Duration(200+rand.IntN(1500)) * time.Millisecond)
		select {
		case <-pause.C:
		case <-ctx.Done():
			t.Fatal(ctx.Err())
		}
		c.kill(t)
		c = startServe(t, bin, dir, listen)
	}
	waitBilled(ctx, t, c.base, s.Dir, len(orders))
	c.kill(t)
	cancel()
	<-shipping

	checkBooks(t, s.Dir, orders)
	var out, errs strings.Builder
	if code := run([]string{"verify", "--config", filepath.Join(dir, "waybill.yaml"), "--data", filepath.Join(dir, "data")}, nil, &out, &errs); code != exitFine {
		t.Errorf("verify exits with %d: %s%s", code, out.String(), errs.String())
	}
	if left, err := filepath.Glob(filepath.Join(dir, "exchange/desk/orders/done/*~ORD*.csv")); err != nil || len(left) != files {
		t.Errorf("%d files in done, want %d (%v)", len(left), files, err)
	}
}

// dropOrders puts a file of orders where the desk's ERP exports them.
func dropOrders(t *testing.T, folder string, f, each int) (orders []string) {
	t.Helper()
	var b strings.Builder
	b.WriteString("OrderNo;Customer;CustomerPO;Entered;ShipDate;Complete;ShipName;Street;Street2;Zip;City;Country;Pos;Item;Qty;Unit;Price\r\n")
	for i := range each {
		no := fmt.Sprintf("2026-%02d%02d", f, i)
		orders = append(orders, no)
		for pos := 1; pos <= 2; pos++ {
			fmt.Fprintf(&b, "%s;10014;;02.01.2026 09:15;;N;Example Hardware;Main Street 1;;50667;Springfield;DE;%d;SKU-%d;1.250,5;STK;0,40\r\n", no, pos, pos)
		}
	}
	fmt.Fprintf(&b, "END;%d;%d;%d,0\r\n", 2*each, each, 2*each*12505/10)
	if err := os.WriteFile(filepath.Join(folder, fmt.Sprintf("ORD%02d.csv", f)), []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return orders
}

// rowsOf reads the batches of one sort, in the order of their numbers: rows
// that are neither head nor trailer.
func rowsOf(t *testing.T, dir, pattern string) (rows [][]string, files []string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "from-waybill", pattern))
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(files, func(a, b string) int { return strings.Compare(a[len(a)-10:], b[len(b)-10:]) })
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(b)) {
			if cells := strings.Split(strings.TrimSpace(line), ";"); cells[0] != "WaybillKey" && cells[0] != "END" {
				rows = append(rows, cells)
			}
		}
	}
	return rows, files
}

// waitBilled waits until every order is invoiced and nothing is left to do.
func waitBilled(ctx context.Context, t *testing.T, base, dir string, orders int) {
	t.Helper()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			st, err := getStatus(context.WithoutCancel(ctx), base)
			t.Fatalf("not billed in time: %+v, %v", st, err)
		case <-tick.C:
		}
		billed := map[string]bool{}
		rows, _ := rowsOf(t, dir, "BOOK_*.csv")
		for _, r := range rows {
			if r[1] == "IN" {
				billed[r[2]] = true
			}
		}
		if len(billed) < orders {
			continue
		}
		if st, err := getStatus(ctx, base); err == nil && st.Quiescent {
			return
		}
	}
}

// checkBooks wants each order's documents in the ERP's files once, and the
// numbers of the files without a gap.
func checkBooks(t *testing.T, dir string, orders []string) {
	t.Helper()
	got := map[string]int{}
	for _, sort := range []string{"SO_*.csv", "BOOK_*.csv"} {
		rows, files := rowsOf(t, dir, sort)
		for _, r := range rows {
			pos := 3
			if sort == "BOOK_*.csv" {
				pos = 5
			}
			got[r[2]+" "+r[1]+" "+r[pos]]++
		}
		for i, name := range files {
			if !strings.HasSuffix(name, fmt.Sprintf("_%06d.csv", i+1)) {
				t.Errorf("file %d of %s is %s", i+1, sort, filepath.Base(name))
			}
		}
	}
	want := map[string]int{}
	for _, no := range orders {
		for _, kind := range []string{"N", "GI", "IN"} {
			want[no+" "+kind+" 1"], want[no+" "+kind+" 2"] = 1, 1
		}
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("rows in the ERP's files (-want +got):\n%s", d)
	}
}
