import { normalTensor, uniformTensor, type UniformSource } from '../random.js';
import * as tf from '../tf.js';
import { Conv2d, type Conv2dOptions } from './conv2d.js';
import { Linear } from './linear.js';

/** Inputs that an output sees, and outputs that see an input; convolutions count the cells of their kernel. */
export interface Fans {
  readonly fanIn: number;
  readonly fanOut: number;
}

/** How the parameters of a layer are drawn. */
export interface Initialization {
  readonly weight: Draw;
  readonly bias: Draw;
}

type Draw = (shape: number[], fans: Fans, random: UniformSource) => tf.Tensor;

const zeros: Draw = (shape) => tf.zeros(shape);

/** Weights ~ N(0, 2 / (fanIn + fanOut)), biases 0 (Glorot and Bengio 2010, normal form). */
export const xavierNormal: Initialization = {
  weight: (shape, { fanIn, fanOut }, random) => normalTensor(shape, Math.sqrt(2 / (fanIn + fanOut)), random),
  bias: zeros,
};

/** Weights uniform in +-sqrt(6 / (fanIn + fanOut)), biases 0 (Glorot and Bengio 2010). */
export const xavierUniform: Initialization = {
  weight: (shape, { fanIn, fanOut }, random) => uniformTensor(shape, Math.sqrt(6 / (fanIn + fanOut)), random),
  bias: zeros,
};

const uniformInFan: Draw = (shape, { fanIn }, random) => uniformTensor(shape, 1 / Math.sqrt(fanIn), random);

/** Weights and biases uniform in +-1 / sqrt(fanIn), as PyTorch draws them if it is not told otherwise. */
export const fanInUniform: Initialization = { weight: uniformInFan, bias: uniformInFan };

/** A linear layer with bias; the weight is drawn before the bias. */
export function linear(fanIn: number, fanOut: number, how: Initialization, random: UniformSource): Linear {
  const fans = { fanIn, fanOut };
  const weight = how.weight([fanOut, fanIn], fans, random);
  return new Linear(weight, how.bias([fanOut], fans, random));
}

/** Numbers of channels of a convolution. */
export interface Channels {
  readonly input: number;
  readonly output: number;
}

/**
 * A convolution with bias and a square kernel; the weight is drawn before the bias.
 *
 * fanIn = cells * input / groups, fanOut = cells * output.
 */
export function conv2d(
  channels: Channels,
  kernel: number,
  how: Initialization,
  random: UniformSource,
  options: Conv2dOptions = {},
): Conv2d {
  const seen = channels.input / (options.groups ?? 1);
  const fans = { fanIn: kernel ** 2 * seen, fanOut: kernel ** 2 * channels.output };
  const weight = how.weight([kernel, kernel, seen, channels.output], fans, random);
  return new Conv2d(weight, how.bias([channels.output], fans, random), options);
}
