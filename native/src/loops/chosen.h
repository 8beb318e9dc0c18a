// Convolutions (stride 1) where pooling behind them chose one cell of each window: only the chosen cells are calculated.
//
// Pictures are copied with their padding, each by itself, so that the patch that a cell looks at is one run of floats for
// each row of the kernel. Where the channels do not fill whole vectors, each patch gets runs of its own, filled up with
// zeros: vectors that cross a line of the cache take twice as long to read. Weights go to [out][kernel row][run].
//
// For AVX-512 and AVX2; plain x86-64 has too few registers of too few numbers.
#pragma once
#include "elementwise.h"
#include "places.h"

namespace HBP_ISA {

constexpr int kDots = 8;       // dot products at a time
// Vectors that are summed in registers, of which AVX-512 has 32 and AVX2 16; and so many at most in two sums each, as one
// addition waits for another.
constexpr int kMostSums = HBP_REGISTER == 64 ? 20 : 12;
constexpr int kMostInTwo = HBP_REGISTER == 64 ? 8 : 6;

/** weights [kh, kw, in, out] to [out][patch]. */
static void arrangeWeights(const PatchLayout& l, const float* weights, float* arranged) {
  for (int64_t r = 0; r < l.rows; r++) {
    transposeMatrix(weights + r * l.run * l.outputs, l.outputs, arranged + r * l.vectors * kLanes, l.patch, l.run, l.outputs);
  }
}

/**
 * The i-th picture of x [n, height, width, in], behind the activation before, with its padding; null: of ones. `row` holds a row
 * of it and one vector more, zeros at first.
 */
static void padPicture(const ChosenConvolution& c, const PatchLayout& l, const hbp::Before& before, const float* x, int64_t i,
                       float* padded, float* row) {
  const int64_t length = c.width * c.in, picture = i * c.height * length;
  for (int64_t y = 0; y < c.height; y++) {
    float* to = padded + (y + c.top) * l.pitch;
    const int64_t at = picture + y * length;
    copyThrough(before, at, further(x, at), (l.apart ? row : to) + c.left * c.in, length, Put<false>());
    if (!l.apart) continue;
    for (int64_t x = 0; x < c.pooling.width; x++) {
      eachVector(l.run, [&](int64_t k, auto get, auto) { store(to + x * l.step + k, get(row + x * c.in + k)); });
    }
  }
}

/** The derivatives phi' of so many numbers of the activation before, from number `at` on. */
static inline void derivativesOf(const hbp::Before& before, int64_t at, float* to, int64_t n) {
  withDerivative(before.phi, [&](auto derivative) {
    eachVector(n, [&](int64_t k, auto get, auto put) { put(to + k, derivative(get(before.output + at + k))); });
  });
}

/** Where a row of pictures goes: times `derivatives` unless null, `past` the caches or not, and added up over cells in `sums` unless null. */
struct Row {
  float* to;
  const float* derivatives;
  float* sums;
  bool past;
};

/** One cell's channels from k on, a register of them, for sums that are not added up here; returns what they became. */
static inline Floats putFloats(const Row& row, int64_t cell, int64_t k, int64_t in, Floats values) {
  const int64_t at = cell * in + k;
  if (row.derivatives) values = values * load(row.derivatives + at);
  if (row.past) stream(row.to + at, values);
  else store(row.to + at, values);
  return values;
}

/** One number of a cell. */
static inline void putFloat(const Row& row, int64_t cell, int64_t k, int64_t in, float value) {
  const int64_t at = cell * in + k;
  if (row.derivatives) value *= row.derivatives[at];
  row.to[at] = value;
  if (row.sums) row.sums[k] += value;
}

static inline void putCells(const Row& row, int64_t width, int64_t in, const float* from) {
  if (row.sums) {
    for (int64_t x = 0; x < width; x++, from += in) {
      if (in % kLanes == 0) {
        for (int64_t k = 0; k < in; k += kLanes) {
          const Floats values = putFloats(row, x, k, in, load(from + k));
          store(row.sums + k, load(row.sums + k) + values);
        }
      } else {
        for (int64_t k = 0; k < in; k++) putFloat(row, x, k, in, from[k]);
      }
    }
    return;
  }
  const int64_t length = width * in;
  if (row.past) {
    if (row.derivatives) {
      for (int64_t k = 0; k < length; k += kLanes) stream(row.to + k, load(from + k) * load(row.derivatives + k));
    } else {
      for (int64_t k = 0; k < length; k += kLanes) stream(row.to + k, load(from + k));
    }
  } else if (row.derivatives) {
    eachVector(length, [&](int64_t k, auto get, auto put) { put(row.to + k, get(from + k) * get(row.derivatives + k)); });
  } else {
    std::memcpy(row.to, from, length * sizeof(float));
  }
}

/**
 * The transpose of `padPicture`, to dx's i-th picture. `past` the caches only if rows of the picture are whole registers.
 * `derivatives` has room for a row.
 */
static void unpadPicture(const ChosenConvolution& c, const PatchLayout& l, const hbp::Before& before, const float* padded, int64_t i,
                         float* dx, float* sums, float* row, float* derivatives, bool past) {
  const int64_t length = c.width * c.in, patches = c.pooling.width;
  if (sums) std::memset(sums, 0, c.in * sizeof(float));
  for (int64_t y = 0; y < c.height; y++) {
    const float* from = padded + (y + c.top) * l.pitch;
    if (l.apart) {
      std::memset(row, 0, l.rowSize * sizeof(float));
      for (int64_t x = 0; x < patches; x++) {
        for (int64_t k = 0; k < l.run; k++) row[x * c.in + k] += from[x * l.step + k];
      }
    }
    if (before.output) derivativesOf(before, (i * c.height + y) * length, derivatives, length);
    putCells({dx + y * length, before.output ? derivatives : nullptr, sums, past}, c.width, c.in, (l.apart ? row : from) + c.left * c.in);
  }
}

/** `M` dot products of patches with one output's weights. */
template <int M>
static inline void dots(const PatchLayout& l, const float* x, const Offsets& offsets, const uint16_t* cells,
                        const float* weights, float* result) {
  const float* p[M];
  Floats sum[8] = {};
#pragma GCC unroll 8
  for (int m = 0; m < M; m++) p[m] = x + offsets[cells[m]];
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

/** Dot products of `count` cells' patches, the last of them in even shares; each() before every few. */
template <class F>
static inline void dotsOf(const PatchLayout& l, const float* x, const Offsets& offsets, const uint16_t* cells,
                          const float* weights, float* result, int64_t count, F each) {
  while (count > 0) {
    each();
    const int64_t m = count >= 2 * kDots ? kDots : count > kDots ? (count + 1) / 2 : count;
    switch (m) {
      case 1: dots<1>(l, x, offsets, cells, weights, result); break;
      case 2: dots<2>(l, x, offsets, cells, weights, result); break;
      case 3: dots<3>(l, x, offsets, cells, weights, result); break;
      case 4: dots<4>(l, x, offsets, cells, weights, result); break;
      case 5: dots<5>(l, x, offsets, cells, weights, result); break;
      case 6: dots<6>(l, x, offsets, cells, weights, result); break;
      case 7: dots<7>(l, x, offsets, cells, weights, result); break;
      default: dots<8>(l, x, offsets, cells, weights, result); break;
    }
    cells += m;
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
 * [ws, ...] hold several vectors. Without x, which is then ones, there is an activation before.
 */
static void convolveChosen(const ChosenConvolution& c, const float* x, const float* weights, const uint16_t* places, float* y,
                           int64_t xs, int64_t ws, const hbp::Before& before) {
  const PatchLayout l(c);
  const Offsets offsets(c, l);
  const int64_t n = c.pooling.n, picture = c.height * c.width * c.in, results = l.windows * l.outputs;
  const int64_t size = Places::size(c, l), groups = Places::groups(c, l), band = bandOf(c, l);
  const Aligned arranged(ws * l.outputs * l.patch);
  for (int64_t v = 0; v < ws; v++) {
    arrangeWeights(l, weights + v * l.rows * l.run * l.outputs, arranged + v * l.outputs * l.patch);
  }
  inParallel(n, workOf(c, l, xs * ws), 1, [&](int64_t begin, int64_t end) {
    const Aligned padded(l.size), row(l.rowSize);
    const OfPlaces products(results);
    for (int64_t i = begin; i < end; i++) {
      const Places p(c, l, places + i * size);
      for (int64_t vx = 0; vx < xs; vx++) {
        padPicture(c, l, before, further(x, vx * n * picture), i, padded, row);
        // The next picture comes while this one is calculated with.
        const bool isLast = vx + 1 == xs;
        const int64_t lines = isLast && i + 1 == end ? 0 : picture / kLine, calls = ws * inShares(p, groups, kDots);
        Ahead ahead[] = {{further(x, (isLast ? i + 1 : (vx + 1) * n + i) * picture), x ? lines : 0, calls},
                         {further(before.output, (i + 1) * picture), before.output && isLast ? lines : 0, calls}};
        for (int64_t vw = 0; vw < ws; vw++) {
          const float* w = arranged + vw * l.outputs * l.patch;
          for (int64_t g = 0; g < groups; g++) {
            const int64_t from = p.begin[g];
            dotsOf(l, padded, offsets, p.cell + from, w + g % l.outputs * l.patch, products + from, p.begin[g + 1] - from, [&] {
              ahead[0].next();
              ahead[1].next();
            });
          }
          float* to = y + ((vx + vw) * n + i) * results;
          if (areAlone(l, p)) fromPlaces(l, band, products, to);
          else
            for (int64_t k = 0; k < results; k++) to[k] = products[p.place[k]];
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

  int64_t count(const PatchLayout& l) const { return (l.rows + rowsAtATime - 1) / rowsAtATime * parts; }

  template <class F>
  void forEach(const PatchLayout& l, F f) const {
    for (int64_t r = 0; r < l.rows; r += rowsAtATime) {
      for (int64_t s = 0; s < l.vectors; s += share) {
        f(Piece{rowsAtATime, least(share, l.vectors - s), r, s});
      }
    }
  }
};

constexpr int64_t kBetween = 8;  // patches until the next lines are asked for

/** sum += the patches of `count` cells, each times its factor; one piece of them. each() before every few. */
template <class Z, class Number, class F>
static inline void addPatches(Z, const PatchLayout& l, const float* x, const Offsets& offsets, const Number* cells,
                              const float* factors, int64_t count, float* sum, F each) {
  constexpr int R = Z::rows, S = Z::vectors;
  Floats a[R * S] = {};
  const int64_t pitch = l.pitch;
  for (int64_t k = 0; k < count; k++) {
    if (k % kBetween == 0) each();
    const float* p = x + offsets[cells[k]];
    const Floats u = all(factors[k]);
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

/** sums [outputs][patch] += the picture's patches times the factors of its places. */
static void addPlaces(const ChosenConvolution& c, const PatchLayout& l, const Pieces& pieces, const float* padded,
                      const Offsets& offsets, const Places& p, const float* factors, float* sums, Ahead& ahead) {
  const int64_t groups = Places::groups(c, l);
  for (int64_t first = 0; first < groups; first += l.outputs) {
    pieces.forEach(l, [&](const Piece& piece) {
      withSize(piece, [&](auto size) {
        const float* x = padded + piece.firstRow * l.pitch + piece.firstVector * kLanes;
        float* to = sums + (piece.firstRow * l.vectors + piece.firstVector) * kLanes;
        for (int64_t group = first; group < first + l.outputs; group++, to += l.patch) {
          const int64_t from = p.begin[group], count = p.begin[group + 1] - from;
          addPatches(size, l, x, offsets, p.cell + from, factors + from, count, to, [&] { ahead.next(); });
        }
      });
    });
  }
}

/** The same at all cells, with factors [outputs][windowsUp]: windows are of one cell. */
static void addCells(const PatchLayout& l, const Pieces& pieces, const float* padded, const Offsets& offsets,
                     const float* factors, float* sums) {
  constexpr int64_t kBand = 32;
  for (int64_t first = 0; first < l.windows; first += kBand) {
    const int64_t count = least(kBand, l.windows - first);
    int32_t cells[kBand];
    for (int64_t k = 0; k < count; k++) cells[k] = static_cast<int32_t>(first + k);
    pieces.forEach(l, [&](const Piece& piece) {
      withSize(piece, [&](auto size) {
        const float* x = padded + piece.firstRow * l.pitch + piece.firstVector * kLanes;
        float* to = sums + (piece.firstRow * l.vectors + piece.firstVector) * kLanes;
        for (int64_t o = 0; o < l.outputs; o++, to += l.patch) {
          addPatches(size, l, x, offsets, cells, factors + o * l.windowsUp + first, count, to, [] {});
        }
      });
    });
  }
}

/** The factors of places: sums over the windows that chose them of dy [windows, outputs]. */
static void addWindows(const PatchLayout& l, int64_t band, const Places& p, const float* dy, float* factors) {
  if (areAlone(l, p)) return toPlaces(l, band, dy, factors);
  const int64_t results = l.windows * l.outputs;
  std::memset(factors, 0, (1 + results) * sizeof(float));
  for (int64_t k = 0; k < results; k++) factors[p.place[k]] += dy[k];
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

/**
 * The adjoint in the weight, x [n, ...] with dy [vectors, n, windows, out]: summed over samples to [vectors, kh, kw, in, out],
 * or (`each`) for every sample, [vectors, n, kh, kw, in, out]. Without `places`, windows are of one cell; without x it is ones, and
 * there is an activation before.
 */
static void correlateChosen(const ChosenConvolution& c, const float* x, const float* dy, const uint16_t* places, float* dw,
                            int64_t vectors, bool each, const hbp::Before& before) {
  const PatchLayout l(c);
  const Pieces pieces(l, kMostSums);
  const Offsets offsets(c, l);
  const int64_t n = c.pooling.n, picture = c.height * c.width * c.in, results = l.windows * l.outputs;
  const int64_t sums = l.outputs * l.patch, parameters = l.rows * l.run * l.outputs;
  const int64_t size = Places::size(c, l), band = bandOf(c, l);
  const int64_t share = each ? 1 : shareOfSamples(n), shares = n == 0 ? 0 : (n + share - 1) / share;
  // Vectors whose sums stay in the cache from one sample to the next.
  const int64_t together = each ? vectors : least(vectors, most(1, (1 << 17) / sums));
  static Kept kept;
  float* parts = each ? nullptr : kept.atLeast(shares * together * sums);
  for (int64_t first = 0; first < vectors; first += together) {
    const int64_t count = least(together, vectors - first);
    inParallel(shares, workOf(c, l, count), 1, [&](int64_t begin, int64_t end) {
      const Aligned padded(l.size), row(l.rowSize), own(each ? sums : 0);
      const OfPlaces factors(l.outputs * l.windowsUp);
      for (int64_t s = begin; s < end; s++) {
        if (!each) std::memset(parts + s * count * sums, 0, count * sums * sizeof(float));
        for (int64_t i = s * share; i < least((s + 1) * share, n); i++) {
          padPicture(c, l, before, x, i, padded, row);
          const int64_t calls = places ? inShares(Places(c, l, places + i * size), Places::groups(c, l), kBetween) : 1;
          const int64_t lines = places && i + 1 < least(end * share, n) ? picture / kLine : 0;
          Ahead ahead = {(x ? x : before.output) + (i + 1) * picture, lines, count * pieces.count(l) * calls};
          for (int64_t v = 0; v < count; v++) {
            const int64_t sample = (first + v) * n + i;
            if (each) std::memset(own, 0, sums * sizeof(float));
            float* to = each ? static_cast<float*>(own) : parts + (s * count + v) * sums;
            if (places) {
              const Places p(c, l, places + i * size);
              addWindows(l, band, p, dy + sample * results, factors);
              addPlaces(c, l, pieces, padded, offsets, p, factors, to, ahead);
            } else {
              transposeMatrix(dy + sample * results, l.outputs, factors, l.windowsUp, l.windows, l.outputs);
              addCells(l, pieces, padded, offsets, factors, to);
            }
            if (each) arrangeGradient(l, own, dw + sample * parameters);
          }
        }
      }
    });
    if (!each) addShares(l, parts, shares, count, dw + first * parameters);
  }
}

/** For B vectors, patch += sum over a cell's places of their weights times factors; one piece of it, [outputs][R * S]. */
template <int B, class Z>
static inline void addWeights(Z, const PatchLayout& l, const float* weights, const uint16_t* sorted, const uint16_t* output,
                              int64_t count, const float* factors, int64_t factorsStride, float* patch) {
  constexpr int R = Z::rows, S = Z::vectors, P = R * S;
  constexpr bool isShort = B * P <= kMostInTwo;
  Floats even[B * P] = {}, odd[B * P] = {};
  const auto add = [&](int64_t k, Floats(&sum)[B * P]) __attribute__((always_inline)) {
    const float* w = weights + output[k] * (P * kLanes);
    Floats f[B];
#pragma GCC unroll 2
    for (int b = 0; b < B; b++) f[b] = all(factors[b * factorsStride + sorted[k]]);
#pragma GCC unroll 20
    for (int p = 0; p < P; p++) {
      const Floats weight = load(w + p * kLanes);
#pragma GCC unroll 2
      for (int b = 0; b < B; b++) sum[p * B + b] = sum[p * B + b] + f[b] * weight;
    }
  };
  int64_t k = 0;
  if (isShort) {
    for (; k + 1 < count; k += 2) {
      add(k, even);
      add(k + 1, odd);
    }
  }
  for (; k < count; k++) add(k, even);
#pragma GCC unroll 2
  for (int b = 0; b < B; b++) {
#pragma GCC unroll 20
    for (int p = 0; p < P; p++) {
      const Floats sum = isShort ? even[p * B + b] + odd[p * B + b] : even[p * B + b];
      float* at = patch + b * l.size + p / S * l.pitch + p % S * kLanes;
      store(at, load(at) + sum);
    }
  }
}

/** Padded pictures of B vectors += the transposed patches of places; factors of the vectors are `factorsStride` apart. */
template <int B>
static void spreadPatches(const PatchLayout& l, const Pieces& pieces, const Offsets& offsets, const Places& p,
                          const float* weights, const float* factors, int64_t factorsStride, float* padded, Ahead* ahead) {
  pieces.forEach(l, [&](const Piece& piece) {
    withSize(piece, [&](auto size) {
      if constexpr (B * decltype(size)::rows * decltype(size)::vectors <= kMostSums) {
        float* to = padded + piece.firstRow * l.pitch + piece.firstVector * kLanes;
        for (int64_t cell = 0; cell < l.cells; cell++) {
          const int64_t from = p.ofCell[cell], count = p.ofCell[cell + 1] - from;
          ahead[0].next();
          ahead[1].next();
          if (count == 0) continue;
          addWeights<B>(size, l, weights, p.sorted + from, p.output + from, count, factors, factorsStride, to + offsets[cell]);
        }
      }
    });
    weights += piece.rows * piece.vectors * kLanes * l.outputs;
  });
}

/** [out][patch] to [piece][out][of the piece]. */
static void cutWeights(const PatchLayout& l, const Pieces& pieces, const float* arranged, float* cut) {
  pieces.forEach(l, [&](const Piece& piece) {
    const int64_t floats = piece.vectors * kLanes;
    for (int64_t o = 0; o < l.outputs; o++) {
      for (int64_t r = 0; r < piece.rows; r++, cut += floats) {
        const float* from = arranged + o * l.patch + ((piece.firstRow + r) * l.vectors + piece.firstVector) * kLanes;
        std::memcpy(cut, from, floats * sizeof(float));
      }
    }
  });
}

/** Vectors of a piece whose weights, those of all outputs, stay in the nearest cache or all but. */
static inline int64_t sumsInCache(const PatchLayout& l, int64_t mostSums) {
  constexpr int64_t kVectors = 10240 / kLanes, kLeast = 6;
  return least(mostSums, most(kLeast, kVectors / l.outputs));
}

/**
 * Another way for the adjoint in x, of several vectors: a cell of dx gathers what comes from the places of a row of the kernel,
 * which lie one after the other, for several vectors and a slice of the channels. It is written once and each loop is long.
 * With AVX2, whose few registers cut patches into many pieces, it wins by up to a half for two vectors and 32 channels and
 * more; with AVX-512 two vectors are as quick either way, and from three on it takes 0.5 to 0.75 of the time.
 */
struct Gathering {
  // The columns of ten classes' factor at once: five and four of them take a tenth longer.
  static constexpr int kTogether = 9;
  int64_t slices, slice, together;  // slices of the channels, vectors of registers in one, vectors of dy at a time

  explicit Gathering(int64_t channels) {
    const int64_t whole = (channels + kLanes - 1) / kLanes;
    slices = (whole + 3) / 4;
    slice = (whole + slices - 1) / slices;
    together = least(kTogether, kMostSums / slice);
  }

  static bool suits(const ChosenConvolution& c, int64_t vectors) {
    return (HBP_REGISTER == 64 && vectors > 2 && c.in >= kLanes) || (HBP_REGISTER == 32 && vectors > 1 && c.in >= 4 * kLanes);
  }

  /** Of those that are left, never one by itself. */
  int64_t next(int64_t left) const { return left == together + 1 ? together - 1 : least(left, together); }

  /** f(Size<vectors of dy, vectors of a slice>). */
  template <class F>
  void with(int64_t vectors, F f) const {
    switch (slice) {
      case 1: return withSlice<1>(vectors, f);
      case 2: return withSlice<2>(vectors, f);
      case 3: return withSlice<3>(vectors, f);
      default: return withSlice<4>(vectors, f);
    }
  }

 private:
  template <int S, class F>
  static void withSlice(int64_t vectors, F f) {
    switch (vectors) {
#define X(B)                                           \
  case B:                                              \
    if constexpr (B * S <= kMostSums) f(Size<B, S>()); \
    break;
      X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9)
#undef X
    }
  }
};

/** weights [kh, kw, in, out] to [slice][kh][kw][out][of the slice], filled up with zeros. */
static void sliceWeights(const ChosenConvolution& c, const Gathering& g, const float* weights, float* sliced) {
  const int64_t size = g.slice * kLanes, outputs = c.pooling.channels;
  for (int64_t first = 0; first < g.slices * size; first += size) {
    for (int64_t k = 0; k < c.kernelHeight * c.kernelWidth; k++, sliced += outputs * size) {
      transposeMatrix(weights + (k * c.in + first) * outputs, outputs, sliced, size, least(size, c.in - first), outputs);
    }
  }
}

/** The places of a picture in the order of their cells: where their weights are, and the factors of some vectors [places, vectors]. */
struct SortedPlaces {
  const uint16_t* ofCell;
  const int32_t* weights;
  const float* factors;
};

/** Pictures of several vectors, `stride` numbers apart, with their sums over cells, `sumsStride` apart, or none; see `Row`. */
struct Pictures {
  float* to;
  int64_t stride;
  float* sums;
  int64_t sumsStride;
  const float* derivatives;
  bool past;
};

/** A slice of the channels of pictures, written past the caches if it is one of whole registers. `sums` has room for a row of cells. */
template <class Z>
static void gatherSlice(Z, const ChosenConvolution& c, const SortedPlaces& p, const float* weights, int64_t channels, float* sums,
                        const Pictures& dx, AheadOfVectors& ahead) {
  constexpr int B = Z::rows, S = Z::vectors;
  constexpr int U = B * S > kMostInTwo ? 1 : B * S > 3 ? 2 : 4;  // sums of a number, as one addition waits for another
  const int64_t width = c.pooling.width, rowOfWeights = c.pooling.channels * S * kLanes;
  for (int64_t y = 0; y < c.height; y++) {
    const int64_t up = y + c.top;
    std::memset(sums, 0, c.width * B * S * kLanes * sizeof(float));
    // Row by row of the kernel, so that its weights stay in the nearest cache.
    for (int64_t r = most(0, up - c.pooling.height + 1); r <= least(c.kernelHeight - 1, up); r++) {
      const uint16_t* row = p.ofCell + (up - r) * width;
      for (int64_t x = 0; x < c.width; x++) {
        ahead.next();
        const int64_t left = x + c.left, low = most(0, left - c.kernelWidth + 1), high = least(width - 1, left);
        if (low > high) continue;
        const float* ofRow = weights + (r * c.kernelWidth + left) * rowOfWeights;
        float* at = sums + x * B * S * kLanes;
        Floats sum[U][B * S] = {};
#pragma GCC unroll 20
        for (int s = 0; s < B * S; s++) sum[0][s] = load(at + s * kLanes);
        const auto add = [&](int64_t k, Floats(&to)[B * S]) __attribute__((always_inline)) {
          const float* w = ofRow + p.weights[k];
          Floats f[B];
#pragma GCC unroll 9
          for (int b = 0; b < B; b++) f[b] = all(p.factors[k * B + b]);
#pragma GCC unroll 4
          for (int s = 0; s < S; s++) {
            const Floats weight = load(w + s * kLanes);
#pragma GCC unroll 9
            for (int b = 0; b < B; b++) to[s * B + b] = to[s * B + b] + f[b] * weight;
          }
        };
        const int64_t end = row[high + 1];
        int64_t k = row[low];
        for (; k + U <= end; k += U) {
#pragma GCC unroll 4
          for (int u = 0; u < U; u++) add(k + u, sum[u]);
        }
        for (; k < end; k++) add(k, sum[0]);
#pragma GCC unroll 20
        for (int s = 0; s < B * S; s++) {
#pragma GCC unroll 4
          for (int u = 1; u < U; u++) sum[0][s] = sum[0][s] + sum[u][s];
          store(at + s * kLanes, sum[0][s]);
        }
      }
    }
    const int64_t row = y * c.width * c.in;
    for (int b = 0; b < B; b++) {
      const Row to = {dx.to + b * dx.stride + row, dx.derivatives ? dx.derivatives + row : nullptr,
                      dx.sums ? dx.sums + b * dx.sumsStride : nullptr, dx.past};
      if (to.sums && y == 0) std::memset(to.sums, 0, channels * sizeof(float));
      const float* from = sums + b * kLanes;
      if (channels == S * kLanes) {
        Floats total[S] = {};
        for (int64_t x = 0; x < c.width; x++, from += B * S * kLanes) {
#pragma GCC unroll 4
          for (int s = 0; s < S; s++) total[s] = total[s] + putFloats(to, x, s * kLanes, c.in, load(from + s * B * kLanes));
        }
        for (int s = 0; to.sums && s < S; s++) store(to.sums + s * kLanes, load(to.sums + s * kLanes) + total[s]);
        continue;
      }
      for (int64_t x = 0; x < c.width; x++, from += B * S * kLanes) {
        for (int64_t k = 0; k < channels; k++) putFloat(to, x, k, c.in, from[k / kLanes * B * kLanes + k % kLanes]);
      }
    }
  }
}

/** The adjoint in x as `convolveTransposedChosen`, by `Gathering`. */
static void gatherTransposed(const ChosenConvolution& c, const float* dy, const float* weights, const uint16_t* places, float* dx,
                             float* dxSums, int64_t vectors, const hbp::Before& before) {
  const PatchLayout l(c);
  const Gathering g(c.in);
  const int64_t n = c.pooling.n, picture = c.height * c.width * c.in, results = l.windows * l.outputs;
  const int64_t size = Places::size(c, l), channels = g.slice * kLanes, band = bandOf(c, l);
  const Windows& pool = c.pooling;
  const int64_t ofSlice = l.rows * c.kernelWidth * l.outputs * channels;
  const Aligned sliced(g.slices * ofSlice);
  sliceWeights(c, g, weights, sliced);
  const bool past = c.in % channels == 0 && isStreamed(dx, vectors * n * picture);
  inParallel(n, workOf(c, l, vectors), 1, [&](int64_t begin, int64_t end) {
    const OfPlaces factors(results);
    const Aligned sorted(g.together * results), sums(c.width * g.together * channels);
    const Aligned derivatives(before.output ? picture : 0);
    int32_t* const at = new int32_t[results];
    uint16_t* const result = new uint16_t[results];
    for (int64_t i = begin; i < end; i++) {
      const Places p(c, l, places + i * size);
      const int64_t count = p.ofCell[l.cells];
      const bool isDirect = areSideBySide(pool) && areAlone(l, p);
      for (int64_t cell = 0; cell < l.cells; cell++) {
        const int64_t back = cell % c.pooling.width * l.outputs;
        for (int64_t k = p.ofCell[cell]; k < p.ofCell[cell + 1]; k++) {
          at[k] = static_cast<int32_t>((p.output[k] - back) * channels);
        }
        if (!isDirect) continue;
        // The window that the cell is in.
        const int64_t y = (cell / pool.width + pool.top) / pool.strideHeight, x = (cell % pool.width + pool.left) / pool.strideWidth;
        const int64_t window = y * pool.outWidth + x;
        for (int64_t k = p.ofCell[cell]; k < p.ofCell[cell + 1]; k++) result[k] = static_cast<uint16_t>(window * l.outputs + p.output[k]);
      }
      if (before.output) derivativesOf(before, i * picture, derivatives, picture);
      for (int64_t v = 0, together; v < vectors; v += together) {
        together = g.next(vectors - v);
        for (int64_t b = 0; b < together; b++) {
          const float* from = dy + ((v + b) * n + i) * results;
          if (!isDirect) addWindows(l, band, p, from, factors);
          if (!isDirect) from = factors;
          const uint16_t* const of = isDirect ? result : p.sorted;
          for (int64_t k = 0; k < count; k++) sorted[k * together + b] = from[of[k]];
        }
        // The next picture's come meanwhile: they are then read in the order of their cells.
        const int64_t calls = g.slices * c.height * c.kernelHeight * c.width;
        AheadOfVectors ahead = {dy + (v * n + i + 1) * results, n * results, together, i + 1 < end ? results / kLine : 0, calls};
        g.with(together, [&](auto size) {
          for (int64_t s = 0; s < g.slices; s++) {
            const int64_t first = s * channels;
            const Pictures pictures = {dx + (v * n + i) * picture + first, n * picture,
                                       dxSums ? dxSums + (v * n + i) * c.in + first : nullptr, n * c.in,
                                       before.output ? derivatives + first : nullptr, past};
            gatherSlice(size, c, {p.ofCell, at, sorted}, sliced + s * ofSlice, least(channels, c.in - first), sums, pictures, ahead);
          }
        });
      }
    }
    delete[] at;
    delete[] result;
  });
}

/** The adjoint in x: dy [vectors, n, windows, out] to dx [vectors, n, height, width, in]; two vectors at a time. */
static void convolveTransposedChosen(const ChosenConvolution& c, const float* dy, const float* weights, const uint16_t* places,
                                     float* dx, float* sums, int64_t vectors, const hbp::Before& before) {
  if (Gathering::suits(c, vectors)) return gatherTransposed(c, dy, weights, places, dx, sums, vectors, before);
  const PatchLayout l(c);
  const Offsets offsets(c, l);
  const Pieces pieces(l, sumsInCache(l, kMostSums)), piecesOfTwo(l, sumsInCache(l, kMostSums / 2));
  const int64_t n = c.pooling.n, picture = c.height * c.width * c.in, results = l.windows * l.outputs;
  const int64_t size = Places::size(c, l), band = bandOf(c, l), stride = (results + kLanes) / kLanes * kLanes;
  const Aligned arranged(l.outputs * l.patch), ofOne(l.outputs * l.patch), ofTwo(l.outputs * l.patch);
  arrangeWeights(l, weights, arranged);
  if (vectors % 2 == 1) cutWeights(l, pieces, arranged, ofOne);
  if (vectors > 1) cutWeights(l, piecesOfTwo, arranged, ofTwo);
  const bool past = c.width * c.in % kLanes == 0 && isStreamed(dx, vectors * n * picture);
  inParallel(n, workOf(c, l, vectors), 1, [&](int64_t begin, int64_t end) {
    const Aligned padded(2 * l.size), row(l.rowSize), derivatives(c.width * c.in);
    const OfPlaces factors(2 * stride);
    for (int64_t i = begin; i < end; i++) {
      const Places p(c, l, places + i * size);
      for (int64_t v = 0; v < vectors; v += 2) {
        const int64_t count = least(2, vectors - v);
        for (int64_t b = 0; b < count; b++) {
          addWindows(l, band, p, dy + ((v + b) * n + i) * results, factors + b * stride);
        }
        std::memset(padded, 0, count * l.size * sizeof(float));
        // What is before this picture, and the next one's places, come meanwhile.
        const int64_t calls = (count == 2 ? piecesOfTwo : pieces).count(l) * l.cells;
        Ahead ahead[] = {{further(before.output, i * picture), before.output && v == 0 ? picture / kLine : 0, calls},
                         {reinterpret_cast<const float*>(places + (i + 1) * size), v == 0 && i + 1 < end ? size / 2 / kLine : 0, calls}};
        if (count == 2) spreadPatches<2>(l, piecesOfTwo, offsets, p, ofTwo, factors, stride, padded, ahead);
        else spreadPatches<1>(l, pieces, offsets, p, ofOne, factors, 0, padded, ahead);
        for (int64_t b = 0; b < count; b++) {
          const int64_t sample = (v + b) * n + i;
          unpadPicture(c, l, before, padded + b * l.size, i, dx + sample * picture, sums ? sums + sample * c.in : nullptr, row,
                       derivatives, past);
        }
      }
    }
  });
}

}  // namespace HBP_ISA
