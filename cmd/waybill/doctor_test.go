package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/waybillhq/waybill/internal/sandbox"
	"github.com/waybillhq/waybill/internal/store/postgres"
	"github.com/waybillhq/waybill/internal/store/postgrestest"
)

func TestDoctor_NamesWhatBreaksPromises(t *testing.T) {
	sound := postgres.Inspection{Fsync: true, FullPageWrites: true, SynchronousCommit: "on", Isolation: "read committed",
		Connections: 97, Local: true}
	if found := diagnose(sound); len(found) > 0 {
		t.Errorf("a sound server: %+v", found)
	}
	for want, spoil := range map[string]func(*postgres.Inspection){
		"fsync":                         func(i *postgres.Inspection) { i.Fsync = false },
		"full_page_writes":              func(i *postgres.Inspection) { i.FullPageWrites = false },
		"synchronous_commit":            func(i *postgres.Inspection) { i.SynchronousCommit = "off" },
		"synchronous_standby_names":     func(i *postgres.Inspection) { i.Standbys = 2 },
		"sslmode":                       func(i *postgres.Inspection) { i.Local = false },
		"default_transaction_isolation": func(i *postgres.Inspection) { i.Isolation = "serializable" },
		"max_connections":               func(i *postgres.Inspection) { i.Connections = 3 },
		"replicas":                      func(i *postgres.Inspection) { i.Orphans = 512 },
		"clock":                         func(i *postgres.Inspection) { i.Skew = -2 * time.Second },
	} {
		ill := sound
		spoil(&ill)
		found := diagnose(ill)
		if len(found) != 1 || found[0].Setting != want || found[0].Fix == "" || found[0].Finding == "" {
			t.Errorf("%s: %+v", want, found)
		}
	}
	few := sound
	few.Connections, few.Replicas = 25, 2
	if found := diagnose(few); len(found) > 0 {
		t.Errorf("25 connections for two replicas: %+v", found)
	}
	few.Replicas = 3
	if found := diagnose(few); len(found) != 1 || !strings.Contains(found[0].Finding, "3 share the database") {
		t.Errorf("25 connections for three replicas: %+v", found)
	}
	standby := sound
	standby.Standbys, standby.SyncNames = 1, "a"
	if found := diagnose(standby); len(found) > 0 {
		t.Errorf("with a synchronous standby: %+v", found)
	}
	standby.SynchronousCommit = "local"
	if found := diagnose(standby); len(found) != 1 {
		t.Errorf("a commit that does not wait for its standby: %+v", found)
	}
}

// The server's own words, and the exit code.
func TestDoctor_AsksTheServer(t *testing.T) {
	dir := t.TempDir()
	world, err := sandbox.New(sandbox.Config{Seed: 1, Lines: 1, Faults: "none"})
	if err != nil {
		t.Fatal(err)
	}
	if err := world.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer world.Close()
	if _, err := demoConfig(world, filepath.Join(dir, "waybill.yaml")); err != nil {
		t.Fatal(err)
	}
	url := postgrestest.Shared(t).Database(t)
	keepIn(t, dir, url)
	ask := func() (settings []string, code int) {
		t.Helper()
		var out, errs strings.Builder
		code = run([]string{"doctor", "--config", filepath.Join(dir, "waybill.yaml"), "--json"}, nil, &out, &errs)
		var answer struct {
			OK       bool      `json:"ok"`
			Findings []ailment `json:"findings"`
		}
		if err := json.Unmarshal([]byte(out.String()), &answer); err != nil {
			t.Fatalf("%v: %s%s", err, out.String(), errs.String())
		}
		if answer.OK != (len(answer.Findings) == 0) {
			t.Errorf("ok is %v with %d findings", answer.OK, len(answer.Findings))
		}
		for _, f := range answer.Findings {
			settings = append(settings, f.Setting)
		}
		return settings, code
	}
	if found, code := ask(); code != exitFine || len(found) > 0 {
		t.Errorf("a fresh server: %v, exit %d", found, code)
	}
	c, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(t.Context())
	for _, spoil := range []string{`synchronous_commit = off`, `default_transaction_isolation = 'serializable'`} {
		if _, err := c.Exec(t.Context(), `DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET `+strings.ReplaceAll(spoil, "'", "''")+`', current_database()); END $$`); err != nil {
			t.Fatal(err)
		}
	}
	if found, code := ask(); code != exitFinding || !slices.Equal(found, []string{"synchronous_commit", "default_transaction_isolation"}) {
		t.Errorf("a spoilt database: %v, exit %d", found, code)
	}
}

func TestDoctor_LooksAtTheDirectory(t *testing.T) {
	memory, err := os.MkdirTemp("/dev/shm", "waybill-doctor-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(memory)
	found, err := examineDirectory(filepath.Join(memory, "not", "yet"))
	if err != nil || len(found) != 1 || !strings.Contains(found[0].Finding, "tmpfs") {
		t.Errorf("a directory in memory: %+v, %v", found, err)
	}
	open := t.TempDir()
	if err := os.Chmod(open, 0o777); err != nil {
		t.Fatal(err)
	}
	found, err = examineDirectory(open)
	if err != nil || !slices.ContainsFunc(found, func(a ailment) bool { return strings.HasPrefix(a.Fix, "chmod 700") }) {
		t.Errorf("a directory open to others: %+v, %v", found, err)
	}
}
