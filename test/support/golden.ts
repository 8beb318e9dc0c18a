import { readdirSync, readFileSync } from 'node:fs';
import * as tf from '../../src/engine/tf.js';
import { Flatten } from '../../src/engine/nn/flatten.js';
import type { Layer } from '../../src/engine/nn/layer.js';
import { Linear } from '../../src/engine/nn/linear.js';
import { Relu } from '../../src/engine/nn/relu.js';
import { Sequential } from '../../src/engine/nn/sequential.js';
import { Sigmoid } from '../../src/engine/nn/sigmoid.js';
import { Tanh } from '../../src/engine/nn/tanh.js';

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

export type LayerSpec = { type: string; bias?: boolean };
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

export function layerOf(spec: LayerSpec, params: Params, place = ''): Layer {
  switch (spec.type) {
    case 'Linear': {
      const bias = params[`${place}bias`];
      return new Linear(tensorOf(params[`${place}weight`]!), bias ? tensorOf(bias) : null);
    }
    case 'Flatten':
      return new Flatten();
    case 'Sigmoid':
      return new Sigmoid();
    case 'Tanh':
      return new Tanh();
    case 'ReLU':
      return new Relu();
    default:
      throw new Error(`no layer for ${spec.type}`);
  }
}

export function networkOf(layers: LayerSpec[], params: Params): Sequential {
  return new Sequential(layers.map((spec, i) => layerOf(spec, params, `${i}.`)));
}

export type Tolerance = { rtol: number; atol: number };

export function toleranceOf(golden: Golden<unknown, unknown>): Tolerance {
  return { rtol: golden.float32.suggested_rtol, atol: golden.float32.suggested_atol };
}

/** max|got - expected| <= atol + rtol * max|expected|: the largest entry decides, as in the README. */
export function expectClose(
  got: tf.Tensor | number[],
  expected: GoldenTensor | number[],
  { rtol, atol }: Tolerance,
  what = 'tensor',
): void {
  const values = Array.isArray(got) ? got : Array.from(got.dataSync());
  const wanted = Array.isArray(expected) ? expected : expected.data;
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
