package postgres

import (
	"context"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// Inspection is what a server says of itself that the promises depend on.
type Inspection struct {
	Version           string
	Fsync             bool
	FullPageWrites    bool
	SynchronousCommit string        // of the role that Waybill connects as, before Waybill corrects it
	Isolation         string        // default_transaction_isolation
	Connections       int           // this role may use, the server's reserve taken off
	Standbys          int           // that follow the server now
	SyncNames         string        // synchronous_standby_names
	TLS               bool          // of this connection
	Local             bool          // this machine: a socket or a loopback address
	Skew              time.Duration // of the server's clock, ahead of this one's
	Replicas          int           // whose lease is running
	Orphans           int           // shards whose owner's lease ran out long ago: their orders stand still
}

const inspect = `
	SELECT
		current_setting('server_version'),
		current_setting('fsync') = 'on',
		current_setting('full_page_writes') = 'on',
		current_setting('synchronous_commit'),
		current_setting('default_transaction_isolation'),
		least(
			current_setting('max_connections')::int8 - current_setting('superuser_reserved_connections')::int8,
			nullif((SELECT rolconnlimit FROM pg_roles WHERE rolname = current_user), -1),
			nullif((SELECT datconnlimit FROM pg_database WHERE datname = current_database()), -1)),
		(SELECT count(*) FROM pg_stat_replication),
		current_setting('synchronous_standby_names'),
		coalesce((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), false)`

// Somebody takes the shards of a replica that died within its lease, and two
// minutes are above any.
const inspectReplicas = `
	SELECT
		(SELECT count(*) FROM replica WHERE expires > clock_timestamp()),
		(SELECT count(*) FROM shard s JOIN replica r ON r.name = s.owner
			WHERE r.expires < clock_timestamp() - interval '2 minutes')`

// Inspect asks the server at url. now is this machine's clock.
func Inspect(ctx context.Context, url string, opts Options, now func() time.Time) (i Inspection, err error) {
	opts.ReadOnly = true
	config, err := configure(url, opts)
	if err != nil {
		return i, err
	}
	conn, err := pgx.ConnectConfig(ctx, config.ConnConfig)
	if err != nil {
		return i, unreachable(config.ConnConfig, err)
	}
	defer conn.Close(ctx) //nolint:errcheck // it only asked
	if err := conn.QueryRow(ctx, inspect).Scan(&i.Version, &i.Fsync, &i.FullPageWrites, &i.SynchronousCommit, &i.Isolation,
		&i.Connections, &i.Standbys, &i.SyncNames, &i.TLS); err != nil {
		return i, fmt.Errorf("ask the server for its settings: %w", err)
	}
	if err := i.inspectReplicas(ctx, conn); err != nil {
		return i, err
	}
	// The time is asked for on its own, so that the answer's way is short.
	var at time.Time
	before := now()
	if err := conn.QueryRow(ctx, `SELECT clock_timestamp()`).Scan(&at); err != nil {
		return i, fmt.Errorf("ask the server for its time: %w", err)
	}
	after := now()
	i.Skew = at.Sub(before.Add(after.Sub(before) / 2))
	i.Local = isLocal(config.ConnConfig.Host)
	return i, nil
}

// inspectReplicas looks who works on the database; nobody where it is new.
func (i *Inspection) inspectReplicas(ctx context.Context, conn *pgx.Conn) error {
	var there bool
	err := conn.QueryRow(ctx, `SELECT to_regclass('replica') IS NOT NULL`).Scan(&there)
	if err == nil && there {
		err = conn.QueryRow(ctx, inspectReplicas).Scan(&i.Replicas, &i.Orphans)
	}
	if err != nil {
		return fmt.Errorf("look who works on the database: %w", err)
	}
	return nil
}

// isLocal reports whether a host is this machine: its bytes cross no network.
func isLocal(host string) bool {
	if strings.HasPrefix(host, "/") || strings.HasPrefix(host, "@") || host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
