// As many floats at a time as a register holds, in the vector extensions of GCC and Clang: no intrinsics (but for one store
// that they do not have), so that one source serves every instruction set. Not more: of longer vectors GCC makes scalar
// code where they are compared.
#pragma once
#include <cstdint>
#include <cstring>

#if defined(_OPENMP)
#include <omp.h>
#endif
#if defined(__SSE2__)
#include <immintrin.h>
#endif

namespace HBP_ISA {

#if defined(__AVX512F__)
#define HBP_REGISTER 64
#elif defined(__AVX2__)
#define HBP_REGISTER 32
#else
#define HBP_REGISTER 16
#endif

typedef float Floats __attribute__((vector_size(HBP_REGISTER)));
typedef int32_t Ints __attribute__((vector_size(HBP_REGISTER)));
typedef float UnalignedFloats __attribute__((vector_size(HBP_REGISTER), aligned(4), may_alias));
typedef int32_t UnalignedInts __attribute__((vector_size(HBP_REGISTER), aligned(4), may_alias));

constexpr int64_t kLanes = HBP_REGISTER / sizeof(float);

static inline Floats load(const float* p) { return *reinterpret_cast<const UnalignedFloats*>(p); }
static inline void store(float* p, Floats v) { *reinterpret_cast<UnalignedFloats*>(p) = v; }
static inline Ints load(const int32_t* p) { return *reinterpret_cast<const UnalignedInts*>(p); }
static inline void store(int32_t* p, Ints v) { *reinterpret_cast<UnalignedInts*>(p) = v; }

/** Past the caches, which saves reading the line that is written to; `p` is a multiple of the register's size. */
static inline void stream(float* p, Floats v) {
#if !defined(__SSE2__)
  store(p, v);
#elif HBP_REGISTER == 64
  _mm512_stream_ps(p, (__m512)v);
#elif HBP_REGISTER == 32
  _mm256_stream_ps(p, (__m256)v);
#else
  _mm_stream_ps(p, (__m128)v);
#endif
}
/** Before other threads read what this one streamed. */
static inline void endStream() {
#if defined(__SSE2__)
  _mm_sfence();
#endif
}

/** Results of so many floats would have left the caches before somebody reads them. */
constexpr int64_t kStreamed = 1 << 22;

static inline bool isStreamed(const float* to, int64_t count) {
  return count >= kStreamed && reinterpret_cast<uintptr_t>(to) % HBP_REGISTER == 0;
}

/** Writes a register, past the caches or not. */
template <bool Past>
struct Put {
  inline void operator()(float* p, Floats v) const {
    if (Past) stream(p, v);
    else store(p, v);
  }
};

/** f(put), where put(p, v) is the better way to write `count` floats from `to` on, whole registers first. */
template <class F>
static inline void writing(const float* to, int64_t count, F f) {
  if (isStreamed(to, count)) f(Put<true>());
  else f(Put<false>());
}

/** The first `count` elements, zeros behind them. */
template <class T>
static inline auto loadSome(const T* p, int64_t count) {
  T all[kLanes] = {};
  std::memcpy(all, p, count * sizeof(T));
  return load(all);
}

template <class T, class V>
static inline void storeSome(T* p, V v, int64_t count) {
  T all[kLanes];
  store(all, v);
  std::memcpy(p, all, count * sizeof(T));
}

// x - 0 is x for every x, so that no subtraction is left; 0 + x is an addition, for the sake of -0.
static inline Floats all(float x) { return x - Floats{}; }
static inline Ints all(int32_t x) { return x - Ints{}; }
static inline Ints bitsOf(Floats v) { return (Ints)v; }
static inline Floats floatsOf(Ints v) { return (Floats)v; }
static inline Floats toFloats(Ints v) { return __builtin_convertvector(v, Floats); }
static inline Ints truncated(Floats v) { return __builtin_convertvector(v, Ints); }

static inline Floats absolute(Floats v) { return floatsOf(bitsOf(v) & 0x7fffffff); }

static inline float sumOf(Floats v) {
  float x[kLanes];
  store(x, v);
  for (int half = kLanes / 2; half > 0; half /= 2)
    for (int i = 0; i < half; i++) x[i] += x[i + half];
  return x[0];
}

static inline int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }

/** A number that is known when code is made. */
template <int N>
struct Count {
  static constexpr int value = N;
};

/** Elements that one thread should have at least: waking another one costs some microseconds. */
constexpr int64_t kGrain = 16384;

static inline int threadsFor(int64_t elements) {
#if defined(_OPENMP)
  if (elements < 2 * kGrain || omp_in_parallel()) return 1;
  return static_cast<int>(least(omp_get_max_threads(), elements / kGrain));
#else
  (void)elements;
  return 1;
#endif
}

/**
 * f(begin, end) over [0, n) on as many threads as `elements` (all that is touched) are worth. Ranges begin at multiples
 * of `unit`, so that an element is always computed in the same way, on however many threads.
 */
template <class F>
static inline void inParallel(int64_t n, int64_t elements, int64_t unit, F f) {
  const int64_t units = (n + unit - 1) / unit;
  const int threads = static_cast<int>(least(threadsFor(elements), units));
  if (threads <= 1) {
    if (n > 0) f(int64_t{0}, n);
    endStream();
    return;
  }
#if defined(_OPENMP)
#pragma omp parallel num_threads(threads)
  {
    const int64_t i = omp_get_thread_num(), m = omp_get_num_threads();
    const int64_t begin = units * i / m * unit, end = least(units * (i + 1) / m * unit, n);
    if (begin < end) f(begin, end);
    endStream();
  }
#endif
}

/** Floats of one line of the cache. */
constexpr int64_t kLine = 16;

/** So many numbers on, null from null. */
static inline const float* further(const float* p, int64_t n) { return p ? p + n : nullptr; }

/** Asks for memory ahead, in even shares of so many calls. */
struct Ahead {
  const float* from;
  int64_t lines, calls;
  int64_t due = 0, done = 0;

  inline void next() {
    for (due += lines; due >= calls; due -= calls) __builtin_prefetch(from + done++ * kLine, 0, 2);
  }
};

/** The same of so many vectors, `stride` numbers apart, `lines` of each. */
struct AheadOfVectors {
  const float* from;
  int64_t stride, vectors, lines, calls;
  int64_t due = 0, vector = 0, line = 0;

  inline void next() {
    for (due += vectors * lines; due >= calls; due -= calls) {
      __builtin_prefetch(from + vector * stride + line * kLine, 0, 2);
      if (++line == lines) line = 0, vector++;
    }
  }
};

/** Samples whose gradients one thread sums up, one after the other; at most 16 shares, whatever the number of threads. */
static inline int64_t shareOfSamples(int64_t n) { return most(1, (n + 15) / 16); }

}  // namespace HBP_ISA
