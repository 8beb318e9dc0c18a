// Products of float32 matrices on Intel's matrix unit (AMX), which multiplies bfloat16.
#pragma once
#include <cstdint>

namespace hbp {

/** Whether the compiler, the processor and the system have it. The others of these are called only where it is so. */
bool hasAmx();

/**
 * c [m, n] = op(a) op(b) as `multiply` does it, on `threads` threads. Each number is split without loss into three of bfloat16,
 * x = x1 + x2 + x3 (8 bits of the mantissa each), and of the nine products of parts the six are added up, in float32, that a
 * float32 product can hold: x1 y1, x1 y2, x2 y1, x1 y3, x2 y2, x3 y1. What is left out is below 2^-24 |x| |y|. Numbers below
 * 1e-33 lose parts, as the unit takes denormal ones for zero. An element does not depend on the number of threads.
 *
 * False, and c is to be computed in another way, where a or b has numbers that bfloat16 has not: infinite ones, NaN and those
 * beyond 3.39e38.
 */
bool multiplyByAmx(const float* a, const float* b, float* c, int64_t m, int64_t n, int64_t k, bool transposeA,
                   bool transposeB, int64_t threads);

/** y = x^T x for x [n, k], on and above the diagonal; rows of y are `line` numbers apart. As above. */
bool gramByAmx(const float* x, float* y, int64_t n, int64_t k, int64_t line, int64_t threads);

}  // namespace hbp
