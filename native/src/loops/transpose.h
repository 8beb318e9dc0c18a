// Squares of numbers, as many to a side as a vector has, transposed in registers; sums of several vectors at once.
#pragma once
#include "simd.h"

namespace HBP_ISA {

#if defined(__clang__) || __GNUC__ >= 12
#define HBP_SHUFFLE(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define HBP_SHUFFLE(a, b, ...) __builtin_shuffle(a, b, Ints{__VA_ARGS__})
#endif

/** Lanes of a, and where bit `D` of the lane's number is set, those of b from D lanes before; and the rest. */
#define HBP_EXCHANGE(D, LOW, HIGH)                  \
  for (int i = 0; i < kLanes; i++) {                \
    if (i & D) continue;                            \
    const Floats a = r[i], b = r[i + D];            \
    r[i] = HBP_SHUFFLE(a, b, LOW);                  \
    r[i + D] = HBP_SHUFFLE(a, b, HIGH);             \
  }
#define HBP_LIST(...) __VA_ARGS__

static inline void transpose(Floats (&r)[kLanes]) {
#if HBP_REGISTER == 64
#pragma GCC unroll 16
  HBP_EXCHANGE(8, HBP_LIST(0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23),
               HBP_LIST(8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31))
#pragma GCC unroll 16
  HBP_EXCHANGE(4, HBP_LIST(0, 1, 2, 3, 16, 17, 18, 19, 8, 9, 10, 11, 24, 25, 26, 27),
               HBP_LIST(4, 5, 6, 7, 20, 21, 22, 23, 12, 13, 14, 15, 28, 29, 30, 31))
#pragma GCC unroll 16
  HBP_EXCHANGE(2, HBP_LIST(0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29),
               HBP_LIST(2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31))
#pragma GCC unroll 16
  HBP_EXCHANGE(1, HBP_LIST(0, 16, 2, 18, 4, 20, 6, 22, 8, 24, 10, 26, 12, 28, 14, 30),
               HBP_LIST(1, 17, 3, 19, 5, 21, 7, 23, 9, 25, 11, 27, 13, 29, 15, 31))
#else
#pragma GCC unroll 8
  HBP_EXCHANGE(4, HBP_LIST(0, 1, 2, 3, 8, 9, 10, 11), HBP_LIST(4, 5, 6, 7, 12, 13, 14, 15))
#pragma GCC unroll 8
  HBP_EXCHANGE(2, HBP_LIST(0, 1, 8, 9, 4, 5, 12, 13), HBP_LIST(2, 3, 10, 11, 6, 7, 14, 15))
#pragma GCC unroll 8
  HBP_EXCHANGE(1, HBP_LIST(0, 8, 2, 10, 4, 12, 6, 14), HBP_LIST(1, 9, 3, 11, 5, 13, 7, 15))
#endif
}

/** to[j, i] = from[i, j] for i < rows, j < columns, both at most as many as a vector has. */
static void transposeSquare(const float* from, int64_t fromStride, float* to, int64_t toStride, int64_t rows,
                                   int64_t columns) {
  Floats r[kLanes];
  if (rows == kLanes && columns == kLanes) {
#pragma GCC unroll 16
    for (int i = 0; i < kLanes; i++) r[i] = load(from + i * fromStride);
    transpose(r);
#pragma GCC unroll 16
    for (int i = 0; i < kLanes; i++) store(to + i * toStride, r[i]);
    return;
  }
  for (int64_t i = 0; i < kLanes; i++) r[i] = i < rows ? loadSome(from + i * fromStride, columns) : Floats{};
  transpose(r);
  for (int64_t i = 0; i < columns; i++) storeSome(to + i * toStride, r[i], rows);
}

/** The sums of eight vectors in the first eight lanes. */
static inline Floats sumsOfEight(Floats a, Floats b, Floats c, Floats d, Floats e, Floats f, Floats g, Floats h) {
#if HBP_REGISTER == 64
  const auto halves = [](Floats x, Floats y) {
    return HBP_SHUFFLE(x, y, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23) +
           HBP_SHUFFLE(x, y, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31);
  };
  const auto quarters = [](Floats x, Floats y) {
    return HBP_SHUFFLE(x, y, 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27) +
           HBP_SHUFFLE(x, y, 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31);
  };
  const Floats first = quarters(halves(a, b), halves(c, d)), last = quarters(halves(e, f), halves(g, h));
  const Floats pairs = HBP_SHUFFLE(first, last, 0, 1, 4, 5, 8, 9, 12, 13, 16, 17, 20, 21, 24, 25, 28, 29) +
                       HBP_SHUFFLE(first, last, 2, 3, 6, 7, 10, 11, 14, 15, 18, 19, 22, 23, 26, 27, 30, 31);
  return HBP_SHUFFLE(pairs, pairs, 0, 2, 4, 6, 8, 10, 12, 14, 0, 2, 4, 6, 8, 10, 12, 14) +
         HBP_SHUFFLE(pairs, pairs, 1, 3, 5, 7, 9, 11, 13, 15, 1, 3, 5, 7, 9, 11, 13, 15);
#else
  const auto halves = [](Floats x, Floats y) {
    return HBP_SHUFFLE(x, y, 0, 1, 2, 3, 8, 9, 10, 11) + HBP_SHUFFLE(x, y, 4, 5, 6, 7, 12, 13, 14, 15);
  };
  const auto pairs = [](Floats x, Floats y) {
    return HBP_SHUFFLE(x, y, 0, 1, 4, 5, 8, 9, 12, 13) + HBP_SHUFFLE(x, y, 2, 3, 6, 7, 10, 11, 14, 15);
  };
  const Floats first = pairs(halves(a, b), halves(c, d)), last = pairs(halves(e, f), halves(g, h));
  return HBP_SHUFFLE(first, last, 0, 2, 4, 6, 8, 10, 12, 14) + HBP_SHUFFLE(first, last, 1, 3, 5, 7, 9, 11, 13, 15);
#endif
}

/** to[j, i] = from[i, j] for i < rows, j < columns. */
static inline void transposeMatrix(const float* from, int64_t fromStride, float* to, int64_t toStride, int64_t rows,
                                   int64_t columns) {
  for (int64_t i = 0; i < rows; i += kLanes) {
    for (int64_t j = 0; j < columns; j += kLanes) {
      transposeSquare(from + i * fromStride + j, fromStride, to + j * toStride + i, toStride, least(kLanes, rows - i),
                      least(kLanes, columns - j));
    }
  }
}

}  // namespace HBP_ISA
