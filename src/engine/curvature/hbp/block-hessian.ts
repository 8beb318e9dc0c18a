/**
 * The Hessian H [o, o] at the output of a layer as its parameter curvature sees it: split into row blocks (see
 * `splitRows`), of which only the diagonal ones count.
 */
import * as tf from '../../tf.js';
import { type Passage, unitVectors } from '../operator.js';
import { fromBlocks, type RowBlocks } from '../row-blocks.js';
import type { HessianChain } from './chain.js';

export interface BlockHessian {
  readonly blocks: RowBlocks;
  /** H_j x_j for columns x [B, c, K]. */
  multiply(x: tf.Tensor): tf.Tensor;
  /** The diagonal of H, [o]. */
  diagonal(): tf.Tensor;
  /** How H_j v_j goes through a shared product, for v [B, c]; absent: it does not. */
  readonly passage?: Passage;
  dispose(): void;
}

/** As matrices H_j [B, c, c] (see `diagonalBlocks`), of which it keeps a handle. */
export function denseBlocks(hessians: tf.Tensor, blocks: RowBlocks): BlockHessian {
  const own = tf.keep(tf.view(hessians));
  return {
    blocks,
    multiply: (x) => tf.matMul(own, x),
    diagonal: () => fromBlocks(blocks, tf.sum(tf.mul(own, tf.identity(blocks.size)), 2)),
    dispose: () => own.dispose(),
  };
}

/**
 * As a product through the rest of the network. Each block goes as a tangent of its own that is zero elsewhere.
 *
 * @param at     stage of the chain at whose input the layer's output enters
 * @param shape  of one sample there
 */
export function chainBlocks(
  chain: HessianChain,
  at: number,
  shape: readonly number[],
  blocks: RowBlocks,
): BlockHessian {
  const release = chain.retain();
  const { count, size, rows } = blocks;
  const missing = count * size - rows;
  /** 1 where a row belongs to the block, [B, B c]. */
  const members = (): tf.Tensor =>
    tf.resident(`members of blocks ${count} ${size}`, () =>
      tf.reshape(tf.mul(tf.reshape(tf.eye(count), [count, count, 1]), tf.ones([1, 1, size])), [count, count * size]),
    );
  /** [K, B, c] to [K B, 1, ...shape]. */
  const apart = (v: tf.Tensor): tf.Tensor => {
    if (count === 1) return tf.reshape(v, [-1, 1, ...shape]);
    const spread = tf.reshape(tf.mul(tf.reshape(v, [-1, 1, count * size]), members()), [-1, count * size]);
    return tf.reshape(missing === 0 ? spread : tf.slice(spread, [0, 0], [-1, rows]), [-1, 1, ...shape]);
  };
  /** [K B, 1, ...shape] to [K, B, c]. */
  const together = (curved: tf.Tensor): tf.Tensor => {
    if (count === 1) return tf.reshape(curved, [-1, 1, size]);
    const flat = tf.reshape(curved, [-1, rows]);
    const padding: [number, number][] = [
      [0, 0],
      [0, missing],
    ];
    const padded = missing === 0 ? flat : tf.pad(flat, padding);
    return tf.reshape(tf.sum(tf.mul(tf.reshape(padded, [-1, count, count * size]), members()), 1), [-1, count, size]);
  };
  const product = (tangents: tf.Tensor): tf.Tensor => chain.product.multiply([{ at, tangents }])[0]!;
  return {
    blocks,
    multiply: (x) => tf.transpose(together(product(apart(tf.transpose(x, [2, 0, 1])))), [1, 2, 0]),
    diagonal: () => {
      const parts = Array.from({ length: Math.ceil(rows / chunk) }, (_, k) => {
        const units = unitVectors(k * chunk, Math.min((k + 1) * chunk, rows), rows);
        const products = tf.reshape(product(tf.reshape(units, [-1, 1, ...shape])), units.shape);
        return tf.sum(tf.mul(products, units), 1);
      });
      return tf.concat(parts);
    },
    passage: {
      product: chain.product,
      at,
      enter: (v) => apart(tf.expandDims(v, 0)),
      leave: (curved) => tf.reshape(together(curved), [count, size]),
    },
    dispose: release,
  };
}

/** Unit vectors that go through a chain at once. */
const chunk = 64;
