# What the scripts share that get something from Debian's packages for the tests. They say what in $wanted, then source this.

without() {
  echo "No $wanted for the tests: $1"
  exit 0
}

as_root=()
need_apt() {
  command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || without 'this is not Debian or Ubuntu (no apt-get)'
  [ "$(id -u)" != 0 ] || return 0
  sudo -n true 2>/dev/null || without 'it needs root or sudo without a password'
  as_root=(sudo -n)
}

install_packages() {
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"
}

# Runs a command that calls apt-get; a second time with new lists of packages, which may be old or were never fetched.
try_apt() {
  local log
  log=$(mktemp)
  if ! "$@" >"$log" 2>&1; then
    { "${as_root[@]}" apt-get update -qq && "$@"; } >"$log" 2>&1 || without "apt-get: $(grep -m 1 '^E:' "$log" || tail -n 1 "$log")"
  fi
  rm -f "$log"
}
