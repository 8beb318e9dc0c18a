// One pass over memory where curvature products are bound by it: matrices split along a direction, activations' derivatives.
#pragma once
#include "elementwise.h"
#include "reduce.h"
#include "scratch.h"

namespace HBP_ISA {

/** f(first element, how many) over [0, n), whole vectors first. */
template <class F>
static inline void eachLanes(int64_t n, F f) {
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) f(i, [](const float* p) { return load(p); });
  if (i < n) {
    const int64_t rest = n - i;
    f(i, [rest](const float* p) { return loadSome(p, rest); });
  }
}

/** The sum of term(i, load) over i, in floats within blocks of kBlock, in doubles over them. */
template <class F>
static inline double sumInBlocks(int64_t n, F term) {
  double total = 0;
  for (int64_t first = 0; first < n; first += kBlock) {
    const int64_t count = least(kBlock, n - first);
    Floats a = Floats{}, b = a, c = a, d = a;
    int64_t i = 0;
    const auto whole = [](const float* p) { return load(p); };
    for (; i + 4 * kLanes <= count; i += 4 * kLanes) {
      a = a + term(first + i, whole);
      b = b + term(first + i + kLanes, whole);
      c = c + term(first + i + 2 * kLanes, whole);
      d = d + term(first + i + 3 * kLanes, whole);
    }
    eachLanes(count - i, [&](int64_t k, auto get) { a = a + term(first + i + k, get); });
    total += sumOf((a + b) + (c + d));
  }
  return total;
}

/** g_o = sum_i B_oi d_i and e_o = sum_i (B_oi - g_o d_i)^2; the second time a row is read, it is in the cache. */
static void projectRows(const float* matrix, const float* direction, float* along, float* residual, int64_t rows,
                        int64_t columns) {
  inParallel(rows, rows * columns, 1, [&](int64_t begin, int64_t end) {
    for (int64_t o = begin; o < end; o++) {
      const float* row = matrix + o * columns;
      const float g = static_cast<float>(
          sumInBlocks(columns, [&](int64_t i, auto get) { return get(row + i) * get(direction + i); }));
      along[o] = g;
      residual[o] = static_cast<float>(sumInBlocks(columns, [&](int64_t i, auto get) {
        const Floats rest = get(row + i) - g * get(direction + i);
        return rest * rest;
      }));
    }
  });
}

/** next_oi = value_oi + f_o B_oi + s_o d_i. */
static void addRows(const float* value, const float* matrix, const float* direction, const float* factors,
                    const float* steps, float* next, int64_t rows, int64_t columns) {
  inParallel(rows, rows * columns, 1, [&](int64_t begin, int64_t end) {
    for (int64_t o = begin; o < end; o++) {
      const Floats f = all(factors[o]), s = all(steps[o]);
      const int64_t at = o * columns;
      int64_t i = 0;
      for (; i + kLanes <= columns; i += kLanes) {
        store(next + at + i, load(value + at + i) + f * load(matrix + at + i) + s * load(direction + i));
      }
      if (i < columns) {
        const int64_t rest = columns - i;
        storeSome(next + at + i, loadSome(value + at + i, rest) + f * loadSome(matrix + at + i, rest) +
                                     s * loadSome(direction + i, rest), rest);
      }
    }
  });
}

/** y[t, m] = the product of row m with vector t over `width` columns, for `M` rows and `T` vectors. */
template <int M, int T>
static inline void rowDots(const float* matrix, int64_t columns, int64_t width, const float* v, float* y) {
  double total[M * T] = {};
  for (int64_t first = 0; first < width; first += kBlock) {
    const float* at = matrix + first;
    Floats sum[M * T] = {};
    eachLanes(least(kBlock, width - first), [&](int64_t i, auto get) {
      Floats x[T];
#pragma GCC unroll 2
      for (int t = 0; t < T; t++) x[t] = get(v + t * columns + first + i);
#pragma GCC unroll 8
      for (int m = 0; m < M; m++) {
        const Floats element = get(at + m * columns + i);
#pragma GCC unroll 2
        for (int t = 0; t < T; t++) sum[t * M + m] = sum[t * M + m] + x[t] * element;
      }
    });
#pragma GCC unroll 16
    for (int k = 0; k < M * T; k++) total[k] += sumOf(sum[k]);
  }
  for (int k = 0; k < M * T; k++) y[k] = static_cast<float>(total[k]);
}

/**
 * out[t] += sum_m y[t, m] row m over the first `width` columns, for `M` rows and `T` vectors; asks for the rows behind these if
 * told so.
 */
template <int M, int T>
static inline void addScaledRows(const float* matrix, int64_t columns, int64_t width, const float* y, float* out, bool ahead) {
  Floats factor[M * T];
#pragma GCC unroll 16
  for (int k = 0; k < M * T; k++) factor[k] = all(y[k]);
  int64_t i = 0;
  for (; i + kLanes <= width; i += kLanes) {
    Floats sum[T];
#pragma GCC unroll 2
    for (int t = 0; t < T; t++) sum[t] = load(out + t * columns + i);
#pragma GCC unroll 8
    for (int m = 0; m < M; m++) {
      const float* at = matrix + m * columns + i;
      if (ahead) __builtin_prefetch(at + M * columns, 0, 2);
      const Floats element = load(at);
#pragma GCC unroll 2
      for (int t = 0; t < T; t++) sum[t] = sum[t] + factor[t * M + m] * element;
    }
#pragma GCC unroll 2
    for (int t = 0; t < T; t++) store(out + t * columns + i, sum[t]);
  }
  for (; i < width; i++) {
    for (int t = 0; t < T; t++) {
      for (int m = 0; m < M; m++) out[t * columns + i] += y[t * M + m] * matrix[m * columns + i];
    }
  }
}

/** out [T, columns] += M^T (M v) for rows [count, columns]. */
template <int T>
static void addRowsProduct(const float* matrix, int64_t count, int64_t columns, const float* v, float* out) {
  constexpr int M = 8;
  // The rows that come next must find room in the second cache beside those in use.
  const bool ahead = columns <= 12288;
  float y[M * T];
  int64_t r = 0;
  for (; r + M <= count; r += M) {
    rowDots<M, T>(matrix + r * columns, columns, columns, v, y);
    addScaledRows<M, T>(matrix + r * columns, columns, columns, y, out, ahead && r + 2 * M <= count);
  }
  for (; r < count; r++) {
    rowDots<1, T>(matrix + r * columns, columns, columns, v, y);
    addScaledRows<1, T>(matrix + r * columns, columns, columns, y, out, false);
  }
}

/**
 * out [vectors, columns] = M^T (M v) of M [rows, columns], v [vectors, columns]. Eight rows at a time are used a second time
 * while they are in the cache, so that M is read from memory once for two vectors. At most 16 shares of the rows, whatever
 * the number of threads.
 */
static void rowsProduct(const float* matrix, const float* v, float* out, int64_t rows, int64_t columns, int64_t vectors) {
  const int64_t size = vectors * columns, share = (rows + 127) / 128 * 8;
  const int64_t shares = rows == 0 ? 0 : (rows + share - 1) / share;
  static Kept kept;
  float* parts = kept.atLeast(shares * size);
  inParallel(shares, rows * size, 1, [&](int64_t begin, int64_t end) {
    std::memset(parts + begin * size, 0, (end - begin) * size * sizeof(float));
    for (int64_t s = begin; s < end; s++) {
      const float* at = matrix + s * share * columns;
      const int64_t count = least(share, rows - s * share);
      for (int64_t t = 0; t < vectors; t += 2) {
        float* to = parts + s * size + t * columns;
        if (t + 1 < vectors) addRowsProduct<2>(at, count, columns, v + t * columns, to);
        else addRowsProduct<1>(at, count, columns, v + t * columns, to);
      }
    }
  });
  inParallel(size, shares * size, kLanes, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) {
      double total = 0;
      for (int64_t s = 0; s < shares; s++) total += parts[s * size + i];
      out[i] = static_cast<float>(total);
    }
  });
}

/** f(phi', phi'') with the derivatives as functions of the output y; phi'' is what comes after phi'. */
template <class F>
static inline void withDerivatives(hbp::Activation phi, F f) {
  switch (phi) {
    case hbp::Activation::Sigmoid:
      return f([](Floats y) { return y * (1.0f - y); }, [](Floats y, Floats first, Floats g) { return first * (1.0f - 2.0f * y) * g; });
    case hbp::Activation::Tanh:
      return f([](Floats y) { return 1.0f - y * y; }, [](Floats y, Floats first, Floats g) { return -2.0f * y * first * g; });
    case hbp::Activation::Relu:
      return f([](Floats y) { return y > 0.0f ? all(1.0f) : Floats{}; }, [](Floats, Floats, Floats) { return Floats{}; });
  }
}

/**
 * The columns' means of phi'(y) and sums of phi''(y) g over y, g [samples, n]: floats over 64 rows, doubles over those. The
 * blocks do not depend on the number of threads.
 */
static void derivativeMeans(hbp::Activation phi, const float* y, const float* g, float* mean, float* sum, int64_t samples,
                            int64_t n) {
  if (n == 0) return;
  constexpr int64_t kRows = 64;
  const int64_t padded = (n + kLanes - 1) / kLanes * kLanes;
  // Whole blocks of rows, about kChunk elements.
  const int64_t rowsPerChunk = most(1, kChunk / (n * kRows)) * kRows;
  const int64_t chunks = (samples + rowsPerChunk - 1) / rowsPerChunk;
  double* parts = new double[2 * n * chunks];
  withDerivatives(phi, [&](auto first, auto second) {
    inParallel(chunks, 2 * samples * n, 1, [&](int64_t begin, int64_t end) {
      float* scratch = new float[2 * padded];
      for (int64_t c = begin; c < end; c++) {
        double* total = parts + c * 2 * n;
        for (int64_t i = 0; i < 2 * n; i++) total[i] = 0;
        const int64_t last = least((c + 1) * rowsPerChunk, samples);
        for (int64_t block = c * rowsPerChunk; block < last; block += kRows) {
          std::memset(scratch, 0, 2 * padded * sizeof(float));
          const int64_t blockEnd = least(block + kRows, last);
          for (int64_t r = block; r < blockEnd; r++) {
            eachLanes(n, [&](int64_t i, auto get) {
              const Floats value = get(y + r * n + i), derivative = first(value);
              store(scratch + i, load(scratch + i) + derivative);
              store(scratch + padded + i, load(scratch + padded + i) + second(value, derivative, get(g + r * n + i)));
            });
          }
          for (int64_t i = 0; i < n; i++) {
            total[i] += scratch[i];
            total[n + i] += scratch[padded + i];
          }
        }
      }
      delete[] scratch;
    });
  });
  for (int64_t i = 0; i < n; i++) {
    double means = 0, sums = 0;
    for (int64_t c = 0; c < chunks; c++) {
      means += parts[c * 2 * n + i];
      sums += parts[c * 2 * n + n + i];
    }
    mean[i] = static_cast<float>(means / static_cast<double>(samples));
    sum[i] = static_cast<float>(sums);
  }
  delete[] parts;
}

/** phi'(y) u + residual t; u and t hold `vectors` times the n elements of y and of the residual. */
static void curveLink(hbp::Activation phi, const float* y, const float* u, const float* residual, const float* t, float* to,
                      int64_t n, int64_t vectors) {
  withDerivatives(phi, [&](auto first, auto) {
    perVector(to, n, vectors, 2, [&](int64_t i, int64_t at, auto get) {
      return first(get(y + i)) * get(u + at) + get(residual + i) * get(t + at);
    });
  });
}

}  // namespace HBP_ISA
