// The shape of a convolution, as oneDNN and the loops take it.
#pragma once
#include <cstdint>

namespace hbp {

/** Pictures [n, height, width, in], weights [kh, kw, in, out], results [n, outHeight, outWidth, out]. */
struct Convolution {
  int64_t n, height, width, in, outHeight, outWidth, out, kernelHeight, kernelWidth;
  int64_t strideHeight, strideWidth, dilationHeight, dilationWidth, top, bottom, left, right;
};

}  // namespace hbp
