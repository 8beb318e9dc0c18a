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

/** [V?, a, b, c, out] to [a, b, c, V out]: vectors become further output channels. */
export function vectorsLast(x: tf.Tensor): tf.Tensor {
  if (x.rank === 4) return x;
  const [vectors = 0, ...shape] = x.shape;
  const outputs = shape.pop() ?? 0;
  const swapped = tf.transpose(tf.reshape(x, [vectors, -1, outputs]), [1, 0, 2]);
  return tf.reshape(swapped, [...shape, vectors * outputs]);
}

/** [a, b, c, V out] to [V?, a, b, c, out], with or without V as `like` has it: the inverse of `vectorsLast`. */
export function vectorsFirst(x: tf.Tensor, like: tf.Tensor): tf.Tensor {
  if (like.rank === 4) return x;
  const [vectors = 0] = like.shape;
  const outputs = like.shape.at(-1) ?? 0;
  const swapped = tf.transpose(tf.reshape(x, [-1, vectors, outputs]), [1, 0, 2]);
  return tf.reshape(swapped, [vectors, ...x.shape.slice(0, 3), outputs]);
}

/** What is [V?, out] at every place alike: [V?, ...places, out]. */
export function everywhere(x: tf.Tensor, places: readonly number[]): tf.Tensor {
  const leading = x.shape.slice(0, -1);
  // Not tf.tile: with more than four axes the webgpu backend would read x back.
  const nothing = tf.zeros([...leading.map(() => 1), ...places, 1]);
  return tf.add(nothing, tf.reshape(x, [...leading, ...places.map(() => 1), x.shape.at(-1) ?? 0]));
}
