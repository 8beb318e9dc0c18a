// Convolutions (stride 1) where pooling behind them chose one cell of each window: only the chosen cells are calculated.
//
// Pictures are copied with their padding, each by itself, so that the patch that a cell looks at is one run of floats for
// each row of the kernel. Where the channels do not fill whole vectors, each patch gets runs of its own, filled up with
// zeros: vectors that cross a line of the cache take twice as long to read. Weights go to [out][kernel row][run]. A window
// that chose a cell beside the picture looks at a patch of zeros behind the picture.
//
// For AVX-512 alone: with half the registers of half the length the compiler keeps sums in memory, and oneDNN's whole
// convolution is faster.
#pragma once
#include "pooling.h"
#include "scratch.h"
#include "transpose.h"

namespace HBP_ISA {

using hbp::ChosenConvolution;

constexpr int kDots = 8;       // dot products at a time
constexpr int kMostSums = 20;  // vectors that are summed in registers

/** Where things are in a padded picture and in rearranged weights. */
struct PatchLayout {
  int64_t windows, windowsUp, outputs, outputsUp;
  int64_t run;      // floats of one row of a patch that count
  int64_t vectors;  // vectors of one row of a patch
  int64_t rows;     // rows of a patch
  int64_t patch;    // floats of a rearranged patch
  int64_t step;     // floats from a patch to the one beside it
  bool apart;       // whether patches have runs of their own
  int64_t pitch;    // floats from a row of the padded picture to the next
  int64_t nothing;  // where the patch of zeros is
  int64_t size;     // floats of a padded picture
  int64_t rowSize;  // floats of a row that patches have in common

  explicit PatchLayout(const ChosenConvolution& c) {
    const auto up = [](int64_t n) { return (n + kLanes - 1) / kLanes * kLanes; };
    windows = c.pooling.outHeight * c.pooling.outWidth;
    windowsUp = up(windows);
    outputs = c.pooling.channels;
    outputsUp = up(outputs);
    run = c.kernelWidth * c.in;
    vectors = up(run) / kLanes;
    rows = c.kernelHeight;
    patch = rows * vectors * kLanes;
    apart = c.in % kLanes != 0;
    step = apart ? vectors * kLanes : c.in;
    pitch = (c.pooling.width - 1) * step + vectors * kLanes;
    nothing = (c.pooling.height + rows - 1) * pitch;
    size = nothing + rows * pitch;
    rowSize = (c.pooling.width - 1) * c.in + up(run);
  }
};

/** weights [kh, kw, in, out] to [out][patch]. */
static void arrangeWeights(const PatchLayout& l, const float* weights, float* arranged) {
  for (int64_t r = 0; r < l.rows; r++) {
    transposeMatrix(weights + r * l.run * l.outputs, l.outputs, arranged + r * l.vectors * kLanes, l.patch, l.run, l.outputs);
  }
}

/** The picture [height, width, in] with its padding; `row` holds a row of it and one vector more, zeros at first. */
static void padPicture(const ChosenConvolution& c, const PatchLayout& l, const float* picture, float* padded, float* row) {
  const int64_t length = c.width * c.in;
  for (int64_t y = 0; y < c.height; y++) {
    float* to = padded + (y + c.top) * l.pitch;
    std::memcpy((l.apart ? row : to) + c.left * c.in, picture + y * length, length * sizeof(float));
    if (!l.apart) continue;
    for (int64_t x = 0; x < c.pooling.width; x++) {
      eachVector(l.run, [&](int64_t k, auto get, auto) { store(to + x * l.step + k, get(row + x * c.in + k)); });
    }
  }
}

/** The transpose of `padPicture`. */
static void unpadPicture(const ChosenConvolution& c, const PatchLayout& l, const float* padded, float* picture, float* row) {
  const int64_t length = c.width * c.in, patches = c.pooling.width;
  for (int64_t y = 0; y < c.height; y++) {
    const float* from = padded + (y + c.top) * l.pitch;
    if (l.apart) {
      std::memset(row, 0, (patches * c.in + l.run) * sizeof(float));
      for (int64_t x = 0; x < patches; x++) {
        for (int64_t k = 0; k < l.run; k++) row[x * c.in + k] += from[x * l.step + k];
      }
    }
    std::memcpy(picture + y * length, (l.apart ? row : from) + c.left * c.in, length * sizeof(float));
  }
}

/** f(cell's number, offset of its patch) for the cells of window w that are inside of the picture. */
template <class F>
static inline void eachPatch(const ChosenConvolution& c, const PatchLayout& l, int64_t w, F f) {
  const Windows& p = c.pooling;
  for (int64_t u = 0; u < p.kernelHeight; u++) {
    const int64_t y = w / p.outWidth * p.strideHeight - p.top + u * p.dilationHeight;
    if (y < 0 || y >= p.height) continue;
    for (int64_t v = 0; v < p.kernelWidth; v++) {
      const int64_t x = w % p.outWidth * p.strideWidth - p.left + v * p.dilationWidth;
      if (x >= 0 && x < p.width) f(u * p.kernelWidth + v, y * l.pitch + x * l.step);
    }
  }
}

/**
 * The offsets of the patches that a picture's windows chose, [outputs][windowsUp]; `scratch` [outputsUp][16]. Without a
 * choice windows are of one cell, and one row [windowsUp] is for all outputs.
 */
static void findPatches(const ChosenConvolution& c, const PatchLayout& l, const float* chosen, int32_t* offsets,
                        float* scratch) {
  if (!chosen) {
    for (int64_t w = 0; w < l.windows; w++) {
      offsets[w] = static_cast<int32_t>(l.nothing);
      eachPatch(c, l, w, [&](int64_t, int64_t offset) { offsets[w] = static_cast<int32_t>(offset); });
    }
    return;
  }
  for (int64_t first = 0; first < l.windowsUp; first += kLanes) {
    for (int64_t i = 0; i < kLanes; i++) {
      const int64_t w = first + i;
      for (int64_t o = 0; o < l.outputsUp; o += kLanes) {
        store(reinterpret_cast<int32_t*>(scratch) + o * kLanes + i * kLanes, all(static_cast<int32_t>(l.nothing)));
      }
      if (w >= l.windows) continue;
      eachPatch(c, l, w, [&](int64_t cell, int64_t offset) {
        const float number = static_cast<float>(cell);
        eachVector(l.outputs, [&](int64_t o, auto get, auto) {
          int32_t* to = reinterpret_cast<int32_t*>(scratch) + o * kLanes + i * kLanes;
          const Floats which = get(chosen + w * l.outputs + o);
          store(to, which == number ? all(static_cast<int32_t>(offset)) : load(to));
        });
      });
    }
    for (int64_t o = 0; o < l.outputs; o += kLanes) {
      transposeSquare(scratch + o * kLanes, kLanes, reinterpret_cast<float*>(offsets) + o * l.windowsUp + first, l.windowsUp,
                      kLanes, kLanes);
    }
  }
}

/** `M` dot products of patches with one output's weights. */
template <int M>
static inline void dots(const PatchLayout& l, const float* x, const int32_t* offsets, const float* weights, float* result) {
  const float* p[M];
  Floats sum[8] = {};
#pragma GCC unroll 8
  for (int m = 0; m < M; m++) p[m] = x + offsets[m];
  for (int64_t r = 0; r < l.rows; r++) {
    const int64_t row = r * l.pitch;
    for (int64_t s = 0; s < l.vectors; s++, weights += kLanes) {
      const Floats w = load(weights);
      const int64_t at = row + s * kLanes;
#pragma GCC unroll 8
      for (int m = 0; m < M; m++) sum[m] = sum[m] + w * load(p[m] + at);
    }
  }
  const Floats sums = sumsOfEight(sum[0], sum[1], sum[2], sum[3], sum[4], sum[5], sum[6], sum[7]);
  float each[kLanes];
  store(each, sums);
#pragma GCC unroll 8
  for (int m = 0; m < M; m++) result[m] = each[m];
}

/** Dot products for `count` windows, in even shares. */
static inline void dotsOf(const PatchLayout& l, const float* x, const int32_t* offsets, const float* weights, float* result,
                          int64_t count) {
  while (count > 0) {
    const int64_t shares = (count + kDots - 1) / kDots, m = (count + shares - 1) / shares;
    switch (m) {
      case 1: dots<1>(l, x, offsets, weights, result); break;
      case 2: dots<2>(l, x, offsets, weights, result); break;
      case 3: dots<3>(l, x, offsets, weights, result); break;
      case 4: dots<4>(l, x, offsets, weights, result); break;
      case 5: dots<5>(l, x, offsets, weights, result); break;
      case 6: dots<6>(l, x, offsets, weights, result); break;
      case 7: dots<7>(l, x, offsets, weights, result); break;
      default: dots<8>(l, x, offsets, weights, result); break;
    }
    offsets += m;
    result += m;
    count -= m;
  }
}

/** What all of the kernels touch, in vectors: how many threads they are worth. */
static inline int64_t workOf(const ChosenConvolution& c, const PatchLayout& l, int64_t vectors) {
  return vectors * c.pooling.n * l.windows * l.outputs * (l.patch / kLanes);
}

/**
 * y [vectors of x or of w, n, windows, out] = the convolution at the chosen cells. Either x [xs, n, ...] or the weights
 * [ws, ...] hold several vectors.
 */
static void convolveChosen(const ChosenConvolution& c, const float* x, const float* weights, const float* chosen, float* y,
                           int64_t xs, int64_t ws) {
  const PatchLayout l(c);
  const int64_t n = c.pooling.n, picture = c.height * c.width * c.in, results = l.windows * l.outputs;
  const Aligned arranged(ws * l.outputs * l.patch);
  for (int64_t v = 0; v < ws; v++) {
    arrangeWeights(l, weights + v * l.rows * l.run * l.outputs, arranged + v * l.outputs * l.patch);
  }
  inParallel(n, workOf(c, l, xs * ws), 1, [&](int64_t begin, int64_t end) {
    const Aligned padded(l.size), row(l.rowSize), scratch(l.outputsUp * kLanes), offsetsOwner(l.outputsUp * l.windowsUp);
    int32_t* offsets = reinterpret_cast<int32_t*>(static_cast<float*>(offsetsOwner));
    for (int64_t i = begin; i < end; i++) {
      findPatches(c, l, chosen + i * results, offsets, scratch);
      for (int64_t vx = 0; vx < xs; vx++) {
        padPicture(c, l, x + (vx * n + i) * picture, padded, row);
        for (int64_t first = 0; first < l.windows; first += kLanes) {
          const int64_t count = least(kLanes, l.windows - first);
          for (int64_t vw = 0; vw < ws; vw++) {
            const float* w = arranged + vw * l.outputs * l.patch;
            for (int64_t o = 0; o < l.outputs; o++) {
              dotsOf(l, padded, offsets + o * l.windowsUp + first, w + o * l.patch, scratch + o * kLanes, count);
            }
            float* to = y + ((vx + vw) * n + i) * results + first * l.outputs;
            transposeMatrix(scratch, kLanes, to, l.outputs, l.outputs, count);
          }
        }
      }
    }
  });
}

/** f<rows, vectors>(first row, first vector) for pieces of a patch that fit into registers. */
#define HBP_PIECES(X)                                                                                                  \
  X(1, 1) X(1, 2) X(1, 3) X(1, 4) X(1, 5) X(1, 6) X(1, 7) X(1, 8) X(1, 9) X(1, 10) X(1, 11) X(1, 12)                   \
  X(2, 1) X(2, 2) X(2, 3) X(2, 4) X(2, 5) X(2, 6) X(3, 1) X(3, 2) X(3, 3) X(3, 4) X(3, 5) X(3, 6) X(4, 1) X(4, 2)      \
  X(4, 3) X(4, 4) X(5, 1) X(5, 2) X(5, 3)

struct Piece {
  int64_t rows, vectors, firstRow, firstVector;
};

template <int R, int S>
struct Size {
  static constexpr int rows = R, vectors = S;
};

/** f(Size<rows, vectors>) for a piece. */
template <class F>
static inline void withSize(const Piece& piece, F f) {
  switch (piece.rows * 16 + piece.vectors) {
#define X(R, S)                                                   \
  case R * 16 + S:                                                \
    if constexpr (R * S <= kMostSums) f(Size<R, S>());            \
    break;
    HBP_PIECES(X)
#undef X
  }
}

/** Cut patches into pieces: all rows at once if there is room, else each row by itself, in even parts. */
struct Pieces {
  int64_t rowsAtATime, parts, share;

  Pieces(const PatchLayout& l, int64_t mostSums) {
    const bool whole = l.rows <= 5 && l.vectors <= 6 && l.rows * l.vectors <= mostSums && (l.rows < 4 || l.vectors <= 4) &&
                       (l.rows < 5 || l.vectors <= 3);
    rowsAtATime = whole ? l.rows : 1;
    const int64_t most = whole ? l.vectors : least(12, mostSums);
    parts = (l.vectors + most - 1) / most;
    share = (l.vectors + parts - 1) / parts;
  }

  template <class F>
  void forEach(const PatchLayout& l, F f) const {
    for (int64_t r = 0; r < l.rows; r += rowsAtATime) {
      for (int64_t s = 0; s < l.vectors; s += share) {
        f(Piece{rowsAtATime, least(share, l.vectors - s), r, s});
      }
    }
  }
};

/** sum += the patches of `count` windows, each times its factor; one piece of them. */
template <class Z>
static inline void addPatches(Z, const PatchLayout& l, const float* x, const int32_t* offsets, const float* factors,
                              int64_t count, float* sum) {
  constexpr int R = Z::rows, S = Z::vectors;
  Floats a[R * S] = {};
  const int64_t pitch = l.pitch;
  for (int64_t w = 0; w < count; w++) {
    const float* p = x + offsets[w];
    const Floats u = all(factors[w]);
#pragma GCC unroll 8
    for (int r = 0; r < R; r++) {
#pragma GCC unroll 16
      for (int s = 0; s < S; s++) a[r * S + s] = a[r * S + s] + u * load(p + r * pitch + s * kLanes);
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < R; r++) {
#pragma GCC unroll 16
    for (int s = 0; s < S; s++) {
      float* to = sum + r * l.vectors * kLanes + s * kLanes;
      store(to, load(to) + a[r * S + s]);
    }
  }
}

/** Windows that are visited for one output after the other while their part of the picture is in the nearest cache. */
static inline int64_t windowsAtATime(const ChosenConvolution& c, const PatchLayout& l) {
  constexpr int64_t kFloats = 5120;
  const int64_t rowsThatFit = (kFloats / l.pitch - l.rows - c.pooling.kernelHeight + 2) / c.pooling.strideHeight + 1;
  return least(l.windows, most(most(1, rowsThatFit) * c.pooling.outWidth, 32));
}

/** sums [outputs][patch] += the picture's patches times the factors [outputs][windowsUp]; offsets as `findPatches` has them. */
static void addGradient(const ChosenConvolution& c, const PatchLayout& l, const Pieces& pieces, const float* padded,
                        const int32_t* offsets, int64_t offsetsStride, const float* factors, float* sums) {
  const int64_t step = windowsAtATime(c, l);
  for (int64_t first = 0; first < l.windows; first += step) {
    const int64_t count = least(step, l.windows - first);
    pieces.forEach(l, [&](const Piece& piece) {
      withSize(piece, [&](auto size) {
        const int64_t in = piece.firstRow * l.pitch + piece.firstVector * kLanes;
        const int64_t out = (piece.firstRow * l.vectors + piece.firstVector) * kLanes;
        for (int64_t o = 0; o < l.outputs; o++) {
          addPatches(size, l, padded + in, offsets + o * offsetsStride + first, factors + o * l.windowsUp + first, count,
                     sums + o * l.patch + out);
        }
      });
    });
  }
}

/** [outputs][patch] to [kh, kw, in, out]. */
static void arrangeGradient(const PatchLayout& l, const float* sums, float* gradient) {
  for (int64_t r = 0; r < l.rows; r++) {
    transposeMatrix(sums + r * l.vectors * kLanes, l.patch, gradient + r * l.run * l.outputs, l.outputs, l.outputs, l.run);
  }
}

/** dw [vectors, kh, kw, in, out] = the sum of the shares [shares][vectors][out][patch], in doubles. */
static void addShares(const PatchLayout& l, const float* parts, int64_t shares, int64_t vectors, float* dw) {
  const int64_t sums = l.outputs * l.patch;
  inParallel(vectors * l.outputs, shares * vectors * sums, 1, [&](int64_t begin, int64_t end) {
    double* total = new double[l.patch];
    for (int64_t at = begin; at < end; at++) {
      for (int64_t k = 0; k < l.patch; k++) total[k] = 0;
      for (int64_t s = 0; s < shares; s++) {
        const float* part = parts + s * vectors * sums + at * l.patch;
        for (int64_t k = 0; k < l.patch; k++) total[k] += part[k];
      }
      float* to = dw + at / l.outputs * l.rows * l.run * l.outputs + at % l.outputs;
      for (int64_t r = 0; r < l.rows; r++) {
        for (int64_t k = 0; k < l.run; k++) {
          to[(r * l.run + k) * l.outputs] = static_cast<float>(total[r * l.vectors * kLanes + k]);
        }
      }
    }
    delete[] total;
  });
}

/** Samples whose gradients one thread sums up, one after the other; at most 16 shares, whatever the number of threads. */
static inline int64_t shareOfSamples(int64_t n) { return most(1, (n + 15) / 16); }

/**
 * The adjoint in the weight, x [n, ...] with dy [vectors, n, windows, out]: summed over samples to [vectors, kh, kw, in, out],
 * or (`each`) for every sample, [vectors, n, kh, kw, in, out]. Without `chosen`, windows are of one cell.
 */
static void correlateChosen(const ChosenConvolution& c, const float* x, const float* dy, const float* chosen, float* dw,
                            int64_t vectors, bool each) {
  const PatchLayout l(c);
  const Pieces pieces(l, kMostSums);
  const int64_t n = c.pooling.n, picture = c.height * c.width * c.in, results = l.windows * l.outputs;
  const int64_t sums = l.outputs * l.patch, parameters = l.rows * l.run * l.outputs;
  const int64_t share = each ? 1 : shareOfSamples(n), shares = n == 0 ? 0 : (n + share - 1) / share;
  // Vectors whose sums stay in the cache from one sample to the next.
  const int64_t together = each ? vectors : least(vectors, most(1, (1 << 17) / sums));
  static Kept kept;
  float* parts = each ? nullptr : kept.atLeast(shares * together * sums);
  for (int64_t first = 0; first < vectors; first += together) {
    const int64_t count = least(together, vectors - first);
    inParallel(shares, workOf(c, l, count), 1, [&](int64_t begin, int64_t end) {
      const Aligned padded(l.size), row(l.rowSize), scratch(l.outputsUp * kLanes), factors(l.outputsUp * l.windowsUp);
      const Aligned offsetsOwner(l.outputsUp * l.windowsUp), own(each ? sums : 0);
      int32_t* offsets = reinterpret_cast<int32_t*>(static_cast<float*>(offsetsOwner));
      for (int64_t s = begin; s < end; s++) {
        if (!each) std::memset(parts + s * count * sums, 0, count * sums * sizeof(float));
        for (int64_t i = s * share; i < least((s + 1) * share, n); i++) {
          findPatches(c, l, chosen ? chosen + i * results : nullptr, offsets, scratch);
          padPicture(c, l, x + i * picture, padded, row);
          for (int64_t v = 0; v < count; v++) {
            const int64_t sample = (first + v) * n + i;
            transposeMatrix(dy + sample * results, l.outputs, factors, l.windowsUp, l.windows, l.outputs);
            if (each) std::memset(own, 0, sums * sizeof(float));
            float* to = each ? static_cast<float*>(own) : parts + (s * count + v) * sums;
            addGradient(c, l, pieces, padded, offsets, chosen ? l.windowsUp : 0, factors, to);
            if (each) arrangeGradient(l, own, dw + sample * parameters);
          }
        }
      }
    });
    if (!each) addShares(l, parts, shares, count, dw + first * parameters);
  }
}

/** A picture's windows by the cell that their outputs chose: [windows][cells][outputs] and how many there are of each. */
struct Choices {
  const int64_t cells;
  int32_t* const outputs;
  int32_t* const counts;

  Choices(const ChosenConvolution& c, const PatchLayout& l)
      : cells(c.pooling.kernelHeight * c.pooling.kernelWidth),
        outputs(new int32_t[l.windows * cells * l.outputs]),
        counts(new int32_t[l.windows * cells]) {}
  Choices(const Choices&) = delete;
  ~Choices() {
    delete[] outputs;
    delete[] counts;
  }

  void read(const PatchLayout& l, const float* chosen) {
    std::memset(counts, 0, l.windows * cells * sizeof(int32_t));
    for (int64_t w = 0; w < l.windows; w++) {
      for (int64_t o = 0; o < l.outputs; o++) {
        const int64_t cell = w * cells + static_cast<int64_t>(chosen[w * l.outputs + o]);
        outputs[cell * l.outputs + counts[cell]++] = static_cast<int32_t>(o);
      }
    }
  }
};

/** For B vectors, patch += sum over the outputs of their weights times dy; one piece of it. */
template <int B, class Z>
static inline void addWeights(Z, const PatchLayout& l, const float* arranged, const int32_t* outputs, int64_t count,
                              const float* dy, int64_t dyStride, float* patch) {
  constexpr int R = Z::rows, S = Z::vectors;
  Floats a[B * R * S] = {};
  const int64_t each = l.patch, row = l.vectors * kLanes;
  for (int64_t k = 0; k < count; k++) {
    const int64_t o = outputs[k];
    Floats u[B];
#pragma GCC unroll 2
    for (int b = 0; b < B; b++) u[b] = all(dy[b * dyStride + o]);
    const float* w = arranged + o * each;
#pragma GCC unroll 8
    for (int r = 0; r < R; r++) {
#pragma GCC unroll 16
      for (int s = 0; s < S; s++) {
        const Floats weight = load(w + r * row + s * kLanes);
#pragma GCC unroll 2
        for (int b = 0; b < B; b++) a[(r * S + s) * B + b] = a[(r * S + s) * B + b] + u[b] * weight;
      }
    }
  }
#pragma GCC unroll 2
  for (int b = 0; b < B; b++) {
#pragma GCC unroll 8
    for (int r = 0; r < R; r++) {
#pragma GCC unroll 16
      for (int s = 0; s < S; s++) {
        float* to = patch + b * l.size + r * l.pitch + s * kLanes;
        store(to, load(to) + a[(r * S + s) * B + b]);
      }
    }
  }
}

/** Padded pictures of B vectors += the transposed patches of dy, of which vectors are `dyStride` apart. */
template <int B>
static void spreadPatches(const ChosenConvolution& c, const PatchLayout& l, const Pieces& pieces, const Choices& choices,
                          const float* arranged, const float* dy, int64_t dyStride, float* padded) {
  pieces.forEach(l, [&](const Piece& piece) {
    withSize(piece, [&](auto size) {
      if constexpr (B * decltype(size)::rows * decltype(size)::vectors <= kMostSums) {
        const int64_t out = piece.firstRow * l.pitch + piece.firstVector * kLanes;
        const float* w = arranged + (piece.firstRow * l.vectors + piece.firstVector) * kLanes;
        for (int64_t window = 0; window < l.windows; window++) {
          eachPatch(c, l, window, [&](int64_t cell, int64_t offset) {
            const int64_t at = window * choices.cells + cell, count = choices.counts[at];
            if (count == 0) return;
            addWeights<B>(size, l, w, choices.outputs + at * l.outputs, count, dy + window * l.outputs, dyStride, padded + offset + out);
          });
        }
      }
    });
  });
}

/** The adjoint in x: dy [vectors, n, windows, out] to dx [vectors, n, height, width, in]; two vectors at a time. */
static void convolveTransposedChosen(const ChosenConvolution& c, const float* dy, const float* weights, const float* chosen,
                                     float* dx, int64_t vectors) {
  const PatchLayout l(c);
  const Pieces pieces(l, kMostSums), piecesOfTwo(l, kMostSums / 2);
  const int64_t n = c.pooling.n, picture = c.height * c.width * c.in, results = l.windows * l.outputs;
  const Aligned arranged(l.outputs * l.patch);
  arrangeWeights(l, weights, arranged);
  inParallel(n, workOf(c, l, vectors), 1, [&](int64_t begin, int64_t end) {
    const Aligned padded(2 * l.size), row(l.rowSize);
    Choices choices(c, l);
    for (int64_t i = begin; i < end; i++) {
      choices.read(l, chosen + i * results);
      for (int64_t v = 0; v < vectors; v += 2) {
        const int64_t count = least(2, vectors - v);
        const float* from = dy + (v * n + i) * results;
        std::memset(padded, 0, count * l.size * sizeof(float));
        if (count == 2) spreadPatches<2>(c, l, piecesOfTwo, choices, arranged, from, n * results, padded);
        else spreadPatches<1>(c, l, pieces, choices, arranged, from, 0, padded);
        for (int64_t b = 0; b < count; b++) unpadPicture(c, l, padded + b * l.size, dx + ((v + b) * n + i) * picture, row);
      }
    }
  });
}

}  // namespace HBP_ISA
