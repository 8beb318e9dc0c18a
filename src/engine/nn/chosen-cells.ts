/** Cells that pooling windows chose: taking them out of pictures, and putting them back. */
import * as fused from '../fused.js';
import * as tf from '../tf.js';
import * as windows from './unfold.js';
import type { Placement } from './window.js';

/**
 * Pictures [V N, H, W, C] at the cells that `chosen` [N, outH, outW, C] names for each window, 0 to kh kw - 1 in
 * row-major order: [V N, outH, outW, C]. A chosen cell beside the picture counts as 0.
 */
export function pickCells(x: tf.Tensor, chosen: tf.Tensor, placement: Placement): tf.Tensor {
  const picked = fused.pickCells(x, chosen, placement);
  if (picked) return picked;
  return tf.scoped(() => {
    const masks = cellMasks(chosen, placement);
    return windows
      .windowCells(x, placement)
      .map((cell, k) => onEverySample(cell, masks[k]!))
      .reduce((sum, term) => tf.add(sum, term));
  });
}

/** The transpose of `pickCells`: dy [V N, outH, outW, C] to [V N, H, W, C], where what meets on one cell adds up. */
export function spreadCells(dy: tf.Tensor, chosen: tf.Tensor, placement: Placement): tf.Tensor {
  const spread = fused.spreadCells(dy, chosen, placement);
  if (spread) return spread;
  return tf.scoped(() => {
    const cells = cellMasks(chosen, placement).map((mask) => onEverySample(dy, mask));
    return windows.spreadCells(cells, placement);
  });
}

/** For each cell of the kernel where it was chosen, 1 or 0, of the shape of `chosen`. */
export function cellMasks(chosen: tf.Tensor, { kernel: [height, width] }: Pick<Placement, 'kernel'>): tf.Tensor[] {
  // max(0, 1 - |chosen - k|): backends compare numbers with tensors far more slowly than they calculate.
  return Array.from({ length: height * width }, (_, k) => tf.relu(tf.sub(1, tf.abs(tf.sub(chosen, k)))));
}

/** Pictures [V N, ...] times a mask [N, ...]. */
function onEverySample(pictures: tf.Tensor, mask: tf.Tensor): tf.Tensor {
  const { shape } = pictures;
  return tf.reshape(tf.mul(tf.reshape(pictures, [-1, ...mask.shape]), mask), shape);
}
