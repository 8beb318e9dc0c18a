// Gradients of a convolution's weights (stride 1) on the matrix unit: 16 outputs times 16 inputs in a tile, summed over pixels.
//
// A picture is copied with its padding, in parts, 16 channels of two neighbouring pixels in a line: the pixels that one cell of the
// kernel looks at while the pixels of the result go by are such lines from another place on, for every other column those of a
// second copy whose pairs start with the second pixel. The result's gradients are copied as lines of 32 pixels of an output.
// Pixels count through the padded rows; the gradients behind a row's end are zero. While the unit is at one picture, the next
// one is copied.
#pragma once
#include <cstring>

#include "../convolution.h"
#include "tiles.h"

namespace hbp {

namespace {

struct Correlation {
  int64_t n, height, width, in, outHeight, outWidth, out;
  int64_t rows, columns, top, left;  // of the kernel; padding
  int64_t pitch, pairs;              // a padded row, in pixels; pairs of pixels of a padded picture, with what the last steps read
  int64_t perRow, steps;             // steps of 32 pixels of a row where rows start steps of their own, else 0; steps of a picture
  int64_t products, together;        // tiles of the result for 16 outputs; how many of them are summed up at a time
  int64_t shares;                    // of the pictures, each with sums of its own: of as many, the bits do not depend on the threads

  explicit Correlation(const Convolution& c)
      : n(c.n), height(c.height), width(c.width), in(c.in), outHeight(c.outHeight), outWidth(c.outWidth), out(c.out),
        rows(c.kernelHeight), columns(c.kernelWidth), top(c.top), left(c.left),
        pitch((c.outWidth - 1 + c.kernelWidth + 1) / 2 * 2), products(c.kernelHeight * c.kernelWidth * (c.in / kRows)) {
    const int64_t through = ((outHeight - 1) * pitch + outWidth + kDepth - 1) / kDepth;
    const int64_t each = (outWidth + kDepth - 1) / kDepth;
    perRow = each * outHeight <= through ? each : 0;
    steps = perRow > 0 ? perRow * outHeight : through;
    // Before the first one there is one more: the second copy's first line starts in it.
    pairs = 1 + ((outHeight - 1 + rows) * pitch + kDepth) / 2;
    const int64_t groups = (products + kTogether - 1) / kTogether;
    together = (products + groups - 1) / groups;
    shares = least(n, least(kMostShares, kLeastShares + kShareNumbers / weights()));
  }

  int64_t placeOf(int64_t step) const { return perRow > 0 ? step / perRow * pitch + step % perRow * kDepth : step * kDepth; }
  int64_t weights() const { return rows * columns * in * out; }
  /** Pictures of a share start with this one. */
  int64_t startOf(int64_t share) const { return n * share / shares; }
  /** Bytes of one part of 16 channels, and of a copy of them all. */
  int64_t partBytes() const { return pairs * kLine; }
  int64_t copyBytes() const { return in / kRows * kParts * partBytes(); }
  int64_t gradientBytes() const { return steps * (out / kRows) * kParts * kTile; }
  int64_t pictureBytes() const { return 2 * copyBytes() + gradientBytes(); }
  /** At least as many pieces as a picture is copied in. */
  int64_t mostPieces() const {
    return height * (in / kRows) * ((width + 2) / (2 * kPairs) + 2) + steps * (out / kRows) * (kRows + kParts);
  }

  static constexpr int64_t kLine = 64, kPairs = 4, kTogether = 4;
  static constexpr int64_t kLeastShares = 16, kMostShares = 64, kShareNumbers = 1 << 20;
};

/** The parts of two times sixteen numbers, next to each other, the first one's in the low halves. */
static inline void splitPair(__m512 first, __m512 second, __m512i* parts, __m512i& largest) {
  const __m512i upper = _mm512_set1_epi32(static_cast<int>(0xffff0000u)), half = _mm512_set1_epi32(0x8000);
  for (int i = 0; i + 1 < kParts; i++) {
    // To nearest, so that signs stay mixed.
    const __m512i one = _mm512_and_si512(_mm512_add_epi32(_mm512_castps_si512(first), half), upper);
    const __m512i two = _mm512_and_si512(_mm512_add_epi32(_mm512_castps_si512(second), half), upper);
    parts[i] = _mm512_or_si512(_mm512_srli_epi32(one, 16), two);
    first = _mm512_sub_ps(first, _mm512_castsi512_ps(one));
    second = _mm512_sub_ps(second, _mm512_castsi512_ps(two));
  }
  // Nothing is left to round: one >> 16 | two & upper.
  parts[kParts - 1] = _mm512_ternarylogic_epi32(_mm512_srli_epi32(_mm512_castps_si512(first), 16), _mm512_castps_si512(second), upper, 0xf8);
  largest = _mm512_max_epu16(largest, _mm512_and_si512(parts[0], _mm512_set1_epi16(0x7fff)));
}

/** Whether no number seen was infinite or NaN in bfloat16. */
static inline bool areIn(__m512i largest) { return _mm512_cmpge_epu16_mask(largest, _mm512_set1_epi16(0x7f80)) == 0; }

/** Some pairs of pixels of a row, 16 channels of them, to be copied at a time; or a tile to be turned. */
struct Piece {
  enum Kind : int32_t { kInput, kGradient, kTurn } kind;
  int32_t count, isThere;  // bit i: whether the i-th of the pixels is there; the others are zero
  int64_t from, to;        // the first pixel in x or dy, in numbers; the first pair's line, in the first part, in bytes
};

/** All pieces of a picture in the order in which they are to be copied. */
static int64_t listPieces(const Correlation& c, Piece* list) {
  Piece* next = list;
  const auto add = [&](Piece::Kind kind, int64_t count, int64_t column, int64_t width, int64_t from, int64_t to) {
    *next = {kind, static_cast<int32_t>(count), 0, from, to};
    for (int64_t i = 0; i < 2 * count; i++) next->isThere |= (column + i >= 0 && column + i < width) << i;
    next++;
  };
  for (int64_t row = 0; row < c.height; row++) {
    for (int64_t channel = 0; channel < c.in; channel += kRows) {
      // From the first pair with a pixel of the row to the one behind the last: lines of the second copy have pixels of two.
      const int64_t end = (c.left + c.width + 1) / 2 + 1;
      for (int64_t pair = c.left / 2; pair < end; pair += Correlation::kPairs) {
        const int64_t column = 2 * pair - c.left;
        add(Piece::kInput, least(Correlation::kPairs, end - pair), column, c.width, (row * c.width + column) * c.in + channel,
            channel / kRows * kParts * c.partBytes() + (1 + (row + c.top) * c.pitch / 2 + pair) * Correlation::kLine);
      }
    }
  }
  for (int64_t step = 0; step < c.steps; step++) {
    for (int64_t o = 0; o < c.out; o += kRows) {
      const int64_t tile = 2 * c.copyBytes() + (o / kRows * c.steps + step) * kParts * kTile;
      for (int64_t pair = 0, count; pair < kRows; pair += count) {
        const int64_t row = (c.placeOf(step) + 2 * pair) / c.pitch, column = (c.placeOf(step) + 2 * pair) % c.pitch;
        count = least(Correlation::kPairs, least(kRows - pair, (c.pitch - column) / 2));
        add(Piece::kGradient, count, column, row < c.outHeight ? c.outWidth : 0, (row * c.outWidth + column) * c.out + o,
            tile + pair * Correlation::kLine);
      }
      for (int64_t part = 0; part < kParts; part++) add(Piece::kTurn, 0, 0, 0, 0, tile + part * kTile);
    }
  }
  return next - list;
}

/** A picture on its way to its copies, in even shares. */
struct Copying {
  const Correlation& c;
  const Piece* pieces;
  int64_t count, calls, call, done;
  const float *x, *dy;
  char* to;
  __m512i largest;

  void start(const float* pictureX, const float* pictureY, char* picture) {
    x = pictureX;
    dy = pictureY;
    to = picture;
    call = done = 0;
  }
  inline void next() {
    const int64_t until = least(count, count * ++call / calls);
    while (done < until) copy(pieces[done++]);
  }
  void finish() {
    while (done < count) copy(pieces[done++]);
  }

 private:
  inline void copy(const Piece& piece) {
    if (piece.kind == Piece::kInput) copyPairs(piece, x + piece.from, c.in, c.partBytes(), c.copyBytes());
    else if (piece.kind == Piece::kGradient) copyPairs(piece, dy + piece.from, c.out, kTile, 0);
    else transposeTile(to + piece.to);
  }
  inline void copyPairs(const Piece& piece, const float* from, int64_t apart, int64_t partBytes, int64_t secondCopy) {
    char* at = to + piece.to;
    int32_t isThere = piece.isThere;
    __m512i before[kParts];
    for (int part = 0; part < kParts && secondCopy > 0; part++) before[part] = _mm512_load_si512(at + part * partBytes - Correlation::kLine);
    for (int64_t i = 0; i < piece.count; i++, from += 2 * apart, at += Correlation::kLine, isThere >>= 2) {
      const __m512 one = _mm512_maskz_loadu_ps(isThere & 1 ? 0xffff : 0, from);
      const __m512 two = _mm512_maskz_loadu_ps(isThere & 2 ? 0xffff : 0, from + apart);
      __m512i parts[kParts];
      splitPair(one, two, parts, largest);
      for (int part = 0; part < kParts; part++) {
        char* const line = at + part * partBytes;
        _mm512_store_si512(line, parts[part]);
        if (secondCopy > 0) {
          _mm512_store_si512(line + secondCopy - Correlation::kLine, _mm512_shrdi_epi32(before[part], parts[part], 16));
          before[part] = parts[part];
        }
      }
    }
  }
};

/**
 * Adds to `sums` the products of the gradients of 16 outputs with `Count` tiles of inputs, and copies a part of the next picture
 * meanwhile. The gradients' parts stay in tiles 5, 6 and 7.
 *
 * @param from  the line of the first pair that the first step meets, of each
 */
template <int64_t Count>
static void correlateTiles(const Correlation& c, const char* const* from, const char* gradients, float* sums, Copying& next,
                           Ahead* ahead) {
  const int64_t part = c.partBytes(), line = Correlation::kLine;
  _tile_zero(0);
  if (Count > 1) _tile_zero(1);
  if (Count > 2) _tile_zero(2);
  if (Count > 3) _tile_zero(3);
  for (int64_t step = 0; step < c.steps; step++, gradients += kParts * kTile) {
    const int64_t at = c.placeOf(step) / 2 * line;
    _tile_loadd(5, gradients, line);
    _tile_loadd(6, gradients + kTile, line);
    _tile_loadd(7, gradients + 2 * kTile, line);
#define HBP_INPUTS(i, products) \
  _tile_loadd(4, from[0] + at + (i) * part, line); \
  products(0); \
  if (Count > 1) { \
    _tile_loadd(4, from[1] + at + (i) * part, line); \
    products(1); \
  } \
  if (Count > 2) { \
    _tile_loadd(4, from[2] + at + (i) * part, line); \
    products(2); \
  } \
  if (Count > 3) { \
    _tile_loadd(4, from[3] + at + (i) * part, line); \
    products(3); \
  }
#define HBP_ONE(tile) _tile_dpbf16ps(tile, 5, 4)
#define HBP_TWO(tile) \
  _tile_dpbf16ps(tile, 6, 4); \
  _tile_dpbf16ps(tile, 5, 4)
#define HBP_THREE(tile) \
  _tile_dpbf16ps(tile, 7, 4); \
  _tile_dpbf16ps(tile, 6, 4); \
  _tile_dpbf16ps(tile, 5, 4)
    HBP_INPUTS(0, HBP_THREE);
    next.next();
    HBP_INPUTS(1, HBP_TWO);
    next.next();
    HBP_INPUTS(2, HBP_ONE);
    ahead[0].next();
    ahead[1].next();
#undef HBP_INPUTS
#undef HBP_ONE
#undef HBP_TWO
#undef HBP_THREE
  }
  alignas(64) float now[Count * 256];
  _tile_stored(0, now, line);
  if (Count > 1) _tile_stored(1, now + 256, line);
  if (Count > 2) _tile_stored(2, now + 512, line);
  if (Count > 3) _tile_stored(3, now + 768, line);
  for (int64_t i = 0; i < Count * 256; i += 16) {
    _mm512_store_ps(sums + i, _mm512_add_ps(_mm512_load_ps(sums + i), _mm512_load_ps(now + i)));
  }
}

/** Adds a picture to `sums`: for 16 outputs at a time, for each row of the kernel, 16 inputs and column, a tile. */
static void correlatePicture(const Correlation& c, const char* picture, float* sums, Copying& next, Ahead* ahead) {
  for (int64_t o = 0; o < c.out; o += kRows) {
    const char* gradients = picture + 2 * c.copyBytes() + o / kRows * c.steps * kParts * kTile;
    for (int64_t first = 0; first < c.products; first += c.together) {
      const char* from[Correlation::kTogether];
      const int64_t count = least(c.together, c.products - first);
      for (int64_t j = 0; j < count; j++) {
        const int64_t column = (first + j) % c.columns, block = (first + j) / c.columns;
        const int64_t channels = block % (c.in / kRows), row = block / (c.in / kRows);
        from[j] = picture + column % 2 * c.copyBytes() + channels * kParts * c.partBytes() +
                  (1 + (row * c.pitch + column) / 2) * Correlation::kLine;
      }
      if (count == 4) correlateTiles<4>(c, from, gradients, sums, next, ahead);
      else if (count == 3) correlateTiles<3>(c, from, gradients, sums, next, ahead);
      else if (count == 2) correlateTiles<2>(c, from, gradients, sums, next, ahead);
      else correlateTiles<1>(c, from, gradients, sums, next, ahead);
      sums += count * 256;
    }
  }
}

/** Shares from..to, the sums of each behind those of the one before. */
static bool correlateShares(const Correlation& c, const float* x, const float* dy, float* sums, int64_t from, int64_t to) {
  static thread_local Pages memory;
  const int64_t bytes = c.pictureBytes();
  char* now = memory.atLeast(2 * bytes + c.mostPieces() * sizeof(Piece));
  char* then = now + bytes;
  Piece* const pieces = reinterpret_cast<Piece*>(now + 2 * bytes);
  std::memset(now, 0, 2 * bytes);
  const int64_t count = listPieces(c, pieces), groups = (c.products + c.together - 1) / c.together * (c.out / kRows);
  const int64_t sizeX = c.height * c.width * c.in, sizeY = c.outHeight * c.outWidth * c.out, end = c.startOf(to);
  Copying next = {c, pieces, count, 2 * groups * c.steps, 0, 0, nullptr, nullptr, nullptr, _mm512_setzero_si512()};
  next.start(x + c.startOf(from) * sizeX, dy + c.startOf(from) * sizeY, now);
  next.finish();
  configureTiles();
  for (int64_t share = from; share < to; share++, sums += c.weights()) {
    std::memset(sums, 0, c.weights() * sizeof(float));
    for (int64_t i = c.startOf(share); i < c.startOf(share + 1); i++) {
      if (i + 1 < end) next.start(x + (i + 1) * sizeX, dy + (i + 1) * sizeY, then);
      const int64_t calls = groups * c.steps, isThere = i + 2 < end;
      Ahead ahead[2] = {{x + (i + 2) * sizeX, isThere * sizeX / 16, calls, 0, 0}, {dy + (i + 2) * sizeY, isThere * sizeY / 16, calls, 0, 0}};
      correlatePicture(c, now, sums, next, ahead);
      next.finish();
      char* const swap = now;
      now = then;
      then = swap;
    }
  }
  _tile_release();
  return areIn(next.largest);
}

/** dw [rows, columns, in, out]: the shares' sums, added up in one order. */
static void addShares(const Correlation& c, const float* sums, float* dw, int64_t threads) {
  const int64_t tiles = c.weights() / 256;
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
  for (int64_t tile = 0; tile < tiles; tile++) {
    const int64_t o = tile / c.products * kRows, column = tile % c.products % c.columns, block = tile % c.products / c.columns;
    const int64_t channel = block % (c.in / kRows) * kRows, row = block / (c.in / kRows);
    alignas(64) float total[256];
    for (int64_t i = 0; i < 256; i += 16) {
      __m512 sum = _mm512_setzero_ps();
      for (int64_t share = 0; share < c.shares; share++) {
        sum = _mm512_add_ps(sum, _mm512_load_ps(sums + share * c.weights() + tile * 256 + i));
      }
      _mm512_store_ps(total + i, sum);
    }
    transposeTile(reinterpret_cast<char*>(total));
    for (int64_t i = 0; i < kRows; i++) {
      _mm512_storeu_ps(dw + ((row * c.columns + column) * c.in + channel + i) * c.out + o, _mm512_load_ps(total + 16 * i));
    }
  }
}

/** Least share of the steps' pixels that are pixels of the result. */
constexpr double kLeastPixels = 0.5;

}  // namespace

bool isCorrelatedByAmx(const Convolution& shape) {
  if (!isForAmx(shape)) return false;
  const Correlation c(shape);
  return c.outHeight * c.outWidth >= kLeastPixels * c.steps * kDepth && c.pictureBytes() <= kMostPicture;
}

bool correlateByAmx(const Convolution& shape, const float* x, const float* dy, float* dw, int64_t threads) {
  static Pages kept;
  const Correlation c(shape);
  float* const sums = reinterpret_cast<float*>(kept.atLeast(c.shares * c.weights() * sizeof(float)));
  threads = least(threads, c.shares);
  bool isIn = true;
#pragma omp parallel for schedule(static, 1) num_threads(threads) if (threads > 1) reduction(&& : isIn)
  for (int64_t thread = 0; thread < threads; thread++) {
    const int64_t from = c.shares * thread / threads, to = c.shares * (thread + 1) / threads;
    isIn = correlateShares(c, x, dy, sums + from * c.weights(), from, to) && isIn;
  }
  if (isIn) addShares(c, sums, dw, threads);
  return isIn;
}

}  // namespace hbp
