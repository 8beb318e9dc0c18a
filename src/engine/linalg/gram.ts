import * as fused from '../fused.js';
import * as tf from '../tf.js';

/** What `gram` takes the rows for. */
export interface GramOptions {
  /** Behind the last column comes one of ones: the products are those of [X | 1], without a copy of X. */
  readonly ones?: boolean;
}

/**
 * X^T X, [k, k], for rows X [n, k]: a symmetric rank-k update, half of a product's multiplications, where the backend
 * has it. With `ones` [X | 1]^T [X | 1], [k + 1, k + 1].
 */
export function gram(rows: tf.Tensor, { ones = false }: GramOptions = {}): tf.Tensor {
  const done = fused.gram(rows, { ones });
  if (done) return done;
  return tf.scoped(() => {
    const all = ones ? tf.concat([rows, tf.fill([rows.shape[0] ?? 0, 1], 1)], 1) : rows;
    return tf.matMul(all, all, true, false);
  });
}

/** X X^T, [n, n], for X [n, k]: as `gram` of the transpose, which need not be made everywhere. */
export function gramOfRows(x: tf.Tensor): tf.Tensor {
  return fused.gram(x, { ofRows: true }) ?? tf.matMul(x, x, false, true);
}
