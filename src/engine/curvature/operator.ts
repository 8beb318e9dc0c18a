import * as tf from '../tf.js';

/**
 * A symmetric curvature C of one parameter, n = number of its elements.
 *
 * Vectors have the parameter's own shape: no caller flattens. An operator owns its tensors until `dispose()`.
 */
export interface CurvatureOperator {
  /** Shape of the vectors; n is its product. */
  readonly shape: readonly number[];
  /** C v, scale as the curvature's own (mean loss: 1/N inside). */
  matvec(v: tf.Tensor): tf.Tensor;
  /** The system (alpha I + (1 - alpha) C) x = b in the coordinates where its Krylov space is smallest. */
  dampedSystem(b: tf.Tensor, alpha: number): KrylovSystem;
  dispose(): void;
}

/**
 * B independent symmetric systems A_j x_j = b_j, side by side, in coordinates of length n.
 *
 * Conjugate gradients depend on A and b through products and inner products alone, so any coordinates that keep both
 * give the same iterates. The inner product of system j is <u, v> = sum_i metric_ji u_ji v_ji.
 */
export interface KrylovSystem {
  /** b in coordinates, [B, n]. */
  readonly rhs: tf.Tensor;
  /** Weights of the inner product, [B, n]; absent: all one. */
  readonly metric?: tf.Tensor;
  /** A p in coordinates, [B, n] to [B, n]. */
  apply(p: tf.Tensor): tf.Tensor;
  /** From coordinates [B, n] back to the parameter's shape. */
  lift(x: tf.Tensor): tf.Tensor;
  dispose(): void;
}

/** The system of any operator in its own vectors: one system, no reduction. */
export function plainSystem(matvec: (v: tf.Tensor) => tf.Tensor, b: tf.Tensor, alpha: number): KrylovSystem {
  const rhs = tf.keep(tf.reshape(b, [1, -1]));
  const { shape } = b;
  return {
    rhs,
    apply: (p) => tf.add(tf.mul(alpha, p), tf.mul(1 - alpha, tf.reshape(matvec(tf.reshape(p, shape)), [1, -1]))),
    lift: (x) => tf.reshape(x, shape),
    dispose: () => rhs.dispose(),
  };
}
