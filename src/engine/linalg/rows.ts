import * as fused from '../fused-curvature.js';
import * as tf from '../tf.js';

/** M^T (M v) [T, P] of rows M [R, P] and vectors v [T, P]: the product with a matrix given by its factor. */
export function rowsProduct(rows: tf.Tensor, v: tf.Tensor): tf.Tensor {
  const one = fused.rowsProduct(rows, v);
  return one ?? tf.scoped(() => tf.matMul(tf.matMul(v, rows, false, true), rows));
}
