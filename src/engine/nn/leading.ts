import * as tf from '../tf.js';

/**
 * Apply a map of pictures [N, H, W, C], each by itself, to [V?, N, H, W, C]: vectors and samples become one batch.
 */
export function onPictures(x: tf.Tensor, map: (pictures: tf.Tensor) => tf.Tensor): tf.Tensor {
  if (x.rank === 4) return map(x);
  const [vectors = 0, samples = 0, ...picture] = x.shape;
  const mapped = map(tf.reshape(x, [vectors * samples, ...picture]));
  return tf.reshape(mapped, [vectors, samples, ...mapped.shape.slice(1)]);
}

/** The height and width of pictures [..., H, W, C]. */
export function sizeOf(pictures: tf.Tensor): [height: number, width: number] {
  const [height = 0, width = 0] = pictures.shape.slice(-3);
  return [height, width];
}
