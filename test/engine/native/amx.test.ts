/**
 * Products and convolutions as large as those that go to the processor's matrix unit where there is one, which knows bfloat16 only: they must be
 * float32's all the same. Without one, these tests hold oneDNN's to the same.
 */
import { loadAddon } from '../../../src/engine/backend/native/addon.js';
import { useBackend } from '../../../src/engine/backend/index.js';
import { gram } from '../../../src/engine/fused.js';
import { gradientRows } from '../../../src/engine/nn/gradient-rows.js';
import { placeWindow, windowOf } from '../../../src/engine/nn/window.js';
import * as tf from '../../../src/engine/tf.js';
import { testBackends } from '../../support/backends.js';

const describeNative = testBackends.includes('native') ? describe : describe.skip;

interface Matrix {
  readonly values: Float32Array;
  readonly rows: number;
  readonly columns: number;
}

// Looked up once: in a test's context a global takes long to find.
const { abs, floor, max, fround, imul, sqrt } = Math;

/** How far a sum of `terms` float32 products may be off, relative to the sum of their sizes: roundings add up as chance has it. */
const tolerance = (terms: number): number => 6e-8 * sqrt(terms);

/** Between -1 and 1, with all the digits of float32, by a generator of Lehmer's kind: TensorFlow.js's takes seconds for millions. */
function drawn(count: number, seed: number): Float32Array {
  const values = new Float32Array(count);
  let state = imul(seed, 0x9e3779b1) | 1;
  for (let i = 0; i < count; i++) {
    state = imul(state, 0x2c9277b5) + 0x3c6ef35f;
    values[i] = ((state ^ (state >>> 15)) | 0) / 2 ** 31;
  }
  return values;
}

/** Not as what tf.tidy returns, which it would look through for tensors, number by number. */
function valuesOf(compute: () => tf.Tensor): Float32Array {
  const result = tf.tidy(compute);
  const values = result.dataSync() as Float32Array;
  result.dispose();
  return values;
}

describeNative('large products of the native backend', () => {
  beforeAll(async () => {
    await useBackend('native');
  });
  afterEach(() => loadAddon().setThreads(2));

  function random(rows: number, columns: number, seed: number, of?: (x: number, row: number) => number): Matrix {
    const values = drawn(rows * columns, seed);
    return { values: of ? values.map((x, i) => of(x, floor(i / columns))) : values, rows, columns };
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
    return valuesOf(() =>
      tf.matMul(
        tensorOf(transposeA ? transposed(a) : a),
        tensorOf(transposeB ? transposed(b) : b),
        transposeA,
        transposeB,
      ),
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
      const g = gram(x, { ones: true })!;
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
    const result = gram(input, { ones })!;
    const got = result.dataSync() as Float32Array;
    tf.dispose([input, result]);
    const side = ones ? columns + 1 : columns;
    const full: Matrix = { rows, columns: side, values: new Float32Array(rows * side).fill(1) };
    for (let i = 0; i < rows; i++) full.values.set(x.values.subarray(i * columns, (i + 1) * columns), i * side);
    expect(got).toHaveLength(side * side);
    expect(errorOf(got, transposed(full), full)).toBeLessThan(tolerance(rows));
    expect(isSame(transposed({ values: got, rows: side, columns: side }).values, got)).toBe(true);
  });

  it('of rows with one another are the same, symmetric and exact', () => {
    const [rows, columns] = [290, 517];
    const x = random(rows, columns, 12);
    const input = tensorOf(x);
    const result = gram(input, { ofRows: true })!;
    const got = result.dataSync() as Float32Array;
    tf.dispose([input, result]);
    expect(got).toHaveLength(rows * rows);
    expect(errorOf(got, x, transposed(x))).toBeLessThan(tolerance(columns));
    expect(isSame(transposed({ values: got, rows, columns: rows }).values, got)).toBe(true);
  });
});

/** Sizes of a convolution: pictures, their height, width and channels, outputs, kernel, padding before and after. */
type Sizes = readonly [
  n: number,
  height: number,
  width: number,
  inputs: number,
  outputs: number,
  kernel: readonly [number, number],
  pads: readonly [[number, number], [number, number]],
];

describeNative('large convolutions of the native backend', () => {
  beforeAll(async () => {
    await useBackend('native');
  });
  afterEach(() => loadAddon().setThreads(2));

  const same: Sizes[6] = [
    [1, 1],
    [1, 1],
  ];
  const none: Sizes[6] = [
    [0, 0],
    [0, 0],
  ];
  const cases: readonly [string, Sizes][] = [
    ['rows of whole tiles', [40, 16, 16, 32, 16, [3, 3], same]],
    ['results that are written past the caches', [33, 32, 32, 16, 128, [3, 3], same]],
    ['rows of part of a tile', [60, 14, 12, 32, 48, [3, 3], none]],
    ['tiles through several rows', [64, 6, 5, 64, 32, [3, 3], same]],
    ['a single row', [300, 1, 40, 16, 32, [1, 5], none]],
    ['rows of an odd number of pixels', [60, 9, 13, 32, 32, [3, 3], same]],
    ['a large kernel', [30, 20, 21, 16, 48, [5, 4], none]],
    [
      'uneven kernels and padding',
      [
        50,
        11,
        9,
        48,
        16,
        [2, 5],
        [
          [0, 1],
          [3, 2],
        ],
      ],
    ],
    [
      'pictures smaller than the kernel',
      [
        300,
        3,
        2,
        32,
        64,
        [5, 5],
        [
          [2, 2],
          [2, 2],
        ],
      ],
    ],
  ];

  /** Sums of float64 over a patch, and of the terms' sizes, for some elements of the result. */
  function errorOf(got: Float32Array, x: Float32Array, w: Float32Array, bias: Float32Array, sizes: Sizes): number {
    const [n, height, width, inputs, outputs, [kernelHeight, kernelWidth], [[top, bottom], [left, right]]] = sizes;
    const outHeight = height + top + bottom - kernelHeight + 1;
    const outWidth = width + left + right - kernelWidth + 1;
    expect(got).toHaveLength(n * outHeight * outWidth * outputs);
    let worst = 0;
    for (let pixel = 0; pixel < n * outHeight * outWidth; pixel += pixel < 2 * outHeight * outWidth ? 1 : 307) {
      const picture = floor(pixel / (outHeight * outWidth));
      const row = floor(pixel / outWidth) % outHeight;
      const column = pixel % outWidth;
      const o = (7 * pixel) % outputs;
      let sum = bias[o]!;
      let size = abs(sum);
      for (let r = max(0, top - row); r < kernelHeight && row + r - top < height; r++) {
        for (let s = max(0, left - column); s < kernelWidth && column + s - left < width; s++) {
          const at = ((picture * height + row + r - top) * width + column + s - left) * inputs;
          for (let c = 0; c < inputs; c++) {
            const term = x[at + c]! * w[((r * kernelWidth + s) * inputs + c) * outputs + o]!;
            sum += term;
            size += abs(term);
          }
        }
      }
      worst = max(worst, abs(got[pixel * outputs + o]! - sum) / (size || 1));
    }
    return worst;
  }

  function shapesOf([n, height, width, inputs, outputs, [kernelHeight, kernelWidth]]: Sizes): {
    x: [number, number, number, number];
    w: [number, number, number, number];
  } {
    return { x: [n, height, width, inputs], w: [kernelHeight, kernelWidth, inputs, outputs] };
  }

  function padsOf([, , , , , , [rows, columns]]: Sizes): tf.backend_util.ExplicitPadding {
    return [[0, 0], rows, columns, [0, 0]];
  }

  function convolve(x: Float32Array, w: Float32Array, bias: Float32Array, sizes: Sizes): Float32Array {
    const shapes = shapesOf(sizes);
    return valuesOf(() =>
      tf.fused.conv2d({
        x: tf.tensor4d(x, shapes.x),
        filter: tf.tensor4d(w, shapes.w),
        strides: 1,
        pad: padsOf(sizes),
        dilations: 1,
        bias: tf.tensor1d(bias),
      }),
    );
  }

  /** The adjoint in x as a convolution of its own: of dy, with the kernel turned by half and inputs for outputs. */
  function adjoint(dy: Float32Array, w: Float32Array, sizes: Sizes): [Float32Array, Float32Array, Sizes] {
    const [n, height, width, inputs, outputs, kernel, [[top, bottom], [left, right]]] = sizes;
    const [kernelHeight, kernelWidth] = kernel;
    const shapes = shapesOf(sizes);
    const outHeight = height + top + bottom - kernelHeight + 1;
    const outWidth = width + left + right - kernelWidth + 1;
    const attributes = { strides: 1, pad: padsOf(sizes), dataFormat: 'NHWC', inputShape: shapes.x };
    const values = valuesOf(() =>
      tf
        .engine()
        .runKernel(
          'Conv2DBackpropInput',
          { dy: tf.tensor4d(dy, [n, outHeight, outWidth, outputs]), filter: tf.tensor4d(w, shapes.w) },
          attributes,
        ),
    );
    const turned = valuesOf(() => tf.transpose(tf.reverse(tf.tensor4d(w, shapes.w), [0, 1]), [0, 1, 3, 2]));
    const pads: Sizes[6] = [
      [kernelHeight - 1 - top, kernelHeight - 1 - bottom],
      [kernelWidth - 1 - left, kernelWidth - 1 - right],
    ];
    return [values, turned, [n, outHeight, outWidth, outputs, inputs, kernel, pads]];
  }

  it.each(cases)('%s: as exact as float32 is, and so is the adjoint', (_name, sizes) => {
    const [n, height, width, inputs, outputs, [kernelHeight, kernelWidth], [[top, bottom], [left, right]]] = sizes;
    const x = drawn(n * height * width * inputs, 1);
    const w = drawn(kernelHeight * kernelWidth * inputs * outputs, 2);
    const bias = drawn(outputs, 3);
    const bound = tolerance(kernelHeight * kernelWidth * max(inputs, outputs));
    expect(errorOf(convolve(x, w, bias, sizes), x, w, bias, sizes)).toBeLessThan(bound);
    const pixels = n * (height + top + bottom - kernelHeight + 1) * (width + left + right - kernelWidth + 1);
    const dy = drawn(pixels * outputs, 4);
    const [got, turned, turnedSizes] = adjoint(dy, w, sizes);
    expect(errorOf(got, dy, turned, new Float32Array(inputs), turnedSizes)).toBeLessThan(bound);
  });

  function gradient(x: Float32Array, dy: Float32Array, sizes: Sizes): Float32Array {
    const shapes = shapesOf(sizes);
    const [n, height, width, , outputs, [kernelHeight, kernelWidth], [[top, bottom], [left, right]]] = sizes;
    const dyShape = [n, height + top + bottom - kernelHeight + 1, width + left + right - kernelWidth + 1, outputs];
    const attributes = { strides: 1, pad: padsOf(sizes), dataFormat: 'NHWC', filterShape: shapes.w };
    return valuesOf(() =>
      tf
        .engine()
        .runKernel('Conv2DBackpropFilter', { x: tf.tensor4d(x, shapes.x), dy: tf.tensor(dy, dyShape) }, attributes),
    );
  }

  /**
   * The largest error of some of the weights' gradients, relative to the sizes of the terms, in float64: summed over all
   * pictures, or of one picture.
   */
  function gradientErrorOf(
    got: Float32Array,
    x: Float32Array,
    dy: Float32Array,
    sizes: Sizes,
    [from, to]: readonly [number, number] = [0, sizes[0]],
  ): number {
    const [, height, width, inputs, outputs, [kernelHeight, kernelWidth], [[top, bottom], [left, right]]] = sizes;
    const outHeight = height + top + bottom - kernelHeight + 1;
    const outWidth = width + left + right - kernelWidth + 1;
    expect(got).toHaveLength(kernelHeight * kernelWidth * inputs * outputs);
    let worst = 0;
    for (let at = 0; at < got.length; at += 401) {
      const [o, c] = [at % outputs, floor(at / outputs) % inputs];
      const [s, r] = [floor(at / outputs / inputs) % kernelWidth, floor(at / outputs / inputs / kernelWidth)];
      let sum = 0;
      let size = 0;
      for (let picture = from; picture < to; picture++) {
        for (let row = max(0, top - r); row < outHeight && row + r - top < height; row++) {
          for (let column = max(0, left - s); column < outWidth && column + s - left < width; column++) {
            const pixel = (picture * height + row + r - top) * width + column + s - left;
            const term = x[pixel * inputs + c]! * dy[((picture * outHeight + row) * outWidth + column) * outputs + o]!;
            sum += term;
            size += abs(term);
          }
        }
      }
      worst = max(worst, abs(got[at]! - sum) / (size || 1));
    }
    return worst;
  }

  it.each(cases)('%s: gradients of the weights are as exact as float32 is', (_name, sizes) => {
    const [n, height, width, inputs, outputs, [kernelHeight, kernelWidth], [[top, bottom], [left, right]]] = sizes;
    const pixels = n * (height + top + bottom - kernelHeight + 1) * (width + left + right - kernelWidth + 1);
    const x = drawn(n * height * width * inputs, 12);
    const dy = drawn(pixels * outputs, 13);
    expect(gradientErrorOf(gradient(x, dy, sizes), x, dy, sizes)).toBeLessThan(5e-7);
    expect(gradientErrorOf(gradient(x.map(abs), dy.map(abs), sizes), x.map(abs), dy.map(abs), sizes)).toBeLessThan(
      2e-6,
    );
  });

  const ofSamples: typeof cases = [
    ...cases,
    ['patches for channels', [40, 32, 32, 3, 16, [3, 3], same]],
    ['uneven patches for channels', [60, 20, 13, 5, 32, [2, 4], none]],
    ['patches of a single channel', [50, 28, 28, 1, 48, [5, 5], same]],
  ];

  /** Of vectors of dy [vectors, n, ...], [vectors, n, weights]. */
  function samplesOf(x: Float32Array, dy: Float32Array, sizes: Sizes, vectors: number): Float32Array {
    const { x: xShape } = shapesOf(sizes);
    const [n, height, width, , outputs, kernel, [[top, bottom], [left, right]]] = sizes;
    const convolution = placeWindow(windowOf({ kernel, padding: [top, bottom, left, right] }), [height, width]);
    return valuesOf(() =>
      gradientRows(
        tf.tensor4d(x, xShape),
        tf.tensor(dy, [vectors, n, ...convolution.output, outputs]),
        convolution,
        null,
      ),
    );
  }

  it.each(ofSamples)('%s: gradients of each sample are as exact as float32 is', (_name, sizes) => {
    const [n, height, width, inputs, outputs, [kernelHeight, kernelWidth], [[top, bottom], [left, right]]] = sizes;
    const pixels = n * (height + top + bottom - kernelHeight + 1) * (width + left + right - kernelWidth + 1);
    const vectors = 3;
    const x = drawn(n * height * width * inputs, 17);
    const dy = drawn(vectors * pixels * outputs, 18);
    const got = samplesOf(x, dy, sizes, vectors);
    const weights = kernelHeight * kernelWidth * inputs * outputs;
    expect(got).toHaveLength(vectors * n * weights);
    for (const [v, sample] of [
      [0, 0],
      [1, n - 1],
      [2, floor(n / 2)],
      [2, n - 1],
    ] as const) {
      const row = got.subarray((v * n + sample) * weights, (v * n + sample + 1) * weights);
      const ofVector = dy.subarray(v * pixels * outputs, (v + 1) * pixels * outputs);
      expect(gradientErrorOf(row, x, ofVector, sizes, [sample, sample + 1])).toBeLessThan(5e-7);
    }
  });

  it('gradients of each sample keep NaN and infinities where they belong', () => {
    const sizes: Sizes = [40, 16, 16, 32, 32, [3, 3], same];
    const x = drawn(40 * 16 * 16 * 32, 19);
    const dy = drawn(2 * 40 * 16 * 16 * 32, 20).map(abs);
    x[(7 * 256 + 40) * 32 + 5] = Infinity;
    dy[((40 + 3) * 256 + 40) * 32 + 7] = NaN;
    const got = samplesOf(x, dy, sizes, 2);
    const of = (v: number, sample: number, c: number, o: number): number =>
      got[(v * 40 + sample) * 9 * 32 * 32 + (4 * 32 + c) * 32 + o]!;
    expect([of(0, 7, 5, 0), of(1, 7, 5, 31), of(1, 3, 0, 7)]).toEqual([Infinity, Infinity, NaN]);
    expect([of(0, 3, 0, 7), of(1, 3, 0, 8), of(0, 6, 5, 0), of(1, 7, 4, 0)].every(Number.isFinite)).toBe(true);
  });

  it('gradients of the weights keep the last bits of a number', () => {
    // One term each: a single pixel of one picture has a gradient.
    const sizes: Sizes = [40, 16, 16, 32, 32, [3, 3], same];
    const x = drawn(40 * 16 * 16 * 32, 14);
    const dy = new Float32Array(40 * 16 * 16 * 32);
    const pixel = (7 * 16 + 5) * 16 + 9;
    for (let o = 0; o < 32; o++) dy[pixel * 32 + o] = 2 ** (o - 16);
    const got = gradient(x, dy, sizes);
    let differing = 0;
    for (let cell = 0; cell < 9; cell++) {
      const from = pixel + (floor(cell / 3) - 1) * 16 + (cell % 3) - 1;
      for (let c = 0; c < 32; c++) {
        for (let o = 0; o < 32; o++) {
          if (got[(cell * 32 + c) * 32 + o] !== fround(x[from * 32 + c]! * 2 ** (o - 16))) differing++;
        }
      }
    }
    expect(differing).toBe(0);
  });

  it('gradients of the weights keep NaN and infinities where they belong', () => {
    const sizes: Sizes = [40, 16, 16, 32, 32, [3, 3], same];
    const x = drawn(40 * 16 * 16 * 32, 15);
    const dy = drawn(40 * 16 * 16 * 32, 16).map(abs);
    x[5] = Infinity;
    dy[(3 * 256 + 40) * 32 + 7] = NaN;
    const got = gradient(x, dy, sizes);
    const of = (cell: number, c: number, o: number): number => got[(cell * 32 + c) * 32 + o]!;
    expect([of(4, 5, 0), of(4, 0, 7), of(8, 3, 7)]).toEqual([Infinity, NaN, NaN]);
    expect([of(8, 5, 0), of(4, 0, 0), of(0, 31, 31)].every(Number.isFinite)).toBe(true);
  });

  it.each([0x7fffffff, 0xffffffff, 0xff800001])('gradients of the weights keep a NaN of the bits %i', (bits) => {
    const sizes: Sizes = [40, 16, 16, 32, 32, [3, 3], same];
    const x = drawn(40 * 16 * 16 * 32, 21);
    const dy = drawn(40 * 16 * 16 * 32, 22);
    // At the left side of a picture: the kernel's last column never meets it.
    new Uint32Array(x.buffer)[(5 * 256 + 3 * 16) * 32 + 3] = bits;
    for (const values of [gradient(x, dy, sizes), samplesOf(x, dy, sizes, 1).subarray(5 * 9 * 32 * 32)]) {
      expect(values[(4 * 32 + 3) * 32]).toBeNaN();
      expect(values[(5 * 32 + 3) * 32]).not.toBeNaN();
    }
  });

  it('keep the last bits of a number', () => {
    const sizes: Sizes = [40, 16, 16, 32, 32, [3, 3], same];
    const x = drawn(40 * 16 * 16 * 32, 5);
    const w = new Float32Array(9 * 32 * 32);
    for (let c = 0; c < 32; c++) w[(4 * 32 + c) * 32 + c] = 1;
    expect(Buffer.from(convolve(x, w, new Float32Array(32), sizes).buffer).equals(Buffer.from(x.buffer))).toBe(true);
  });

  it('keep NaN and infinities where they belong', () => {
    const sizes: Sizes = [40, 16, 16, 32, 32, [3, 3], same];
    const x = drawn(40 * 16 * 16 * 32, 6);
    const w = drawn(9 * 32 * 32, 7).map(abs);
    x[0] = NaN;
    x[(16 * 16 + 5 * 16 + 5) * 32] = Infinity;
    const got = convolve(x, w, new Float32Array(32), sizes);
    const reached = (picture: number, row: number, column: number): number =>
      got[((picture * 16 + row) * 16 + column) * 32]!;
    expect([reached(0, 1, 1), reached(1, 4, 4), reached(1, 6, 6)]).toEqual([NaN, Infinity, Infinity]);
    expect([reached(0, 2, 2), reached(0, 15, 15), reached(1, 7, 7), reached(2, 0, 0)].every(Number.isFinite)).toBe(
      true,
    );
  });

  it('do not depend on the number of threads', () => {
    const sizes: Sizes = [37, 14, 12, 32, 48, [3, 3], same];
    const x = drawn(37 * 14 * 12 * 32, 8);
    const w = drawn(9 * 32 * 48, 9);
    const bias = drawn(48, 10);
    const dy = drawn(37 * 14 * 12 * 48, 11);
    const [one, ...others] = [1, 2, 5].map((threads) => {
      loadAddon().setThreads(threads);
      return [
        convolve(x, w, bias, sizes),
        adjoint(dy, w, sizes)[0],
        // oneDNN's does.
        ...(loadAddon().amx ? [gradient(x, dy, sizes)] : []),
        samplesOf(x, dy, sizes, 1),
      ].map((values) => Buffer.from(values.buffer));
    });
    for (const other of others) other.forEach((bytes, i) => expect(bytes.equals(one![i]!)).toBe(true));
  });
});
