/**
 * Cross-correlation of pictures [N, H, W, C] with a weight [kh, kw, C, out], and its two adjoints, on kernels that
 * every backend has.
 *
 * Backends know no dilation backwards, and not all take a padding of their own for each side. So a dilated weight is
 * spread out with zeros, and a padding other than none and `same` is put around the pictures.
 */
import * as tf from '../tf.js';
import { cropPictures, padPictures } from './unfold.js';
import { type Placement, samePadding } from './window.js';

/** x [N, H, W, C] to [N, outH, outW, out], plus a bias [out] if there is one. */
export function convolve(
  x: tf.Tensor,
  weight: tf.Tensor,
  placement: Placement,
  bias: tf.Tensor | null = null,
): tf.Tensor {
  const { pictures, padding } = prepare(x, placement);
  const filter = spread(weight, placement);
  if (!bias) return tf.conv2d(pictures as tf.Tensor4D, filter, strides(placement), padding);
  const attributes = {
    strides: strides(placement),
    pad: padding,
    dataFormat: 'NHWC',
    dilations: [1, 1],
    activation: 'linear',
  };
  return tf.engine().runKernel(tf.FusedConv2D, { x: pictures, filter, bias }, attributes);
}

/**
 * The adjoint in x: dy [N, outH, outW, out] to [N, H, W, C].
 *
 * Without strides it is the convolution with the reversed kernel, and convolutions are what backends do best.
 */
export function convolveTransposed(dy: tf.Tensor, weight: tf.Tensor, placement: Placement): tf.Tensor {
  const reverse = reversed(placement);
  if (reverse) return convolve(dy, tf.transpose(tf.reverse(weight, [0, 1]), [0, 1, 3, 2]), reverse);
  const { padding, size } = layout(placement);
  const shape: [number, number, number, number] = [dy.shape[0] ?? 0, ...size, weight.shape[2] ?? 0];
  const padded = tf.conv2dTranspose(dy as tf.Tensor4D, spread(weight, placement), shape, strides(placement), padding);
  return padding === 'valid' ? cropPictures(padded, placement.padding, placement.input) : padded;
}

/** The adjoint in the weight, summed over samples: x [N, H, W, C] and dy [N, outH, outW, out] to [kh, kw, C, out]. */
export function correlate(x: tf.Tensor, dy: tf.Tensor, placement: Placement): tf.Tensor {
  const { kernel, stride, dilation } = placement;
  if (dilation.some((step) => step > 1) || !tf.getKernel(tf.Conv2DBackpropFilter, tf.getBackend())) {
    return correlateByConvolution(x, dy, placement);
  }
  const { pictures, padding } = prepare(x, placement);
  const filterShape = [...kernel, x.shape[3] ?? 0, dy.shape[3] ?? 0];
  const attributes = { strides: [...stride], pad: padding, dataFormat: 'NHWC', filterShape };
  return tf.engine().runKernel(tf.Conv2DBackpropFilter, { x: pictures, dy }, attributes);
}

/**
 * Samples and channels change places: dy is the kernel that slides over x as pictures with a channel for each sample.
 * Stride and dilation change places, too.
 */
function correlateByConvolution(x: tf.Tensor, dy: tf.Tensor, placement: Placement): tf.Tensor {
  const { kernel, stride, dilation } = placement;
  const pictures = tf.transpose(padPictures(x, placement.padding), [3, 1, 2, 0]);
  const filter = tf.transpose(dy, [1, 2, 0, 3]);
  // Not tf.conv2d: it refuses strides with dilation, which the kernels can do.
  const product: tf.Tensor = tf
    .engine()
    .runKernel(
      tf.Conv2D,
      { x: pictures, filter },
      { strides: [...dilation], pad: 'valid', dataFormat: 'NHWC', dilations: [...stride] },
    );
  const [channels = 0, , , outputs = 0] = product.shape;
  // Cells that no window reaches remain where the stride leaves a remainder.
  return tf.transpose(tf.slice(product, [0, 0, 0, 0], [channels, ...kernel, outputs]), [1, 2, 0, 3]);
}

/** Where the reversed kernel goes in the convolution from the output back to the input; null if there is none. */
function reversed({ kernel, stride, dilation, padding, input, output }: Placement): Placement | null {
  const back = padding.map((cells, side) => (kernel[side >> 1]! - 1) * dilation[side >> 1]! - cells);
  if (stride.some((step) => step > 1) || back.some((cells) => cells < 0)) return null;
  const [top = 0, bottom = 0, left = 0, right = 0] = back;
  return { kernel, stride, dilation, padding: [top, bottom, left, right], input: output, output: input };
}

/**
 * What the kernels get: pictures of this size, and the padding that is left to them. That is none with strides, where
 * the wasm backend gets `same` wrong.
 */
function layout(placement: Placement): { padding: 'valid' | 'same'; size: [number, number] } {
  const { padding, input, stride } = placement;
  const same = samePadding(placement, input);
  const [top, bottom, left, right] = padding;
  return stride.every((step) => step === 1) && padding.every((cells, i) => cells === same[i])
    ? { padding: 'same', size: [...input] }
    : { padding: 'valid', size: [input[0] + top + bottom, input[1] + left + right] };
}

function prepare(x: tf.Tensor, placement: Placement): { padding: 'valid' | 'same'; pictures: tf.Tensor } {
  const { padding } = layout(placement);
  return { padding, pictures: padding === 'same' ? x : padPictures(x, placement.padding) };
}

/** The weight [kh, kw, C, out] with dilation - 1 zeros between its cells. */
function spread(weight: tf.Tensor, { dilation: [vertical, horizontal] }: Placement): tf.Tensor4D {
  if (vertical === 1 && horizontal === 1) return weight as tf.Tensor4D;
  const [height = 0, width = 0, channels = 0, outputs = 0] = weight.shape;
  const features = channels * outputs;
  const rows = tf.pad(tf.reshape(weight, [height, 1, width * features]), [
    [0, 0],
    [0, vertical - 1],
    [0, 0],
  ]);
  const cells = tf.pad(tf.reshape(rows, [height * vertical * width, 1, features]), [
    [0, 0],
    [0, horizontal - 1],
    [0, 0],
  ]);
  const full = tf.reshape(cells, [height * vertical, width * horizontal, channels, outputs]);
  const extent = [(height - 1) * vertical + 1, (width - 1) * horizontal + 1];
  return tf.slice(full, [0, 0, 0, 0], [...extent, channels, outputs]) as tf.Tensor4D;
}

function strides({ stride }: Placement): [number, number] {
  return [...stride];
}
