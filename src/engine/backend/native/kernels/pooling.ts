/** Pooling as TensorFlow.js asks for it; the engine's own pooling is in engine.ts. */
import * as tf from '../../../tf.js';
import type { NativeBackend } from '../backend.js';
import { shapes } from '../shapes.js';
import { areFloats, type KernelTable, type NativeKernel, using } from './kernel.js';

interface PoolAttributes {
  readonly filterSize: [number, number] | number;
  readonly strides: [number, number] | number;
  readonly pad: 'valid' | 'same' | number | tf.backend_util.ExplicitPadding;
  readonly dimRoundingMode?: 'floor' | 'round' | 'ceil';
}

/** Tell the addon where the windows are. */
function putWindows(pictures: readonly number[], attributes: PoolAttributes): tf.backend_util.Conv2DInfo | null {
  if (pictures.includes(0)) return null;
  const { filterSize, strides, pad, dimRoundingMode } = attributes;
  const info = tf.backend_util.computePool2DInfo(
    pictures as [number, number, number, number],
    filterSize,
    strides,
    1,
    pad,
    dimRoundingMode,
  );
  shapes.set([
    info.batchSize,
    info.inHeight,
    info.inWidth,
    info.inChannels,
    info.outHeight,
    info.outWidth,
    info.filterHeight,
    info.filterWidth,
    info.strideHeight,
    info.strideWidth,
    info.dilationHeight,
    info.dilationWidth,
    info.padInfo.top,
    info.padInfo.left,
  ]);
  return info.outShape.includes(0) ? null : info;
}

const maxPool: NativeKernel = ({ inputs, attrs, backend }) => {
  const { x } = inputs as { x: tf.TensorInfo };
  const info = areFloats(x) ? putWindows(x.shape, attrs as unknown as PoolAttributes) : null;
  if (!info) return null;
  const y = backend.empty(info.outShape, 'float32');
  backend.addon.maxPool(backend.floats(x), backend.floats(y), null);
  return y;
};

/** The maximum and the cell that attains it. */
function poolWithCells(backend: NativeBackend, x: tf.TensorInfo, outShape: readonly number[]): tf.TensorInfo[] {
  const [y, chosen] = [backend.empty(outShape, 'float32'), backend.empty(outShape, 'float32')];
  backend.addon.maxPool(backend.floats(x), backend.floats(y), backend.floats(chosen));
  return [y, chosen];
}

const maxPoolGrad: NativeKernel = ({ inputs, attrs, backend }) => {
  const { dy, input } = inputs as { dy: tf.TensorInfo; input: tf.TensorInfo };
  const info = areFloats(dy, input) ? putWindows(input.shape, attrs as unknown as PoolAttributes) : null;
  if (!info) return null;
  const [y, chosen] = poolWithCells(backend, input, info.outShape) as [tf.TensorInfo, tf.TensorInfo];
  backend.disposeIntermediateTensorInfo(y);
  return using(backend, chosen, () => {
    const dx = backend.empty(input.shape, 'float32');
    backend.addon.spreadCells(backend.floats(dy), backend.floats(chosen), backend.floats(dx), 1);
    return dx;
  });
};

const maxPoolWithArgmax: NativeKernel = ({ inputs, attrs, backend }) => {
  const { x } = inputs as { x: tf.TensorInfo };
  const { includeBatchInIndex } = attrs as { includeBatchInIndex: boolean };
  const info = areFloats(x) ? putWindows(x.shape, attrs as unknown as PoolAttributes) : null;
  if (!info) return null;
  const [y, chosen] = poolWithCells(backend, x, info.outShape) as [tf.TensorInfo, tf.TensorInfo];
  return using(backend, chosen, () => {
    const index = backend.empty(info.outShape, 'int32');
    backend.addon.cellPositions(backend.floats(chosen), backend.ints(index), includeBatchInIndex);
    return [y, index];
  });
};

const avgPool: NativeKernel = ({ inputs, attrs, backend }) => {
  const { x } = inputs as { x: tf.TensorInfo };
  const info = areFloats(x) ? putWindows(x.shape, attrs as unknown as PoolAttributes) : null;
  if (!info) return null;
  const y = backend.empty(info.outShape, 'float32');
  backend.addon.avgPool(backend.floats(x), backend.floats(y), false);
  return y;
};

/** The transpose of `avgPool`: the cpu backend's kernel divides by the whole window, padding and all. */
const avgPoolGrad: NativeKernel = ({ inputs, attrs, backend }) => {
  const { dy, input } = inputs as { dy: tf.TensorInfo; input: tf.TensorInfo };
  const info = areFloats(dy, input) ? putWindows(input.shape, attrs as unknown as PoolAttributes) : null;
  if (!info) return null;
  const dx = backend.empty(input.shape, 'float32');
  backend.addon.avgPoolTransposed(backend.floats(dy), backend.floats(dx), false);
  return dx;
};

export const pooling: KernelTable = {
  MaxPool: maxPool,
  MaxPoolGrad: maxPoolGrad,
  MaxPoolWithArgmax: maxPoolWithArgmax,
  AvgPool: avgPool,
  AvgPoolGrad: avgPoolGrad,
};
