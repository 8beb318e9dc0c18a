import type { UniformSource } from '../random.js';
import { Flatten } from './flatten.js';
import { xavierNormalLinear } from './initializers.js';
import type { Layer } from './layer.js';
import { Relu } from './relu.js';
import { Sequential } from './sequential.js';
import { Sigmoid } from './sigmoid.js';
import { Tanh } from './tanh.js';

export const activations = { sigmoid: () => new Sigmoid(), tanh: () => new Tanh(), relu: () => new Relu() };
export type Activation = keyof typeof activations;

/** Widths of the fully connected networks of Chen et al. (2018), arXiv 1802.06502, without input and output. */
export const chenHidden = {
  'mlp-cifar10': [1024, 512, 256, 128, 64, 32, 16],
  'mlp-mnist': [512, 128, 32],
} as const;

/** Flatten, then linear layers (Xavier normal, bias 0) with the activation between them; the output is linear. */
export function mlp(
  widths: { input: number; hidden: readonly number[]; output: number },
  activation: Activation,
  random: UniformSource,
): Sequential {
  const layers: Layer[] = [new Flatten()];
  let fanIn = widths.input;
  for (const width of widths.hidden) {
    layers.push(xavierNormalLinear(fanIn, width, random), activations[activation]());
    fanIn = width;
  }
  return new Sequential([...layers, xavierNormalLinear(fanIn, widths.output, random)]);
}
