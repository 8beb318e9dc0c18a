#!/usr/bin/env bash
# The native backend's kernels under AddressSanitizer and UndefinedBehaviorSanitizer: builds the addon with them and runs
# the kernel suite and that of large products on it. Part of the long tests (`npm run test:sanitized`, HBP_KERNEL_CASES
# sets the cases a kernel).
set -euo pipefail
cd "$(dirname "$0")/.."

node scripts/build-native.js --sanitize
compiler=${CXX:-g++}
# Node itself is not built with the sanitizers, so their libraries come first; its own memory is not checked for leaks.
export LD_PRELOAD="$($compiler -print-file-name=libasan.so):$($compiler -print-file-name=libubsan.so)"
export ASAN_OPTIONS=detect_leaks=0:alloc_dealloc_mismatch=0 UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
export HBP_NATIVE_ADDON="$PWD/native/build/hbp-sanitized.node" HBP_TEST_BACKENDS=cpu,native HBP_KERNEL_BACKENDS=native
node --experimental-vm-modules --no-warnings node_modules/jest/bin/jest.js --runInBand test/engine/kernels test/engine/native/amx "$@"
