import type { Placement } from '../../../src/engine/nn/window.js';
import * as tf from '../../../src/engine/tf.js';
import type { Input, KernelCase, Numbers } from './case.js';

// Globals are slow to look up in a module that jest runs.
const { exp, floor, log } = Math;

/* Plain references for the kernels in which the cpu backend errs, or which it composes; in float64. */

/** a b over broadcast batch axes. */
export function matMul(call: KernelCase): Numbers[] {
  const { a, b } = named(call);
  const { transposeA = false, transposeB = false } = call.attrs as { transposeA?: boolean; transposeB?: boolean };
  const [aRows = 0, aColumns = 0] = a!.shape.slice(-2);
  const [bRows = 0, bColumns = 0] = b!.shape.slice(-2);
  const [m, k] = transposeA ? [aColumns, aRows] : [aRows, aColumns];
  const n = transposeB ? bRows : bColumns;
  const aBatch = a!.shape.slice(0, -2);
  const bBatch = b!.shape.slice(0, -2);
  const batch = tf.broadcast_util.assertAndGetBroadcastShape(aBatch, bBatch);
  const values = new Float32Array(sizeOf(batch) * m * n);
  for (let q = 0; q < sizeOf(batch); q++) {
    const at = locate(q, batch);
    const aStart = offset(at, aBatch) * m * k;
    const bStart = offset(at, bBatch) * k * n;
    for (let i = 0; i < m; i++) {
      for (let j = 0; j < n; j++) {
        let sum = 0;
        for (let l = 0; l < k; l++) {
          const left = a!.values[aStart + (transposeA ? l * m + i : i * k + l)]!;
          sum += left * b!.values[bStart + (transposeB ? j * k + l : l * n + j)]!;
        }
        values[(q * m + i) * n + j] = sum;
      }
    }
  }
  return [{ shape: [...batch, m, n], dtype: 'float32', values }];
}

/** One element at a time, of the input x. */
export function each(f: (x: number) => number): (call: KernelCase) => Numbers[] {
  return (call) => {
    const { x } = named(call);
    return [{ ...x!, values: Float32Array.from(x!.values, f) }];
  };
}

/** Broadcast pairs of the inputs a and b. */
export function pairs(f: (a: number, b: number) => number): (call: KernelCase) => Numbers[] {
  return (call) => {
    const { a, b } = named(call);
    const shape = tf.broadcast_util.assertAndGetBroadcastShape([...a!.shape], [...b!.shape]);
    const values = Float32Array.from({ length: sizeOf(shape) }, (_, i) => {
      const at = locate(i, shape);
      return f(a!.values[offset(at, a!.shape)]!, b!.values[offset(at, b!.shape)]!);
    });
    return [{ shape, dtype: 'float32', values }];
  };
}

/** Whether all elements along the axes are true; of none, they are. */
export function all(call: KernelCase): Numbers[] {
  const { x } = named(call);
  const { axis, keepDims } = call.attrs as { axis: readonly number[]; keepDims: boolean };
  const kept = x!.shape.map((size, i) => (axis.includes(i) ? 1 : size));
  const values = new Uint8Array(sizeOf(kept)).fill(1);
  x!.values.forEach((value, i) => {
    if (!value) values[offset(locate(i, x!.shape), kept)] = 0;
  });
  return [{ shape: keepDims ? kept : kept.filter((_, i) => !axis.includes(i)), dtype: 'bool', values }];
}

/** log softmax over the last axis of x. */
export function logSoftmax(call: KernelCase): Numbers[] {
  const { x } = named(call);
  const classes = x!.shape.at(-1)!;
  const values = new Float32Array(x!.values.length);
  for (let start = 0; start < values.length; start += classes) {
    const row = [...x!.values.subarray(start, start + classes)];
    const largest = row.reduce((a, b) => (a > b ? a : b), -Infinity);
    const logSum = largest + log(row.reduce((sum, value) => sum + exp(value - largest), 0));
    row.forEach((value, i) => (values[start + i] = value - logSum));
  }
  return [{ ...x!, values }];
}

/** The transpose of average pooling: every output's gradient in equal parts to the inputs that it averaged. */
export function avgPoolGrad(call: KernelCase): Numbers[] {
  const { dy, input } = named(call);
  const { filterSize, strides, pad } = call.attrs as Record<'filterSize' | 'strides', [number, number]> & {
    pad: number | 'same' | 'valid';
  };
  const shape = [...input!.shape] as [number, number, number, number];
  const info = tf.backend_util.computePool2DInfo(shape, filterSize, strides, 1, pad);
  const sums = new Float64Array(sizeOf(shape));
  dy!.values.forEach((gradient, i) => {
    const [b, row, column, channel] = locate(i, dy!.shape) as [number, number, number, number];
    const window: number[] = [];
    for (let r = 0; r < info.filterHeight; r++) {
      for (let c = 0; c < info.filterWidth; c++) {
        const y = row * info.strideHeight - info.padInfo.top + r;
        const x = column * info.strideWidth - info.padInfo.left + c;
        if (y >= 0 && y < info.inHeight && x >= 0 && x < info.inWidth) window.push(offset([b, y, x, channel], shape));
      }
    }
    for (const at of window) sums[at]! += gradient / window.length;
  });
  return [{ shape, dtype: 'float32', values: Float32Array.from(sums) }];
}

/**
 * The cells of the picture in the window of element i of a result [V n, outH, outW, C], in row-major order: their number
 * in the window, and the element of the pictures [V n, H, W, C] there.
 */
export function cellsOf(
  i: number,
  result: readonly number[],
  pictures: readonly number[],
  { kernel, stride, dilation, padding }: Placement,
): { cell: number; at: number }[] {
  const [b, row, column, channel] = locate(i, result) as [number, number, number, number];
  const cells: { cell: number; at: number }[] = [];
  for (let cell = 0; cell < kernel[0] * kernel[1]; cell++) {
    const y = row * stride[0] - padding[0] + floor(cell / kernel[1]) * dilation[0];
    const x = column * stride[1] - padding[2] + (cell % kernel[1]) * dilation[1];
    if (y < 0 || y >= pictures[1]! || x < 0 || x >= pictures[2]!) continue;
    cells.push({ cell, at: ((b * pictures[1]! + y) * pictures[2]! + x) * pictures[3]! + channel });
  }
  return cells;
}

function named({ inputs }: KernelCase): Readonly<Record<string, Input>> {
  return inputs as Readonly<Record<string, Input>>;
}

function sizeOf(shape: readonly number[]): number {
  return shape.reduce((a, b) => a * b, 1);
}

/** The coordinates of element i. */
function locate(i: number, shape: readonly number[]): number[] {
  const at = new Array<number>(shape.length);
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    at[axis] = i % shape[axis]!;
    i = floor(i / shape[axis]!);
  }
  return at;
}

/** The element of a tensor of `shape` that broadcasts to the coordinates `at`. */
function offset(at: readonly number[], shape: readonly number[]): number {
  const lead = at.length - shape.length;
  return shape.reduce((flat, size, axis) => flat * size + (size === 1 ? 0 : at[lead + axis]!), 0);
}
