#!/usr/bin/env bash
# Reproduces the experiments and figures of arXiv 1902.01813; figures go to ./fig.
set -euo pipefail
cd "$(dirname "$0")"

usage() {
  cat <<'TEXT'
bash reproduce.sh [--quick | --original] [option of `hbp run` ...]

  --quick      every experiment at reduced size, in minutes: fewer epochs, samples and seeds
  --original   draw the recorded runs that ship; trains nothing
  (nothing)    everything at full size. What is done is kept: stop with Ctrl-C, go on with the same command

Further options go to `hbp run`, such as --data-dir DIR, --seeds 0-2, --backend NAME, --jobs N,
--threads N.
TEXT
}

mode=full
case "${1:-}" in
  --quick) mode=quick; shift ;;
  --original) mode=original; shift ;;
  -h | --help) usage; exit 0 ;;
esac

make --no-print-directory build
hbp() { node bin/hbp.js "$@"; }
experiments=$(node -e 'for (const { name } of JSON.parse(process.argv[1])) console.log(name)' "$(hbp list --json)")

# A run that fails is reported and does not keep the figures of the others from being drawn; its code is the last word.
code=0
case $mode in
  original)
    hbp plot --original
    ;;
  quick)
    echo "Quick reproduction: $(echo $experiments) with fewer epochs, samples and seeds (see \`quick\` in experiments/*.yaml)"
    # shellcheck disable=SC2086
    hbp run $experiments --quick --jobs auto "$@" || code=$?
    [ $code -eq 130 ] || hbp plot --quick
    ;;
  full)
    echo 'Full reproduction. To train:'
    # shellcheck disable=SC2086
    hbp run $experiments --jobs auto --dry-run "$@"
    # shellcheck disable=SC2086
    hbp run $experiments --jobs auto "$@" || code=$?
    [ $code -eq 130 ] || hbp plot
    ;;
esac
exit $code
