import { normalTensor, type UniformSource } from '../random.js';
import * as tf from '../tf.js';
import { ElementwiseLoss } from './elementwise-loss.js';

type MseSaved = { readonly difference: tf.Tensor };

/** Squared error: l = (z - y)^2, l' = 2 (z - y), l'' = 2; the mean divides by N C. */
export class Mse extends ElementwiseLoss<MseSaved> {
  protected override readonly name = 'MSE';

  protected override terms(output: tf.Tensor, target: tf.Tensor): { terms: tf.Tensor; saved: MseSaved } {
    const difference = tf.sub(output, target);
    return { terms: tf.square(difference), saved: { difference } };
  }

  protected override first({ difference }: MseSaved): tf.Tensor {
    return tf.mul(2, difference);
  }

  protected override second({ difference }: MseSaved): tf.Tensor {
    return tf.fill(difference.shape, 2);
  }

  /** y ~ N(z, 1/2), so l' = 2 (z - y) ~ N(0, 2). */
  protected override sampledFirst({ difference }: MseSaved, samples: number, random: UniformSource): tf.Tensor {
    return normalTensor([...difference.shape, samples], Math.SQRT2, random);
  }
}
