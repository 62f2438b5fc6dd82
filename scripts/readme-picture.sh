#!/usr/bin/env bash
# Makes docs/images/order.png: runs a demonstration, waits until an order has
# been invoiced, and takes a picture of its page.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/install-test-deps.sh

out=$(mktemp)
bin/waybill demo --listen 127.0.0.1:0 --seed 12 --faults light >"$out" 2>&1 &
demo=$!
trap 'kill "$demo" 2>/dev/null || true; rm -f "$out"' EXIT

for _ in $(seq 120); do
	url=$(grep -om1 'http://[0-9.:]*' "$out" || true)
	[ -n "$url" ] && break
	sleep 0.5
done
key=$(grep -om1 'key: [^)]*' "$out" | cut -d' ' -f2)
for _ in $(seq 120); do
	order=$(curl -sf "$url/api/v1/orders?status=invoiced&limit=1" -H "Authorization: Bearer $key" |
		grep -om1 '"order":"[^"]*"' | head -1 | cut -d'"' -f4 || true)
	[ -n "$order" ] && break
	sleep 0.5
done
[ -n "${order:-}" ] || { echo "readme-picture: no order was invoiced in time" >&2; exit 1; }
scripts/screenshot.sh "$url/orders/$order"
