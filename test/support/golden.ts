import { readdirSync, readFileSync } from 'node:fs';
import * as tf from '../../src/engine/tf.js';
import { Conv2d } from '../../src/engine/nn/conv2d.js';
import { Flatten } from '../../src/engine/nn/flatten.js';
import type { Layer } from '../../src/engine/nn/layer.js';
import { Linear } from '../../src/engine/nn/linear.js';
import { MaxPool2d } from '../../src/engine/nn/max-pool2d.js';
import { Relu } from '../../src/engine/nn/relu.js';
import { Sequential } from '../../src/engine/nn/sequential.js';
import { Sigmoid } from '../../src/engine/nn/sigmoid.js';
import { Tanh } from '../../src/engine/nn/tanh.js';
import { ZeroPad2d } from '../../src/engine/nn/zero-pad2d.js';

/** Golden numbers: see test/golden/README.md for the format and the conventions. */
const folder = new URL('../golden/', import.meta.url);

export interface GoldenTensor {
  shape: number[];
  dtype: string;
  data: number[];
}

export interface Golden<Given, Expected, Spec = unknown> {
  name: string;
  spec: Spec;
  given: Given;
  expected: Expected;
  float32: { suggested_rtol: number; suggested_atol: number; integer_mismatches: { path: string }[] };
}

type Two = [number, number];
type Window = { kernel_size: Two; stride: Two; padding: Two; dilation: Two };
export type SingleSpec =
  | { type: 'Linear' | 'Flatten' | 'Sigmoid' | 'Tanh' | 'ReLU' }
  | ({ type: 'Conv2d' | 'MaxPool2d' } & Window)
  | { type: 'ZeroPad2d'; padding: [left: number, right: number, top: number, bottom: number] };
export type LayerSpec = SingleSpec | { type: 'Sequential'; layers: LayerSpec[] };
export type Params = Record<string, GoldenTensor>;

export function goldenNames(prefix: string): string[] {
  return readdirSync(folder)
    .filter((file) => file.startsWith(prefix) && file.endsWith('.json'))
    .map((file) => file.replace('.json', ''))
    .sort();
}

export function readGolden<G, E, S = unknown>(name: string): Golden<G, E, S> {
  return JSON.parse(readFileSync(new URL(`${name}.json`, folder), 'utf8')) as Golden<G, E, S>;
}

export function tensorOf({ shape, data, dtype }: GoldenTensor): tf.Tensor {
  return tf.tensor(data, shape, dtype === 'int64' ? 'int32' : 'float32');
}

/*
 * Layouts. The files hold pictures as [N, C, H, W] and convolution weights as [out, in, h, w], the engine [N, H, W, C]
 * and [h, w, in, out]. Given and expected numbers are brought into the engine's order before anything else.
 */

/** A tensor with its axes in another order. */
export function permuted({ shape, dtype, data }: GoldenTensor, order: number[]): GoldenTensor {
  const strides = shape.map((_, axis) => shape.slice(axis + 1).reduce((a, b) => a * b, 1));
  const walk = (axis: number, start: number): number[] =>
    axis === order.length
      ? [data[start]!]
      : Array.from({ length: shape[order[axis]!]! }, (_, i) =>
          walk(axis + 1, start + i * strides[order[axis]!]!),
        ).flat();
  return { shape: order.map((axis) => shape[axis]!), dtype, data: walk(0, 0) };
}

/** A batch of activations: pictures [N, C, H, W] become [N, H, W, C]; rows stay rows. */
export function activations(tensor: GoldenTensor): GoldenTensor {
  return tensor.shape.length === 4 ? permuted(tensor, [0, 2, 3, 1]) : tensor;
}

/** A Hessian over the elements of one sample of shape [C, H, W]; of any other shape it stays as it is. */
export function sampleHessian(hessian: GoldenTensor, sample: number[]): GoldenTensor {
  if (sample.length !== 3) return hessian;
  const { shape, data, dtype } = permuted({ ...hessian, shape: [...sample, ...sample] }, [1, 2, 0, 4, 5, 3]);
  return { shape: [shape[0]! * shape[1]! * shape[2]!, shape[3]! * shape[4]! * shape[5]!], data, dtype };
}

/** From the files' order of a parameter to the engine's. */
export type ParameterLayout = (tensor: GoldenTensor) => GoldenTensor;

/**
 * Layout of a parameter of this shape in the files, for vectors over it, too.
 *
 * @param flattened  [C, H, W] of the pictures whose elements a linear layer takes
 */
export function parameterLayout(shape: number[], flattened: number[] = []): ParameterLayout {
  const [out = 0] = shape;
  if (shape.length === 4) return (tensor) => permuted({ ...tensor, shape }, [2, 3, 1, 0]);
  if (shape.length === 2 && flattened.length === 3) {
    return (tensor) => {
      const pictures = permuted({ ...tensor, shape: [out, ...flattened] }, [0, 2, 3, 1]);
      return { ...pictures, shape };
    };
  }
  return (tensor) => ({ ...tensor, shape });
}

export function layerOf(spec: SingleSpec, params: Params, place = '', flattened: number[] = []): Layer {
  const parameter = (name: string): tf.Tensor | null => {
    const tensor = params[`${place}${name}`];
    return tensor ? tensorOf(parameterLayout(tensor.shape, flattened)(tensor)) : null;
  };
  switch (spec.type) {
    case 'Linear':
      return new Linear(parameter('weight')!, parameter('bias'));
    case 'Conv2d':
      return new Conv2d(parameter('weight')!, parameter('bias'), spec);
    case 'MaxPool2d':
      return new MaxPool2d({ ...spec, kernel: spec.kernel_size });
    case 'ZeroPad2d': {
      const [left, right, top, bottom] = spec.padding;
      return new ZeroPad2d([top, bottom, left, right]);
    }
    case 'Flatten':
      return new Flatten();
    case 'Sigmoid':
      return new Sigmoid();
    case 'Tanh':
      return new Tanh();
    case 'ReLU':
      return new Relu();
  }
}

/** @param input  of the network; needed if it takes pictures, whose shape decides the order of linear weights */
export function networkOf(layers: LayerSpec[], params: Params, input?: GoldenTensor): Sequential {
  const flattened = flattenedShapes(layers, params, input);
  const build = (specs: LayerSpec[], place: string): Sequential =>
    new Sequential(
      specs.map((spec, i) => {
        const path = `${place}${i}.`;
        return spec.type === 'Sequential' ? build(spec.layers, path) : layerOf(spec, params, path, flattened[path]);
      }),
    );
  return build(layers, '');
}

/** The layout of every parameter by place. */
export function networkLayouts(
  layers: LayerSpec[],
  params: Params,
  input?: GoldenTensor,
): Record<string, ParameterLayout> {
  const flattened = flattenedShapes(layers, params, input);
  const placeOf = (path: string): string => path.slice(0, path.lastIndexOf('.') + 1);
  return Object.fromEntries(
    Object.entries(params).map(([path, { shape }]) => [path, parameterLayout(shape, flattened[placeOf(path)])]),
  );
}

/** For every linear layer that takes a flattened picture, by place ("6."): the picture's [C, H, W]. */
function flattenedShapes(layers: LayerSpec[], params: Params, input?: GoldenTensor): Record<string, number[]> {
  const shapes: Record<string, number[]> = {};
  if (input?.shape.length !== 4) return shapes;
  let picture: number[] | null = null;
  const pass = (specs: LayerSpec[], place: string, batch: tf.Tensor): tf.Tensor =>
    specs.reduce((x, spec, i) => {
      const path = `${place}${i}.`;
      if (spec.type === 'Sequential') return pass(spec.layers, path, x);
      if (spec.type === 'Flatten' && x.rank === 4) picture = [x.shape[3]!, x.shape[1]!, x.shape[2]!];
      if (spec.type === 'Linear' && picture) {
        shapes[path] = picture;
        picture = null;
      }
      const layer = layerOf(spec, params, path, shapes[path]);
      const { output } = layer.forward(x);
      layer.parameters.forEach((parameter) => parameter.dispose());
      return output;
    }, batch);
  tf.tidy(() => {
    pass(layers, '', tensorOf(activations(input)));
  });
  return shapes;
}

export type Tolerance = { rtol: number; atol: number };

export function toleranceOf(golden: Golden<unknown, unknown>): Tolerance {
  return { rtol: golden.float32.suggested_rtol, atol: golden.float32.suggested_atol };
}

/** max|got - expected| <= atol + rtol * max|expected|: the largest entry decides, as in the README. */
export async function expectClose(
  got: tf.Tensor | number[],
  expected: tf.Tensor | GoldenTensor | number[],
  { rtol, atol }: Tolerance,
  what = 'tensor',
): Promise<void> {
  const [values, wanted] = [await valuesOf(got), await valuesOf(expected)];
  expect([what, values.length]).toEqual([what, wanted.length]);
  let error = 0;
  let largest = 0;
  wanted.forEach((w, i) => {
    const difference = Math.abs(values[i]! - w);
    if (!(difference <= error)) error = difference; // NaN counts as the largest error
    largest = Math.max(largest, Math.abs(w));
  });
  const limit = atol + rtol * largest;
  if (!(error <= limit)) throw new Error(`${what}: off by ${error}, allowed ${limit} (largest entry ${largest})`);
}

/** The numbers of a tensor on the device, of one of the files, or of a list. */
export async function valuesOf(x: tf.Tensor | GoldenTensor | readonly number[]): Promise<readonly number[]> {
  if (x instanceof tf.Tensor) return Array.from(await x.data());
  return 'data' in x ? x.data : x;
}
