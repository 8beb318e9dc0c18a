#!/usr/bin/env bash
# Gets what the native backend is built from, where that needs no password, and builds it. Never fails: without it hbp
# runs on WebAssembly, several times slower, and `hbp doctor` says why. HBP_NATIVE=0 leaves it out.
set -uo pipefail
cd "$(dirname "$0")/.."

if [ "${HBP_NATIVE:-1}" = 0 ]; then
  echo 'HBP_NATIVE=0: the native backend is left out'
  exit 0
fi

has_header() {
  local prefix
  for prefix in /usr /usr/local /opt/homebrew "${CONDA_PREFIX:-}" "${DNNL_ROOT:-}"; do
    [ -n "$prefix" ] && [ -f "$prefix/include/oneapi/dnnl/dnnl.hpp" ] && return 0
  done
  return 1
}

missing=()
command -v c++ >/dev/null || command -v g++ >/dev/null || missing+=('a C++ compiler')
command -v make >/dev/null || missing+=(make)
command -v python3 >/dev/null || missing+=(python3)
has_header || missing+=(oneDNN)
[ "$(uname)" = Darwin ] || ldconfig -p 2>/dev/null | grep -qE 'libopenblas\.so\.0|liblapack\.so\.3' || missing+=(OpenBLAS)

apt_packages=(g++ make python3 libdnnl-dev libopenblas0-pthread)
if [ ${#missing[@]} -gt 0 ]; then
  absent=$(printf '%s, ' "${missing[@]}")
  absent=${absent%, }
  as_root=()
  [ "$(id -u)" = 0 ] || as_root=(sudo -n)
  if command -v apt-get >/dev/null && "${as_root[@]}" true 2>/dev/null; then
    echo "The native backend needs ${absent}: installing ${apt_packages[*]} with apt-get ..."
    log=$(mktemp)
    {
      "${as_root[@]}" apt-get update -qq &&
        DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq --no-install-recommends "${apt_packages[@]}"
    } >"$log" 2>&1 || tail -n 2 "$log" >&2
    rm -f "$log"
  else
    echo "The native backend, the fastest on CPUs, needs ${absent}. To get it, type one of these and then \`make native\`:"
    echo "  sudo apt install ${apt_packages[*]}    # Debian, Ubuntu"
    echo '  sudo dnf install gcc-c++ make python3 onednn-devel openblas    # Fedora'
    echo '  brew install onednn openblas libomp    # macOS'
    echo '  conda install -c conda-forge cxx-compiler make onednn openblas    # conda'
  fi
fi

node scripts/build-native.js "$@" || echo 'hbp goes on with WebAssembly, several times slower; `hbp doctor` shows what works'
exit 0
