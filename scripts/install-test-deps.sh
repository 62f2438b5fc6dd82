#!/usr/bin/env bash
# Installs what the tests need and Go does not bring: a browser for the pages,
# an SFTP server for files, Node for foreign readers of EDI, PostgreSQL, a C compiler for the race detector.
# Does nothing when they are there.
set -euo pipefail

missing=()
[ -x /usr/bin/chromium ] || missing+=(chromium fonts-liberation)
[ -x /usr/sbin/sshd ] || missing+=(openssh-server)
command -v node >/dev/null || missing+=(nodejs npm)
compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null && command -v psql >/dev/null || missing+=(postgresql)
command -v gcc >/dev/null || missing+=(gcc libc6-dev)

peers() { # a reader of X12 by others, which has to take what we write
	local dir
	dir=$(dirname "$0")/../test/edi
	[ -d "$dir/node_modules/node-x12" ] || npm ci --prefix "$dir" --no-audit --no-fund --silent
}
[ ${#missing[@]} -gt 0 ] || { peers; exit 0; }

if ! command -v apt-get >/dev/null; then
	echo "install-test-deps: ${missing[*]} missing, and this machine has no apt-get: install them by hand (the browser as /usr/bin/chromium)." >&2
	exit 1
fi
root=()
if [ "$(id -u)" -ne 0 ]; then
	command -v sudo >/dev/null || {
		echo "install-test-deps: ${missing[*]} missing: run as root, or install sudo: apt-get install ${missing[*]}" >&2
		exit 1
	}
	root=(sudo)
fi

echo "install-test-deps: installing ${missing[*]}"
apt() { # noise only when it fails; waits for a neighbour that holds the lock
	local log
	log=$(mktemp)
	"${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 "$@" >"$log" 2>&1 </dev/null || {
		cat "$log" >&2
		echo "install-test-deps: apt-get $1 failed; its words are above." >&2
		return 1
	}
	rm -f "$log"
}
apt update
apt install -y --no-install-recommends "${missing[@]}"
peers
