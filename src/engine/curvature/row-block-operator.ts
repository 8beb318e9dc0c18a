import * as tf from '../tf.js';
import { damped, type KrylovSystem, type LinearOperator, plainSystem, SymmetricOperator } from './operator.js';
import { type RowBlocks, splitRows } from './row-blocks.js';

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
  readonly rowBlocks: { readonly blocks: RowBlocks; readonly axis: number };
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
    this.rowBlocks = { blocks: splitRows(rows, maxBlocks), axis };
    this.#masks = tf.keep(rowMasks(this.rowBlocks, this.shape));
  }

  protected override multiply(vs: tf.Tensor): tf.Tensor {
    const [vectors = 0] = vs.shape;
    const masks = tf.expandDims(this.#masks, 1);
    const parts = tf.mul(masks, tf.expandDims(vs, 0));
    const products = this.operator.matmat(tf.reshape(parts, [-1, ...this.shape]));
    return tf.sum(tf.mul(masks, tf.reshape(products, [-1, vectors, ...this.shape])), 0);
  }

  override dampedSystem(b: tf.Tensor, alpha: number, factor = 1): KrylovSystem {
    return maskedSystem(tf.mul(factor, b), this.#masks, alpha, (vs) => tf.mul(this.#masks, this.operator.matmat(vs)));
  }

  override dispose(): void {
    tf.dispose(this.#masks);
    this.operator.dispose();
  }
}

/**
 * (alpha I + (1 - alpha) C) x = b in the parameter's own coordinates, one system a row block: what every other form of
 * it has to agree with.
 */
export function plainSystemOf(operator: LinearOperator, b: tf.Tensor, alpha: number): KrylovSystem {
  const { rowBlocks, shape } = operator;
  if (!rowBlocks || rowBlocks.blocks.count === 1) return plainSystem((v) => operator.matvec(v), b, alpha);
  return tf.scoped(() => maskedSystem(b, rowMasks(rowBlocks, shape), alpha, (vs) => operator.matmat(vs)));
}

/** @param multiply  C_j v_j for all blocks j at once, [B, ...shape], v_j zero outside of its block */
function maskedSystem(
  b: tf.Tensor,
  masks: tf.Tensor,
  alpha: number,
  multiply: (vs: tf.Tensor) => tf.Tensor,
): KrylovSystem {
  const { shape } = b;
  const [count = 1] = masks.shape;
  const flat = (x: tf.Tensor): tf.Tensor => tf.reshape(x, [count, -1]);
  const rhs = tf.keep(tf.scoped(() => flat(tf.mul(masks, tf.expandDims(b, 0)))));
  return {
    rhs,
    apply: (p) => damped(p, flat(multiply(tf.reshape(p, [count, ...shape]))), alpha),
    lift: (x) => tf.sum(tf.reshape(x, [count, ...shape]), 0),
    dispose: () => rhs.dispose(),
  };
}

/** 1 in the rows of each block, [B, ...1, rows, ...1]. */
function rowMasks({ blocks, axis }: { blocks: RowBlocks; axis: number }, shape: readonly number[]): tf.Tensor {
  const { count, size, rows } = blocks;
  const member = Array.from({ length: count * rows }, (_, i) =>
    Math.floor((i % rows) / size) === Math.floor(i / rows) ? 1 : 0,
  );
  return tf.tensor(member, [count, ...shape.map((length, a) => (a === axis ? length : 1))]);
}
