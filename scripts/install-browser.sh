#!/usr/bin/env bash
# Chromium for the tests of the pages: Debian's package. Called by `make test`; where it cannot, it says why and the tests
# of the pages in a browser are left out.
set -euo pipefail

without() {
  echo "No browser for the tests: $1"
  exit 0
}

for name in chromium chromium-browser google-chrome; do
  if command -v "$name" >/dev/null; then exit 0; fi
done
[ -z "${HBP_TEST_CHROMIUM:-}" ] || exit 0
[ "$(uname -s)" = Linux ] || exit 0 # elsewhere the tests look for an installed Chrome
command -v apt-get >/dev/null || without 'this is not Debian or Ubuntu (no apt-get)'

as_root=()
if [ "$(id -u)" != 0 ]; then
  sudo -n true 2>/dev/null || without 'it needs root or sudo without a password'
  as_root=(sudo -n)
fi

echo 'Getting a browser for the tests (chromium) ...'
log=$(mktemp)
trap 'rm -f "$log"' EXIT
get() {
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium
}
if ! get >"$log" 2>&1; then
  # Lists of packages that are old or were never fetched.
  { "${as_root[@]}" apt-get update -qq && get; } >"$log" 2>&1 || without "apt-get: $(grep -m 1 '^E:' "$log" || tail -n 1 "$log")"
fi
