// Convolutions (stride 1) on the matrix unit: 16 pixels times 16 outputs in a tile.
//
// Pictures are copied with their padding, in parts, so that the patch that a pixel of the result looks at is one run of numbers
// for each row of the kernel, and the next pixel's run is that one `in` numbers on: tiles of 16 patches, 32 numbers of each, are
// loaded from the picture as it is. Places of the result count through the padded rows; those behind a row's end are left out.
#pragma once
#include <cstring>

#include "../convolution.h"
#include "tiles.h"

namespace hbp {

namespace {

struct Patches {
  int64_t n, height, width, in, outHeight, outWidth, out;
  int64_t rows, run, chunks;  // of a patch: rows of the kernel, numbers of each, and pieces of 32 of those
  int64_t top, left;          // padding
  int64_t pitch, plane;       // a padded row, in places; numbers of a padded picture, with what the last tiles read beyond
  int64_t perRow, tiles;      // tiles of a row where rows start tiles of their own, else 0; tiles of a picture

  explicit Patches(const Convolution& c)
      : n(c.n), height(c.height), width(c.width), in(c.in), outHeight(c.outHeight), outWidth(c.outWidth), out(c.out),
        rows(c.kernelHeight), run(c.kernelWidth * c.in), chunks((run + kDepth - 1) / kDepth), top(c.top), left(c.left),
        pitch(c.outWidth - 1 + c.kernelWidth), plane(((c.outHeight - 1 + c.kernelHeight) * pitch + 2 * kRows + kDepth) * c.in) {
    const int64_t through = ((outHeight - 1) * pitch + outWidth + kRows - 1) / kRows;
    const int64_t each = (outWidth + kRows - 1) / kRows;
    perRow = each * outHeight <= through ? each : 0;
    tiles = perRow > 0 ? perRow * outHeight : through;
  }

  int64_t placeOf(int64_t tile) const { return perRow > 0 ? tile / perRow * pitch + tile % perRow * kRows : tile * kRows; }
  int64_t weightBytes() const { return rows * chunks * (out / kRows) * kParts * kTile; }
};

/** Weights [rows, run, out] as tiles: for 16 outputs at a time, each row's chunks, in three parts. */
static void splitWeights(const Patches& p, const float* w, char* to, Largest& largest) {
  for (int64_t o = 0; o < p.out; o += kRows) {
    for (int64_t r = 0; r < p.rows; r++) {
      const Operand row = {w + r * p.run * p.out, p.out, p.out, p.run, true};
      for (int64_t chunk = 0; chunk < p.chunks; chunk++, to += kParts * kTile) {
        splitTile<kTile>(row, o, chunk * kDepth, true, to, largest);
      }
    }
  }
}

/** A picture's parts, each a plane of its own with zeros around it, which are there already. */
static void splitPicture(const Patches& p, const float* x, uint16_t* planes, Largest& largest) {
  const int64_t count = p.width * p.in;
  for (int64_t y = 0; y < p.height; y++) {
    const float* from = x + y * count;
    uint16_t* to = planes + ((y + p.top) * p.pitch + p.left) * p.in;
    for (int64_t i = 0; i < count; i += 32) {
      const __m512 first = _mm512_maskz_loadu_ps(firstOf(count - i), from + i);
      const __m512 second = _mm512_maskz_loadu_ps(firstOf(count - i - 16), from + i + 16);
      __builtin_prefetch(from + i + count);
      __builtin_prefetch(from + i + count + 16);
      largest.see(first);
      largest.see(second);
      const Split parts = split(first, second);
      const __mmask32 mask = count - i >= 32 ? 0xffffffffu : (1u << (count - i)) - 1;
      for (int part = 0; part < kParts; part++) _mm512_mask_storeu_epi16(to + part * p.plane + i, mask, parts.part[part]);
    }
  }
}

/** Tiles of a result at a time; the same weights serve them. */
constexpr int64_t kTogether = 4;

/**
 * Four tiles of patches times the weights of 16 outputs. The parts of the weights stay in tiles 5, 6 and 7.
 *
 * @param from  the first patch of each
 */
static void multiplyPatches(const Patches& p, const uint16_t* const* from, const char* weights, float* sums, Ahead& ahead) {
  const int64_t step = p.in * 2, line = 64;
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  for (int64_t r = 0; r < p.rows; r++) {
    for (int64_t chunk = 0; chunk < p.chunks; chunk++, weights += kParts * kTile) {
      const int64_t at = r * p.pitch * p.in + chunk * kDepth;
      _tile_loadd(5, weights, line);
      _tile_loadd(6, weights + kTile, line);
      _tile_loadd(7, weights + 2 * kTile, line);
#define HBP_PART(part, products) \
  _tile_loadd(4, from[0] + at + (part) * p.plane, step); \
  products(0); \
  _tile_loadd(4, from[1] + at + (part) * p.plane, step); \
  products(1); \
  _tile_loadd(4, from[2] + at + (part) * p.plane, step); \
  products(2); \
  _tile_loadd(4, from[3] + at + (part) * p.plane, step); \
  products(3)
#define HBP_ONE(tile) _tile_dpbf16ps(tile, 4, 5)
#define HBP_TWO(tile) \
  _tile_dpbf16ps(tile, 4, 6); \
  _tile_dpbf16ps(tile, 4, 5)
#define HBP_THREE(tile) \
  _tile_dpbf16ps(tile, 4, 7); \
  _tile_dpbf16ps(tile, 4, 6); \
  _tile_dpbf16ps(tile, 4, 5)
      ahead.next();
      HBP_PART(0, HBP_THREE);
      HBP_PART(1, HBP_TWO);
      HBP_PART(2, HBP_ONE);
#undef HBP_PART
#undef HBP_ONE
#undef HBP_TWO
#undef HBP_THREE
    }
  }
  _tile_stored(0, sums, line);
  _tile_stored(1, sums + 256, line);
  _tile_stored(2, sums + 512, line);
  _tile_stored(3, sums + 768, line);
}

/** Four tiles' sums on the way to their pixels. */
struct Sums {
  float* values;
  float* y;
  int64_t tile;
  __m512 bias;
};

/** Adds the bias and puts the sums where their pixels are, sixteen outputs of each; places that are no pixels are left out. */
static inline void putSums(const Patches& p, const Sums& sums, bool isStreamed) {
  for (int64_t tile = sums.tile; tile < least(sums.tile + kTogether, p.tiles); tile++) {
    const float* from = sums.values + (tile - sums.tile) * 256;
    const int64_t place = p.placeOf(tile);
    int64_t row = place / p.pitch, column = place % p.pitch;
    for (int64_t i = 0; i < kRows && row < p.outHeight; row++) {
      const int64_t pixels = least(p.outWidth - column, kRows - i);
      float* to = sums.y + (row * p.outWidth + column) * p.out;
      if (isStreamed) {
        for (int64_t k = 0; k < pixels; k++) _mm512_stream_ps(to + k * p.out, _mm512_add_ps(_mm512_load_ps(from + 16 * (i + k)), sums.bias));
      } else {
        for (int64_t k = 0; k < pixels; k++) _mm512_storeu_ps(to + k * p.out, _mm512_add_ps(_mm512_load_ps(from + 16 * (i + k)), sums.bias));
      }
      i += p.pitch - column;
      column = 0;
    }
  }
}

static bool convolvePictures(const Patches& p, const float* x, const float* w, const float* bias, float* y, int64_t from,
                             int64_t to) {
  static thread_local Pages memory;
  const int64_t planes = (kParts * p.plane * 2 + 63) / 64 * 64;
  char* weights = memory.atLeast(p.weightBytes() + planes + 2 * kTogether * kTile);
  uint16_t* picture = reinterpret_cast<uint16_t*>(weights + p.weightBytes());
  float* sums = reinterpret_cast<float*>(weights + p.weightBytes() + planes);
  Largest largest = {_mm512_setzero_si512()};
  splitWeights(p, w, weights, largest);
  std::memset(picture, 0, planes);
  const int64_t size = p.outHeight * p.outWidth * p.out;
  const bool isStreamed = p.n * size >= kStreamed && reinterpret_cast<uintptr_t>(y) % 64 == 0;
  configureTiles();
  // What one product has summed up is put away while the unit is at the next one.
  Sums now = {sums, nullptr, 0, _mm512_setzero_ps()}, before = {sums + kTogether * 256, nullptr, 0, _mm512_setzero_ps()};
  for (int64_t i = from; i < to; i++) {
    const int64_t calls = (p.tiles + kTogether - 1) / kTogether * (p.out / kRows) * p.rows * p.chunks;
    Ahead ahead = {x + (i + 1) * p.height * p.width * p.in, i + 1 < to ? p.height * p.width * p.in / 16 : 0, calls, 0, 0};
    splitPicture(p, x + i * p.height * p.width * p.in, picture, largest);
    for (int64_t tile = 0; tile < p.tiles; tile += kTogether) {
      const uint16_t* patch[kTogether];
      for (int64_t j = 0; j < kTogether; j++) patch[j] = picture + p.placeOf(least(tile + j, p.tiles - 1)) * p.in;
      for (int64_t o = 0; o < p.out; o += kRows) {
        multiplyPatches(p, patch, weights + o / kRows * p.rows * p.chunks * kParts * kTile, now.values, ahead);
        now.y = y + i * size + o;
        now.tile = tile;
        if (bias) now.bias = _mm512_loadu_ps(bias + o);
        if (before.y) putSums(p, before, isStreamed);
        const Sums swap = now;
        now = before;
        before = swap;
      }
    }
  }
  if (before.y) putSums(p, before, isStreamed);
  _tile_release();
  _mm_sfence();
  return largest.isIn();
}

/** Least number of multiplications that is worth the splitting, and most bytes of a picture, for the second cache. */
constexpr int64_t kLeastConvolution = 1 << 24, kMostPicture = 1 << 20;

}  // namespace

bool isForAmx(const Convolution& c) {
  return c.strideHeight == 1 && c.strideWidth == 1 && c.dilationHeight == 1 && c.dilationWidth == 1 &&
         c.kernelHeight * c.kernelWidth > 1 && c.in % 16 == 0 && c.out % 16 == 0 && c.top >= 0 && c.left >= 0 && c.bottom >= 0 &&
         c.right >= 0 && c.n > 0 && c.in > 0 && c.out > 0 && c.outHeight > 0 && c.outWidth > 0 &&
         c.outHeight == c.height + c.top + c.bottom - c.kernelHeight + 1 &&
         c.outWidth == c.width + c.left + c.right - c.kernelWidth + 1 &&
         c.n * c.outHeight * c.outWidth * c.out * c.kernelHeight * c.kernelWidth * c.in >= kLeastConvolution &&
         Patches(c).plane * kParts * 2 <= kMostPicture;
}

bool convolveByAmx(const Convolution& c, const float* x, const float* w, const float* bias, float* y, int64_t threads) {
  const Patches p(c);
  threads = least(threads, p.n);
  return onAll(threads, [&](int64_t i) {
    return convolvePictures(p, x, w, bias, y, p.n * i / threads, p.n * (i + 1) / threads);
  });
}

}  // namespace hbp
