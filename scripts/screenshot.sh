#!/bin/sh
# Makes the picture of the README: scripts/screenshot.sh URL [FILE]
#
# URL is an order's page of a running Waybill, for example one that
# `waybill demo` printed. FILE is docs/images/order.png unless given.
# WIDTH, HEIGHT and SCHEME (light or dark) may be set in the environment.
set -eu

url=${1:?usage: scripts/screenshot.sh URL [FILE]}
cd "$(dirname "$0")/.."
file=${2:-docs/images/order.png}
width=${WIDTH:-1280}
height=${HEIGHT:-1100}
case ${SCHEME:-light} in
light) scheme=1 ;;
dark) scheme=0 ;;
*) echo "screenshot: SCHEME is light or dark" >&2; exit 2 ;;
esac

browser=$(command -v chromium || command -v chromium-browser || command -v google-chrome || true)
if [ -z "$browser" ]; then
	echo "screenshot: no Chromium is installed: run scripts/install-test-deps.sh" >&2
	exit 1
fi

mkdir -p "$(dirname "$file")"
data=$(mktemp -d)
trap 'rm -rf "$data"' EXIT
rm -f "$file"
timeout 60 "$browser" --headless --no-sandbox --disable-gpu --disable-quic --no-first-run \
	--disable-background-networking --disable-component-update --disable-sync --hide-scrollbars \
	--user-data-dir="$data" --force-device-scale-factor=1 --window-size="$width,$height" \
	--blink-settings=preferredColorScheme=$scheme --screenshot="$file" "$url" 2>"$data/log" || {
	cat "$data/log" >&2
	exit 1
}
test -s "$file" || { cat "$data/log" >&2; echo "screenshot: nothing was written to $file" >&2; exit 1; }
echo "$file"
