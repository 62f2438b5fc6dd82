#!/bin/sh
# Fetches the few files of other projects that the pages use, at fixed versions,
# and checks them against vendor.lock. Run at development time only; what it
# writes is committed.
set -eu

cd "$(dirname "$0")/.."
tower=internal/tower
lock=$tower/web/vendor/vendor.lock
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# fetch NAME VERSION: unpacks the package into $tmp/NAME and checks its bytes.
fetch() {
	dir=$tmp/$(echo "$1" | tr '/@' '__')
	mkdir -p "$dir"
	file=$(cd "$dir" && npm pack --silent "$1@$2")
	sum=$(sha512sum "$dir/$file" | cut -d' ' -f1)
	want=$(awk -v p="$1@$2" '$1 == p { print $2 }' "$lock" 2>/dev/null || true)
	if [ -z "$want" ]; then
		echo "$1@$2 $sum" >>"$lock"
		echo "vendor-assets: $1@$2 is new, its sum was added to $lock; review it" >&2
	elif [ "$want" != "$sum" ]; then
		echo "vendor-assets: $1@$2 does not have the bytes that $lock promises" >&2
		exit 1
	fi
	tar -xzf "$dir/$file" -C "$dir"
	pkg=$dir/package
}

fetch htmx.org 4.0.1
mkdir -p $tower/web/vendor/htmx
cp "$pkg/dist/htmx.min.js" "$pkg/dist/ext/hx-sse.min.js" "$pkg/LICENSE" $tower/web/vendor/htmx/

fetch @fontsource-variable/inter 5.3.0
mkdir -p $tower/web/vendor/inter
cp "$pkg/files/inter-latin-wght-normal.woff2" "$pkg/LICENSE" $tower/web/vendor/inter/

fetch axe-core 4.14.1
mkdir -p $tower/testdata/axe
cp "$pkg/axe.min.js" "$pkg/LICENSE" $tower/testdata/axe/
