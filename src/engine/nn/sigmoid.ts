import * as tf from '../tf.js';
import { ElementwiseByOutput, type OutputSaved } from './known-by-output.js';

/** y = 1 / (1 + exp(-x)); phi' = y (1 - y), phi'' = phi' (1 - 2 y). */
export class Sigmoid extends ElementwiseByOutput {
  override readonly kind = 'sigmoid';
  override readonly activation = 'Sigmoid';

  protected override apply(x: tf.Tensor): tf.Tensor {
    return tf.sigmoid(x);
  }

  protected override derivativeOf(output: tf.Tensor): tf.Tensor {
    return tf.mul(output, tf.sub(1, output));
  }

  /** phi''(x) * g = y (1 - y) (1 - 2 y) g. */
  override secondOrder(saved: OutputSaved, g: tf.Tensor): tf.Tensor {
    return tf.mul(this.inputJvp(saved, g), tf.sub(1, tf.mul(2, saved.output)));
  }
}
