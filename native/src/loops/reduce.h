// Reductions of x [outer, length, inner] over the middle axis, arg-max, cumulative sums, softmax.
//
// Sums go in blocks: floats within a block, doubles over the blocks. The blocks do not depend on the number of threads,
// and so neither does the result.
#pragma once
#include "../loops.h"
#include "math.h"

namespace HBP_ISA {

constexpr int64_t kBlock = 2048;         // elements that are summed in single precision
constexpr int64_t kChunk = 1 << 16;      // elements that are one thread's work
constexpr int64_t kMostInner = 1 << 14;  // columns that are reduced together

struct AddUp {
  static constexpr float start = 0.0f;
  static Floats combine(Floats a, Floats b) { return a + b; }
};
struct MultiplyUp {
  static constexpr float start = 1.0f;
  static Floats combine(Floats a, Floats b) { return a * b; }
};
/** NaN wins; `a` is what has been found. */
struct TakeLargest {
  static constexpr float start = -kInfinity;
  static Floats combine(Floats a, Floats b) { return (b > a) | (b != b) ? b : a; }
};
struct TakeSmallest {
  static constexpr float start = kInfinity;
  static Floats combine(Floats a, Floats b) { return (b < a) | (b != b) ? b : a; }
};

template <class R>
static inline float foldLanes(Floats v) {
  float x[kLanes];
  store(x, v);
  for (int half = kLanes / 2; half > 0; half /= 2)
    for (int i = 0; i < half; i++) x[i] = R::combine(all(x[i]), all(x[i + half]))[0];
  return x[0];
}

/** A run of contiguous floats, at most a block if it is a sum. */
template <class R>
static inline float foldRun(const float* x, int64_t n) {
  Floats a = all(R::start), b = a, c = a, d = a;
  int64_t i = 0;
  for (; i + 4 * kLanes <= n; i += 4 * kLanes) {
    a = R::combine(a, load(x + i));
    b = R::combine(b, load(x + i + kLanes));
    c = R::combine(c, load(x + i + 2 * kLanes));
    d = R::combine(d, load(x + i + 3 * kLanes));
  }
  for (; i + kLanes <= n; i += kLanes) a = R::combine(a, load(x + i));
  if (i < n) {
    float rest[kLanes];
    for (int64_t k = 0; k < kLanes; k++) rest[k] = i + k < n ? x[i + k] : R::start;
    b = R::combine(b, load(rest));
  }
  return foldLanes<R>(R::combine(R::combine(a, b), R::combine(c, d)));
}

/** One contiguous row: doubles over blocks for a sum, plain folding for the rest. */
template <class R>
static inline double foldRow(const float* x, int64_t n) {
  double total = R::start;
  for (int64_t i = 0; i < n; i += kBlock) {
    const float part = foldRun<R>(x + i, least(kBlock, n - i));
    if constexpr (__is_same(R, AddUp)) total += part;
    else if constexpr (__is_same(R, MultiplyUp)) total *= part;
    else total = R::combine(all(static_cast<float>(total)), all(part))[0];
  }
  return total;
}

static inline double combineDoubles(const AddUp*, double a, double b) { return a + b; }
static inline double combineDoubles(const MultiplyUp*, double a, double b) { return a * b; }
static inline double combineDoubles(const TakeLargest*, double a, double b) { return b > a || b != b ? b : a; }
static inline double combineDoubles(const TakeSmallest*, double a, double b) { return b < a || b != b ? b : a; }

template <class R>
static void reduceRows(const float* x, float* y, int64_t rows, int64_t n, float scale) {
  const int64_t chunks = (n + kChunk - 1) / kChunk;
  if (rows > 1 || chunks <= 1) {
    inParallel(rows, rows * n, 1, [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; r++) y[r] = static_cast<float>(foldRow<R>(x + r * n, n) * scale);
    });
    return;
  }
  double* parts = new double[chunks];
  inParallel(chunks, n, 1, [&](int64_t begin, int64_t end) {
    for (int64_t c = begin; c < end; c++) parts[c] = foldRow<R>(x + c * kChunk, least(kChunk, n - c * kChunk));
  });
  double total = R::start;
  for (int64_t c = 0; c < chunks; c++) total = combineDoubles(static_cast<R*>(nullptr), total, parts[c]);
  *y = static_cast<float>(total * scale);
  delete[] parts;
}

/** Columns of [length, inner] (rows `stride` apart) into doubles; `scratch` holds `inner` floats, rounded up. */
template <class R>
static inline void foldColumns(const float* x, int64_t length, int64_t inner, int64_t stride, double* total,
                               float* scratch) {
  const int64_t padded = (inner + kLanes - 1) / kLanes * kLanes, block = 64;
  for (int64_t first = 0; first < length; first += block) {
    const int64_t end = least(first + block, length);
    for (int64_t i = 0; i < padded; i++) scratch[i] = R::start;
    for (int64_t r = first; r < end; r++) {
      const float* row = x + r * stride;
      int64_t i = 0;
      for (; i + kLanes <= inner; i += kLanes) store(scratch + i, R::combine(load(scratch + i), load(row + i)));
      if (i < inner) store(scratch + i, R::combine(load(scratch + i), loadSome(row + i, inner - i)));
    }
    for (int64_t i = 0; i < inner; i++) {
      total[i] = combineDoubles(static_cast<R*>(nullptr), total[i], static_cast<double>(scratch[i]));
    }
  }
}

/** [length, inner] with few columns, as fewer, longer rows that hold a multiple of them. */
template <class R>
static void foldNarrow(const float* x, int64_t length, int64_t inner, double* total) {
  const int64_t repeats = inner < 64 ? 64 / inner : 1, wide = inner * repeats, rows = length / repeats;
  alignas(64) float scratch[kMostInner + kLanes];
  if (repeats == 1) return foldColumns<R>(x, length, inner, inner, total, scratch);
  double wideTotal[64 + kLanes];
  for (int64_t i = 0; i < wide; i++) wideTotal[i] = R::start;
  foldColumns<R>(x, rows, wide, wide, wideTotal, scratch);
  for (int64_t i = 0; i < wide; i++) {
    total[i % inner] = combineDoubles(static_cast<R*>(nullptr), total[i % inner], wideTotal[i]);
  }
  for (int64_t r = rows * repeats; r < length; r++) {
    for (int64_t i = 0; i < inner; i++) {
      total[i] = combineDoubles(static_cast<R*>(nullptr), total[i], static_cast<double>(x[r * inner + i]));
    }
  }
}

template <class R>
static void reduceColumns(const float* x, float* y, int64_t outer, int64_t length, int64_t inner, float scale) {
  if (inner > kMostInner) {  // a strip of columns at a time
    const int64_t strips = (inner + kMostInner - 1) / kMostInner;
    inParallel(outer * strips, outer * length * inner, 1, [&](int64_t begin, int64_t end) {
      float* scratch = new float[kMostInner + kLanes];
      double* total = new double[kMostInner];
      for (int64_t s = begin; s < end; s++) {
        const int64_t o = s / strips, first = s % strips * kMostInner, count = least(kMostInner, inner - first);
        for (int64_t i = 0; i < count; i++) total[i] = R::start;
        foldColumns<R>(x + o * length * inner + first, length, count, inner, total, scratch);
        for (int64_t i = 0; i < count; i++) y[o * inner + first + i] = static_cast<float>(total[i] * scale);
      }
      delete[] scratch;
      delete[] total;
    });
    return;
  }
  const int64_t rowsPerChunk = most(1, kChunk / inner), chunks = most(1, (length + rowsPerChunk - 1) / rowsPerChunk);
  double* parts = new double[outer * chunks * inner];
  inParallel(outer * chunks, outer * length * inner, 1, [&](int64_t begin, int64_t end) {
    for (int64_t c = begin; c < end; c++) {
      const int64_t o = c / chunks, first = c % chunks * rowsPerChunk;
      double* total = parts + c * inner;
      for (int64_t i = 0; i < inner; i++) total[i] = R::start;
      foldNarrow<R>(x + (o * length + first) * inner, most(0, least(rowsPerChunk, length - first)), inner, total);
    }
  });
  for (int64_t o = 0; o < outer; o++) {
    for (int64_t i = 0; i < inner; i++) {
      double total = R::start;
      for (int64_t c = 0; c < chunks; c++) {
        total = combineDoubles(static_cast<R*>(nullptr), total, parts[(o * chunks + c) * inner + i]);
      }
      y[o * inner + i] = static_cast<float>(total * scale);
    }
  }
  delete[] parts;
}

template <class R>
static void reduceBy(const float* x, float* y, int64_t outer, int64_t length, int64_t inner, float scale) {
  if (outer * inner == 0) return;
  if (inner == 1) reduceRows<R>(x, y, outer, length, scale);
  else reduceColumns<R>(x, y, outer, length, inner, scale);
}

static void reduce(hbp::Reduce op, const float* x, float* y, int64_t outer, int64_t length, int64_t inner, float scale) {
  switch (op) {
    case hbp::Reduce::Sum: return reduceBy<AddUp>(x, y, outer, length, inner, scale);
    case hbp::Reduce::Max: return reduceBy<TakeLargest>(x, y, outer, length, inner, scale);
    case hbp::Reduce::Min: return reduceBy<TakeSmallest>(x, y, outer, length, inner, scale);
    case hbp::Reduce::Prod: return reduceBy<MultiplyUp>(x, y, outer, length, inner, scale);
  }
}

template <class T, class F>
static void fold(const T* x, T* y, int64_t outer, int64_t length, int64_t inner, T start, F f) {
  inParallel(outer, outer * length * inner, 1, [&](int64_t begin, int64_t end) {
    for (int64_t o = begin; o < end; o++) {
      T* to = y + o * inner;
      for (int64_t i = 0; i < inner; i++) to[i] = start;
      for (int64_t r = 0; r < length; r++) {
        const T* row = x + (o * length + r) * inner;
        for (int64_t i = 0; i < inner; i++) to[i] = f(to[i], row[i]);
      }
    }
  });
}

static void reduceIntegers(hbp::Reduce op, const int32_t* x, int32_t* y, int64_t outer, int64_t length, int64_t inner) {
  using I = int32_t;
  const auto add = [](I a, I b) { return static_cast<I>(static_cast<uint32_t>(a) + static_cast<uint32_t>(b)); };
  const auto multiply = [](I a, I b) { return static_cast<I>(static_cast<uint32_t>(a) * static_cast<uint32_t>(b)); };
  switch (op) {
    case hbp::Reduce::Sum: return fold<I>(x, y, outer, length, inner, 0, add);
    case hbp::Reduce::Max: return fold<I>(x, y, outer, length, inner, INT32_MIN, [](I a, I b) { return a > b ? a : b; });
    case hbp::Reduce::Min: return fold<I>(x, y, outer, length, inner, INT32_MAX, [](I a, I b) { return a < b ? a : b; });
    case hbp::Reduce::Prod: return fold<I>(x, y, outer, length, inner, 1, multiply);
  }
}

static void reduceBools(hbp::Logical op, const uint8_t* x, uint8_t* y, int64_t outer, int64_t length, int64_t inner) {
  using B = uint8_t;
  if (op == hbp::Logical::LogicalAnd) fold<B>(x, y, outer, length, inner, 1, [](B a, B b) -> B { return a && b; });
  else fold<B>(x, y, outer, length, inner, 0, [](B a, B b) -> B { return a || b; });
}

static void argExtreme(bool largest, const float* x, int32_t* y, int64_t outer, int64_t length, int64_t inner) {
  inParallel(outer, outer * length * inner, 1, [&](int64_t begin, int64_t end) {
    for (int64_t o = begin; o < end; o++) {
      for (int64_t i = 0; i < inner; i++) {
        const float* column = x + o * length * inner + i;
        float extreme = column[0];
        int32_t where = 0;
        for (int64_t r = 1; r < length; r++) {
          const float candidate = column[r * inner];
          if (largest ? candidate > extreme : candidate < extreme) {
            extreme = candidate;
            where = static_cast<int32_t>(r);
          }
        }
        y[o * inner + i] = where;
      }
    }
  });
}

static void cumsum(const float* x, float* y, int64_t rows, int64_t length, bool exclusive, bool reverse) {
  inParallel(rows, rows * length, 1, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; r++) {
      double total = 0;
      for (int64_t k = 0; k < length; k++) {
        const int64_t i = r * length + (reverse ? length - 1 - k : k);
        const double next = total + x[i];
        y[i] = static_cast<float>(exclusive ? total : next);
        total = next;
      }
    }
  });
}

static void softmax(const float* x, float* y, int64_t rows, int64_t length, bool logarithm_) {
  inParallel(rows, 4 * rows * length, 1, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; r++) {
      const float* from = x + r * length;
      float* to = y + r * length;
      const float highest = foldRun<TakeLargest>(from, length);
      double total = 0;
      for (int64_t i = 0; i < length; i += kLanes) {
        const int64_t count = least(kLanes, length - i);
        storeSome(to + i, exponential(loadSome(from + i, count) - highest), count);
        for (int64_t k = 0; k < count; k++) total += to[i + k];
      }
      if (logarithm_) {
        const float logTotal = static_cast<float>(__builtin_log(total));
        for (int64_t i = 0; i < length; i++) to[i] = from[i] - highest - logTotal;
      } else {
        for (int64_t i = 0; i < length; i++) to[i] = static_cast<float>(to[i] / total);
      }
    }
  });
}

}  // namespace HBP_ISA
