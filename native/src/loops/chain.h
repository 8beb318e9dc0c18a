// Conjugate gradients on systems whose products all go through one chain of matrices and diagonals: a few vectors each, so
// that calls and the waking of threads would take longer than the arithmetic if every product came by itself.
#pragma once
#include "conjugate.h"
#include "curvature.h"
#include "scratch.h"

namespace HBP_ISA {

using hbp::ChainStage;
using hbp::ChainSystem;

/** What a product counts as beside passes over memory: a small one is over before another thread has woken. */
static inline int64_t workOf(int64_t out, int64_t in, int64_t vectors) { return out * in * vectors / 64; }

/** Of systems with no more blocks than this, vectors go in pairs instead of by their own rows. */
constexpr int64_t kWide = 2;

/** Columns of a matrix, and coordinates of what it is multiplied with. */
struct Range {
  int64_t begin, width;
};

/** y [vectors, out] = x W^T of W [out, in], for x [vectors, in] that is zero outside of a range. */
static void timesTransposed(const float* matrix, int64_t out, int64_t in, Range range, const float* x, float* y,
                            int64_t vectors) {
  constexpr int M = 8;
  inParallel(out, workOf(out, range.width, vectors), M, [&](int64_t begin, int64_t end) {
    float part[2 * M];
    const auto rows = [&](auto count, int64_t o, int64_t v, int64_t both) {
      constexpr int R = decltype(count)::value;
      const float* from = matrix + o * in + range.begin;
      const float* vector = x + v * in + range.begin;
      if (both == 2) rowDots<R, 2>(from, in, range.width, vector, part);
      else rowDots<R, 1>(from, in, range.width, vector, part);
      for (int64_t t = 0; t < both; t++) std::memcpy(y + (v + t) * out + o, part + t * R, R * sizeof(float));
    };
    int64_t o = begin;
    for (; o + M <= end; o += M)
      for (int64_t v = 0; v < vectors; v += 2) rows(Count<M>{}, o, v, least(2, vectors - v));
    for (; o < end; o++)
      for (int64_t v = 0; v < vectors; v += 2) rows(Count<1>{}, o, v, least(2, vectors - v));
  });
}

/** x [vectors, in] = y W of W [out, in] within a range of the columns. */
static void timesMatrix(const float* matrix, int64_t out, int64_t in, Range range, const float* y, float* x,
                        int64_t vectors) {
  constexpr int M = 8;
  inParallel(range.width, workOf(out, range.width, vectors), 4 * kLanes, [&](int64_t begin, int64_t end) {
    const int64_t width = end - begin;
    begin += range.begin;
    for (int64_t v = 0; v < vectors; v++) std::memset(x + v * in + begin, 0, width * sizeof(float));
    float factors[2 * M];
    const auto rows = [&](auto count, int64_t o, int64_t v, int64_t both) {
      constexpr int R = decltype(count)::value;
      for (int64_t t = 0; t < both; t++) std::memcpy(factors + t * R, y + (v + t) * out + o, R * sizeof(float));
      const float* from = matrix + o * in + begin;
      float* to = x + v * in + begin;
      if (both == 2) addScaledRows<R, 2>(from, in, width, factors, to, false);
      else addScaledRows<R, 1>(from, in, width, factors, to, false);
    };
    int64_t o = 0;
    for (; o + M <= out; o += M)
      for (int64_t v = 0; v < vectors; v += 2) rows(Count<M>{}, o, v, least(2, vectors - v));
    for (; o < out; o++)
      for (int64_t v = 0; v < vectors; v += 2) rows(Count<1>{}, o, v, least(2, vectors - v));
  });
}

/** y = d x + residual t for `vectors` times n numbers; residual may be null. */
static void timesDiagonal(const float* d, const float* residual, int64_t n, const float* x, const float* t, float* y,
                          int64_t vectors) {
  inParallel(n, n * vectors / 4, kLanes, [&](int64_t begin, int64_t end) {
    for (int64_t v = 0; v < vectors; v++) {
      const int64_t at = v * n;
      int64_t i = begin;
      for (; i + kLanes <= end; i += kLanes) {
        const Floats product = load(d + i) * load(x + at + i);
        store(y + at + i, residual ? product + load(residual + i) * load(t + at + i) : product);
      }
      for (; i < end; i++) y[at + i] = d[i] * x[at + i] + (residual ? residual[i] * t[at + i] : 0.0f);
    }
  });
}

/** A block of a system that still runs, as a vector on its way through the chain. */
struct Traveller {
  ChainSystem* system;
  int64_t block;
  /** Its rows. */
  Range range;
};

/**
 * f(first vector, how many, range) for the first `count` of the vectors before a matrix: those that have met one before, or
 * whose blocks are wide, together; others are zero outside of their blocks, and nobody looks at them elsewhere.
 */
template <class F>
static inline void byRanges(const Traveller* travellers, int64_t dense, int64_t count, int64_t width, F f) {
  while (dense < count && travellers[dense].system->count <= kWide) dense++;
  if (dense > 0) f(int64_t{0}, dense, Range{0, width});
  for (int64_t v = dense; v < count; v++) f(v, int64_t{1}, travellers[v].range);
}

/**
 * All systems to their ends. Those that enter further on come later in `systems`, so that at every stage the vectors that
 * are under way are the first ones.
 */
static void chainCg(const ChainStage* stages, int64_t depth, const float* head, int64_t classes, ChainSystem* systems,
                    int64_t count, bool stopOnNonPositive) {
  static Kept kept, inChain;
  int64_t numbers = 0, blocks = 0;
  for (int64_t i = 0; i < count; i++) {
    numbers += 2 * systems[i].count * (systems[i].skip + systems[i].size);
    blocks += systems[i].count;
  }
  // Directions p and products A p of all systems.
  float* next = kept.atLeast(numbers);
  for (int64_t i = 0; i < count; i++) {
    ChainSystem& s = systems[i];
    const int64_t size = s.count * (s.skip + s.size);
    s.p = next;
    s.ap = next + size;
    next += 2 * size;
    std::memcpy(s.p, s.r, size * sizeof(float));
    std::memset(s.ap, 0, size * sizeof(float));
  }
  Traveller* travellers = new Traveller[blocks];
  const auto widthAt = [&](int64_t l) { return l == depth ? classes : stages[l].in; };
  float** at = new float*[depth + 1];
  // Vectors at the input of a stage, and those among them that a matrix has filled.
  int64_t *under = new int64_t[depth + 1], *filled = new int64_t[depth + 1];
  for (;;) {
    int64_t running = 0;
    for (int64_t i = 0; i < count; i++) {
      ChainSystem& s = systems[i];
      const int64_t width = widthAt(s.at);
      for (int64_t j = 0; j < s.count; j++) {
        if (s.state[j * kStateColumns + kStop] != 0) continue;
        travellers[running++] = {&s, j, {j * s.size, least(s.size, width - j * s.size)}};
      }
    }
    if (running == 0) break;
    const int64_t first = travellers[0].system->at;
    int64_t size = running * classes;
    for (int64_t l = first, v = 0, dense = 0; l <= depth; l++) {
      while (v < running && travellers[v].system->at <= l) v++;
      under[l] = v;
      filled[l] = dense;
      if (l < depth && !stages[l].isDiagonal) dense = v;
      size += v * widthAt(l);
    }
    float* space = inChain.atLeast(size);
    for (int64_t l = first; l <= depth; l++) {
      at[l] = space;
      space += under[l] * widthAt(l);
    }
    for (int64_t v = 0; v < running; v++) {
      const auto [s, j, range] = travellers[v];
      const int64_t width = widthAt(s->at);
      float* row = at[s->at] + v * width;
      std::memset(row, 0, width * sizeof(float));
      std::memcpy(row + range.begin, s->p + j * (s->skip + s->size) + s->skip, range.width * sizeof(float));
    }
    for (int64_t l = first; l < depth; l++) {
      const ChainStage& s = stages[l];
      if (s.isDiagonal) {
        timesDiagonal(s.values, nullptr, s.in, at[l], nullptr, at[l + 1], under[l]);
        continue;
      }
      byRanges(travellers, filled[l], under[l], s.in, [&](int64_t v, int64_t vectors, Range range) {
        timesTransposed(s.values, s.out, s.in, range, at[l] + v * s.in, at[l + 1] + v * s.out, vectors);
      });
    }
    timesMatrix(head, classes, classes, {0, classes}, at[depth], space, running);
    std::memcpy(at[depth], space, running * classes * sizeof(float));
    for (int64_t l = depth - 1; l >= first; l--) {
      const ChainStage& s = stages[l];
      if (s.isDiagonal) {
        timesDiagonal(s.values, s.residual, s.in, at[l + 1], at[l], at[l], under[l]);
        continue;
      }
      byRanges(travellers, filled[l], under[l], s.in, [&](int64_t v, int64_t vectors, Range range) {
        timesMatrix(s.values, s.out, s.in, range, at[l + 1] + v * s.out, at[l] + v * s.in, vectors);
      });
    }
    for (int64_t v = 0; v < running; v++) {
      const auto [s, j, range] = travellers[v];
      const int64_t n = s->skip + s->size;
      const float* curved = at[s->at] + v * widthAt(s->at) + range.begin;
      const float* p = s->p + j * n;
      float* ap = s->ap + j * n;
      for (int64_t i = 0; i < n; i++) ap[i] = s->alpha * p[i];
      for (int64_t i = 0; i < range.width; i++) ap[s->skip + i] += s->scale * curved[i];
    }
    for (int64_t v = 0; v < running; v++) {
      if (v > 0 && travellers[v].system == travellers[v - 1].system) continue;
      ChainSystem& s = *travellers[v].system;
      const int64_t n = s.skip + s.size;
      cgDescend(s.r, s.p, s.ap, nullptr, s.metric, s.state, s.r, s.state, s.count, n, stopOnNonPositive);
      cgTurn(s.x, s.r, s.p, nullptr, nullptr, s.metric, s.state, s.x, s.p, nullptr, s.state, s.count, n, s.limit);
    }
  }
  delete[] filled;
  delete[] under;
  delete[] at;
  delete[] travellers;
}

}  // namespace HBP_ISA
