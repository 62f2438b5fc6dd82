package sqlite

import (
	"context"
	"fmt"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

// small lists what a statement may read whole, with the reason.
var small = map[string]string{
	"shard":   "1024 rows for ever",
	"timer":   "open work, read once at start",
	"setting": "some dozens",
}

// whole lists the statements that read a table from one end by purpose: their
// LIMIT ends them, and nothing is skipped on the way.
var whole = map[string]string{
	auditHead:      "the last row by its key",
	auditAfter:     "a page of the log",
	deliveryNewest: "the highest key, once at start",
	eventsAll:      "a page of the ledger; applied, its only other filter, is what nearly all events are",
	deliveriesAll:  "a page of all; done, its only filter, is what nearly all deliveries are",
	exceptionsAll:  "a page of all",
	mappingsAll:    "a page of all",
	waybillsNewest: "the newest",
}

// A search by a bound on the key alone reads all that lies beyond it: a scan
// by another name.
var scanned = regexp.MustCompile(`(?:SCAN (\w+)|SEARCH (\w+) USING INTEGER PRIMARY KEY \(rowid[<>]\?\))`)

// aliases of tables in the statements.
var aliases = map[string]string{"e": "event", "m": "message", "w": "waybill", "b": "message_body"}

// A query costs what it finds, not what is stored: every statement goes by an
// index, or by a table's key.
func TestPlan_NothingScansWhatGrows(t *testing.T) {
	s, err := Open(t.Context(), t.TempDir(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	n := 0
	for _, text := range statements(s) {
		if text == "BEGIN IMMEDIATE" || text == "COMMIT" || text == "ROLLBACK" {
			continue
		}
		n++
		plan := planOf(t, s, text)
		for _, hit := range scanned.FindAllStringSubmatch(plan, -1) {
			table := hit[1] + hit[2]
			if full, ok := aliases[table]; ok {
				table = full
			}
			switch {
			case small[table] != "", whole[text] != "":
			case text == exceptionCounts && strings.Contains(plan, "exception_group"): // counts the open ones
			default:
				t.Errorf("%s\nscans %s:\n%s", text, table, plan)
			}
		}
	}
	if n < 50 {
		t.Errorf("only %d statements were looked at", n)
	}
}

// Every statement has its text, and every text its statement.
func TestPlan_EveryStatementIsListed(t *testing.T) {
	for _, c := range []struct{ fields, listed int }{
		{reflect.TypeFor[readStatements]().NumField(), len(new(readStatements).list())},
		{reflect.TypeFor[writeStatements]().NumField(), len(new(writeStatements).list())},
	} {
		if c.fields != c.listed {
			t.Errorf("%d statements are declared and %d have a text", c.fields, c.listed)
		}
	}
}

// What is open is found by the partial indexes, and sorted by nothing but
// them where it is read page by page.
func TestPlan_PagesNeedNoSort(t *testing.T) {
	s, err := Open(t.Context(), t.TempDir(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, text := range []string{eventsAll, eventsOfWaybill, eventsInState, eventsOfSource, eventsNewest, deliveriesNewest, deliveriesAll,
		deliveriesOfWaybill, deliveriesOfItem, deliveriesInState, deliveriesOfTarget, waybillsNewest, waybillsInStatus,
		exceptionsAll, exceptionsOfWaybill, exceptionsInState, auditAfter, mappingsAll, mappingsOfSystem, mappingsOfKind,
		mappingsOfCanonical} {
		if plan := planOf(t, s, text); strings.Contains(plan, "TEMP B-TREE") {
			t.Errorf("%s\nsorts before it returns the first row:\n%s", text, plan)
		}
	}
}

func statements(s *Store) []string {
	var out []string
	for _, text := range s.list() {
		out = append(out, text)
	}
	for _, text := range s.writer.list() {
		out = append(out, text)
	}
	return out
}

func planOf(t *testing.T, s *Store, text string) string {
	t.Helper()
	var plan strings.Builder
	args := make([]any, max(strings.Count(text, "?"), 7))
	for i := range args {
		args[i] = ""
	}
	rows, err := s.reader.QueryContext(context.WithoutCancel(t.Context()), "EXPLAIN QUERY PLAN "+text, args...)
	if err != nil {
		t.Fatalf("explain %s: %v", text, err)
	}
	defer rows.Close()
	for rows.Next() {
		var id, parent, unused int
		var detail string
		if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(&plan, detail)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return plan.String()
}
