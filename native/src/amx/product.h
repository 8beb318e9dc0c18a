// Matrix products on the matrix unit.
#pragma once
#include "tiles.h"

namespace hbp {

namespace {

/** Rows, or columns, of two tiles. Of a panel, `kDepth` deep, the three parts of two tiles follow each other. */
constexpr int64_t kPanel = 2 * kRows, kSlice = kParts * 2 * kTile;
/** What is split at a time: with its sums it stays in the second cache, a panel of the right operand in the first. */
constexpr int64_t kDepthBlock = 64, kColumnBlock = 512, kRowBlock = 512;
constexpr int64_t kRowBytes = kRowBlock * kDepthBlock * kParts * 2, kColumnBytes = kColumnBlock * kDepthBlock * kParts * 2;

/** Panels of elements from..from+count, deep..deep+depth, one after the other. */
static void splitBlock(const Operand& x, int64_t from, int64_t count, int64_t deep, int64_t depth, bool isPaired, char* to,
                       Largest& largest) {
  for (int64_t i = 0; i < count; i += kPanel) {
    for (int64_t p = 0; p < depth; p += kDepth, to += kSlice) {
      splitTile<2 * kTile>(x, from + i, deep + p, isPaired, to, largest);
      splitTile<2 * kTile>(x, from + i + kRows, deep + p, isPaired, to + kTile, largest);
    }
  }
}

/** Where the product of two panels goes, and how much of it is there. */
struct Result {
  float* at;
  int64_t line, rows, columns;
};

/** The tiles' numbers must be literals. Tiles 0 to 3 sum up, 4 and 5 hold rows, 6 and 7 columns. */
#define HBP_SUMS(operation, to, line) \
  operation(0, to, line); \
  operation(1, (to) + kRows, line); \
  operation(2, (to) + kRows * (line) / 4, line); \
  operation(3, (to) + kRows * (line) / 4 + kRows, line)
#define HBP_LEFT(part) \
  _tile_loadd(4, a + 2 * kTile * (part), 64); \
  _tile_loadd(5, a + 2 * kTile * (part) + kTile, 64)
#define HBP_RIGHT(part) \
  _tile_loadd(6, b + 2 * kTile * (part), 64); \
  _tile_loadd(7, b + 2 * kTile * (part) + kTile, 64)
#define HBP_MULTIPLY \
  _tile_dpbf16ps(0, 4, 6); \
  _tile_dpbf16ps(1, 4, 7); \
  _tile_dpbf16ps(2, 5, 6); \
  _tile_dpbf16ps(3, 5, 7)

/** Asks for lines from..to, of 64, of the next panels' sums, and at last also of where they go: they would be waited for. */
static inline void prefetchSums(const float* sums, const Result& c, bool isLast, int64_t from, int64_t to) {
  for (int64_t i = from; i < to; i++) {
    __builtin_prefetch(sums + kPanel * kPanel + 16 * i, 1);
    if (isLast) __builtin_prefetch(c.at + (kPanel + i / 2) * c.line + i % 2 * 16, 1);
  }
}

/**
 * Adds to `sums`, [32, 32], the product of a left and a right panel, or sets it to that at first; at last it goes to `c`. The
 * order of the parts is that with the fewest loads.
 */
static void multiplyPanels(const char* a, const char* b, int64_t slices, float* sums, bool isFirst, bool isLast,
                           const Result& c) {
  if (isFirst) {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
  } else {
    HBP_SUMS(_tile_loadd, sums, kPanel * sizeof(float));
  }
  for (int64_t i = 0; i < slices; i++, a += kSlice, b += kSlice) {
    const int64_t from = 64 * i / slices, to = 64 * (i + 1) / slices, third = (to - from) / 3;
    HBP_LEFT(0);
    HBP_RIGHT(2);
    HBP_MULTIPLY;
    HBP_RIGHT(1);
    HBP_MULTIPLY;
    prefetchSums(sums, c, isLast, from, from + third);
    HBP_RIGHT(0);
    HBP_MULTIPLY;
    HBP_LEFT(1);
    HBP_MULTIPLY;
    prefetchSums(sums, c, isLast, from + third, from + 2 * third);
    HBP_LEFT(2);
    HBP_MULTIPLY;
    HBP_LEFT(1);
    HBP_RIGHT(1);
    HBP_MULTIPLY;
    prefetchSums(sums, c, isLast, from + 2 * third, to);
  }
  if (isLast && c.rows >= kPanel && c.columns >= kPanel) {
    HBP_SUMS(_tile_stored, c.at, c.line * sizeof(float));
    return;
  }
  HBP_SUMS(_tile_stored, sums, kPanel * sizeof(float));
  if (!isLast) return;
  for (int64_t i = 0; i < c.rows && i < kPanel; i++) {
    for (int64_t j = 0; j < c.columns && j < kPanel; j += kRows) {
      _mm512_mask_storeu_ps(c.at + i * c.line + j, firstOf(c.columns - j), _mm512_load_ps(sums + i * kPanel + j));
    }
  }
}

/** Rows from..to and columns from..to of a result, a thread's work; of a symmetric one only what is not below the diagonal. */
struct Share {
  int64_t fromRow, toRow, fromColumn, toColumn;
  bool isSymmetric;
};

/** False if a number was seen that bfloat16 does not have. */
static bool multiplyShare(const Operand& a, const Operand& b, float* c, int64_t line, const Share& share) {
  static thread_local Pages memory;
  char* const rowParts = memory.atLeast(kRowBytes + kColumnBytes + kRowBlock * kColumnBlock * sizeof(float));
  char* const columnParts = rowParts + kRowBytes;
  configureTiles();
  Largest largest = {_mm512_setzero_si512()};
  for (int64_t column = share.fromColumn; column < share.toColumn; column += kColumnBlock) {
    const int64_t columns = least(kColumnBlock, share.toColumn - column);
    const int64_t toRow = share.isSymmetric ? least(share.toRow, column + columns) : share.toRow;
    for (int64_t row = share.fromRow; row < toRow; row += kRowBlock) {
      const int64_t rows = least(kRowBlock, toRow - row);
      for (int64_t deep = 0; deep < a.depth; deep += kDepthBlock) {
        const int64_t depth = least(kDepthBlock, a.depth - deep), slices = (depth + kDepth - 1) / kDepth;
        splitBlock(b, column, columns, deep, depth, true, columnParts, largest);
        splitBlock(a, row, rows, deep, depth, false, rowParts, largest);
        float* sums = reinterpret_cast<float*>(columnParts + kColumnBytes);
        for (int64_t j = 0; j < columns; j += kPanel) {
          const int64_t end = share.isSymmetric ? least(rows, column + j + kPanel - row) : rows;
          for (int64_t i = 0; i < end; i += kPanel, sums += kPanel * kPanel) {
            multiplyPanels(rowParts + i / kPanel * slices * kSlice, columnParts + j / kPanel * slices * kSlice, slices, sums,
                           deep == 0, deep + depth == a.depth, {c + (row + i) * line + column + j, line, rows - i, columns - j});
          }
        }
      }
    }
  }
  _tile_release();
  return largest.isIn();
}

/** Less work than that is not worth a further thread. */
constexpr int64_t kLeastShare = 1 << 21;

}  // namespace

bool multiplyByAmx(const float* a, const float* b, float* c, int64_t m, int64_t n, int64_t k, bool transposeA,
                   bool transposeB, int64_t threads) {
  const Operand left = {a, transposeA ? m : k, m, k, transposeA}, right = {b, transposeB ? k : n, n, k, !transposeB};
  threads = least(threads, (m * n * k + kLeastShare - 1) / kLeastShare);
  // As many threads along the rows and along the columns as make the shares nearest to squares: that splits least.
  int64_t along = 1;
  for (int64_t rows = 1; rows <= threads; rows++) {
    if (threads % rows == 0 && m / rows + n * rows / threads < m / along + n * along / threads) along = rows;
  }
  const int64_t across = threads / along, rowPanels = (m + kPanel - 1) / kPanel, columnPanels = (n + kPanel - 1) / kPanel;
  return onAll(threads, [&](int64_t i) {
    const int64_t row = i / across, column = i % across;
    return multiplyShare(left, right, c, n,
                         {rowPanels * row / along * kPanel, least(rowPanels * (row + 1) / along * kPanel, m),
                          columnPanels * column / across * kPanel, least(columnPanels * (column + 1) / across * kPanel, n), false});
  });
}

bool gramByAmx(const float* x, float* y, int64_t n, int64_t k, int64_t line, bool ofRows, int64_t threads) {
  const Operand left = {x, ofRows ? n : k, k, n, !ofRows};
  threads = least(threads, (n * k * k / 2 + kLeastShare - 1) / kLeastShare);
  const int64_t panels = (k + kPanel - 1) / kPanel;
  // The part left of a column grows with its square.
  const auto boundary = [&](int64_t i) {
    return least(static_cast<int64_t>(panels * __builtin_sqrt(static_cast<double>(i) / threads) + 0.5) * kPanel, k);
  };
  return onAll(threads, [&](int64_t i) {
    return multiplyShare(left, left, y, line, {0, boundary(i + 1), boundary(i), boundary(i + 1), true});
  });
}

}  // namespace hbp
