import { EigenvalueDecomposition, Matrix } from 'ml-matrix';
import { ConfigError, RunError } from '../../../errors.js';
import { normalTensor, type UniformSource } from '../../random.js';
import * as tf from '../../tf.js';
import type { LinearOperator } from '../operator.js';

/** An eigenvalue of the tridiagonal matrix of a Lanczos run, an approximation of one of the operator. */
export interface RitzValue {
  readonly value: number;
  /** An eigenvalue of the operator is within that distance, rounding aside. */
  readonly errorBound: number;
  /** Squared component of the start vector along the Ritz vector; they add up to 1. */
  readonly weight: number;
}

/** How long a Lanczos run goes on, and where it starts. */
export interface LanczosOptions {
  /** Products with the operator, at most; a run ends early when it has exhausted the Krylov space. */
  readonly steps: number;
  readonly random: UniformSource;
}

/**
 * The Lanczos process from a random start vector, with full reorthogonalisation: without it float32 loses the
 * orthogonality of the basis within a dozen steps and eigenvalues appear several times.
 *
 * Vectors and products stay on the device (the basis takes steps * n numbers); the coefficients come to the host, one
 * read a step, and the tridiagonal matrix is decomposed there in float64.
 *
 * @returns the Ritz values, ascending
 * @throws RunError  the operator gives numbers that are not finite
 */
export async function ritzValues(operator: LinearOperator, { steps, random }: LanczosOptions): Promise<RitzValue[]> {
  if (!Number.isInteger(steps) || steps < 1) throw new ConfigError(`Lanczos takes at least 1 step, not ${steps}`);
  const n = tf.util.sizeFromShape([...operator.shape]);
  const diagonal: number[] = [];
  const offDiagonal: number[] = [];
  let basis = tf.scoped(() => normalised(normalTensor([1, n], 1, random)));
  for (let scale = 0; diagonal.length < Math.min(steps, n);) {
    const { next, coefficients } = tf.scoped(() => step(operator, basis));
    const [alpha = NaN, beta = NaN] = await coefficients.data();
    coefficients.dispose();
    if (!Number.isFinite(alpha + beta)) {
      tf.dispose([basis, next]);
      throw new RunError('no eigenvalues: the operator gives numbers that are not finite');
    }
    diagonal.push(alpha);
    offDiagonal.push(beta);
    scale = Math.max(scale, Math.abs(alpha), beta);
    const extended = tf.concat([basis, next]);
    tf.dispose([basis, next]);
    basis = extended;
    // What is left of the next vector is rounding error: the Krylov space is an invariant subspace.
    if (beta <= roundingError * scale) break;
  }
  basis.dispose();
  return decompose(diagonal, offDiagonal);
}

/** Relative size of what float32 leaves of a vector that should be zero. */
const roundingError = 1e-6;

/** alpha = <q, C q> for the last row q of the basis [j, n], the next vector of the basis, and its length before. */
function step(operator: LinearOperator, basis: tf.Tensor): { next: tf.Tensor; coefficients: tf.Tensor } {
  const [size = 0, n = 0] = basis.shape;
  const q = tf.slice(basis, [size - 1, 0], [1, n]);
  const product = tf.reshape(operator.matvec(tf.reshape(q, [...operator.shape])), [1, n]);
  const alpha = dot(q, product);
  // Twice is enough: the second time removes what rounding left of the first.
  const rest = orthogonal(basis, orthogonal(basis, product));
  const beta = tf.sqrt(dot(rest, rest));
  return { next: tf.divNoNan(rest, beta), coefficients: tf.stack([alpha, beta]) };
}

function orthogonal(basis: tf.Tensor, v: tf.Tensor): tf.Tensor {
  const along = tf.matMul(basis, tf.reshape(v, [-1, 1]));
  return tf.sub(v, tf.matMul(tf.reshape(along, [1, -1]), basis));
}

function normalised(v: tf.Tensor): tf.Tensor {
  return tf.div(v, tf.sqrt(dot(v, v)));
}

/** <u, v> of [1, n], by parts: adding millions of products one by one would lose digits in float32. */
function dot(u: tf.Tensor, v: tf.Tensor): tf.Tensor {
  const products = tf.mul(u, v);
  const part = Math.ceil(Math.sqrt(products.size));
  const padded = tf.pad(products, [
    [0, 0],
    [0, part * Math.ceil(products.size / part) - products.size],
  ]);
  return tf.sum(tf.sum(tf.reshape(padded, [-1, part]), 1));
}

/** @param offDiagonal  one entry a step; the last one is the length of what is beyond the basis */
function decompose(diagonal: readonly number[], offDiagonal: readonly number[]): RitzValue[] {
  const size = diagonal.length;
  const matrix = Matrix.diag([...diagonal]);
  for (let j = 0; j + 1 < size; j++) matrix.set(j, j + 1, offDiagonal[j]!).set(j + 1, j, offDiagonal[j]!);
  const { realEigenvalues, eigenvectorMatrix } = new EigenvalueDecomposition(matrix, { assumeSymmetric: true });
  return realEigenvalues
    .map((value, i) => ({
      value,
      errorBound: Math.abs(offDiagonal[size - 1]! * eigenvectorMatrix.get(size - 1, i)),
      weight: eigenvectorMatrix.get(0, i) ** 2,
    }))
    .sort((a, b) => a.value - b.value);
}
