/** Operations that wait for memory: elementwise, broadcasts, reductions, pooling, on tensors that no cache holds. */
import { MaxPool2d } from 'hbp';
import * as tf from '../../dist/engine/tf.js';
import { type Bound, type KernelCase, operand, type RawCall, type Scale } from './kernel-case.js';

/** Height and width of pictures, and their channels. */
const side = 32;
const channels = 16;
/** Of the matrices. */
const columns = 1024;
const float = 4;

type Prepared = ReturnType<KernelCase['prepare']>;

/** @param scale  `elements` is rounded up to whole pictures */
export function memoryCases(scale: Scale): KernelCase[] {
  const pictures = Math.ceil(scale.elements / (side * side * channels));
  const elements = pictures * side * side * channels;
  const shapes: Shapes = { pictures: [pictures, side, side, channels], matrix: [elements / columns, columns] };
  const raw: RawCall[] = [
    { name: 'triad', request: `triad ${elements}`, work: 3 * float * elements },
    { name: 'copy', request: `copy ${elements}`, work: 2 * float * elements },
  ];
  const made = (name: string, floats: number, bound: number | null, prepare: () => Prepared): KernelCase => {
    const bounds: Bound[] = bound === null ? [] : [{ of: 'triad', kind: 'at least', bound }];
    return { section: 'memory', name, work: float * floats, raw, bounds, prepare };
  };
  return [...elementwise(shapes, made), ...reductions(shapes, made), ...pooling(shapes, made)];
}

interface Shapes {
  readonly pictures: readonly [number, number, number, number];
  readonly matrix: readonly [number, number];
}
/** A case that moves so many float32, with the least share of the triad's bandwidth that it has to reach. */
type Make = (name: string, floats: number, bound: number | null, prepare: () => Prepared) => KernelCase;

const elementwiseBound = 0.6;
/** Within twice the time of the bytes. */
const poolingBound = 0.5;

function elementwise({ pictures, matrix }: Shapes, make: Make): KernelCase[] {
  const n = sizeOf(matrix);
  const unary = (name: string, op: (x: tf.Tensor) => tf.Tensor): KernelCase =>
    make(name, 2 * n, elementwiseBound, () => on([matrix], ([x]) => op(x!)));
  const binary = (
    name: string,
    shapes: readonly [readonly number[], readonly number[]],
    op: (a: tf.Tensor, b: tf.Tensor) => tf.Tensor,
  ): KernelCase =>
    make(name, n + sizeOf(shapes[0]) + sizeOf(shapes[1]), elementwiseBound, () => on(shapes, ([a, b]) => op(a!, b!)));
  const [rows] = matrix;
  return [
    unary('sigmoid', (x) => tf.sigmoid(x)),
    unary('tanh', (x) => tf.tanh(x)),
    unary('relu', (x) => tf.relu(x)),
    unary('times a number', (x) => tf.mul(x, 0.5)),
    binary('add', [matrix, matrix], tf.add),
    binary('mul', [matrix, matrix], tf.mul),
    binary('add [N, H, W, C] + [C]', [pictures, [channels]], tf.add),
    binary('add [N, H, W, C] + [N, 1, 1, C]', [pictures, [pictures[0], 1, 1, channels]], tf.add),
    binary('add [R, C] + [C]', [matrix, [columns]], tf.add),
    binary('mul [R, C] * [R, 1]', [matrix, [rows, 1]], tf.mul),
  ];
}

function reductions({ pictures, matrix }: Shapes, make: Make): KernelCase[] {
  const [rows] = matrix;
  const n = sizeOf(matrix);
  const reduction = (
    name: string,
    shape: readonly number[],
    outputs: number,
    op: (x: tf.Tensor) => tf.Tensor,
  ): KernelCase => make(name, n + outputs, null, () => on([shape], ([x]) => op(x!)));
  return [
    reduction('sum of all', matrix, 1, (x) => tf.sum(x)),
    reduction('sum [R, C] to [R]', matrix, rows, (x) => tf.sum(x, 1)),
    reduction('sum [R, C] to [C]', matrix, columns, (x) => tf.sum(x, 0)),
    reduction('sum [N, H, W, C] to [C]', pictures, channels, (x) => tf.sum(x, [0, 1, 2])),
    reduction('max [R, C] to [R]', matrix, rows, (x) => tf.max(x, 1)),
  ];
}

/** Kernels on their own, and the engine's layer of maximum pooling, which also keeps which cell each window chose. */
function pooling({ pictures }: Shapes, make: Make): KernelCase[] {
  const [count] = pictures;
  return ([2, 3] as const).flatMap((kernel) => {
    const outSide = Math.floor((side - kernel) / 2) + 1;
    const outputs: [number, number, number, number] = [count, outSide, outSide, channels];
    const [input, output] = [sizeOf(pictures), sizeOf(outputs)];
    const layer = new MaxPool2d({ kernel, stride: 2 });
    const attributes = { filterSize: [kernel, kernel], strides: [2, 2], pad: 'valid' };
    const pool = (x: tf.Tensor, kind: typeof tf.maxPool | typeof tf.avgPool): tf.Tensor =>
      kind(x as tf.Tensor4D, kernel, 2, 'valid');
    const label = `${kernel}x${kernel}, stride 2`;
    return [
      make(`maxPool ${label}`, input + output, poolingBound, () => on([pictures], ([x]) => pool(x!, tf.maxPool))),
      make(`maxPool gradient ${label}`, 2 * input + 2 * output, poolingBound, () => {
        const x = operand(pictures);
        const inputs = { dy: operand(outputs), input: x, output: pool(x, tf.maxPool) };
        return {
          operands: Object.values(inputs),
          call: () => tf.engine().runKernel('MaxPoolGrad', inputs, attributes),
        };
      }),
      make(`avgPool ${label}`, input + output, poolingBound, () => on([pictures], ([x]) => pool(x!, tf.avgPool))),
      make(`avgPool gradient ${label}`, input + output, poolingBound, () => {
        const inputs = { dy: operand(outputs), input: operand(pictures) };
        return {
          operands: Object.values(inputs),
          call: () => tf.engine().runKernel('AvgPoolGrad', inputs, attributes),
        };
      }),
      make(`layer MaxPool2d ${label}, forward`, input + 2 * output, poolingBound, () =>
        on([pictures], ([x]) => layer.forward(x!).output),
      ),
      make(`layer MaxPool2d ${label}, inputVjp`, input + 2 * output, poolingBound, () => {
        const x = operand(pictures);
        const { output, saved } = tf.scoped(() => layer.forward(x));
        const dy = operand(outputs);
        return { operands: [x, output, saved.chosen, dy], call: () => layer.inputVjp(saved, dy) };
      }),
    ];
  });
}

function on(shapes: readonly (readonly number[])[], call: (operands: readonly tf.Tensor[]) => tf.Tensor): Prepared {
  const operands = shapes.map(operand);
  return { operands, call: () => call(operands) };
}

function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, length) => product * length, 1);
}
