package contract_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func digestHex(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// TestCLI_SecondServe on one data directory exits 1.
func TestCLI_SecondServe(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if _, _, code := w.run("serve", "--config", "waybill.yaml", "--data", "data", "--listen", freeAddress(t)); code != 1 {
		t.Errorf("exit %d, want 1", code)
	}
	w.released("SO-1", "1 A 5 9.90") // the first one works on
}

// TestCLI_Drain: SIGTERM records the outcome of what is under way.
func TestCLI_Drain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	gate := make(chan struct{})
	w.erp.on("sales_order", "SO-1", 1, hold(gate))
	w.place("SO-1", "1 A 5 9.90")
	w.await("a request is under way", func() bool { return len(w.erp.tries("sales_order", "")) == 1 })
	_ = w.cmd.Process.Signal(syscall.SIGTERM)
	w.await("it takes nothing new", func() bool {
		body := envelope("order.placed", placed("SO-2", 1, "1 A 5 9.90"))
		code, _, _ := w.try("POST", "/in/channel", body, signed(hookSecret, "drain", time.Now(), body))
		return code == 0 || code == 503
	})
	close(gate)
	w.stop()
	w.start()
	w.quiet()
	if n := len(w.erp.tries("sales_order", "SO-1")); n != 1 {
		t.Errorf("%d attempts: the outcome was not recorded", n)
	}
	if n := len(w.erp.lookups(w.erp.tries("sales_order", "SO-1")[0].key)); n != 0 {
		t.Error("T2 was asked: the outcome was in doubt")
	}
	w.books(w.wms, "SO-1", "warehouse_order")
}

// TestCLI_Reload is all or nothing.
func TestCLI_Reload(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	rev := w.status()["config_rev"]
	good, err := os.ReadFile(filepath.Join(w.dir, "waybill.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	w.writeFile("waybill.yaml", string(good)+"\nnonsense: [\n")
	_ = w.cmd.Process.Signal(syscall.SIGHUP)
	w.watch(500*time.Millisecond, "the configuration stays", func() bool { return w.status()["config_rev"] == rev })
	w.writeFile("waybill.yaml", strings.Replace(string(good), "currency: EUR", "currency: USD", 1))
	_ = w.cmd.Process.Signal(syscall.SIGHUP)
	w.await("the new configuration is in force", func() bool { return w.status()["config_rev"] != rev })
	w.released("SO-1", "1 A 5 9.90")
}

// TestCLI_Verbs: exit codes and JSON.
func TestCLI_Verbs(t *testing.T) {
	t.Parallel()
	w := story(t)
	w.stop()
	at := []string{"--config", "waybill.yaml", "--data", "data"}
	for _, c := range []struct {
		args []string
		code int
		json bool
	}{
		{[]string{"config", "check", "--config", "waybill.yaml"}, 0, true},
		{append([]string{"verify"}, at...), 0, true},
		{append([]string{"audit", "verify"}, at...), 0, true},
		{[]string{"routes"}, 0, true},
		{[]string{"version"}, 0, true},
		{[]string{"no-such-verb"}, 2, false},
		{[]string{"serve", "--no-such-flag"}, 2, false},
		{[]string{"config", "check", "--config", "none.yaml"}, 2, false},
		{[]string{"init", "--pack", "none", "--target", "erp=http://127.0.0.1:1", "--secrets", "secrets.json"}, 2, false},
	} {
		out, errs, code := w.run(c.args...)
		if code != c.code {
			t.Errorf("waybill %v: exit %d, want %d\n%s%s", c.args, code, c.code, out, errs)
		}
		if c.json {
			out, errs, code := w.run(append(c.args, "--json")...)
			if code != c.code || !json.Valid([]byte(out)) {
				t.Errorf("waybill %v --json: exit %d, %s%s", c.args, code, out, errs)
			}
		}
	}
	out, _, _ := w.run("routes", "--json")
	for _, route := range []string{"/in/{system}", "/healthz", "/api/v1/status", "/api/v1/deliveries", "/api/v1/audit"} {
		if !strings.Contains(out, route) {
			t.Errorf("routes lacks %s", route)
		}
	}
}

// TestCLI_BackupRestore: a backup of a running process, restored elsewhere, is
// whole and serves the same.
func TestCLI_BackupRestore(t *testing.T) {
	t.Parallel()
	w := story(t)
	out, errs, code := w.run("backup", "--config", "waybill.yaml", "--data", "data", "--to", "backup.db")
	if server != "" { // a server's backup is its own tools' work, and the verb says so
		if code != 1 || !strings.Contains(errs, "pg_basebackup") {
			t.Errorf("backup of a server's database: exit %d %s%s", code, out, errs)
		}
		return
	}
	if code != 0 {
		t.Fatalf("backup: exit %d %s%s", code, out, errs)
	}
	if out, errs, code := w.run("restore", "--config", "waybill.yaml", "--data", "restored", "--from", "backup.db"); code != 0 {
		t.Fatalf("restore: exit %d %s%s", code, out, errs)
	}
	if out, errs, code := w.run("verify", "--config", "waybill.yaml", "--data", "restored"); code != 0 {
		t.Errorf("verify of the restored: exit %d %s%s", code, out, errs)
	}
	sent := 0
	for _, f := range w.all {
		sent += len(f.tries("", ""))
	}
	w.stop()
	w.startOn("restored")
	w.stages("SO-1", "1", "shipped 5 posted 5 invoiced 5")
	w.quiet()
	again := 0
	for _, f := range w.all {
		again += len(f.tries("", ""))
	}
	if again != sent {
		t.Errorf("the restored database sent %d documents again", again-sent)
	}
}
