import { factorProduct } from '../../../../src/engine/curvature/cvp/factor-cascade.js';
import { descend, turn } from '../../../../src/engine/optim/cg-iteration.js';
import { splitRows } from '../../../../src/engine/curvature/row-blocks.js';
import * as tf from '../../../../src/engine/tf.js';
import type { Input, Kernel, KernelCase, Numbers } from '../case.js';
import type { Draw } from '../draw.js';
import { both } from './curvature.js';

/* The halves of an iteration of conjugate gradients, and products with a factor. */

const named = ({ inputs }: KernelCase): Readonly<Record<string, Input>> => inputs as Record<string, Input>;
const float32 = (shape: readonly number[], values: Iterable<number>): Numbers => ({
  shape,
  dtype: 'float32',
  values: Float32Array.from(values),
});

const because = 'cpu has no such kernel';
const columns = 5;

/** States of systems of which some have stopped: <r, r>, bound, iterations, reason, length. */
function states(draw: Draw, systems: number): Input {
  const values = Array.from({ length: systems }, () => [
    draw.int(1, 9) / 4,
    draw.int(0, 20) / 4,
    draw.int(0, 5),
    draw.pick([0, 0, 0, 1, 2]),
    draw.int(1, 8) / 8,
  ]);
  return { ...float32([systems, columns], values.flat()), view: 'plain' };
}

interface Sizes {
  readonly systems: number;
  readonly n: number;
}

function sizes(draw: Draw): Sizes {
  if (draw.large) return { systems: 2, n: 150_001 };
  return { systems: draw.pick([1, 2, 5]), n: draw.pick([1, 2, 15, 16, 17, 70, 300]) };
}

/** G as weights, as a product's results, or the identity. */
function inner(draw: Draw, shape: readonly number[], names: readonly string[]): Record<string, Input> {
  switch (draw.pick(['identity', 'metric', 'dual'] as const)) {
    case 'identity':
      return {};
    case 'metric':
      return { metric: draw.uniform(shape, 0.5, 2) };
    case 'dual':
      return Object.fromEntries(names.map((name) => [name, draw.uniform(shape, 0.5, 2)]));
  }
}

/** sum_i u_i G v_i of system j. */
function product(j: number, n: number, u: Input, v: Input, dual: Input | undefined, metric: Input | undefined): number {
  let sum = 0;
  for (let i = j * n; i < (j + 1) * n; i++) {
    sum += u.values[i]! * (dual ? dual.values[i]! : v.values[i]! * (metric ? metric.values[i]! : 1));
  }
  return Math.fround(sum);
}

const descendKernels = both(
  'HbpCgDescend',
  (inputs, attrs) => {
    const { r, p, ap, dualP, metric, state } = inputs;
    const iterate = { x: r!, r: r!, p: p!, dualP, state: state! };
    const next = tf.scoped(() => descend(iterate, ap!, metric, attrs['stopOnNonPositive'] as boolean));
    return [next.r, next.state];
  },
  {
    tolerance: 'sum',
    draw: (draw) => {
      const { systems, n } = sizes(draw);
      const shape = [systems, n];
      // Positive entries: no curvature comes so near to zero that rounding decides about its sign.
      const [r, p, ap] = [0, 1, 2].map(() => draw.uniform(shape, 0.5, 2));
      const sign = draw.pick([1, 1, -1]);
      const direction = { ...ap!, values: ap!.values.map((value) => sign * value) };
      const inputs = { r: r!, p: p!, ap: direction, state: states(draw, systems), ...inner(draw, shape, ['dualP']) };
      return { inputs, attrs: { stopOnNonPositive: draw.flag() } };
    },
    reference: (call) => {
      const { r, p, ap, dualP, metric, state } = named(call);
      const [systems = 0, n = 0] = r!.shape;
      const next = Float32Array.from(r!.values);
      const after = Float32Array.from(state!.values);
      for (let j = 0; j < systems; j++) {
        const at = j * columns;
        after[at + 4] = 0;
        if (after[at + 3] !== 0) continue;
        const curvature = product(j, n, ap!, p!, dualP, metric);
        if (curvature <= 0 && call.attrs!['stopOnNonPositive']) after[at + 3] = 3;
        else after[at + 4] = after[at]! / curvature;
        for (let i = j * n; i < (j + 1) * n; i++) next[i] = next[i]! - after[at + 4]! * ap!.values[i]!;
      }
      return [float32(r!.shape, next), float32(state!.shape, after)];
    },
  },
);

const turnKernels = both(
  'HbpCgTurn',
  (inputs, attrs) => {
    const { x, r, p, dualR, dualP, metric, state } = inputs;
    const iterate = { x: x!, r: r!, p: p!, dualP, state: state! };
    const limit = attrs['limit'] as number;
    return tf.scoped(() => {
      const next = turn(iterate, { r: r!, state: state! }, dualR, metric, limit);
      return [next.x, next.p, next.state, ...(next.dualP ? [next.dualP] : [])];
    });
  },
  {
    tolerance: 'sum',
    draw: (draw) => {
      const { systems, n } = sizes(draw);
      const shape = [systems, n];
      const [x, r, p] = [0, 1, 2].map(() => draw.uniform(shape, 0.5, 2));
      const inputs = { x: x!, r: r!, p: p!, state: states(draw, systems), ...inner(draw, shape, ['dualR', 'dualP']) };
      return { inputs, attrs: { limit: draw.int(1, 4) } };
    },
    reference: (call) => {
      const { x, r, p, dualR, dualP, metric, state } = named(call);
      const [systems = 0, n = 0] = x!.shape;
      const [nextX, nextP] = [Float32Array.from(x!.values), Float32Array.from(r!.values)];
      const nextDual = dualR && Float32Array.from(dualR.values);
      const after = Float32Array.from(state!.values);
      for (let j = 0; j < systems; j++) {
        const at = j * columns;
        if (after[at + 3] !== 0) continue;
        const square = product(j, n, r!, r!, dualR, metric);
        const factor = square / after[at]!;
        for (let i = j * n; i < (j + 1) * n; i++) {
          nextX[i] = nextX[i]! + after[at + 4]! * p!.values[i]!;
          nextP[i] = nextP[i]! + factor * p!.values[i]!;
          if (nextDual) nextDual[i] = nextDual[i]! + factor * dualP!.values[i]!;
        }
        after[at] = square;
        after[at + 2]!++;
        if (after[at + 1]! > Math.fround(Math.sqrt(square))) after[at + 3] = 1;
        else if (after[at + 2]! > (call.attrs!['limit'] as number)) after[at + 3] = 2;
      }
      const vectors = [float32(x!.shape, nextX), float32(x!.shape, nextP), float32(state!.shape, after)];
      return nextDual ? [...vectors, float32(x!.shape, nextDual)] : vectors;
    },
  },
);

const factorKernels = both('HbpFactorProduct', ({ factor, tangents }) => factorProduct(factor!, tangents!), {
  tolerance: 'sum',
  draw: (draw) => {
    // Large: a result that is written past the caches.
    const [samples, features] = draw.large ? [170, 5000] : [draw.int(1, 4), draw.pick([1, 3, 16, 17, 70])];
    const [rank, vectors] = draw.large ? [3, 5] : [draw.pick([1, 2, 8, 9, 13]), draw.int(1, 6)];
    return {
      inputs: {
        factor: draw.float([rank, samples, features], 'moderate'),
        tangents: draw.float([vectors, samples, features], 'moderate'),
      },
    };
  },
  reference: (call) => {
    const { factor, tangents } = named(call);
    const [rank = 0, samples = 0, features = 0] = factor!.shape;
    const out = new Float64Array(tangents!.values.length);
    for (let t = 0; t < out.length; t += features) {
      const n = (t / features) % samples;
      for (let v = 0; v < rank; v++) {
        const from = (v * samples + n) * features;
        let along = 0;
        for (let i = 0; i < features; i++) along += factor!.values[from + i]! * tangents!.values[t + i]!;
        for (let i = 0; i < features; i++) out[t + i]! += along * factor!.values[from + i]!;
      }
    }
    return [float32(tangents!.shape, out)];
  },
});

interface Stage {
  readonly kind: 'matrix' | 'diagonal';
  readonly out: number;
  readonly in: number;
}

interface ChainSystem {
  readonly at: number;
  readonly blocks: { readonly count: number; readonly size: number };
  readonly alpha: number;
  /** Null: a tensor. */
  readonly scale: number | null;
  readonly limit: number;
}

/** Positive definite systems in a random chain; of one iteration, for rounding grows with the next ones. */
function drawChain(draw: Draw): KernelCase {
  const depth = draw.int(0, 5);
  const widths = draw.large ? [520, 300, 40] : [1, 2, 3, 10, 17, 33];
  let width = draw.pick(widths);
  const stages = Array.from({ length: depth }, (): Stage => {
    const before = width;
    const kind = draw.pick(['matrix', 'diagonal'] as const);
    if (kind === 'matrix') width = draw.pick(widths);
    return { kind, in: before, out: width };
  });
  // A positive semi-definite head, all of whose entries are positive.
  const half = draw.uniform([width], 0.5, 1).values;
  const head = Float32Array.from({ length: width ** 2 }, (_, i) => half[i % width]! * half[Math.floor(i / width)]!);
  const inputs: Record<string, Input> = { head: { ...float32([width, width], head), view: 'plain' } };
  stages.forEach((stage, l) => {
    const shape = stage.kind === 'matrix' ? [stage.out, stage.in] : [1, stage.in];
    inputs[`stage${l}`] = draw.uniform(shape, stage.kind === 'matrix' ? -1 : 0.5, 1);
    if (stage.kind === 'diagonal' && draw.flag()) inputs[`residual${l}`] = draw.uniform(shape, 0, 0.5);
  });
  const systems = Array.from({ length: draw.int(1, 4) }, (_, i): ChainSystem => {
    const at = draw.int(0, depth);
    const n = stages[at]?.in ?? width;
    const { count, size } = splitRows(n, draw.pick([1, 1, 2, 3, 5, 20]));
    // With a single coordinate the residual is zero, or not, by rounding.
    const rows = n - (count - 1) * size;
    const skip = rows === 1 ? 1 : draw.int(0, 1);
    const shape = [count, skip + size];
    const isThere = (k: number): boolean => {
      const row = (k % (skip + size)) - skip;
      return row < 0 || Math.floor(k / (skip + size)) * size + row < n;
    };
    const some = (from: number, to: number): Input => {
      const drawn = draw.uniform(shape, from, to);
      return { ...drawn, values: drawn.values.map((value, k) => (isThere(k) ? value : 0)) };
    };
    const [x, r, metric] = [some(-1, 1), some(0.5, 2), draw.uniform(shape, 0.5, 2)];
    Object.assign(inputs, { [`x${i}`]: x, [`r${i}`]: r });
    // As it is used: H is not symmetric in other inner products.
    if (skip === 1) {
      metric.values.forEach((_, k) => k % (skip + size) > 0 && (metric.values[k] = 1));
      inputs[`metric${i}`] = metric;
    }
    const state = Array.from({ length: count }, (_, j) => {
      let square = 0;
      for (let k = j * (skip + size); k < (j + 1) * (skip + size); k++) {
        square += r.values[k]! ** 2 * (skip === 1 ? metric.values[k]! : 1);
      }
      return [square, 0, 0, draw.pick([0, 0, 0, 1]), 0];
    });
    inputs[`state${i}`] = { ...float32([count, columns], state.flat()), view: 'plain' };
    const scale = draw.pick([1, 0.5, null]);
    if (scale === null) inputs[`scale${i}`] = draw.uniform([], 0.5, 1);
    return { at, blocks: { count, size }, alpha: 1, scale, limit: 0 };
  });
  return { inputs, attrs: { stages: stages.map(({ kind }) => kind), systems, stopOnNonPositive: draw.flag() } };
}

/** R t for t at the input of stage l, in double precision. */
function throughChain({ inputs, attrs }: KernelCase, l: number, t: readonly number[]): number[] {
  const tensors = inputs as Record<string, Input>;
  const kind = (attrs!['stages'] as readonly Stage['kind'][])[l];
  if (!kind) {
    const { values } = tensors['head']!;
    return t.map((_, a) => t.reduce((sum, value, b) => sum + values[a * t.length + b]! * value, 0));
  }
  const { shape, values } = tensors[`stage${l}`]!;
  if (kind === 'diagonal') {
    const residual = tensors[`residual${l}`]?.values;
    const back = throughChain({ inputs, attrs: attrs! }, l + 1, t.map((value, i) => values[i]! * value)); // prettier-ignore
    return back.map((value, i) => values[i]! * value + (residual ? residual[i]! * t[i]! : 0));
  }
  const [out = 0, width = 0] = shape;
  const rows = Array.from({ length: out }, (_, o) => values.subarray(o * width, (o + 1) * width));
  const onwards = rows.map((row) => t.reduce((sum, value, i) => sum + row[i]! * value, 0));
  const back = throughChain({ inputs, attrs: attrs! }, l + 1, onwards);
  return t.map((_, i) => rows.reduce((sum, row, o) => sum + row[i]! * back[o]!, 0));
}

/** The one iteration of each block by itself. */
function solveChain(call: KernelCase): Numbers[] {
  const inputs = named(call);
  const { systems } = call.attrs as { systems: readonly ChainSystem[] };
  return systems.flatMap(({ at, blocks, alpha, scale }, i) => {
    const [x, r, state, metric] = ['x', 'r', 'state', 'metric'].map((name) => inputs[name + String(i)]);
    const width = (at < (call.attrs!['stages'] as []).length ? inputs[`stage${at}`]! : inputs['head']!).shape[1]!;
    const factor = scale ?? inputs[`scale${i}`]!.values[0]!;
    const n = x!.shape[1]!;
    const skip = n - blocks.size;
    const [nextX, nextR] = [Float64Array.from(x!.values), Float64Array.from(r!.values)];
    const after = Float64Array.from(state!.values);
    for (let j = 0; j < blocks.count; j++) {
      const of = (all: ArrayLike<number>): number[] => Array.from({ length: n }, (_, k) => all[j * n + k]!);
      const dot = (u: readonly number[], v: readonly number[]): number =>
        u.reduce((sum, value, k) => sum + value * v[k]! * (metric ? metric.values[j * n + k]! : 1), 0);
      const [sum, residual, p] = [of(nextX), of(nextR), of(nextR)];
      const s = after.subarray(j * columns, (j + 1) * columns);
      if (s[3] === 0) {
        const tangent = new Array<number>(width).fill(0);
        const begin = j * blocks.size;
        const rows = Math.min(blocks.size, width - begin);
        for (let k = 0; k < rows; k++) tangent[begin + k] = p[skip + k]!;
        const curved = throughChain(call, at, tangent);
        const ap = p.map((value, k) => alpha * value + (k >= skip && k - skip < rows ? factor * curved[begin + k - skip]! : 0)); // prettier-ignore
        s[4] = s[0]! / dot(ap, p);
        p.forEach((value, k) => {
          sum[k]! += s[4]! * value;
          residual[k]! -= s[4]! * ap[k]!;
        });
        s[0] = dot(residual, residual);
        s[2]!++;
        s[3] = 2;
      }
      nextX.set(sum, j * n);
      nextR.set(residual, j * n);
    }
    return [float32(x!.shape, nextX), float32(x!.shape, nextR), float32(state!.shape, after)];
  });
}

/** The native backend's alone: others take the halves above. test/engine/cg.test.ts holds it against them. */
const chainKernel: Kernel = {
  name: 'HbpChainCg',
  because,
  backends: ['native'],
  tolerance: 'sum',
  draw: drawChain,
  reference: solveChain,
};

export const conjugateKernels: readonly Kernel[] = [...descendKernels, ...turnKernels, ...factorKernels, chainKernel];
