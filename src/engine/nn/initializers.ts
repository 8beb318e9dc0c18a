import { normalTensor, type UniformSource } from '../random.js';
import * as tf from '../tf.js';
import { Linear } from './linear.js';

/** Weight ~ N(0, 2 / (fanIn + fanOut)), bias 0 (Glorot and Bengio 2010, normal form). */
export function xavierNormalLinear(fanIn: number, fanOut: number, random: UniformSource): Linear {
  const std = Math.sqrt(2 / (fanIn + fanOut));
  return new Linear(normalTensor([fanOut, fanIn], std, random), tf.zeros([fanOut]));
}
