// The face of the addon to JavaScript. Tensors come as typed arrays, which JavaScript allocates; shapes come through one
// Int32Array that both sides share (`setShapes`), so that a call makes no objects. Callers check; nothing here does.
#include <napi.h>

#include <algorithm>

#if defined(__linux__)
#include <sys/mman.h>
#endif
#if defined(_OPENMP)
#include <omp.h>
#endif

#include <cstdlib>
#include <cstring>
#include <vector>

#include "dense.h"
#include "lapack.h"
#include "loops.h"
#include "scratch.h"

namespace {

using Info = Napi::CallbackInfo;

const hbp::Loops* loops = nullptr;
int32_t* shapes = nullptr;
Napi::Reference<Napi::Int32Array> shapesOwner;

/** The data of a typed array; null for null and undefined. */
template <class T>
T* dataOf(const Info& info, size_t i) {
  const Napi::Value value = info[i];
  if (!value.IsTypedArray()) return nullptr;
  void* data = nullptr;
  napi_get_typedarray_info(info.Env(), value, nullptr, nullptr, &data, nullptr, nullptr);
  return static_cast<T*>(data);
}
float* floats(const Info& info, size_t i) { return dataOf<float>(info, i); }
int32_t* ints(const Info& info, size_t i) { return dataOf<int32_t>(info, i); }
uint8_t* bytes(const Info& info, size_t i) { return dataOf<uint8_t>(info, i); }
void* any(const Info& info, size_t i) { return dataOf<void>(info, i); }

double number(const Info& info, size_t i) {
  double value = 0;
  napi_get_value_double(info.Env(), info[i], &value);
  return value;
}
int64_t whole(const Info& info, size_t i) { return static_cast<int64_t>(number(info, i)); }
bool flag(const Info& info, size_t i) {
  bool value = false;
  napi_get_value_bool(info.Env(), info[i], &value);
  return value;
}

/** From the shapes: rank, sizes, strides of a, of b, of the result. */
hbp::Walk walk() {
  hbp::Walk result;
  result.rank = shapes[0];
  const int32_t* next = shapes + 1;
  for (int axis = 0; axis < result.rank; axis++) result.size[axis] = *next++;
  for (auto& stride : result.stride)
    for (int axis = 0; axis < result.rank; axis++) stride[axis] = *next++;
  return result;
}

hbp::Windows windows() {
  const int32_t* s = shapes;
  return {s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7], s[8], s[9], s[10], s[11], s[12], s[13]};
}

/** From the shapes: the pooling's windows, then the convolution's own numbers. */
hbp::ChosenConvolution chosenConvolution() {
  const int32_t* s = shapes + 14;
  return {windows(), s[0], s[1], s[2], s[3], s[4], s[5], s[6]};
}

hbp::Convolution convolution() {
  const int32_t* s = shapes;
  return {s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7], s[8], s[9], s[10], s[11], s[12], s[13], s[14], s[15], s[16]};
}

void SetShapes(const Info& info) {
  shapesOwner = Napi::Reference<Napi::Int32Array>::New(info[0].As<Napi::Int32Array>(), 1);
  shapes = ints(info, 0);
}

void SetThreads(const Info& info) {
  const int threads = static_cast<int>(whole(info, 0));
#if defined(_OPENMP)
  // oneDNN leaves work undone that it gave to threads beyond the limit (OMP_THREAD_LIMIT).
  omp_set_num_threads(std::min(threads, omp_get_thread_limit()));
#endif
  hbp::setLapackThreads(threads);
}

int64_t threadCount() {
#if defined(_OPENMP)
  return omp_get_max_threads();
#else
  return 1;
#endif
}
Napi::Value Threads(const Info& info) { return Napi::Number::New(info.Env(), threadCount()); }

/**
 * Prepare an ArrayBuffer for use by kernels: ask the system for huge pages if it is large (a quarter of the time of a
 * pass over fresh memory is page faults), and return its address modulo 64.
 */
Napi::Value Prepare(const Info& info) {
  auto buffer = info[0].As<Napi::ArrayBuffer>();
  const auto address = reinterpret_cast<uintptr_t>(buffer.Data());
#if defined(__linux__)
  constexpr uintptr_t huge = 1 << 21;
  const uintptr_t begin = (address + huge - 1) / huge * huge, end = (address + buffer.ByteLength()) / huge * huge;
  if (end >= begin + 2 * huge) madvise(reinterpret_cast<void*>(begin), end - begin, MADV_HUGEPAGE);
#endif
  return Napi::Number::New(info.Env(), static_cast<double>(address % 64));
}

// ---- loops

void UnaryOp(const Info& i) {
  loops->unary(static_cast<hbp::Unary>(whole(i, 0)), floats(i, 1), floats(i, 2), whole(i, 3), number(i, 4), number(i, 5));
}
void BinaryOp(const Info& i) {
  loops->binary(static_cast<hbp::Binary>(whole(i, 0)), floats(i, 1), floats(i, 2), floats(i, 3), walk());
}
void IntegerOp(const Info& i) {
  loops->integer(static_cast<hbp::Integer>(whole(i, 0)), ints(i, 1), ints(i, 2), ints(i, 3), walk());
}
void CompareOp(const Info& i) {
  loops->compare(static_cast<hbp::Compare>(whole(i, 0)), floats(i, 1), floats(i, 2), bytes(i, 3), walk());
}
void CompareIntegers(const Info& i) {
  loops->compareIntegers(static_cast<hbp::Compare>(whole(i, 0)), ints(i, 1), ints(i, 2), bytes(i, 3), walk());
}
void LogicalOp(const Info& i) {
  loops->logical(static_cast<hbp::Logical>(whole(i, 0)), bytes(i, 1), bytes(i, 2), bytes(i, 3), walk());
}
void LogicalNot(const Info& i) { loops->logicalNot(bytes(i, 0), bytes(i, 1), whole(i, 2)); }
void IsNan(const Info& i) { loops->isNan(floats(i, 0), bytes(i, 1), whole(i, 2)); }
void CastOp(const Info& i) { loops->cast(static_cast<hbp::Cast>(whole(i, 0)), any(i, 1), any(i, 2), whole(i, 3)); }
void Select(const Info& i) {
  loops->select(bytes(i, 0), any(i, 1), any(i, 2), any(i, 3), whole(i, 4), static_cast<int>(whole(i, 5)));
}
/** (y, n, value): the kind of y decides how the value is stored. */
void Fill(const Info& i) {
  const auto type = i[0].As<Napi::TypedArray>().TypedArrayType();
  const float real = static_cast<float>(number(i, 2));
  const int32_t integer = static_cast<int32_t>(number(i, 2));
  const uint8_t byte = static_cast<uint8_t>(number(i, 2));
  if (type == napi_float32_array) loops->fill(any(i, 0), whole(i, 1), 4, &real);
  else if (type == napi_int32_array) loops->fill(any(i, 0), whole(i, 1), 4, &integer);
  else loops->fill(any(i, 0), whole(i, 1), 1, &byte);
}
void ReduceOp(const Info& i) {
  loops->reduce(static_cast<hbp::Reduce>(whole(i, 0)), floats(i, 1), floats(i, 2), whole(i, 3), whole(i, 4), whole(i, 5),
                number(i, 6));
}
void ReduceIntegers(const Info& i) {
  loops->reduceIntegers(static_cast<hbp::Reduce>(whole(i, 0)), ints(i, 1), ints(i, 2), whole(i, 3), whole(i, 4), whole(i, 5));
}
void ReduceBools(const Info& i) {
  loops->reduceBools(static_cast<hbp::Logical>(whole(i, 0)), bytes(i, 1), bytes(i, 2), whole(i, 3), whole(i, 4), whole(i, 5));
}
void ArgExtreme(const Info& i) {
  loops->argExtreme(flag(i, 0), floats(i, 1), ints(i, 2), whole(i, 3), whole(i, 4), whole(i, 5));
}
void Cumsum(const Info& i) {
  loops->cumsum(floats(i, 0), floats(i, 1), whole(i, 2), whole(i, 3), flag(i, 4), flag(i, 5));
}
void Softmax(const Info& i) { loops->softmax(floats(i, 0), floats(i, 1), whole(i, 2), whole(i, 3), flag(i, 4)); }

/** (source, offset, target, offset, bytes an element); offsets in elements. */
void Copy(const Info& i) {
  const int64_t size = whole(i, 4);
  loops->copy(static_cast<char*>(any(i, 0)) + whole(i, 1) * size, static_cast<char*>(any(i, 2)) + whole(i, 3) * size, walk(),
              static_cast<int>(size));
}
void Gather(const Info& i) {
  loops->gather(any(i, 0), ints(i, 1), any(i, 2), whole(i, 3), whole(i, 4), whole(i, 5), whole(i, 6), whole(i, 7),
                static_cast<int>(whole(i, 8)));
}
void ScatterAdd(const Info& i) {
  loops->scatterAdd(floats(i, 0), ints(i, 1), floats(i, 2), whole(i, 3), whole(i, 4), whole(i, 5));
}
void OneHot(const Info& i) {
  loops->oneHot(ints(i, 0), floats(i, 1), whole(i, 2), whole(i, 3), number(i, 4), number(i, 5));
}

void MaxPool(const Info& i) { loops->maxPool(floats(i, 0), floats(i, 1), floats(i, 2), windows()); }
void CellPositions(const Info& i) { loops->cellPositions(floats(i, 0), ints(i, 1), windows(), flag(i, 2)); }
void PickCells(const Info& i) { loops->pickCells(floats(i, 0), floats(i, 1), floats(i, 2), windows(), whole(i, 3)); }
void SpreadCells(const Info& i) { loops->spreadCells(floats(i, 0), floats(i, 1), floats(i, 2), windows(), whole(i, 3)); }
void AvgPool(const Info& i) { loops->avgPool(floats(i, 0), floats(i, 1), windows(), flag(i, 2)); }
void AvgPoolTransposed(const Info& i) { loops->avgPoolTransposed(floats(i, 0), floats(i, 1), windows(), flag(i, 2)); }

void TimesDerivative(const Info& i) {
  loops->timesDerivative(static_cast<hbp::Activation>(whole(i, 0)), floats(i, 1), floats(i, 2), floats(i, 3), whole(i, 4),
                         whole(i, 5));
}
void TimesDerivativeWithSums(const Info& i) {
  loops->timesDerivativeWithSums(static_cast<hbp::Activation>(whole(i, 0)), floats(i, 1), floats(i, 2), floats(i, 3), floats(i, 4),
                                 whole(i, 5), whole(i, 6), whole(i, 7), whole(i, 8));
}
void Sgd(const Info& i) {
  loops->sgd(floats(i, 0), floats(i, 1), floats(i, 2), floats(i, 3), floats(i, 4), whole(i, 5), number(i, 6), number(i, 7),
             number(i, 8));
}
void Adam(const Info& i) {
  loops->adam(floats(i, 0), floats(i, 1), floats(i, 2), floats(i, 3), floats(i, 4), floats(i, 5), floats(i, 6), whole(i, 7),
              number(i, 8), number(i, 9), number(i, 10), number(i, 11), number(i, 12));
}

void CgDescend(const Info& i) {
  loops->cgDescend(floats(i, 0), floats(i, 1), floats(i, 2), floats(i, 3), floats(i, 4), floats(i, 5), floats(i, 6),
                   floats(i, 7), whole(i, 8), whole(i, 9), flag(i, 10));
}
void CgTurn(const Info& i) {
  loops->cgTurn(floats(i, 0), floats(i, 1), floats(i, 2), floats(i, 3), floats(i, 4), floats(i, 5), floats(i, 6),
                floats(i, 7), floats(i, 8), floats(i, 9), floats(i, 10), whole(i, 11), whole(i, 12), number(i, 13));
}

/** The data of the typed arrays in an array, null where it has none. */
std::vector<float*> floatsIn(const Info& info, size_t i) {
  const auto list = info[i].As<Napi::Array>();
  std::vector<float*> result(list.Length(), nullptr);
  for (uint32_t k = 0; k < list.Length(); k++) {
    void* data = nullptr;
    const Napi::Value value = list[k];
    if (value.IsTypedArray()) napi_get_typedarray_info(info.Env(), value, nullptr, nullptr, &data, nullptr, nullptr);
    result[k] = static_cast<float*>(data);
  }
  return result;
}

/** Stages: values, residuals, [out, in, is diagonal] of each; head; systems: metrics, x, r, states, two lists of numbers. */
void ChainCg(const Info& i) {
  const auto values = floatsIn(i, 0), residuals = floatsIn(i, 1);
  const int32_t* sizes = ints(i, 2);
  std::vector<hbp::ChainStage> stages;
  for (size_t l = 0; l < values.size(); l++, sizes += 3) {
    stages.push_back({values[l], residuals[l], sizes[0], sizes[1], sizes[2] != 0});
  }
  const auto metrics = floatsIn(i, 5), x = floatsIn(i, 6), r = floatsIn(i, 7), states = floatsIn(i, 8);
  const int32_t* places = ints(i, 9);
  const float* factors = floats(i, 10);
  std::vector<hbp::ChainSystem> systems;
  for (size_t k = 0; k < x.size(); k++, places += 4, factors += 3) {
    systems.push_back({places[0], places[1], places[2], places[3], factors[0], factors[1], factors[2], metrics[k], x[k], r[k],
                       states[k], nullptr, nullptr});
  }
  loops->chainCg(stages.data(), static_cast<int64_t>(stages.size()), floats(i, 3), whole(i, 4), systems.data(),
                 static_cast<int64_t>(systems.size()), flag(i, 11));
}

// ---- curvature

void ProjectRows(const Info& i) {
  loops->projectRows(floats(i, 0), floats(i, 1), floats(i, 2), floats(i, 3), whole(i, 4), whole(i, 5));
}
void AddRows(const Info& i) {
  loops->addRows(floats(i, 0), floats(i, 1), floats(i, 2), floats(i, 3), floats(i, 4), floats(i, 5), whole(i, 6), whole(i, 7));
}
void DerivativeMeans(const Info& i) {
  loops->derivativeMeans(static_cast<hbp::Activation>(whole(i, 0)), floats(i, 1), floats(i, 2), floats(i, 3), floats(i, 4),
                         whole(i, 5), whole(i, 6));
}
void CurveLink(const Info& i) {
  loops->curveLink(static_cast<hbp::Activation>(whole(i, 0)), floats(i, 1), floats(i, 2), floats(i, 3), floats(i, 4),
                   floats(i, 5), whole(i, 6), whole(i, 7));
}

/** Of one picture, in numbers of 32 bits, as tensors have them. */
Napi::Value PlacesSize(const Info& i) { return Napi::Number::New(i.Env(), loops->placesSize(chosenConvolution()) / 2); }
void FindPlaces(const Info& i) { loops->findPlaces(chosenConvolution(), floats(i, 0), dataOf<uint16_t>(i, 1)); }
/** The activation before, whose output is an argument or null, its name the next one. */
hbp::Before before(const Info& i, int argument) {
  return {floats(i, argument), static_cast<hbp::Activation>(whole(i, argument + 1))};
}
void ConvolveChosen(const Info& i) {
  loops->convolveChosen(chosenConvolution(), floats(i, 0), floats(i, 1), dataOf<uint16_t>(i, 2), floats(i, 3), whole(i, 4),
                        whole(i, 5), before(i, 6));
}
void ConvolveTransposedChosen(const Info& i) {
  loops->convolveTransposedChosen(chosenConvolution(), floats(i, 0), floats(i, 1), dataOf<uint16_t>(i, 2), floats(i, 3),
                                  floats(i, 4), whole(i, 5), before(i, 6));
}
/** One with windows of one cell at all cells as what it is. */
hbp::Convolution wholeOf(const hbp::ChosenConvolution& c) {
  const hbp::Windows& p = c.pooling;
  return {p.n, c.height, c.width, c.in, p.height, p.width, p.channels, c.kernelHeight, c.kernelWidth, 1, 1, 1, 1, c.top,
          p.height - 1 + c.kernelHeight - c.height - c.top, c.left, p.width - 1 + c.kernelWidth - c.width - c.left};
}
void CorrelateChosen(const Info& i) {
  const bool each = flag(i, 5), isWhole = dataOf<uint16_t>(i, 2) == nullptr;
  if (each && isWhole && hbp::convolveBackwardSamples(wholeOf(chosenConvolution()), floats(i, 0), floats(i, 1), floats(i, 3), whole(i, 4))) return;
  loops->correlateChosen(chosenConvolution(), floats(i, 0), floats(i, 1), dataOf<uint16_t>(i, 2), floats(i, 3), whole(i, 4),
                         flag(i, 5), before(i, 6));
}

void FactorProduct(const Info& i) {
  const int64_t rank = whole(i, 3), vectors = whole(i, 4), samples = whole(i, 5), features = whole(i, 6), step = samples * features;
  const hbp::FactorTangents all = {floats(i, 1), floats(i, 2), vectors, step, features, vectors * step};
  loops->factorProduct({floats(i, 0), rank, step, samples, features}, &all, 1);
}
void RowsProduct(const Info& i) {
  loops->rowsProduct(floats(i, 0), floats(i, 1), floats(i, 2), whole(i, 3), whole(i, 4), whole(i, 5));
}

// ---- dense

void MatMul(const Info& i) {
  const int32_t* s = shapes;  // batch, m, n, k, stride a, stride b
  if (s[0] == 1) hbp::multiply(floats(i, 0), floats(i, 1), floats(i, 2), s[1], s[2], s[3], flag(i, 3), flag(i, 4));
  else hbp::multiplyBatch(floats(i, 0), floats(i, 1), floats(i, 2), s[0], s[1], s[2], s[3], flag(i, 3), flag(i, 4), s[4], s[5]);
}

void Gram(const Info& i) { hbp::gram(floats(i, 0), floats(i, 1), whole(i, 2), whole(i, 3), flag(i, 4)); }

Napi::Value GramOfRows(const Info& i) {
  return Napi::Boolean::New(i.Env(), hbp::gramOfRows(floats(i, 0), floats(i, 1), whole(i, 2), whole(i, 3)));
}

void ShiftProducts(const Info& i) {
  hbp::shiftProducts(floats(i, 0), floats(i, 1), whole(i, 2), whole(i, 3), whole(i, 4), whole(i, 5), whole(i, 6), whole(i, 7));
}

/** What oneDNN throws becomes a JavaScript error. */
template <class F>
void guarded(const Info& info, F f) {
  try {
    f();
  } catch (const std::exception& error) {
    throw Napi::Error::New(info.Env(), std::string("oneDNN: ") + error.what());
  }
}
void convolve(const Info& i, const hbp::Convolution& c, const float* x, const float* w, const float* bias, float* y) {
  if (loops->convolve(c, x, w, bias, y)) return;
  guarded(i, [&] { hbp::convolve(c, x, w, bias, y); });
}
void Convolve(const Info& i) { convolve(i, convolution(), floats(i, 0), floats(i, 1), floats(i, 2), floats(i, 3)); }

/** Results of so many numbers leave the caches, and of so many at a time, on each thread, they stay in the second one. */
constexpr int64_t kLeastInPieces = 1 << 22, kPiece = 1 << 18, kPieceOfProduct = 3 << 17;

/** The activation of a convolution. Large ones go in pieces: what is between the two never gets to memory. */
void ConvolveActivated(const Info& i) {
  const hbp::Convolution c = convolution();
  const auto phi = static_cast<hbp::Activation>(whole(i, 4));
  const float *x = floats(i, 0), *w = floats(i, 1), *bias = floats(i, 2);
  float* y = floats(i, 3);
  const int64_t sizeX = c.height * c.width * c.in, sizeY = c.outHeight * c.outWidth * c.out;
  if (c.n * sizeY < kLeastInPieces || reinterpret_cast<uintptr_t>(y) % 64 != 0 || sizeY % 16 != 0) {
    convolve(i, c, x, w, bias, y);
    return loops->activate(phi, y, y, c.n * sizeY, false);
  }
  const int64_t together = std::max<int64_t>(1, kPiece * threadCount() / sizeY);
  static hbp::Scratch scratch;
  float* const between = static_cast<float*>(scratch.atLeast(together * sizeY * sizeof(float)));
  for (int64_t first = 0; first < c.n; first += together) {
    hbp::Convolution piece = c;
    piece.n = std::min(together, c.n - first);
    convolve(i, piece, x + first * sizeX, w, bias, between);
    loops->activate(phi, between, y + first * sizeY, piece.n * sizeY, true);
  }
}
void convolveBackwardData(const Info& i, const hbp::Convolution& c, const float* dy, const float* w, float* dx) {
  if (loops->convolveBackwardData(c, dy, w, dx)) return;
  guarded(i, [&] { hbp::convolveBackwardData(c, dy, w, dx); });
}
void ConvolveBackwardData(const Info& i) { convolveBackwardData(i, convolution(), floats(i, 0), floats(i, 1), floats(i, 2)); }

/**
 * A list of tangents [n, ...], one at least, through a convolution, behind the activation before, to a factor [rank, n, ...]: there and
 * back, a few samples at a time, so that nothing between gets to memory. A second list are tangents at the factor.
 */
void ConvolvedFactorProduct(const Info& i) {
  const hbp::Convolution c = convolution();
  const auto tangents = floatsIn(i, 0), results = floatsIn(i, 1), here = floatsIn(i, 2), curved = floatsIn(i, 3);
  const float *w = floats(i, 4), *factor = floats(i, 5);
  const int64_t rank = whole(i, 6), vectors = static_cast<int64_t>(tangents.size());
  const hbp::Before before = ::before(i, 7);
  const int64_t sizeX = c.height * c.width * c.in, sizeY = c.outHeight * c.outWidth * c.out;
  const int64_t together = std::min(c.n, threadCount() * std::max<int64_t>(1, kPieceOfProduct / (vectors * (sizeX + sizeY))));
  const bool inPlace = rank <= hbp::kFactorColumns;
  std::vector<hbp::FactorTangents> groups;
  static hbp::Scratch scratch;
  float* const x = static_cast<float*>(scratch.atLeast(together * vectors * (sizeX + (inPlace ? 1 : 2) * sizeY) * sizeof(float)));
  float* const y = x + together * vectors * sizeX;
  float* const product = inPlace ? y : y + together * vectors * sizeY;
  for (int64_t first = 0; first < c.n; first += together) {
    const int64_t samples = std::min(together, c.n - first);
    hbp::Convolution piece = c;
    piece.n = samples * vectors;
    const hbp::TangentPiece part = {vectors, sizeX, first, samples, c.n};
    loops->takeTangents(part, before, tangents.data(), x);
    convolve(i, piece, x, w, nullptr, y);
    groups.assign(1, {y, product, vectors, sizeY, vectors * sizeY, 0});
    for (size_t k = 0; k < here.size(); k++) groups.push_back({here[k] + first * sizeY, curved[k] + first * sizeY, 1, 0, sizeY, c.n * sizeY});
    loops->factorProduct({factor + first * sizeY, rank, c.n * sizeY, samples, sizeY}, groups.data(), static_cast<int64_t>(groups.size()));
    convolveBackwardData(i, piece, product, w, x);
    loops->putTangents(part, before, x, results.data());
  }
}
void ConvolveBackwardWeights(const Info& i) {
  const hbp::Convolution c = convolution();
  if (loops->convolveBackwardWeights(c, floats(i, 0), floats(i, 1), floats(i, 2))) return;
  guarded(i, [&] { hbp::convolveBackwardWeights(c, floats(i, 0), floats(i, 1), floats(i, 2)); });
}

Napi::Value SymmetricEigen(const Info& i) {
  return Napi::Number::New(i.Env(), hbp::symmetricEigen(floats(i, 0), floats(i, 1), static_cast<int>(whole(i, 2))));
}

template <size_t N>
Napi::Array namesOf(Napi::Env env, const char* const (&names)[N]) {
  Napi::Array list = Napi::Array::New(env, N);
  for (size_t k = 0; k < N; k++) list.Set(static_cast<uint32_t>(k), names[k]);
  return list;
}

Napi::Object init(Napi::Env env, Napi::Object exports) {
  const char* limit = std::getenv("HBP_NATIVE_ISA");
  loops = &hbp::loopsOf(limit ? limit : "");

  exports.Set("oneDnn", hbp::dnnlVersion());
  exports.Set("oneDnnIsa", hbp::dnnlIsa());
  exports.Set("isa", loops->isa);
  exports.Set("amx", hbp::useAmx(limit == nullptr || *limit == '\0'));
  exports.Set("lapack", hbp::lapackLibrary());
#if defined(_OPENMP)
  exports.Set("openMp", true);
#else
  exports.Set("openMp", false);
#endif

#define X(name) #name,
  const char* const unary[] = {HBP_UNARY(X)};
  const char* const binary[] = {HBP_BINARY(X)};
  const char* const integer[] = {HBP_INTEGER(X)};
  const char* const compare[] = {HBP_COMPARE(X)};
  const char* const logical[] = {HBP_LOGICAL(X)};
  const char* const reduce[] = {HBP_REDUCE(X)};
  const char* const activation[] = {HBP_ACTIVATION(X)};
#undef X
  Napi::Object names = Napi::Object::New(env);
  names.Set("unary", namesOf(env, unary));
  names.Set("binary", namesOf(env, binary));
  names.Set("integer", namesOf(env, integer));
  names.Set("compare", namesOf(env, compare));
  names.Set("logical", namesOf(env, logical));
  names.Set("reduce", namesOf(env, reduce));
  names.Set("activation", namesOf(env, activation));
  exports.Set("names", names);

  const auto add = [&](const char* name, auto* function) { exports.Set(name, Napi::Function::New(env, function, name)); };
  add("setShapes", SetShapes);
  add("setThreads", SetThreads);
  add("threads", Threads);
  add("prepare", Prepare);
  add("unary", UnaryOp);
  add("binary", BinaryOp);
  add("integer", IntegerOp);
  add("compare", CompareOp);
  add("compareIntegers", CompareIntegers);
  add("logical", LogicalOp);
  add("logicalNot", LogicalNot);
  add("isNan", IsNan);
  add("cast", CastOp);
  add("select", Select);
  add("fill", Fill);
  add("reduce", ReduceOp);
  add("reduceIntegers", ReduceIntegers);
  add("reduceBools", ReduceBools);
  add("argExtreme", ArgExtreme);
  add("cumsum", Cumsum);
  add("softmax", Softmax);
  add("copy", Copy);
  add("gather", Gather);
  add("scatterAdd", ScatterAdd);
  add("oneHot", OneHot);
  add("maxPool", MaxPool);
  add("cellPositions", CellPositions);
  add("pickCells", PickCells);
  add("spreadCells", SpreadCells);
  add("avgPool", AvgPool);
  add("avgPoolTransposed", AvgPoolTransposed);
  add("timesDerivative", TimesDerivative);
  add("timesDerivativeWithSums", TimesDerivativeWithSums);
  add("sgd", Sgd);
  add("adam", Adam);
  add("cgDescend", CgDescend);
  add("cgTurn", CgTurn);
  add("chainCg", ChainCg);
  add("projectRows", ProjectRows);
  add("addRows", AddRows);
  add("derivativeMeans", DerivativeMeans);
  add("curveLink", CurveLink);
  add("placesSize", PlacesSize);
  add("findPlaces", FindPlaces);
  add("convolveChosen", ConvolveChosen);
  add("convolveTransposedChosen", ConvolveTransposedChosen);
  add("correlateChosen", CorrelateChosen);
  add("factorProduct", FactorProduct);
  add("convolvedFactorProduct", ConvolvedFactorProduct);
  add("rowsProduct", RowsProduct);
  add("matMul", MatMul);
  add("gram", Gram);
  add("gramOfRows", GramOfRows);
  add("shiftProducts", ShiftProducts);
  add("convolve", Convolve);
  add("convolveActivated", ConvolveActivated);
  add("convolveBackwardData", ConvolveBackwardData);
  add("convolveBackwardWeights", ConvolveBackwardWeights);
  add("symmetricEigen", SymmetricEigen);
  return exports;
}

}  // namespace

NODE_API_MODULE(hbp, init)
