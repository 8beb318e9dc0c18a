/** One operation that is timed through TensorFlow.js, and what it is compared with. */
import * as tf from '../../dist/engine/tf.js';
import type { Check } from '../results.js';

/** A request to peers/raw.cc without its number of calls. */
export interface RawCall {
  readonly name: string;
  readonly request: string;
  /** FLOP or bytes of a call. */
  readonly work: number;
}

/** What ours has to reach of a peer's rate. */
export interface Bound {
  /** Name of the raw call. */
  readonly of: string;
  readonly kind: Check['kind'];
  readonly bound: number;
}

export interface KernelCase {
  readonly section: 'products' | 'memory';
  readonly name: string;
  /** FLOP (products) or bytes (memory) of a call. */
  readonly work: number;
  readonly raw: readonly RawCall[];
  readonly bounds: readonly Bound[];
  /** Make the operands. The caller disposes `operands`, and what `call` returns. */
  readonly prepare: () => { readonly operands: readonly tf.Tensor[]; readonly call: () => tf.Tensor };
}

/** How large the operands are. */
export interface Scale {
  /** Pictures in a convolution. */
  readonly batch: number;
  /** Divides the sides of a matrix. */
  readonly shrink: number;
  /** Float32 in a tensor that goes through memory, at least. */
  readonly elements: number;
  /** Of the peers. */
  readonly threads: number;
}

/** float32 in [-1, 1) that no two neighbours share; fast also for 10^8 of them. */
export function operand(shape: readonly number[]): tf.Tensor {
  const values = new Float32Array(tf.util.sizeFromShape([...shape]));
  let state = values.length + 1;
  for (let i = 0; i < values.length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    values[i] = state / 2 ** 31;
  }
  return tf.tensor(values, [...shape]);
}
