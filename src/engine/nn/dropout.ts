import type { UniformSource } from '../random.js';
import * as tf from '../tf.js';
import { Elementwise } from './elementwise.js';

type DropoutSaved = { readonly derivative: tf.Tensor };

/**
 * Training: every element is zero with probability `rate`, else x / (1 - rate), by a mask drawn anew in every forward
 * pass. Evaluation: the identity.
 */
export class Dropout extends Elementwise<DropoutSaved> {
  override readonly kind = 'dropout';
  /** Where the masks come from; null is evaluation, the state at first. */
  random: UniformSource | null = null;

  /** @param rate  0 <= rate < 1 */
  constructor(private readonly rate: number) {
    super();
    if (!(rate >= 0 && rate < 1)) throw new RangeError(`a dropout rate lies in [0, 1), ${rate} does not`);
  }

  override forward(x: tf.Tensor): { output: tf.Tensor; saved: DropoutSaved } {
    if (!this.random) return { output: tf.view(x), saved: { derivative: tf.onesLike(x) } };
    const { random, rate } = this;
    const draw = (): number => (random.uniform() < rate ? 0 : 1 / (1 - rate));
    const derivative = tf.tensor(Float32Array.from({ length: x.size }, draw), x.shape);
    return { output: tf.mul(x, derivative), saved: { derivative } };
  }

  override derivative({ derivative }: DropoutSaved): tf.Tensor {
    return derivative;
  }

  override secondOrder(): null {
    return null;
  }
}
