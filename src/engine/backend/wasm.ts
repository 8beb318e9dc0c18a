import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import * as tf from '../tf.js';
import { type Backend, startBackend } from './candidate.js';

type MatMulAttributes = { readonly transposeA: boolean; readonly transposeB: boolean };
type MatMulInputs = { readonly a: tf.TensorInfo; readonly b: tf.TensorInfo };

/** WebAssembly SIMD. Its threads exist in browsers only. */
export async function activateWasm(): Promise<Omit<Backend, 'name'>> {
  const { version_wasm: version } = await import('@tensorflow/tfjs-backend-wasm');
  await import('@tensorflow/tfjs-backend-cpu'); // holds tensors until the first backend is set
  await startBackend('wasm');
  repairMatMul();
  return { description: 'WebAssembly SIMD, one thread', gpu: false, threads: 1, version };
}

/**
 * Replace the wasm kernel of matMul by one that mends two of its faults.
 *
 * - Its fast product (30 GFLOP/s and more) takes plain operands only; a transposed one goes through a scalar loop at 1
 *   to 3 GFLOP/s. Copying the operand first is a thousandth of the work. The backend's own Transpose kernel jumps
 *   through memory (12 ns an element), so the copy goes tile by tile here (about 1 ns).
 * - It prepares the right operand once for each buffer and ignores that a reshaped view of the same buffer has another
 *   shape: the second view's product is silently wrong. A view whose shape differs from the first one's is copied.
 */
export function repairMatMul(): void {
  const original = tf.getKernel('BatchMatMul', 'wasm');
  if (!original || repaired.has(original.kernelFunc)) return;
  const preparedShape = new WeakMap<tf.DataId, string>();
  /** a b, both plain. */
  const multiply = (backend: BackendWasm, a: tf.TensorInfo, b: tf.TensorInfo): tf.TensorInfo => {
    const shape = b.shape.join();
    const prepared = preparedShape.get(b.dataId) ?? shape;
    const right = prepared === shape ? b : copied(backend, b);
    preparedShape.set(right.dataId, shape);
    const attrs = { transposeA: false, transposeB: false };
    const product = original.kernelFunc({ inputs: { a, b: right }, backend, attrs }) as tf.TensorInfo;
    if (right !== b) backend.disposeData(right.dataId);
    return product;
  };
  const kernelFunc: tf.KernelFunc = ({ inputs, backend, attrs }) => {
    const { a, b } = inputs as unknown as MatMulInputs;
    const { transposeA, transposeB } = attrs as unknown as MatMulAttributes;
    const wasm = backend as BackendWasm;
    const temporary: tf.TensorInfo[] = [];
    const flip = (x: tf.TensorInfo): tf.TensorInfo => {
      const flipped = transposed(wasm, x);
      temporary.push(flipped);
      return flipped;
    };
    let product: tf.TensorInfo;
    if (!transposeA && transposeB && isWider(b, a)) {
      // a b^T = (b a^T)^T copies the smaller operand and the product instead of a large weight.
      const flipped = multiply(wasm, b, flip(a));
      temporary.push(flipped);
      product = transposed(wasm, flipped);
    } else {
      product = multiply(wasm, transposeA ? flip(a) : a, transposeB ? flip(b) : b);
    }
    for (const { dataId } of temporary) wasm.disposeData(dataId);
    return product;
  };
  repaired.add(kernelFunc);
  tf.unregisterKernel('BatchMatMul', 'wasm');
  tf.registerKernel({ ...original, kernelFunc });
}

/** Whether copying b [n, k] is dearer than copying a [m, k] and the product [n, m]. */
function isWider(b: tf.TensorInfo, a: tf.TensorInfo): boolean {
  const [m = 0, k = 0] = a.shape.slice(-2);
  const [n = 0] = b.shape.slice(-2);
  return a.shape.length === b.shape.length && m * (k + n) < n * k;
}

/** Kernels of ours, so that repairing twice does not wrap twice. */
const repaired = new WeakSet<tf.KernelFunc>();

function copied(backend: BackendWasm, x: tf.TensorInfo): tf.TensorInfo {
  const output = backend.makeOutput(x.shape, x.dtype);
  backend.typedArrayFromHeap(output).set(backend.typedArrayFromHeap(x));
  return output;
}

/** A new tensor with the last two axes swapped. */
function transposed(backend: BackendWasm, x: tf.TensorInfo): tf.TensorInfo {
  const [rows = 1, columns = 1] = x.shape.slice(-2);
  const output = backend.makeOutput([...x.shape.slice(0, -2), columns, rows], x.dtype);
  const from = backend.typedArrayFromHeap(x) as Float32Array;
  const to = backend.typedArrayFromHeap(output) as Float32Array;
  const size = rows * columns;
  for (let start = 0; start < from.length; start += size) {
    transposeTiles(from.subarray(start, start + size), to.subarray(start, start + size), rows, columns);
  }
  return output;
}

/** 16 x 16 floats: a tile of both sides stays in the first-level cache. */
const TILE = 16;

function transposeTiles(from: Float32Array, to: Float32Array, rows: number, columns: number): void {
  for (let r0 = 0; r0 < rows; r0 += TILE) {
    const r1 = Math.min(r0 + TILE, rows);
    for (let c0 = 0; c0 < columns; c0 += TILE) {
      const c1 = Math.min(c0 + TILE, columns);
      for (let c = c0; c < c1; c++) {
        for (let r = r0; r < r1; r++) to[c * rows + r] = from[r * columns + c]!;
      }
    }
  }
}
