// Elementary functions of vectors of floats: range reduction and minimax polynomials (Cephes' coefficients for single
// precision), relative error a few units in the last place. NaN stays NaN, infinities go where they should.
#pragma once
#include "simd.h"

namespace HBP_ISA {

// Within a loop their numbers stay in registers; compilers call them where there are several such loops.
#define HBP_ALWAYS_INLINE __attribute__((always_inline)) static inline

constexpr float kInfinity = __builtin_inff();

/** 2^n for -126 <= n <= 127. */
static inline Floats powerOfTwo(Ints n) { return floatsOf((n + 127) << 23); }

/** x = n log(2) + rest. */
struct Reduced {
  Ints n;
  Floats rest;
};

static inline Reduced reduced(Floats x) {
  // Adding 1.5 * 2^23 rounds to a whole number and leaves it in the low bits.
  constexpr float shift = 12582912.0f;
  const Floats shifted = x * 1.44269504088896341f + shift;
  const Ints n = bitsOf(shifted) - 0x4b400000;
  const Floats whole = shifted - shift;
  return {n, (x - whole * 0.693359375f) + whole * 2.12194440e-4f};
}

/** exp(r) for |r| <= log(2) / 2. */
static inline Floats polynomial(Floats r) {
  Floats p = all(1.9875691500e-4f);
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  return p * r * r + r + 1.0f;
}

HBP_ALWAYS_INLINE Floats exponential(Floats x) {
  x = x > 89.0f ? all(89.0f) : x;
  x = x < -104.0f ? all(-104.0f) : x;
  const Reduced r = reduced(x);
  // In two halves: 2^n itself may overflow, or be subnormal, where the result is not.
  const Ints half = r.n >> 1;
  return polynomial(r.rest) * powerOfTwo(half) * powerOfTwo(r.n - half);
}

static inline Floats logarithm(Floats x) {
  const Ints tiny = x < 1.17549435e-38f;
  const Floats scaled = tiny ? x * 8388608.0f : x;
  const Ints bits = bitsOf(scaled);
  Floats exponent = toFloats((bits >> 23) - 126) - (tiny ? all(23.0f) : all(0.0f));
  Floats m = floatsOf((bits & 0x007fffff) | 0x3f000000);  // in [0.5, 1)
  const Ints low = m < 0.707106781186547524f;
  exponent = exponent - (low ? all(1.0f) : all(0.0f));
  m = (low ? m + m : m) - 1.0f;
  const Floats z = m * m;
  Floats p = all(7.0376836292e-2f);
  p = p * m - 1.1514610310e-1f;
  p = p * m + 1.1676998740e-1f;
  p = p * m - 1.2420140846e-1f;
  p = p * m + 1.4249322787e-1f;
  p = p * m - 1.6668057665e-1f;
  p = p * m + 2.0000714765e-1f;
  p = p * m - 2.4999993993e-1f;
  p = p * m + 3.3333331174e-1f;
  Floats y = p * m * z - exponent * 2.12194440e-4f - 0.5f * z;
  y = m + y + exponent * 0.693359375f;
  y = x == 0.0f ? all(-kInfinity) : y;
  y = x == kInfinity ? x : y;
  return (x < 0.0f) | (x != x) ? all(__builtin_nanf("")) : y;
}

/** log(1 + x): the rounding error of 1 + x is divided out again. */
static inline Floats logarithmOf1Plus(Floats x) {
  const Floats u = 1.0f + x, d = u - 1.0f;
  const Floats y = logarithm(u) * (x / d);
  return d == 0.0f ? x : x == kInfinity ? x : y;
}

/** exp(x) - 1: near 0 the rounding error of exp(x) is divided out again. */
static inline Floats exponentialMinus1(Floats x) {
  const Floats u = exponential(x), d = u - 1.0f;
  const Floats y = d * (x / logarithm(u));
  return d == 0.0f ? x : absolute(x) > 1.0f ? d : y;
}

/** exp(x) to within a normal number's range: 2^n needs no halves. */
HBP_ALWAYS_INLINE Floats boundedExponential(Floats x) {
  x = x > 88.0f ? all(88.0f) : x;
  x = x < -87.0f ? all(-87.0f) : x;
  const Reduced r = reduced(x);
  return polynomial(r.rest) * powerOfTwo(r.n);
}

HBP_ALWAYS_INLINE Floats logistic(Floats x) { return 1.0f / (1.0f + boundedExponential(-x)); }

/** An odd rational function on [-7.9, 7.9], beyond which tanh is 1 in single precision (coefficients as in Eigen). */
HBP_ALWAYS_INLINE Floats hyperbolicTangent(Floats x) {
  constexpr float edge = 7.90531110763549805f;
  Floats u = x > edge ? all(edge) : x;
  u = u < -edge ? all(-edge) : u;
  const Floats z = u * u;
  Floats p = all(-2.76076847742355e-16f);
  p = p * z + 2.00018790482477e-13f;
  p = p * z - 8.60467152213735e-11f;
  p = p * z + 5.12229709037114e-08f;
  p = p * z + 1.48572235717979e-05f;
  p = p * z + 6.37261928875436e-04f;
  p = p * z + 4.89352455891786e-03f;
  Floats q = all(1.19825839466702e-06f);
  q = q * z + 1.18534705686654e-04f;
  q = q * z + 2.26843463243900e-03f;
  q = q * z + 4.89352518554385e-03f;
  const Floats y = p * u / q;
  return absolute(x) < 4e-4f ? x : y;
}

/** The root, correctly rounded; the compiler turns the loop into vector instructions. */
static inline Floats squareRoot(Floats x) {
  Floats y;
  for (int i = 0; i < kLanes; i++) y[i] = __builtin_sqrtf(x[i]);
  return y;
}

static inline Floats whereNan(Floats a, Floats b, Floats y) { return (a != a) | (b != b) ? a + b : y; }
static inline Floats larger(Floats a, Floats b) { return whereNan(a, b, a > b ? a : b); }
static inline Floats smaller(Floats a, Floats b) { return whereNan(a, b, a < b ? a : b); }

}  // namespace HBP_ISA
