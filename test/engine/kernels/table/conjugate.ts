import { factorProduct } from '../../../../src/engine/curvature/cvp/factor-cascade.js';
import { descend, turn } from '../../../../src/engine/optim/cg-iteration.js';
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
    const [samples, features] = draw.large ? [40, 5000] : [draw.int(1, 4), draw.pick([1, 3, 16, 17, 70])];
    const [rank, vectors] = [draw.pick([1, 2, 8, 9]), draw.int(1, 3)];
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

export const conjugateKernels: readonly Kernel[] = [...descendKernels, ...turnKernels, ...factorKernels];
