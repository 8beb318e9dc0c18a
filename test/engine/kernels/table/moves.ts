import type { Input, Kernel, KernelCase } from '../case.js';
import type { Draw } from '../draw.js';

const sizeOf = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

/** A kernel that moves, copies or makes elements. */
const move = (name: string, draw: Kernel['draw'], more: Partial<Kernel> = {}): Kernel => ({
  name,
  tolerance: 'exact',
  draw,
  ...more,
});

/** One input x, and attributes that fit its shape. */
const on =
  (
    attrs: (draw: Draw, shape: number[]) => Record<string, unknown>,
    { min = 0, max = 5, empty = true, name = 'x' } = {},
  ) =>
  (draw: Draw): KernelCase => {
    const shape = draw.shape({ min, max, empty });
    return { inputs: { [name]: draw.tensor(shape) }, attrs: attrs(draw, shape) };
  };

/** Tensors that differ in the size of one axis only. */
function series(draw: Draw, differ: boolean): { inputs: Input[]; axis: number } {
  const shape = draw.shape({ min: 1, max: 4 });
  const axis = draw.int(0, shape.length - 1);
  const like = draw.tensor(shape);
  const make = (size: number): Input => {
    const sized = shape.map((s, i) => (i === axis ? size : s));
    return like.dtype === 'float32' ? draw.float(sized) : like.dtype === 'int32' ? draw.int32(sized) : draw.bool(sized);
  };
  const others = Array.from({ length: draw.int(0, 3) }, () => make(differ ? draw.size() : shape[axis]!));
  return { inputs: draw.rarely(4) ? [like, ...others, like] : [like, ...others], axis };
}

/** begin and size within a shape. */
function box(draw: Draw, shape: readonly number[]): { begin: number[]; size: number[] } {
  const begin = shape.map((s) => draw.int(0, Math.min(s, 5)));
  return { begin, size: shape.map((s, i) => s - begin[i]! - draw.int(0, Math.min(s - begin[i]!, 5))) };
}

/** Indices [.., depth] into the leading axes of a shape. */
function places(draw: Draw, shape: readonly number[], depth: number): Input {
  const count = draw.int(1, 12);
  const index = draw.int32([count, depth], 0, 1_000_000);
  return { ...index, values: index.values.map((value, i) => value % shape[i % depth]!) };
}

export const moves: readonly Kernel[] = [
  move(
    'Transpose',
    on((draw, shape) => ({ perm: draw.permutation(shape.length) }), { min: 1, max: 6 }),
  ),
  move('Slice', on(box, { min: 1 })),
  move(
    'StridedSlice',
    on(
      (draw, shape) => {
        const strides = shape.map(() => draw.pick([1, 2, 3, -1, -2]));
        const lows = shape.map((s) => draw.int(0, s));
        const highs = shape.map((s, i) => draw.int(lows[i]!, s));
        // An end before the begin means an empty result, but on cpu an error. Negative numbers count from the end.
        const fromEnd = (at: number, s: number): number => (at < s && draw.flag() ? at - s : at);
        return {
          begin: shape.map((s, i) => fromEnd(strides[i]! > 0 ? lows[i]! : highs[i]!, s)),
          end: shape.map((s, i) => fromEnd(strides[i]! > 0 ? highs[i]! : lows[i]!, s)),
          strides,
          beginMask: draw.int(0, 2 ** shape.length - 1),
          endMask: draw.int(0, 2 ** shape.length - 1),
          ellipsisMask: 0,
          newAxisMask: 0,
          shrinkAxisMask: 0,
        };
      },
      { min: 1, max: 4 },
    ),
  ),
  move(
    'PadV2',
    on((draw, shape) => ({
      paddings: shape.map(() => [draw.pick([0, 1, 3]), draw.pick([0, 1, 2])]),
      constantValue: draw.pick([0, 1]),
    })),
  ),
  move('Concat', (draw) => {
    const { inputs, axis } = series(draw, true);
    return { inputs, attrs: { axis } };
  }),
  move('SplitV', (draw) => {
    const shape = draw.shape({ min: 1, max: 4 });
    const axis = draw.int(0, shape.length - 1);
    const size = shape[axis]!;
    const first = draw.int(0, size);
    const second = draw.int(0, size - first);
    const sizes = draw.flag() ? [first, second, size - first - second] : [size];
    return { inputs: { x: draw.tensor(shape) }, attrs: { numOrSizeSplits: sizes, axis } };
  }),
  move('Pack', (draw) => {
    const { inputs } = series(draw, false);
    return { inputs, attrs: { axis: draw.int(0, inputs[0]!.shape.length) } };
  }),
  move('Unpack', (draw) => {
    const [count, ...rest] = [draw.int(1, draw.large ? 2 : 5), ...draw.shape({ max: 3 })];
    const axis = draw.int(0, rest.length);
    const shape = [...rest.slice(0, axis), count, ...rest.slice(axis)];
    return { inputs: { value: draw.tensor(shape) }, attrs: { axis } };
  }),
  move('GatherV2', (draw) => {
    const shape = draw.shape({ min: 1, empty: false });
    const axis = draw.int(0, shape.length - 1);
    const batchDims = draw.rarely(3) ? draw.int(0, axis) : 0;
    const picked = [...shape.slice(0, batchDims), ...draw.pick([[], [1], [4], [2, 3], [0]])];
    return {
      inputs: { x: draw.tensor(shape), indices: draw.int32(picked, 0, shape[axis]! - 1) },
      attrs: { axis, batchDims },
    };
  }),
  move('GatherNd', (draw) => {
    const shape = draw.shape({ min: 1, empty: false });
    return { inputs: { params: draw.tensor(shape), indices: places(draw, shape, draw.int(1, shape.length)) } };
  }),
  {
    name: 'ScatterNd',
    tolerance: 'sum',
    draw: (draw) => {
      const shape = draw.shape({ min: 1, empty: false });
      const depth = draw.int(1, shape.length);
      const indices = places(draw, shape, depth);
      const updates = [indices.shape[0]!, ...shape.slice(depth)];
      const values = draw.rarely(4) ? draw.int32(updates) : draw.float(updates, 'sum');
      return { inputs: { indices, updates: values }, attrs: { shape } };
    },
  },
  {
    name: 'UnsortedSegmentSum',
    tolerance: 'sum',
    draw: (draw) => {
      const shape = draw.shape({ min: 1, max: 3, empty: false });
      const numSegments = draw.int(1, 6);
      // Below 0 and beyond the last, rows belong to no segment.
      return {
        inputs: { x: draw.float(shape, 'moderate'), segmentIds: draw.int32(shape.slice(0, 1), -1, numSegments) },
        attrs: { numSegments },
      };
    },
  },
  move(
    'Tile',
    on((draw, shape) => ({ reps: shape.map(() => draw.pick(draw.large ? [1, 2] : [1, 1, 2, 3])) }), { min: 1, max: 4 }),
  ),
  move(
    'Reverse',
    on((draw, shape) => ({ dims: draw.subset(shape.length) }), { max: 4 }),
  ),
  move('Cast', (draw) => {
    const dtype = draw.pick(['float32', 'int32', 'bool'] as const);
    const shape = draw.shape();
    const from = draw.pick(['float32', 'int32', 'bool'] as const);
    // What NaN and numbers beyond 2^31 become as integers is undefined.
    const x =
      from === 'bool'
        ? draw.bool(shape)
        : from === 'int32'
          ? draw.int32(shape, -100_000_000, 100_000_000)
          : draw.float(shape, dtype === 'int32' ? 'moderate' : 'any', dtype === 'int32' ? 1000 : 1);
    return { inputs: { x }, attrs: { dtype } };
  }),
  move('Fill', (draw) => {
    const dtype = draw.pick(['float32', 'int32', 'bool'] as const);
    return {
      inputs: {},
      attrs: {
        shape: draw.shape(),
        dtype,
        value: dtype === 'float32' ? draw.pick([0, 1, -2.5, NaN, Infinity, 1e-40]) : draw.int(0, 1),
      },
    };
  }),
  move(
    'OnesLike',
    on(() => ({})),
  ),
  move(
    'ZerosLike',
    on(() => ({})),
  ),
  move('OneHot', (draw) => {
    const depth = draw.int(1, 12);
    // Indices outside of 0 .. depth - 1 give a row of offValue.
    const [from, to] = draw.flag() ? [0, depth - 1] : [-1, depth];
    const attrs = {
      depth,
      onValue: draw.pick([1, 5]),
      offValue: draw.pick([0, -1]),
      dtype: draw.pick(['int32', 'float32']),
    };
    return { inputs: { indices: draw.int32(draw.shape({ max: 2 }), from, to) }, attrs };
  }),
  {
    name: 'Range',
    tolerance: 'sum',
    draw: (draw) => {
      const start = draw.int(-20, 20);
      const step = draw.pick([1, 2, 3, 0.5, 0.1]) * draw.pick([1, -1]);
      const dtype = Number.isInteger(step) ? draw.pick(['float32', 'int32']) : 'float32';
      const count = draw.large ? 300_000 : draw.int(0, 60);
      return {
        inputs: {},
        attrs: { start, stop: start + Math.ceil(count * step), step: draw.large ? Math.sign(step) : step, dtype },
      };
    },
  },
  move(
    'ExpandDims',
    on((draw, shape) => ({ dim: draw.int(0, shape.length) }), { name: 'input' }),
  ),
  move(
    'Reshape',
    on((draw, shape) => {
      const size = sizeOf(shape);
      return { shape: draw.pick([[size], [1, size], [size, 1, 1], [...shape].reverse(), [...shape, 1]]) };
    }),
  ),
  move(
    'Identity',
    on(() => ({})),
  ),
];
