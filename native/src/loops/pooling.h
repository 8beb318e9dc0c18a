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

/** The cells of one window that lie inside of the picture: offsets of their first channels, and which they are. */
struct Cells {
  int64_t count = 0;
  int64_t* const offset;
  float* const number;

  explicit Cells(const Windows& w)
      : offset(new int64_t[w.kernelHeight * w.kernelWidth]), number(new float[w.kernelHeight * w.kernelWidth]) {}
  Cells(const Cells&) = delete;
  ~Cells() {
    delete[] offset;
    delete[] number;
  }

  void moveTo(const Windows& w, int64_t row, int64_t column) {
    count = 0;
    eachCell(w, row, column, [&](int64_t at, int64_t cell) {
      offset[count] = at;
      number[count++] = static_cast<float>(cell);
    });
  }
};

/**
 * f(picture, first element of the window's results, cells) for all windows of `pictures`, in parallel over pictures and
 * rows of windows, or over pictures alone where windows may write to the same pixel.
 */
template <class F>
static void eachWindow(const Windows& w, int64_t pictures, bool byPicture, F f) {
  const int64_t rows = byPicture ? 1 : w.outHeight, rowsEach = byPicture ? w.outHeight : 1;
  const int64_t size = w.height * w.width * w.channels;
  // All windows that touch no edge have the same cells, moved along.
  const int64_t innerRow = (w.top + w.strideHeight - 1) / w.strideHeight;
  const int64_t innerColumn = (w.left + w.strideWidth - 1) / w.strideWidth;
  const int64_t extentHeight = (w.kernelHeight - 1) * w.dilationHeight, extentWidth = (w.kernelWidth - 1) * w.dilationWidth;
  Cells inner(w);
  inner.moveTo(w, innerRow, innerColumn);
  inParallel(pictures * rows, pictures * size, 1, [&](int64_t begin, int64_t end) {
    Cells cells(w);
    for (int64_t r = begin; r < end; r++) {
      const int64_t picture = r / rows, first = r % rows * rowsEach;
      for (int64_t row = first; row < first + rowsEach; row++) {
        const int64_t y = row * w.strideHeight - w.top;
        const bool rowInside = y >= 0 && y + extentHeight < w.height;
        for (int64_t column = 0; column < w.outWidth; column++) {
          const int64_t x = column * w.strideWidth - w.left;
          const int64_t at = ((picture * w.outHeight + row) * w.outWidth + column) * w.channels;
          if (rowInside && x >= 0 && x + extentWidth < w.width) {
            const int64_t moved = ((row - innerRow) * w.strideHeight * w.width + (column - innerColumn) * w.strideWidth) * w.channels;
            f(picture, at, inner, moved);
          } else {
            cells.moveTo(w, row, column);
            f(picture, at, cells, int64_t{0});
          }
        }
      }
    }
  });
}

/** f(first channel, load, store): whole vectors, then what is left. */
template <class F>
static inline void eachVector(int64_t channels, F f) {
  int64_t c = 0;
  for (; c + kLanes <= channels; c += kLanes) {
    f(c, [](const float* p) { return load(p); }, [](float* p, Floats v) { store(p, v); });
  }
  if (c < channels) {
    const int64_t rest = channels - c;
    f(c, [rest](const float* p) { return loadSome(p, rest); }, [rest](float* p, Floats v) { storeSome(p, v, rest); });
  }
}

static inline int64_t pixels(const Windows& w) { return w.height * w.width * w.channels; }

static void maxPool(const float* x, float* y, float* chosen, const Windows& w) {
  eachWindow(w, w.n, false, [&](int64_t picture, int64_t at, const Cells& cells, int64_t moved) {
    const float* from = x + picture * pixels(w) + moved;
    eachVector(w.channels, [&](int64_t c, auto get, auto put) {
      Floats largest = get(from + cells.offset[0] + c), which = all(cells.number[0]);
      for (int64_t k = 1; k < cells.count; k++) {
        const Floats candidate = get(from + cells.offset[k] + c);
        which = candidate > largest ? all(cells.number[k]) : which;
        largest = (candidate > largest) | (candidate != candidate) ? candidate : largest;
      }
      put(y + at + c, largest);
      if (chosen) put(chosen + at + c, which);
    });
  });
}

/** From cells of windows to positions in the pictures, row-major; in all of them, or each in its own. */
static void cellPositions(const float* chosen, int32_t* index, const Windows& w, bool acrossPictures) {
  const int64_t windows = w.n * w.outHeight * w.outWidth;
  inParallel(windows, windows * w.channels, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin * w.channels; i < end * w.channels; i++) {
      const int64_t c = i % w.channels, window = i / w.channels, column = window % w.outWidth;
      const int64_t row = window / w.outWidth % w.outHeight, picture = window / w.outWidth / w.outHeight;
      const int64_t cell = static_cast<int64_t>(chosen[i]);
      const int64_t y = row * w.strideHeight - w.top + cell / w.kernelWidth * w.dilationHeight;
      const int64_t x = column * w.strideWidth - w.left + cell % w.kernelWidth * w.dilationWidth;
      const int64_t plane = acrossPictures ? picture * w.height : 0;
      index[i] = static_cast<int32_t>(((plane + y) * w.width + x) * w.channels + c);
    }
  });
}

/** The chosen cell among those inside of the picture; windows beside it are 0. */
static void pickCells(const float* x, const float* chosen, float* y, const Windows& w, int64_t vectors) {
  const int64_t perVector = w.n * w.outHeight * w.outWidth * w.channels;
  eachWindow(w, vectors * w.n, false, [&](int64_t picture, int64_t at, const Cells& cells, int64_t moved) {
    const float* from = x + picture * pixels(w) + moved;
    const float* choice = chosen + at % perVector;
    eachVector(w.channels, [&](int64_t c, auto get, auto put) {
      const Floats which = get(choice + c);
      Floats picked = Floats{};
      for (int64_t k = 0; k < cells.count; k++) {
        const Floats cell = get(from + cells.offset[k] + c);
        picked = which == cells.number[k] ? cell : picked;
      }
      put(y + at + c, picked);
    });
  });
}

static void spreadCells(const float* dy, const float* chosen, float* dx, const Windows& w, int64_t vectors) {
  const int64_t perVector = w.n * w.outHeight * w.outWidth * w.channels;
  const bool apart = w.strideHeight >= (w.kernelHeight - 1) * w.dilationHeight + 1 &&
                     w.strideWidth >= (w.kernelWidth - 1) * w.dilationWidth + 1;
  // Windows side by side that cover everything write each pixel once; others begin with zeros and add up.
  const bool covers = apart && w.strideHeight == w.kernelHeight && w.strideWidth == w.kernelWidth &&
                      w.outHeight * w.strideHeight - w.top >= w.height && w.outWidth * w.strideWidth - w.left >= w.width;
  const int64_t pictures = vectors * w.n;
  if (!covers) {
    inParallel(pictures, pictures * pixels(w), 1, [&](int64_t begin, int64_t end) {
      std::memset(dx + begin * pixels(w), 0, (end - begin) * pixels(w) * sizeof(float));
    });
  }
  eachWindow(w, pictures, !apart, [&](int64_t picture, int64_t at, const Cells& cells, int64_t moved) {
    float* to = dx + picture * pixels(w) + moved;
    const float* choice = chosen + at % perVector;
    eachVector(w.channels, [&](int64_t c, auto get, auto put) {
      const Floats which = get(choice + c), value = get(dy + at + c);
      for (int64_t k = 0; k < cells.count; k++) {
        float* target = to + cells.offset[k] + c;
        const Floats share = which == cells.number[k] ? value : Floats{};
        put(target, apart ? share : get(target) + share);
      }
    });
  });
}

/** The divisor of a window's mean. */
static inline float divisor(const Windows& w, const Cells& cells, bool countPadding) {
  return static_cast<float>(countPadding ? w.kernelHeight * w.kernelWidth : cells.count);
}

static void avgPool(const float* x, float* y, const Windows& w, bool countPadding) {
  eachWindow(w, w.n, false, [&](int64_t picture, int64_t at, const Cells& cells, int64_t moved) {
    const float* from = x + picture * pixels(w) + moved;
    const float count = divisor(w, cells, countPadding);
    eachVector(w.channels, [&](int64_t c, auto get, auto put) {
      Floats sum = Floats{};
      for (int64_t k = 0; k < cells.count; k++) sum = sum + get(from + cells.offset[k] + c);
      put(y + at + c, sum / count);
    });
  });
}

static void avgPoolTransposed(const float* dy, float* dx, const Windows& w, bool countPadding) {
  inParallel(w.n, w.n * pixels(w), 1, [&](int64_t begin, int64_t end) {
    std::memset(dx + begin * pixels(w), 0, (end - begin) * pixels(w) * sizeof(float));
  });
  eachWindow(w, w.n, true, [&](int64_t picture, int64_t at, const Cells& cells, int64_t moved) {
    float* to = dx + picture * pixels(w) + moved;
    const float count = divisor(w, cells, countPadding);
    eachVector(w.channels, [&](int64_t c, auto get, auto put) {
      const Floats share = get(dy + at + c) / count;
      for (int64_t k = 0; k < cells.count; k++) put(to + cells.offset[k] + c, get(to + cells.offset[k] + c) + share);
    });
  });
}

}  // namespace HBP_ISA
