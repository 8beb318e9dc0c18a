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
  int64_t copiesBytes() const { return 2 * copyBytes(); }
  int64_t gradientBytes() const { return steps * (out / kRows) * kParts * kTile; }
  /** At least as many pieces as a picture, and its gradients, are copied in. */
  int64_t mostInputPieces() const { return height * (in / kRows) * ((width + 2) / (2 * kPairs) + 2); }
  int64_t mostGradientPieces() const { return steps * (out / kRows) * (kRows + kParts); }
  /** Groups of products that are summed up at a time. */
  int64_t groups() const { return (products + together - 1) / together * (out / kRows); }
  /** A product's first weight. */
  int64_t weightOf(int64_t product) const {
    return ((product / columns / (in / kRows) * columns + product % columns) * in + product / columns % (in / kRows) * kRows) * out;
  }

  static constexpr int64_t kLine = 64, kPairs = 4, kTogether = 4;
  static constexpr int64_t kLeastShares = 16, kMostShares = 64, kShareNumbers = 1 << 20;
};

/** The parts of two times sixteen numbers, next to each other, the first one's in the low halves. */
static inline void splitPair(__m512 first, __m512 second, __m512i* parts, Largest& largest) {
  const __m512i upper = _mm512_set1_epi32(static_cast<int>(0xffff0000u)), half = _mm512_set1_epi32(0x8000);
  largest.see(first);
  largest.see(second);
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
}

/** Some pairs of pixels of a row, 16 channels of them, to be copied at a time; or a tile to be turned. */
struct Piece {
  enum Kind : int32_t { kInput, kGradient, kTurn } kind;
  int32_t count, isThere;  // bit i: whether the i-th of the pixels is there; the others are zero
  int64_t from, to;        // the first pixel in x or dy, in numbers; the first pair's line, in the first part, in bytes
};

/** A list of pieces, to which it adds. */
struct Pieces {
  Piece* list;
  int64_t count;

  void add(Piece::Kind kind, int64_t pairs, int64_t column, int64_t width, int64_t from, int64_t to) {
    Piece& piece = list[count++];
    piece = {kind, static_cast<int32_t>(pairs), 0, from, to};
    for (int64_t i = 0; i < 2 * pairs; i++) piece.isThere |= (column + i >= 0 && column + i < width) << i;
  }
};

/** Those of a picture, in the order in which they are to be copied. */
static Pieces listInputs(const Correlation& c, Piece* list) {
  Pieces pieces = {list, 0};
  for (int64_t row = 0; row < c.height; row++) {
    for (int64_t channel = 0; channel < c.in; channel += kRows) {
      // From the first pair with a pixel of the row to the one behind the last: lines of the second copy have pixels of two.
      const int64_t end = (c.left + c.width + 1) / 2 + 1;
      for (int64_t pair = c.left / 2; pair < end; pair += Correlation::kPairs) {
        const int64_t column = 2 * pair - c.left;
        pieces.add(Piece::kInput, least(Correlation::kPairs, end - pair), column, c.width,
                   (row * c.width + column) * c.in + channel,
                   channel / kRows * kParts * c.partBytes() + (1 + (row + c.top) * c.pitch / 2 + pair) * Correlation::kLine);
      }
    }
  }
  return pieces;
}

/** Those of the result's gradients. */
static Pieces listGradients(const Correlation& c, Piece* list) {
  Pieces pieces = {list, 0};
  for (int64_t step = 0; step < c.steps; step++) {
    for (int64_t o = 0; o < c.out; o += kRows) {
      const int64_t tile = (o / kRows * c.steps + step) * kParts * kTile;
      for (int64_t pair = 0, count; pair < kRows; pair += count) {
        const int64_t row = (c.placeOf(step) + 2 * pair) / c.pitch, column = (c.placeOf(step) + 2 * pair) % c.pitch;
        count = least(Correlation::kPairs, least(kRows - pair, (c.pitch - column) / 2));
        pieces.add(Piece::kGradient, count, column, row < c.outHeight ? c.outWidth : 0, (row * c.outWidth + column) * c.out + o,
                   tile + pair * Correlation::kLine);
      }
      for (int64_t part = 0; part < kParts; part++) pieces.add(Piece::kTurn, 0, 0, 0, 0, tile + part * kTile);
    }
  }
  return pieces;
}

/** Pieces on their way to their copy, in even shares. */
struct Copying {
  const Correlation& c;
  Pieces pieces;
  const float* from;
  char* to;
  int64_t calls, call, done;

  void next(Largest& largest) {
    const int64_t until = least(pieces.count, pieces.count * ++call / calls);
    while (done < until) copy(pieces.list[done++], largest);
  }
  void finish(Largest& largest) {
    while (done < pieces.count) copy(pieces.list[done++], largest);
  }

 private:
  inline void copy(const Piece& piece, Largest& largest) {
    if (piece.kind == Piece::kInput) copyPairs(piece, c.in, c.partBytes(), c.copyBytes(), largest);
    else if (piece.kind == Piece::kGradient) copyPairs(piece, c.out, kTile, 0, largest);
    else transposeTile(to + piece.to);
  }
  inline void copyPairs(const Piece& piece, int64_t apart, int64_t partBytes, int64_t secondCopy, Largest& largest) {
    char* at = to + piece.to;
    const float* pixel = from + piece.from;
    int32_t isThere = piece.isThere;
    __m512i before[kParts];
    for (int part = 0; part < kParts && secondCopy > 0; part++) before[part] = _mm512_load_si512(at + part * partBytes - Correlation::kLine);
    for (int64_t i = 0; i < piece.count; i++, pixel += 2 * apart, at += Correlation::kLine, isThere >>= 2) {
      const __m512 one = _mm512_maskz_loadu_ps(isThere & 1 ? 0xffff : 0, pixel);
      const __m512 two = _mm512_maskz_loadu_ps(isThere & 2 ? 0xffff : 0, pixel + apart);
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

/** What is done meanwhile: a picture and its gradients are copied, and memory is asked for. */
struct Meanwhile {
  Copying copying[2];
  Ahead ahead[2];
  Largest largest;

  inline void next(int part) {
    copying[part].next(largest);
    ahead[part].next();
  }
  void finish() {
    for (Copying& each : copying) each.finish(largest);
  }
};

/**
 * The products of the gradients of 16 outputs with `Count` tiles of inputs, [Count][outputs][inputs]. The gradients' parts stay in
 * tiles 5, 6 and 7.
 *
 * @param from  the line of the first pair that the first step meets, of each
 */
template <int64_t Count>
static void correlateTiles(const Correlation& c, const char* const* from, const char* gradients, float* sums, Meanwhile& meanwhile) {
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
    meanwhile.next(0);
    HBP_INPUTS(1, HBP_TWO);
    meanwhile.next(1);
    HBP_INPUTS(2, HBP_ONE);
#undef HBP_INPUTS
#undef HBP_ONE
#undef HBP_TWO
#undef HBP_THREE
  }
  _tile_stored(0, sums, line);
  if (Count > 1) _tile_stored(1, sums + 256, line);
  if (Count > 2) _tile_stored(2, sums + 512, line);
  if (Count > 3) _tile_stored(3, sums + 768, line);
}

/** put(product, first output, tile [outputs][inputs]) for all products of a picture's copies with its gradients. */
template <class Put>
static void correlatePicture(const Correlation& c, const char* copies, const char* gradients, Meanwhile& meanwhile, Put put) {
  alignas(64) float tiles[Correlation::kTogether * 256];
  for (int64_t o = 0; o < c.out; o += kRows, gradients += c.steps * kParts * kTile) {
    for (int64_t first = 0; first < c.products; first += c.together) {
      const char* from[Correlation::kTogether];
      const int64_t count = least(c.together, c.products - first);
      for (int64_t j = 0; j < count; j++) {
        const int64_t column = (first + j) % c.columns, block = (first + j) / c.columns;
        const int64_t channels = block % (c.in / kRows), row = block / (c.in / kRows);
        from[j] = copies + column % 2 * c.copyBytes() + channels * kParts * c.partBytes() +
                  (1 + (row * c.pitch + column) / 2) * Correlation::kLine;
      }
      if (count == 4) correlateTiles<4>(c, from, gradients, tiles, meanwhile);
      else if (count == 3) correlateTiles<3>(c, from, gradients, tiles, meanwhile);
      else if (count == 2) correlateTiles<2>(c, from, gradients, tiles, meanwhile);
      else correlateTiles<1>(c, from, gradients, tiles, meanwhile);
      for (int64_t j = 0; j < count; j++) put(first + j, o, tiles + 256 * j);
    }
  }
}

/** Memory of a thread: copies of two pictures, two pictures' gradients, and the lists of pieces. */
struct CorrelationMemory {
  char *copies[2], *gradients[2];
  Pieces inputs, outputs;

  explicit CorrelationMemory(const Correlation& c) {
    static thread_local Pages pages;
    const int64_t bytes = 2 * (c.copiesBytes() + c.gradientBytes());
    char* next = pages.atLeast(bytes + (c.mostInputPieces() + c.mostGradientPieces()) * sizeof(Piece));
    std::memset(next, 0, bytes);
    for (char*& each : copies) each = next, next += c.copiesBytes();
    for (char*& each : gradients) each = next, next += c.gradientBytes();
    inputs = listInputs(c, reinterpret_cast<Piece*>(next));
    outputs = listGradients(c, inputs.list + inputs.count);
  }
};

/** Shares from..to, the sums of each behind those of the one before. */
static bool correlateShares(const Correlation& c, const float* x, const float* dy, float* sums, int64_t from, int64_t to) {
  CorrelationMemory memory(c);
  const int64_t sizeX = c.height * c.width * c.in, sizeY = c.outHeight * c.outWidth * c.out, end = c.startOf(to);
  const int64_t calls = c.groups() * c.steps;
  const auto copying = [&](int64_t i) -> Meanwhile {
    const int64_t isThere = i < end, isNext = i + 1 < end;
    const Pieces inputs = {memory.inputs.list, isThere * memory.inputs.count}, outputs = {memory.outputs.list, isThere * memory.outputs.count};
    return {{{c, inputs, x + i * sizeX, memory.copies[i % 2], calls, 0, 0}, {c, outputs, dy + i * sizeY, memory.gradients[i % 2], calls, 0, 0}},
            {{x + (i + 1) * sizeX, isNext * sizeX / 16, calls, 0, 0}, {dy + (i + 1) * sizeY, isNext * sizeY / 16, calls, 0, 0}},
            _mm512_setzero_si512()};
  };
  bool isIn = true;
  Meanwhile first = copying(c.startOf(from));
  first.finish();
  isIn = first.largest.isIn();
  configureTiles();
  for (int64_t share = from; share < to; share++, sums += c.weights()) {
    std::memset(sums, 0, c.weights() * sizeof(float));
    for (int64_t i = c.startOf(share); i < c.startOf(share + 1); i++) {
      Meanwhile next = copying(i + 1);
      correlatePicture(c, memory.copies[i % 2], memory.gradients[i % 2], next, [&](int64_t product, int64_t o, const float* tile) {
        float* const sum = sums + (o / kRows * c.products + product) * 256;
        for (int64_t k = 0; k < 256; k += 16) _mm512_store_ps(sum + k, _mm512_add_ps(_mm512_load_ps(sum + k), _mm512_load_ps(tile + k)));
      });
      next.finish();
      isIn = next.largest.isIn() && isIn;
    }
  }
  _tile_release();
  return isIn;
}

/** A product's tile to its weights [rows, columns, in, out], those of `inputs` of the 16; past the caches or not. */
static void putWeights(const Correlation& c, int64_t product, int64_t o, float* tile, int64_t inputs, float* weights, bool isStreamed) {
  transposeTile(reinterpret_cast<char*>(tile));
  float* to = weights + c.weightOf(product) + o;
  if (isStreamed) {
    for (int64_t i = 0; i < inputs; i++, to += c.out) _mm512_stream_ps(to, _mm512_load_ps(tile + 16 * i));
  } else {
    for (int64_t i = 0; i < inputs; i++, to += c.out) _mm512_storeu_ps(to, _mm512_load_ps(tile + 16 * i));
  }
}

/** dw [rows, columns, in, out]: the shares' sums, added up in one order. */
static void addShares(const Correlation& c, const float* sums, float* dw, int64_t threads) {
  const int64_t tiles = c.weights() / 256;
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
  for (int64_t tile = 0; tile < tiles; tile++) {
    alignas(64) float total[256];
    for (int64_t i = 0; i < 256; i += 16) {
      __m512 sum = _mm512_setzero_ps();
      for (int64_t share = 0; share < c.shares; share++) {
        sum = _mm512_add_ps(sum, _mm512_load_ps(sums + share * c.weights() + tile * 256 + i));
      }
      _mm512_store_ps(total + i, sum);
    }
    putWeights(c, tile % c.products, tile / c.products * kRows, total, kRows, dw, false);
  }
}

/** All patches of a picture, [outHeight outWidth, apart], those numbers behind a patch's own being zero already. */
static void copyPatches(const Convolution& c, const float* x, int64_t apart, float* patches) {
  const int64_t run = c.kernelWidth * c.in, length = c.width * c.in;
  for (int64_t row = 0; row < c.outHeight; row++) {
    for (int64_t column = 0; column < c.outWidth; column++, patches += apart) {
      // Of each row of the kernel a run of numbers, of which some may be beside the picture.
      const int64_t from = (column - c.left) * c.in, before = from < 0 ? least(-from, run) : 0, end = least(run, length - from);
      for (int64_t r = 0; r < c.kernelHeight; r++) {
        const int64_t y = row + r - c.top;
        const bool isThere = y >= 0 && y < c.height;
        for (int64_t k = 0; k < run; k += 16) {
          const __mmask16 is = isThere ? firstOf(end - k) & ~firstOf(before - k) : 0;
          _mm512_mask_storeu_ps(patches + r * run + k, firstOf(run - k), _mm512_maskz_loadu_ps(is, x + y * length + from + k));
        }
      }
    }
  }
}

/** Numbers of a patch that is taken for the channels of a pixel, in sixteens; 0: the convolution is taken as it is. */
static int64_t patchOf(const Convolution& c) {
  constexpr int64_t kMost = 64;
  const int64_t patch = c.kernelHeight * c.kernelWidth * c.in;
  return c.in % kRows == 0 || patch > kMost ? 0 : (patch + kRows - 1) / kRows * kRows;
}

/** With patches for channels, the kernel has one cell. */
static Convolution withPatches(const Convolution& c, int64_t patch) {
  return {c.n, c.outHeight, c.outWidth, patch, c.outHeight, c.outWidth, c.out, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0};
}

/** Of samples from..to, the gradients for each vector and sample by themselves. */
static bool correlateSamples(const Convolution& shape, const float* x, const float* dy, float* rows, int64_t vectors, int64_t from,
                             int64_t to) {
  const int64_t patch = patchOf(shape), parameters = shape.kernelHeight * shape.kernelWidth * shape.in * shape.out;
  const Correlation c(patch > 0 ? withPatches(shape, patch) : shape);
  CorrelationMemory memory(c);
  static thread_local Pages pages;
  const int64_t patches = patch * c.outHeight * c.outWidth * sizeof(float);
  float* const ofPatches = patch > 0 ? reinterpret_cast<float*>(pages.atLeast(patches)) : nullptr;
  if (patch > 0) std::memset(ofPatches, 0, patches);
  const int64_t sizeX = shape.height * shape.width * shape.in, sizeY = c.outHeight * c.outWidth * c.out, calls = c.groups() * c.steps;
  const auto gradients = [&](int64_t v, int64_t i) -> const float* { return dy + (v * c.n + i) * sizeY; };
  const Pieces none = {memory.inputs.list, 0};
  const bool isStreamed = vectors * c.n * parameters >= kStreamed && reinterpret_cast<uintptr_t>(rows) % 64 == 0;
  bool isIn = true;
  configureTiles();
  for (int64_t i = from; i < to; i++) {
    if (patch > 0) copyPatches(shape, x + i * sizeX, patch, ofPatches);
    Meanwhile first = {{{c, memory.inputs, patch > 0 ? ofPatches : x + i * sizeX, memory.copies[0], 1, 0, 0},
                        {c, memory.outputs, gradients(0, i), memory.gradients[0], 1, 0, 0}}, {}, _mm512_setzero_si512()};
    first.finish();
    isIn = first.largest.isIn() && isIn;
    for (int64_t v = 0; v < vectors; v++) {
      const int64_t isNext = v + 1 < vectors, isThird = v + 2 < vectors;
      Meanwhile next = {{{c, none, nullptr, nullptr, 1, 0, 0},
                         {c, {memory.outputs.list, isNext * memory.outputs.count}, gradients(v + 1, i), memory.gradients[(v + 1) % 2], calls, 0, 0}},
                        {{x + (i + 1) * sizeX, v == 0 && i + 1 < to ? sizeX / 16 : 0, calls, 0, 0},
                         {isThird ? gradients(v + 2, i) : gradients(v + 2 - vectors, i + 1), isThird || (i + 1 < to && vectors > 1) ? sizeY / 16 : 0, calls, 0, 0}},
                        _mm512_setzero_si512()};
      float* const row = rows + (v * c.n + i) * parameters;
      correlatePicture(c, memory.copies[0], memory.gradients[v % 2], next, [&](int64_t product, int64_t o, float* tile) {
        putWeights(c, product, o, tile, patch > 0 ? least(kRows, parameters / c.out - product * kRows) : kRows, row, isStreamed);
      });
      next.finish();
      isIn = next.largest.isIn() && isIn;
    }
  }
  _tile_release();
  _mm_sfence();
  return isIn;
}

/** Least share of the steps' pixels that are pixels of the result. */
constexpr double kLeastPixels = 0.5;

/** Whether rows fill tiles, and what is copied of a picture stays in the second cache. */
static bool fillsTiles(const Correlation& c) {
  return c.outHeight * c.outWidth >= kLeastPixels * c.steps * kDepth && c.copiesBytes() + c.gradientBytes() <= kMostPicture;
}

}  // namespace

bool isCorrelatedByAmx(const Convolution& shape) { return isForAmx(shape) && fillsTiles(Correlation(shape)); }

bool correlateByAmx(const Convolution& shape, const float* x, const float* dy, float* dw, int64_t threads) {
  static Pages kept;
  const Correlation c(shape);
  float* const sums = reinterpret_cast<float*>(kept.atLeast(c.shares * c.weights() * sizeof(float)));
  threads = least(threads, c.shares);
  const bool isIn = onAll(threads, [&](int64_t thread) {
    const int64_t from = c.shares * thread / threads, to = c.shares * (thread + 1) / threads;
    return correlateShares(c, x, dy, sums + from * c.weights(), from, to);
  });
  if (isIn) addShares(c, sums, dw, threads);
  return isIn;
}

bool areSamplesForAmx(const Convolution& c, int64_t vectors) {
  Convolution all = c;
  all.n *= vectors;
  const int64_t patch = patchOf(c);
  if (patch == 0) return isCorrelatedByAmx(all);
  // As for channels in sixteens, which only the patches are.
  all.in = kRows;
  return isForAmx(all) && fillsTiles(Correlation(withPatches(c, patch)));
}

bool correlateSamplesByAmx(const Convolution& c, const float* x, const float* dy, float* rows, int64_t vectors, int64_t threads) {
  threads = least(threads, c.n);
  return onAll(threads, [&](int64_t i) {
    return correlateSamples(c, x, dy, rows, vectors, c.n * i / threads, c.n * (i + 1) / threads);
  });
}

}  // namespace hbp
