import { chenHidden } from '../../engine/nn/models.js';
import * as tf from '../../engine/tf.js';
import type { ModelSpec, OptimizerSpec } from '../config/schema.js';
import type { RunSpec } from '../config/spec.js';
import { pooledShape } from './model.js';

/** What the forecast needs to know of a dataset, so that nothing is loaded for it. */
export interface Sizes {
  readonly train: number;
  readonly test: number;
  /** Height, width and channels. */
  readonly shape: readonly [number, number, number];
  readonly classes: number;
}

/**
 * Floating-point operations of a run, roughly: 6 a sample and multiply-add of the network for an update (forward, two
 * products backward), as often as `updates` says for what comes on top, 2 for an evaluation of the test set and as many
 * training samples.
 */
export function flopsOf(spec: RunSpec, sizes: Sizes): number {
  const train = Math.min(spec.trainSamples ?? Infinity, sizes.train);
  const test = Math.min(spec.testSamples ?? Infinity, sizes.test);
  const update = 6 * train * updates(spec.optimizer);
  const evaluations = 2 * (test + Math.min(test, train)) * spec.evaluationsPerEpoch;
  return multiplyAdds(spec.model, sizes) * spec.epochs * (update + evaluations);
}

/** Updates of gradient descent that take as long as one of this kind. */
function updates(optimizer: OptimizerSpec): number {
  switch (optimizer.kind) {
    case 'sgd':
    case 'adam':
      return 1;
    case 'kfac':
      return 1.5;
    case 'cg-newton':
      if (optimizer.curvature === 'hbp') return 1.25;
      // Exact products cost by the CG iteration, and late in training there are tens of them.
      return optimizer.secondOrder === 'zero' ? 15 : 60;
  }
}

/** Of a forward pass, for one sample. */
function multiplyAdds(model: ModelSpec, { shape: [height, width, channels], classes }: Sizes): number {
  const architecture = typeof model === 'string' ? { network: model } : model;
  const connected = (...widths: readonly number[]): number =>
    widths.slice(1).reduce((sum, width, i) => sum + width * widths[i]!, 0);
  const inputs = height * width * channels;
  if ('hidden' in architecture) {
    const pooled = pooledShape([height, width, channels], architecture.pool ?? 1);
    return connected(pooled[0] * pooled[1] * channels, ...architecture.hidden, classes);
  }
  switch (architecture.network) {
    case 'mlp-cifar10':
    case 'mlp-mnist':
      return connected(inputs, ...chenHidden[architecture.network], classes);
    case 'c4d3': {
      const pixels = height * width;
      const convolutions = 9 * pixels * (connected(channels, 16, 16) + connected(16, 32, 32) / 4);
      return convolutions + connected(2 * pixels, 512, 64, classes);
    }
    case '3c3d': {
      const after = (kernel: number, length: number): number => Math.ceil((length - kernel + 1) / 2);
      const [h, w] = [after(3, after(5, height)), after(3, after(5, width))]; // pictures of the third convolution
      const first = (height - 4) * (width - 4) * 25 * channels * 64;
      const second = (after(5, height) - 2) * (after(5, width) - 2) * 9 * 64 * 96;
      const features = Math.ceil(h / 2) * Math.ceil(w / 2) * 128;
      return first + second + h * w * 9 * 96 * 128 + connected(features, 512, 256, classes);
    }
  }
}

/** Operations a second of the current backend on a matrix product of the kind that training is made of. */
export async function measureFlops(): Promise<number> {
  const [n, k, m] = [500, 1024, 512];
  const [a, b] = [tf.ones([n, k]), tf.ones([k, m])];
  let best = Infinity;
  for (let i = 0; i < 4; i++) {
    const began = performance.now();
    const c = tf.matMul(a, b);
    await c.data();
    c.dispose();
    best = Math.min(best, performance.now() - began);
  }
  tf.dispose([a, b]);
  return (2 * n * k * m) / (best / 1000);
}
