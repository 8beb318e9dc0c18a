/** Matrix products and convolutions on oneDNN. */
import * as tf from '../../../tf.js';
import type { NativeBackend } from '../backend.js';
import { putConvolution as putPlaced, shapes } from '../shapes.js';
import { binary, filled, unary } from './elementwise.js';
import { areFloats, type Call, type KernelTable, type NativeKernel, sizeOf, using } from './kernel.js';
import { broadcastTo } from './movement.js';

/** op(a) op(b) on the last two axes, the others broadcast. */
function multiplied(
  backend: NativeBackend,
  a: tf.TensorInfo,
  b: tf.TensorInfo,
  transposeA: boolean,
  transposeB: boolean,
): tf.TensorInfo | null {
  const [rankA, rankB] = [a.shape.length, b.shape.length];
  const [rowsA, columnsA] = [a.shape[rankA - 2]!, a.shape[rankA - 1]!];
  const [rowsB, columnsB] = [b.shape[rankB - 2]!, b.shape[rankB - 1]!];
  const [m, k] = transposeA ? [columnsA, rowsA] : [rowsA, columnsA];
  const [inner, n] = transposeB ? [columnsB, rowsB] : [rowsB, columnsB];
  const [outerA, outerB] = [a.shape.slice(0, -2), b.shape.slice(0, -2)];
  const [batchA, batchB] = [sizeOf(outerA), sizeOf(outerB)];
  if (k !== inner) return null; // the kernel in JavaScript says what is wrong
  const outer = tf.broadcast_util.assertAndGetBroadcastShape(outerA, outerB);
  const batch = sizeOf(outer);
  // [2, 1] with [1, 3], say: the addon repeats whole operands only.
  for (const [x, size] of [
    [a, batchA],
    [b, batchB],
  ] as const) {
    if (size === batch || size === 1) continue;
    const full = broadcastTo(backend, x, [...outer, ...x.shape.slice(-2)]);
    const [left, right] = x === a ? [full, b] : [a, full];
    return using(backend, full, () => multiplied(backend, left, right, transposeA, transposeB));
  }
  const product = backend.empty([...outer, m, n], 'float32');
  const [strideA, strideB] = [batchA === 1 ? 0 : m * k, batchB === 1 ? 0 : k * n];
  shapes[0] = batch;
  shapes[1] = m;
  shapes[2] = n;
  shapes[3] = k;
  shapes[4] = strideA;
  shapes[5] = strideB;
  backend.addon.matMul(backend.floats(a), backend.floats(b), backend.floats(product), transposeA, transposeB);
  return product;
}

const matMul: NativeKernel = ({ inputs, attrs, backend }) => {
  const { a, b } = inputs as { a: tf.TensorInfo; b: tf.TensorInfo };
  const { transposeA, transposeB } = attrs as { transposeA: boolean; transposeB: boolean };
  return areFloats(a, b) ? multiplied(backend, a, b, transposeA, transposeB) : null;
};

/** Activations by the names that fused kernels give them. */
const activations: Record<string, string> = {
  relu: 'Relu',
  relu6: 'Relu6',
  elu: 'Elu',
  sigmoid: 'Sigmoid',
  leakyrelu: 'LeakyRelu',
};

type FusedInputs = Partial<Record<'bias' | 'preluActivationWeights', tf.TensorInfo>>;
interface FusedAttributes {
  readonly activation?: string | null;
  readonly leakyreluAlpha?: number;
}

/** Whether `finished` knows what it is asked for. */
function canFinish({ bias, preluActivationWeights: alpha }: FusedInputs, { activation }: FusedAttributes): boolean {
  const known = !activation || activation === 'linear' || activation === 'prelu' || activation in activations;
  return known && (!bias || areFloats(bias)) && (activation !== 'prelu' || (!!alpha && areFloats(alpha)));
}

/** Add the bias and apply the activation; takes `product` over. */
function finished(
  backend: NativeBackend,
  product: tf.TensorInfo,
  { bias, preluActivationWeights: alpha }: FusedInputs,
  { activation, leakyreluAlpha = 0 }: FusedAttributes,
): tf.TensorInfo {
  let result = product;
  const replace = (next: tf.TensorInfo): void => {
    backend.disposeIntermediateTensorInfo(result);
    result = next;
  };
  if (bias) replace(binary(backend, 'Add', result, bias)!);
  if (activation === 'prelu') replace(binary(backend, 'Prelu', result, alpha!)!);
  else if (activation && activation !== 'linear') {
    replace(unary(backend, activations[activation]!, result, leakyreluAlpha));
  }
  return result;
}

const fusedMatMul: NativeKernel = ({ inputs, attrs, backend }) => {
  const { a, b } = inputs as { a: tf.TensorInfo; b: tf.TensorInfo };
  const { transposeA, transposeB } = attrs as { transposeA: boolean; transposeB: boolean };
  if (!areFloats(a, b) || !canFinish(inputs, attrs)) return null;
  const product = multiplied(backend, a, b, transposeA, transposeB);
  return product && finished(backend, product, inputs, attrs);
};

type Four = [number, number, number, number];
interface ConvAttributes {
  readonly strides: [number, number] | number;
  readonly pad: 'valid' | 'same' | number | tf.backend_util.ExplicitPadding;
  readonly dataFormat?: 'NHWC' | 'NCHW';
  readonly dilations?: [number, number] | number;
  readonly dimRoundingMode?: 'floor' | 'round' | 'ceil';
}

/** Tell the addon where a kernel goes over pictures of a shape; null if they are not [n, height, width, channels]. */
function putConvolution(
  pictures: readonly number[],
  filter: readonly number[],
  { strides, pad, dataFormat = 'NHWC', dilations = 1, dimRoundingMode }: ConvAttributes,
): tf.backend_util.Conv2DInfo | null {
  if (dataFormat !== 'NHWC') return null;
  const info = tf.backend_util.computeConv2DInfo(
    pictures as Four,
    filter as Four,
    strides,
    dilations,
    pad,
    dimRoundingMode,
    false,
    'channelsLast',
  );
  // Channels in groups go to a kernel of TensorFlow.js that nobody here uses.
  if (info.inChannels !== filter[2]) return null;
  const { padInfo } = info;
  putPlaced(info.batchSize, info.inChannels, info.outChannels, {
    kernel: [info.filterHeight, info.filterWidth],
    stride: [info.strideHeight, info.strideWidth],
    dilation: [info.dilationHeight, info.dilationWidth],
    padding: [padInfo.top, padInfo.bottom, padInfo.left, padInfo.right],
    input: [info.inHeight, info.inWidth],
    output: [info.outHeight, info.outWidth],
  });
  return info;
}

/** Where there is nothing to multiply, the result is zeros. */
function isEmpty(...tensors: readonly (readonly number[])[]): boolean {
  return tensors.some((shape) => shape.includes(0));
}

function convolved(
  { backend, attrs }: Call,
  x: tf.TensorInfo,
  filter: tf.TensorInfo,
  bias: tf.TensorInfo | null,
): tf.TensorInfo | null {
  const info = putConvolution(x.shape, filter.shape, attrs as unknown as ConvAttributes);
  if (!info || isEmpty(x.shape, filter.shape, info.outShape)) return null;
  const y = backend.empty(info.outShape, 'float32');
  backend.addon.convolve(backend.floats(x), backend.floats(filter), bias && backend.floats(bias), backend.floats(y));
  return y;
}

const conv2d: NativeKernel = (call) => {
  const { x, filter } = call.inputs as { x: tf.TensorInfo; filter: tf.TensorInfo };
  return areFloats(x, filter) ? convolved(call, x, filter, null) : null;
};

const fusedConv2d: NativeKernel = (call) => {
  const { x, filter, bias } = call.inputs as { x: tf.TensorInfo; filter: tf.TensorInfo; bias?: tf.TensorInfo };
  if (!areFloats(x, filter) || !canFinish(call.inputs, call.attrs)) return null;
  // A bias for each channel goes into the convolution; one of another shape is added behind it.
  const inside = bias?.shape.length === 1 && bias.shape[0] === filter.shape[3] ? bias : null;
  const y = convolved(call, x, filter, inside);
  const { preluActivationWeights } = call.inputs as FusedInputs;
  const left = inside ? { ...(preluActivationWeights && { preluActivationWeights }) } : call.inputs;
  return y && finished(call.backend, y, left, call.attrs);
};

const conv2dBackpropInput: NativeKernel = ({ inputs, attrs, backend }) => {
  const { dy, filter } = inputs as { dy: tf.TensorInfo; filter: tf.TensorInfo };
  const { inputShape, ...rest } = attrs as unknown as ConvAttributes & { inputShape: number[] };
  if (!areFloats(dy, filter)) return null;
  const info = putConvolution(inputShape, filter.shape, rest);
  if (!info) return null;
  if (isEmpty(dy.shape, filter.shape, inputShape)) return filled(backend, inputShape, 'float32', 0);
  const dx = backend.empty(inputShape, 'float32');
  backend.addon.convolveBackwardData(backend.floats(dy), backend.floats(filter), backend.floats(dx));
  return dx;
};

const conv2dBackpropFilter: NativeKernel = ({ inputs, attrs, backend }) => {
  const { x, dy } = inputs as { x: tf.TensorInfo; dy: tf.TensorInfo };
  const { filterShape, ...rest } = attrs as unknown as ConvAttributes & { filterShape: number[] };
  if (!areFloats(x, dy)) return null;
  const info = putConvolution(x.shape, filterShape, rest);
  if (!info) return null;
  if (isEmpty(x.shape, dy.shape)) return filled(backend, filterShape, 'float32', 0);
  const dw = backend.empty(filterShape, 'float32');
  backend.addon.convolveBackwardWeights(backend.floats(x), backend.floats(dy), backend.floats(dw));
  return dw;
};

export const dense: KernelTable = {
  BatchMatMul: matMul,
  _FusedMatMul: fusedMatMul,
  Conv2D: conv2d,
  FusedConv2D: fusedConv2d,
  Conv2DBackpropInput: conv2dBackpropInput,
  Conv2DBackpropFilter: conv2dBackpropFilter,
};
