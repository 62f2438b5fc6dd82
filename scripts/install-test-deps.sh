#!/usr/bin/env bash
# Installs what the tests need and Go does not bring: a browser for the pages
# and a C compiler for the race detector. Does nothing when both are there.
set -euo pipefail

missing=()
[ -x /usr/bin/chromium ] || missing+=(chromium fonts-liberation)
command -v gcc >/dev/null || missing+=(gcc libc6-dev)
[ ${#missing[@]} -gt 0 ] || exit 0

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
