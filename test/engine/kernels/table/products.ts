import type { Input, Kernel, KernelCase } from '../case.js';
import type { Draw } from '../draw.js';
import { cpuKernel } from '../cpu.js';
import { avgPoolGrad, matMul } from '../reference.js';

const activations = ['linear', 'relu', 'relu6', 'elu', 'sigmoid', 'leakyrelu', 'prelu'] as const;

/** Sizes m, k, n of a product; large ones make one of them long. */
function extents(draw: Draw): [number, number, number] {
  if (draw.large)
    return draw.pick([
      [3, 100_000, 2],
      [550, 9, 560],
      [1, 700, 500],
      [500, 700, 1],
      [130, 260, 90],
    ]);
  return draw.pick([false, false, false, true])
    ? draw.pick([
        [2, 1025, 3],
        [1, 400, 1],
        [65, 66, 67],
        [1, 33, 128],
        [128, 17, 1],
      ])
    : [draw.size(), draw.size(), draw.size()];
}

function operands(draw: Draw, batches: readonly (readonly number[])[]): Required<KernelCase> {
  const [m, k, n] = extents(draw);
  const transposeA = draw.flag();
  const transposeB = draw.flag();
  const aShape = [...batches[0]!, ...(transposeA ? [k, m] : [m, k])];
  const bShape = [...batches[1]!, ...(transposeB ? [n, k] : [k, n])];
  const a = draw.float(aShape, 'sum');
  const b = draw.rarely(3) && aShape.join() === bShape.join() ? a : draw.float(bShape, 'sum');
  return { inputs: { a, b }, attrs: { transposeA, transposeB } };
}

function batched(draw: Draw): KernelCase {
  const batch = draw.large ? [] : draw.pick([[], [], [1], [2], [3], [2, 3], [0], [2, 1, 2]]);
  const squeeze = (): number[] => batch.map((size) => (draw.rarely(3) ? 1 : size));
  return operands(draw, draw.flag() ? [batch, batch] : [squeeze(), squeeze()]);
}

/** bias and activation onto the inputs and attributes of a product with `columns` outputs. */
function fused(draw: Draw, { inputs, attrs }: Required<KernelCase>, columns: number): KernelCase {
  const activation = draw.pick(activations);
  return {
    inputs: {
      ...inputs,
      ...(draw.flag() && { bias: draw.float(draw.rarely(4) ? [] : [columns], 'sum') }),
      ...(activation === 'prelu' && { preluActivationWeights: draw.uniform(draw.rarely(3) ? [1] : [columns], 0, 1) }),
    },
    attrs: { ...attrs, activation, ...(activation === 'leakyrelu' && { leakyreluAlpha: draw.pick([0.01, 0.2]) }) },
  };
}

interface Geometry {
  readonly x: [number, number, number, number];
  readonly filter: [number, number, number, number];
  readonly y: [number, number, number, number];
  readonly attrs: Readonly<Record<string, unknown>>;
}

/** Sizes of a convolution or pooling that fit together: y is at least 1 x 1. */
function geometry(draw: Draw, { dilate = false, pool = false } = {}): Geometry {
  // Large pictures with few channels: the cpu backend needs seconds for more. Whole blocks of 16 are calculated differently.
  const channel = (): number => draw.pick(draw.large ? [2, 4] : [1, 2, 3, 4, 7, 8, 16, 16, 17, 32, 33, 48]);
  const longest = draw.large ? 3 : 4;
  const height = draw.int(1, longest);
  const kernel = [height, draw.flag() ? height : draw.int(1, longest)] as const;
  const dilated = dilate && draw.rarely(4);
  const dilations: [number, number] = dilated ? [draw.int(1, 3), draw.int(1, 3)] : [1, 1];
  const strides: [number, number] = dilated || draw.flag() ? [1, 1] : [draw.int(1, 3), draw.int(1, 3)];
  const extent = kernel.map((size, i) => (size - 1) * dilations[i]! + 1);
  const how = draw.pick(['valid', 'same', 'explicit'] as const);
  const side = (i: number): number => extent[i]! + draw.int(0, 7);
  const x: Geometry['x'] = draw.large ? [20, 64, 64, 4] : [draw.pick([1, 2, 3, 5, 0]), side(0), side(1), channel()];
  // Less padding than the window is long, so that every window sees the input.
  const margin = (i: number): [number, number] => [
    draw.int(0, Math.min(2, kernel[i]! - 1)),
    draw.int(0, Math.min(2, kernel[i]! - 1)),
  ];
  const pad = how === 'explicit' ? [[0, 0], margin(0), margin(1), [0, 0]] : how;
  const size = (i: number): number => {
    const length = x[i + 1]!;
    if (how === 'same') return Math.ceil(length / strides[i]!);
    const [before = 0, after = 0] = how === 'valid' ? [] : (pad[i + 1] as unknown as [number, number]);
    return Math.floor((length + before + after - extent[i]!) / strides[i]!) + 1;
  };
  const out = pool ? x[3] : channel();
  return {
    x,
    filter: [kernel[0], kernel[1], x[3], out],
    y: [x[0], size(0), size(1), out],
    attrs: pool
      ? { filterSize: [...kernel], strides, pad }
      : { strides, pad, dataFormat: 'NHWC', ...(dilate && { dilations }) },
  };
}

function convolution(draw: Draw): Required<KernelCase> {
  const { x, filter, attrs } = geometry(draw, { dilate: true });
  return { inputs: { x: draw.float(x, 'sum'), filter: draw.float(filter, 'moderate') }, attrs };
}

const pooling =
  (make: (draw: Draw, shape: number[]) => Input = (draw, shape) => draw.float(shape, 'ordered')) =>
  (draw: Draw): Required<KernelCase> => {
    const { x, attrs } = geometry(draw, { pool: true });
    return { inputs: { x: make(draw, x) }, attrs };
  };
/** Numbers with many ties and no NaN: which element is the largest must be defined. */
function tied(draw: Draw, shape: readonly number[]): Input {
  if (draw.flag()) return draw.uniform(shape, -3, 3);
  const { values, ...rest } = draw.int32(shape, -2, 2);
  return { ...rest, dtype: 'float32', values: Float32Array.from(values) };
}

export const products: readonly Kernel[] = [
  {
    name: 'BatchMatMul',
    tolerance: 'sum',
    draw: batched,
    reference: matMul,
    because: 'cpu takes the wrong matrices when both operands have batch axes of size 1 in different places',
  },
  {
    name: '_FusedMatMul',
    tolerance: 'sum',
    linear: { activation: 'linear' },
    draw: (draw) => {
      // The operation flattens the batch axes.
      const batch = draw.large ? [1] : draw.pick([[1], [2], [3]]);
      const call = operands(
        draw,
        draw.pick([
          [batch, batch],
          [[1], batch],
          [batch, [1]],
        ]),
      );
      const { b } = call.inputs as { b: Input };
      return fused(draw, call, b.shape.at(call.attrs['transposeB'] ? -2 : -1)!);
    },
  },
  { name: 'Conv2D', tolerance: 'sum', draw: convolution },
  {
    name: 'FusedConv2D',
    tolerance: 'sum',
    linear: { activation: 'linear' },
    draw: (draw) => {
      const call = convolution(draw);
      return fused(draw, call, (call.inputs as { filter: Input }).filter.shape[3]!);
    },
  },
  {
    name: 'Conv2DBackpropInput',
    tolerance: 'sum',
    draw: (draw) => {
      const { x, filter, y, attrs } = geometry(draw);
      return {
        inputs: { dy: draw.float(y, 'sum'), filter: draw.float(filter, 'moderate') },
        attrs: { ...attrs, inputShape: x },
      };
    },
  },
  {
    name: 'Conv2DBackpropFilter',
    tolerance: 'sum',
    draw: (draw) => {
      const { x, filter, y, attrs } = geometry(draw);
      return {
        inputs: { x: draw.float(x, 'moderate'), dy: draw.float(y, 'sum') },
        attrs: { ...attrs, filterShape: filter },
      };
    },
  },
  { name: 'MaxPool', tolerance: 'exact', draw: pooling() },
  {
    name: 'MaxPoolGrad',
    tolerance: 'sum',
    draw: (draw) => {
      const { x, y, attrs } = geometry(draw, { pool: true });
      const input = tied(draw, x);
      const output: Input = { ...cpuKernel('MaxPool', { inputs: { x: input }, attrs })[0]!, view: 'plain' };
      return { inputs: { dy: draw.float(y, 'sum'), input, output }, attrs };
    },
  },
  {
    name: 'MaxPoolWithArgmax',
    tolerance: 'exact',
    draw: (draw) => {
      const call = pooling(tied)(draw);
      return { ...call, attrs: { ...call.attrs, includeBatchInIndex: draw.flag() } };
    },
  },
  { name: 'AvgPool', tolerance: 'sum', draw: pooling((draw, shape) => draw.float(shape, 'sum')) },
  {
    name: 'AvgPoolGrad',
    tolerance: 'sum',
    draw: (draw) => {
      const { x, y, attrs } = geometry(draw, { pool: true });
      return { inputs: { dy: draw.float(y, 'sum'), input: draw.float(x) }, attrs };
    },
    reference: avgPoolGrad,
    because: 'cpu divides by the size of the window where padding makes it smaller, unlike its own AvgPool',
  },
  {
    name: 'Einsum',
    tolerance: 'sum',
    draw: (draw) => {
      const equation = draw.pick([
        'ij,jk->ik',
        'bij,bjk->bik',
        'ij,ij->i',
        'i,j->ij',
        'ijk,lk->ijl',
        'ij,ij->',
        'abc,cd->dab',
        'ij,kj->ki',
      ]);
      // The cpu backend makes all products before it sums them up: 350,000 at most.
      const large = Math.floor(350_000 ** (1 / new Set(equation.replace(/\W/g, '')).size));
      const sizes = new Map<string, number>();
      const shapes = equation
        .split('->')[0]!
        .split(',')
        .map((term) =>
          [...term].map((letter) => {
            if (!sizes.has(letter)) sizes.set(letter, draw.large ? large : draw.int(1, 9));
            return sizes.get(letter)!;
          }),
        );
      return { inputs: shapes.map((shape) => draw.float(shape, 'sum')), attrs: { equation } };
    },
  },
];
