import * as tf from '../tf.js';
import { type KrylovSystem, type LinearOperator, SymmetricOperator } from './operator.js';
import { splitRows } from './row-blocks.js';

/**
 * The diagonal row blocks of any parameter curvature C: sum_j P_j C P_j, where P_j keeps the output rows of block j (see
 * `splitRows`) and sets all others to zero. Nothing is re-parameterised; forward and backward do not know of it. As a
 * damped system it is B independent ones, as in the published splitting.
 *
 * HBP has a cheaper way of its own, the option `blocks`; this one is for exact products and everything else.
 *
 * @param operator  taken over: disposed with the result
 * @param axis      of the output rows: 0 for a linear weight [out, in] and a bias, 3 for a convolution's [kh, kw, in, out]
 */
export function inRowBlocks(operator: LinearOperator, maxBlocks: number, axis = 0): LinearOperator {
  return new RowBlockOperator(operator, maxBlocks, axis);
}

class RowBlockOperator extends SymmetricOperator {
  readonly shape: readonly number[];
  /** P_j, [B, ...1, rows, ...1]. */
  readonly #masks: tf.Tensor;

  constructor(
    private readonly operator: LinearOperator,
    maxBlocks: number,
    axis: number,
  ) {
    super();
    this.shape = operator.shape;
    const rows = this.shape[axis];
    if (rows === undefined) throw new RangeError(`[${this.shape.join(', ')}] has no axis ${axis}`);
    const { count, size } = splitRows(rows, maxBlocks);
    const ones = this.shape.map((length, a) => (a === axis ? length : 1));
    const member = Array.from({ length: count * rows }, (_, i) =>
      Math.floor((i % rows) / size) === Math.floor(i / rows) ? 1 : 0,
    );
    this.#masks = tf.keep(tf.tensor(member, [count, ...ones]));
  }

  protected override multiply(vs: tf.Tensor): tf.Tensor {
    const [vectors = 0] = vs.shape;
    const masks = tf.expandDims(this.#masks, 1);
    const parts = tf.mul(masks, tf.expandDims(vs, 0));
    const products = this.operator.matmat(tf.reshape(parts, [-1, ...this.shape]));
    return tf.sum(tf.mul(masks, tf.reshape(products, [-1, vectors, ...this.shape])), 0);
  }

  override dampedSystem(b: tf.Tensor, alpha: number): KrylovSystem {
    const count = this.#masks.shape[0] ?? 1;
    const unflat = (x: tf.Tensor): tf.Tensor => tf.reshape(x, [count, ...this.shape]);
    const flat = (x: tf.Tensor): tf.Tensor => tf.reshape(x, [count, -1]);
    const rhs = tf.keep(tf.scoped(() => flat(tf.mul(this.#masks, tf.expandDims(b, 0)))));
    return {
      rhs,
      apply: (p) => {
        const products = tf.mul(this.#masks, this.operator.matmat(unflat(p)));
        return tf.add(tf.mul(alpha, p), tf.mul(1 - alpha, flat(products)));
      },
      lift: (x) => tf.sum(unflat(x), 0),
      dispose: () => rhs.dispose(),
    };
  }

  override dispose(): void {
    tf.dispose(this.#masks);
    this.operator.dispose();
  }
}
