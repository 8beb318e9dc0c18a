/** One element of each operand at a time: unary and binary operations, comparisons, casts, constants. */
import * as tf from '../../../tf.js';
import type { NativeBackend, NativeType } from '../backend.js';
import { broadcastStrides, putLine, putWalk, stridesOf } from '../shapes.js';
import { areFloats, type Call, type KernelTable, type NativeKernel, ordinal, sameShape, sizeOf } from './kernel.js';

/** Constants of the operations that have some. */
const constants: Record<string, (attrs: Call['attrs']) => [number, number?]> = {
  LeakyRelu: ({ alpha }) => [alpha as number],
  Step: ({ alpha }) => [alpha as number],
  ClipByValue: ({ clipValueMin, clipValueMax }) => [clipValueMin as number, clipValueMax as number],
};

export function unary(backend: NativeBackend, name: string, x: tf.TensorInfo, p = 0, q = 0): tf.TensorInfo {
  const { addon } = backend;
  const y = backend.empty(x.shape, 'float32');
  addon.unary(ordinal(addon.names.unary, name), backend.floats(x), backend.floats(y), sizeOf(x.shape), p, q);
  return y;
}

function unaryKernel(name: string): NativeKernel {
  return ({ inputs, attrs, backend }) => {
    const { x } = inputs as { x: tf.TensorInfo };
    return areFloats(x) ? unary(backend, name, x, ...(constants[name]?.(attrs) ?? [])) : null;
  };
}

/** Two operands on their way to the addon; null if their shapes are too irregular. */
function putOperands(a: tf.TensorInfo, b: tf.TensorInfo): number[] | null {
  if (sameShape(a.shape, b.shape)) {
    putLine(sizeOf(a.shape), 1, 1);
    return a.shape;
  }
  const shape = tf.broadcast_util.assertAndGetBroadcastShape(a.shape, b.shape);
  const fits = putWalk(
    shape,
    broadcastStrides(a.shape, shape.length),
    broadcastStrides(b.shape, shape.length),
    stridesOf(shape),
  );
  return fits ? shape : null;
}

/** Whether there is nothing to compute; the addon takes no empty tensors. */
function isEmpty(shape: readonly number[]): boolean {
  return shape.includes(0);
}

export function binary(backend: NativeBackend, name: string, a: tf.TensorInfo, b: tf.TensorInfo): tf.TensorInfo | null {
  const { addon } = backend;
  const shape = putOperands(a, b);
  if (!shape) return null;
  const y = backend.empty(shape, 'float32');
  if (isEmpty(shape)) return y;
  addon.binary(ordinal(addon.names.binary, name), backend.floats(a), backend.floats(b), backend.floats(y));
  return y;
}

function binaryKernel(name: string): NativeKernel {
  return ({ inputs, backend }) => {
    const { a, b } = inputs as { a: tf.TensorInfo; b: tf.TensorInfo };
    if (areFloats(a, b)) return binary(backend, name, a, b);
    const { addon } = backend;
    if (a.dtype !== 'int32' || b.dtype !== 'int32' || !addon.names.integer.includes(name)) return null;
    const shape = putOperands(a, b);
    if (!shape) return null;
    const y = backend.empty(shape, 'int32');
    if (isEmpty(shape)) return y;
    addon.integer(ordinal(addon.names.integer, name), backend.ints(a), backend.ints(b), backend.ints(y));
    return y;
  };
}

function compareKernel(name: string): NativeKernel {
  return ({ inputs, backend }) => {
    const { a, b } = inputs as { a: tf.TensorInfo; b: tf.TensorInfo };
    const areInts = a.dtype === 'int32' && b.dtype === 'int32';
    if (!areInts && !areFloats(a, b)) return null;
    const shape = putOperands(a, b);
    if (!shape) return null;
    const { addon } = backend;
    const y = backend.empty(shape, 'bool');
    if (isEmpty(shape)) return y;
    const op = ordinal(addon.names.compare, name);
    if (areInts) addon.compareIntegers(op, backend.ints(a), backend.ints(b), backend.bytes(y));
    else addon.compare(op, backend.floats(a), backend.floats(b), backend.bytes(y));
    return y;
  };
}

function logicalKernel(name: string): NativeKernel {
  return ({ inputs, backend }) => {
    const { a, b } = inputs as { a: tf.TensorInfo; b: tf.TensorInfo };
    const shape = a.dtype === 'bool' && b.dtype === 'bool' ? putOperands(a, b) : null;
    if (!shape) return null;
    const { addon } = backend;
    const y = backend.empty(shape, 'bool');
    if (isEmpty(shape)) return y;
    addon.logical(ordinal(addon.names.logical, name), backend.bytes(a), backend.bytes(b), backend.bytes(y));
    return y;
  };
}

/** In the order of the addon's enumeration. */
const casts = ['float32>int32', 'float32>bool', 'int32>float32', 'int32>bool', 'bool>float32', 'bool>int32'];

const cast: NativeKernel = ({ inputs, attrs, backend }) => {
  const { x } = inputs as { x: tf.TensorInfo };
  const { dtype } = attrs as { dtype: NativeType };
  if (x.dtype === dtype) return backend.alias(x, x.shape);
  const how = casts.indexOf(`${x.dtype}>${dtype}`);
  if (how < 0) return null;
  const y = backend.empty(x.shape, dtype);
  backend.addon.cast(how, backend.numbers(x), backend.numbers(y), sizeOf(x.shape));
  return y;
};

const select: NativeKernel = ({ inputs, backend }) => {
  const { condition, t, e } = inputs as Record<'condition' | 't' | 'e', tf.TensorInfo>;
  if (t.dtype !== e.dtype || !sameShape(condition.shape, t.shape) || !isNative(t.dtype)) return null;
  const y = backend.empty(t.shape, t.dtype);
  const [a, b, to] = [backend.numbers(t), backend.numbers(e), backend.numbers(y)];
  backend.addon.select(backend.bytes(condition), a, b, to, sizeOf(t.shape), to.BYTES_PER_ELEMENT);
  return y;
};

export function isNative(dtype: tf.DataType): dtype is NativeType {
  return dtype === 'float32' || dtype === 'int32' || dtype === 'bool';
}

export function filled(
  backend: NativeBackend,
  shape: readonly number[],
  dtype: NativeType,
  value: number,
): tf.TensorInfo {
  const y = backend.empty(shape, dtype);
  backend.addon.fill(backend.numbers(y), sizeOf(shape), value);
  return y;
}

const fill: NativeKernel = ({ attrs, backend }) => {
  const { shape, value, dtype } = attrs as { shape: number[]; value: number | string; dtype?: tf.DataType };
  const type = dtype ?? tf.util.inferDtype(value);
  return isNative(type) ? filled(backend, shape, type, Number(value)) : null;
};

function alike(value: number): NativeKernel {
  return ({ inputs, backend }) => {
    const { x } = inputs as { x: tf.TensorInfo };
    return isNative(x.dtype) ? filled(backend, x.shape, x.dtype, value) : null;
  };
}

const oneHot: NativeKernel = ({ inputs, attrs, backend }) => {
  const { indices } = inputs as { indices: tf.TensorInfo };
  const { depth, onValue, offValue, dtype } = attrs as Record<'depth' | 'onValue' | 'offValue', number> & {
    dtype: tf.DataType;
  };
  if (indices.dtype !== 'int32') return null;
  // tf.oneHot asks for int32; 0 and 1 as floats, then cast, is the same.
  if (dtype !== 'float32' && dtype !== 'int32') return null;
  const y = backend.empty([...indices.shape, depth], 'float32');
  backend.addon.oneHot(backend.ints(indices), backend.floats(y), sizeOf(indices.shape), depth, onValue, offValue);
  if (dtype === 'float32') return y;
  const whole = cast({ inputs: { x: y }, attrs: { dtype }, backend });
  backend.disposeIntermediateTensorInfo(y);
  return whole;
};

const logicalNot: NativeKernel = ({ inputs, backend }) => {
  const { x } = inputs as { x: tf.TensorInfo };
  if (x.dtype !== 'bool') return null;
  const y = backend.empty(x.shape, 'bool');
  backend.addon.logicalNot(backend.bytes(x), backend.bytes(y), sizeOf(x.shape));
  return y;
};

const isNan: NativeKernel = ({ inputs, backend }) => {
  const { x } = inputs as { x: tf.TensorInfo };
  if (!areFloats(x)) return null;
  const y = backend.empty(x.shape, 'bool');
  backend.addon.isNan(backend.floats(x), backend.bytes(y), sizeOf(x.shape));
  return y;
};

const addN: NativeKernel = ({ inputs, backend }) => {
  const terms = inputs as unknown as tf.TensorInfo[];
  const [first, ...rest] = terms;
  if (!first || !areFloats(...terms)) return null;
  let sum = backend.alias(first, first.shape);
  for (const term of rest) {
    const next = binary(backend, 'Add', sum, term)!;
    backend.disposeIntermediateTensorInfo(sum);
    sum = next;
  }
  return sum;
};

const unaryNames = [
  'Abs', 'Neg', 'Exp', 'Expm1', 'Log', 'Log1p', 'Sqrt', 'Rsqrt', 'Square', 'Sigmoid', 'Tanh', 'Relu', 'Relu6', 'Elu', 'Selu',
  'Softplus', 'LeakyRelu', 'Sign', 'Reciprocal', 'Step', 'Floor', 'Ceil', 'ClipByValue',
]; // prettier-ignore
const binaryNames = ['Add', 'Sub', 'Multiply', 'RealDiv', 'Maximum', 'Minimum', 'SquaredDifference'];
const compareNames = ['Equal', 'NotEqual', 'Greater', 'GreaterEqual', 'Less', 'LessEqual'];

function table(names: readonly string[], kernel: (name: string) => NativeKernel): KernelTable {
  return Object.fromEntries(names.map((name) => [name, kernel(name)]));
}

export const elementwise: KernelTable = {
  ...table(unaryNames, unaryKernel),
  ...table(binaryNames, binaryKernel),
  ...table(compareNames, compareKernel),
  ...table(['LogicalAnd', 'LogicalOr'], logicalKernel),
  Prelu: ({ inputs, backend }) => {
    const { x, alpha } = inputs as { x: tf.TensorInfo; alpha: tf.TensorInfo };
    return areFloats(x, alpha) ? binary(backend, 'Prelu', x, alpha) : null;
  },
  LogicalNot: logicalNot,
  IsNan: isNan,
  AddN: addN,
  Cast: cast,
  Select: select,
  Fill: fill,
  ZerosLike: alike(0),
  OnesLike: alike(1),
  OneHot: oneHot,
};
