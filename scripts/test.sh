#!/usr/bin/env bash
# What CI runs, in phases. A failing phase does not hide the later ones; the
# summary names them all, and one failure fails the whole.
set -uo pipefail
cd "$(dirname "$0")/.."
export CGO_ENABLED=0

failed=() summary=()
phase() { # NAME COMMAND...
	local name=$1 begin=$SECONDS verdict=ok
	shift
	printf '\n== %s\n' "$name"
	"$@" </dev/null || { verdict=FAILED failed+=("$name"); }
	summary+=("$(printf '%-12s %-6s %4d s' "$name" "$verdict" $((SECONDS - begin)))")
}

format() {
	local files
	files=$(gofmt -l .) || return
	[ -z "$files" ] || { printf 'not formatted (make fmt):\n%s\n' "$files"; return 1; }
}

# The benchmark's module is vetted where its modules are at hand; CI does not
# download what only a comparison needs.
bench() (
	cd bench || exit
	if GOPROXY=off go mod download github.com/riverqueue/river github.com/dbos-inc/dbos-transact-golang github.com/nats-io/nats-server/v2 2>/dev/null; then
		go vet ./...
	else
		echo "bench: its modules are not in the cache, so it was not vetted; run make bench-peers once"
	fi
)

phase install scripts/install-test-deps.sh
phase format format
phase vet go vet ./...
phase bench bench
phase test go test -count=1 -timeout 10m ./...
phase postgres scripts/postgres.sh with go test -count=1 -timeout 10m ./test/contract
phase counterparts scripts/counterparts.sh
phase race scripts/race.sh
phase lint go tool -modfile=tools/go.mod golangci-lint run ./...
phase vuln scripts/vuln.sh

printf '\n== summary (%d s)\n' "$SECONDS"
printf '%s\n' "${summary[@]}"
if [ ${#failed[@]} -gt 0 ]; then
	printf 'FAILED: %s\n' "${failed[*]}"
	exit 1
fi
echo "all passed"
