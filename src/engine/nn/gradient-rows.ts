import * as fused from '../fused-curvature.js';
import * as tf from '../tf.js';
import { spreadCells } from './chosen-cells.js';
import { areCountable } from './chosen-convolution.js';
import { onPictures } from './leading.js';
import { unfold } from './unfold.js';
import type { Placement } from './window.js';

/** The cells that pooling behind a convolution chose, as `MaxPool2d` keeps them, and its windows on the output. */
export interface PooledCells {
  readonly chosen: tf.Tensor;
  readonly pooling: Placement;
}

/**
 * The weight gradient of every sample by itself, one a row: M [V N, P] of pictures x [N, H, W, C] and output gradients
 * dy [V?, N, outH, outW, O], P = kh kw C O in the order of a weight [kh, kw, C, O]. Row v N + n is sample n's for vector v.
 *
 * @param pooled  dy [V?, N, pH, pW, O] is given at the cells that pooling chose, and is 0 elsewhere
 */
export function gradientRows(
  x: tf.Tensor,
  dy: tf.Tensor,
  convolution: Placement,
  pooled: PooledCells | null = null,
): tf.Tensor {
  const { kernel, stride, dilation } = convolution;
  const parameters = kernel[0] * kernel[1] * (x.shape[3] ?? 0) * (dy.shape.at(-1) ?? 0);
  const rows = dy.shape.slice(0, -3).reduce((a, b) => a * b, 1);
  if (rows === 0) return tf.zeros([rows, parameters]);
  const plain = [...stride, ...dilation].every((step) => step === 1);
  const one =
    plain && (!pooled || areCountable(dy, convolution.output)) ? fused.gradientRows(x, dy, convolution, pooled) : null;
  if (one) return one;
  return tf.scoped(() => {
    const everywhere = pooled ? onPictures(dy, (cells) => spreadCells(cells, pooled.chosen, pooled.pooling)) : dy;
    const patches = unfold(x, convolution);
    const [samples = 0, positions = 0] = patches.shape;
    const outputs = everywhere.shape.at(-1) ?? 0;
    const vectors = tf.unstack(tf.reshape(everywhere, [-1, samples, positions, outputs]));
    const gradients = vectors.map((vector) =>
      tf.reshape(tf.matMul(patches, vector, true, false), [samples, parameters]),
    );
    return gradients.length === 1 ? gradients[0]! : tf.concat(gradients, 0);
  });
}
