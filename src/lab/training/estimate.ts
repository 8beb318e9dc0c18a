import { chenHidden } from '../../engine/nn/models.js';
import * as tf from '../../engine/tf.js';
import type { RunSpec } from '../config/spec.js';

/** What the forecast needs to know of a dataset, so that nothing is loaded for it. */
export interface Sizes {
  readonly train: number;
  readonly test: number;
  readonly inputs: number;
  readonly classes: number;
}

/**
 * Floating-point operations of a run, roughly: 6 a sample and weight for an update (forward, two products backward), a
 * quarter more for its curvature, 2 a sample and weight for an evaluation of the test set and as many training samples.
 */
export function flopsOf(spec: RunSpec, sizes: Sizes): number {
  const hidden = typeof spec.model === 'string' ? chenHidden[spec.model] : spec.model.hidden;
  const widths = [sizes.inputs, ...hidden, sizes.classes];
  const weights = widths.slice(1).reduce((sum, width, i) => sum + width * widths[i]!, 0);
  const train = Math.min(spec.trainSamples ?? Infinity, sizes.train);
  const test = Math.min(spec.testSamples ?? Infinity, sizes.test);
  const update = 6 * train * (spec.optimizer.kind === 'sgd' ? 1 : 1.25);
  const evaluations = 2 * (test + Math.min(test, train)) * spec.evaluationsPerEpoch;
  return weights * spec.epochs * (update + evaluations);
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
