import { EigenvalueDecomposition, Matrix } from 'ml-matrix';
import { eigh } from '../../../../src/engine/linalg/eigh.js';
import { type Placement, placeWindow, windowOf } from '../../../../src/engine/nn/window.js';
import * as tf from '../../../../src/engine/tf.js';
import type { Input, Kernel, KernelCase, Numbers } from '../case.js';
import type { Draw } from '../draw.js';
import { cellsOf } from '../reference.js';

/* Kernels under names of the engine's own (src/engine/fused.ts): several operations in one pass. */

const because = 'cpu has no such kernel';
const named = ({ inputs }: KernelCase): Readonly<Record<string, Input>> => inputs as Record<string, Input>;
const float32 = (shape: readonly number[], values: Float32Array): Numbers => ({ shape, dtype: 'float32', values });

/** Derivatives as functions of the output y. */
const derivatives = {
  Sigmoid: (y: number) => y * (1 - y),
  Tanh: (y: number) => 1 - y * y,
  Relu: (y: number) => (y > 0 ? 1 : 0),
} as const;

/** Pooling windows on pictures [n, ...], some of whose vectors come `v` at a time, and a choice of a cell for each. */
function pooling(draw: Draw): { x: number[]; placement: Placement; chosen: Input; v: number } {
  const kernel = [draw.int(1, 3), draw.int(1, 3)] as const;
  const dilation = [draw.int(1, 2), draw.int(1, 2)] as const;
  const reach = (i: 0 | 1): number => (kernel[i] - 1) * dilation[i];
  const side = (i: 0 | 1): number => draw.int(0, Math.min(reach(i), 2));
  const window = windowOf({
    kernel,
    dilation,
    stride: [draw.int(1, 3), draw.int(1, 3)],
    padding: [side(0), side(0), side(1), side(1)],
  });
  // Bigger than any reach, so that every window holds a cell of the picture.
  const [height, width] = draw.large ? [64, 64] : [reach(0) + draw.int(1, 6), reach(1) + draw.int(1, 6)];
  const n = draw.large ? 20 : draw.pick([1, 2, 3, 0]);
  const channels = draw.large ? 4 : draw.pick([1, 2, 3, 8, 17]);
  const placement = placeWindow(window, [height, width]);
  const x = [n, height, width, channels];
  // A cell that the window really has: the largest one of some picture.
  const picture = draw.uniform(x, -1, 1);
  const chosen: Input = { ...maxPool(picture, placement)[1]!, view: 'plain' };
  return { x, placement, chosen, v: draw.large ? 1 : draw.int(1, 3) };
}

function maxPool(x: Input, placement: Placement): Numbers[] {
  const shape = [x.shape[0]!, ...placement.output, x.shape[3]!];
  const largest = new Float32Array(shape.reduce((a, b) => a * b));
  const chosen = new Float32Array(largest.length);
  largest.forEach((_, i) => {
    let best = -Infinity;
    for (const { cell, at } of cellsOf(i, shape, x.shape, placement)) {
      if (x.values[at]! > best) [best, chosen[i]] = [x.values[at]!, cell];
    }
    largest[i] = best;
  });
  return [float32(shape, largest), float32(shape, chosen)];
}

/** Element of x for each element of the windows' results [V n, ...], by the choice [n, ...]. */
function sources(shape: readonly number[], x: readonly number[], chosen: Input, placement: Placement): number[] {
  const size = shape.reduce((a, b) => a * b, 1);
  return Array.from({ length: size }, (_, i) => {
    const cell = chosen.values[i % chosen.values.length]!;
    return cellsOf(i, shape, x, placement).find((candidate) => candidate.cell === cell)!.at;
  });
}

const attributesOf = (call: KernelCase): Placement => call.attrs as unknown as Placement;
const fused = (name: string, row: Omit<Kernel, 'name' | 'because' | 'backends'>): Kernel => ({
  name,
  because,
  backends: ['native'],
  ...row,
});

const activations = {
  Sigmoid: (x: number) => 1 / (1 + Math.exp(-x)),
  Tanh: Math.tanh,
  Relu: (x: number) => Math.max(0, x),
} as const;

/** A convolution of pictures with few channels, with a bias or none; the large one is of a size that goes in pieces. */
function convolution(draw: Draw): KernelCase {
  const kernel = draw.large ? ([3, 2] as const) : ([draw.int(1, 4), draw.int(1, 4)] as const);
  const side = (): number => draw.int(0, 2);
  const window = windowOf({
    kernel,
    stride: draw.large ? 1 : [draw.int(1, 2), draw.int(1, 2)],
    dilation: draw.large ? 1 : [draw.int(1, 2), draw.int(1, 2)],
    padding: [side(), side(), side(), side()],
  });
  const size = draw.large
    ? ([33, 32] as const)
    : ([2 * kernel[0] + draw.int(0, 6), 2 * kernel[1] + draw.int(0, 6)] as const);
  const placement = placeWindow(window, size);
  const [n, channels] = draw.large ? [75, 1] : [draw.pick([1, 2, 3]), draw.pick([1, 2, 3, 16])];
  const outputs = draw.large ? 64 : draw.pick([1, 3, 16, 17]);
  const bias = draw.flag() ? { bias: draw.float([outputs], 'moderate') } : {};
  return {
    inputs: {
      x: draw.float([n, ...size, channels], 'moderate'),
      weight: draw.float([...kernel, channels, outputs], 'moderate'),
      ...bias,
    },
    attrs: { placement, activation: draw.pick(['Sigmoid', 'Tanh', 'Relu'] as const) },
  };
}

function convolvedActivated(call: KernelCase): Numbers[] {
  const { x, weight, bias } = named(call);
  const { placement, activation } = call.attrs as unknown as {
    placement: Placement;
    activation: keyof typeof activations;
  };
  const [n = 0, height = 0, width = 0, channels = 0] = x!.shape;
  const outputs = weight!.shape[3]!;
  const shape = [n, ...placement.output, outputs];
  const result = new Float32Array(shape.reduce((a, b) => a * b, 1));
  const sums = new Float64Array(outputs);
  for (let pixel = 0; pixel < result.length / outputs; pixel++) {
    sums.fill(0);
    for (const { cell, at } of cellsOf(pixel, [n, ...placement.output, 1], [n, height, width, 1], placement)) {
      for (let c = 0; c < channels; c++) {
        const value = x!.values[at * channels + c]!;
        for (let o = 0; o < outputs; o++) sums[o]! += value * weight!.values[(cell * channels + c) * outputs + o]!;
      }
    }
    for (let o = 0; o < outputs; o++)
      result[pixel * outputs + o] = activations[activation](sums[o]! + (bias?.values[o] ?? 0));
  }
  return [float32(shape, result)];
}

function transposeOf({ shape: [rows = 0, columns = 0], values }: Pick<Input, 'shape' | 'values'>): Numbers {
  const turned = new Float32Array(rows * columns);
  for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) turned[j * rows + i] = values[i * columns + j]!;
  return float32([columns, rows], turned);
}

export const fusedKernels: readonly Kernel[] = [
  fused('HbpConvolveActivated', {
    tolerance: 'sum',
    // Of what is not negative Relu takes nothing away.
    linear: { activation: 'Relu' },
    draw: convolution,
    reference: convolvedActivated,
  }),
  fused('HbpTimesDerivative', {
    tolerance: 'sum',
    draw: (draw) => {
      const shape = draw.shape({ min: 1 });
      const activation = draw.pick(['Sigmoid', 'Tanh', 'Relu'] as const);
      const vectors = draw.large ? [] : draw.pick([[], [1], [3]]);
      const output = activation === 'Relu' ? draw.float(shape, 'sum') : draw.uniform(shape, -1, 1);
      const sums = shape.length > 2 && draw.flag();
      return { inputs: { output, v: draw.float([...vectors, ...shape], 'moderate') }, attrs: { activation, sums } };
    },
    reference: (call) => {
      const { output, v } = named(call);
      const derivative = derivatives[call.attrs!['activation'] as keyof typeof derivatives];
      const product = Float32Array.from(
        v!.values,
        (value, i) => derivative(output!.values[i % output!.values.length]!) * value,
      );
      if (!call.attrs!['sums']) return [float32(v!.shape, product)];
      const { shape } = output!;
      const [sample, channels] = [shape.slice(1).reduce((a, b) => a * b, 1), shape.at(-1)!];
      const sumsShape = [...v!.shape.slice(0, v!.shape.length - shape.length), shape[0]!, channels];
      const totals = new Float64Array(sumsShape.reduce((a, b) => a * b, 1));
      product.forEach((value, i) => (totals[Math.floor(i / sample) * channels + (i % channels)]! += value));
      return [float32(v!.shape, product), float32(sumsShape, Float32Array.from(totals))];
    },
  }),
  fused('HbpMaxPool', {
    tolerance: 'exact',
    draw: (draw) => {
      const { x, placement } = pooling(draw);
      const ties = draw.int32(x, -2, 2);
      const input = draw.flag() ? draw.uniform(x, -3, 3) : { ...ties, dtype: 'float32' as const };
      return { inputs: { x: { ...input, values: Float32Array.from(input.values) } }, attrs: { ...placement } };
    },
    reference: (call) => maxPool(named(call)['x']!, attributesOf(call)),
  }),
  fused('HbpPickCells', {
    tolerance: 'exact',
    draw: (draw) => {
      const { x, placement, chosen, v } = pooling(draw);
      return { inputs: { x: draw.float([v * x[0]!, ...x.slice(1)]), chosen }, attrs: { ...placement } };
    },
    reference: (call) => {
      const { x, chosen } = named(call);
      const shape = [x!.shape[0]!, ...chosen!.shape.slice(1)];
      const from = sources(shape, x!.shape, chosen!, attributesOf(call));
      return [
        float32(
          shape,
          Float32Array.from(from, (at) => x!.values[at]!),
        ),
      ];
    },
  }),
  fused('HbpSpreadCells', {
    tolerance: 'sum',
    draw: (draw) => {
      const { x, placement, chosen, v } = pooling(draw);
      const dy = draw.float([v * x[0]!, ...chosen.shape.slice(1)], 'sum');
      return { inputs: { dy, chosen }, attrs: { ...placement } };
    },
    reference: (call) => {
      const { dy, chosen } = named(call);
      const placement = attributesOf(call);
      const shape = [dy!.shape[0]!, ...placement.input, dy!.shape[3]!];
      const sums = new Float64Array(shape.reduce((a, b) => a * b));
      sources(dy!.shape, shape, chosen!, placement).forEach((at, i) => (sums[at]! += dy!.values[i]!));
      return [float32(shape, Float32Array.from(sums))];
    },
  }),
  fused('HbpSgd', {
    tolerance: 'sum',
    draw: (draw) => {
      const shape = draw.shape({ min: 1, max: 2 });
      const [value, gradient] = [draw.float(shape, 'moderate'), draw.float(shape, 'moderate')];
      const momentum = draw.pick([0, 0.9]);
      const buffer = momentum > 0 && draw.flag() && { buffer: draw.float(shape, 'moderate') };
      const attrs = { lr: draw.pick([0.1, 1]), momentum, weightDecay: draw.pick([0, 0.01]) };
      return { inputs: { value, gradient, ...buffer }, attrs };
    },
    reference: (call) => {
      const { value, gradient, buffer } = named(call);
      const { lr, momentum, weightDecay } = call.attrs as Record<'lr' | 'momentum' | 'weightDecay', number>;
      const next = Float64Array.from(
        gradient!.values,
        (g, i) => (buffer ? momentum * buffer.values[i]! : 0) + g + weightDecay * value!.values[i]!,
      );
      const moved = float32(
        value!.shape,
        Float32Array.from(value!.values, (w, i) => w - lr * next[i]!),
      );
      return momentum > 0 ? [moved, float32(value!.shape, Float32Array.from(next))] : [moved];
    },
  }),
  fused('HbpAdam', {
    tolerance: 'sum',
    draw: (draw) => {
      const shape = draw.shape({ min: 1, max: 2 });
      const [value, gradient] = [draw.float(shape, 'moderate'), draw.float(shape, 'moderate')];
      const moments = draw.flag() && { first: draw.float(shape, 'moderate'), second: draw.uniform(shape, 0.1, 2) };
      const [w1, w2] = moments ? [0.4, 0.3] : [1, 1];
      const attrs = { lr: draw.pick([0.001, 0.1]), w1, w2, eps: 1e-3, weightDecay: draw.pick([0, 0.01]) };
      return { inputs: { value, gradient, ...moments }, attrs };
    },
    reference: (call) => {
      const { value, gradient, first, second } = named(call);
      const { lr, w1, w2, eps, weightDecay } = call.attrs as Record<'lr' | 'w1' | 'w2' | 'eps' | 'weightDecay', number>;
      const [next, m, v] = [0, 0, 0].map(() => new Float32Array(value!.values.length)) as [
        Float32Array,
        Float32Array,
        Float32Array,
      ];
      value!.values.forEach((w, i) => {
        const g = gradient!.values[i]! + weightDecay * w;
        const [m0, v0] = [first?.values[i] ?? 0, second?.values[i] ?? 0];
        const [m1, v1] = [m0 + w1 * (g - m0), v0 + w2 * (g * g - v0)];
        [m[i], v[i], next[i]] = [m1, v1, w - (lr * m1) / (Math.sqrt(v1) + eps)];
      });
      return [next, m, v].map((values) => float32(value!.shape, values));
    },
  }),
  fused('HbpGram', {
    tolerance: 'sum',
    draw: (draw) => {
      // Few and many columns, few and many rows: the work is shared out in another way for each.
      const large = [
        [5_000, 60],
        [3_500, 110],
        [300, 800],
      ] as const;
      const [n, k] = draw.large ? draw.pick(large) : [draw.size(), draw.pick([0, 1, 2, 5, 16, 33, 97])];
      const ofRows = draw.flag();
      // Of rows the same work is the other way round.
      return {
        inputs: { x: draw.float(ofRows ? [k, n] : [n, k], 'sum') },
        attrs: { ones: !ofRows && draw.flag(), ofRows },
      };
    },
    reference: (call) => {
      const given = named(call)['x']!;
      const x = call.attrs!['ofRows'] ? transposeOf(given) : given;
      const [n = 0, k = 0] = x.shape;
      const side = k + (call.attrs!['ones'] ? 1 : 0);
      const entry = (row: number, column: number): number => (column === k ? 1 : x.values[row * k + column]!);
      const product = new Float64Array(side * side);
      for (let row = 0; row < n; row++) {
        for (let i = 0; i < side; i++) {
          const left = entry(row, i);
          for (let j = 0; j < side; j++) product[i * side + j]! += left * entry(row, j);
        }
      }
      return [float32([side, side], Float32Array.from(product))];
    },
  }),
  fused('HbpShiftProducts', {
    tolerance: 'sum',
    draw: (draw) => {
      const picture = draw.large
        ? [30, 12, 14, 6]
        : [draw.pick([1, 2, 3, 0]), draw.int(1, 6), draw.int(1, 6), draw.int(1, 5)];
      return {
        inputs: { x: draw.float(picture, 'moderate') },
        attrs: { rows: draw.int(0, 3), columns: draw.int(0, 3) },
      };
    },
    reference: (call) => {
      const x = named(call)['x']!;
      const [n, height, width, channels] = x.shape as [number, number, number, number];
      const { rows, columns } = call.attrs as Record<'rows' | 'columns', number>;
      const shape = [2 * rows + 1, 2 * columns + 1, channels, channels];
      const sums = Float32Array.from({ length: shape.reduce((a, b) => a * b) }, (_, i) => {
        const [c, d] = [i % channels, Math.floor(i / channels) % channels];
        const shift = Math.floor(i / channels ** 2);
        const [s, t] = [Math.floor(shift / shape[1]!) - rows, (shift % shape[1]!) - columns];
        let sum = 0;
        for (let row = 0; row < n * height; row++) {
          const y = (row % height) + s;
          if (y < 0 || y >= height) continue;
          for (let column = Math.max(0, -t); column < Math.min(width, width - t); column++) {
            const at = (row * width + column) * channels;
            sum += x.values[at + c]! * x.values[at + (s * width + t) * channels + d]!;
          }
        }
        return sum;
      });
      return [float32(shape, sums)];
    },
  }),
  {
    name: 'eigh',
    covers: ['HbpSymmetricEigen'],
    tolerance: 'sum',
    because: 'vectors are compared by what they make: V diag V^T and V V^T',
    draw: (draw) => {
      const n = draw.large ? 90 : draw.int(1, 24);
      const half = draw.uniform([n, n], -1, 1);
      const values = half.values.map((value, i) => value + half.values[(i % n) * n + Math.floor(i / n)]!);
      return { inputs: { matrix: { ...half, values } } };
    },
    op: async ({ matrix }) => {
      const { values, vectors } = await eigh(matrix!);
      const rest = tf.tidy(() => [
        tf.matMul(tf.mul(vectors, values), vectors, false, true),
        tf.matMul(vectors, vectors, false, true),
      ]);
      vectors.dispose();
      return [values, ...rest];
    },
    reference: (call) => {
      const matrix = named(call)['matrix']!;
      const [n = 0] = matrix.shape;
      const plain = Matrix.from1DArray(n, n, Array.from(matrix.values));
      const { realEigenvalues } = new EigenvalueDecomposition(plain, { assumeSymmetric: true });
      const identity = Float32Array.from({ length: n * n }, (_, i) => (i % (n + 1) === 0 ? 1 : 0));
      return [
        float32([n], Float32Array.from(realEigenvalues)),
        float32([n, n], Float32Array.from(matrix.values)),
        float32([n, n], identity),
      ];
    },
  },
];
