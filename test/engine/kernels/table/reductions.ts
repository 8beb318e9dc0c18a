import * as tf from '../../../../src/engine/tf.js';
import type { Input, Kernel } from '../case.js';
import type { Draw } from '../draw.js';
import { all, logSoftmax } from '../reference.js';

/** A reduction over some axes, possibly none or all; `empty` ones where the result is defined. */
const over =
  (make: (draw: Draw, shape: number[]) => Input, { empty = true, axisName = 'axis' } = {}) =>
  (draw: Draw) => {
    const shape = draw.shape({ max: 5, empty });
    const axes = draw.subset(shape.length);
    return { inputs: { x: make(draw, shape) }, attrs: { [axisName]: axes, keepDims: draw.flag() } };
  };

const numbers = (draw: Draw, shape: number[]): Input => (draw.rarely(5) ? draw.int32(shape) : draw.float(shape, 'sum'));
const orders = (draw: Draw, shape: number[]): Input => (draw.rarely(5) ? draw.int32(shape) : draw.float(shape));

const argOver = (draw: Draw) => {
  const shape = draw.shape({ min: 1, max: 5, empty: false });
  return { inputs: { x: orders(draw, shape) }, attrs: { axis: draw.int(0, shape.length - 1) } };
};

export const reductions: readonly Kernel[] = [
  { name: 'Sum', tolerance: 'sum', draw: over(numbers) },
  { name: 'Mean', tolerance: 'sum', draw: over(numbers) },
  // The extremes of no numbers are undefined.
  { name: 'Max', tolerance: 'exact', draw: over(orders, { empty: false, axisName: 'reductionIndices' }) },
  { name: 'Min', tolerance: 'exact', draw: over(orders, { empty: false }) },
  {
    name: 'Prod',
    tolerance: 'sum',
    // Near 1, so that no order of the factors overflows or leaves the normal numbers; 1 and -1 where many would add
    // up their roundings.
    draw: over((draw, shape) => {
      if (draw.rarely(5)) return draw.int32(shape, -1, 1);
      const factors = draw.uniform(shape, 0.98, 1.02);
      return draw.large ? { ...factors, values: factors.values.map((value) => (value < 1 ? -1 : 1)) } : factors;
    }),
  },
  {
    name: 'All',
    tolerance: 'exact',
    draw: over((draw, shape) => draw.bool(shape)),
    reference: all,
    because: 'on cpu, all of no elements is false',
  },
  { name: 'Any', tolerance: 'exact', draw: over((draw, shape) => draw.bool(shape)) },
  { name: 'ArgMax', tolerance: 'exact', draw: argOver },
  { name: 'ArgMin', tolerance: 'exact', draw: argOver },
  {
    name: 'Cumsum',
    tolerance: 'sum',
    draw: (draw) => {
      const shape = draw.shape({ min: 1 });
      return {
        inputs: { x: numbers(draw, shape) },
        attrs: { axis: draw.int(0, shape.length - 1), exclusive: draw.flag(), reverse: draw.flag() },
      };
    },
  },
  {
    name: 'Softmax',
    tolerance: 'each',
    draw: (draw) => {
      const shape = draw.shape({ min: 1, empty: false });
      return { inputs: { logits: draw.float(shape, 'moderate', 3) }, attrs: { dim: shape.length - 1 } };
    },
  },
  {
    name: 'logSoftmax',
    tolerance: 'sum',
    draw: (draw) => ({ inputs: { x: draw.float(draw.shape({ min: 1, empty: false }), 'moderate', 3) } }),
    op: ({ x }) => tf.logSoftmax(x!),
    reference: logSoftmax,
    because: 'composed of Max, Sub, Exp, Sum and Log',
  },
];
