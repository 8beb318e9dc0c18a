import { EigenvalueDecomposition, Matrix } from 'ml-matrix';
import { DivergenceError } from '../../errors.js';
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
 * 2,000 rows), else by `eighOnHost`. It takes the event loop for as long.
 *
 * @throws DivergenceError  the matrix has an entry that is not finite
 */
export const eigh: Eigh = async (matrix) => {
  checkSquare(matrix);
  if (!fused.hasSymmetricEigen()) return eighOnHost(matrix);
  checkFinite(matrix, await matrix.data());
  const found = fused.symmetricEigen(matrix);
  const vectors = tf.transpose(found.vectors);
  found.vectors.dispose();
  return { values: found.values, vectors };
};

/**
 * The same by ml-matrix (Householder and QL) in float64: a second for some 500 rows, minutes for 2,000.
 *
 * @throws DivergenceError  the matrix has an entry that is not finite
 */
export const eighOnHost: Eigh = async (matrix) => {
  checkSquare(matrix);
  const [n = 0] = matrix.shape;
  const entries = await matrix.data();
  checkFinite(matrix, entries);
  const { realEigenvalues, eigenvectorMatrix } = new EigenvalueDecomposition(Matrix.from1DArray(n, n, entries), {
    assumeSymmetric: true,
  });
  return {
    values: tf.tensor1d(Float32Array.from(realEigenvalues)),
    vectors: tf.tensor2d(Float32Array.from(eigenvectorMatrix.to1DArray()), [n, n]),
  };
};

function checkSquare({ shape, rank }: tf.Tensor): void {
  if (rank !== 2 || shape[1] !== shape[0]) {
    throw new RangeError(`a symmetric matrix is square, not [${shape.join(', ')}]`);
  }
}

function checkFinite({ shape: [n] }: tf.Tensor, entries: Float32Array | Int32Array | Uint8Array): void {
  if (entries.every(Number.isFinite)) return;
  throw new DivergenceError(`no eigendecomposition: the ${n} x ${n} matrix has entries that are not finite`);
}
