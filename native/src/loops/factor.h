// Products with the factor of a Gauss-Newton matrix, sample by sample.
#pragma once
#include "elementwise.h"

namespace HBP_ISA {

using hbp::FactorColumns;
using hbp::FactorTangents;
using hbp::kFactorColumns;
using hbp::TangentPiece;

/** Tangents at a time: every load of a column serves them all, as far as there are registers. */
constexpr int kTangents = kLanes > 4 ? 4 : 2;

/** The columns and tangents of a sample, and their products: along[t][v] = <column v, tangent t>. */
struct FactorTile {
  int64_t features;
  const float* column[kFactorColumns];
  const float* tangent[kTangents];
  float* result[kTangents];
  float along[kTangents][kFactorColumns];
};

/** Columns v to v + C - 1 with T tangents: C T sums in registers. */
template <int C, int T>
static inline void dotsOf(FactorTile& tile, int v) {
  Floats sum[T][C] = {};
  int64_t i = 0;
  for (; i + kLanes <= tile.features; i += kLanes) {
    Floats column[C];
    for (int c = 0; c < C; c++) column[c] = load(tile.column[v + c] + i);
    for (int t = 0; t < T; t++) {
      const Floats tangent = load(tile.tangent[t] + i);
      for (int c = 0; c < C; c++) sum[t][c] = sum[t][c] + column[c] * tangent;
    }
  }
  for (int t = 0; t < T; t++) {
    for (int c = 0; c < C; c++) {
      float total = sumOf(sum[t][c]);
      for (int64_t k = i; k < tile.features; k++) total += tile.column[v + c][k] * tile.tangent[t][k];
      tile.along[t][v + c] = total;
    }
  }
}

/** Adds along[t][v] column v to result t over all columns, I registers of T results at a time; `fresh`: to zeros. */
template <int T, int I, class Put>
static inline int64_t combine(const FactorTile& tile, int columns, bool fresh, int64_t i, Put put) {
  for (; i + I * kLanes <= tile.features; i += I * kLanes) {
    Floats sum[T][I];
    for (int t = 0; t < T; t++)
      for (int j = 0; j < I; j++) sum[t][j] = fresh ? Floats{} : load(tile.result[t] + i + j * kLanes);
    for (int v = 0; v < columns; v++) {
      Floats column[I];
      for (int j = 0; j < I; j++) column[j] = load(tile.column[v] + i + j * kLanes);
      for (int t = 0; t < T; t++)
        for (int j = 0; j < I; j++) sum[t][j] = sum[t][j] + tile.along[t][v] * column[j];
    }
    for (int t = 0; t < T; t++)
      for (int j = 0; j < I; j++) put(tile.result[t] + i + j * kLanes, sum[t][j]);
  }
  return i;
}

template <int T, class Put>
static inline void factorTile(FactorTile& tile, int columns, bool fresh, Put put) {
  constexpr int C = T == 1 ? 6 : 3;
  int v = 0;
  for (; v + C <= columns; v += C) dotsOf<C, T>(tile, v);
  for (; v < columns; v++) dotsOf<1, T>(tile, v);
  // Whole lines of the cache: columns and results lie powers of two apart, and it does not keep them all.
  constexpr int I = T == 1 ? 8 : T == 2 ? 4 : 2;
  int64_t i = combine<T, I>(tile, columns, fresh, 0, put);
  i = combine<T, 1>(tile, columns, fresh, i, put);
  for (; i < tile.features; i++) {
    for (int t = 0; t < T; t++) {
      float sum = fresh ? 0 : tile.result[t][i];
      for (int c = 0; c < columns; c++) sum += tile.along[t][c] * tile.column[c][i];
      tile.result[t][i] = sum;
    }
  }
}

template <class Put>
static inline void factorTile(FactorTile& tile, int tangents, int columns, bool fresh, Put put) {
  if (tangents == 1) return factorTile<1>(tile, columns, fresh, put);
  if (tangents == 2) return factorTile<2>(tile, columns, fresh, put);
  if constexpr (kTangents > 2) {
    if (tangents == 3) return factorTile<3>(tile, columns, fresh, put);
    factorTile<4>(tile, columns, fresh, put);
  }
}

/** One sample of all tangents of a group; `past` the caches only if there are no more columns than are taken at a time. */
template <bool Past>
static void factorProductOf(const FactorColumns& factor, const FactorTangents& group, int64_t n, Put<Past> put) {
  FactorTile tile;
  tile.features = factor.features;
  for (int64_t t = 0; t < group.vectors; t += kTangents) {
    const int taken = static_cast<int>(least(kTangents, group.vectors - t));
    for (int k = 0; k < taken; k++) {
      const int64_t at = (t + k) * group.vectorStep + n * group.sampleStep;
      tile.tangent[k] = group.from + at;
      tile.result[k] = group.to + at;
      if (factor.rank == 0) std::memset(tile.result[k], 0, factor.features * sizeof(float));
    }
    for (int64_t v = 0; v < factor.rank; v += kFactorColumns) {
      const int columns = static_cast<int>(least(kFactorColumns, factor.rank - v));
      for (int c = 0; c < columns; c++) tile.column[c] = factor.from + (v + c) * factor.step + n * factor.features;
      factorTile(tile, taken, columns, v == 0, put);
    }
  }
}

static void factorProduct(const FactorColumns& factor, const FactorTangents* tangents, int64_t groups) {
  int64_t vectors = 0;
  for (int64_t g = 0; g < groups; g++) vectors += tangents[g].vectors;
  inParallel(factor.samples, (factor.rank + 2 * vectors) * factor.samples * factor.features, 1, [&](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; n++) {
      for (int64_t g = 0; g < groups; g++) {
        // Results that are added to are read again; those of a sample begin at a register's size if its features fill some.
        const bool fills = factor.rank <= kFactorColumns && factor.features % kLanes == 0;
        if (fills && isStreamed(tangents[g].to, tangents[g].of)) factorProductOf(factor, tangents[g], n, Put<true>());
        else factorProductOf(factor, tangents[g], n, Put<false>());
      }
    }
  });
}

static void takeTangents(const TangentPiece& piece, const hbp::Before& before, const float* const* tangents, float* to) {
  inParallel(piece.samples, 2 * piece.samples * piece.vectors * piece.features, 1, [&](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; n++) {
      for (int64_t t = 0; t < piece.vectors; t++) {
        const int64_t at = (piece.first + n) * piece.features;
        copyThrough(before, at, tangents[t] + at, to + (n * piece.vectors + t) * piece.features, piece.features, Put<false>());
      }
    }
  });
}

static void putTangents(const TangentPiece& piece, const hbp::Before& before, const float* from, float* const* tangents) {
  inParallel(piece.samples, 2 * piece.samples * piece.vectors * piece.features, 1, [&](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; n++) {
      for (int64_t t = 0; t < piece.vectors; t++) {
        const int64_t at = (piece.first + n) * piece.features;
        const float* const source = from + (n * piece.vectors + t) * piece.features;
        const bool past = piece.features % kLanes == 0 && isStreamed(tangents[t], piece.of * piece.features);
        if (past) copyThrough(before, at, source, tangents[t] + at, piece.features, Put<true>());
        else copyThrough(before, at, source, tangents[t] + at, piece.features, Put<false>());
      }
    }
  });
}

}  // namespace HBP_ISA
