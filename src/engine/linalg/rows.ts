/** Matrices row by row: split along one direction, for an averaged weight block, or as a factor M of M^T M. */
import * as fused from '../fused-curvature.js';
import * as tf from '../tf.js';

/**
 * The part of each row along a direction and the square of the rest: g_o = sum_i B_oi d_i and
 * e_o = sum_i (B_oi - g_o d_i)^2, both [o], of B [o, i] and d [i].
 *
 * e is summed from the differences themselves: sum_i B_oi^2 - g_o^2 cancels where rows lie nearly along d.
 */
export function projectRows(matrix: tf.Tensor, direction: tf.Tensor): { along: tf.Tensor; residual: tf.Tensor } {
  const one = fused.projectRows(matrix, direction);
  if (one) return one;
  return tf.scoped(() => {
    const row = tf.reshape(direction, [1, -1]);
    const along = tf.matMul<tf.Tensor>(matrix, row, false, true);
    const residual = tf.sum(tf.square(tf.sub(matrix, tf.mul(along, row))), 1);
    return { along: tf.reshape(along, [-1]), residual };
  });
}

/** value_oi + f_o B_oi + s_o d_i of value, B [o, i], d [i], factors f and steps s [o]. */
export function addRows(
  value: tf.Tensor,
  matrix: tf.Tensor,
  direction: tf.Tensor,
  factors: tf.Tensor,
  steps: tf.Tensor,
): tf.Tensor {
  const one = fused.addRows(value, matrix, direction, factors, steps);
  if (one) return one;
  return tf.scoped(() => {
    const column = (x: tf.Tensor): tf.Tensor => tf.reshape(x, [-1, 1]);
    const moved = tf.add(value, tf.mul(column(factors), matrix));
    return tf.add(moved, tf.mul(column(steps), tf.reshape(direction, [1, -1])));
  });
}

/** M^T (M v) [T, P] of rows M [R, P] and vectors v [T, P]: the product with a matrix given by its factor. */
export function rowsProduct(rows: tf.Tensor, v: tf.Tensor): tf.Tensor {
  const one = fused.rowsProduct(rows, v);
  return one ?? tf.scoped(() => tf.matMul(tf.matMul(v, rows, false, true), rows));
}
