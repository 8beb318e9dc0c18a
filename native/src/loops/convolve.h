// Convolutions (stride 1) in tiles of registers: some pixels, or some rows of the weights, times a block of outputs.
//
// For AVX2 alone, where oneDNN 2.6 reaches 0.35 to 0.7 of the peak on pictures [n, height, width, channels] and these 1.1 to
// 1.9 times that (Zen 3, docs/curvature.md). With AVX-512 its own reach 0.75 to 0.95, on an Intel Xeon 0.6 to 0.75, where such
// tiles were tried: 0.85 to 1.15 times as fast, backwards to the weights 0.7.
//
// Pictures are copied with their padding, so that the patch that a pixel of the result looks at is one run of floats for
// each row of the kernel. What the next tiles read and write is asked for ahead, as pictures come from memory and go there.
#pragma once
#include "../loops.h"
#include "scratch.h"

namespace HBP_ISA {

using hbp::Convolution;

#if HBP_REGISTER == 32

constexpr int64_t kOutputs = 2 * kLanes;  // outputs of a tile
constexpr int64_t kAtOnce = 6;            // pixels or rows of weights of a tile: 12 sums, and 3 factors, in 16 registers
// What is counted on of the nearest caches, in floats.
constexpr int64_t kNearest = 6 << 10, kNear = 64 << 10;

/** A convolution whose results come in whole blocks. */
struct Direct {
  int64_t n, height, width, in, outHeight, outWidth, out;
  int64_t rows, run;               // a patch: rows of the kernel, floats of each
  int64_t top, left;               // padding
  int64_t pitch, picture, padded;  // floats: a padded row; a picture without and with its padding

  explicit Direct(const Convolution& c)
      : n(c.n), height(c.height), width(c.width), in(c.in), outHeight(c.outHeight), outWidth(c.outWidth), out(c.out),
        rows(c.kernelHeight), run(c.kernelWidth * c.in), top(c.top), left(c.left),
        pitch((c.outWidth - 1 + c.kernelWidth) * c.in), picture(c.height * c.width * c.in),
        padded((c.outHeight - 1 + c.kernelHeight) * pitch) {}

  bool hasPadding() const { return padded != picture || pitch != width * in; }
  int64_t weights() const { return rows * run * out; }
  int64_t blocks() const { return out / kOutputs; }
  int64_t work() const { return n * outHeight * outWidth * weights() / kLanes; }

  /** The picture with zeros around it, which are there already. */
  void pad(const float* x, float* to) const {
    for (int64_t y = 0; y < height; y++) {
      std::memcpy(to + (y + top) * pitch + left * in, x + y * width * in, width * in * sizeof(float));
    }
  }
};

/** Not a kernel of one cell, which is a matrix product: oneDNN does those well. */
static bool isDirect(const Convolution& c) {
  return c.strideHeight == 1 && c.strideWidth == 1 && c.dilationHeight == 1 && c.dilationWidth == 1 &&
         c.kernelHeight * c.kernelWidth > 1 && c.out % kOutputs == 0 && c.top >= 0 && c.left >= 0 && c.bottom >= 0 &&
         c.right >= 0 && c.n > 0 && c.in > 0 && c.out > 0 && c.outHeight > 0 && c.outWidth > 0 &&
         c.outHeight == c.height + c.top + c.bottom - c.kernelHeight + 1 &&
         c.outWidth == c.width + c.left + c.right - c.kernelWidth + 1;
}

/** Padding times NaN or infinity would be NaN, where others leave padding out. */
static bool areFinite(const float* p, int64_t n) {
  float differences = 0;
  for (int64_t i = 0; i < n; i++) differences += p[i] - p[i];
  return differences == 0;
}

/** f(Count<size>, at) for even shares of `length`, each of kAtOnce at most. */
template <class F>
static inline void inTiles(int64_t length, F f) {
  const int64_t tiles = (length + kAtOnce - 1) / kAtOnce;
  for (int64_t t = 0, at = 0; t < tiles; t++) {
    const int64_t size = (length - at + tiles - t - 1) / (tiles - t);
    switch (size) {
      case 1: f(Count<1>(), at); break;
      case 2: f(Count<2>(), at); break;
      case 3: f(Count<3>(), at); break;
      case 4: f(Count<4>(), at); break;
      case 5: f(Count<5>(), at); break;
      default: f(Count<6>(), at); break;
    }
    at += size;
  }
}

/** The block's outputs of P pixels: y = start (or y, if that is null) + patches times weights [rows, run, kOutputs]. */
template <int P>
static inline void convolveTile(Count<P>, const Direct& d, const float* x, int64_t rows, const float* weights,
                                const float* start, float* y) {
  Floats sum[2 * P];
#pragma GCC unroll 6
  for (int p = 0; p < P; p++) {
    const float* from = start ? start : y + p * d.out;
    sum[2 * p] = load(from);
    sum[2 * p + 1] = load(from + kLanes);
  }
  const int64_t step = d.in, run = d.run;
  for (int64_t r = 0; r < rows; r++, x += d.pitch) {
    for (int64_t k = 0; k < run; k++, weights += kOutputs) {
      const Floats w0 = load(weights), w1 = load(weights + kLanes);
#pragma GCC unroll 6
      for (int p = 0; p < P; p++) {
        const Floats pixel = all(x[p * step + k]);
        sum[2 * p] = sum[2 * p] + pixel * w0;
        sum[2 * p + 1] = sum[2 * p + 1] + pixel * w1;
      }
    }
  }
#pragma GCC unroll 6
  for (int p = 0; p < P; p++) {
    store(y + p * d.out, sum[2 * p]);
    store(y + p * d.out + kLanes, sum[2 * p + 1]);
  }
}

/** y = the convolution of x with weights [block][rows, run, kOutputs], plus `start` [out]; for pictures begin to end. */
static void convolvePictures(const Direct& d, const float* x, const float* weights, const float* start, float* y,
                             int64_t begin, int64_t end) {
  // Rows of the kernel whose weights, and rows of the result that from one block to the next, stay in the nearest cache.
  const int64_t chunk = most(1, least(d.rows, kNearest / (d.run * kOutputs)));
  const int64_t band = most(1, kNearest / 3 / (d.outWidth * d.out));
  const Aligned scratch(d.hasPadding() ? d.padded : 0);
  for (int64_t i = begin; i < end; i++) {
    const float* picture = x + i * d.picture;
    if (d.hasPadding()) d.pad(picture, scratch);
    const float* padded = d.hasPadding() ? scratch : picture;
    for (int64_t first = 0; first < d.outHeight; first += band) {
      for (int64_t block = 0; block < d.blocks(); block++) {
        for (int64_t r = 0; r < d.rows; r += chunk) {
          for (int64_t row = first; row < least(first + band, d.outHeight); row++) {
            // Rows of the kernel that lie within the picture.
            const int64_t from = most(r, d.top - row), to = least(least(r + chunk, d.rows), d.height + d.top - row);
            const float* patches = padded + (row + from) * d.pitch;
            const float* w = weights + (block * d.rows + from) * d.run * kOutputs;
            const bool asks = block == 0 && row < d.height && i + 1 < end;
            float* result = y + (i * d.outHeight + row) * d.outWidth * d.out + block * kOutputs;
            inTiles(d.outWidth, [&](auto size, int64_t at) {
              float* tile = result + at * d.out;
              if (r == 0) {
                for (int p = 0; p < size.value; p++) __builtin_prefetch(tile + (d.outWidth + p) * d.out, 1, 3);
                const float* next = picture + d.picture + (row * d.width + at) * d.in;
                for (int64_t k = 0; asks && k < size.value * d.in; k += kLine) __builtin_prefetch(next + k, 0, 2);
              }
              convolveTile(size, d, patches + at * d.in, to - from, w, r == 0 ? start + block * kOutputs : nullptr, tile);
            });
          }
        }
      }
    }
  }
}

/**
 * y = the convolution of x with the weights that `arrange(d, to)` puts to [block][rows, run, kOutputs], plus `bias` [out] unless
 * it is null; false if that is better left to oneDNN. `weights` are those numbers in any order.
 */
template <class A>
static bool convolveDirect(const Convolution& c, const float* x, const float* weights, const float* bias, float* y, A arrange) {
  if (!isDirect(c)) return false;
  const Direct d(c);
  if (d.hasPadding() && !areFinite(weights, d.weights())) return false;
  const Aligned arranged(d.weights()), zeros(d.out);
  arrange(d, static_cast<float*>(arranged));
  const float* start = bias ? bias : static_cast<float*>(zeros);
  inParallel(d.n, d.work(), 1, [&](int64_t begin, int64_t end) { convolvePictures(d, x, arranged, start, y, begin, end); });
  return true;
}

static bool convolve(const Convolution& c, const float* x, const float* w, const float* bias, float* y) {
  return convolveDirect(c, x, w, bias, y, [&](const Direct& d, float* to) {
    for (int64_t block = 0; block < d.blocks(); block++) {
      for (int64_t k = 0; k < d.rows * d.run; k++, to += kOutputs) {
        std::memcpy(to, w + k * d.out + block * kOutputs, kOutputs * sizeof(float));
      }
    }
  });
}

/** The adjoint in x: the convolution of dy with the weights turned around. */
static bool convolveBackwardData(const Convolution& c, const float* dy, const float* w, float* dx) {
  const int64_t kh = c.kernelHeight, kw = c.kernelWidth;
  const Convolution turned = {c.n, c.outHeight, c.outWidth, c.out, c.height, c.width, c.in, kh, kw,
                              c.strideHeight, c.strideWidth, c.dilationHeight, c.dilationWidth,
                              kh - 1 - c.top, kh - 1 - c.bottom, kw - 1 - c.left, kw - 1 - c.right};
  return convolveDirect(turned, dy, w, nullptr, dx, [&](const Direct& d, float* to) {
    for (int64_t block = 0; block < d.blocks(); block++) {
      for (int64_t cell = kh * kw - 1; cell >= 0; cell--, to += c.out * kOutputs) {
        const float* from = w + (cell * c.in + block * kOutputs) * c.out;
        for (int64_t b = 0; b < kOutputs; b++) {
          for (int64_t o = 0; o < c.out; o++) to[o * kOutputs + b] = from[b * c.out + o];
        }
      }
    }
  });
}

/** Some rows of the result: their patches' first floats, and the block's outputs [count * width, kOutputs]. */
struct Strip {
  static constexpr int64_t kPixels = 192;  // pixels, whose lines of x and of outputs stay in the nearest cache
  const float* patches[kPixels];
  int64_t count;
  float* outputs;
};

/** sum [P, out] += P floats of the strip's patches, `from` floats behind their first, times the block's outputs. */
template <int P>
static inline void correlateTile(Count<P>, const Direct& d, const Strip& strip, int64_t from, float* sum) {
  Floats a[2 * P] = {};
  const float* outputs = strip.outputs;
  const int64_t width = d.outWidth, step = d.in;
  for (int64_t r = 0; r < strip.count; r++) {
    const float* x = strip.patches[r] + from;
    for (int64_t q = 0; q < width; q++, x += step, outputs += kOutputs) {
      const Floats u0 = load(outputs), u1 = load(outputs + kLanes);
#pragma GCC unroll 6
      for (int p = 0; p < P; p++) {
        const Floats pixel = all(x[p]);
        a[2 * p] = a[2 * p] + pixel * u0;
        a[2 * p + 1] = a[2 * p + 1] + pixel * u1;
      }
    }
  }
#pragma GCC unroll 6
  for (int p = 0; p < P; p++) {
    float* to = sum + p * d.out;
    store(to, load(to) + a[2 * p]);
    store(to + kLanes, load(to + kLanes) + a[2 * p + 1]);
  }
}

/** sums [rows, run, out] += the strip's share, for all blocks; dy are the outputs of its rows. */
static void correlateStrip(const Direct& d, Strip& strip, const float* dy, Ahead& ofX, Ahead& ofDy, float* sums) {
  for (int64_t block = 0; block < d.blocks(); block++) {
    for (int64_t q = 0; q < strip.count * d.outWidth; q++) {
      std::memcpy(strip.outputs + q * kOutputs, dy + q * d.out + block * kOutputs, kOutputs * sizeof(float));
    }
    for (int64_t r = 0; r < d.rows; r++) {
      inTiles(d.run, [&](auto size, int64_t k) {
        ofX.next();
        ofDy.next();
        correlateTile(size, d, strip, r * d.pitch + k, sums + (r * d.run + k) * d.out + block * kOutputs);
      });
    }
  }
}

/** The adjoint in w: sums over shares of the pictures, the same on however many threads, added up in doubles. */
static bool convolveBackwardWeights(const Convolution& c, const float* x, const float* dy, float* dw) {
  if (!isDirect(c) || c.outWidth > Strip::kPixels) return false;
  const Direct d(c);
  const int64_t share = shareOfSamples(d.n), shares = (d.n + share - 1) / share, pixels = d.outHeight * d.outWidth;
  // Few rows of a picture at a time, or a few small pictures; as many pixels as stay in the near cache with all channels.
  const int64_t atATime = least(Strip::kPixels, most(d.outWidth, kNear / (d.in + d.out)));
  const int64_t together = most(1, atATime / pixels), band = least(d.outHeight, most(1, atATime / d.outWidth));
  const int64_t tiles = (d.run + kAtOnce - 1) / kAtOnce * d.rows * d.blocks();
  static Kept kept;
  float* parts = kept.atLeast(shares * d.weights());
  inParallel(shares, d.work(), 1, [&](int64_t begin, int64_t end) {
    const Aligned scratch(d.hasPadding() ? together * d.padded : 0), outputs(Strip::kPixels * kOutputs);
    Strip strip;
    strip.outputs = outputs;
    for (int64_t s = begin; s < end; s++) {
      float* sums = parts + s * d.weights();
      std::memset(sums, 0, d.weights() * sizeof(float));
      const int64_t last = least((s + 1) * share, d.n);
      for (int64_t i = s * share; i < last; i += together) {
        const int64_t count = least(together, last - i), bands = (d.outHeight + band - 1) / band;
        const float* padded = x + i * d.picture;
        if (d.hasPadding()) {
          for (int64_t j = 0; j < count; j++) d.pad(x + (i + j) * d.picture, scratch + j * d.padded);
          padded = scratch;
        }
        const bool isLast = i + count >= d.n;
        Ahead ofX = {x + (i + count) * d.picture, isLast ? 0 : d.picture * count / kLine, tiles * bands};
        for (int64_t row = 0; row < d.outHeight; row += band) {
          const int64_t rows = least(band, d.outHeight - row), size = rows * count * d.outWidth * d.out;
          const float* from = dy + (i * d.outHeight + row) * d.outWidth * d.out;
          strip.count = rows * count;
          for (int64_t j = 0; j < strip.count; j++) {
            strip.patches[j] = padded + j / rows * d.padded + (row + j % rows) * d.pitch;
          }
          Ahead ofDy = {from + size, isLast ? 0 : size / kLine, tiles};
          correlateStrip(d, strip, from, ofX, ofDy, sums);
        }
      }
    }
  });
  inParallel(d.weights(), shares * d.weights(), 1, [&](int64_t begin, int64_t end) {
    for (int64_t k = begin; k < end; k++) {
      double total = 0;
      for (int64_t s = 0; s < shares; s++) total += parts[s * d.weights() + k];
      dw[k] = static_cast<float>(total);
    }
  });
  return !d.hasPadding() || areFinite(dw, d.weights());
}

#else

static bool convolve(const Convolution&, const float*, const float*, const float*, float*) { return false; }
static bool convolveBackwardData(const Convolution&, const float*, const float*, float*) { return false; }
static bool convolveBackwardWeights(const Convolution&, const float*, const float*, float*) { return false; }

#endif

}  // namespace HBP_ISA
