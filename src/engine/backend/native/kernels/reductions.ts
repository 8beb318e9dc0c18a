/** Sums, extremes and the like over any axes; arg-max, cumulative sums, softmax. */
import * as tf from '../../../tf.js';
import type { NativeBackend, NativeType } from '../backend.js';
import { around } from '../shapes.js';
import { areFloats, type KernelTable, type NativeKernel, sizeOf } from './kernel.js';

type ReduceAttributes = { axis: number | number[]; keepDims: boolean };

/** Runs of consecutive axes, the last run first: [[4, 4], [1, 2]] for axes 1, 2 and 4. */
function runsOf(axes: readonly number[]): [first: number, last: number][] {
  const runs: [number, number][] = [];
  for (const axis of [...axes].sort((a, b) => b - a)) {
    const run = runs.at(-1);
    if (run && run[0] === axis + 1) run[0] = axis;
    else runs.push([axis, axis]);
  }
  return runs;
}

/** One run of axes: [outer, length, inner] to [outer, inner]. */
type ReduceRun = (
  x: tf.TensorInfo,
  y: tf.TensorInfo,
  outer: number,
  length: number,
  inner: number,
  isLast: boolean,
) => void;

/** Reduce run by run: each run is the middle axis of [outer, length, inner]. */
function reduceOver(
  backend: NativeBackend,
  x: tf.TensorInfo,
  { axis, keepDims }: ReduceAttributes,
  dtype: NativeType,
  reduceRun: ReduceRun,
): tf.TensorInfo {
  const axes = tf.util.parseAxisParam(axis, x.shape);
  const kept = tf.backend_util.expandShapeToKeepDim(tf.backend_util.computeOutAndReduceShapes(x.shape, axes)[0], axes);
  const shape = keepDims ? kept : tf.backend_util.computeOutAndReduceShapes(x.shape, axes)[0];
  const runs = runsOf(axes);
  let current = backend.alias(x, x.shape);
  runs.forEach(([first, last], k) => {
    const [outer, length, inner] = around(current.shape, first, last);
    const next = backend.empty(
      current.shape.map((size, a) => (a >= first && a <= last ? 1 : size)),
      dtype,
    );
    reduceRun(current, next, outer, length, inner, k === runs.length - 1);
    backend.disposeIntermediateTensorInfo(current);
    current = next;
  });
  const result = backend.alias(current, shape);
  backend.disposeIntermediateTensorInfo(current);
  return result;
}

function reduceKernel(name: 'Sum' | 'Max' | 'Min' | 'Prod' | 'Mean'): NativeKernel {
  return ({ inputs, attrs, backend }) => {
    const { x } = inputs as { x: tf.TensorInfo };
    const { addon } = backend;
    const op = addon.names.reduce.indexOf(name === 'Mean' ? 'Sum' : name);
    const attributes = { ...attrs, axis: attrs['axis'] ?? attrs['reductionIndices'] } as ReduceAttributes;
    // Of nothing, and of no axes, there are rules that the kernel in JavaScript knows.
    if (tf.util.parseAxisParam(attributes.axis, x.shape).length === 0 || x.shape.includes(0)) return null;
    if (areFloats(x)) {
      const count = tf.util.parseAxisParam(attributes.axis, x.shape).reduce((n, axis) => n * x.shape[axis]!, 1);
      return reduceOver(backend, x, attributes, 'float32', (from, to, outer, length, inner, isLast) =>
        addon.reduce(
          op,
          backend.floats(from),
          backend.floats(to),
          outer,
          length,
          inner,
          name === 'Mean' && isLast ? 1 / count : 1,
        ),
      );
    }
    if (x.dtype !== 'int32' || name === 'Mean') return null;
    return reduceOver(backend, x, attributes, 'int32', (from, to, outer, length, inner) =>
      addon.reduceIntegers(op, backend.ints(from), backend.ints(to), outer, length, inner),
    );
  };
}

function boolKernel(name: 'LogicalAnd' | 'LogicalOr'): NativeKernel {
  return ({ inputs, attrs, backend }) => {
    const { x } = inputs as { x: tf.TensorInfo };
    const { axis } = attrs as ReduceAttributes;
    if (x.dtype !== 'bool' || tf.util.parseAxisParam(axis, x.shape).length === 0) return null;
    const op = backend.addon.names.logical.indexOf(name);
    return reduceOver(backend, x, attrs as ReduceAttributes, 'bool', (from, to, outer, length, inner) =>
      backend.addon.reduceBools(op, backend.bytes(from), backend.bytes(to), outer, length, inner),
    );
  };
}

function argKernel(largest: boolean): NativeKernel {
  return ({ inputs, attrs, backend }) => {
    const { x } = inputs as { x: tf.TensorInfo };
    const [axis = 0] = tf.util.parseAxisParam((attrs as { axis: number }).axis, x.shape);
    if (!areFloats(x) || x.shape.includes(0)) return null;
    const [outer, length, inner] = around(x.shape, axis, axis);
    const y = backend.empty(
      x.shape.filter((_, a) => a !== axis),
      'int32',
    );
    backend.addon.argExtreme(largest, backend.floats(x), backend.ints(y), outer, length, inner);
    return y;
  };
}

const cumsum: NativeKernel = ({ inputs, attrs, backend }) => {
  const { x } = inputs as { x: tf.TensorInfo };
  const { axis, exclusive, reverse } = attrs as { axis: number; exclusive: boolean; reverse: boolean };
  const length = x.shape.at(-1) ?? 0;
  if (!areFloats(x) || (axis !== x.shape.length - 1 && axis !== -1) || length === 0) return null;
  const y = backend.empty(x.shape, 'float32');
  backend.addon.cumsum(backend.floats(x), backend.floats(y), sizeOf(x.shape) / length, length, exclusive, reverse);
  return y;
};

function softmaxKernel(axisName: string, logarithm: boolean): NativeKernel {
  return ({ inputs, attrs, backend }) => {
    const { logits } = inputs as { logits: tf.TensorInfo };
    const axis = attrs[axisName] as number;
    const length = logits.shape.at(-1) ?? 0;
    if (!areFloats(logits) || length === 0 || (axis !== -1 && axis !== logits.shape.length - 1)) return null;
    const y = backend.empty(logits.shape, 'float32');
    backend.addon.softmax(backend.floats(logits), backend.floats(y), sizeOf(logits.shape) / length, length, logarithm);
    return y;
  };
}

export const reductions: KernelTable = {
  Sum: reduceKernel('Sum'),
  Mean: reduceKernel('Mean'),
  Max: reduceKernel('Max'),
  Min: reduceKernel('Min'),
  Prod: reduceKernel('Prod'),
  All: boolKernel('LogicalAnd'),
  Any: boolKernel('LogicalOr'),
  ArgMax: argKernel(true),
  ArgMin: argKernel(false),
  Cumsum: cumsum,
  Softmax: softmaxKernel('dim', false),
  LogSoftmax: softmaxKernel('axis', true),
};
