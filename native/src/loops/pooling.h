// Pooling windows over pictures [n, height, width, channels], a vector of channels at a time.
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
 * Ask for the pixels that the next row of windows meets first. They lie a row apart, in pieces shorter than the
 * processor's own prefetching needs to get going: this takes a fifth off the time.
 */
static inline void prefetchBelow(const Windows& w, const float* firstCell) {
  const float* below = firstCell + w.kernelHeight * w.width * w.channels;
  const int64_t length = w.strideWidth * w.channels;
  for (int64_t u = 0; u < w.strideHeight; u++, below += w.width * w.channels) {
    for (int64_t i = 0; i < length; i += kLanes) __builtin_prefetch(below + i);
  }
}

/**
 * f(picture, first element of the window's results, cells, how far the cells are moved) for all windows of `pictures`, in
 * parallel over pictures and rows of windows; or over pictures alone, each of which `prepare` prepares, where windows may
 * write to the same pixel.
 */
template <class B, class F>
static void eachWindow(const Windows& w, int64_t pictures, bool byPicture, B prepare, F f) {
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
      if (byPicture) prepare(picture);
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

/** The same where windows are only read, from `x`. */
template <class F>
static void eachWindowOf(const float* x, const Windows& w, int64_t pictures, F f) {
  const bool apart = w.strideHeight >= w.kernelHeight;  // else the rows below have been met already
  eachWindow(w, pictures, false, [](int64_t) {}, [&](int64_t picture, int64_t at, const Cells& cells, int64_t moved) {
    if (apart && cells.count > 0) {
      prefetchBelow(w, x + picture * w.height * w.width * w.channels + moved + cells.offset[0]);
    }
    f(picture, at, cells, moved);
  });
}

/** Windows side by side that cover the whole picture: each pixel is one window's, and is written once. */
static inline bool tiles(const Windows& w) {
  return w.dilationHeight == 1 && w.dilationWidth == 1 && w.strideHeight == w.kernelHeight &&
         w.strideWidth == w.kernelWidth && w.outHeight * w.strideHeight - w.top >= w.height &&
         w.outWidth * w.strideWidth - w.left >= w.width;
}

/** f with the number of cells as a constant where it is a usual one, so that loops over them unroll. */
template <class F>
static inline void withCount(int64_t count, F f) {
  struct Four { static constexpr int64_t get(int64_t) { return 4; } };
  struct Nine { static constexpr int64_t get(int64_t) { return 9; } };
  struct Any { static constexpr int64_t get(int64_t n) { return n; } };
  if (count == 4) f(Four{});
  else if (count == 9) f(Nine{});
  else f(Any{});
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
  eachWindowOf(x, w, w.n, [&](int64_t picture, int64_t at, const Cells& cells, int64_t moved) {
    const float* from = x + picture * pixels(w) + moved;
    withCount(cells.count, [&](auto constant) {
      const int64_t count = constant.get(cells.count);
      eachVector(w.channels, [&](int64_t c, auto get, auto put) {
        Floats largest = get(from + cells.offset[0] + c), which = all(cells.number[0]);
#pragma GCC unroll 9
        for (int64_t k = 1; k < count; k++) {
          const Floats candidate = get(from + cells.offset[k] + c);
          which = candidate > largest ? all(cells.number[k]) : which;
          largest = (candidate > largest) | (candidate != candidate) ? candidate : largest;
        }
        put(y + at + c, largest);
        if (chosen) put(chosen + at + c, which);
      });
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
  eachWindowOf(x, w, vectors * w.n, [&](int64_t picture, int64_t at, const Cells& cells, int64_t moved) {
    const float* from = x + picture * pixels(w) + moved;
    const float* choice = chosen + at % perVector;
    withCount(cells.count, [&](auto constant) {
      const int64_t count = constant.get(cells.count);
      eachVector(w.channels, [&](int64_t c, auto get, auto put) {
        const Floats which = get(choice + c);
        Floats picked = Floats{};
#pragma GCC unroll 9
        for (int64_t k = 0; k < count; k++) {
          const Floats cell = get(from + cells.offset[k] + c);
          picked = which == cells.number[k] ? cell : picked;
        }
        put(y + at + c, picked);
      });
    });
  });
}

/** share(window's first element, first channel, load) gives a function of a cell: what it adds to its pixel. */
template <class S>
static void spread(float* dx, const Windows& w, int64_t pictures, S share) {
  const auto clear = [&](int64_t picture) { std::memset(dx + picture * pixels(w), 0, pixels(w) * sizeof(float)); };
  const bool once = tiles(w), streamed = once && w.channels % kLanes == 0 && isStreamed(dx, pictures * pixels(w));
  eachWindow(w, pictures, !once, clear, [&](int64_t picture, int64_t at, const Cells& cells, int64_t moved) {
    float* to = dx + picture * pixels(w) + moved;
    withCount(cells.count, [&](auto constant) {
      const int64_t count = constant.get(cells.count);
      eachVector(w.channels, [&](int64_t c, auto get, auto put) {
        const auto part = share(at + c, cells, get);
        if (streamed) {
#pragma GCC unroll 9
          for (int64_t k = 0; k < count; k++) stream(to + cells.offset[k] + c, part(k));
        } else if (once) {
#pragma GCC unroll 9
          for (int64_t k = 0; k < count; k++) put(to + cells.offset[k] + c, part(k));
        } else {
#pragma GCC unroll 9
          for (int64_t k = 0; k < count; k++) {
            float* target = to + cells.offset[k] + c;
            put(target, get(target) + part(k));
          }
        }
      });
    });
  });
}

static void spreadCells(const float* dy, const float* chosen, float* dx, const Windows& w, int64_t vectors) {
  const int64_t perVector = w.n * w.outHeight * w.outWidth * w.channels;
  spread(dx, w, vectors * w.n, [=](int64_t at, const Cells& cells, auto get) {
    const Floats which = get(chosen + at % perVector), value = get(dy + at);
    const float* number = cells.number;
    return [=](int64_t k) { return which == number[k] ? value : Floats{}; };
  });
}

/** The divisor of a window's mean. */
static inline float divisor(const Windows& w, const Cells& cells, bool countPadding) {
  return static_cast<float>(countPadding ? w.kernelHeight * w.kernelWidth : cells.count);
}

static void avgPool(const float* x, float* y, const Windows& w, bool countPadding) {
  eachWindowOf(x, w, w.n, [&](int64_t picture, int64_t at, const Cells& cells, int64_t moved) {
    const float* from = x + picture * pixels(w) + moved;
    const float divide = divisor(w, cells, countPadding);
    withCount(cells.count, [&](auto constant) {
      const int64_t count = constant.get(cells.count);
      eachVector(w.channels, [&](int64_t c, auto get, auto put) {
        Floats sum = Floats{};
#pragma GCC unroll 9
        for (int64_t k = 0; k < count; k++) sum = sum + get(from + cells.offset[k] + c);
        put(y + at + c, sum / divide);
      });
    });
  });
}

static void avgPoolTransposed(const float* dy, float* dx, const Windows& w, bool countPadding) {
  spread(dx, w, w.n, [=, &w](int64_t at, const Cells& cells, auto get) {
    const Floats share = get(dy + at) / divisor(w, cells, countPadding);
    return [=](int64_t) { return share; };
  });
}

}  // namespace HBP_ISA
