import * as link from '../../../../src/engine/curvature/link.js';
import type { KnownByOutput } from '../../../../src/engine/fused.js';
import { addMeanCoordinates, meanCoordinates } from '../../../../src/engine/curvature/hbp/mean-coordinates.js';
import { type RowBlocks, splitRows } from '../../../../src/engine/curvature/row-blocks.js';
import { rowsProduct } from '../../../../src/engine/linalg/rows.js';
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

export const activationOf = (attrs: Readonly<Record<string, unknown>>): KnownByOutput =>
  attrs['activation'] as KnownByOutput;

/** Derivatives as functions of the output y. */
export const firstDerivatives = {
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

/** Row blocks of a matrix, and a direction in which to split it. */
function splitting(draw: Draw): { columns: number; blocks: RowBlocks; factor: number } {
  // Longer rows than any layer has are a matter of the backends' own sums.
  const [rows, columns] = draw.large ? [300, 1001] : matrixSize(draw);
  return {
    columns,
    blocks: splitRows(Math.max(rows, 1), draw.pick([1, 1, 2, 3, 16])),
    factor: draw.pick([1, -1, 0.5]),
  };
}

const blocksOf = (rows: number, attrs: Readonly<Record<string, unknown>>): RowBlocks => {
  const { count, size } = attrs as { count: number; size: number };
  return { rows, count, size };
};

const matrices: Kernel[] = [
  ...both(
    'HbpMeanCoordinates',
    ({ matrix, mean }: Named, attrs) => {
      const blocks = blocksOf(matrix!.shape[0], attrs);
      const { along, rhs, metric, direction, square } = meanCoordinates(
        matrix!,
        mean!,
        blocks,
        attrs['factor'] as number,
      );
      return [along, rhs, metric, direction, square];
    },
    {
      tolerance: 'sum',
      draw: (draw) => {
        const { columns, blocks, factor } = splitting(draw);
        const { rows, count, size } = blocks;
        const mean = draw.rarely(4) ? draw.uniform([columns], 0, 0) : draw.uniform([columns], -1, 1);
        return { inputs: { matrix: draw.float([rows, columns], 'moderate'), mean }, attrs: { count, size, factor } };
      },
      reference: (call) => {
        const { matrix, mean } = named(call);
        const { count, size, factor } = call.attrs as { count: number; size: number; factor: number };
        const [rows = 0, columns = 0] = matrix!.shape;
        const square = Array.from(mean!.values).reduce((sum, m) => sum + m * m, 0);
        const direction = Array.from(mean!.values, (m) => (square === 0 ? 0 : m / Math.sqrt(square)));
        const along = new Float64Array(rows);
        const [rhs, metric] = [new Float64Array(count * (1 + size)), new Float64Array(count * (1 + size)).fill(1)];
        for (let j = 0; j < count; j++) [rhs[j * (1 + size)], metric[j * (1 + size)]] = [1, 0];
        for (let o = 0; o < rows; o++) {
          const row = matrix!.values.subarray(o * columns, (o + 1) * columns);
          direction.forEach((d, i) => (along[o]! += factor * row[i]! * d));
          const at = Math.floor(o / size) * (1 + size);
          rhs[at + 1 + (o % size)] = along[o]!;
          direction.forEach((d, i) => (metric[at]! += (factor * row[i]! - along[o]! * d) ** 2));
        }
        return [
          float32([rows], along),
          float32([count, 1 + size], rhs),
          float32([count, 1 + size], metric),
          float32([columns], direction),
          float32([], [square]),
        ];
      },
    },
  ),
  ...both(
    'HbpAddMeanCoordinates',
    ({ value, matrix, direction, along, x }: Named, attrs) => {
      const { factor, length } = attrs as { factor: number; length: number };
      const blocks = { rows: matrix!.shape[0], count: x!.shape[0], size: x!.shape[1]! - 1 };
      return addMeanCoordinates(value!, matrix!, { along: along!, direction: direction! }, x!, blocks, {
        factor,
        length,
      });
    },
    {
      tolerance: 'sum',
      draw: (draw) => {
        const { columns, blocks, factor } = splitting(draw);
        const { rows, count, size } = blocks;
        return {
          inputs: {
            value: draw.float([rows, columns], 'moderate'),
            matrix: draw.float([rows, columns], 'moderate'),
            direction: draw.float([columns], 'moderate'),
            along: draw.float([rows], 'moderate'),
            x: draw.float([count, 1 + size], 'moderate'),
          },
          attrs: { size, factor, length: draw.pick([1, 0.1, -2]) },
        };
      },
      reference: (call) => {
        const { value, matrix, direction, along, x } = named(call);
        const { size, factor, length } = call.attrs as { size: number; factor: number; length: number };
        const columns = value!.shape[1]!;
        const moved = Array.from(value!.values, (w, at) => {
          const [o, i] = [Math.floor(at / columns), at % columns];
          const block = Math.floor(o / size) * (1 + size);
          const [xi, u] = [x!.values[block]!, x!.values[block + 1 + (o % size)]!];
          return (
            w + length * (xi * factor * matrix!.values[at]! + (u - xi * along!.values[o]!) * direction!.values[i]!)
          );
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
          means[at % n]! += firstDerivatives[activation](y);
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
          return firstDerivatives[activation](output!.values[i]!) * value + residual!.values[i]! * t!.values[at]!;
        });
        return [float32(u!.shape, values)];
      },
    },
  ),
];

export const curvatureKernels: readonly Kernel[] = [...matrices, ...factors, ...links];
