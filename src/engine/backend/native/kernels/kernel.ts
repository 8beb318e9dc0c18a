import type * as tf from '../../../tf.js';
import type { NativeBackend } from '../backend.js';

/** What TensorFlow.js hands to a kernel; each kernel knows the shapes of its own inputs and attributes. */
export interface Call {
  readonly inputs: Readonly<Record<string, tf.TensorInfo>>;
  readonly attrs: Readonly<Record<string, unknown>>;
  readonly backend: NativeBackend;
}

/** A kernel in C++; null hands the call back to the kernel in JavaScript. */
export type NativeKernel = (call: Call) => tf.TensorInfo | tf.TensorInfo[] | null;

/** Kernels by the name that TensorFlow.js, or the engine, calls them by. */
export type KernelTable = Readonly<Record<string, NativeKernel>>;

export function areFloats(...tensors: readonly tf.TensorInfo[]): boolean {
  return tensors.every(({ dtype }) => dtype === 'float32');
}

export function sameShape(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((length, axis) => length === b[axis]);
}

export function sizeOf(shape: readonly number[]): number {
  let size = 1;
  for (const length of shape) size *= length;
  return size;
}

/** The number by which the addon knows an operation. */
export function ordinal(names: readonly string[], name: string): number {
  const found = names.indexOf(name);
  if (found < 0) throw new Error(`the native addon has no operation "${name}": build it again (hbp native --force)`);
  return found;
}

/** Run `body` with a temporary tensor, which is freed afterwards. */
export function using<T>(backend: NativeBackend, temporary: tf.TensorInfo, body: (x: tf.TensorInfo) => T): T {
  try {
    return body(temporary);
  } finally {
    backend.disposeIntermediateTensorInfo(temporary);
  }
}
