import { EigenvalueDecomposition, Matrix } from 'ml-matrix';
import { RunError } from '../../errors.js';
import * as fused from '../fused.js';
import * as tf from '../tf.js';

/** A = V diag(values) V^T; the caller disposes both. */
export interface SymmetricEigen {
  /** Ascending, [n]. */
  readonly values: tf.Tensor;
  /** Orthonormal, one a column, [n, n]; their signs are arbitrary. */
  readonly vectors: tf.Tensor;
}

/** Eigendecomposition of a symmetric matrix. */
export type Eigh = (matrix: tf.Tensor) => Promise<SymmetricEigen>;

/**
 * Eigendecomposition of a symmetric matrix [n, n]: by LAPACK's ssyevd in float32 where the backend has it (a second for
 * 2,000 rows), else by ml-matrix (Householder and QL) on the host in float64 (a second for some 500 rows, minutes for
 * 2,000). Either takes the event loop for as long.
 *
 * @throws RunError  the matrix has an entry that is not finite
 */
export const eigh: Eigh = async (matrix) => {
  const [n = 0] = matrix.shape;
  if (matrix.rank !== 2 || matrix.shape[1] !== n) {
    throw new RangeError(`a symmetric matrix is square, not [${matrix.shape.join(', ')}]`);
  }
  const entries = await matrix.data();
  if (!entries.every(Number.isFinite)) {
    throw new RunError(`no eigendecomposition: the ${n} x ${n} matrix has entries that are not finite`);
  }
  const byLapack = tf.scoped(() => {
    const found = fused.symmetricEigen(matrix);
    return found && { values: found.values, vectors: tf.transpose(found.vectors) };
  });
  if (byLapack) return byLapack;
  const { realEigenvalues, eigenvectorMatrix } = new EigenvalueDecomposition(Matrix.from1DArray(n, n, entries), {
    assumeSymmetric: true,
  });
  return {
    values: tf.tensor1d(Float32Array.from(realEigenvalues)),
    vectors: tf.tensor2d(Float32Array.from(eigenvectorMatrix.to1DArray()), [n, n]),
  };
};
