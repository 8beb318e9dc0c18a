// Symmetric eigendecomposition by whichever LAPACK is on the machine; none is needed to build or to load the addon.
#pragma once
#include <string>

namespace hbp {

/** The file of the LAPACK library in use; empty if there is none. Loads it at the first call. */
const std::string& lapackLibrary();

/** Threads for the library's own pool, where it has one. */
void setLapackThreads(int threads);

/**
 * `matrix` [n, n] symmetric, row-major: overwritten by its eigenvectors, one a row; `values` [n] ascending.
 * Returns LAPACK's info: 0 is success.
 */
int symmetricEigen(float* matrix, float* values, int n);

}  // namespace hbp
