// Pooling windows over pictures [n, height, width, channels], sixteen channels at a time.
#pragma once
#include "elementwise.h"

namespace HBP_ISA {

using hbp::Windows;

/** f(pixel offset, cell) for each cell of the window at (row, column) that lies inside of the picture. */
template <class F>
static inline void eachCell(const Windows& w, int64_t row, int64_t column, F f) {
  for (int64_t u = 0; u < w.kernelHeight; u++) {
    const int64_t y = row * w.strideHeight - w.top + u * w.dilationHeight;
    if (y < 0 || y >= w.height) continue;
    for (int64_t v = 0; v < w.kernelWidth; v++) {
      const int64_t x = column * w.strideWidth - w.left + v * w.dilationWidth;
      if (x >= 0 && x < w.width) f((y * w.width + x) * w.channels, u * w.kernelWidth + v);
    }
  }
}

/** f(picture, row, column) for all windows of pictures begin to end, in parallel over rows of windows. */
template <class F>
static void eachWindow(const Windows& w, int64_t pictures, F f) {
  const int64_t rows = pictures * w.outHeight;
  inParallel(rows, pictures * w.height * w.width * w.channels, 1, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; r++) {
      for (int64_t column = 0; column < w.outWidth; column++) f(r / w.outHeight, r % w.outHeight, column);
    }
  });
}

/** f(first channel, how many) in vectors. */
template <class F>
static inline void eachVector(int64_t channels, F f) {
  for (int64_t c = 0; c < channels; c += kLanes) f(c, least(kLanes, channels - c));
}

static inline Floats take(const float* p, int64_t count) { return count == kLanes ? load(p) : loadSome(p, count); }
static inline void put(float* p, Floats v, int64_t count) {
  if (count == kLanes) store(p, v);
  else storeSome(p, v, count);
}

static inline int64_t windowOffset(const Windows& w, int64_t picture, int64_t row, int64_t column) {
  return ((picture * w.outHeight + row) * w.outWidth + column) * w.channels;
}

static void maxPool(const float* x, float* y, float* chosen, const Windows& w) {
  eachWindow(w, w.n, [&](int64_t picture, int64_t row, int64_t column) {
    const float* from = x + picture * w.height * w.width * w.channels;
    const int64_t to = windowOffset(w, picture, row, column);
    eachVector(w.channels, [&](int64_t c, int64_t count) {
      Floats largest = all(-kInfinity), which = all(-1.0f);
      eachCell(w, row, column, [&](int64_t pixel, int64_t cell) {
        const Floats candidate = take(from + pixel + c, count);
        const Ints better = (candidate > largest) | (which < 0.0f);
        which = better ? all(static_cast<float>(cell)) : which;
        largest = better | (candidate != candidate) ? candidate : largest;
      });
      put(y + to + c, largest, count);
      if (chosen) put(chosen + to + c, which, count);
    });
  });
}

/** From cells of windows to positions in the pictures, row-major; in all of them, or each in its own. */
static void cellPositions(const float* chosen, int32_t* index, const Windows& w, bool acrossPictures) {
  eachWindow(w, w.n, [&](int64_t picture, int64_t row, int64_t column) {
    const int64_t at = windowOffset(w, picture, row, column);
    for (int64_t c = 0; c < w.channels; c++) {
      const int64_t cell = static_cast<int64_t>(chosen[at + c]);
      const int64_t y = row * w.strideHeight - w.top + cell / w.kernelWidth * w.dilationHeight;
      const int64_t x = column * w.strideWidth - w.left + cell % w.kernelWidth * w.dilationWidth;
      const int64_t plane = acrossPictures ? picture * w.height : 0;
      index[at + c] = static_cast<int32_t>(((plane + y) * w.width + x) * w.channels + c);
    }
  });
}

static void pickCells(const float* x, const float* chosen, float* y, const Windows& w, int64_t vectors) {
  eachWindow(w, vectors * w.n, [&](int64_t picture, int64_t row, int64_t column) {
    const float* from = x + picture * w.height * w.width * w.channels;
    const int64_t to = windowOffset(w, picture, row, column), choice = windowOffset(w, picture % w.n, row, column);
    eachVector(w.channels, [&](int64_t c, int64_t count) {
      const Floats which = take(chosen + choice + c, count);
      Floats picked = Floats{};
      eachCell(w, row, column, [&](int64_t pixel, int64_t cell) {
        const Ints here = which == static_cast<float>(cell);
        picked = here ? take(from + pixel + c, count) : picked;
      });
      put(y + to + c, picked, count);
    });
  });
}

static void spreadCells(const float* dy, const float* chosen, float* dx, const Windows& w, int64_t vectors) {
  const int64_t pictures = vectors * w.n, size = w.height * w.width * w.channels;
  inParallel(pictures, pictures * size, 1, [&](int64_t begin, int64_t end) {
    for (int64_t picture = begin; picture < end; picture++) {
      float* to = dx + picture * size;
      std::memset(to, 0, size * sizeof(float));
      for (int64_t row = 0; row < w.outHeight; row++) {
        for (int64_t column = 0; column < w.outWidth; column++) {
          const int64_t from = windowOffset(w, picture, row, column);
          const int64_t choice = windowOffset(w, picture % w.n, row, column);
          eachVector(w.channels, [&](int64_t c, int64_t count) {
            const Floats which = take(chosen + choice + c, count), value = take(dy + from + c, count);
            eachCell(w, row, column, [&](int64_t pixel, int64_t cell) {
              const Ints here = which == static_cast<float>(cell);
              float* target = to + pixel + c;
              put(target, take(target, count) + (here ? value : Floats{}), count);
            });
          });
        }
      }
    }
  });
}

static inline float cellsOf(const Windows& w, int64_t row, int64_t column, bool countPadding) {
  if (countPadding) return static_cast<float>(w.kernelHeight * w.kernelWidth);
  int64_t inside = 0;
  eachCell(w, row, column, [&](int64_t, int64_t) { inside++; });
  return static_cast<float>(inside);
}

static void avgPool(const float* x, float* y, const Windows& w, bool countPadding) {
  eachWindow(w, w.n, [&](int64_t picture, int64_t row, int64_t column) {
    const float* from = x + picture * w.height * w.width * w.channels;
    const int64_t to = windowOffset(w, picture, row, column);
    const float cells = cellsOf(w, row, column, countPadding);
    eachVector(w.channels, [&](int64_t c, int64_t count) {
      Floats sum = Floats{};
      eachCell(w, row, column, [&](int64_t pixel, int64_t) { sum = sum + take(from + pixel + c, count); });
      put(y + to + c, sum / cells, count);
    });
  });
}

static void avgPoolTransposed(const float* dy, float* dx, const Windows& w, bool countPadding) {
  const int64_t size = w.height * w.width * w.channels;
  inParallel(w.n, w.n * size, 1, [&](int64_t begin, int64_t end) {
    for (int64_t picture = begin; picture < end; picture++) {
      float* to = dx + picture * size;
      std::memset(to, 0, size * sizeof(float));
      for (int64_t row = 0; row < w.outHeight; row++) {
        for (int64_t column = 0; column < w.outWidth; column++) {
          const int64_t from = windowOffset(w, picture, row, column);
          const float cells = cellsOf(w, row, column, countPadding);
          eachVector(w.channels, [&](int64_t c, int64_t count) {
            const Floats share = take(dy + from + c, count) / cells;
            eachCell(w, row, column, [&](int64_t pixel, int64_t) {
              put(to + pixel + c, take(to + pixel + c, count) + share, count);
            });
          });
        }
      }
    }
  });
}

}  // namespace HBP_ISA
