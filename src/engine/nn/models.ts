import type { UniformSource } from '../random.js';
import { Flatten } from './flatten.js';
import { conv2d, fanInUniform, linear, xavierNormal, xavierUniform } from './initializers.js';
import type { Layer } from './layer.js';
import { MaxPool2d } from './max-pool2d.js';
import { Relu } from './relu.js';
import { Sequential } from './sequential.js';
import { Sigmoid } from './sigmoid.js';
import { Tanh } from './tanh.js';
import { samePadding } from './window.js';
import { ZeroPad2d } from './zero-pad2d.js';

/** The activations that the networks of the experiments know, by name. */
export const activations = { sigmoid: () => new Sigmoid(), tanh: () => new Tanh(), relu: () => new Relu() };
/** The name of an activation of the experiments. */
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
    layers.push(linear(fanIn, width, xavierNormal, random), activations[activation]());
    fanIn = width;
  }
  return new Sequential([...layers, linear(fanIn, widths.output, xavierNormal, random)]);
}

/** Height, width and channels of pictures, and the number of classes. */
export interface PictureTask {
  readonly input: readonly [height: number, width: number, channels: number];
  readonly output: number;
}

/**
 * Four 3x3 convolutions (16, 16, 32, 32 channels, padding 1), pooling 2x2 after each two, then linear layers 512, 64
 * and the output: 2048 features on CIFAR-10. Weights and biases uniform in +-1 / sqrt(fanIn).
 */
export function c4d3({ input, output }: PictureTask, activation: Activation, random: UniformSource): Sequential {
  const act = activations[activation];
  const convolution = (from: number, to: number): Layer =>
    conv2d({ input: from, output: to }, 3, fanInUniform, random, { padding: 1 });
  const [height, width, channels] = input;
  const pooled = (length: number): number => Math.floor(Math.floor(length / 2) / 2);
  return new Sequential([
    convolution(channels, 16),
    act(),
    convolution(16, 16),
    act(),
    new MaxPool2d({ kernel: 2 }),
    convolution(16, 32),
    act(),
    convolution(32, 32),
    act(),
    new MaxPool2d({ kernel: 2 }),
    new Flatten(),
    linear(pooled(height) * pooled(width) * 32, 512, fanInUniform, random),
    act(),
    linear(512, 64, fanInUniform, random),
    act(),
    linear(64, output, fanInUniform, random),
  ]);
}

/**
 * Three convolutions (5x5 to 64, 3x3 to 96 channels without padding, 3x3 to 128 with), each followed by a 3x3 pooling
 * of stride 2 on pictures that zeros fill up by the `same` rule, then linear layers 512, 256 and the output: 1152
 * features on CIFAR-10 (a network of DeepOBS, Schneider et al. 2019). Convolutions Xavier normal, linear layers Xavier
 * uniform, biases 0.
 */
export function c3d3({ input, output }: PictureTask, activation: Activation, random: UniformSource): Sequential {
  const act = activations[activation];
  const [height, width, channels] = input;
  const first = [height - 4, width - 4] as const;
  const second = [Math.ceil(first[0] / 2) - 2, Math.ceil(first[1] / 2) - 2] as const;
  const third = [Math.ceil(second[0] / 2), Math.ceil(second[1] / 2)] as const;
  const pooled = Math.ceil(third[0] / 2) * Math.ceil(third[1] / 2);
  return new Sequential([
    conv2d({ input: channels, output: 64 }, 5, xavierNormal, random),
    act(),
    filledUpPooling(first),
    conv2d({ input: 64, output: 96 }, 3, xavierNormal, random),
    act(),
    filledUpPooling(second),
    conv2d({ input: 96, output: 128 }, 3, xavierNormal, random, { padding: 'same' }),
    act(),
    filledUpPooling(third),
    new Flatten(),
    linear(pooled * 128, 512, xavierUniform, random),
    act(),
    linear(512, 256, xavierUniform, random),
    act(),
    linear(256, output, xavierUniform, random),
  ]);
}

/** Pooling 3x3 of stride 2 with zeros, not minus infinity, around pictures of this size. */
function filledUpPooling(size: readonly [number, number]): Sequential {
  const pooling = { kernel: [3, 3], stride: [2, 2], dilation: [1, 1] } as const;
  return new Sequential([new ZeroPad2d(samePadding(pooling, size)), new MaxPool2d(pooling)]);
}
