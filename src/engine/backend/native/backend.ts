import { totalmem } from 'node:os';
import { MathBackendCPU } from '@tensorflow/tfjs-backend-cpu';
import * as tf from '../../tf.js';
import { type Addon, loadAddon } from './addon.js';
import { BufferPool, type Numbers, type NumbersConstructor } from './pool.js';
import { shapes } from './shapes.js';

/** Kinds of elements that native kernels know. */
export type NativeType = 'float32' | 'int32' | 'bool';

const constructors: Record<NativeType, NumbersConstructor> = {
  float32: Float32Array,
  int32: Int32Array,
  bool: Uint8Array,
};

/** Share of the machine's memory that unused buffers may keep. */
const mostFreeShare = 1 / 4;

/**
 * The cpu backend of TensorFlow.js with its values on recycled buffers and the kernels that matter in C++ on oneDNN.
 * What has no native kernel runs in JavaScript, on the same values.
 */
export class NativeBackend extends MathBackendCPU {
  readonly addon: Addon;
  readonly pool: BufferPool;

  /** @throws Error  the addon is not built, or does not load */
  constructor() {
    super();
    this.addon = loadAddon();
    this.addon.setShapes(shapes);
    this.pool = new BufferPool(this.addon, totalmem() * mostFreeShare);
  }

  /** A new tensor with arbitrary values. */
  empty(shape: readonly number[], dtype: NativeType): tf.TensorInfo {
    return this.makeTensorInfo(
      [...shape],
      dtype,
      this.pool.take(constructors[dtype], tf.util.sizeFromShape([...shape])),
    );
  }

  /** Another tensor on the same values. */
  alias({ dataId, dtype }: tf.TensorInfo, shape: readonly number[]): tf.TensorInfo {
    this.incRef(dataId);
    return { dataId, shape: [...shape], dtype };
  }

  floats(x: tf.TensorInfo): Float32Array {
    return this.#values(x, Float32Array);
  }

  ints(x: tf.TensorInfo): Int32Array {
    return this.#values(x, Int32Array);
  }

  bytes(x: tf.TensorInfo): Uint8Array {
    return this.#values(x, Uint8Array);
  }

  /** The values, of whichever kind the tensor's type says. */
  numbers(x: tf.TensorInfo): Numbers {
    return this.#values(x, constructors[x.dtype as NativeType]);
  }

  /** Kernels in JavaScript may leave values of another kind behind, which the addon would misread. */
  #values<T extends NumbersConstructor>({ dataId }: tf.TensorInfo, Kind: T): InstanceType<T> {
    const { values } = this.data.get(dataId);
    return (values instanceof Kind ? values : new Kind(values as unknown as ArrayLike<number>)) as InstanceType<T>;
  }

  override write(values: tf.BackendValues, shape: number[], dtype: tf.DataType): tf.DataId {
    this.#hold(values);
    return super.write(values, shape, dtype);
  }

  override move(dataId: tf.DataId, values: tf.BackendValues, shape: number[], dtype: tf.DataType, refs: number): void {
    this.#hold(values);
    super.move(dataId, values, shape, dtype, refs);
  }

  override disposeData(dataId: tf.DataId, force = false): boolean {
    const values = this.data.has(dataId) ? this.data.get(dataId).values : undefined;
    const disposed = super.disposeData(dataId, force);
    if (disposed && ArrayBuffer.isView(values)) this.pool.release(values);
    return disposed;
  }

  /** A copy: the buffer will hold other values once the tensor is disposed. */
  override readSync(dataId: tf.DataId): tf.BackendValues {
    const values = super.readSync(dataId);
    return ArrayBuffer.isView(values) && this.pool.owns(values) ? (values as Float32Array).slice() : values;
  }

  override read(dataId: tf.DataId): Promise<tf.BackendValues> {
    return Promise.resolve(this.readSync(dataId));
  }

  #hold(values: tf.BackendValues | null): void {
    if (ArrayBuffer.isView(values)) this.pool.hold(values);
  }
}
