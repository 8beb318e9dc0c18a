// Compiled once for each instruction set, with HBP_ISA naming it: nothing in here may be shared between them, so it uses
// no standard library, whose inline functions the linker would take from any of them.
#include "loops.h"

#include "loops/chain.h"
#include "loops/conjugate.h"
#include "loops/convolve.h"
#include "loops/copy.h"
#include "loops/curvature.h"
#include "loops/elementwise.h"
#include "loops/factor.h"
#include "loops/pooling.h"
#include "loops/reduce.h"
#if HBP_REGISTER >= 32
#include "loops/chosen.h"
#endif

#define HBP_TEXT_OF(x) #x
#define HBP_TEXT(x) HBP_TEXT_OF(x)

namespace hbp {

const Loops& HBP_LOOPS() {
  using namespace HBP_ISA;
  static const Loops table = {
      HBP_TEXT(HBP_ISA), unary,     binary,    integer,     compare,     compareIntegers, logical,
      logicalNot,        isNan,     cast,      select,      fill,        reduce,          reduceIntegers,
      reduceBools,       argExtreme, cumsum,   softmax,     copy,        gather,          scatterAdd,
      oneHot,            maxPool,   cellPositions, pickCells, spreadCells, avgPool,     avgPoolTransposed, activate,  timesDerivative, timesDerivativeWithSums,
      sgd,               adam,      cgDescend, cgTurn,     chainCg,   projectRows, addRows,          derivativeMeans, curveLink,
      rowsProduct, convolve,  convolveBackwardData, convolveBackwardWeights,
#if HBP_REGISTER >= 32
      placesSize,        findPlaces, convolveChosen, convolveTransposedChosen, correlateChosen,
#else
      nullptr,           nullptr,   nullptr,   nullptr,     nullptr,
#endif
      factorProduct,     takeTangents, putTangents,
  };
  return table;
}

}  // namespace hbp
