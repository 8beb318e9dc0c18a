import * as fused from '../../fused-curvature.js';
import * as tf from '../../tf.js';
import { fromBlocks, type RowBlocks, toBlocks } from '../row-blocks.js';

/**
 * A matrix B [o, i] in the basis of its Krylov space for an operator that acts along a direction m^ [i] alone: B itself across
 * m^, and unit vectors times m^. With g = B m^ and E = B - g m^T, every vector is xi E + u m^T, and row block j has the
 * coordinates (xi_j, u_j), 1 + c numbers.
 */
export interface MeanCoordinates {
  /** g, [o]. */
  readonly along: tf.Tensor;
  /** Those of B: 1 and g_j, [blocks, 1 + c]. */
  readonly rhs: tf.Tensor;
  /** Their inner product, as weights: ||E_j||^2 and ones, [blocks, 1 + c]. */
  readonly metric: tf.Tensor;
  /** m^ = m / ||m||, [i]; zero if m is, where any direction will do. */
  readonly direction: tf.Tensor;
  /** ||m||^2, a scalar. */
  readonly square: tf.Tensor;
}

/**
 * Coordinates of B = factor * b. ||E_j||^2 is summed from its elements: ||B_j||^2 - ||g_j||^2 cancels where rows lie nearly along m.
 *
 * @param b     [o, i]
 * @param mean  m, [i]
 */
export function meanCoordinates(b: tf.Tensor, mean: tf.Tensor, blocks: RowBlocks, factor: number): MeanCoordinates {
  const one = fused.meanCoordinates(b, mean, blocks, factor);
  if (one) return one;
  return tf.scoped(() => {
    const square = tf.sum(tf.square(mean));
    const direction = tf.divNoNan(mean, tf.sqrt(square));
    const row = tf.reshape(direction, [1, -1]);
    const projected = tf.mul(factor, tf.matMul<tf.Tensor>(b, row, false, true));
    const squares = tf.sum(tf.square(tf.sub(tf.mul(factor, b), tf.mul(projected, row))), 1);
    const along = tf.reshape(projected, [-1]);
    return {
      along,
      rhs: tf.concat([tf.fill([blocks.count, 1], 1), toBlocks(blocks, along)], 1),
      metric: tf.concat([tf.sum(toBlocks(blocks, squares), 1, true), tf.fill([blocks.count, blocks.size], 1)], 1),
      direction,
      square,
    };
  });
}

/**
 * value + length (xi E + u m^T) = value + length xi B + length (u - xi g) m^T for coordinates x = (xi, u) [blocks, 1 + c].
 *
 * @param b  and `factor`, as the coordinates were made of them
 */
export function addMeanCoordinates(
  value: tf.Tensor,
  b: tf.Tensor,
  { along, direction }: Pick<MeanCoordinates, 'along' | 'direction'>,
  x: tf.Tensor,
  blocks: RowBlocks,
  { factor, length }: { readonly factor: number; readonly length: number },
): tf.Tensor {
  const one = fused.addMeanCoordinates(value, b, { along, direction }, x, blocks, { factor, length });
  if (one) return one;
  return tf.scoped(() => {
    const column = (y: tf.Tensor): tf.Tensor => tf.reshape(fromBlocks(blocks, y), [-1, 1]);
    const [xi, u] = tf.split(tf.mul(length, x), [1, blocks.size], 1) as [tf.Tensor, tf.Tensor];
    const factors = column(tf.tile(xi, [1, blocks.size]));
    const steps = tf.sub(column(u), tf.mul(factors, tf.reshape(along, [-1, 1])));
    const moved = tf.add(value, tf.mul(tf.mul(factor, factors), b));
    return tf.add(moved, tf.mul(steps, tf.reshape(direction, [1, -1])));
  });
}
