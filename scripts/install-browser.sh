#!/usr/bin/env bash
# Chromium for the tests of the pages: Debian's package. Called by `make test`; where it cannot, it says why and the tests
# of the pages in a browser are left out.
set -euo pipefail
cd "$(dirname "$0")/.."
wanted=browser
. scripts/apt.sh

for name in chromium chromium-browser google-chrome; do
  if command -v "$name" >/dev/null; then exit 0; fi
done
[ -z "${HBP_TEST_CHROMIUM:-}" ] || exit 0
[ "$(uname -s)" = Linux ] || exit 0 # elsewhere the tests look for an installed Chrome
need_apt

echo 'Getting a browser for the tests (chromium) ...'
try_apt install_packages chromium
