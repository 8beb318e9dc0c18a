// Products and convolutions of float32 numbers on Intel's matrix unit (AMX), which multiplies bfloat16.
#pragma once
#include <cstdint>

#include "convolution.h"

namespace hbp {

/** Whether the compiler, the processor and the system have it. The others of these are called only where it is so. */
bool hasAmx();

/**
 * c [m, n] = op(a) op(b) as `multiply` does it, on `threads` threads. Each number is split without loss into three of bfloat16,
 * x = x1 + x2 + x3, of eight bits each, and of the nine products of parts those six are added up, in float32, that may be more
 * than its rounding: x1 y1, x1 y2, x2 y1, x1 y3, x2 y2, x3 y1. What is left out is at most 2^-23 |x| |y|, and hardly ever so
 * much. The unit takes denormal numbers for zero: of numbers below 1e-33 parts are lost. An element does not depend on the
 * number of threads.
 *
 * False, and c is to be computed in another way, where a or b has numbers that bfloat16 has not: infinite ones, NaN and those
 * beyond 3.39e38.
 */
bool multiplyByAmx(const float* a, const float* b, float* c, int64_t m, int64_t n, int64_t k, bool transposeA,
                   bool transposeB, int64_t threads);

/** y = x^T x for x [n, k], or x x^T for x [k, n], on and above the diagonal; rows of y are `line` numbers apart. As above. */
bool gramByAmx(const float* x, float* y, int64_t n, int64_t k, int64_t line, bool ofRows, int64_t threads);

/** Whether this convolution is one of those that the unit takes: stride 1, channels in sixteens, large enough and not too large. */
bool isForAmx(const Convolution& c);
/** y = convolution of x with w, plus `bias` [out] unless it is null. As above. */
bool convolveByAmx(const Convolution& c, const float* x, const float* w, const float* bias, float* y, int64_t threads);
/** Whether the gradients of this convolution's weights are worth the unit: as above, and rows that fill tiles. */
bool isCorrelatedByAmx(const Convolution& c);
/** dw [kernelHeight, kernelWidth, in, out] = the gradient of <dy, convolution of x with w> for w. As above. */
bool correlateByAmx(const Convolution& c, const float* x, const float* dy, float* dw, int64_t threads);

/** Whether the next one is worth the unit: as above, or with patches of 64 numbers at most. */
bool areSamplesForAmx(const Convolution& c, int64_t vectors);
/** The same for each sample by itself: dy [vectors, n, ...] to rows [vectors, n, kernelHeight, kernelWidth, in, out]. As above. */
bool correlateSamplesByAmx(const Convolution& c, const float* x, const float* dy, float* rows, int64_t vectors, int64_t threads);

}  // namespace hbp
