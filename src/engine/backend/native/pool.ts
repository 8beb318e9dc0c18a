import type { Addon } from './addon.js';

/** What tensors of the native backend hold. */
export type Numbers = Float32Array | Int32Array | Uint8Array;
/** How to view a buffer. */
export type NumbersConstructor = Float32ArrayConstructor | Int32ArrayConstructor | Uint8ArrayConstructor;

/** A buffer and what it is used for now. */
interface Block {
  readonly buffer: ArrayBuffer;
  /** First byte whose address is a multiple of 64. */
  readonly offset: number;
  readonly capacity: number;
  /** Tensors on this buffer; 0: free, or just taken and not yet a tensor's. */
  holders: number;
  /** The last view, used again for the same kind and length. */
  view: Numbers;
}

const alignment = 64;

/**
 * Buffers for tensors, used again and again: fresh memory costs page faults, ten times as dear as the arithmetic on it,
 * and leaves garbage that a synchronous loop never collects.
 *
 * A buffer belongs to the tensors whose values lie on it (views of others, too); with the last of them it is free again.
 * Sizes are rounded up to one of eight steps between powers of two, so that batches of unequal size share buffers.
 */
export class BufferPool {
  readonly #blocks = new WeakMap<ArrayBufferLike, Block>();
  readonly #free = new Map<number, Block[]>();
  #freeBytes = 0;

  /** @param mostFreeBytes  free buffers beyond this are left to the garbage collector */
  constructor(
    private readonly addon: Pick<Addon, 'prepare'>,
    private readonly mostFreeBytes: number,
  ) {}

  /** Bytes in buffers that nobody uses now. */
  get freeBytes(): number {
    return this.#freeBytes;
  }

  /** Numbers of any value, aligned to a cache line. They are the pool's until `hold` and `release` say otherwise. */
  take<T extends NumbersConstructor>(Kind: T, length: number): InstanceType<T> {
    const capacity = roundedUp(length * Kind.BYTES_PER_ELEMENT);
    const block = this.#free.get(capacity)?.pop();
    if (!block) return this.#create(Kind, length, capacity).view as InstanceType<T>;
    this.#freeBytes -= capacity;
    if (block.view.length !== length || block.view.constructor !== Kind) {
      block.view = new Kind(block.buffer, block.offset, length);
    }
    return block.view as InstanceType<T>;
  }

  /** Whether the pool made the buffer under these values: it will be written again when its last holder lets go. */
  owns(values: { readonly buffer: ArrayBufferLike }): boolean {
    return this.#blocks.has(values.buffer);
  }

  /** One more tensor has its values here. */
  hold(values: { readonly buffer: ArrayBufferLike }): void {
    const block = this.#blocks.get(values.buffer);
    if (block) block.holders++;
  }

  /** One tensor fewer. */
  release(values: { readonly buffer: ArrayBufferLike }): void {
    const block = this.#blocks.get(values.buffer);
    if (!block || --block.holders > 0) return;
    this.#freeBytes += block.capacity;
    const free = this.#free.get(block.capacity);
    if (free) free.push(block);
    else this.#free.set(block.capacity, [block]);
    if (this.#freeBytes > this.mostFreeBytes) this.#forgetLargest();
  }

  #create(Kind: NumbersConstructor, length: number, capacity: number): Block {
    const buffer = new ArrayBuffer(capacity + alignment);
    const offset = (alignment - this.addon.prepare(buffer)) % alignment;
    const block = { buffer, offset, capacity, holders: 0, view: new Kind(buffer, offset, length) };
    this.#blocks.set(buffer, block);
    return block;
  }

  /** The largest sizes go first: they are the fewest, and the cheapest to make again for what they hold. */
  #forgetLargest(): void {
    for (const capacity of [...this.#free.keys()].sort((a, b) => b - a)) {
      const free = this.#free.get(capacity)!;
      while (free.length > 0 && this.#freeBytes > this.mostFreeBytes) {
        free.pop();
        this.#freeBytes -= capacity;
      }
      if (free.length === 0) this.#free.delete(capacity);
    }
  }
}

/** The next of eight steps between powers of two. */
function roundedUp(bytes: number): number {
  if (bytes <= 256) return Math.max(64, Math.ceil(bytes / 64) * 64);
  const step = 2 ** (Math.floor(Math.log2(bytes)) - 3);
  return Math.ceil(bytes / step) * step;
}
