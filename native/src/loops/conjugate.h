// One iteration of conjugate gradients around the product, for systems side by side (src/engine/optim/cg-iteration.ts says
// what a system's state holds). Sums go over the same pieces whatever the number of threads.
#pragma once
#include "simd.h"

namespace HBP_ISA {

/** Columns of the state. */
enum { kSquare, kBound, kIterations, kStop, kLength, kStateColumns };
/** Why a system stopped; 0: it runs. */
constexpr float kConverged = 1, kMostIterations = 2, kNonPositive = 3, kBreakdown = 4;

constexpr int64_t kPieces = 64;

/** sum_i u_i v_i w_i in double precision over pieces; v or w may be null (ones). */
static double product(const float* u, const float* v, const float* w, int64_t n) {
  const int64_t piece = ((n + kPieces - 1) / kPieces + 4 * kLanes - 1) / (4 * kLanes) * (4 * kLanes);
  const int64_t pieces = n == 0 ? 0 : (n + piece - 1) / piece;
  double part[kPieces];
  inParallel(pieces, n, 1, [&](int64_t begin, int64_t end) {
    for (int64_t k = begin; k < end; k++) {
      const int64_t from = k * piece, to = least(from + piece, n);
      const auto term = [&](int64_t i) {
        Floats x = load(u + i) * load(v + i);
        return w ? x * load(w + i) : x;
      };
      Floats sum[4] = {};
      int64_t i = from;
      for (; i + 4 * kLanes <= to; i += 4 * kLanes)
        for (int j = 0; j < 4; j++) sum[j] = sum[j] + term(i + j * kLanes);
      for (; i + kLanes <= to; i += kLanes) sum[0] = sum[0] + term(i);
      double rest = 0;
      for (; i < to; i++) rest += static_cast<double>(u[i]) * v[i] * (w ? w[i] : 1.0f);
      part[k] = sumOf((sum[0] + sum[1]) + (sum[2] + sum[3])) + rest;
    }
  });
  double total = 0;
  for (int64_t k = 0; k < pieces; k++) total += part[k];
  return total;
}

/** y = a + b x; a + 0 x is a, even where x is not finite. */
static void addScaled(const float* a, float b, const float* x, float* y, int64_t n) {
  inParallel(n, 3 * n, kLanes, [&](int64_t begin, int64_t end) {
    if (b == 0) {
      if (y != a) std::memcpy(y + begin, a + begin, (end - begin) * sizeof(float));
      return;
    }
    int64_t i = begin;
    for (; i + kLanes <= end; i += kLanes) store(y + i, load(a + i) + b * load(x + i));
    for (; i < end; i++) y[i] = a[i] + b * x[i];
  });
}

static inline bool isFiniteNumber(float x) { return x - x == 0; }

static void cgDescend(const float* r, const float* p, const float* ap, const float* dualP, const float* metric,
                      const float* state, float* nextR, float* nextState, int64_t systems, int64_t n,
                      bool stopOnNonPositive) {
  for (int64_t j = 0; j < systems; j++) {
    const float* s = state + j * kStateColumns;
    float* t = nextState + j * kStateColumns;
    for (int c = 0; c < kStateColumns; c++) t[c] = s[c];
    t[kLength] = 0;
    const int64_t at = j * n;
    if (t[kStop] == 0) {
      const float curvature =
          static_cast<float>(product(ap + at, (dualP ? dualP : p) + at, metric ? metric + at : nullptr, n));
      if (!isFiniteNumber(curvature)) t[kStop] = kBreakdown;
      else if (curvature <= 0 && stopOnNonPositive) t[kStop] = kNonPositive;
      else if (curvature != 0) t[kLength] = s[kSquare] / curvature;
    }
    addScaled(r + at, -t[kLength], ap + at, nextR + at, n);
  }
}

static void cgTurn(const float* x, const float* r, const float* p, const float* dualR, const float* dualP,
                   const float* metric, const float* state, float* nextX, float* nextP, float* nextDualP,
                   float* nextState, int64_t systems, int64_t n, float limit) {
  for (int64_t j = 0; j < systems; j++) {
    const float* s = state + j * kStateColumns;
    float* t = nextState + j * kStateColumns;
    for (int c = 0; c < kStateColumns; c++) t[c] = s[c];
    const int64_t at = j * n;
    float length = 0, turn = 0;
    if (t[kStop] == 0) {
      const float square = static_cast<float>(product(r + at, (dualR ? dualR : r) + at, metric ? metric + at : nullptr, n));
      // In coordinates of a system's own a square may come out negative: they have lost all digits.
      if (!isFiniteNumber(square) || square < 0) {
        t[kStop] = kBreakdown;
      } else {
        length = s[kLength];
        turn = s[kSquare] == 0 ? 0 : square / s[kSquare];
        t[kSquare] = square;
        t[kIterations] = s[kIterations] + 1;
        if (s[kBound] > __builtin_sqrtf(square) || square == 0) t[kStop] = kConverged;
        else if (t[kIterations] > limit) t[kStop] = kMostIterations;
      }
    }
    addScaled(x + at, length, p + at, nextX + at, n);
    addScaled(r + at, turn, p + at, nextP + at, n);
    if (dualP) addScaled(dualR + at, turn, dualP + at, nextDualP + at, n);
  }
}

}  // namespace HBP_ISA
