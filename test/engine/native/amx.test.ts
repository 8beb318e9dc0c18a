/**
 * Products as large as those that go to the processor's matrix unit where there is one, which knows bfloat16 only: they must be
 * float32's all the same. Without one, these tests hold oneDNN's products to the same.
 */
import { loadAddon } from '../../../src/engine/backend/native/addon.js';
import { useBackend } from '../../../src/engine/backend/index.js';
import { gram } from '../../../src/engine/fused.js';
import * as tf from '../../../src/engine/tf.js';
import { testBackends } from '../../support/backends.js';

const describeNative = testBackends.includes('native') ? describe : describe.skip;

interface Matrix {
  readonly values: Float32Array;
  readonly rows: number;
  readonly columns: number;
}

// Looked up once: in a test's context a global takes long to find.
const { abs, floor, max, fround, sqrt } = Math;

/** How far a sum of `terms` float32 products may be off, relative to the sum of their sizes: roundings add up as chance has it. */
const tolerance = (terms: number): number => 6e-8 * sqrt(terms);

describeNative('large products of the native backend', () => {
  beforeAll(async () => {
    await useBackend('native');
  });
  afterEach(() => loadAddon().setThreads(2));

  function random(rows: number, columns: number, seed: number, of?: (x: number, row: number) => number): Matrix {
    const drawn = tf.tidy(() => tf.randomNormal([rows, columns], 0, 1, 'float32', seed).dataSync() as Float32Array);
    return { values: of ? drawn.map((x, i) => of(x, floor(i / columns))) : drawn, rows, columns };
  }

  function transposed({ values, rows, columns }: Matrix): Matrix {
    const turned = new Float32Array(values.length);
    for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) turned[j * rows + i] = values[i * columns + j]!;
    return { values: turned, rows: columns, columns: rows };
  }

  function tensorOf({ values, rows, columns }: Matrix): tf.Tensor2D {
    return tf.tensor2d(values, [rows, columns]);
  }

  function multiply(a: Matrix, b: Matrix, transposeA = false, transposeB = false): Float32Array {
    return tf.tidy(
      () =>
        tf
          .matMul(
            tensorOf(transposeA ? transposed(a) : a),
            tensorOf(transposeB ? transposed(b) : b),
            transposeA,
            transposeB,
          )
          .dataSync() as Float32Array,
    );
  }

  /** The largest |got - a b| / (|a| |b|), in float64, over some rows. */
  function errorOf(got: Float32Array, a: Matrix, b: Matrix, everyRow = 7): number {
    let worst = 0;
    const sums = new Float64Array(b.columns);
    const sizes = new Float64Array(b.columns);
    for (let i = 0; i < a.rows; i += everyRow) {
      sums.fill(0);
      sizes.fill(0);
      for (let p = 0; p < a.columns; p++) {
        const factor = a.values[i * a.columns + p]!;
        for (let j = 0; j < b.columns; j++) {
          const term = factor * b.values[p * b.columns + j]!;
          sums[j]! += term;
          sizes[j]! += abs(term);
        }
      }
      for (let j = 0; j < b.columns; j++)
        worst = max(worst, abs(got[i * b.columns + j]! - sums[j]!) / (sizes[j]! || 1));
    }
    return worst;
  }

  function diagonal(of: (i: number) => number): Matrix {
    const values = new Float32Array(256 * 256);
    for (let i = 0; i < 256; i++) values[i * 256 + i] = of(i);
    return { values, rows: 256, columns: 256 };
  }

  /** Bit by bit; the matcher takes seconds for so many numbers. */
  function isSame(a: Float32Array, b: Float32Array): boolean {
    return Buffer.from(a.buffer, a.byteOffset, a.byteLength).equals(Buffer.from(b.buffer, b.byteOffset, b.byteLength));
  }

  it.each([
    [256, 512, 128],
    [300, 257, 129],
    [129, 1000, 515],
    [1025, 130, 97],
    [520, 1040, 65],
  ])('[%d x %d], %d deep, are as exact as float32 is, transposed or not', (m, n, k) => {
    const a = random(m, k, 1);
    const b = random(k, n, 2);
    for (const [transposeA, transposeB] of [
      [false, false],
      [true, false],
      [false, true],
      [true, true],
    ]) {
      expect(errorOf(multiply(a, b, transposeA, transposeB), a, b)).toBeLessThan(tolerance(k));
    }
  });

  it('are so for rows of any size', () => {
    const sizes = [1e-30, 1e-12, 1, 1e12, 1e30];
    const a = random(300, 128, 3, (x, row) => x * sizes[row % 5]!);
    const b = random(128, 300, 4);
    expect(errorOf(multiply(a, b), a, b)).toBeLessThan(tolerance(128));
  });

  it('keep the last bits of a number', () => {
    // One term each: what splitting loses shows.
    const a = random(256, 256, 5);
    const unit = diagonal(() => 1);
    expect(isSame(multiply(a, unit), a.values)).toBe(true);
    expect(isSame(multiply(unit, a), a.values)).toBe(true);
    const scales = random(1, 256, 12).values;
    const b = diagonal((i) => scales[i]!);
    expect(errorOf(multiply(a, b), a, b, 1)).toBeLessThan(2.5e-7);
    expect(errorOf(multiply(b, a), b, a, 1)).toBeLessThan(2.5e-7);
  });

  it('keep NaN, infinities and the largest numbers where they belong', () => {
    const a = random(256, 256, 6, abs);
    const b = random(256, 256, 7, abs);
    const clean = multiply(a, b);
    a.values[3 * 256 + 5] = Infinity;
    a.values[4 * 256 + 6] = NaN;
    a.values.fill(0, 9 * 256, 10 * 256);
    a.values[9 * 256] = fround(3.4028234e38);
    b.values.fill(fround(0.25), 0, 256);
    const got = multiply(a, b);
    for (let j = 0; j < 256; j++) {
      expect(got[3 * 256 + j]).toBe(Infinity);
      expect(got[4 * 256 + j]).toBeNaN();
      expect(got[9 * 256 + j]).toBe(fround(fround(3.4028234e38) * 0.25));
    }
    expect(Number.isFinite(clean[3 * 256])).toBe(true);
    expect(errorOf(got.slice(10 * 256), { ...a, values: a.values.slice(10 * 256), rows: 246 }, b)).toBeLessThan(
      tolerance(256),
    );
  });

  it('do not depend on the number of threads', () => {
    const a = random(523, 331, 8);
    const b = random(331, 777, 9);
    const x = tensorOf(random(700, 390, 10));
    const [one, ...others] = [1, 2, 5].map((threads) => {
      loadAddon().setThreads(threads);
      const g = gram(x, true)!;
      const all = [
        multiply(a, b),
        multiply(a, b, true, false),
        multiply(a, b, false, true),
        g.dataSync() as Float32Array,
      ];
      g.dispose();
      return all;
    });
    for (const other of others) other.forEach((values, i) => expect(isSame(values, one![i]!)).toBe(true));
    x.dispose();
  });

  it.each([
    [300, 260, false],
    [130, 513, true],
  ])('of a matrix [%d, %d] with itself are symmetric and exact, with ones: %s', (rows, columns, ones) => {
    const x = random(rows, columns, 11);
    const input = tensorOf(x);
    const result = gram(input, ones)!;
    const got = result.dataSync() as Float32Array;
    tf.dispose([input, result]);
    const side = ones ? columns + 1 : columns;
    const full: Matrix = { rows, columns: side, values: new Float32Array(rows * side).fill(1) };
    for (let i = 0; i < rows; i++) full.values.set(x.values.subarray(i * columns, (i + 1) * columns), i * side);
    expect(got).toHaveLength(side * side);
    expect(errorOf(got, transposed(full), full)).toBeLessThan(tolerance(rows));
    expect(isSame(transposed({ values: got, rows: side, columns: side }).values, got)).toBe(true);
  });
});
