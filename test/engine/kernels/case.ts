import type * as tf from '../../../src/engine/tf.js';
import type { Draw } from './draw.js';

export type DType = 'float32' | 'int32' | 'bool';
export type Values = Float32Array | Int32Array | Uint8Array;

/** The numbers of a tensor, away from any backend. */
export interface Numbers {
  readonly shape: readonly number[];
  readonly dtype: DType;
  readonly values: Values;
}

/** How an input comes about on the backend under test: by itself, or as a view of another tensor. */
export type View = 'plain' | 'reshaped' | 'sliced';

/** An input. The same object in two places of a case is one tensor given twice. */
export interface Input extends Numbers {
  readonly view: View;
}

/** One call of a kernel: by name, or as a list where the kernel takes a list. */
export interface KernelCase {
  readonly inputs: Readonly<Record<string, Input>> | readonly Input[];
  readonly attrs?: Readonly<Record<string, unknown>>;
}

/**
 * How near a float result must come to the reference; integers and booleans are always exact, and NaN and infinities
 * in the same places.
 *
 * - exact: equal, for kernels that move or choose numbers
 * - each: 1e-5 relative for every element; a result that float32 holds only as a denormal number may be flushed to 0
 * - sum: 1e-5 of the largest |element| of the result, or 2e-6 of the largest one that the kernel gives for the
 *   absolute values of its inputs: what cancels in a sum leaves the rounding of its terms behind
 */
export type Tolerance = 'exact' | 'each' | 'sum';

/** A row of the table. */
export interface Kernel {
  /** The kernel's name in TensorFlow.js, or that of an operation that is composed of kernels. */
  readonly name: string;
  readonly tolerance: Tolerance;
  readonly draw: (draw: Draw) => KernelCase;
  /** Composed operations only: how to call it. */
  readonly op?: (
    inputs: Readonly<Record<string, tf.Tensor>>,
    attrs: Readonly<Record<string, unknown>>,
  ) => tf.Tensor | tf.Tensor[] | Promise<tf.Tensor[]>;
  /** The kernels that the operation runs, where they have no row of their own. */
  readonly covers?: readonly string[];
  /** The backends that have it, if these are few. */
  readonly backends?: readonly string[];
  /** Where the cpu backend has no such kernel or errs: what is right. */
  readonly reference?: (call: KernelCase) => Numbers[];
  /** Why there is a reference. */
  readonly because?: string;
  /** Attributes under which the kernel is linear in the absolute values, for the tolerance `sum`. */
  readonly linear?: Readonly<Record<string, unknown>>;
}

/** The inputs of a case in order, each once. */
export function inputsOf({ inputs }: KernelCase): Input[] {
  return [...new Set<Input>(Object.values(inputs))];
}

/** The same list or record of other things. */
export function mapInputs<T>(inputs: KernelCase['inputs'], map: (input: Input) => T): T[] | Record<string, T> {
  if (Array.isArray(inputs)) return (inputs as readonly Input[]).map(map);
  return Object.fromEntries(Object.entries(inputs).map(([name, input]: [string, Input]) => [name, map(input)]));
}

/** A copy as the array type of the dtype: the cpu backend keeps some results in another. */
export function typed(dtype: DType, values: ArrayLike<number>): Values {
  return dtype === 'float32'
    ? new Float32Array(values)
    : dtype === 'int32'
      ? new Int32Array(values)
      : new Uint8Array(values);
}
