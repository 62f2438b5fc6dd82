package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/waybillhq/waybill/internal/config"
	"github.com/waybillhq/waybill/internal/store/postgres"
)

// ailment is one thing that breaks a promise, with the promise and the fix.
type ailment struct {
	Setting string `json:"setting"`
	Finding string `json:"finding"`
	Fix     string `json:"fix"`
}

func doctorCommand() *cobra.Command {
	var f fileFlags
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Name settings of the database and the machine that break Waybill's promises",
		Long: "Name settings of the database and the machine that break Waybill's promises, each with its\n" +
			"fix. Exits with 1 where it finds one. It reads only, also while Waybill runs.",
		Example: "  waybill doctor --config waybill.yaml --data data",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, err := f.load()
			if err != nil {
				return err
			}
			var found []ailment
			if cfg.Database.Server() {
				found, err = examineServer(c.Context(), cfg)
			} else {
				found, err = examineDirectory(f.data)
			}
			if err != nil {
				return err
			}
			if err := printAilments(c.OutOrStdout(), found, f.json); err != nil {
				return err
			}
			if len(found) > 0 {
				return errFinding
			}
			return nil
		},
	}
	f.add(c)
	return c
}

func printAilments(out io.Writer, found []ailment, asJSON bool) error {
	if asJSON {
		if found == nil {
			found = []ailment{}
		}
		return printJSON(out, map[string]any{"ok": len(found) == 0, "findings": found})
	}
	if len(found) == 0 {
		_, err := fmt.Fprintln(out, "nothing found that breaks a promise")
		return err
	}
	for _, a := range found {
		if _, err := fmt.Fprintf(out, "%s: %s\n  %s\n", a.Setting, a.Finding, a.Fix); err != nil {
			return err
		}
	}
	return nil
}

func examineServer(ctx context.Context, cfg *config.Config) ([]ailment, error) {
	i, err := postgres.Inspect(ctx, cfg.Database.URL, serverOptions(cfg, "doctor", true), time.Now)
	if err != nil {
		return nil, err
	}
	return diagnose(i), nil
}

const (
	// connectionsMin is what one process uses at most: the writer, the readers,
	// a look-up of a lost answer, a migration.
	connectionsMin = 10
	skewMax        = time.Second
)

// diagnose names what is wrong with a server.
func diagnose(i postgres.Inspection) (found []ailment) {
	add := func(wrong bool, setting, finding, fix string) {
		if wrong {
			found = append(found, ailment{setting, finding, fix})
		}
	}
	add(!i.Fsync, "fsync", "it is off: a crash of the machine can lose or damage everything that was acknowledged",
		"set fsync = on in postgresql.conf and reload the server; check the database, for it may be damaged already")
	add(!i.FullPageWrites, "full_page_writes", "it is off: a crash can leave pages half written, which nothing repairs",
		"set full_page_writes = on in postgresql.conf and reload the server")
	add(i.SynchronousCommit == "off", "synchronous_commit",
		"it is off for this role: a commit returns before it is on disk. Waybill turns it on for its own batches; other writers are not covered",
		"ALTER ROLE or ALTER DATABASE … SET synchronous_commit = on, or set it in postgresql.conf")
	add(i.Standbys > 0 && i.SyncNames == "", "synchronous_standby_names",
		fmt.Sprintf("%d standbys follow the server, and none of them is synchronous: a failover can lose what was acknowledged", i.Standbys),
		"name at least one of them in synchronous_standby_names, such as 'ANY 1 (a, b)'")
	add(i.SyncNames != "" && (i.SynchronousCommit == "local" || i.SynchronousCommit == "remote_write"), "synchronous_commit",
		"it is "+i.SynchronousCommit+": a commit does not wait until a synchronous standby has it on disk, so a failover can lose it",
		"set synchronous_commit = on")
	add(!i.TLS && !i.Local, "sslmode", "the connection crosses a network without TLS: orders, prices and the password can be read and changed on the way",
		"enable ssl on the server and write sslmode=verify-full in database.url")
	add(i.Isolation != "read committed", "default_transaction_isolation",
		"it is "+i.Isolation+": reads outside of Waybill's own transactions would fail or repeat",
		"ALTER ROLE … SET default_transaction_isolation = 'read committed'")
	many := max(i.Replicas, 1)
	add(i.Connections < connectionsMin*many, "max_connections",
		fmt.Sprintf("this role may open %d connections, and one Waybill uses up to %d; %d share the database", i.Connections, connectionsMin, many),
		"raise max_connections, or the role's or database's CONNECTION LIMIT")
	add(i.Skew.Abs() > skewMax, "clock", fmt.Sprintf("the server's clock differs from this machine's by %s: due times and leases are judged by both", i.Skew.Round(time.Millisecond)),
		"run an NTP client on both machines")
	add(i.Orphans > 0, "replicas", fmt.Sprintf("%d of 1,024 shards belong to a replica that has been silent for minutes, and nobody took them: their orders stand still", i.Orphans),
		"start waybill serve; where one runs, its log says why it does not take over")
	return found
}

// File systems on which SQLite's log is not safe, by their magic number
// (statfs(2)): locks or syncs of a network's are not what they say, and what is
// kept in memory does not outlive it.
var unsafeFiles = map[int64]string{
	0x6969: "nfs", 0x517b: "smb", 0xff534d42: "cifs", 0xfe534d42: "smb2", 0x01021997: "9p",
	0x00c36400: "ceph", 0x01021994: "tmpfs", 0x858458f6: "ramfs",
}

// examineDirectory looks at the embedded database's place.
func examineDirectory(data string) (found []ailment, err error) {
	dir := data
	for { // where there is no directory yet, the one it will be made in
		if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) || dir == filepath.Dir(dir) {
			break
		}
		dir = filepath.Dir(dir)
	}
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		return nil, fmt.Errorf("look at the file system of %s: %w", data, err)
	}
	if name, unsafe := unsafeFiles[int64(st.Type)]; unsafe { //nolint:unconvert // its type differs between systems
		found = append(found, ailment{"data", fmt.Sprintf("%s is on %s: what is acknowledged does not survive a crash of the machine, or two machines may write at once", data, name),
			"name a directory on a local disk with --data, or use PostgreSQL"})
	}
	if info, err := os.Stat(data); err == nil && info.Mode().Perm()&0o022 != 0 {
		found = append(found, ailment{"data", fmt.Sprintf("%s is writable by others (mode %04o)", data, info.Mode().Perm()), "chmod 700 " + data})
	}
	return found, nil
}
