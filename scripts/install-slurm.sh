#!/usr/bin/env bash
# Slurm for `npm run test:slurm`: Debian's packages, without starting their services. Where it cannot, it says why and that
# test leaves itself out.
set -euo pipefail

without() {
  echo "No Slurm for the tests: $1"
  exit 0
}

missing=()
for name in slurmctld slurmd munged; do
  PATH=$PATH:/usr/sbin command -v "$name" >/dev/null || missing+=("$name")
done
[ ${#missing[@]} -gt 0 ] || exit 0
[ "$(uname -s)" = Linux ] || without 'this is not Linux'
command -v apt-get >/dev/null || without 'this is not Debian or Ubuntu (no apt-get)'

as_root=()
if [ "$(id -u)" != 0 ]; then
  sudo -n true 2>/dev/null || without 'it needs root or sudo without a password'
  as_root=(sudo -n)
fi

echo 'Getting Slurm for the tests (slurm-wlm, munge) ...'
log=$(mktemp)
trap 'rm -f "$log"' EXIT
get() {
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends slurm-wlm munge
}
if ! get >"$log" 2>&1; then
  # Lists of packages that are old or were never fetched.
  { "${as_root[@]}" apt-get update -qq && get; } >"$log" 2>&1 || without "apt-get: $(grep -m 1 '^E:' "$log" || tail -n 1 "$log")"
fi
