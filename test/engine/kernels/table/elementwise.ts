import * as tf from '../../../../src/engine/tf.js';
import type { DType, Input, Kernel, KernelCase } from '../case.js';
import type { Draw } from '../draw.js';
import { each, pairs } from '../reference.js';

/** One input x of any shape. */
const x = (make: (draw: Draw, shape: number[]) => Input) => (draw: Draw) => ({
  inputs: { x: make(draw, draw.shape()) },
});
const floats = x((draw, shape) => draw.float(shape));
const positives = x((draw, shape) => (draw.flag() ? draw.uniform(shape, 0, 3) : draw.float(shape)));
/** Where a float can hold the angle: sines of 1e38 depend on the reduction of the argument. */
const angles = x((draw, shape) => (draw.flag() ? draw.uniform(shape, -30, 30) : draw.float(shape, 'moderate')));
/** Where a function neither saturates nor overflows, half of the time. */
const wide = x((draw, shape) => (draw.flag() ? draw.uniform(shape, -30, 30) : draw.float(shape)));

const unary = (name: string, draw: Kernel['draw'], more: Partial<Kernel> = {}): Kernel => ({
  name,
  tolerance: 'each',
  draw,
  ...more,
});
const because = 'cpu computes exp(x) - 1, which loses small x';
const { SELU_SCALE, SELU_SCALEALPHA } = tf.backend_util;

/** Two inputs that broadcast, one time in eight the same tensor twice. */
const two = (draw: Draw, make: (shape: number[]) => Input): KernelCase => {
  const { a, b } = twoOf(draw, make, make).inputs;
  return { inputs: { a, b: draw.rarely(8) ? a : b } };
};
const twoOf = (draw: Draw, first: (shape: number[]) => Input, second: (shape: number[]) => Input) => {
  const [a, b] = draw.broadcastShapes(2, { max: 5 });
  return { inputs: { a: first(a!), b: second(b!) } };
};
const floatPair = (draw: Draw): KernelCase => two(draw, (shape) => draw.float(shape));
const numberPair = (draw: Draw): KernelCase =>
  two(draw, draw.rarely(4) ? (shape) => draw.int32(shape) : (shape) => draw.float(shape));
const anyPair = (draw: Draw): KernelCase => {
  const dtype = draw.pick<DType>(['float32', 'float32', 'int32', 'bool']);
  return two(draw, (shape) =>
    dtype === 'float32' ? draw.float(shape) : dtype === 'int32' ? draw.int32(shape, -3, 3) : draw.bool(shape),
  );
};

const binary = (name: string, draw: Kernel['draw'], more: Partial<Kernel> = {}): Kernel => ({
  name,
  tolerance: 'each',
  draw,
  ...more,
});
const compare = (name: string): Kernel => ({ name, tolerance: 'exact', draw: anyPair });

export const elementwise: readonly Kernel[] = [
  unary(
    'Abs',
    x((draw, shape) => (draw.rarely(4) ? draw.int32(shape) : draw.float(shape))),
  ),
  unary(
    'Neg',
    x((draw, shape) => (draw.rarely(4) ? draw.int32(shape) : draw.float(shape))),
  ),
  unary('Exp', wide),
  unary('Expm1', wide),
  unary('Log', positives),
  unary('Log1p', positives),
  unary('Sqrt', positives),
  unary('Rsqrt', positives),
  unary('Square', floats),
  unary('Sigmoid', wide),
  unary('Tanh', wide),
  unary('Relu', floats),
  unary('Relu6', floats),
  unary('Elu', wide, { reference: each((v) => (v >= 0 ? v : Math.expm1(v))), because }),
  unary('Selu', wide, { reference: each((v) => (v >= 0 ? SELU_SCALE * v : SELU_SCALEALPHA * Math.expm1(v))), because }),
  unary('Softplus', wide),
  unary('LeakyRelu', (draw) => ({ ...floats(draw), attrs: { alpha: draw.pick([0, 0.01, 0.2, 1, 2]) } })),
  unary('Sign', floats),
  unary('Reciprocal', floats),
  unary('Step', (draw) => ({ ...floats(draw), attrs: { alpha: draw.pick([0, 0.5, -1]) } })),
  unary('Floor', floats),
  unary('Ceil', floats),
  unary(
    'Round',
    x((draw, shape) => (draw.flag() ? halves(draw, shape) : draw.float(shape))),
  ),
  unary('ClipByValue', (draw) => {
    const clipValueMin = draw.pick([-1, 0, 0.25, -Infinity]);
    return {
      ...floats(draw),
      attrs: { clipValueMin, clipValueMax: Math.max(clipValueMin, draw.pick([0.5, 1, Infinity])) },
    };
  }),
  unary('Sin', angles),
  unary('Cos', angles),
  unary('IsNan', floats),
  unary('IsFinite', floats),
  unary('IsInf', floats),
  unary(
    'LogicalNot',
    x((draw, shape) => draw.bool(shape)),
  ),

  binary('Add', numberPair),
  binary('Sub', numberPair),
  binary('Multiply', numberPair),
  binary('RealDiv', floatPair),
  binary('Maximum', numberPair),
  binary('Minimum', numberPair),
  binary('SquaredDifference', numberPair),
  // Powers of exactly 1 and -1 with NaN and infinities are the one point where JavaScript and IEEE 754 differ.
  binary('Pow', (draw) =>
    two(draw, draw.flag() ? (shape) => draw.uniform(shape, 0.1, 4) : (shape) => draw.uniform(shape, -4, 4)),
  ),
  // Of floats, the backends disagree whether the quotient is an integer by type.
  binary('FloorDiv', (draw) =>
    twoOf(
      draw,
      (shape) => draw.int32(shape, -40, 40),
      (shape) => draw.int32(shape, 1, 9),
    ),
  ),
  binary('Mod', (draw) =>
    draw.flag()
      ? twoOf(
          draw,
          (shape) => draw.int32(shape, -40, 40),
          (shape) => draw.int32(shape, 1, 9),
        )
      : twoOf(
          draw,
          (shape) => draw.uniform(shape, -9, 9),
          (shape) => draw.uniform(shape, 0.5, 3),
        ),
  ),
  binary('Prelu', (draw) => {
    const shape = draw.shape();
    const alpha = draw.float(draw.narrowed(shape));
    return { inputs: { x: draw.rarely(8) ? alpha : draw.float(shape), alpha } };
  }),
  binary('divNoNan', (draw) => two(draw, (shape) => draw.float(shape, 'finite')), {
    op: ({ a, b }) => tf.divNoNan(a!, b!),
    reference: pairs((a, b) => (b === 0 ? 0 : a / b)),
    because: 'composed of Div, Equal and Select',
  }),
  {
    name: 'AddN',
    tolerance: 'each',
    draw: (draw) => {
      const shape = draw.shape();
      const first = draw.uniform(shape, 0, 3);
      const others = Array.from({ length: draw.int(0, 4) }, () => draw.uniform(shape, 0, 3));
      return { inputs: draw.flag() ? [first, ...others] : [first, ...others, first] };
    },
  },

  ...['Greater', 'GreaterEqual', 'Less', 'LessEqual', 'Equal', 'NotEqual'].map(compare),
  { name: 'LogicalAnd', tolerance: 'exact', draw: (draw) => two(draw, (shape) => draw.bool(shape)) },
  { name: 'LogicalOr', tolerance: 'exact', draw: (draw) => two(draw, (shape) => draw.bool(shape)) },
  {
    name: 'Select',
    tolerance: 'exact',
    draw: (draw) => {
      const shape = draw.shape();
      // A condition of rank 1 chooses whole rows.
      const rows = shape.length > 1 && draw.rarely(4);
      const t = draw.float(shape);
      const e = draw.rarely(8) ? t : draw.float(shape);
      const ints = draw.rarely(4);
      const condition = draw.bool(rows ? shape.slice(0, 1) : shape);
      return { inputs: ints ? { condition, t: draw.int32(shape), e: draw.int32(shape) } : { condition, t, e } };
    },
  },
];

/** Multiples of a half: where rounding has a choice. */
function halves(draw: Draw, shape: readonly number[]): Input {
  const { values, ...rest } = draw.int32(shape, -9, 9);
  return { ...rest, dtype: 'float32', values: Float32Array.from(values, (value) => value / 2) };
}
