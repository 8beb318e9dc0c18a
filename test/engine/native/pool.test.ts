import { BufferPool } from '../../../src/engine/backend/native/pool.js';

/** A pool whose buffers begin 16 bytes behind a cache line, as those of Node do. */
function poolOf(mostFreeBytes = 2 ** 30): BufferPool {
  return new BufferPool({ prepare: () => 16 }, mostFreeBytes);
}

describe('the pool of buffers', () => {
  it('gives a buffer out again once its last holder has let go', () => {
    const pool = poolOf();
    const first = pool.take(Float32Array, 1000);
    pool.hold(first);
    pool.hold(first.subarray(10, 20)); // a view that is a tensor's, too
    pool.release(first);
    expect(pool.take(Float32Array, 1000).buffer).not.toBe(first.buffer);
    pool.release(first);
    expect(pool.take(Float32Array, 1000)).toBe(first);
  });

  it('shares buffers between kinds and nearly equal lengths', () => {
    const pool = poolOf();
    const floats = pool.take(Float32Array, 1000);
    pool.hold(floats);
    pool.release(floats);
    const ints = pool.take(Int32Array, 990);
    expect(ints.buffer).toBe(floats.buffer);
    expect(ints).toBeInstanceOf(Int32Array);
    expect(ints.length).toBe(990);
    pool.hold(ints);
    pool.release(ints);
    expect(pool.take(Uint8Array, 4000).buffer).toBe(ints.buffer);
  });

  it('wastes at most an eighth', () => {
    const pool = poolOf();
    for (const length of [1, 63, 65, 100, 1000, 1025, 4097, 99_999, 1_000_001]) {
      const { buffer } = pool.take(Float32Array, length);
      expect(buffer.byteLength).toBeLessThanOrEqual(Math.max(4 * length * 1.125, 4 * length + 64) + 64);
    }
  });

  it('begins at a cache line', () => {
    expect((poolOf().take(Float32Array, 5).byteOffset + 16) % 64).toBe(0);
  });

  it('knows its own buffers', () => {
    const pool = poolOf();
    expect(pool.owns(pool.take(Float32Array, 5).subarray(1, 2))).toBe(true);
    expect(pool.owns(new Float32Array(5))).toBe(false);
    pool.hold(new Float32Array(5)); // of no consequence
    pool.release(new Float32Array(5));
    expect(pool.freeBytes).toBe(0);
  });

  it('forgets the largest free buffers beyond its limit', () => {
    const pool = poolOf(10_000);
    const [small, large] = [pool.take(Float32Array, 1000), pool.take(Float32Array, 2000)];
    for (const values of [small, large]) pool.hold(values);
    pool.release(small);
    expect(pool.freeBytes).toBe(4096);
    pool.release(large);
    expect(pool.freeBytes).toBe(4096);
    expect(pool.take(Float32Array, 1000)).toBe(small);
  });
});
