#!/bin/bash
# Tryton 6.0 (Debian 12 packages) as a real ERP for connector tests.
#   tryton.sh install              install the packages (root, apt)
#   tryton.sh seed                 build the cached, seeded database if it is missing
#   tryton.sh start DIR PORT       start on 127.0.0.1:PORT, print one JSON line when ready
#   tryton.sh stop DIR             stop what start began (DIR/erp.sqlite stays)
#   tryton.sh reset DIR            stop; the next start begins from the seeded state
#                                 (also removes a Postgres cluster; call it at the end of a test)
#   tryton.sh status DIR           print the JSON line again, exit 1 when not running
# Exit codes: 0 fine, 2 usage, 3 cannot run here (a test fails), 1 failed.
# Environment: WAYBILL_TRYTON_CACHE (folder of the seeded database),
#   WAYBILL_TRYTON_NOINSTALL=1 (never call apt), WAYBILL_TRYTON_WORKER=1 (queue
#   processed by a trytond-worker instead of in the request; postgres only),
#   WAYBILL_TRYTON_SESSION=seconds (idle time of a session, default 3600),
#   WAYBILL_TRYTON_BACKEND=sqlite|postgres (default sqlite: seconds, but no locking and no
#   foreign keys; use postgres for tests of races. Chosen at the first start of a DIR).
# Only stdout of start/status carries JSON; everything else goes to stderr or DIR/*.log.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
py=/usr/bin/python3                  # Debian's python; a pyenv/venv one lacks the modules
db=erp
admin_pw='Admin-Test-1'
user=waybill
user_pw='Waybill-Test-1'
pkgs=(tryton-server tryton-proteus tryton-modules-sale tryton-modules-sale-credit-limit
  tryton-modules-account-credit-limit tryton-modules-stock-package-shipping
  tryton-modules-sale-shipment-cost tryton-modules-sale-price-list
  tryton-modules-sale-product-customer tryton-modules-stock-lot tryton-modules-sale-amendment
  tryton-modules-sale-shipment-grouping tryton-modules-product-measurements)
extras=(python3-psycopg2 curl)      # only added when missing, not part of the cache key
modules=(party company currency country product account account_invoice account_product
  account_credit_limit account_invoice_stock sale sale_credit_limit
  sale_price_list sale_product_customer sale_shipment_cost sale_shipment_grouping
  sale_amendment stock stock_lot stock_package stock_package_shipping product_price_list
  product_measurements stock_shipment_measurements carrier)

say() { echo "tryton: $*" >&2; }
unable() { say "$*"; exit 3; }

installed() { [ -x /usr/bin/trytond ] && have "${pkgs[@]}" "${extras[@]}"; }
have() { dpkg-query -W -f='${db:Status-Status}\n' "$@" 2>/dev/null | awk -v n=$# '$1!="installed"{b=1} END{exit b||NR<n}'; }

install() {
  installed && return 0
  [ "${WAYBILL_TRYTON_NOINSTALL:-}" = 1 ] && unable "packages missing and installing is switched off"
  [ "$(id -u)" = 0 ] || unable "packages missing and not root"
  command -v apt-get >/dev/null || unable "no apt-get here"
  export DEBIAN_FRONTEND=noninteractive
  local p want=("${pkgs[@]}")
  for p in "${extras[@]}"; do have "$p" || want+=("$p"); done
  local o=(-qq -o DPkg::Lock::Timeout=600 -o Dpkg::Use-Pty=0)
  if ! apt-get "${o[@]}" install -y --no-install-recommends "${want[@]}" >&2; then
    apt-get "${o[@]}" update >&2 || unable "apt-get update failed"
    apt-get "${o[@]}" install -y --no-install-recommends "${want[@]}" >&2 || unable "apt-get install failed"
  fi
  installed || unable "packages still missing after installing"
}

cache_dir() { echo "${WAYBILL_TRYTON_CACHE:-${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/waybill-tryton}"; }
cache_key() {
  { cat "$here/seed.py"; dpkg-query -W -f='${Package}=${Version}\n' "${pkgs[@]}"; echo "${modules[*]}" "${SEED_PRODUCTS:-}"; date +%Y; } | sha256sum | cut -c1-16
}

# --- private Postgres, only for WAYBILL_TRYTON_BACKEND=postgres. postgres refuses to run
# as root, and a test's temporary folder is closed to others, so its data lives under
# /var/tmp and belongs to an unprivileged account.
pgbin() { local b; b=$(command -v initdb 2>/dev/null) && { dirname "$b"; return; }; b=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -1); [ -x "$b/initdb" ] && echo "$b" || unable "no postgres server binaries"; }
pguser() { if [ "$(id -u)" != 0 ]; then id -un; elif id tryton >/dev/null 2>&1; then echo tryton; else echo nobody; fi; }
aspg() {  # run as the account that owns the cluster
  if [ "$(id -u)" != 0 ]; then "$@"; else (cd / && setpriv --reuid="$(pguser)" --regid="$(id -g "$(pguser)")" --clear-groups env -u HOME PATH="$(pgbin):$PATH" "$@"); fi
}
freeport() { "$py" -c 'import socket; s=socket.socket(); s.bind(("127.0.0.1",0)); print(s.getsockname()[1])'; }
pgstart() {  # pgstart ROOT PORT
  aspg "$(pgbin)/pg_ctl" -D "$1/data" -w -t 60 -l "$1/log" -o "-p $2 -c listen_addresses=127.0.0.1 -c unix_socket_directories=$1 -c fsync=off -c synchronous_commit=off -c full_page_writes=off -c max_connections=40 -c shared_buffers=64MB" start >/dev/null 9>&-
}
pgstop() { aspg "$(pgbin)/pg_ctl" -D "$1/data" -m fast -w -t 30 stop >/dev/null 2>&1 || true; }
pgroot() { mkdir -p /var/tmp && mktemp -d /var/tmp/waybill-tryton-pg.XXXXXX; }

seedpg() {  # leaves CACHE/KEY.pgdata.tar and CACHE/KEY.pg.json; prints CACHE/KEY
  local c k t r port; c=$(cache_dir); mkdir -p "$c"; k=$c/$(cache_key)
  exec 9>"$c/.lock"; flock 9
  if [ ! -s "$k.pgdata.tar" ] || [ ! -s "$k.pg.json" ]; then
    say "building the seeded Postgres cluster (one to four minutes, once)"
    t=$(mktemp -d "$c/build.XXXXXX"); r=$(pgroot); port=$(freeport)
    trap 'pgstop "$r"; rm -rf "$t" "$r"' EXIT; trap 'exit 143' TERM INT
    [ "$(id -u)" = 0 ] && chown "$(pguser)" "$r"
    conf "$t" 8000 "postgresql://tryton@127.0.0.1:$port/" >"$t/trytond.conf"; (umask 077; echo "$admin_pw" >"$t/pw")
    {
      aspg "$(pgbin)/initdb" -D "$r/data" -U tryton -A trust -E UTF8 --locale=C --no-sync >/dev/null && pgstart "$r" "$port" &&
      "$py" -c 'import psycopg2,sys; c=psycopg2.connect("postgresql://tryton@127.0.0.1:%s/postgres"%sys.argv[1]); c.autocommit=True; c.cursor().execute("create database '$db'")' "$port" &&
      TRYTONPASSFILE=$t/pw "$py" -W ignore /usr/bin/trytond-admin -c "$t/trytond.conf" -d $db \
        -u "${modules[@]}" --activate-dependencies -p --email admin@example.test &&
      "$py" -W ignore "$here/seed.py" "$t/trytond.conf" $db >"$t/seed.json"
    } >&2 2>"$t/log" || { tail -20 "$t/log" >&2; pgstop "$r"; rm -rf "$t" "$r"; return 1; }
    pgstop "$r"; tar -C "$r" -cf "$t/d.tar" data
    mv "$t/d.tar" "$k.pgdata.tar"; mv "$t/seed.json" "$k.pg.json"; rm -rf "$t" "$r"; trap - EXIT TERM INT
  fi
  exec 9>&-
  echo "$k"
}

conf() {  # conf FOLDER-OF-DB PORT [URI]
  cat <<C
[web]
listen = 127.0.0.1:$2
root = /nonexistent
[database]
uri = ${3:-sqlite://}
path = $1
[session]
max_age = 2592000
timeout = ${WAYBILL_TRYTON_SESSION:-3600}
[queue]
worker = $([ "${WAYBILL_TRYTON_WORKER:-}" = 1 ] && echo True || echo False)
C
}

seed() {  # leaves CACHE/KEY.sqlite and CACHE/KEY.json; prints CACHE/KEY
  local c k t; c=$(cache_dir); mkdir -p "$c"; k=$c/$(cache_key)
  exec 9>"$c/.lock"; flock 9
  if [ ! -s "$k.sqlite" ] || [ ! -s "$k.json" ]; then
    say "building the seeded database (about a minute, once)"
    t=$(mktemp -d "$c/build.XXXXXX")
    conf "$t" 8000 >"$t/trytond.conf"; : >"$t/$db.sqlite"; (umask 077; echo "$admin_pw" >"$t/pw")
    {
      TRYTONPASSFILE=$t/pw "$py" -W ignore /usr/bin/trytond-admin -c "$t/trytond.conf" -d $db \
        -u "${modules[@]}" --activate-dependencies -p --email admin@example.test &&
      "$py" -W ignore "$here/seed.py" "$t/trytond.conf" $db >"$t/seed.json"
    } >&2 2>"$t/log" || { tail -20 "$t/log" >&2; rm -rf "$t"; return 1; }
    mv "$t/seed.json" "$k.json"; mv "$t/$db.sqlite" "$k.sqlite"; rm -rf "$t"
  fi
  exec 9>&-
  echo "$k"
}

alive() { local p; p=$(cat "$1/pid" 2>/dev/null) && [ -n "$p" ] && kill -0 "$p" 2>/dev/null && tr '\0' ' ' <"/proc/$p/cmdline" | grep -q "$1/trytond.conf"; }

rpc() { curl -sS --noproxy '*' -m 60 -H 'Content-Type: application/json' "$@"; }

start() {
  local d p port k
  [ $# = 2 ] || { say "start DIR PORT"; exit 2; }
  mkdir -p "$1"; d=$(cd "$1" && pwd); port=$2
  if alive "$d"; then
    [ "$(cat "$d/port")" = "$port" ] || { say "already running in $d on port $(cat "$d/port")"; exit 1; }
    cat "$d/ready.json"; return 0
  fi
  install
  local r pgport
  if [ -s "$d/pgroot" ] || { [ ! -s "$d/$db.sqlite" ] && [ "${WAYBILL_TRYTON_BACKEND:-sqlite}" = postgres ]; }; then
    if [ ! -s "$d/pgroot" ] || [ ! -d "$(cat "$d/pgroot")/data" ]; then
      k=$(seedpg) || { say "seeding failed"; exit 1; }
      r=$(pgroot); tar -C "$r" -xpf "$k.pgdata.tar"
      [ "$(id -u)" = 0 ] && chown -R "$(pguser)" "$r"
      echo "$r" >"$d/pgroot"; cp "$k.pg.json" "$d/seed.json"
    fi
    r=$(cat "$d/pgroot"); pgstop "$r"; pgport=$(freeport)
    pgstart "$r" "$pgport" || { tail -20 "$r/log" >&2; say "postgres did not start"; exit 1; }
    conf "$d" "$port" "postgresql://tryton@127.0.0.1:$pgport/" >"$d/trytond.conf"
  else
    if [ ! -s "$d/$db.sqlite" ]; then
      k=$(seed) || { say "seeding failed"; exit 1; }
      cp "$k.sqlite" "$d/$db.sqlite"; cp "$k.json" "$d/seed.json"
    fi
    conf "$d" "$port" >"$d/trytond.conf"
  fi
  echo "$port" >"$d/port"; rm -f "$d/ready.json"
  if "$py" - "$port" <<'P'
import socket, sys
s = socket.socket()
s.settimeout(1)
sys.exit(0 if s.connect_ex(('127.0.0.1', int(sys.argv[1]))) == 0 else 1)
P
  then say "port $port is taken"; exit 1; fi
  # 9>&- : the server must not inherit the seed lock
  (cd "$d" && exec setsid "$py" -W ignore /usr/bin/trytond -c "$d/trytond.conf" -d $db >>"$d/trytond.log" 2>&1 </dev/null 9>&-) &
  echo $! >"$d/pid"; p=$!
  local i ok=
  for i in $(seq 1 600); do
    kill -0 "$p" 2>/dev/null || { tail -20 "$d/trytond.log" >&2; rm -f "$d/pid"; say "trytond ended"; exit 1; }
    if rpc -o /dev/null "http://127.0.0.1:$port/" -d '{"id":0,"method":"common.server.version","params":[]}' 2>/dev/null &&
       rpc "http://127.0.0.1:$port/$db/" -d '{"id":0,"method":"common.db.login","params":["'$user'",{"password":"'$user_pw'"}]}' 2>/dev/null | grep -q '"result":\['; then ok=1; break; fi
    sleep 0.1
  done
  [ -n "$ok" ] || { tail -20 "$d/trytond.log" >&2; kill "$p"; say "not ready in 60 s"; exit 1; }
  if [ "${WAYBILL_TRYTON_WORKER:-}" = 1 ]; then
    [ -s "$d/pgroot" ] || say "warning: the worker does not work on sqlite, use WAYBILL_TRYTON_BACKEND=postgres"
    (cd "$d" && exec setsid "$py" -W ignore /usr/bin/trytond-worker -c "$d/trytond.conf" -d $db -n 1 -t 2 >>"$d/worker.log" 2>&1 </dev/null 9>&-) &
    echo $! >"$d/worker.pid"
  fi
  printf '{"url":"http://127.0.0.1:%s/%s/","db":"%s","user":"%s","password":"%s","super_user":"waybill_super","admin_user":"admin","admin_password":"%s","pid":%s,"seed":"%s/seed.json","version":"%s"}\n' \
    "$port" $db $db $user "$user_pw" "$admin_pw" "$p" "$d" "$(dpkg-query -W -f='${Version}' tryton-server)" | tee "$d/ready.json"
}

stop() {
  local d p i f; [ $# = 1 ] || { say "stop DIR"; exit 2; }
  [ -d "$1" ] || return 0
  d=$(cd "$1" && pwd)
  for f in worker.pid pid; do
    p=$(cat "$d/$f" 2>/dev/null) || continue
    if [ -n "$p" ] && kill -0 "$p" 2>/dev/null && tr '\0' ' ' <"/proc/$p/cmdline" | grep -q "$d/trytond.conf"; then
      kill "$p" 2>/dev/null || true
      for i in $(seq 1 50); do kill -0 "$p" 2>/dev/null || break; sleep 0.1; done
      kill -9 "$p" 2>/dev/null || true
    fi
    rm -f "$d/$f"
  done
  if [ -s "$d/pgroot" ]; then pgstop "$(cat "$d/pgroot")"; fi
  rm -f "$d/ready.json"
}

reset() {  # the next start begins from the seeded state
  local r; [ $# = 1 ] || { say "reset DIR"; exit 2; }
  stop "$1"
  [ -d "$1" ] || return 0
  if [ -s "$1/pgroot" ]; then r=$(cat "$1/pgroot"); case "$r" in /var/tmp/waybill-tryton-pg.*) rm -rf "$r" ;; esac; fi
  rm -f "$1/pgroot" "$1/$db.sqlite" "$1/$db.sqlite-journal" "$1/seed.json"
}

case "${1:-}" in
  install) install ;;
  seed) install; seed ;;
  start) shift; start "$@" ;;
  stop) shift; stop "$@" ;;
  reset) shift; reset "$@" ;;
  status) [ $# = 2 ] || exit 2; d=$(cd "$2" 2>/dev/null && pwd) || exit 1; alive "$d" && cat "$d/ready.json" ;;
  *) sed -n 2,20p "$0" >&2; exit 2 ;;
esac
