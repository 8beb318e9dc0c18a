// One pass over memory where curvature products are bound by it: matrices split along a direction, activations' derivatives.
#pragma once
#include "elementwise.h"
#include "reduce.h"
#include "transpose.h"

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

/** y[r] = the product of row r with v, for `M` rows. */
template <int M>
static inline void rowDots(const float* matrix, int64_t columns, const float* v, float* y) {
  double total[M] = {};
  for (int64_t first = 0; first < columns; first += kBlock) {
    const int64_t count = least(kBlock, columns - first);
    const float* at = matrix + first;
    Floats sum[M] = {};
    eachLanes(count, [&](int64_t i, auto get) {
      const Floats x = get(v + first + i);
#pragma GCC unroll 8
      for (int m = 0; m < M; m++) sum[m] = sum[m] + x * get(at + m * columns + i);
    });
#pragma GCC unroll 8
    for (int m = 0; m < M; m++) total[m] += sumOf(sum[m]);
  }
  for (int m = 0; m < M; m++) y[m] = static_cast<float>(total[m]);
}

/** out += sum_r y[r] row r, for `M` rows. */
template <int M>
static inline void addScaledRows(const float* matrix, int64_t columns, const float* y, float* out) {
  Floats factor[M];
#pragma GCC unroll 8
  for (int m = 0; m < M; m++) factor[m] = all(y[m]);
  int64_t i = 0;
  for (; i + kLanes <= columns; i += kLanes) {
    Floats sum = load(out + i);
#pragma GCC unroll 8
    for (int m = 0; m < M; m++) sum = sum + factor[m] * load(matrix + m * columns + i);
    store(out + i, sum);
  }
  for (; i < columns; i++) {
    for (int m = 0; m < M; m++) out[i] += y[m] * matrix[m * columns + i];
  }
}

/**
 * out [vectors, columns] = M^T (M v) of M [rows, columns], v [vectors, columns]. A block of rows is used a second time while
 * it is in the cache, so that M is read from memory once. At most 16 shares of the rows, whatever the number of threads.
 */
static void rowsProduct(const float* matrix, const float* v, float* out, int64_t rows, int64_t columns, int64_t vectors) {
  constexpr int64_t kRows = 8, kMostBlock = 64;
  const int64_t size = vectors * columns;
  const int64_t block = least(kMostBlock, most(1, kChunk / most(1, columns) / kRows) * kRows);
  const int64_t share = (rows + 16 * kRows - 1) / (16 * kRows) * kRows, shares = rows == 0 ? 0 : (rows + share - 1) / share;
  static Kept kept;
  float* parts = kept.atLeast(shares * size);
  inParallel(shares, rows * size, 1, [&](int64_t begin, int64_t end) {
    float y[kMostBlock];
    for (int64_t s = begin; s < end; s++) {
      float* part = parts + s * size;
      std::memset(part, 0, size * sizeof(float));
      const int64_t last = least((s + 1) * share, rows);
      for (int64_t first = s * share; first < last; first += block) {
        const int64_t count = least(block, last - first), whole = count / kRows * kRows;
        const float* at = matrix + first * columns;
        for (int64_t t = 0; t < vectors; t++) {
          const float* vector = v + t * columns;
          float* to = part + t * columns;
          for (int64_t r = 0; r < whole; r += kRows) rowDots<kRows>(at + r * columns, columns, vector, y + r);
          for (int64_t r = whole; r < count; r++) rowDots<1>(at + r * columns, columns, vector, y + r);
          for (int64_t r = 0; r < whole; r += kRows) addScaledRows<kRows>(at + r * columns, columns, y + r, to);
          for (int64_t r = whole; r < count; r++) addScaledRows<1>(at + r * columns, columns, y + r, to);
        }
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
    inParallel(n, 2 * n * vectors, kLanes, [&](int64_t begin, int64_t end) {
      for (int64_t v = 0; v < vectors; v++) {
        const int64_t at = v * n;
        int64_t i = begin;
        for (; i + kLanes <= end; i += kLanes) {
          store(to + at + i, first(load(y + i)) * load(u + at + i) + load(residual + i) * load(t + at + i));
        }
        if (i < end) {
          const int64_t rest = end - i;
          storeSome(to + at + i, first(loadSome(y + i, rest)) * loadSome(u + at + i, rest) +
                                     loadSome(residual + i, rest) * loadSome(t + at + i, rest), rest);
        }
      }
    });
  });
}

}  // namespace HBP_ISA
