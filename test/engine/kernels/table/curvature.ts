import * as link from '../../../../src/engine/curvature/link.js';
import type { KnownByOutput } from '../../../../src/engine/fused.js';
import { addRows, projectRows, rowsProduct } from '../../../../src/engine/linalg/rows.js';
import type { Input, Kernel, KernelCase, Numbers } from '../case.js';
import type { Draw } from '../draw.js';

/*
 * Kernels of src/engine/fused-curvature.ts: each by its name where a backend has it, and as callers use it on every
 * backend, where it is composed if need be.
 */

const because = 'cpu composes it';
const named = ({ inputs }: KernelCase): Readonly<Record<string, Input>> => inputs as Record<string, Input>;
const float32 = (shape: readonly number[], values: Iterable<number>): Numbers => ({
  shape,
  dtype: 'float32',
  values: Float32Array.from(values),
});

type Row = Omit<Kernel, 'name' | 'because' | 'backends' | 'op'>;
type Named = Parameters<NonNullable<Kernel['op']>>[0];

/** The kernel `name`, and the function that uses it. */
export function both(name: string, op: NonNullable<Kernel['op']>, row: Row): Kernel[] {
  const composed = { ...row, name: `${name.replace('Hbp', '')} as used`, because, op };
  return [{ ...row, name, because, backends: ['native'] }, composed];
}

const activationOf = (attrs: Readonly<Record<string, unknown>>): KnownByOutput => attrs['activation'] as KnownByOutput;

/** Derivatives as functions of the output y. */
const first = {
  Sigmoid: (y: number) => y * (1 - y),
  Tanh: (y: number) => 1 - y * y,
  Relu: (y: number) => (y > 0 ? 1 : 0),
} as const;
const second = {
  Sigmoid: (y: number) => y * (1 - y) * (1 - 2 * y),
  Tanh: (y: number) => -2 * y * (1 - y * y),
  Relu: () => 0,
} as const;

function matrixSize(draw: Draw): [number, number] {
  if (draw.large) return draw.pick([[300, 1001] as const, [2, 150_000] as const]).slice() as [number, number];
  return [draw.size(), draw.pick([1, 2, 15, 16, 17, 33, 70, 300])];
}

const matrices: Kernel[] = [
  ...both('HbpProjectRows', (inputs) => Object.values(projectRows(inputs['matrix']!, inputs['direction']!)), {
    tolerance: 'sum',
    draw: (draw) => {
      const [rows, columns] = matrixSize(draw);
      return { inputs: { matrix: draw.float([rows, columns], 'moderate'), direction: draw.uniform([columns], -1, 1) } };
    },
    reference: (call) => {
      const { matrix, direction } = named(call);
      const [rows = 0, columns = 0] = matrix!.shape;
      const [along, residual] = [new Float64Array(rows), new Float64Array(rows)];
      for (let o = 0; o < rows; o++) {
        const row = matrix!.values.subarray(o * columns, (o + 1) * columns);
        row.forEach((b, i) => (along[o]! += b * direction!.values[i]!));
        row.forEach((b, i) => (residual[o]! += (b - along[o]! * direction!.values[i]!) ** 2));
      }
      return [float32([rows], along), float32([rows], residual)];
    },
  }),
  ...both(
    'HbpAddRows',
    ({ value, matrix, direction, factors, steps }: Named) => addRows(value!, matrix!, direction!, factors!, steps!),
    {
      tolerance: 'sum',
      draw: (draw) => {
        const [rows, columns] = matrixSize(draw);
        return {
          inputs: {
            value: draw.float([rows, columns], 'moderate'),
            matrix: draw.float([rows, columns], 'moderate'),
            direction: draw.float([columns], 'moderate'),
            factors: draw.float([rows], 'moderate'),
            steps: draw.float([rows], 'moderate'),
          },
        };
      },
      reference: (call) => {
        const { value, matrix, direction, factors, steps } = named(call);
        const [, columns = 0] = value!.shape;
        const moved = Array.from(value!.values, (w, at) => {
          const [o, i] = [Math.floor(at / columns), at % columns];
          return w + factors!.values[o]! * matrix!.values[at]! + steps!.values[o]! * direction!.values[i]!;
        });
        return [float32(value!.shape, moved)];
      },
    },
  ),
];

const factors: Kernel[] = both('HbpRowsProduct', ({ rows, v }: Named) => rowsProduct(rows!, v!), {
  tolerance: 'sum',
  draw: (draw) => {
    const [rows, columns] = draw.large ? [1001, 333] : [draw.pick([1, 2, 7, 8, 9, 100, 130]), draw.int(1, 70)];
    const vectors = draw.pick([1, 2, 5]);
    return { inputs: { rows: draw.float([rows, columns], 'moderate'), v: draw.float([vectors, columns], 'moderate') } };
  },
  reference: (call) => {
    const { rows, v } = named(call);
    const columns = rows!.shape[1]!;
    const total = new Float64Array(v!.values.length);
    for (let t = 0; t < total.length; t += columns) {
      for (let r = 0; r < rows!.values.length; r += columns) {
        let y = 0;
        for (let i = 0; i < columns; i++) y += rows!.values[r + i]! * v!.values[t + i]!;
        for (let i = 0; i < columns; i++) total[t + i]! += y * rows!.values[r + i]!;
      }
    }
    return [float32(v!.shape, total)];
  },
});

/** An activation's output, of any shape. */
function outputOf(draw: Draw, activation: KnownByOutput, shape: readonly number[]): Input {
  if (activation === 'Relu') return draw.float(shape, 'moderate');
  return activation === 'Tanh' ? draw.uniform(shape, -1, 1) : draw.uniform(shape, 0, 1);
}

const links: Kernel[] = [
  ...both(
    'HbpDerivativeMeans',
    ({ output, gradient }: Named, attrs) =>
      Object.values(link.derivativeMeans(activationOf(attrs), output!, gradient!)),
    {
      tolerance: 'sum',
      draw: (draw) => {
        const activation = draw.pick(['Sigmoid', 'Tanh', 'Relu'] as const);
        const shape = draw.large
          ? draw.pick([
              [1000, 333],
              [100_003, 3],
            ])
          : [draw.pick([1, 2, 3, 63, 64, 65, 130]), draw.pick([1, 2, 15, 16, 17, 33, 0])];
        const inputs = { output: outputOf(draw, activation, shape), gradient: draw.float(shape, 'moderate') };
        return { inputs, attrs: { activation } };
      },
      reference: (call) => {
        const { output, gradient } = named(call);
        const [samples = 0, n = 0] = output!.shape;
        const activation = activationOf(call.attrs!);
        const [means, sums] = [new Float64Array(n), new Float64Array(n)];
        output!.values.forEach((y, at) => {
          means[at % n]! += first[activation](y);
          sums[at % n]! += second[activation](y) * gradient!.values[at]!;
        });
        return [
          float32(
            [n],
            means.map((total) => total / samples),
          ),
          float32([n], sums),
        ];
      },
    },
  ),
  ...both(
    'HbpCurveLink',
    ({ output, u, residual, t }: Named, attrs) => link.curveLink(activationOf(attrs), output!, u!, residual!, t!),
    {
      tolerance: 'sum',
      draw: (draw) => {
        const activation = draw.pick(['Sigmoid', 'Tanh', 'Relu'] as const);
        const shape = draw.shape({ min: 1, max: 3 });
        const all = [...(draw.large ? [] : draw.pick([[], [1], [3]])), ...shape];
        const output = outputOf(draw, activation, shape);
        const [u, t] = [draw.float(all, 'moderate'), draw.float(all, 'moderate')];
        return { inputs: { output, u, residual: draw.float(shape, 'moderate'), t }, attrs: { activation } };
      },
      reference: (call) => {
        const { output, u, residual, t } = named(call);
        const activation = activationOf(call.attrs!);
        const values = Array.from(u!.values, (value, at) => {
          const i = at % output!.values.length;
          return first[activation](output!.values[i]!) * value + residual!.values[i]! * t!.values[at]!;
        });
        return [float32(u!.shape, values)];
      },
    },
  ),
];

export const curvatureKernels: readonly Kernel[] = [...matrices, ...factors, ...links];
