#!/usr/bin/env bash
# A throw-away PostgreSQL for tests, in one directory and on a Unix socket in
# it: no port, no password, nothing of the system's own server is touched.
#
#   scripts/postgres.sh start DIR        make the cluster if there is none, start
#                                        it and print its URL
#   scripts/postgres.sh stop DIR [MODE]  smart, fast or immediate (fast)
#   scripts/postgres.sh with COMMAND…    run the command with the URL of a server of
#                                        its own in WAYBILL_TEST_DATABASE
#   scripts/postgres.sh guard DIR        wait until standard input ends, then stop
#                                        the server and delete DIR: whoever holds
#                                        the other end may die as it likes
#
# PostgreSQL refuses to run as root; there it runs as the user postgres.
set -euo pipefail

usage='usage: scripts/postgres.sh start|stop|guard DIR, or with COMMAND'
verb=${1:?$usage} dir=${2:?$usage}
bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -1)
[ -n "$bin" ] || bin=$(dirname "$(command -v pg_ctl || echo /pg_ctl)")
if [ ! -x "$bin/pg_ctl" ]; then
	echo "postgres: no PostgreSQL server is installed: run scripts/install-test-deps.sh" >&2
	exit 1
fi

as() { # runs the rest as the one who owns the server
	if [ "$(id -u)" -eq 0 ]; then
		setpriv --reuid=postgres --regid=postgres --init-groups -- "$@"
	else
		"$@"
	fi
}

start() {
	if [ ! -f "$dir/data/PG_VERSION" ]; then
		mkdir -p "$dir"
		[ "$(id -u)" -ne 0 ] || chown postgres: "$dir"
		# The name of a Unix socket must be short, so DIR must be.
		[ ${#dir} -le 80 ] || { echo "postgres: $dir is too long for a socket's name" >&2; exit 1; }
		as "$bin/initdb" -D "$dir/data" -U waybill -A trust -E UTF8 --locale=C --no-sync >"$dir/initdb.log" 2>&1 ||
			{ cat "$dir/initdb.log" >&2; exit 1; }
		# Durability is on, as in production: tests kill this server.
		as tee -a "$dir/data/postgresql.conf" >/dev/null <<-CONF
			listen_addresses = ''
			unix_socket_directories = '$dir'
			max_connections = 200
			shared_buffers = 256MB
			max_wal_size = 2GB
			log_min_messages = warning
		CONF
	fi
	(cd / && as "$bin/pg_ctl" -D "$dir/data" -l "$dir/log" -w -t 60 start >/dev/null) || { cat "$dir/log" >&2; exit 1; }
	echo "postgres:///postgres?host=$dir&user=waybill"
}

case $verb in
start) start ;;
stop) (cd / && as "$bin/pg_ctl" -D "$dir/data" -w -m "${3:-fast}" stop >/dev/null) ;;
guard)
	cat >/dev/null || true
	(cd / && as "$bin/pg_ctl" -D "$dir/data" -w -m immediate stop >/dev/null 2>&1) || true
	rm -rf "$dir"
	;;
with)
	shift
	dir=$(mktemp -d /tmp/waybill-pg-XXXXXX)
	trap '"$0" guard "$dir" </dev/null' EXIT
	WAYBILL_TEST_DATABASE=$(start)
	export WAYBILL_TEST_DATABASE
	"$@"
	;;
*) echo "postgres: unknown verb $verb" >&2; exit 2 ;;
esac
