#include "amx.h"

#if defined(HBP_X86) && defined(__linux__) && (defined(__clang__) ? __clang_major__ >= 12 : __GNUC__ >= 11)
#define HBP_AMX
#endif

#if !defined(HBP_AMX)

namespace hbp {
bool hasAmx() { return false; }
bool multiplyByAmx(const float*, const float*, float*, int64_t, int64_t, int64_t, bool, bool, int64_t) { return false; }
bool gramByAmx(const float*, float*, int64_t, int64_t, int64_t, bool, int64_t) { return false; }
bool isForAmx(const Convolution&) { return false; }
bool convolveByAmx(const Convolution&, const float*, const float*, const float*, float*, int64_t) { return false; }
bool isCorrelatedByAmx(const Convolution&) { return false; }
bool correlateByAmx(const Convolution&, const float*, const float*, float*, int64_t) { return false; }
bool areSamplesForAmx(const Convolution&, int64_t) { return false; }
bool correlateSamplesByAmx(const Convolution&, const float*, const float*, float*, int64_t, int64_t) { return false; }
}  // namespace hbp

#else

#include <cpuid.h>
#include <immintrin.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstring>
#include <new>

// All that follows may use these instructions, and is called only where they are there. Nothing of it is shared with other
// sources, and it takes nothing inline from the standard library, which the linker might then give to them.
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi2,avx512bf16,amx-tile,amx-bf16"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi2,avx512bf16,amx-tile,amx-bf16")
#endif

#include "amx/convolve.h"
#include "amx/correlate.h"
#include "amx/product.h"

namespace hbp {

bool hasAmx() {
  static const bool has = [] {
    unsigned a, b, c, d;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return false;
    const bool amx = (d >> 22 & 1) && (d >> 24 & 1);
    const bool avx512 = (b >> 16 & 1) && (b >> 17 & 1) && (b >> 30 & 1) && (b >> 31 & 1) && (c >> 6 & 1);
    if (!amx || !avx512 || !__get_cpuid_count(7, 1, &a, &b, &c, &d) || !(a >> 5 & 1)) return false;
    // Linux lends the tiles' registers to processes that ask: ARCH_REQ_XCOMP_PERM for the tiles' data, number 18.
    return syscall(SYS_arch_prctl, 0x1023, 18) == 0;
  }();
  return has;
}

}  // namespace hbp

#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

#endif
