/** Kernels that move elements and compute nothing: nearly all of them one walk of the addon's `copy`. */
import * as tf from '../../../tf.js';
import type { NativeBackend } from '../backend.js';
import { broadcastStrides, putWalk, stridesOf } from '../shapes.js';
import { filled, isNative } from './elementwise.js';
import { areFloats, type KernelTable, type NativeKernel, sameShape, sizeOf } from './kernel.js';

/** Where a walk starts in an array, and its stride along each axis. */
interface Layout {
  readonly values: tf.TensorInfo;
  readonly start: number;
  readonly strides: readonly number[];
}

/** Copy a box of this size; false if its axes are too many for the addon. */
function copyBox(backend: NativeBackend, size: readonly number[], from: Layout, to: Layout): boolean {
  if (size.includes(0)) return true;
  if (!putWalk(size, from.strides, to.strides, to.strides)) return false;
  const source = backend.numbers(from.values);
  backend.addon.copy(source, from.start, backend.numbers(to.values), to.start, source.BYTES_PER_ELEMENT);
  return true;
}

function whole(values: tf.TensorInfo): Layout {
  return { values, start: 0, strides: stridesOf(values.shape) };
}

/** A tensor of this shape, filled by walking through x. */
function gathered(
  backend: NativeBackend,
  x: tf.TensorInfo,
  shape: readonly number[],
  start: number,
  strides: readonly number[],
): tf.TensorInfo | null {
  if (!isNative(x.dtype)) return null;
  const y = backend.empty(shape, x.dtype);
  if (copyBox(backend, shape, { values: x, start, strides }, whole(y))) return y;
  backend.disposeIntermediateTensorInfo(y);
  return null;
}

/** The elements repeated along axes of length 1, and along new ones in front. */
export function broadcastTo(backend: NativeBackend, x: tf.TensorInfo, shape: readonly number[]): tf.TensorInfo {
  const y = gathered(backend, x, shape, 0, broadcastStrides(x.shape, shape.length));
  if (!y) throw new Error(`[${x.shape.join()}] has too many axes to be broadcast to [${shape.join()}]`);
  return y;
}

export function transposed(backend: NativeBackend, x: tf.TensorInfo, perm: readonly number[]): tf.TensorInfo | null {
  const shape = perm.map((axis) => x.shape[axis]!);
  const own = stridesOf(x.shape);
  // Where only axes of length 1 move, the elements stay in order.
  const moved = perm.filter((axis) => x.shape[axis] !== 1);
  if (moved.every((axis, i) => i === 0 || moved[i - 1]! < axis)) return backend.alias(x, shape);
  const strides = perm.map((axis) => own[axis]!);
  return gathered(backend, x, shape, 0, strides);
}

export function sliced(
  backend: NativeBackend,
  x: tf.TensorInfo,
  begin: readonly number[],
  size: readonly number[],
): tf.TensorInfo | null {
  if (sameShape(size, x.shape)) return backend.alias(x, x.shape);
  const strides = stridesOf(x.shape);
  const start = begin.reduce((sum, at, axis) => sum + at * strides[axis]!, 0);
  return gathered(backend, x, size, start, strides);
}

const slice: NativeKernel = ({ inputs, attrs, backend }) => {
  const { x } = inputs as { x: tf.TensorInfo };
  const { begin, size } = attrs as { begin: number | number[]; size: number | number[] };
  const [first, lengths] = tf.slice_util.parseSliceParams(x, begin, size);
  tf.slice_util.assertParamsValid(x, first!, lengths!);
  return sliced(backend, x, first!, lengths!);
};

const pad: NativeKernel = ({ inputs, attrs, backend }) => {
  const { x } = inputs as { x: tf.TensorInfo };
  const { paddings, constantValue } = attrs as { paddings: [number, number][]; constantValue: number };
  if (!isNative(x.dtype)) return null;
  const shape = x.shape.map((length, axis) => paddings[axis]![0] + length + paddings[axis]![1]);
  const y = filled(backend, shape, x.dtype, constantValue);
  const strides = stridesOf(shape);
  const start = paddings.reduce((sum, [before], axis) => sum + before * strides[axis]!, 0);
  if (copyBox(backend, x.shape, whole(x), { values: y, start, strides })) return y;
  backend.disposeIntermediateTensorInfo(y);
  return null;
};

function concatenated(backend: NativeBackend, tensors: readonly tf.TensorInfo[], axis: number): tf.TensorInfo | null {
  const [first] = tensors;
  if (!first || !isNative(first.dtype) || tensors.some(({ dtype }) => dtype !== first.dtype)) return null;
  const lengths = tensors.map(({ shape }) => shape[axis]!);
  const shape = first.shape.map((length, a) => (a === axis ? lengths.reduce((a, b) => a + b) : length));
  const y = backend.empty(shape, first.dtype);
  const strides = stridesOf(shape);
  let start = 0;
  for (const [i, x] of tensors.entries()) {
    if (!copyBox(backend, x.shape, whole(x), { values: y, start, strides })) {
      backend.disposeIntermediateTensorInfo(y);
      return null;
    }
    start += lengths[i]! * strides[axis]!;
  }
  return y;
}

const concat: NativeKernel = ({ inputs, attrs, backend }) => {
  const tensors = inputs as unknown as tf.TensorInfo[];
  const [axis = 0] = tf.util.parseAxisParam((attrs as { axis: number }).axis, tensors[0]!.shape);
  tf.backend_util.assertParamsConsistent(
    tensors.map(({ shape }) => shape),
    axis,
  );
  return concatenated(backend, tensors, axis);
};

const pack: NativeKernel = ({ inputs, attrs, backend }) => {
  const tensors = inputs as unknown as tf.TensorInfo[];
  const { axis } = attrs as { axis: number };
  const expanded = tensors.map((x) => backend.alias(x, [...x.shape.slice(0, axis), 1, ...x.shape.slice(axis)]));
  const y = concatenated(backend, expanded, axis);
  expanded.forEach((x) => backend.disposeIntermediateTensorInfo(x));
  return y;
};

/** Slices one after the other along an axis. */
function cut(
  backend: NativeBackend,
  x: tf.TensorInfo,
  lengths: readonly number[],
  axis: number,
): tf.TensorInfo[] | null {
  if (!isNative(x.dtype)) return null;
  const begin = x.shape.map(() => 0);
  const parts: tf.TensorInfo[] = [];
  for (const length of lengths) {
    const part = sliced(
      backend,
      x,
      begin,
      x.shape.map((size, a) => (a === axis ? length : size)),
    );
    if (!part) return null;
    parts.push(part);
    begin[axis]! += length;
  }
  return parts;
}

const split: NativeKernel = ({ inputs, attrs, backend }) => {
  const { x } = inputs as { x: tf.TensorInfo };
  const { numOrSizeSplits, axis } = attrs as { numOrSizeSplits: number | number[]; axis: number };
  const [along = 0] = tf.util.parseAxisParam(axis, x.shape);
  return cut(backend, x, tf.backend_util.prepareSplitSize(x, numOrSizeSplits, along), along);
};

const unpack: NativeKernel = ({ inputs, attrs, backend }) => {
  const { value } = inputs as { value: tf.TensorInfo };
  const { axis } = attrs as { axis: number };
  const [along = 0] = tf.util.parseAxisParam(axis, value.shape);
  const parts = cut(backend, value, Array<number>(value.shape[along]!).fill(1), along);
  return (
    parts?.map((part) => {
      const flat = backend.alias(
        part,
        part.shape.filter((_, a) => a !== along),
      );
      backend.disposeIntermediateTensorInfo(part);
      return flat;
    }) ?? null
  );
};

const reverse: NativeKernel = ({ inputs, attrs, backend }) => {
  const { x } = inputs as { x: tf.TensorInfo };
  const axes = tf.util.parseAxisParam((attrs as { dims: number[] }).dims, x.shape);
  const own = stridesOf(x.shape);
  if (x.shape.includes(0)) return null;
  const start = axes.reduce((sum, axis) => sum + (x.shape[axis]! - 1) * own[axis]!, 0);
  const strides = own.map((stride, axis) => (axes.includes(axis) ? -stride : stride));
  return gathered(backend, x, x.shape, start, strides);
};

/** Repeats are axes of their own, along which the source stands still. */
const tile: NativeKernel = ({ inputs, attrs, backend }) => {
  const { x } = inputs as { x: tf.TensorInfo };
  const { reps } = attrs as { reps: number[] };
  const own = stridesOf(x.shape);
  const walk = x.shape.flatMap((length, axis) => [reps[axis]!, length]);
  const strides = own.flatMap((stride) => [0, stride]);
  const y = gathered(backend, x, walk, 0, strides);
  if (!y) return null;
  const shape = x.shape.map((length, axis) => length * reps[axis]!);
  const result = backend.alias(y, shape);
  backend.disposeIntermediateTensorInfo(y);
  return result;
};

const gather: NativeKernel = ({ inputs, attrs, backend }) => {
  const { x, indices } = inputs as { x: tf.TensorInfo; indices: tf.TensorInfo };
  const { axis, batchDims } = attrs as { axis: number; batchDims: number };
  if (!isNative(x.dtype) || indices.dtype !== 'int32' || x.shape.includes(0)) return null;
  const [along = 0] = tf.util.parseAxisParam(axis, x.shape);
  const length = x.shape[along]!;
  const wanted = backend.ints(indices);
  for (let i = 0; i < wanted.length; i++) {
    if (wanted[i]! >= length || wanted[i]! < -length) {
      throw new Error(`GatherV2: the index value ${wanted[i]} is not in [0, ${length - 1}]`);
    }
  }
  const info = tf.backend_util.segment_util.collectGatherOpShapeInfo(x, indices, along, batchDims);
  const y = backend.empty(info.outputShape, x.dtype);
  const from = backend.numbers(x);
  const { batchSize, outerSize, dimSize, sliceSize } = info;
  const perBatch = sizeOf(indices.shape) / batchSize;
  const to = backend.numbers(y);
  backend.addon.gather(from, wanted, to, batchSize, outerSize, dimSize, perBatch, sliceSize, from.BYTES_PER_ELEMENT);
  return y;
};

const segmentSum: NativeKernel = ({ inputs, attrs, backend }) => {
  const { x, segmentIds } = inputs as { x: tf.TensorInfo; segmentIds: tf.TensorInfo };
  const { numSegments } = attrs as { numSegments: number };
  if (!areFloats(x) || segmentIds.dtype !== 'int32' || segmentIds.shape.length !== 1) return null;
  const rest = x.shape.slice(1);
  const y = filled(backend, [numSegments, ...rest], 'float32', 0);
  const count = sizeOf(segmentIds.shape);
  backend.addon.scatterAdd(
    backend.floats(x),
    backend.ints(segmentIds),
    backend.floats(y),
    count,
    numSegments,
    sizeOf(rest),
  );
  return y;
};

/** The same values under another shape. */
const reshape: NativeKernel = ({ inputs, attrs, backend }) => {
  const { x } = inputs as { x: tf.TensorInfo };
  const size = sizeOf(x.shape);
  const shape = tf.util.inferFromImplicitShape((attrs as { shape: number[] }).shape, size);
  tf.util.assert(
    size === sizeOf(shape),
    () => `[${x.shape.join()}] has ${size} elements and cannot become [${shape.join()}]`,
  );
  return isNative(x.dtype) ? backend.alias(x, shape) : null;
};

const expandDims: NativeKernel = ({ inputs, attrs, backend }) => {
  const { input } = inputs as { input: tf.TensorInfo };
  const { dim } = attrs as { dim: number };
  const at = dim < 0 ? input.shape.length + dim + 1 : dim;
  return isNative(input.dtype)
    ? backend.alias(input, [...input.shape.slice(0, at), 1, ...input.shape.slice(at)])
    : null;
};

export const movement: KernelTable = {
  Identity: ({ inputs, backend }) => {
    const { x } = inputs as { x: tf.TensorInfo };
    return isNative(x.dtype) ? backend.alias(x, x.shape) : null;
  },
  Reshape: reshape,
  ExpandDims: expandDims,
  Transpose: ({ inputs, attrs, backend }) => {
    const { x } = inputs as { x: tf.TensorInfo };
    return transposed(backend, x, (attrs as { perm: number[] }).perm);
  },
  Slice: slice,
  PadV2: pad,
  Concat: concat,
  Pack: pack,
  SplitV: split,
  Unpack: unpack,
  Reverse: reverse,
  Tile: tile,
  GatherV2: gather,
  UnsortedSegmentSum: segmentSum,
};
