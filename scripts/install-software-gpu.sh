#!/usr/bin/env bash
# A GPU in software for the tests of the webgpu backend: Vulkan's loader, and SwiftShader out of Debian's package of
# Chromium, which is not installed. Called by `make test`; where it cannot, it says why and the tests do without.
set -euo pipefail
cd "$(dirname "$0")/.."

folder=$PWD/node_modules/.cache/swiftshader
library=libvk_swiftshader.so

wanted='software GPU'
. scripts/apt.sh

[ "$(uname -s)" = Linux ] || exit 0 # elsewhere the system has its own graphics interface
if [ -s "$folder/$library" ] && [ -s "$folder/icd.json" ] && ldconfig -p | grep -q 'libvulkan\.so\.1'; then exit 0; fi
need_apt

echo 'Getting a software GPU for the tests (libvulkan1, SwiftShader out of chromium-common) ...'
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# apt-get downloads as a user of its own where it can.
chmod 755 "$work"
get() {
  install_packages libvulkan1 &&
    (cd "$work" && apt-get download -qq -o APT::Sandbox::User="$(id -un)" chromium-common)
}
try_apt get

mkdir -p "$folder"
dpkg-deb --fsys-tarfile "$work"/chromium-common_*.deb 2>/dev/null | tar -xO "./usr/lib/chromium/$library" >"$work/$library" 2>/dev/null &&
  [ -s "$work/$library" ] || without "the package chromium-common of this distribution has no $library"
mv "$work/$library" "$folder/$library"
printf '{"file_format_version":"1.0.0","ICD":{"library_path":"%s","api_version":"1.0.5"}}\n' "$folder/$library" >"$folder/icd.json"
