#include "amx.h"

#if defined(HBP_X86) && defined(__linux__) && (defined(__clang__) ? __clang_major__ >= 12 : __GNUC__ >= 11)
#define HBP_AMX
#endif

#if !defined(HBP_AMX)

namespace hbp {
bool hasAmx() { return false; }
bool multiplyByAmx(const float*, const float*, float*, int64_t, int64_t, int64_t, bool, bool, int64_t) { return false; }
bool gramByAmx(const float*, float*, int64_t, int64_t, int64_t, int64_t) { return false; }
}  // namespace hbp

#else

#include <immintrin.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cpuid.h>
#include <new>

#if defined(_OPENMP)
#include <omp.h>
#endif

// All that follows may use these instructions, and is called only where they are there. Nothing of it is shared with other
// sources, and it takes nothing inline from the standard library, which the linker might then give to them.
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,amx-tile,amx-bf16"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,amx-tile,amx-bf16")
#endif

namespace hbp {

namespace {

/** A tile is 16 rows of 64 bytes: 32 numbers of bfloat16 of an operand, 16 of float32 of the result. */
constexpr int64_t kRows = 16, kDepth = 32, kTile = 1024, kParts = 3;
/** Rows, or columns, of two tiles. Of a panel, `kDepth` deep, the three parts of two tiles follow each other. */
constexpr int64_t kPanel = 2 * kRows, kSlice = kParts * 2 * kTile;
/** What is split at a time: with its sums it stays in the second cache, a panel of the right operand in the first. */
constexpr int64_t kDepthBlock = 64, kColumnBlock = 512, kRowBlock = 512;

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
 */
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
        _mm512_store_si512(to + 2 * kTile * i + 64 * p, _mm512_permutexvar_epi16(zip, parts.part[i]));
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
      for (int i = 0; i < kParts; i++) _mm512_store_si512(to + 2 * kTile * i + 64 * row, parts.part[i]);
    }
  }
  if (x.isTransposed != isPaired) {
    for (int i = 0; i < kParts; i++) transposeTile(to + 2 * kTile * i);
  }
}

/** Panels of elements from..from+count, deep..deep+depth, one after the other. */
static void splitBlock(const Operand& x, int64_t from, int64_t count, int64_t deep, int64_t depth, bool isPaired, char* to,
                       Largest& largest) {
  for (int64_t i = 0; i < count; i += kPanel) {
    for (int64_t p = 0; p < depth; p += kDepth, to += kSlice) {
      splitTile(x, from + i, deep + p, isPaired, to, largest);
      splitTile(x, from + i + kRows, deep + p, isPaired, to + kTile, largest);
    }
  }
}

/** Where the product of two panels goes, and how much of it is there. */
struct Result {
  float* at;
  int64_t line, rows, columns;
};

/** The tiles' numbers must be literals. Tiles 0 to 3 sum up, 4 and 5 hold rows, 6 and 7 columns. */
#define HBP_SUMS(operation, to, line) \
  operation(0, to, line); \
  operation(1, (to) + kRows, line); \
  operation(2, (to) + kRows * (line) / 4, line); \
  operation(3, (to) + kRows * (line) / 4 + kRows, line)
#define HBP_LEFT(part) \
  _tile_loadd(4, a + 2 * kTile * (part), 64); \
  _tile_loadd(5, a + 2 * kTile * (part) + kTile, 64)
#define HBP_RIGHT(part) \
  _tile_loadd(6, b + 2 * kTile * (part), 64); \
  _tile_loadd(7, b + 2 * kTile * (part) + kTile, 64)
#define HBP_MULTIPLY \
  _tile_dpbf16ps(0, 4, 6); \
  _tile_dpbf16ps(1, 4, 7); \
  _tile_dpbf16ps(2, 5, 6); \
  _tile_dpbf16ps(3, 5, 7)

/** Asks for lines from..to, of 64, of the next panels' sums, and at last also of where they go: they would be waited for. */
static inline void prefetchSums(const float* sums, const Result& c, bool isLast, int64_t from, int64_t to) {
  for (int64_t i = from; i < to; i++) {
    __builtin_prefetch(sums + kPanel * kPanel + 16 * i, 1);
    if (isLast) __builtin_prefetch(c.at + (kPanel + i / 2) * c.line + i % 2 * 16, 1);
  }
}

/**
 * Adds to `sums`, [32, 32], the product of a left and a right panel, or sets it to that at first; at last it goes to `c`. The
 * order of the parts is that with the fewest loads.
 */
static void multiplyPanels(const char* a, const char* b, int64_t slices, float* sums, bool isFirst, bool isLast,
                           const Result& c) {
  if (isFirst) {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
  } else {
    HBP_SUMS(_tile_loadd, sums, kPanel * sizeof(float));
  }
  for (int64_t i = 0; i < slices; i++, a += kSlice, b += kSlice) {
    const int64_t from = 64 * i / slices, to = 64 * (i + 1) / slices, third = (to - from) / 3;
    HBP_LEFT(0);
    HBP_RIGHT(2);
    HBP_MULTIPLY;
    HBP_RIGHT(1);
    HBP_MULTIPLY;
    prefetchSums(sums, c, isLast, from, from + third);
    HBP_RIGHT(0);
    HBP_MULTIPLY;
    HBP_LEFT(1);
    HBP_MULTIPLY;
    prefetchSums(sums, c, isLast, from + third, from + 2 * third);
    HBP_LEFT(2);
    HBP_MULTIPLY;
    HBP_LEFT(1);
    HBP_RIGHT(1);
    HBP_MULTIPLY;
    prefetchSums(sums, c, isLast, from + 2 * third, to);
  }
  if (isLast && c.rows >= kPanel && c.columns >= kPanel) {
    HBP_SUMS(_tile_stored, c.at, c.line * sizeof(float));
    return;
  }
  HBP_SUMS(_tile_stored, sums, kPanel * sizeof(float));
  if (!isLast) return;
  for (int64_t i = 0; i < c.rows && i < kPanel; i++) {
    for (int64_t j = 0; j < c.columns && j < kPanel; j += kRows) {
      _mm512_mask_storeu_ps(c.at + i * c.line + j, firstOf(c.columns - j), _mm512_load_ps(sums + i * kPanel + j));
    }
  }
}

/** A thread's memory, kept from call to call: what is split and the sums, side by side in one large page if there are such. */
struct Workspace {
  static constexpr int64_t kA = kRowBlock * kDepthBlock * kParts * 2, kB = kColumnBlock * kDepthBlock * kParts * 2,
                           kPage = 1 << 21, kBytes = (kA + kB + kRowBlock * kColumnBlock * 4 + kPage - 1) / kPage * kPage;
  char* a = static_cast<char*>(::operator new[](kBytes, std::align_val_t{kPage}));
  char* b = a + kA;
  float* sums = reinterpret_cast<float*>(b + kB);

  Workspace() { madvise(a, kBytes, MADV_HUGEPAGE); }
  ~Workspace() { ::operator delete[](a, std::align_val_t{kPage}); }
};

struct TileConfiguration {
  uint8_t palette = 1, start = 0, reserved[14] = {};
  uint16_t bytes[16] = {};
  uint8_t rows[16] = {};
};

static int64_t least(int64_t x, int64_t y) { return x < y ? x : y; }

/** Rows from..to and columns from..to of a result, a thread's work; of a symmetric one only what is not below the diagonal. */
struct Share {
  int64_t fromRow, toRow, fromColumn, toColumn;
  bool isSymmetric;
};

/** False if a number was seen that bfloat16 does not have. */
static bool multiplyShare(const Operand& a, const Operand& b, float* c, int64_t line, const Share& share) {
  static thread_local Workspace memory;
  TileConfiguration tiles;
  for (int i = 0; i < 8; i++) {
    tiles.bytes[i] = 64;
    tiles.rows[i] = 16;
  }
  _tile_loadconfig(&tiles);
  Largest largest = {_mm512_setzero_si512()};
  for (int64_t column = share.fromColumn; column < share.toColumn; column += kColumnBlock) {
    const int64_t columns = least(kColumnBlock, share.toColumn - column);
    const int64_t toRow = share.isSymmetric ? least(share.toRow, column + columns) : share.toRow;
    for (int64_t row = share.fromRow; row < toRow; row += kRowBlock) {
      const int64_t rows = least(kRowBlock, toRow - row);
      for (int64_t deep = 0; deep < a.depth; deep += kDepthBlock) {
        const int64_t depth = least(kDepthBlock, a.depth - deep), slices = (depth + kDepth - 1) / kDepth;
        splitBlock(b, column, columns, deep, depth, true, memory.b, largest);
        splitBlock(a, row, rows, deep, depth, false, memory.a, largest);
        float* sums = memory.sums;
        for (int64_t j = 0; j < columns; j += kPanel) {
          const int64_t end = share.isSymmetric ? least(rows, column + j + kPanel - row) : rows;
          for (int64_t i = 0; i < end; i += kPanel, sums += kPanel * kPanel) {
            multiplyPanels(memory.a + i / kPanel * slices * kSlice, memory.b + j / kPanel * slices * kSlice, slices, sums,
                           deep == 0, deep + depth == a.depth, {c + (row + i) * line + column + j, line, rows - i, columns - j});
          }
        }
      }
    }
  }
  _tile_release();
  return largest.isIn();
}

/** Less work than that is not worth a further thread. */
constexpr int64_t kLeastShare = 1 << 21;

}  // namespace

bool hasAmx() {
  static const bool has = [] {
    unsigned a, b, c, d;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return false;
    const bool amx = (d >> 22 & 1) && (d >> 24 & 1), avx512 = (b >> 16 & 1) && (b >> 17 & 1) && (b >> 30 & 1) && (b >> 31 & 1);
    if (!amx || !avx512 || !__get_cpuid_count(7, 1, &a, &b, &c, &d) || !(a >> 5 & 1)) return false;
    // Linux lends the tiles' registers to processes that ask: ARCH_REQ_XCOMP_PERM for the tiles' data, number 18.
    return syscall(SYS_arch_prctl, 0x1023, 18) == 0;
  }();
  return has;
}

bool multiplyByAmx(const float* a, const float* b, float* c, int64_t m, int64_t n, int64_t k, bool transposeA,
                   bool transposeB, int64_t threads) {
  const Operand left = {a, transposeA ? m : k, m, k, transposeA}, right = {b, transposeB ? k : n, n, k, !transposeB};
  threads = least(threads, (m * n * k + kLeastShare - 1) / kLeastShare);
  // As many threads along the rows and along the columns as make the shares nearest to squares: that splits least.
  int64_t along = 1;
  for (int64_t rows = 1; rows <= threads; rows++) {
    if (threads % rows == 0 && m / rows + n * rows / threads < m / along + n * along / threads) along = rows;
  }
  const int64_t across = threads / along, rowPanels = (m + kPanel - 1) / kPanel, columnPanels = (n + kPanel - 1) / kPanel;
  bool isIn = true;
#pragma omp parallel for schedule(static, 1) num_threads(threads) if (threads > 1) reduction(&& : isIn)
  for (int64_t i = 0; i < threads; i++) {
    const int64_t row = i / across, column = i % across;
    isIn = multiplyShare(left, right, c, n,
                         {rowPanels * row / along * kPanel, least(rowPanels * (row + 1) / along * kPanel, m),
                          columnPanels * column / across * kPanel, least(columnPanels * (column + 1) / across * kPanel, n), false});
  }
  return isIn;
}

bool gramByAmx(const float* x, float* y, int64_t n, int64_t k, int64_t line, int64_t threads) {
  const Operand left = {x, k, k, n, true};
  threads = least(threads, (n * k * k / 2 + kLeastShare - 1) / kLeastShare);
  const int64_t panels = (k + kPanel - 1) / kPanel;
  // The part left of a column grows with its square.
  const auto boundary = [&](int64_t i) {
    return least(static_cast<int64_t>(panels * __builtin_sqrt(static_cast<double>(i) / threads) + 0.5) * kPanel, k);
  };
  bool isIn = true;
#pragma omp parallel for schedule(static, 1) num_threads(threads) if (threads > 1) reduction(&& : isIn)
  for (int64_t i = 0; i < threads; i++) {
    isIn = multiplyShare(left, left, y, line, {0, boundary(i + 1), boundary(i), boundary(i + 1), true});
  }
  return isIn;
}

}  // namespace hbp

#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

#endif
