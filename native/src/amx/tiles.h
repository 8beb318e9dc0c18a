// Tiles of the matrix unit, and numbers of float32 as three of bfloat16.
#pragma once
#include <immintrin.h>
#include <sys/mman.h>

#include <cstdint>
#include <new>

namespace hbp {

namespace {

/** A tile is 16 rows of 64 bytes: 32 numbers of bfloat16 of an operand, 16 of float32 of the result. */
constexpr int64_t kRows = 16, kDepth = 32, kTile = 1024, kParts = 3;

/** Where an operand lies: element (i, p) at data[i * line + p], or at data[p * line + i] if `isTransposed`. */
struct Operand {
  const float* data;
  int64_t line, count, depth;
  bool isTransposed;
};

struct Split {
  __m512i part[kParts];
};

static inline __m512 low(__m512i parts) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm512_castsi512_si256(parts)), 16));
}
static inline __m512 high(__m512i parts) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm512_extracti64x4_epi64(parts, 1)), 16));
}

/** The parts of 32 numbers. Rounding to nearest keeps their signs mixed: what is left out does not add up. */
static inline Split split(__m512 first, __m512 second) {
  Split result;
  for (int i = 0; i < kParts; i++) {
    const __m512i part = (__m512i)_mm512_cvtne2ps_pbh(second, first);
    result.part[i] = part;
    if (i + 1 == kParts) break;
    first = _mm512_sub_ps(first, low(part));
    second = _mm512_sub_ps(second, high(part));
  }
  return result;
}

/** The largest number seen, as its bits without the sign: NaN is larger than infinity, and that than all others. */
struct Largest {
  __m512i bits;

  void see(__m512 x) {
    bits = _mm512_max_epu32(bits, _mm512_and_si512(_mm512_castps_si512(x), _mm512_set1_epi32(0x7fffffff)));
  }
  /** Whether bfloat16 has them all: what rounds to infinity is out. */
  bool isIn() const { return _mm512_reduce_max_epu32(bits) < 0x7f7f8000u; }
};

static inline __mmask16 firstOf(int64_t count) {
  return count >= 16 ? 0xffff : count <= 0 ? 0 : (__mmask16)((1u << count) - 1);
}

/** Rows become columns, in numbers of 32 bits, within a tile: pairs of rows, then fours, eights and sixteens are interleaved. */
static inline void transposeTile(char* tile) {
  __m512i r[16], t[16];
  for (int i = 0; i < 16; i++) r[i] = _mm512_load_si512(tile + 64 * i);
  for (int i = 0; i < 16; i += 2) {
    t[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
    t[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
  }
  for (int i = 0; i < 16; i += 4) {
    for (int j = 0; j < 2; j++) {
      r[i + 2 * j] = _mm512_unpacklo_epi64(t[i + j], t[i + j + 2]);
      r[i + 2 * j + 1] = _mm512_unpackhi_epi64(t[i + j], t[i + j + 2]);
    }
  }
  for (int i = 0; i < 8; i++) {
    const int at = i / 4 * 8 + i % 4;
    t[at] = _mm512_shuffle_i32x4(r[at], r[at + 4], 0x88);
    t[at + 4] = _mm512_shuffle_i32x4(r[at], r[at + 4], 0xdd);
  }
  for (int i = 0; i < 8; i++) {
    _mm512_store_si512(tile + 64 * i, _mm512_shuffle_i32x4(t[i], t[i + 8], 0x88));
    _mm512_store_si512(tile + 64 * (i + 8), _mm512_shuffle_i32x4(t[i], t[i + 8], 0xdd));
  }
}

/**
 * Parts of elements (from.., deep..) of an operand as tiles: `isPaired` as the right operand's, row p with elements 2 p and
 * 2 p + 1 of each column next to each other, else as the left one's, a row with its elements in turn. One is the other's
 * transpose in units of two numbers.
 *
 * @tparam Apart  bytes from one part's tile to the next one's
 */
template <int64_t Apart>
static void splitTile(const Operand& x, int64_t from, int64_t deep, bool isPaired, char* to, Largest& largest) {
  const int64_t count = x.count - from, depth = x.depth - deep;
  if (x.isTransposed) {
    const __mmask16 mask = firstOf(count);
    const __m512i zip = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6, 21, 5, 20,
                                         4, 19, 3, 18, 2, 17, 1, 16, 0);
    const float* at = x.data + deep * x.line + from;
    for (int64_t p = 0; p < 16; p++) {
      __builtin_prefetch(at + 2 * p * x.line + 2 * kRows);
      __builtin_prefetch(at + (2 * p + 1) * x.line + 2 * kRows);
      const __m512 first = _mm512_maskz_loadu_ps(2 * p < depth ? mask : 0, at + 2 * p * x.line);
      const __m512 second = _mm512_maskz_loadu_ps(2 * p + 1 < depth ? mask : 0, at + (2 * p + 1) * x.line);
      largest.see(first);
      largest.see(second);
      const Split parts = split(first, second);
      for (int i = 0; i < kParts; i++) {
        _mm512_store_si512(to + Apart * i + 64 * p, _mm512_permutexvar_epi16(zip, parts.part[i]));
      }
    }
  } else {
    const __mmask16 mask = firstOf(depth), secondMask = firstOf(depth - 16);
    const float* at = x.data + from * x.line + deep;
    for (int64_t row = 0; row < 16; row++) {
      __builtin_prefetch(at + (row + kRows) * x.line);
      __builtin_prefetch(at + (row + kRows) * x.line + 16);
      const __m512 first = _mm512_maskz_loadu_ps(row < count ? mask : 0, at + row * x.line);
      const __m512 second = _mm512_maskz_loadu_ps(row < count ? secondMask : 0, at + row * x.line + 16);
      largest.see(first);
      largest.see(second);
      const Split parts = split(first, second);
      for (int i = 0; i < kParts; i++) _mm512_store_si512(to + Apart * i + 64 * row, parts.part[i]);
    }
  }
  if (x.isTransposed != isPaired) {
    for (int i = 0; i < kParts; i++) transposeTile(to + Apart * i);
  }
}

/** All tiles in full size, until they are released. A constant: GCC believes that the instruction reads eight bytes only. */
static inline void configureTiles() {
  struct Configuration {
    uint8_t palette, start, reserved[14];
    uint16_t bytes[16];
    uint8_t rows[16];
  };
  static const Configuration tiles = {1, 0, {}, {64, 64, 64, 64, 64, 64, 64, 64}, {16, 16, 16, 16, 16, 16, 16, 16}};
  _tile_loadconfig(&tiles);
}

/** Memory of a thread that is kept from call to call, in large pages if there are such; its content is not. */
class Pages {
 public:
  char* atLeast(int64_t bytes) {
    if (bytes > bytes_) {
      release();
      bytes_ = (bytes + kPage - 1) / kPage * kPage;
      data_ = static_cast<char*>(::operator new[](bytes_, std::align_val_t{kPage}));
      madvise(data_, bytes_, MADV_HUGEPAGE);
    }
    return data_;
  }
  ~Pages() { release(); }

 private:
  static constexpr int64_t kPage = 1 << 21;

  void release() {
    if (data_) ::operator delete[](data_, std::align_val_t{kPage});
  }
  char* data_ = nullptr;
  int64_t bytes_ = 0;
};

/** Asks for memory ahead, in even shares. */
struct Ahead {
  const float* from;
  int64_t lines, calls, call, done;

  inline void next() {
    const int64_t until = lines * ++call / calls;
    for (; done < until; done++) __builtin_prefetch(from + 16 * done, 0, 2);
  }
};

/** Results of so many floats would have left the caches before somebody reads them, as in loops/simd.h. */
constexpr int64_t kStreamed = 1 << 22;

static int64_t least(int64_t x, int64_t y) { return x < y ? x : y; }

/** f(thread) on each of them; whether all of them say yes. */
template <class F>
static bool onAll(int64_t threads, F f) {
  bool all = true;
#pragma omp parallel for schedule(static, 1) num_threads(threads) if (threads > 1) reduction(&& : all)
  for (int64_t i = 0; i < threads; i++) all = f(i) && all;
  return all;
}

}  // namespace

}  // namespace hbp
