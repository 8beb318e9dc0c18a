import { Conv2d } from '../../src/engine/nn/conv2d.js';
import { Flatten } from '../../src/engine/nn/flatten.js';
import type { Layer } from '../../src/engine/nn/layer.js';
import { Linear } from '../../src/engine/nn/linear.js';
import { MaxPool2d } from '../../src/engine/nn/max-pool2d.js';
import { Sequential } from '../../src/engine/nn/sequential.js';
import { ZeroPad2d } from '../../src/engine/nn/zero-pad2d.js';
import * as tf from '../../src/engine/tf.js';
import { activations } from './random-network.js';

/** For `pooledNetwork`; softplus saves its input, not its output. */
export const pooledActivations = ['sigmoid', 'tanh', 'relu', 'softplus'];

/** Normal numbers. */
export const seeded = (shape: number[], seed: number, std = 0.6): tf.Tensor =>
  tf.randomNormal(shape, 0, std, 'float32', seed);

/**
 * Pooling side by side, then overlapping windows with zeros beside the picture that they choose where tanh is negative
 * (the bias sees to it), a convolution without pooling, a linear layer with more inputs (24) than samples (5) and one with
 * fewer.
 */
export function pooledNetwork(activation: string): Sequential {
  const act = activations[activation]!;
  return new Sequential([
    new Conv2d(seeded([3, 3, 2, 3], 1), seeded([3], 2), { padding: 1 }),
    act(),
    new MaxPool2d({ kernel: 2 }),
    new Conv2d(seeded([2, 3, 3, 4], 3), tf.sub(seeded([4], 4), 1), { padding: [0, 1, 1, 1] }),
    act(),
    new Sequential([new ZeroPad2d([1, 0, 0, 1]), new MaxPool2d({ kernel: 3, stride: 2 })]),
    new Conv2d(seeded([2, 2, 4, 6], 5), seeded([6], 6), { padding: 1 }),
    act(),
    new Flatten(),
    new Linear(seeded([4, 54], 7, 0.3), seeded([4], 8)),
    act(),
    new Linear(seeded([3, 4], 9), seeded([3], 10)),
  ]);
}

/** As c4d3: two convolutions with activations before each pooling, ten classes. */
export function stackedNetwork(): Sequential {
  const layers = (channels: number, middle: number, outputs: number, seed: number): Layer[] => [
    new Conv2d(seeded([3, 3, channels, middle], seed, 0.4), seeded([middle], seed + 1), { padding: 1 }),
    activations['sigmoid']!(),
    new Conv2d(seeded([3, 3, middle, outputs], seed + 2, 0.4), seeded([outputs], seed + 3), { padding: 1 }),
    activations['sigmoid']!(),
    new MaxPool2d({ kernel: 2 }),
  ];
  return new Sequential([
    ...layers(2, 3, 4, 20),
    ...layers(4, 5, 4, 30),
    new Flatten(),
    new Linear(seeded([10, 16], 40, 0.5), seeded([10], 41)),
  ]);
}

/** Pictures and classes for both. */
export function pooledNetworkInput(): { input: tf.Tensor; target: tf.Tensor } {
  return { input: seeded([5, 8, 8, 2], 11, 1), target: tf.tensor1d([0, 2, 1, 1, 0], 'int32') };
}
