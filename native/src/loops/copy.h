// Moving elements without computing: boxes between strided arrays (slices, padding, transposes, tiles), gathering by
// index, scattering.
#pragma once
#include "elementwise.h"

namespace HBP_ISA {

/** Side of the squares in which transposes go, so that both sides stay in the first-level cache. */
constexpr int64_t kTile = 32;

template <class T>
static inline void copyRow(const T* x, int64_t strideX, T* y, int64_t strideY, int64_t n) {
  if (strideX == 1 && strideY == 1) {
    std::memcpy(y, x, n * sizeof(T));
  } else if (strideX == 0) {
    for (int64_t i = 0; i < n; i++) y[i * strideY] = *x;
  } else {
    for (int64_t i = 0; i < n; i++) y[i * strideY] = x[i * strideX];
  }
}

/** [rows, columns]: x strides (1, sx), y strides (sy, 1). */
template <class T>
static inline void transposeTiles(const T* x, int64_t sx, T* y, int64_t sy, int64_t rows, int64_t columns) {
  for (int64_t r0 = 0; r0 < rows; r0 += kTile) {
    const int64_t r1 = least(r0 + kTile, rows);
    for (int64_t c0 = 0; c0 < columns; c0 += kTile) {
      const int64_t c1 = least(c0 + kTile, columns);
      for (int64_t r = r0; r < r1; r++)
        for (int64_t c = c0; c < c1; c++) y[r * sy + c] = x[r + c * sx];
    }
  }
}

template <class T>
static void copyAny(const T* x, T* y, const Walk& walk) {
  const int last = walk.rank - 1;
  int64_t total = 1;
  for (int axis = 0; axis < walk.rank; axis++) total *= walk.size[axis];
  if (total == 0) return;
  const int64_t* sx = walk.stride[0];
  const int64_t* sy = walk.stride[2];
  // A transpose: the source is contiguous along another axis than the target. That axis and the last go in tiles.
  int other = -1;
  if (sy[last] == 1 && sx[last] != 1 && walk.rank >= 2) {
    for (int axis = 0; axis < last; axis++)
      if (sx[axis] == 1 && walk.size[axis] > 1) other = axis;
  }
  const auto offsets = [&](int64_t row, int64_t& ox, int64_t& oy) {
    ox = oy = 0;
    for (int axis = last - 1; axis >= 0; axis--) {
      if (axis == other) continue;
      const int64_t i = row % walk.size[axis];
      row /= walk.size[axis];
      ox += i * sx[axis];
      oy += i * sy[axis];
    }
  };
  if (other >= 0) {
    const int64_t rows = walk.size[other], columns = walk.size[last], planes = total / (rows * columns);
    const int64_t bands = (rows + kTile - 1) / kTile;
    inParallel(planes * bands, total, 1, [&](int64_t begin, int64_t end) {
      for (int64_t b = begin; b < end; b++) {
        int64_t ox, oy;
        offsets(b / bands, ox, oy);
        const int64_t first = b % bands * kTile;
        transposeTiles(x + ox + first, sx[last], y + oy + first * sy[other], sy[other], least(kTile, rows - first), columns);
      }
    });
    return;
  }
  const int64_t n = walk.size[last], rows = total / n;
  if (rows == 1) {
    inParallel(n, n, 64, [&](int64_t begin, int64_t end) {
      copyRow(x + begin * sx[last], sx[last], y + begin * sy[last], sy[last], end - begin);
    });
    return;
  }
  inParallel(rows, total, 1, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; row++) {
      int64_t ox, oy;
      offsets(row, ox, oy);
      copyRow(x + ox, sx[last], y + oy, sy[last], n);
    }
  });
}

static void copy(const void* x, void* y, const Walk& walk, int bytes) {
  if (bytes == 4) copyAny(static_cast<const uint32_t*>(x), static_cast<uint32_t*>(y), walk);
  else copyAny(static_cast<const uint8_t*>(x), static_cast<uint8_t*>(y), walk);
}

/** x [batch, outer, length, inner], index [batch, indices], y [batch, outer, indices, inner]. */
static void gather(const void* x, const int32_t* index, void* y, int64_t batch, int64_t outer, int64_t length,
                   int64_t indices, int64_t inner, int bytes) {
  const int64_t rows = batch * outer * indices, size = inner * bytes;
  inParallel(rows, rows * inner, 1, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; row++) {
      const int64_t i = row % indices, plane = row / indices, b = plane / outer;
      int64_t from = index[b * indices + i];
      if (from < 0) from += length;
      std::memcpy(static_cast<char*>(y) + row * size, static_cast<const char*>(x) + (plane * length + from) * size, size);
    }
  });
}

static void scatterAdd(const float* x, const int32_t* index, float* y, int64_t indices, int64_t length, int64_t inner) {
  for (int64_t i = 0; i < indices; i++) {
    if (index[i] < 0 || index[i] >= length) continue;
    float* to = y + index[i] * inner;
    for (int64_t k = 0; k < inner; k++) to[k] += x[i * inner + k];
  }
}

static void oneHot(const int32_t* index, float* y, int64_t n, int64_t depth, float on, float off) {
  for (int64_t i = 0; i < n; i++) {
    for (int64_t k = 0; k < depth; k++) y[i * depth + k] = k == index[i] ? on : off;
  }
}

}  // namespace HBP_ISA
