#!/bin/bash
# Tests against real counterparts: systems that nobody of this project wrote.
# Each is installed where it is missing (Debian's packages need root) and the
# run fails where it can't be: nothing is skipped.
#   scripts/counterparts.sh            all of them
#   scripts/counterparts.sh tryton     one
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

tryton() {
  bash test/counterparts/tryton/tryton.sh seed >/dev/null
  go test -tags counterparts -count=1 ./connector/tryton/
  # SQLite has no row locks and PostgreSQL commits out of order: races are run on both.
  WAYBILL_TRYTON_BACKEND=postgres go test -tags counterparts -count=1 -run FourWorkers ./connector/tryton/
}

case "${1:-all}" in
  tryton) tryton ;;
  all) tryton ;;
  *) sed -n 2,7p "$0" >&2; exit 2 ;;
esac
