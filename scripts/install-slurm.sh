#!/usr/bin/env bash
# Slurm for `npm run test:slurm`: Debian's packages, without starting their services. Where it cannot, it says why and that
# test leaves itself out.
set -euo pipefail
cd "$(dirname "$0")/.."
wanted=Slurm
. scripts/apt.sh

missing=()
for name in slurmctld slurmd munged; do
  PATH=$PATH:/usr/sbin command -v "$name" >/dev/null || missing+=("$name")
done
[ ${#missing[@]} -gt 0 ] || exit 0
[ "$(uname -s)" = Linux ] || without 'this is not Linux'
need_apt

echo 'Getting Slurm for the tests (slurm-wlm, munge) ...'
try_apt install_packages slurm-wlm munge
