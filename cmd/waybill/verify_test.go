package main

import (
	"database/sql"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	_ "modernc.org/sqlite" // to damage a database behind the store's back

	"github.com/waybillhq/waybill/internal/store/sqlite"
	"github.com/waybillhq/waybill/internal/verify"
)

// TestVerify_FindsPlantedDamage changes single rows of a right database; verify
// has to name each. A check that finds nothing would pass every other test.
func TestVerify_FindsPlantedDamage(t *testing.T) {
	right := t.TempDir()
	if code := run([]string{"demo", "--once", "--orders", "8", "--seed", "7", "--faults", "none", "--in-process", "--json", "--data", right}, nil, io.Discard, io.Discard); code != exitFine {
		t.Fatalf("demo exits with %d", code)
	}
	if rep, code := verified(t, right, right); code != exitFine || !rep.OK || rep.Events == 0 || rep.Deliveries == 0 {
		t.Fatalf("a right database: exit %d, %+v", code, rep)
	}
	for name, damage := range map[string]struct{ statement, rule string }{
		"an event is changed":           {`UPDATE event SET subject = subject || 'x' WHERE id = (SELECT min(id) FROM event)`, "chain_hash"},
		"an event is taken out":         {`DELETE FROM event WHERE id = (SELECT min(id) FROM event WHERE seq = 2)`, "chain_gap"},
		"the last event is taken out":   {`DELETE FROM event WHERE id = (SELECT max(id) FROM event)`, "chain_head"},
		"an event is put behind a head": {`UPDATE shard SET seq = seq - 1 WHERE shard = (SELECT min(shard) FROM event)`, "chain_head"},
		"a message is gone":             {`DELETE FROM message WHERE id = (SELECT min(id) FROM message)`, "message_missing"},
		"a message is changed":          {`UPDATE message SET sha256 = zeroblob(32) WHERE id = (SELECT min(id) FROM message)`, "message_changed"},
		"a state is changed":            {`UPDATE waybill SET state = (SELECT state FROM waybill WHERE id = (SELECT max(id) FROM waybill)) WHERE id = (SELECT min(id) FROM waybill)`, "state_refold"},
		"a document's bytes are gone":   {`DELETE FROM delivery_body WHERE delivery = (SELECT min(delivery) FROM delivery_body)`, "bytes_changed"},
		"a delivery is gone":            {`DELETE FROM delivery WHERE id = (SELECT max(id) FROM delivery)`, "delivery_missing"},
		"a delivery has another key":    {`UPDATE delivery SET key = key || 'x' WHERE id = (SELECT max(id) FROM delivery)`, "delivery_unknown"},
		"two documents have one number": {`UPDATE delivery SET seq = 1 WHERE seq = 2`, "seq_twice"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			book := must(os.ReadFile(filepath.Join(right, sqlite.FileName)))(t)
			path := filepath.Join(dir, sqlite.FileName)
			if err := os.WriteFile(path, book, 0o600); err != nil {
				t.Fatal(err)
			}
			db, err := sql.Open("sqlite", path)
			if err != nil {
				t.Fatal(err)
			}
			if n := must(must(db.ExecContext(t.Context(), damage.statement))(t).RowsAffected())(t); n == 0 {
				t.Fatal("nothing was damaged")
			}
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			rep, code := verified(t, right, dir)
			if code != exitFinding || rep.OK {
				t.Errorf("exit %d, ok %t", code, rep.OK)
			}
			for _, v := range rep.Violations {
				if v.Rule == damage.rule {
					return
				}
			}
			t.Errorf("no violation of %s among %+v", damage.rule, rep.Violations)
		})
	}
}

// TestVerify_RebuildsTheDatabase folds a ledger into a fresh database: the two
// are equal, and what is stored beside the states is compared too.
func TestVerify_RebuildsTheDatabase(t *testing.T) {
	dir := t.TempDir()
	if code := run([]string{"demo", "--once", "--orders", "12", "--seed", "11", "--in-process", "--json", "--data", dir}, nil, io.Discard, io.Discard); code != exitFine {
		t.Fatalf("demo exits with %d", code)
	}
	if rep, code := verified(t, dir, dir, "--rebuild"); code != exitFine || !rep.OK {
		t.Fatalf("a right database: exit %d, %+v", code, rep)
	}
	db, err := sql.Open("sqlite", filepath.Join(dir, sqlite.FileName))
	if err != nil {
		t.Fatal(err)
	}
	must(db.ExecContext(t.Context(), `UPDATE waybill SET customer = 'nobody' WHERE id = (SELECT max(id) FROM waybill WHERE kind = 'sales')`))(t)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if rep, code := verified(t, dir, dir, "--rebuild"); code != exitFinding || len(rep.Violations) != 1 || rep.Violations[0].Rule != "rebuild_state" {
		t.Errorf("another customer beside the state: exit %d, %+v", code, rep.Violations)
	}
}

func verified(t *testing.T, config, data string, more ...string) (rep verify.Report, code int) {
	t.Helper()
	var out, errs strings.Builder
	code = run(append([]string{"verify", "--json", "--config", filepath.Join(config, "waybill.yaml"), "--data", data}, more...), nil, &out, &errs)
	if err := json.Unmarshal([]byte(out.String()), &rep); err != nil {
		t.Fatalf("verify prints %q and %q: %v", out.String(), errs.String(), err)
	}
	return rep, code
}
