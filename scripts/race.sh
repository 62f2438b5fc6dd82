#!/usr/bin/env bash
# Runs the packages where goroutines share state under the race detector. The
# rest is sequential by design, and the detector costs tenfold on two cores.
set -euo pipefail
cd "$(dirname "$0")/.."

packages=()
for dir in internal/lane internal/intake internal/transport internal/store/sqlite internal/engine; do
	if compgen -G "$dir/*_test.go" >/dev/null; then packages+=("./$dir/..."); fi
done
if [ ${#packages[@]} -eq 0 ]; then
	echo "race: no tests in the concurrent packages"
	exit 0
fi
# The longest walks of the engine take one step after the other on one goroutine:
# they run in "make test" without the detector, which has nothing to see there.
CGO_ENABLED=1 exec go test -race -count=1 -timeout 12m \
	-skip '^(TestF01_StockOutlivesTheProcess|TestRebuild_|TestT1_EveryAnswerInEveryClass)' "${packages[@]}"
