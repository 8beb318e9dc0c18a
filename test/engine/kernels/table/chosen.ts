import { convolvedFactorProduct } from '../../../../src/engine/curvature/cvp/factor-cascade.js';
import * as fused from '../../../../src/engine/fused-curvature.js';
import {
  type ActivationBefore,
  ChosenConvolution,
  type ChosenPlacements,
} from '../../../../src/engine/nn/chosen-convolution.js';
import { fusesDerivatives, type KnownByOutput } from '../../../../src/engine/fused.js';
import { gradientRows } from '../../../../src/engine/nn/gradient-rows.js';
import type { ElementwiseByOutput } from '../../../../src/engine/nn/known-by-output.js';
import { Relu } from '../../../../src/engine/nn/relu.js';
import { Sigmoid } from '../../../../src/engine/nn/sigmoid.js';
import { Tanh } from '../../../../src/engine/nn/tanh.js';
import { placeWindow, windowOf } from '../../../../src/engine/nn/window.js';
import * as tf from '../../../../src/engine/tf.js';
import type { Input, Kernel, KernelCase, Numbers } from '../case.js';
import type { Draw } from '../draw.js';
import { activationOf, both, firstDerivatives } from './curvature.js';

/*
 * Convolutions at the cells that pooling chose (src/engine/nn/chosen-convolution.ts), and those that end in a factor
 * (src/engine/curvature/cvp/factor-cascade.ts).
 */

// Globals are slow to look up in a module that jest runs.
const { floor, min } = Math;

const named = ({ inputs }: KernelCase): Readonly<Record<string, Input>> => inputs as Record<string, Input>;
const placementsOf = (attrs: Readonly<Record<string, unknown>>): ChosenPlacements =>
  attrs as unknown as ChosenPlacements;

/** The second of two equal products with one choice: what is kept from the first is used. */
function secondProduct(
  { chosen, x, weight, before }: Readonly<Record<string, tf.Tensor>>,
  attrs: Readonly<Record<string, unknown>>,
  product: (convolution: ChosenConvolution) => tf.Tensor | tf.Tensor[],
): tf.Tensor | tf.Tensor[] {
  const channels = weight?.shape.at(-2) ?? (x ?? before)!.shape.at(-1)!;
  const convolution = new ChosenConvolution(chosen!, placementsOf(attrs), channels);
  tf.dispose(tf.scoped(() => product(convolution)));
  const second = tf.scoped(() => product(convolution));
  convolution.dispose();
  return second;
}

const layers: Record<KnownByOutput, ElementwiseByOutput> = {
  Sigmoid: new Sigmoid(),
  Tanh: new Tanh(),
  Relu: new Relu(),
};

/** An activation before the convolution, of pictures of this shape, or none. */
function drawBefore(
  draw: Draw,
  shape: readonly number[],
): { inputs: Record<string, Input>; attrs: { activation?: string } } {
  const activation = draw.pick([null, ...(Object.keys(layers) as KnownByOutput[])]);
  return activation
    ? { inputs: { before: draw.float(shape, 'moderate') }, attrs: { activation } }
    : { inputs: {}, attrs: {} };
}

function beforeOf(
  { before }: Readonly<Record<string, tf.Tensor>>,
  attrs: Readonly<Record<string, unknown>>,
): ActivationBefore | null {
  if (!before) return null;
  const layer = layers[activationOf(attrs)];
  const saved = { output: before };
  return { layer, saved: fusesDerivatives() ? saved : { ...saved, derivative: layer.derivative(saved) } };
}

/** phi' of the activation before at element i of a picture. */
function derivativeAt(call: KernelCase, i: number): number {
  const { before } = named(call);
  return before ? firstDerivatives[activationOf(call.attrs!)](before.values[i]!) : 1;
}

const sizeOf = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

interface Setting {
  readonly placements: ChosenPlacements;
  /** Of the pictures, the weight and the results. */
  readonly x: number[];
  readonly weight: number[];
  readonly y: number[];
  readonly chosen: Input;
  readonly vectors: number[];
}

/** A convolution, pooling behind it that may overlap and be padded, and a choice of any of its cells. */
function setting(draw: Draw): Setting {
  const kernel = [draw.int(1, 5), draw.int(1, 5)] as const;
  const side = (): number => draw.int(0, 2);
  const size = draw.large ? ([40, 36] as const) : ([kernel[0] + draw.int(0, 6), kernel[1] + draw.int(0, 6)] as const);
  const convolution = placeWindow(windowOf({ kernel, padding: [side(), side(), side(), side()] }), size);
  const cell = (i: 0 | 1): number => draw.int(1, min(3, convolution.output[i]));
  const cells = [cell(0), cell(1)] as const;
  const beside = (i: 0 | 1): number => draw.int(0, cells[i] - 1);
  const pooling = placeWindow(
    windowOf({
      kernel: cells,
      stride: [draw.int(1, 3), draw.int(1, 3)],
      padding: [beside(0), beside(0), beside(1), beside(1)],
    }),
    convolution.output,
  );
  const n = draw.large ? 9 : draw.pick([1, 2, 3, 0]);
  const channels = draw.large ? draw.pick([3, 8]) : draw.pick([1, 2, 3, 5, 8, 16, 17, 32, 40]);
  const outputs = draw.large ? 20 : draw.pick([1, 2, 3, 15, 16, 17, 33]);
  const y = [n, ...pooling.output, outputs];
  const choice = draw.int32(y, 0, cells[0] * cells[1] - 1);
  return {
    placements: { convolution, pooling },
    x: [n, ...size, channels],
    weight: [...kernel, channels, outputs],
    y,
    chosen: { ...choice, dtype: 'float32', values: Float32Array.from(choice.values) },
    vectors: draw.large ? draw.pick([[], [2]]) : draw.pick([[], [1], [2], [3], [4], [5]]),
  };
}

/**
 * f(result, picture, weight) for every term of the chosen cells' sums, as elements of y [n, pH, pW, O], x [n, H, W, C] and
 * the weight.
 */
function eachTerm(
  { convolution, pooling }: ChosenPlacements,
  y: readonly number[],
  x: readonly number[],
  chosen: Input,
  f: (result: number, picture: number, weight: number) => void,
): void {
  const [, pHeight = 0, pWidth = 0, outputs = 0] = y;
  const [, height = 0, width = 0, channels = 0] = x;
  for (let i = 0; i < sizeOf(y); i++) {
    const o = i % outputs;
    const column = floor(i / outputs) % pWidth;
    const row = floor(i / outputs / pWidth) % pHeight;
    const n = floor(i / outputs / pWidth / pHeight);
    const cell = chosen.values[i]!;
    const cy = row * pooling.stride[0] - pooling.padding[0] + floor(cell / pooling.kernel[1]);
    const cx = column * pooling.stride[1] - pooling.padding[2] + (cell % pooling.kernel[1]);
    if (cy < 0 || cy >= convolution.output[0] || cx < 0 || cx >= convolution.output[1]) continue;
    for (let k = 0; k < convolution.kernel[0] * convolution.kernel[1]; k++) {
      const py = cy - convolution.padding[0] + floor(k / convolution.kernel[1]);
      const px = cx - convolution.padding[2] + (k % convolution.kernel[1]);
      if (py < 0 || py >= height || px < 0 || px >= width) continue;
      for (let c = 0; c < channels; c++) {
        f(i, ((n * height + py) * width + px) * channels + c, (k * channels + c) * outputs + o);
      }
    }
  }
}

/** The sums of a case for each vector; `a` and `b` say which operand has vectors, by its size without them. */
function sums(
  call: KernelCase,
  shape: readonly number[],
  y: readonly number[],
  x: readonly number[],
  add: (total: Float64Array, v: number, result: number, picture: number, weight: number) => void,
): Numbers[] {
  const total = new Float64Array(sizeOf(shape));
  const vectors = shape.length > 4 ? shape[0]! : 1;
  for (let v = 0; v < vectors; v++) {
    eachTerm(placementsOf(call.attrs!), y, x, named(call)['chosen']!, (...at) => add(total, v, ...at));
  }
  return [{ shape, dtype: 'float32', values: Float32Array.from(total) }];
}

/** [V?, N, H, W, C] summed over H and W. */
function overCells({ shape, values }: Numbers): Numbers {
  const [height = 0, width = 0, channels = 0] = shape.slice(-3);
  const sumsShape = [...shape.slice(0, -3), channels];
  const total = new Float64Array(sizeOf(sumsShape));
  values.forEach((value, i) => (total[floor(i / (height * width * channels)) * channels + (i % channels)]! += value));
  return { shape: sumsShape, dtype: 'float32', values: Float32Array.from(total) };
}

/** Element i of vector v, of an operand that may have none. */
const of = (input: Input, rank: number, v: number, i: number): number =>
  input.values[input.shape.length > rank ? (v * input.values.length) / input.shape[0]! + i : i]!;

/** The convolution, for two kernels: with places made beforehand, and as it comes. */
const convolution: Omit<Kernel, 'name' | 'op'> = {
  tolerance: 'sum',
  draw: (draw) => {
    const { placements, x, weight, chosen, vectors } = setting(draw);
    const before = drawBefore(draw, x);
    const isOnes = before.attrs.activation !== undefined && draw.flag();
    const ofWeights = isOnes || draw.flag();
    const inputs = {
      ...before.inputs,
      ...(!isOnes && { x: draw.float([...(ofWeights ? [] : vectors), ...x], 'moderate') }),
      weight: draw.float([...(ofWeights ? vectors : []), ...weight], 'moderate'),
      chosen,
    };
    return { inputs, attrs: { ...placements, ...before.attrs } };
  },
  reference: (call) => {
    const { x, weight, chosen, before } = named(call);
    const vectors = [...(x?.shape.slice(0, -4) ?? []), ...weight!.shape.slice(0, -4)];
    const size = sizeOf(chosen!.shape);
    const pictures = (x ?? before)!.shape.slice(-4);
    return sums(call, [...vectors, ...chosen!.shape], chosen!.shape, pictures, (total, v, r, p, k) => {
      total[v * size + r]! += derivativeAt(call, p) * (x ? of(x, 4, v, p) : 1) * of(weight!, 4, v, k);
    });
  },
};

const chosenKernels: readonly Kernel[] = [
  {
    ...convolution,
    name: 'HbpChosenPlaces',
    because: 'only kernels can read what it makes',
    backends: ['native'],
    op: ({ x, weight, chosen, before }, attrs) => {
      const placements = placementsOf(attrs);
      const places = fused.chosenPlaces(chosen!, placements, weight!.shape.at(-2)!)!;
      const pass = before ? { activation: activationOf(attrs), output: before } : null;
      const result = fused.convolveChosen(x ?? null, weight!, { chosen: chosen!, places }, placements, pass)!;
      places.dispose();
      return result;
    },
  },
  ...both(
    'HbpConvolveChosen',
    (inputs, attrs) =>
      secondProduct(inputs, attrs, (convolution) =>
        convolution.convolve(inputs['x'] ?? 'ones', inputs['weight']!, beforeOf(inputs, attrs)),
      ),
    convolution,
  ),
  ...both(
    'HbpConvolveTransposedChosen',
    (inputs, attrs) =>
      secondProduct(inputs, attrs, (convolution) => {
        const [dy, weight, before] = [inputs['dy']!, inputs['weight']!, beforeOf(inputs, attrs)];
        if (!attrs['sums']) return convolution.convolveTransposed(dy, weight, before);
        const { dx, sums } = convolution.convolveTransposedWithSums(dy, weight, before);
        // wasm cannot sum over no pictures.
        const empty = (): tf.Tensor => tf.zeros([...dx.shape.slice(0, -3), dx.shape.at(-1)!]);
        return [dx, sums ?? (dx.size > 0 ? tf.sum(dx, [dx.rank - 3, dx.rank - 2]) : empty())];
      }),
    {
      tolerance: 'sum',
      draw: (draw) => {
        const { placements, x, y, weight, chosen, vectors } = setting(draw);
        const before = drawBefore(draw, x);
        const inputs = {
          ...before.inputs,
          dy: draw.float([...vectors, ...y], 'moderate'),
          weight: draw.float(weight, 'moderate'),
          chosen,
        };
        return { inputs, attrs: { ...placements, ...before.attrs, sums: draw.flag() } };
      },
      reference: (call) => {
        const { dy, weight, chosen } = named(call);
        const x = [chosen!.shape[0]!, ...placementsOf(call.attrs!).convolution.input, weight!.shape[2]!];
        const size = sizeOf(x);
        const [dx] = sums(call, [...dy!.shape.slice(0, -4), ...x], chosen!.shape, x, (total, v, r, p, k) => {
          total[v * size + p]! += derivativeAt(call, p) * of(dy!, 4, v, r) * weight!.values[k]!;
        });
        return call.attrs!['sums'] ? [dx!, overCells(dx!)] : [dx!];
      },
    },
  ),
  ...both(
    'HbpCorrelateChosen',
    (inputs, attrs) =>
      secondProduct(inputs, attrs, (convolution) =>
        convolution.correlate(inputs['x'] ?? 'ones', inputs['dy']!, beforeOf(inputs, attrs)),
      ),
    {
      tolerance: 'sum',
      draw: (draw) => {
        const { placements, x, y, chosen, vectors } = setting(draw);
        const before = drawBefore(draw, x);
        const isOnes = before.attrs.activation !== undefined && draw.flag();
        const inputs = {
          ...before.inputs,
          ...(!isOnes && { x: draw.float(x, 'moderate') }),
          dy: draw.float([...vectors, ...y], 'moderate'),
          chosen,
        };
        return { inputs, attrs: { ...placements, ...before.attrs } };
      },
      reference: (call) => {
        const { x, dy, chosen, before } = named(call);
        const { kernel } = placementsOf(call.attrs!).convolution;
        const pictures = (x ?? before)!.shape;
        const weight = [...kernel, pictures[3]!, chosen!.shape[3]!];
        const size = sizeOf(weight);
        return sums(call, [...dy!.shape.slice(0, -4), ...weight], chosen!.shape, pictures, (total, v, r, p, k) => {
          total[v * size + k]! += of(dy!, 4, v, r) * derivativeAt(call, p) * (x?.values[p] ?? 1);
        });
      },
    },
  ),
  ...both(
    'HbpGradientRows',
    ({ x, dy, chosen }, attrs) => {
      const { convolution, pooling } = attrs as unknown as Partial<ChosenPlacements>;
      return gradientRows(x!, dy!, convolution!, pooling ? { chosen: chosen!, pooling } : null);
    },
    {
      tolerance: 'sum',
      draw: (draw) => {
        const { placements, x, y, chosen, vectors } = setting(draw);
        const { convolution } = placements;
        const input = draw.float(x, 'moderate');
        if (draw.flag()) {
          return {
            inputs: { x: input, dy: draw.float([...vectors, ...y], 'moderate'), chosen },
            attrs: { ...placements },
          };
        }
        const all = [...vectors, y[0]!, ...convolution.output, y[3]!];
        return { inputs: { x: input, dy: draw.float(all, 'moderate') }, attrs: { convolution } };
      },
      reference: (call) => {
        const { x, dy, chosen } = named(call);
        const { convolution, pooling = everyCell(convolution.output) } = placementsOf(call.attrs!);
        const y = dy!.shape.slice(-4);
        const choice = chosen ?? { shape: y, dtype: 'float32', view: 'plain', values: new Float32Array(sizeOf(y)) };
        const parameters = sizeOf(convolution.kernel) * x!.shape[3]! * y[3]!;
        const vectors = sizeOf(dy!.shape.slice(0, -4));
        const total = new Float64Array(vectors * y[0]! * parameters);
        const result = sizeOf(y) / y[0]!;
        for (let v = 0; v < vectors; v++) {
          eachTerm({ convolution, pooling }, y, x!.shape, choice, (r, p, k) => {
            total[(v * y[0]! + floor(r / result)) * parameters + k]! += of(dy!, 4, v, r) * x!.values[p]!;
          });
        }
        return [{ shape: [vectors * y[0]!, parameters], dtype: 'float32', values: Float32Array.from(total) }];
      },
    },
  ),
];

/** Tangents through a convolution to a factor behind it and back, with vectors of their own each. */
const factorKernels = both(
  'HbpConvolvedFactorProduct',
  (inputs, attrs) => {
    const { factor, weight } = inputs;
    const named = (pattern: RegExp): tf.Tensor[] =>
      Object.keys(inputs).flatMap((name) => (pattern.test(name) ? [inputs[name]!] : []));
    const convolution = { placement: attrs['placement'] as ChosenPlacements['convolution'], weight: weight! };
    return tf.scoped(() => {
      const before = beforeOf(inputs, attrs);
      const { curved, curvedHere } = convolvedFactorProduct(factor!, named(/^t\d/), named(/^h\d/), convolution, before);
      return [...curved, ...curvedHere];
    });
  },
  {
    tolerance: 'sum',
    draw: (draw) => {
      const kernel = draw.large ? ([3, 3] as const) : ([draw.int(1, 4), draw.int(1, 4)] as const);
      const side = (i: 0 | 1): number => (draw.large ? 1 : draw.int(0, kernel[i]));
      const size = draw.large
        ? ([16, 16] as const)
        : ([kernel[0] + draw.int(0, 4), kernel[1] + draw.int(0, 4)] as const);
      const placement = placeWindow(windowOf({ kernel, padding: [side(0), side(0), side(1), side(1)] }), size);
      // Large: what a matrix unit takes, in more pieces than one.
      const [samples, channels, outputs] = draw.large
        ? [21, 16, 32]
        : [draw.int(1, 5), draw.pick([1, 3, 16]), draw.pick([1, 2, 16, 19])];
      const rank = draw.large ? 2 : draw.pick([1, 2, 9, 13]);
      const x = [samples, ...size, channels];
      const { inputs, attrs } = drawBefore(draw, x);
      const vectors = draw.large ? [1, 2] : Array.from({ length: draw.int(1, 3) }, () => draw.int(1, 2));
      const tangents = vectors.map((count, i): [string, Input] => [`t${i}`, draw.float([count, ...x], 'moderate')]);
      const y = [samples, ...placement.output, outputs];
      const here = Array.from({ length: draw.int(0, 2) }, (_, i): [string, Input] => [
        `h${i}`,
        draw.float([draw.int(1, 2), ...y], 'moderate'),
      ]);
      return {
        inputs: {
          ...Object.fromEntries([...tangents, ...here]),
          factor: draw.float([rank, ...y], 'moderate'),
          weight: draw.float([...kernel, channels, outputs], 'moderate'),
          ...inputs,
        },
        attrs: { placement, ...attrs },
      };
    },
    reference: (call) => {
      const { factor, weight } = named(call);
      const convolution = call.attrs!['placement'] as ChosenPlacements['convolution'];
      const [rank = 0, ...y] = factor!.shape;
      const size = sizeOf(y);
      const results = size / y[0]!;
      const placements = { convolution, pooling: everyCell(convolution.output) };
      const everywhere: Input = { shape: y, dtype: 'float32', view: 'plain', values: new Float32Array(size) };
      const tangents = Object.entries(call.inputs).filter(([name]) => /^t\d/.test(name));
      const here = Object.entries(call.inputs).filter(([name]) => /^h\d/.test(name));
      const curvedBy = (there: Float64Array): Float64Array => {
        const curved = new Float64Array(size);
        for (let from = 0; from < rank * size; from += results) {
          const sample = from % size;
          let along = 0;
          for (let i = 0; i < results; i++) along += factor!.values[from + i]! * there[sample + i]!;
          for (let i = 0; i < results; i++) curved[sample + i]! += factor!.values[from + i]! * along;
        }
        return curved;
      };
      const atFactor = here.map(([, { shape, values }]: [string, Input]): Numbers => {
        const total = new Float32Array(values.length);
        for (let at = 0; at < total.length; at += size) {
          total.set(curvedBy(Float64Array.from(values.slice(at, at + size))), at);
        }
        return { shape, dtype: 'float32', values: total };
      });
      const below = tangents.map(([, { shape, values }]: [string, Input]): Numbers => {
        const x = shape.slice(1);
        const slopes = Float64Array.from({ length: sizeOf(x) }, (_, p) => derivativeAt(call, p));
        const weights = Float64Array.from(weight!.values);
        const total = new Float32Array(values.length);
        for (let at = 0; at < total.length; at += slopes.length) {
          const t = slopes.map((slope, p) => slope * values[at + p]!);
          const there = new Float64Array(size);
          eachTerm(placements, y, x, everywhere, (r, p, k) => (there[r]! += weights[k]! * t[p]!));
          const curved = curvedBy(there);
          const back = new Float64Array(t.length);
          eachTerm(placements, y, x, everywhere, (r, p, k) => (back[p]! += weights[k]! * curved[r]!));
          total.set(
            back.map((value, p) => slopes[p]! * value),
            at,
          );
        }
        return { shape, dtype: 'float32', values: total };
      });
      return [...below, ...atFactor];
    },
  },
);

export const convolutionKernels: readonly Kernel[] = [...chosenKernels, ...factorKernels];

/** Windows of one cell, on every cell. */
function everyCell(size: readonly [number, number]): ChosenPlacements['pooling'] {
  return placeWindow(windowOf({ kernel: 1 }), size);
}
