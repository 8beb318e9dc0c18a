/** Gradients of single samples as rows of a matrix. */
import { spreadCells } from '../nn/chosen-cells.js';
import type { ChosenPlacements } from '../nn/chosen-convolution.js';
import { onPictures } from '../nn/leading.js';
import { unfold } from '../nn/unfold.js';
import type { Placement } from '../nn/window.js';
import * as tf from '../tf.js';

/** Where a convolution goes over its pictures, and which cells of its output count, if not all. */
export interface ConvolutionPlace {
  readonly convolution: Placement;
  readonly chosen: { readonly cells: tf.Tensor; readonly pooling: ChosenPlacements['pooling'] } | null;
}

/**
 * The weight gradients of every sample of a convolution without groups, for vectors u at its output: row v N + n is
 * J_w^T u_vn of sample n alone, [V N, kh kw C O].
 *
 * @param x  pictures [N, H, W, C]
 * @param u  [V, N, outH, outW, O], or at the chosen cells [V, N, pH, pW, O]
 */
export function gradientRows(x: tf.Tensor, u: tf.Tensor, { convolution, chosen }: ConvolutionPlace): tf.Tensor {
  return tf.scoped(() => {
    const full = chosen ? onPictures(u, (cells) => spreadCells(cells, chosen.cells, chosen.pooling)) : u;
    const [vectors = 0, samples = 0] = full.shape;
    const windows = unfold(x, convolution);
    const rows = tf.unstack(full).map((one) => {
      const flat = tf.reshape(one, [samples, -1, one.shape.at(-1) ?? 0]);
      return tf.reshape(tf.matMul(windows, flat, true, false), [samples, -1]);
    });
    return vectors === 1 ? rows[0]! : tf.concat(rows, 0);
  });
}

/** M^T (M p) for p [T, P] and M [R, P]. */
export function rowsProduct(rows: tf.Tensor, p: tf.Tensor): tf.Tensor {
  return tf.scoped(() => tf.matMul(tf.matMul(p, rows, false, true), rows));
}
