#include "dense.h"

#include <oneapi/dnnl/dnnl.hpp>

#include <algorithm>
#include <array>
#include <cstring>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <vector>

#if defined(_OPENMP)
#include <omp.h>
#endif

#include "amx.h"
#include "scratch.h"
#include "signals.h"

namespace hbp {

namespace {

using dnnl::memory;
using Tag = memory::format_tag;
using Type = memory::data_type;

dnnl::engine& engine() {
  static dnnl::engine cpu(dnnl::engine::kind::cpu, 0);
  return cpu;
}
dnnl::stream& stream() {
  static dnnl::stream queue(engine());
  return queue;
}

enum class Kind : int64_t { Forward, ForwardBias, BackwardData, BackwardWeights, Product };

using Key = std::array<int64_t, 19>;

/**
 * A convolution or product ready to run: the primitive, and the reorder between the weights as TensorFlow.js has them and
 * the layout that the primitive likes best. Given that layout a convolution is four times as fast; the reorder is little.
 */
struct Prepared {
  dnnl::primitive primitive;
  memory::desc scratchpad;
  memory x, y, weights, plainWeights, bias;
  std::unique_ptr<dnnl::reorder> reorder;  // absent where the plain layout is the best
};

/** How many primitives are kept; each holds its machine code. The least recently used one goes. */
constexpr size_t kMostPrepared = 256;

struct Cache {
  std::list<std::pair<Key, Prepared>> recent;
  std::map<Key, std::list<std::pair<Key, Prepared>>::iterator> byKey;
};
Cache& cache() {
  static Cache kept;
  return kept;
}

memory emptyMemory(const memory::desc& desc) { return memory(desc, engine(), nullptr); }

/** Weights in the layout `best`, with the reorder from (or to) the plain one where that is another. */
void setWeights(Prepared& p, const memory::desc& best, bool toPlain) {
  if (best == p.plainWeights.get_desc()) {
    p.weights = p.plainWeights;
    return;
  }
  p.weights = emptyMemory(best);
  p.reorder = toPlain ? std::make_unique<dnnl::reorder>(p.weights, p.plainWeights)
                      : std::make_unique<dnnl::reorder>(p.plainWeights, p.weights);
}

Prepared prepare(Kind kind, const Convolution& c) {
  const memory::desc x({c.n, c.in, c.height, c.width}, Type::f32, Tag::nhwc);
  const memory::desc y({c.n, c.out, c.outHeight, c.outWidth}, Type::f32, Tag::nhwc);
  const memory::dims weightShape = {c.out, c.in, c.kernelHeight, c.kernelWidth};
  const memory::desc plain(weightShape, Type::f32, Tag::hwio), any(weightShape, Type::f32, Tag::any);
  const memory::desc bias({c.out}, Type::f32, Tag::x);
  const memory::dims strides = {c.strideHeight, c.strideWidth};
  const memory::dims dilations = {c.dilationHeight - 1, c.dilationWidth - 1};
  const memory::dims before = {c.top, c.left}, after = {c.bottom, c.right};
  const bool hasBias = kind == Kind::ForwardBias;
  const auto direct = dnnl::algorithm::convolution_direct;
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);

  using Forward = dnnl::convolution_forward;
  using BackwardData = dnnl::convolution_backward_data;
  using BackwardWeights = dnnl::convolution_backward_weights;
  const auto inference = dnnl::prop_kind::forward_training;
#if DNNL_VERSION_MAJOR >= 3
  const Forward::primitive_desc forward =
      hasBias ? Forward::primitive_desc(engine(), inference, direct, x, any, bias, y, strides, dilations, before, after, attributes)
              : Forward::primitive_desc(engine(), inference, direct, x, any, y, strides, dilations, before, after, attributes);
#else
  const Forward::primitive_desc forward(
      hasBias ? Forward::desc(inference, direct, x, any, bias, y, strides, dilations, before, after)
              : Forward::desc(inference, direct, x, any, y, strides, dilations, before, after),
      attributes, engine());
#endif
  Prepared result;
  memory::desc best;
  bool toPlain = false;
  if (kind == Kind::Forward || kind == Kind::ForwardBias) {
    best = forward.weights_desc();
    result.scratchpad = forward.scratchpad_desc();
    result.primitive = Forward(forward);
  } else if (kind == Kind::BackwardData) {
#if DNNL_VERSION_MAJOR >= 3
    const BackwardData::primitive_desc backward(engine(), direct, x, any, y, strides, dilations, before, after, forward, attributes);
#else
    const BackwardData::primitive_desc backward(
        BackwardData::desc(direct, x, any, y, strides, dilations, before, after), attributes, engine(), forward);
#endif
    best = backward.weights_desc();
    result.scratchpad = backward.scratchpad_desc();
    result.primitive = BackwardData(backward);
  } else {
#if DNNL_VERSION_MAJOR >= 3
    const BackwardWeights::primitive_desc backward =
        BackwardWeights::primitive_desc(engine(), direct, x, any, y, strides, dilations, before, after, forward, attributes);
#else
    const BackwardWeights::primitive_desc backward(
        BackwardWeights::desc(direct, x, any, y, strides, dilations, before, after), attributes, engine(), forward);
#endif
    best = backward.diff_weights_desc();
    result.scratchpad = backward.scratchpad_desc();
    result.primitive = BackwardWeights(backward);
    toPlain = true;
  }
  result.x = emptyMemory(x);
  result.y = emptyMemory(y);
  result.bias = emptyMemory(bias);
  result.plainWeights = emptyMemory(plain);
  setWeights(result, best, toPlain);
  return result;
}

/** x [m, k] times the transpose of w [n, k]. */
Prepared prepareProduct(int64_t m, int64_t n, int64_t k) {
  using Product = dnnl::inner_product_forward;
  const memory::desc x({m, k}, Type::f32, Tag::ab), y({m, n}, Type::f32, Tag::ab);
  const memory::desc plain({n, k}, Type::f32, Tag::ab), any({n, k}, Type::f32, Tag::any);
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  const auto training = dnnl::prop_kind::forward_training;
#if DNNL_VERSION_MAJOR >= 3
  const Product::primitive_desc product(engine(), training, x, any, y, attributes);
#else
  const Product::primitive_desc product(Product::desc(training, x, any, y), attributes, engine());
#endif
  Prepared result;
  result.primitive = Product(product);
  result.scratchpad = product.scratchpad_desc();
  result.x = emptyMemory(x);
  result.y = emptyMemory(y);
  result.plainWeights = emptyMemory(plain);
  setWeights(result, product.weights_desc(), false);
  return result;
}

/** The primitive for this key, made by `make` if it is not there yet. */
template <class F>
Prepared& cached(const Key& key, F make) {
  auto& [recent, byKey] = cache();
  if (const auto found = byKey.find(key); found != byKey.end()) {
    recent.splice(recent.begin(), recent, found->second);
    return recent.front().second;
  }
  if (recent.size() >= kMostPrepared) {
    byKey.erase(recent.back().first);
    recent.pop_back();
  }
  recent.emplace_front(key, make());
  byKey[key] = recent.begin();
  return recent.front().second;
}

/** A primitive is made for a number of threads. */
int64_t currentThreads() {
#if defined(_OPENMP)
  return omp_get_max_threads();
#else
  return 1;
#endif
}

Prepared& prepared(Kind kind, const Convolution& c) {
  const Key key = {static_cast<int64_t>(kind), c.n, c.height, c.width, c.in, c.outHeight, c.outWidth, c.out,
                   c.kernelHeight, c.kernelWidth, c.strideHeight, c.strideWidth, c.dilationHeight, c.dilationWidth,
                   c.top, c.bottom, c.left, c.right, currentThreads()};
  return cached(key, [&] { return prepare(kind, c); });
}

void run(Prepared& p, bool weightsAreResult, float* plainWeights, std::initializer_list<std::pair<const int, memory>> arguments,
         int weightsArgument) {
  static Scratch weightScratch, padScratch;
  p.plainWeights.set_data_handle(plainWeights);
  if (p.reorder) {
    p.weights.set_data_handle(weightScratch.atLeast(p.weights.get_desc().get_size()));
    if (!weightsAreResult) p.reorder->execute(stream(), p.plainWeights, p.weights);
  }
  std::unordered_map<int, memory> all(arguments);
  all.emplace(weightsArgument, p.weights);
  if (const size_t bytes = p.scratchpad.get_size(); bytes > 0) {
    all.emplace(DNNL_ARG_SCRATCHPAD, memory(p.scratchpad, engine(), padScratch.atLeast(bytes)));
  }
  p.primitive.execute(stream(), all);
  if (p.reorder && weightsAreResult) p.reorder->execute(stream(), p.weights, p.plainWeights);
  stream().wait();
}

float* writable(const float* p) { return const_cast<float*>(p); }

bool inParallelRegion() {
#if defined(_OPENMP)
  return omp_in_parallel();
#else
  return false;
#endif
}

bool hasAvx512() {
  static const bool has = (static_cast<int>(dnnl::get_effective_cpu_isa()) & static_cast<int>(dnnl::cpu_isa::avx512_core)) ==
                          static_cast<int>(dnnl::cpu_isa::avx512_core);
  return has;
}

/**
 * c = a b^T by threads that know nothing of each other, each a share of the columns. With b transposed dnnl_sgemm's own threads
 * wait: two take 1.1 to 1.3 times as long (AVX-512, 500 to 1000 rows). False if it is not worth it, on however many threads: an
 * element is always computed in the same way.
 */
bool multiplyByColumns(const float* a, const float* b, float* c, int64_t m, int64_t n, int64_t k) {
  constexpr int64_t kColumns = 64, kUnit = 16;
  if (m < 32 || n < 2 * kColumns || n * k < (1 << 17) || !hasAvx512()) return false;
  const auto columns = [&](int64_t from, int64_t to) {
    if (from < to) dnnl_sgemm('N', 'T', m, to - from, k, 1.0f, a, k, b + from * k, k, 0.0f, c + from, n);
  };
  const int64_t threads = inParallelRegion() ? 1 : std::min(currentThreads(), n / kColumns), units = (n + kUnit - 1) / kUnit;
#if defined(_OPENMP)
  if (threads > 1) {
#pragma omp parallel num_threads(threads)
    {
      const int64_t i = omp_get_thread_num(), of = omp_get_num_threads();
      columns(units * i / of * kUnit, std::min(units * (i + 1) / of * kUnit, n));
    }
    return true;
  }
#endif
  columns(0, n);
  return true;
}

bool amxIsUsed = false;

/** Whether AMX takes less time than dnnl_sgemm, on however many threads: smaller products are not worth the splitting. */
bool isWorthAmx(int64_t m, int64_t n, int64_t k) {
  return amxIsUsed && std::min(m, n) >= 128 && m * n >= (1 << 16) && k >= 64 && m * n * k >= (1 << 23);
}

/** As `multiply`, also within parallel regions; signals are held back by who calls. */
void product(const float* a, const float* b, float* c, int64_t m, int64_t n, int64_t k, bool transposeA,
             bool transposeB) {
  if (m == 0 || n == 0) return;
  if (k == 0) {
    std::memset(c, 0, m * n * sizeof(float));
    return;
  }
  if (isWorthAmx(m, n, k) && multiplyByAmx(a, b, c, m, n, k, transposeA, transposeB, inParallelRegion() ? 1 : currentThreads())) {
    return;
  }
  if (!transposeA && transposeB && multiplyByColumns(a, b, c, m, n, k)) return;
  // dnnl_sgemm is slowest with b transposed. Without AVX-512 oneDNN's fully connected layer, with its reorder of the weights,
  // takes two thirds of the time at middling sizes; with more, moving the weights eats up the gain. It keeps scratch memory,
  // of which there is one: none within parallel regions.
  if (!transposeA && transposeB && m >= 32 && n * k >= (1 << 15) && n * k <= (1 << 21) && !inParallelRegion()) {
    const Key key = {static_cast<int64_t>(Kind::Product), m, n, k, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, currentThreads()};
    Prepared& p = cached(key, [&] { return prepareProduct(m, n, k); });
    p.x.set_data_handle(writable(a));
    p.y.set_data_handle(c);
    return run(p, false, writable(b), {{DNNL_ARG_SRC, p.x}, {DNNL_ARG_DST, p.y}}, DNNL_ARG_WEIGHTS);
  }
  dnnl_sgemm(transposeA ? 'T' : 'N', transposeB ? 'T' : 'N', m, n, k, 1.0f, a, transposeA ? m : k, b,
             transposeB ? k : n, 0.0f, c, n);
}

}  // namespace

bool useAmx(bool isAllowed) { return amxIsUsed = isAllowed && hasAmx(); }

void multiply(const float* a, const float* b, float* c, int64_t m, int64_t n, int64_t k, bool transposeA,
              bool transposeB) {
  const SignalsHeld signals(m * n * k);
  product(a, b, c, m, n, k, transposeA, transposeB);
}

void multiplyBatch(const float* a, const float* b, float* c, int64_t batch, int64_t m, int64_t n, int64_t k,
                   bool transposeA, bool transposeB, int64_t strideA, int64_t strideB) {
  const SignalsHeld signals(batch * m * n * k);
  const auto one = [&](int64_t i) {
    product(a + i * strideA, b + i * strideB, c + i * m * n, m, n, k, transposeA, transposeB);
  };
#if defined(_OPENMP)
  // Many small products: each on one thread. Few large ones: each on all.
  const int64_t threads = omp_get_max_threads();
  if (threads > 1 && batch >= 2 * threads && batch * m * n * k > (1 << 18) && m * n * k < (1 << 22)) {
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < batch; i++) one(i);
    return;
  }
#endif
  for (int64_t i = 0; i < batch; i++) one(i);
}

namespace {

/** Columns and rows that one product of `gram` takes: few enough to stay in the second cache. */
constexpr int64_t kGramColumns = 96, kGramRows = 1024;

/** y[i.., j..] += x[from..to, i..i+rows]^T x[from..to, j..j+columns], or = where nothing has been added yet. */
struct GramSum {
  const float* x;
  float* y;
  int64_t k, side;

  void tile(int64_t from, int64_t to, int64_t i, int64_t j, int64_t rows, int64_t columns, bool first) const {
    dnnl_sgemm('T', 'N', rows, columns, to - from, 1.0f, x + from * k + i, k, x + from * k + j, k, first ? 0.0f : 1.0f,
               y + i * side + j, side);
  }
  /** Sums of columns i.. as the last column of y: in float32 over a chunk, which is where most terms are added. */
  void ones(int64_t from, int64_t to, int64_t i, int64_t columns, bool first) const {
    float sums[kGramColumns] = {};
    for (int64_t row = from; row < to; row++) {
      for (int64_t c = 0; c < columns; c++) sums[c] += x[row * k + i + c];
    }
    for (int64_t c = 0; c < columns; c++) {
      float& sum = y[(i + c) * side + k];
      sum = first ? sums[c] : sum + sums[c];
    }
  }
};

/** AMX, and sums of all columns apart. False if it is not for these numbers. */
bool gramAsProduct(const GramSum& sum, int64_t n, bool ones) {
  if (!isWorthAmx(sum.k, sum.k, n) || !gramByAmx(sum.x, sum.y, n, sum.k, sum.side, false, currentThreads())) return false;
  if (!ones) return true;
#pragma omp parallel for
  for (int64_t i = 0; i < sum.k; i += kGramColumns) {
    for (int64_t from = 0; from < n; from += kGramRows) {
      sum.ones(from, std::min(n, from + kGramRows), i, std::min(kGramColumns, sum.k - i), from == 0);
    }
  }
  return true;
}

/** The part below the diagonal from the one above. */
void mirror(float* y, int64_t side) {
  constexpr int64_t block = 32;
  for (int64_t i = 0; i < side; i += block) {
    for (int64_t j = 0; j <= i; j += block) {
      for (int64_t row = i; row < std::min(i + block, side); row++) {
        for (int64_t column = j; column < std::min(j + block, row); column++) y[row * side + column] = y[column * side + row];
      }
    }
  }
}

/** Many columns: each thread has tiles of its own. */
void gramByTiles(const GramSum& sum, int64_t n, bool ones) {
  const int64_t blocks = (sum.k + kGramColumns - 1) / kGramColumns, tiles = blocks * (blocks + 1) / 2;
#pragma omp parallel for schedule(dynamic) if (n * sum.k * sum.k > (1 << 18))
  for (int64_t t = 0; t < tiles; t++) {
    int64_t row = 0, column = t;
    while (column >= blocks - row) column -= blocks - row++;
    const int64_t i = row * kGramColumns, j = (row + column) * kGramColumns;
    const int64_t rows = std::min(kGramColumns, sum.k - i), columns = std::min(kGramColumns, sum.k - j);
    for (int64_t from = 0; from < n; from += kGramRows) {
      const int64_t to = std::min(n, from + kGramRows);
      sum.tile(from, to, i, j, rows, columns, from == 0);
      if (ones && column == 0) sum.ones(from, to, i, columns, from == 0);
    }
  }
}

/** Many rows: each thread has rows, and a sum, of its own. */
void gramByRows(const GramSum& sum, int64_t n, bool ones, int64_t threads) {
  static Scratch scratch;
  const int64_t chunks = (n + kGramRows - 1) / kGramRows, size = sum.side * sum.side;
  float* others = static_cast<float*>(scratch.atLeast((threads - 1) * size * sizeof(float)));
#pragma omp parallel for schedule(static, 1) num_threads(threads)
  for (int64_t thread = 0; thread < threads; thread++) {
    const GramSum own = {sum.x, thread == 0 ? sum.y : others + (thread - 1) * size, sum.k, sum.side};
    const int64_t begin = chunks * thread / threads * kGramRows, end = std::min(n, chunks * (thread + 1) / threads * kGramRows);
    for (int64_t from = begin; from < end; from += kGramRows) {
      const int64_t to = std::min(end, from + kGramRows);
      for (int64_t i = 0; i < sum.k; i += kGramColumns) {
        const int64_t rows = std::min(kGramColumns, sum.k - i);
        own.tile(from, to, i, i, rows, sum.k - i, from == begin);
        if (ones) own.ones(from, to, i, rows, from == begin);
      }
    }
  }
  for (int64_t thread = 1; thread < threads; thread++) {
    const float* other = others + (thread - 1) * size;
    for (int64_t row = 0; row < sum.k; row++) {
      for (int64_t at = row * sum.side + row; at < (row + 1) * sum.side; at++) sum.y[at] += other[at];
    }
  }
}

}  // namespace

void gram(const float* x, float* y, int64_t n, int64_t k, bool ones) {
  const SignalsHeld signals(n * k * k);
  const int64_t side = ones ? k + 1 : k;
  if (n == 0 || k == 0) std::memset(y, 0, side * side * sizeof(float));
  if (ones) y[side * side - 1] = static_cast<float>(n);
  if (n == 0 || k == 0) return;
  const GramSum sum = {x, y, k, side};
  const int64_t blocks = (k + kGramColumns - 1) / kGramColumns;
  if (gramAsProduct(sum, n, ones)) return mirror(y, side);
  // As many threads as have a chunk each; beyond 16 their sums cost more than they gain.
  const int64_t threads = std::min({currentThreads(), n / kGramRows, int64_t{16}});
  if (threads > 1 && blocks * (blocks + 1) / 2 < 4 * currentThreads()) gramByRows(sum, n, ones, threads);
  else gramByTiles(sum, n, ones);
  mirror(y, side);
}

bool gramOfRows(const float* x, float* y, int64_t n, int64_t k) {
  const SignalsHeld signals(n * n * k);
  if (!isWorthAmx(n, n, k) || !gramByAmx(x, y, k, n, n, true, currentThreads())) return false;
  mirror(y, n);
  return true;
}

/** Pixels that `shiftProducts` takes at a time, which stay in the second cache. */
constexpr int64_t kShiftPixels = 2048;

void shiftProducts(const float* x, float* y, int64_t n, int64_t height, int64_t width, int64_t channels, int64_t rows,
                   int64_t columns) {
  const SignalsHeld signals(n * height * width * channels * channels);
  // With `columns` zeros behind each row of a picture and before the first, and `rows` rows of zeros behind the last, a
  // shift is an offset. Then pixel j with its `span` neighbours on one line is row j of a matrix whose rows overlap, and
  // the products for one s are one matrix product; or `span` of them, as dnnl_sgemm takes rows that do not overlap only:
  // of pixels 0, span, 2 span ..., of pixels 1, span + 1, ...
  const int64_t pitch = width + columns, each = (height + rows) * pitch, span = 2 * columns + 1;
  const int64_t together = std::max<int64_t>(1, kShiftPixels / each);
  const int64_t padded = (columns + together * each + columns) * channels;
  const int64_t block = channels * span * channels, size = (rows + 1) * block;
  const int64_t threads = std::max<int64_t>(1, std::min({currentThreads(), n, int64_t{64}}));
  static Scratch scratch;
  // float32 within the pixels taken at a time, float64 beyond.
  double* totals = static_cast<double*>(scratch.atLeast(threads * (size * sizeof(double) + (padded + size) * sizeof(float))));
  float* memory = reinterpret_cast<float*>(totals + threads * size);
  std::memset(totals, 0, threads * (size * sizeof(double) + (padded + size) * sizeof(float)));
#pragma omp parallel for schedule(static, 1) num_threads(threads)
  for (int64_t thread = 0; thread < threads; thread++) {
    float* before = memory + thread * (padded + size);
    float* pixel = before + columns * channels;
    float* sums = before + padded;  // [s, c, t, c'] for s >= 0: the others are their transposes
    double* total = totals + thread * size;
    const int64_t end = n * (thread + 1) / threads;
    for (int64_t i = n * thread / threads; i < end; i += together) {
      const int64_t pictures = std::min(together, end - i), count = pictures * each - rows * pitch;
      for (int64_t row = 0; row < pictures * height; row++) {
        std::memcpy(pixel + (row / height * each + row % height * pitch) * channels, x + (i * height + row) * width * channels,
                    width * channels * sizeof(float));
      }
      for (int64_t s = 0; s <= rows; s++) {
        for (int64_t j = 0; j < std::min(span, count); j++) {
          dnnl_sgemm('T', 'N', channels, span * channels, (count - j + span - 1) / span, 1.0f, pixel + j * channels,
                     span * channels, before + (s * pitch + j) * channels, span * channels, j > 0 ? 1.0f : 0.0f,
                     sums + s * block, span * channels);
        }
      }
      for (int64_t at = 0; at < size; at++) total[at] += sums[at];
    }
  }
  for (int64_t s = 0; s <= rows; s++) {
    for (int64_t c = 0; c < channels; c++) {
      for (int64_t t = 0; t < span; t++) {
        for (int64_t d = 0; d < channels; d++) {
          const int64_t at = s * block + (c * span + t) * channels + d;
          double sum = 0;
          for (int64_t thread = 0; thread < threads; thread++) sum += totals[thread * size + at];
          y[(((rows + s) * span + t) * channels + d) * channels + c] = static_cast<float>(sum);
          y[(((rows - s) * span + span - 1 - t) * channels + c) * channels + d] = static_cast<float>(sum);
        }
      }
    }
  }
}

namespace {

/** The convolution (stride 1) of dy with the turned weights that gives dx. */
Convolution adjointOf(const Convolution& c) {
  Convolution a = c;
  a.height = c.outHeight;
  a.width = c.outWidth;
  a.in = c.out;
  a.outHeight = c.height;
  a.outWidth = c.width;
  a.out = c.in;
  a.top = c.kernelHeight - 1 - c.top;
  a.bottom = c.kernelHeight - 1 - c.bottom;
  a.left = c.kernelWidth - 1 - c.left;
  a.right = c.kernelWidth - 1 - c.right;
  return a;
}

/** to[r, s, o, c] = w[last r - r, last s - s, c, o]. */
void turnWeights(const Convolution& c, const float* w, float* to) {
  const int64_t cells = c.kernelHeight * c.kernelWidth;
  for (int64_t cell = 0; cell < cells; cell++) {
    const float* from = w + (cells - 1 - cell) * c.in * c.out;
    for (int64_t o = 0; o < c.out; o++) {
      for (int64_t i = 0; i < c.in; i++) *to++ = from[i * c.out + o];
    }
  }
}

int64_t multiplications(const Convolution& c) {
  return c.n * c.outHeight * c.outWidth * c.out * c.kernelHeight * c.kernelWidth * c.in;
}

}  // namespace

void convolve(const Convolution& shape, const float* x, const float* w, const float* bias, float* y) {
  const SignalsHeld signals(multiplications(shape));
  if (amxIsUsed && isForAmx(shape) && convolveByAmx(shape, x, w, bias, y, currentThreads())) return;
  Prepared& p = prepared(bias ? Kind::ForwardBias : Kind::Forward, shape);
  p.x.set_data_handle(writable(x));
  p.y.set_data_handle(y);
  if (bias) {
    p.bias.set_data_handle(writable(bias));
    run(p, false, writable(w), {{DNNL_ARG_SRC, p.x}, {DNNL_ARG_DST, p.y}, {DNNL_ARG_BIAS, p.bias}}, DNNL_ARG_WEIGHTS);
  } else {
    run(p, false, writable(w), {{DNNL_ARG_SRC, p.x}, {DNNL_ARG_DST, p.y}}, DNNL_ARG_WEIGHTS);
  }
}

void convolveBackwardData(const Convolution& shape, const float* dy, const float* w, float* dx) {
  const SignalsHeld signals(multiplications(shape));
  if (amxIsUsed && isForAmx(adjointOf(shape))) {
    static Scratch scratch;
    float* turned = static_cast<float*>(scratch.atLeast(shape.kernelHeight * shape.kernelWidth * shape.in * shape.out * sizeof(float)));
    turnWeights(shape, w, turned);
    if (convolveByAmx(adjointOf(shape), dy, turned, nullptr, dx, currentThreads())) return;
  }
  Prepared& p = prepared(Kind::BackwardData, shape);
  p.x.set_data_handle(dx);
  p.y.set_data_handle(writable(dy));
  run(p, false, writable(w), {{DNNL_ARG_DIFF_SRC, p.x}, {DNNL_ARG_DIFF_DST, p.y}}, DNNL_ARG_WEIGHTS);
}

void convolveBackwardWeights(const Convolution& c, const float* x, const float* dy, float* dw) {
  const SignalsHeld signals(multiplications(c));
  if (amxIsUsed && isCorrelatedByAmx(c) && correlateByAmx(c, x, dy, dw, currentThreads())) return;
  // oneDNN 2.6 writes beyond its buffers for some of these; with one cell a window the adjoint is a matrix product.
  if (c.kernelHeight == 1 && c.kernelWidth == 1 && (c.strideHeight > 1 || c.strideWidth > 1)) {
    const int64_t rows = c.n * c.outHeight * c.outWidth;
    static Scratch scratch;
    float* sampled = static_cast<float*>(scratch.atLeast(rows * c.in * sizeof(float)));
    for (int64_t row = 0; row < rows; row++) {
      const int64_t py = row / c.outWidth % c.outHeight * c.strideHeight - c.top;
      const int64_t px = row % c.outWidth * c.strideWidth - c.left;
      const bool inside = py >= 0 && py < c.height && px >= 0 && px < c.width;
      const int64_t picture = row / (c.outHeight * c.outWidth);
      if (inside) std::memcpy(sampled + row * c.in, x + ((picture * c.height + py) * c.width + px) * c.in, c.in * sizeof(float));
      else std::memset(sampled + row * c.in, 0, c.in * sizeof(float));
    }
    return product(sampled, dy, dw, c.in, c.out, rows, true, false);
  }
  Prepared& p = prepared(Kind::BackwardWeights, c);
  p.x.set_data_handle(writable(x));
  p.y.set_data_handle(writable(dy));
  run(p, true, dw, {{DNNL_ARG_SRC, p.x}, {DNNL_ARG_DIFF_DST, p.y}}, DNNL_ARG_DIFF_WEIGHTS);
}

bool convolveBackwardSamples(const Convolution& c, const float* x, const float* dy, float* rows, int64_t vectors) {
  const SignalsHeld signals(vectors * multiplications(c));
  return amxIsUsed && areSamplesForAmx(c, vectors) && correlateSamplesByAmx(c, x, dy, rows, vectors, currentThreads());
}

const char* dnnlVersion() {
  static const std::string text = [] {
    const dnnl_version_t* v = dnnl_version();
    return std::to_string(v->major) + "." + std::to_string(v->minor) + "." + std::to_string(v->patch);
  }();
  return text.c_str();
}

const char* dnnlIsa() {
  switch (dnnl::get_effective_cpu_isa()) {
    case dnnl::cpu_isa::sse41: return "sse4.1";
    case dnnl::cpu_isa::avx: return "avx";
    case dnnl::cpu_isa::avx2: return "avx2";
    case dnnl::cpu_isa::avx2_vnni: return "avx2_vnni";
    case dnnl::cpu_isa::avx512_core: return "avx512_core";
    case dnnl::cpu_isa::avx512_core_vnni: return "avx512_core_vnni";
    case dnnl::cpu_isa::avx512_core_bf16: return "avx512_core_bf16";
    case dnnl::cpu_isa::avx512_core_amx: return "avx512_core_amx";
    default: return "other";
  }
}

int64_t cachedPrimitives() { return static_cast<int64_t>(cache().recent.size()); }

}  // namespace hbp
