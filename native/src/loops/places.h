// Which cells of pictures have to be calculated where pooling chose one cell of each window, and where their patches are.
//
// Windows that overlap often chose the same cell: a pair of an output and a cell that at least one of its windows chose is a
// "place", and calculated once. What places there are is found once for all the products with the same choice.
#pragma once
#include "pooling.h"
#include "scratch.h"
#include "transpose.h"
#if HBP_REGISTER == 64
#include <immintrin.h>
#endif

namespace HBP_ISA {

using hbp::ChosenConvolution;

/** Where things are in a padded picture and in rearranged weights. */
struct PatchLayout {
  int64_t windows, windowsUp, outputs, cells;
  int64_t run;      // floats of one row of a patch that count
  int64_t vectors;  // vectors of one row of a patch
  int64_t rows;     // rows of a patch
  int64_t patch;    // floats of a rearranged patch
  int64_t step;     // floats from a patch to the one beside it
  bool apart;       // whether patches have runs of their own
  int64_t pitch;    // floats from a row of the padded picture to the next
  int64_t size;     // floats of a padded picture
  int64_t rowSize;  // floats of a row that patches have in common

  explicit PatchLayout(const ChosenConvolution& c) {
    const auto up = [](int64_t n) { return (n + kLanes - 1) / kLanes * kLanes; };
    windows = c.pooling.outHeight * c.pooling.outWidth;
    windowsUp = up(windows);
    outputs = c.pooling.channels;
    cells = c.pooling.height * c.pooling.width;
    run = c.kernelWidth * c.in;
    vectors = up(run) / kLanes;
    rows = c.kernelHeight;
    patch = rows * vectors * kLanes;
    apart = c.in % kLanes != 0;
    step = apart ? vectors * kLanes : c.in;
    pitch = (c.pooling.width - 1) * step + vectors * kLanes;
    size = (c.pooling.height + rows - 1) * pitch;
    rowSize = (c.pooling.width - 1) * c.in + up(run);
  }
};

/**
 * Windows of a band: rows of them that are visited for one output after the other, while their part of the picture is in
 * the nearest cache; but enough of them for an output's weights to be worth fetching.
 */
static inline int64_t bandOf(const ChosenConvolution& c, const PatchLayout& l) {
  constexpr int64_t kFloats = 6144, kLeast = 32;
  const Windows& p = c.pooling;
  const int64_t fitting = (kFloats / l.pitch - l.rows - p.kernelHeight + 2) / p.strideHeight + 1;
  const int64_t rows = most(most(1, fitting), (kLeast + p.outWidth - 1) / p.outWidth);
  return least(l.windows, rows * p.outWidth);
}

/**
 * The places of one picture, counted from 1: in numbers of 16 bits, which have to suffice for
 *
 *   begin   [bands, outputs, and one more]  where those begin that windows of a band are the first to have chosen
 *   cell    [1 + places]  of each of them
 *   place   [windows][outputs]  what the windows chose; 0: a cell beside the picture
 *   ofCell  [cells and one more]  where the places of a cell begin in the next two
 *   sorted  [places]  which they are
 *   output  [places]  and whose
 */
template <class Number>
struct PlacesOf {
  Number *begin, *cell, *place, *ofCell, *sorted, *output;

  PlacesOf(const ChosenConvolution& c, const PatchLayout& l, Number* numbers) {
    const int64_t results = l.windows * l.outputs;
    begin = numbers;
    cell = begin + groups(c, l) + 1;
    place = cell + results + 1;
    ofCell = place + results;
    sorted = ofCell + l.cells + 1;
    output = sorted + results;
  }

  static int64_t groups(const ChosenConvolution& c, const PatchLayout& l) {
    const int64_t band = bandOf(c, l);
    return (l.windows + band - 1) / band * l.outputs;
  }

  /** How many numbers there are, rounded up to an even number. */
  static int64_t size(const ChosenConvolution& c, const PatchLayout& l) {
    return (groups(c, l) + l.cells + 3 + 4 * l.windows * l.outputs + 1) / 2 * 2;
  }
};
using Places = PlacesOf<const uint16_t>;

/** How many shares of `size` the places of each group make. */
static inline int64_t inShares(const Places& p, int64_t groups, int64_t size) {
  int64_t shares = 0;
  for (int64_t g = 0; g < groups; g++) shares += (p.begin[g + 1] - p.begin[g] + size - 1) / size;
  return shares;
}

/** Whether every result of a picture has a place of its own: these are then in the order of bands, outputs and windows. */
static inline bool areAlone(const PatchLayout& l, const Places& p) { return p.ofCell[l.cells] == l.windows * l.outputs; }

/** f(first window, windows) of every band. */
template <class F>
static inline void eachBand(const PatchLayout& l, int64_t band, F f) {
  for (int64_t first = 0; first < l.windows; first += band) f(first, least(band, l.windows - first));
}

/** What belongs to places that are alone, from place 1 on, from what belongs to results [windows, outputs]; and the other way round. */
static inline void toPlaces(const PatchLayout& l, int64_t band, const float* results, float* places) {
  eachBand(l, band, [&](int64_t first, int64_t windows) {
    transposeMatrix(results + first * l.outputs, l.outputs, places + 1 + first * l.outputs, windows, windows, l.outputs);
  });
}
static inline void fromPlaces(const PatchLayout& l, int64_t band, const float* places, float* results) {
  eachBand(l, band, [&](int64_t first, int64_t windows) {
    transposeMatrix(places + 1 + first * l.outputs, windows, results + first * l.outputs, l.outputs, l.outputs, windows);
  });
}

/** Numbers of so many places, of which the first, place 1, begins a register. */
class OfPlaces {
 public:
  explicit OfPlaces(int64_t count) : data_(count + kLanes) {}
  operator float*() const { return data_ + kLanes - 1; }

 private:
  const Aligned data_;
};

/** Numbers of 16 bits that the places of a picture take. */
static int64_t placesSize(const ChosenConvolution& c) {
  const PatchLayout l(c);
  return Places::size(c, l);
}

/** Whether every cell is in one window at most. */
static inline bool areSideBySide(const Windows& w) {
  return w.dilationHeight == 1 && w.dilationWidth == 1 && w.strideHeight >= w.kernelHeight && w.strideWidth >= w.kernelWidth;
}

#if HBP_REGISTER == 64

/** Whether windows lie side by side within the picture, so that every result has a place of its own, and registers fit. */
static bool areApart(const ChosenConvolution& c) {
  const Windows& w = c.pooling;
  return areSideBySide(w) && w.top == 0 && w.left == 0 && w.kernelHeight * w.kernelWidth <= kLanes && w.channels % kLanes == 0 &&
         (w.outHeight - 1) * w.strideHeight + w.kernelHeight <= w.height &&
         (w.outWidth - 1) * w.strideWidth + w.kernelWidth <= w.width;
}

/** As many of 16 numbers as the mask has, as numbers of 16 bits. */
static inline void put16(uint16_t* to, __mmask16 mask, __m512i numbers) { _mm256_mask_storeu_epi16(to, mask, _mm512_cvtepi32_epi16(numbers)); }

/** The places of a picture whose windows are apart; `choices` [outputs, windowsUp] are its `chosen` [windows, outputs] the other way round. */
static void findPlacesApart(const ChosenConvolution& c, const PatchLayout& l, int64_t band, const float* chosen, const float* choices,
                            const PlacesOf<uint16_t>& p) {
  const Windows& pool = c.pooling;
  const int64_t outWidth = pool.outWidth, kernelWidth = pool.kernelWidth, outputs = l.outputs, strideWidth = pool.strideWidth;
  const __m512i lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  int32_t steps[kLanes] = {};  // from a window's first cell to each
  for (int64_t k = 0; k < pool.kernelHeight * kernelWidth; k++) {
    steps[k] = static_cast<int32_t>(k / kernelWidth * pool.width + k % kernelWidth);
  }
  const __m512i step = _mm512_loadu_si512(steps);
  const __m512i strides = _mm512_mullo_epi32(lanes, _mm512_set1_epi32(static_cast<int32_t>(strideWidth)));
  const auto firstOfRow = [&](int64_t w) { return w / outWidth * pool.strideHeight * pool.width; };
  // By output: where places begin, and their cells.
  uint16_t* group = p.begin;
  int64_t count = 1;
  for (int64_t first = 0; first < l.windows; first += band) {
    const int64_t end = least(first + band, l.windows);
    for (int64_t o = 0; o < outputs; o++) {
      *group++ = static_cast<uint16_t>(count);
      for (int64_t row = first; row < end; row += outWidth) {
        const float* from = choices + o * l.windowsUp + row;
        const int64_t cells = firstOfRow(row);
        for (int64_t x = 0; x < outWidth; x += kLanes) {
          const __mmask16 mask = static_cast<__mmask16>((1u << least(kLanes, outWidth - x)) - 1);
          const __m512i number = _mm512_cvttps_epi32(_mm512_maskz_loadu_ps(mask, from + x));
          const __m512i cell = _mm512_add_epi32(_mm512_set1_epi32(static_cast<int32_t>(cells + x * strideWidth)), strides);
          put16(p.cell + count + x, mask, _mm512_add_epi32(cell, _mm512_permutexvar_epi32(number, step)));
        }
        count += outWidth;
      }
    }
  }
  *group = static_cast<uint16_t>(count);
  // By cell: which places those are, and whose.
  int64_t known = 0, at = 0;
  for (int64_t row = 0; row < l.windows; row += outWidth) {
    const int64_t first = row / band * band, inBand = least(band, l.windows - first), cells = firstOfRow(row);
    const __m512i apart = _mm512_mullo_epi32(lanes, _mm512_set1_epi32(static_cast<int32_t>(inBand)));
    for (int64_t k = 0; k < pool.kernelHeight * kernelWidth; k += kernelWidth) {
      for (int64_t x = 0; x < outWidth; x++) {
        const int64_t window = (row + x) * outputs;
        const __m512i place = _mm512_add_epi32(apart, _mm512_set1_epi32(static_cast<int32_t>(1 + first * outputs + row + x - first)));
        for (int64_t j = k; j < k + kernelWidth; j++) {
          const int64_t cell = cells + x * strideWidth + steps[j];
          for (; known <= cell; known++) p.ofCell[known] = static_cast<uint16_t>(at);
          for (int64_t o = 0; o < outputs; o += kLanes) {
            const __m512i choice = _mm512_cvttps_epi32(_mm512_loadu_ps(chosen + window + o));
            const __mmask16 mask = _mm512_cmpeq_epi32_mask(choice, _mm512_set1_epi32(static_cast<int32_t>(j)));
            const int64_t found = __builtin_popcount(mask);
            const __mmask16 those = static_cast<__mmask16>((1u << found) - 1);
            const __m512i places = _mm512_add_epi32(place, _mm512_set1_epi32(static_cast<int32_t>(o * inBand)));
            const __m512i whose = _mm512_add_epi32(lanes, _mm512_set1_epi32(static_cast<int32_t>(o)));
            put16(p.sorted + at, those, _mm512_maskz_compress_epi32(mask, places));
            put16(p.output + at, those, _mm512_maskz_compress_epi32(mask, whose));
            if (j == 0) put16(p.place + window + o, 0xffff, places);
            at += found;
          }
        }
      }
    }
  }
  for (; known <= l.cells; known++) p.ofCell[known] = static_cast<uint16_t>(at);
}

#endif

/** places [n, `placesSize`] of what windows chose, [n, windows, outputs]. */
static void findPlaces(const ChosenConvolution& c, const float* chosen, uint16_t* places) {
  const PatchLayout l(c);
  const int64_t n = c.pooling.n, results = l.windows * l.outputs, size = Places::size(c, l), band = bandOf(c, l);
  const int64_t numbers = c.pooling.kernelHeight * c.pooling.kernelWidth, beside = l.cells;
#if HBP_REGISTER == 64
  const bool apart = areApart(c);
#endif
  uint16_t* const cellOf = new uint16_t[l.windows * numbers];
  for (int64_t i = 0; i < l.windows * numbers; i++) cellOf[i] = static_cast<uint16_t>(beside);
  for (int64_t w = 0; w < l.windows; w++) {
    eachCell(c.pooling, w / c.pooling.outWidth, w % c.pooling.outWidth, [&](int64_t at, int64_t number) {
      cellOf[w * numbers + number] = static_cast<uint16_t>(at / l.outputs);
    });
  }
  inParallel(n, 8 * n * results, 1, [&](int64_t begin, int64_t end) {
    const Aligned choices(l.outputs * l.windowsUp);
    uint16_t* const known = new uint16_t[l.outputs * (l.cells + 1)];  // the place of a cell and an output; 0: none yet
    uint16_t* const next = new uint16_t[l.cells + 1];
    for (int64_t i = begin; i < end; i++) {
      const PlacesOf<uint16_t> p(c, l, places + i * size);
      transposeMatrix(chosen + i * results, l.outputs, choices, l.windowsUp, l.windows, l.outputs);
#if HBP_REGISTER == 64
      if (apart) {
        findPlacesApart(c, l, band, chosen + i * results, choices, p);
        continue;
      }
#endif
      std::memset(known, 0, l.outputs * (l.cells + 1) * sizeof(uint16_t));
      uint16_t count = 1;
      uint16_t* group = p.begin;
      for (int64_t first = 0; first < l.windows; first += band) {
        for (int64_t o = 0; o < l.outputs; o++) {
          *group++ = count;
          for (int64_t w = first; w < least(first + band, l.windows); w++) {
            const uint16_t cell = cellOf[w * numbers + static_cast<int64_t>(choices[o * l.windowsUp + w])];
            uint16_t& place = known[o * (l.cells + 1) + cell];
            // Without a branch: nobody could foretell it.
            const int isNew = (place == 0) & (cell != beside);
            p.cell[count] = cell;
            place = static_cast<uint16_t>(place | (count & -isNew));
            p.place[w * l.outputs + o] = place;
            count = static_cast<uint16_t>(count + isNew);
          }
        }
      }
      *group = count;
      std::memset(next, 0, (l.cells + 1) * sizeof(uint16_t));
      for (int64_t k = 1; k < count; k++) next[p.cell[k] + 1]++;
      for (int64_t cell = 0; cell < l.cells; cell++) next[cell + 1] = static_cast<uint16_t>(next[cell + 1] + next[cell]);
      std::memcpy(p.ofCell, next, (l.cells + 1) * sizeof(uint16_t));
      const int64_t groups = group - p.begin;
      for (int64_t g = 0; g < groups; g++) {
        for (int64_t k = p.begin[g]; k < p.begin[g + 1]; k++) {
          const int64_t at = next[p.cell[k]]++;
          p.sorted[at] = static_cast<uint16_t>(k);
          p.output[at] = static_cast<uint16_t>(g % l.outputs);
        }
      }
    }
    delete[] known;
    delete[] next;
  });
  delete[] cellOf;
}

/** Where the patches of all cells begin in a padded picture. */
class Offsets {
 public:
  Offsets(const ChosenConvolution& c, const PatchLayout& l) : of_(new int32_t[l.cells]) {
    for (int64_t cell = 0; cell < l.cells; cell++) {
      of_[cell] = static_cast<int32_t>(cell / c.pooling.width * l.pitch + cell % c.pooling.width * l.step);
    }
  }
  Offsets(const Offsets&) = delete;
  ~Offsets() { delete[] of_; }
  int64_t operator[](int64_t cell) const { return of_[cell]; }

 private:
  int32_t* const of_;
};

}  // namespace HBP_ISA
