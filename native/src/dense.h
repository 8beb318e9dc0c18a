// Matrix products and convolutions by oneDNN. One source for its versions 2 and 3.
#pragma once
#include <cstdint>

#include "convolution.h"

namespace hbp {

/**
 * Whether large products and convolutions shall go to the processor's matrix unit (amx.h) where there is one; tells whether
 * they do. Not at first.
 */
bool useAmx(bool isAllowed);

/** c [m, n] = op(a) op(b), row-major and contiguous, op(a) [m, k] and op(b) [k, n]. */
void multiply(const float* a, const float* b, float* c, int64_t m, int64_t n, int64_t k, bool transposeA,
              bool transposeB);

/** `batch` such products; strides between the matrices, 0 repeats one. */
void multiplyBatch(const float* a, const float* b, float* c, int64_t batch, int64_t m, int64_t n, int64_t k,
                   bool transposeA, bool transposeB, int64_t strideA, int64_t strideB);

/**
 * y = x^T x for x [n, k], row-major, by half of the multiplications. With `ones`, x counts as having a further column of
 * ones; y is [k, k] or [k + 1, k + 1].
 */
void gram(const float* x, float* y, int64_t n, int64_t k, bool ones);

/** y = x x^T for x [n, k], [n, n]. False where that is to be made of the transpose. */
bool gramOfRows(const float* x, float* y, int64_t n, int64_t k);

/**
 * Products of the pixels of pictures x [n, height, width, channels] with those s rows and t columns on:
 * y[s + rows, t + columns, c', c] = sum over n and pixels of x[.., row, column, c] x[.., row + s, column + t, c'] for
 * |s| <= rows and |t| <= columns, with zeros outside of the pictures.
 */
void shiftProducts(const float* x, float* y, int64_t n, int64_t height, int64_t width, int64_t channels, int64_t rows,
                   int64_t columns);

/** y = convolution of x with w, plus `bias` [out] unless it is null. */
void convolve(const Convolution& shape, const float* x, const float* w, const float* bias, float* y);
/** The adjoint in x. */
void convolveBackwardData(const Convolution& shape, const float* dy, const float* w, float* dx);
/** The adjoint in w. */
void convolveBackwardWeights(const Convolution& shape, const float* x, const float* dy, float* dw);
/**
 * The same for each sample of x and each vector of dy [vectors, n, ...] by itself: [vectors, n, kernelHeight, kernelWidth, in, out].
 * False where the loops are to do it.
 */
bool convolveBackwardSamples(const Convolution& shape, const float* x, const float* dy, float* rows, int64_t vectors);

/** Version of the oneDNN library that is loaded, and the instruction set that it uses. */
const char* dnnlVersion();
const char* dnnlIsa();

/** Number of primitives that are kept. */
int64_t cachedPrimitives();

}  // namespace hbp
