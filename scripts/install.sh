#!/usr/bin/env bash
# Installs exactly what package-lock.json names. Called by make when that has not been done yet.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
  echo 'hbp needs Node.js 20 or newer with npm (https://nodejs.org, or apt install nodejs npm, dnf install nodejs, brew install node)' >&2
  exit 1
fi
if ! node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)'; then
  echo "hbp needs Node.js 20 or newer, this is $(node --version)" >&2
  exit 1
fi

echo 'Installing the packages of package-lock.json ...'
npm ci --no-audit --no-fund --loglevel=error
touch node_modules/.installed
