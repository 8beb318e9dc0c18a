// The kernels that oneDNN has nothing for, as a table of functions. loops.cc is compiled once for each instruction set;
// loopsOf() picks what this processor has.
#pragma once
#include <cstdint>

#include "convolution.h"

// Names and order of the operations; the addon tells them to JavaScript.
#define HBP_UNARY(X)                                                                                              \
  X(Abs) X(Neg) X(Exp) X(Expm1) X(Log) X(Log1p) X(Sqrt) X(Rsqrt) X(Square) X(Sigmoid) X(Tanh) X(Relu) X(Relu6)     \
  X(Elu) X(Selu) X(Softplus) X(LeakyRelu) X(Sign) X(Reciprocal) X(Step) X(Floor) X(Ceil) X(ClipByValue) X(Scale)
#define HBP_BINARY(X) X(Add) X(Sub) X(Multiply) X(RealDiv) X(DivNoNan) X(Maximum) X(Minimum) X(SquaredDifference) X(Prelu)
#define HBP_INTEGER(X) X(Add) X(Sub) X(Multiply) X(Maximum) X(Minimum)
#define HBP_COMPARE(X) X(Equal) X(NotEqual) X(Greater) X(GreaterEqual) X(Less) X(LessEqual)
#define HBP_LOGICAL(X) X(LogicalAnd) X(LogicalOr)
#define HBP_REDUCE(X) X(Sum) X(Max) X(Min) X(Prod)
#define HBP_ACTIVATION(X) X(Sigmoid) X(Tanh) X(Relu)

namespace hbp {

#define X(name) name,
enum class Unary { HBP_UNARY(X) };
enum class Binary { HBP_BINARY(X) };
enum class Integer { HBP_INTEGER(X) };
enum class Compare { HBP_COMPARE(X) };
enum class Logical { HBP_LOGICAL(X) };
enum class Reduce { HBP_REDUCE(X) };
enum class Activation { HBP_ACTIVATION(X) };
#undef X

constexpr int kMostAxes = 8;

/** A walk over a box of `rank` axes through several arrays at once; strides in elements, 0 repeats. */
struct Walk {
  int rank;
  int64_t size[kMostAxes];
  int64_t stride[3][kMostAxes];  // of a, b and the result
};

/** Windows of a pooling layer on pictures [n, height, width, channels]; padding may be on any side. */
struct Windows {
  int64_t n, height, width, channels, outHeight, outWidth;
  int64_t kernelHeight, kernelWidth, strideHeight, strideWidth, dilationHeight, dilationWidth, top, left;
};

/** The activation with this output [n, height, width, in] before a convolution: tangents go through it, too. Null: none. */
struct Before {
  const float* output;
  Activation phi;
};

/** A convolution of pictures [n, height, width, in] (stride 1) whose results `pooling` has windows on. */
struct ChosenConvolution {
  Windows pooling;
  int64_t height, width, in, kernelHeight, kernelWidth, top, left;
};

/** A matrix [out, in], or a diagonal [in] (out = in) with a second one, or null, that the way back adds: d u + residual t. */
struct ChainStage {
  const float *values, *residual;
  int64_t out, in;
  bool isDiagonal;
};

/**
 * `count` systems (alpha I + scale H_j) x_j = b_j on the rows of block j at the input of stage `at`: vectors [count, skip + size],
 * whose first `skip` coordinates H does not touch; the last block may have fewer rows than `size`. x, r and the state
 * are those of the start, and then of the end.
 */
struct ChainSystem {
  int64_t at, count, size, skip;
  float alpha, scale, limit;
  const float* metric;
  float *x, *r, *state;
  float *p, *ap;  // the kernel's own
};

/** Columns of a factor that a product takes at a time: those of ten classes, and more. */
constexpr int kFactorColumns = 12;

/** A factor [rank, ...]: its columns are `step` numbers apart, and of some samples, `features` numbers each. */
struct FactorColumns {
  const float* from;
  int64_t rank, step, samples, features;
};

/** Tangents of those samples and where their products go: numbers from one vector, and from one sample, to the next, and how many in all. */
struct FactorTangents {
  const float* from;
  float* to;
  int64_t vectors, vectorStep, sampleStep, of;
};

/** Samples `first` and the next ones of the tangents' `of`. */
struct TangentPiece {
  int64_t vectors, features, first, samples, of;
};

enum class Cast { FloatToInt, FloatToBool, IntToFloat, IntToBool, BoolToFloat, BoolToInt };

struct Loops {
  const char* isa;

  /** y = op(x); p and q are the operation's constants. */
  void (*unary)(Unary op, const float* x, float* y, int64_t n, float p, float q);
  void (*binary)(Binary op, const float* a, const float* b, float* y, const Walk& walk);
  void (*integer)(Integer op, const int32_t* a, const int32_t* b, int32_t* y, const Walk& walk);
  void (*compare)(Compare op, const float* a, const float* b, uint8_t* y, const Walk& walk);
  void (*compareIntegers)(Compare op, const int32_t* a, const int32_t* b, uint8_t* y, const Walk& walk);
  void (*logical)(Logical op, const uint8_t* a, const uint8_t* b, uint8_t* y, const Walk& walk);
  void (*logicalNot)(const uint8_t* x, uint8_t* y, int64_t n);
  void (*isNan)(const float* x, uint8_t* y, int64_t n);
  void (*cast)(Cast how, const void* x, void* y, int64_t n);
  /** y = condition ? a : b for elements of 4 bytes or 1. */
  void (*select)(const uint8_t* condition, const void* a, const void* b, void* y, int64_t n, int bytes);
  void (*fill)(void* y, int64_t n, int bytes, const void* value);

  /** x [outer, length, inner] to y [outer, inner], times `scale`. */
  void (*reduce)(Reduce op, const float* x, float* y, int64_t outer, int64_t length, int64_t inner, float scale);
  void (*reduceIntegers)(Reduce op, const int32_t* x, int32_t* y, int64_t outer, int64_t length, int64_t inner);
  void (*reduceBools)(Logical op, const uint8_t* x, uint8_t* y, int64_t outer, int64_t length, int64_t inner);
  /** The first index of the largest (smallest) element along the middle axis. */
  void (*argExtreme)(bool largest, const float* x, int32_t* y, int64_t outer, int64_t length, int64_t inner);
  /** Sums of what comes before along the last axis. */
  void (*cumsum)(const float* x, float* y, int64_t rows, int64_t length, bool exclusive, bool reverse);
  /** exp(x - max) / sum, or x - max - log(sum), for each row. */
  void (*softmax)(const float* x, float* y, int64_t rows, int64_t length, bool logarithm);

  /** Copy a box between two arrays of elements of 4 bytes or 1 with strides: 0 is the source, 2 the target. */
  void (*copy)(const void* x, void* y, const Walk& walk, int bytes);
  /** y[o, b, i, :] = x[o, b', index[b, i], :] with `inner` elements each; see gather.h. */
  void (*gather)(const void* x, const int32_t* index, void* y, int64_t batch, int64_t outer, int64_t length,
                 int64_t indices, int64_t inner, int bytes);
  /** y[index[i], :] += x[i, :]; an index outside of 0..length is left out. */
  void (*scatterAdd)(const float* x, const int32_t* index, float* y, int64_t indices, int64_t length, int64_t inner);
  void (*oneHot)(const int32_t* index, float* y, int64_t n, int64_t depth, float on, float off);

  /** The largest cell of each window, and (unless null) which it was, 0 to kh kw - 1 in row-major order. */
  void (*maxPool)(const float* x, float* y, float* chosen, const Windows& windows);
  void (*cellPositions)(const float* chosen, int32_t* index, const Windows& windows, bool acrossPictures);
  /** y = x at the chosen cells; x holds `vectors` times the pictures, `chosen` is one for all. */
  void (*pickCells)(const float* x, const float* chosen, float* y, const Windows& windows, int64_t vectors);
  /** The transpose of pickCells: cells that meet on one pixel add up. */
  void (*spreadCells)(const float* dy, const float* chosen, float* dx, const Windows& windows, int64_t vectors);
  /** Means over windows, of the cells inside of the picture, or of all. */
  void (*avgPool)(const float* x, float* y, const Windows& windows, bool countPadding);
  void (*avgPoolTransposed)(const float* dy, float* dx, const Windows& windows, bool countPadding);

  /** dx = phi'(y) dy for an activation that is known by its output y [n]; dy holds `vectors` times n. */
  /** y = phi(x), past the caches or not. */
  void (*activate)(Activation phi, const float* x, float* y, int64_t n, bool past);
  void (*timesDerivative)(Activation phi, const float* y, const float* dy, float* dx, int64_t n, int64_t vectors);
  /** The same of y [n, positions, channels], and its sums over positions [vectors, n, channels]. */
  void (*timesDerivativeWithSums)(Activation phi, const float* y, const float* dy, float* dx, float* sums, int64_t n,
                                  int64_t positions, int64_t channels, int64_t vectors);
  /** buffer' = momentum buffer + gradient + decay value; value' = value - lr buffer'. `buffer` may be null (zeros). */
  void (*sgd)(const float* value, const float* gradient, const float* buffer, float* nextValue, float* nextBuffer,
              int64_t n, float lr, float momentum, float decay);
  /** Moments m += w1 (g - m), v += w2 (g^2 - v) and value' = value - lr m / (sqrt(v) + eps). */
  void (*adam)(const float* value, const float* gradient, const float* first, const float* second, float* nextValue,
               float* nextFirst, float* nextSecond, int64_t n, float lr, float w1, float w2, float eps, float decay);

  /** The halves of an iteration of conjugate gradients before and after the new residual's dual; see conjugate.h. */
  void (*cgDescend)(const float* r, const float* p, const float* ap, const float* dualP, const float* metric,
                    const float* state, float* nextR, float* nextState, int64_t systems, int64_t n,
                    bool stopOnNonPositive);
  void (*cgTurn)(const float* x, const float* r, const float* p, const float* dualR, const float* dualP,
                 const float* metric, const float* state, float* nextX, float* nextP, float* nextDualP,
                 float* nextState, int64_t systems, int64_t n, float limit);
  /** Conjugate gradients to their ends through a chain that ends in `head` [classes, classes]; `systems` by `at`, see chain.h. */
  void (*chainCg)(const ChainStage* stages, int64_t depth, const float* head, int64_t classes, ChainSystem* systems,
                  int64_t count, bool stopOnNonPositive);
  /** Of matrix B [rows, columns] and direction d [columns]: g = B d and the rows' sums of (B - g d^T)^2. */
  void (*projectRows)(const float* matrix, const float* direction, float* along, float* residual, int64_t rows,
                      int64_t columns);
  /** next = value + f_o B_oi + s_o d_i. */
  void (*addRows)(const float* value, const float* matrix, const float* direction, const float* factors,
                  const float* steps, float* next, int64_t rows, int64_t columns);
  /** Of y, g [samples, n]: the columns' means of phi'(y) and sums of phi''(y) g. */
  void (*derivativeMeans)(Activation phi, const float* y, const float* g, float* mean, float* sum, int64_t samples,
                          int64_t n);
  /** phi'(y) u + residual t; u and t hold `vectors` times the n elements of y and of the residual. */
  void (*curveLink)(Activation phi, const float* y, const float* u, const float* residual, const float* t, float* to,
                    int64_t n, int64_t vectors);

  /** out [vectors, columns] = M^T (M v) of M [rows, columns]. */
  void (*rowsProduct)(const float* matrix, const float* v, float* out, int64_t rows, int64_t columns, int64_t vectors);
  /** As in dense.h, each unless it returns false: then oneDNN is at least as fast. */
  bool (*convolve)(const Convolution& shape, const float* x, const float* w, const float* bias, float* y);
  bool (*convolveBackwardData)(const Convolution& shape, const float* dy, const float* w, float* dx);
  bool (*convolveBackwardWeights)(const Convolution& shape, const float* x, const float* dy, float* dw);
  /** How many numbers a picture has in `findPlaces`; this and the next four are null without AVX2. */
  int64_t (*placesSize)(const ChosenConvolution& shape);
  /** What pooling chose, prepared for calculating there; see places.h. */
  void (*findPlaces)(const ChosenConvolution& shape, const float* chosen, uint16_t* places);
  /** A convolution at the chosen cells, and its adjoints; the last without places: at all cells. Behind an activation x may be null: ones. */
  void (*convolveChosen)(const ChosenConvolution& shape, const float* x, const float* weights, const uint16_t* places,
                         float* y, int64_t xs, int64_t ws, const Before& before);
  /** `sums`, unless null, is dx summed over cells, [vectors, n, in]. */
  void (*convolveTransposedChosen)(const ChosenConvolution& shape, const float* dy, const float* weights,
                                   const uint16_t* places, float* dx, float* sums, int64_t vectors, const Before& before);
  void (*correlateChosen)(const ChosenConvolution& shape, const float* x, const float* dy, const uint16_t* places, float* dw,
                          int64_t vectors, bool each, const Before& before);

  /**
   * to[t, n] = sum_v V[v, n] <V[v, n], t[t, n]> for so many groups of tangents. With kFactorColumns columns at most, `to` may be
   * `from`, which is read before it is written to.
   */
  void (*factorProduct)(const FactorColumns& factor, const FactorTangents* tangents, int64_t groups);
  /** to [samples, vectors, features] = some samples of each tangent, times phi' of the activation before; and back to where they are. */
  void (*takeTangents)(const TangentPiece& piece, const Before& before, const float* const* tangents, float* to);
  void (*putTangents)(const TangentPiece& piece, const Before& before, const float* from, float* const* tangents);
};

const Loops& loopsBase();
#if defined(HBP_X86)
const Loops& loopsAvx2();
const Loops& loopsAvx512();
#endif

/** The table for this processor, or for `limit` ("avx512", "avx2", "base") if that is less. */
const Loops& loopsOf(const char* limit);

}  // namespace hbp
