// Operations that take one element of each operand, with broadcasting: unary, binary, comparisons, casts, select.
#pragma once
#include "../loops.h"
#include "math.h"

namespace HBP_ISA {

using hbp::Walk;

// ---- unary

template <class F, class W>
static void map(const float* x, float* y, int64_t n, F f, W put) {
  inParallel(n, n, kLanes, [&](int64_t begin, int64_t end) {
    int64_t i = begin;
    for (; i + kLanes <= end; i += kLanes) put(y + i, f(load(x + i)));
    if (i < end) storeSome(y + i, f(loadSome(x + i, end - i)), end - i);
  });
}
template <class F>
static void map(const float* x, float* y, int64_t n, F f) { map(x, y, n, f, Put<false>()); }
/** Where f takes next to no time; with more to calculate, stores past the caches are the slower ones. */
template <class F>
static void pass(const float* x, float* y, int64_t n, F f) {
  writing(y, n, [&](auto put) { map(x, y, n, f, put); });
}

static inline Floats rounded(Floats x, bool up) {
  const Floats whole = toFloats(truncated(x));
  const Floats moved = up ? (whole < x ? whole + 1.0f : whole) : (whole > x ? whole - 1.0f : whole);
  return absolute(x) < 8388608.0f ? moved : x;  // larger ones are whole, and NaN and infinities are themselves
}

static void unary(hbp::Unary op, const float* x, float* y, int64_t n, float p, float q) {
  using hbp::Unary;
  switch (op) {
    case Unary::Abs: return pass(x, y, n, [](Floats v) { return absolute(v); });
    case Unary::Neg: return pass(x, y, n, [](Floats v) { return -v; });
    case Unary::Exp: return map(x, y, n, [](Floats v) { return exponential(v); });
    case Unary::Expm1: return map(x, y, n, [](Floats v) { return exponentialMinus1(v); });
    case Unary::Log: return map(x, y, n, [](Floats v) { return logarithm(v); });
    case Unary::Log1p: return map(x, y, n, [](Floats v) { return logarithmOf1Plus(v); });
    case Unary::Sqrt: return map(x, y, n, [](Floats v) { return squareRoot(v); });
    case Unary::Rsqrt: return map(x, y, n, [](Floats v) { return 1.0f / squareRoot(v); });
    case Unary::Square: return pass(x, y, n, [](Floats v) { return v * v; });
    case Unary::Sigmoid: return map(x, y, n, [](Floats v) { return logistic(v); });
    case Unary::Tanh: return map(x, y, n, [](Floats v) { return hyperbolicTangent(v); });
    case Unary::Relu: return pass(x, y, n, [](Floats v) { return v < 0.0f ? Floats{} : v; });
    case Unary::Relu6: return pass(x, y, n, [](Floats v) {
      const Floats low = v < 0.0f ? Floats{} : v;
      return low > 6.0f ? all(6.0f) : low;
    });
    case Unary::Elu: return map(x, y, n, [](Floats v) { return v >= 0.0f ? v : exponentialMinus1(v); });
    case Unary::Selu: return map(x, y, n, [](Floats v) {
      const Floats below = 1.7580993408473768f * exponentialMinus1(v);
      return v >= 0.0f ? 1.0507009873554804f * v : below;
    });
    case Unary::Softplus: return map(x, y, n, [](Floats v) {
      const Floats tail = logarithmOf1Plus(exponential(-absolute(v)));
      return (v < 0.0f ? Floats{} : v) + tail;
    });
    case Unary::LeakyRelu: return pass(x, y, n, [p](Floats v) { return v >= 0.0f ? v : p * v; });
    case Unary::Sign: return map(x, y, n, [](Floats v) {
      const Floats sign = v > 0.0f ? all(1.0f) : v < 0.0f ? all(-1.0f) : Floats{};
      return v != v ? Floats{} : sign;  // as TensorFlow.js has it
    });
    case Unary::Reciprocal: return map(x, y, n, [](Floats v) { return 1.0f / v; });
    case Unary::Step: return pass(x, y, n, [p](Floats v) {
      const Floats step = v > 0.0f ? all(1.0f) : all(p);
      return v != v ? v : step;
    });
    case Unary::Floor: return map(x, y, n, [](Floats v) { return rounded(v, false); });
    case Unary::Ceil: return map(x, y, n, [](Floats v) { return rounded(v, true); });
    case Unary::ClipByValue: return pass(x, y, n, [p, q](Floats v) {
      const Floats high = v > q ? all(q) : v;
      return high < p ? all(p) : high;
    });
    case Unary::Scale: return pass(x, y, n, [p](Floats v) { return p * v; });
  }
}

// ---- binary, with broadcasting

/** Whether an operand stands still along the innermost axis. */
template <bool StillA, bool StillB, class F, class A, class Y>
static inline void innerLoop(const A* a, const A* b, Y* y, int64_t n, F f) {
  int64_t i = 0;
  const auto firstA = all(StillA ? *a : A{}), firstB = all(StillB ? *b : A{});
  for (; i + kLanes <= n; i += kLanes) {
    f.put(y + i, f(StillA ? firstA : load(a + i), StillB ? firstB : load(b + i)));
  }
  if (i < n) {
    f.putSome(y + i, f(StillA ? firstA : loadSome(a + i, n - i), StillB ? firstB : loadSome(b + i, n - i)), n - i);
  }
}

template <class F, class A, class Y>
static inline void innerLoop(const A* a, int64_t strideA, const A* b, int64_t strideB, Y* y, int64_t n, F f) {
  if (strideA == 0) {
    if (strideB == 0) innerLoop<true, true>(a, b, y, n, f);
    else innerLoop<true, false>(a, b, y, n, f);
  } else if (strideB == 0) {
    innerLoop<false, true>(a, b, y, n, f);
  } else {
    innerLoop<false, false>(a, b, y, n, f);
  }
}

/** Numbers as F has them, written past the caches. */
template <class F>
struct Streamed : F {
  using F::put;
  void put(float* y, Floats v) const { stream(y, v); }
};

/** g(f), or g(f that writes past the caches) where `count` numbers from `y` on are better written so. */
template <class F, class G>
static inline void withPut(F f, const float* y, int64_t count, G g) {
  if (isStreamed(y, count)) g(Streamed<F>{f});
  else g(f);
}
template <class F, class Y, class G>
static inline void withPut(F f, const Y*, int64_t, G g) { g(f); }

/** Where each array stands at the `index`th row: a position in all axes but the innermost. */
static inline void positions(const Walk& walk, int64_t row, int64_t (&offset)[3]) {
  offset[0] = offset[1] = offset[2] = 0;
  for (int axis = walk.rank - 2; axis >= 0; axis--) {
    const int64_t i = row % walk.size[axis];
    row /= walk.size[axis];
    for (int k = 0; k < 3; k++) offset[k] += i * walk.stride[k][axis];
  }
}

/** Rows shorter than this are repeated to that length, where one operand is the same for all of them. */
constexpr int64_t kShortRow = 128;
constexpr int64_t kTiled = 1024;

/** y = f(a, b) on [rows, n] where b [n] is the same for all rows and n is small: b is laid out many times in a row. */
template <bool Swapped, class F, class A, class Y>
static void repeatingRows(const A* a, const A* b, Y* y, int64_t rows, int64_t n, F f) {
  alignas(64) A tiled[kTiled + kShortRow];
  const int64_t repeats = kTiled / n, length = repeats * n;
  for (int64_t i = 0; i < length; i++) tiled[i] = b[i % n];
  withPut(f, y, length % kLanes == 0 ? rows * n : 0, [&](auto g) {
    inParallel(rows * n, rows * n, length, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; i += length) {
        const int64_t count = least(length, end - i);
        if (Swapped) innerLoop<false, false>(tiled, a + i, y + i, count, g);
        else innerLoop<false, false>(a + i, tiled, y + i, count, g);
      }
    });
  });
}

template <class F, class A, class Y>
static void zip(const A* a, const A* b, Y* y, const Walk& walk, F f) {
  const int last = walk.rank - 1;
  const int64_t n = walk.size[last], strideA = walk.stride[0][last], strideB = walk.stride[1][last];
  int64_t rows = 1;
  for (int axis = 0; axis < last; axis++) rows *= walk.size[axis];
  if (rows * n == 0) return;
  if (walk.rank == 2 && n < kShortRow && strideA == 1 && strideB == 1 && rows > 1) {
    if (walk.stride[1][0] == 0 && walk.stride[0][0] == n) return repeatingRows<false>(a, b, y, rows, n, f);
    if (walk.stride[0][0] == 0 && walk.stride[1][0] == n) return repeatingRows<true>(b, a, y, rows, n, f);
  }
  if (rows == 1) {
    withPut(f, y, n, [&](auto g) {
      inParallel(n, n, kLanes, [&](int64_t begin, int64_t end) {
        innerLoop(a + begin * strideA, strideA, b + begin * strideB, strideB, y + begin, end - begin, g);
      });
    });
    return;
  }
  inParallel(rows, rows * n, 1, [&](int64_t begin, int64_t end) {
    int64_t offset[3];
    for (int64_t row = begin; row < end; row++) {
      positions(walk, row, offset);
      innerLoop(a + offset[0], strideA, b + offset[1], strideB, y + row * n, n, f);
    }
  });
}

/** Results are numbers of the operands' own kind. */
template <class G>
struct ToNumbers {
  G g;
  template <class V>
  auto operator()(V a, V b) const { return g(a, b); }
  template <class Y, class V>
  void put(Y* y, V v) const { store(y, v); }
  template <class Y, class V>
  void putSome(Y* y, V v, int64_t count) const { storeSome(y, v, count); }
};

/** Results are bytes, 0 or 1. */
template <class G>
struct ToBytes {
  G g;
  template <class V>
  auto operator()(V a, V b) const { return g(a, b); }
  void put(uint8_t* y, Ints v) const { putSome(y, v, kLanes); }
  void putSome(uint8_t* y, Ints v, int64_t count) const {
    for (int64_t i = 0; i < count; i++) y[i] = static_cast<uint8_t>(v[i] & 1);
  }
};

template <class G, class A>
static void numbers(const A* a, const A* b, A* y, const Walk& walk, G g) { zip(a, b, y, walk, ToNumbers<G>{g}); }
template <class G, class A>
static void bytes(const A* a, const A* b, uint8_t* y, const Walk& walk, G g) { zip(a, b, y, walk, ToBytes<G>{g}); }

static void binary(hbp::Binary op, const float* a, const float* b, float* y, const Walk& walk) {
  using hbp::Binary;
  switch (op) {
    case Binary::Add: return numbers(a, b, y, walk, [](Floats u, Floats v) { return u + v; });
    case Binary::Sub: return numbers(a, b, y, walk, [](Floats u, Floats v) { return u - v; });
    case Binary::Multiply: return numbers(a, b, y, walk, [](Floats u, Floats v) { return u * v; });
    case Binary::RealDiv: return numbers(a, b, y, walk, [](Floats u, Floats v) { return u / v; });
    case Binary::DivNoNan: return numbers(a, b, y, walk, [](Floats u, Floats v) {
      const Floats quotient = u / v;
      return v == 0.0f ? Floats{} : quotient;
    });
    case Binary::Maximum: return numbers(a, b, y, walk, [](Floats u, Floats v) { return larger(u, v); });
    case Binary::Minimum: return numbers(a, b, y, walk, [](Floats u, Floats v) { return smaller(u, v); });
    case Binary::SquaredDifference: return numbers(a, b, y, walk, [](Floats u, Floats v) { return (u - v) * (u - v); });
    case Binary::Prelu: return numbers(a, b, y, walk, [](Floats u, Floats v) { return u < 0.0f ? u * v : u; });
  }
}

static void integer(hbp::Integer op, const int32_t* a, const int32_t* b, int32_t* y, const Walk& walk) {
  using hbp::Integer;
  switch (op) {
    case Integer::Add: return numbers(a, b, y, walk, [](Ints u, Ints v) { return u + v; });
    case Integer::Sub: return numbers(a, b, y, walk, [](Ints u, Ints v) { return u - v; });
    case Integer::Multiply: return numbers(a, b, y, walk, [](Ints u, Ints v) { return u * v; });
    case Integer::Maximum: return numbers(a, b, y, walk, [](Ints u, Ints v) { return u > v ? u : v; });
    case Integer::Minimum: return numbers(a, b, y, walk, [](Ints u, Ints v) { return u < v ? u : v; });
  }
}

template <class A>
static void compareAny(hbp::Compare op, const A* a, const A* b, uint8_t* y, const Walk& walk) {
  using hbp::Compare;
  switch (op) {
    case Compare::Equal: return bytes(a, b, y, walk, [](auto u, auto v) { return u == v; });
    case Compare::NotEqual: return bytes(a, b, y, walk, [](auto u, auto v) { return u != v; });
    case Compare::Greater: return bytes(a, b, y, walk, [](auto u, auto v) { return u > v; });
    case Compare::GreaterEqual: return bytes(a, b, y, walk, [](auto u, auto v) { return u >= v; });
    case Compare::Less: return bytes(a, b, y, walk, [](auto u, auto v) { return u < v; });
    case Compare::LessEqual: return bytes(a, b, y, walk, [](auto u, auto v) { return u <= v; });
  }
}
static void compare(hbp::Compare op, const float* a, const float* b, uint8_t* y, const Walk& walk) {
  compareAny(op, a, b, y, walk);
}
static void compareIntegers(hbp::Compare op, const int32_t* a, const int32_t* b, uint8_t* y, const Walk& walk) {
  compareAny(op, a, b, y, walk);
}

static void logical(hbp::Logical op, const uint8_t* a, const uint8_t* b, uint8_t* y, const Walk& walk) {
  const int last = walk.rank - 1;
  const int64_t n = walk.size[last], strideA = walk.stride[0][last], strideB = walk.stride[1][last];
  int64_t rows = 1;
  for (int axis = 0; axis < last; axis++) rows *= walk.size[axis];
  const bool isAnd = op == hbp::Logical::LogicalAnd;
  inParallel(rows, rows * n, 1, [&](int64_t begin, int64_t end) {
    int64_t offset[3];
    for (int64_t row = begin; row < end; row++) {
      positions(walk, row, offset);
      for (int64_t i = 0; i < n; i++) {
        const bool u = a[offset[0] + i * strideA], v = b[offset[1] + i * strideB];
        y[row * n + i] = isAnd ? u && v : u || v;
      }
    }
  });
}

static void logicalNot(const uint8_t* x, uint8_t* y, int64_t n) {
  inParallel(n, n / 4, 64, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) y[i] = x[i] == 0;
  });
}

static void isNan(const float* x, uint8_t* y, int64_t n) {
  inParallel(n, n, kLanes, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) y[i] = x[i] != x[i];
  });
}

template <class A, class Y, class F>
static void convert(const void* x, void* y, int64_t n, F f) {
  const A* from = static_cast<const A*>(x);
  Y* to = static_cast<Y*>(y);
  inParallel(n, n, kLanes, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) to[i] = f(from[i]);
  });
}

/** Towards zero; NaN and what an int32 does not hold as JavaScript's Int32Array takes them (modulo 2^32, NaN is 0). */
static inline int32_t toInt(float x) {
  if (x > -2147483648.0f && x < 2147483648.0f) return static_cast<int32_t>(x);
  if (!(__builtin_fabsf(x) < kInfinity)) return 0;
  double whole = __builtin_fmod(static_cast<double>(x), 4294967296.0);
  if (whole < 0) whole += 4294967296.0;
  return static_cast<int32_t>(static_cast<uint32_t>(whole));
}

static void cast(hbp::Cast how, const void* x, void* y, int64_t n) {
  using hbp::Cast;
  switch (how) {
    case Cast::FloatToInt: return convert<float, int32_t>(x, y, n, [](float v) { return toInt(v); });
    case Cast::FloatToBool: return convert<float, uint8_t>(x, y, n, [](float v) { return v != 0.0f; });
    case Cast::IntToFloat: return convert<int32_t, float>(x, y, n, [](int32_t v) { return static_cast<float>(v); });
    case Cast::IntToBool: return convert<int32_t, uint8_t>(x, y, n, [](int32_t v) { return v != 0; });
    case Cast::BoolToFloat: return convert<uint8_t, float>(x, y, n, [](uint8_t v) { return v ? 1.0f : 0.0f; });
    case Cast::BoolToInt: return convert<uint8_t, int32_t>(x, y, n, [](uint8_t v) { return v ? 1 : 0; });
  }
}

template <class T>
static void selectAny(const uint8_t* condition, const void* a, const void* b, void* y, int64_t n) {
  const T *u = static_cast<const T*>(a), *v = static_cast<const T*>(b);
  T* to = static_cast<T*>(y);
  inParallel(n, n, kLanes, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) to[i] = condition[i] ? u[i] : v[i];
  });
}
static void select(const uint8_t* condition, const void* a, const void* b, void* y, int64_t n, int bytes) {
  if (bytes == 4) selectAny<uint32_t>(condition, a, b, y, n);
  else selectAny<uint8_t>(condition, a, b, y, n);
}

static void fill(void* y, int64_t n, int bytes, const void* value) {
  if (bytes == 1) {
    std::memset(y, *static_cast<const uint8_t*>(value), n);
    return;
  }
  uint32_t bits;
  std::memcpy(&bits, value, 4);
  uint32_t* to = static_cast<uint32_t*>(y);
  inParallel(n, n, kLanes, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) to[i] = bits;
  });
}

// ---- fused steps of training

/**
 * to [vectors, n] = f(i, v n + i, load), i the place in what all vectors share: a piece of that is read for all of them while
 * it is in the cache.
 */
template <class F>
static void perVector(float* to, int64_t n, int64_t vectors, int64_t operands, F f) {
  constexpr int64_t kPiece = 4096;
  // Past the caches only where each vector begins at a multiple of a register.
  writing(to, vectors == 1 || n % kLanes == 0 ? n * vectors : 0, [&](auto put) {
    inParallel(n, operands * n * vectors, kLanes, [&](int64_t begin, int64_t end) {
      for (int64_t first = begin; first < end; first += kPiece) {
        const int64_t last = least(end, first + kPiece);
        for (int64_t v = 0; v < vectors; v++) {
          const int64_t at = v * n;
          int64_t i = first;
          for (; i + kLanes <= last; i += kLanes) put(to + at + i, f(i, at + i, [](const float* p) { return load(p); }));
          if (i < last) {
            const int64_t rest = last - i;
            storeSome(to + at + i, f(i, at + i, [rest](const float* p) { return loadSome(p, rest); }), rest);
          }
        }
      }
    });
  });
}

static void activate(hbp::Activation phi, const float* x, float* y, int64_t n, bool past) {
  const auto run = [&](auto f) {
    if (past) map(x, y, n, f, Put<true>());
    else map(x, y, n, f);
  };
  switch (phi) {
    case hbp::Activation::Sigmoid: return run([](Floats v) { return logistic(v); });
    case hbp::Activation::Tanh: return run([](Floats v) { return hyperbolicTangent(v); });
    case hbp::Activation::Relu: return run([](Floats v) { return v < 0.0f ? Floats{} : v; });
  }
}

/** f(phi' as a function of y). */
template <class F>
static inline void withDerivative(hbp::Activation phi, F f) {
  switch (phi) {
    case hbp::Activation::Sigmoid: return f([](Floats v) { return v * (1.0f - v); });
    case hbp::Activation::Tanh: return f([](Floats v) { return 1.0f - v * v; });
    case hbp::Activation::Relu: return f([](Floats v) { return v > 0.0f ? all(1.0f) : Floats{}; });
  }
}

/**
 * to [n] = from, or phi' from where there is an activation before, whose output for them is `at` numbers on, or phi' itself if
 * `from` is null.
 */
template <bool Past>
static inline void copyThrough(const hbp::Before& before, int64_t at, const float* from, float* to, int64_t n, Put<Past> put) {
  if (!before.output && !Past) {
    std::memcpy(to, from, n * sizeof(float));
    return;
  }
  const auto each = [&](auto value) {
    int64_t k = 0;
    for (; k + kLanes <= n; k += kLanes) put(to + k, value(k, [](const float* p) { return load(p); }));
    if (k < n) storeSome(to + k, value(k, [&](const float* p) { return loadSome(p, n - k); }), n - k);
  };
  if (!before.output) return each([&](int64_t k, auto get) { return get(from + k); });
  withDerivative(before.phi, [&](auto derivative) {
    if (from) each([&](int64_t k, auto get) { return derivative(get(before.output + at + k)) * get(from + k); });
    else each([&](int64_t k, auto get) { return derivative(get(before.output + at + k)); });
  });
}

static void timesDerivative(hbp::Activation phi, const float* y, const float* dy, float* dx, int64_t n, int64_t vectors) {
  withDerivative(phi, [&](auto derivative) {
    perVector(dx, n, vectors, 1, [&](int64_t i, int64_t at, auto get) { return derivative(get(y + i)) * get(dy + at); });
  });
}

static void timesDerivativeWithSums(hbp::Activation phi, const float* y, const float* dy, float* dx, float* sums, int64_t n,
                                    int64_t positions, int64_t channels, int64_t vectors) {
  const int64_t size = positions * channels;
  const bool past = channels % kLanes == 0 && isStreamed(dx, vectors * n * size);
  withDerivative(phi, [&](auto derivative) {
    inParallel(n, 2 * n * vectors * size, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; i++) {
        for (int64_t v = 0; v < vectors; v++) {
          const int64_t at = (v * n + i) * size;
          float* const sum = sums + (v * n + i) * channels;
          std::memset(sum, 0, channels * sizeof(float));
          for (int64_t p = 0; p < size; p += channels) {
            int64_t k = 0;
            for (; k + kLanes <= channels; k += kLanes) {
              const Floats value = derivative(load(y + i * size + p + k)) * load(dy + at + p + k);
              if (past) stream(dx + at + p + k, value);
              else store(dx + at + p + k, value);
              store(sum + k, load(sum + k) + value);
            }
            if (k < channels) {
              const int64_t rest = channels - k;
              const Floats value = derivative(loadSome(y + i * size + p + k, rest)) * loadSome(dy + at + p + k, rest);
              storeSome(dx + at + p + k, value, rest);
              storeSome(sum + k, loadSome(sum + k, rest) + value, rest);
            }
          }
        }
      }
    });
  });
}

static void sgd(const float* value, const float* gradient, const float* buffer, float* nextValue, float* nextBuffer,
                int64_t n, float lr, float momentum, float decay) {
  inParallel(n, 3 * n, kLanes, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) {
      const float g = gradient[i] + decay * value[i];
      const float b = buffer ? momentum * buffer[i] + g : g;
      if (nextBuffer) nextBuffer[i] = b;
      nextValue[i] = value[i] - lr * b;
    }
  });
}

static void adam(const float* value, const float* gradient, const float* first, const float* second, float* nextValue,
                 float* nextFirst, float* nextSecond, int64_t n, float lr, float w1, float w2, float eps, float decay) {
  inParallel(n, 4 * n, kLanes, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) {
      const float g = gradient[i] + decay * value[i];
      const float m = first ? first[i] + w1 * (g - first[i]) : g;
      const float v = second ? second[i] + w2 * (g * g - second[i]) : g * g;
      nextFirst[i] = m;
      nextSecond[i] = v;
      nextValue[i] = value[i] - lr * (m / (__builtin_sqrtf(v) + eps));
    }
  });
}

}  // namespace HBP_ISA
