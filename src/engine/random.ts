import { randomNormal, randomUniform } from 'd3-random';
import * as tf from './tf.js';

/** Where initial values come from: uniform numbers in [0, 1), reproducible by seed. */
export interface UniformSource {
  /** The next number. */
  uniform(): number;
}

/** Independent normal numbers of mean 0. */
export function normalTensor(shape: number[], std: number, random: UniformSource): tf.Tensor {
  const draw = randomNormal.source(() => random.uniform())(0, std);
  return tf.tensor(Float32Array.from({ length: tf.util.sizeFromShape(shape) }, draw), shape);
}

/** Independent numbers uniform in [-bound, bound). */
export function uniformTensor(shape: number[], bound: number, random: UniformSource): tf.Tensor {
  const draw = randomUniform.source(() => random.uniform())(-bound, bound);
  return tf.tensor(Float32Array.from({ length: tf.util.sizeFromShape(shape) }, draw), shape);
}
