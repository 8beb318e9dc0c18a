#!/usr/bin/env bash
# A GPU in software for the tests of the webgpu backend: Vulkan's loader, and SwiftShader out of Debian's package of
# Chromium, which is not installed. Called by `make test`; where it cannot, it says why and the tests do without.
set -euo pipefail
cd "$(dirname "$0")/.."

folder=$PWD/node_modules/.cache/swiftshader
library=libvk_swiftshader.so

without() {
  echo "No software GPU for the tests: $1"
  exit 0
}

[ "$(uname -s)" = Linux ] || exit 0 # elsewhere the system has its own graphics interface
if [ -s "$folder/$library" ] && [ -s "$folder/icd.json" ] && ldconfig -p | grep -q 'libvulkan\.so\.1'; then exit 0; fi
command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || without 'this is not Debian or Ubuntu (no apt-get)'

as_root=()
if [ "$(id -u)" != 0 ]; then
  sudo -n true 2>/dev/null || without 'it needs root or sudo without a password'
  as_root=(sudo -n)
fi

echo 'Getting a software GPU for the tests (libvulkan1, SwiftShader out of chromium-common) ...'
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# apt-get downloads as a user of its own where it can.
chmod 755 "$work"
get() {
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends libvulkan1 &&
    (cd "$work" && apt-get download -qq -o APT::Sandbox::User="$(id -un)" chromium-common)
}
if ! get >"$work/log" 2>&1; then
  # Lists of packages that are old or were never fetched.
  { "${as_root[@]}" apt-get update -qq && get; } >"$work/log" 2>&1 || without "apt-get: $(grep -m 1 '^E:' "$work/log" || tail -n 1 "$work/log")"
fi

mkdir -p "$folder"
dpkg-deb --fsys-tarfile "$work"/chromium-common_*.deb 2>/dev/null | tar -xO "./usr/lib/chromium/$library" >"$work/$library" 2>/dev/null &&
  [ -s "$work/$library" ] || without "the package chromium-common of this distribution has no $library"
mv "$work/$library" "$folder/$library"
printf '{"file_format_version":"1.0.0","ICD":{"library_path":"%s","api_version":"1.0.5"}}\n' "$folder/$library" >"$folder/icd.json"
