import * as tf from '../tf.js';
import { ElementwiseByOutput, type OutputSaved } from './known-by-output.js';

/** y = tanh(x); phi' = 1 - y^2, phi'' = -2 y phi'. */
export class Tanh extends ElementwiseByOutput {
  override readonly kind = 'tanh';
  override readonly activation = 'Tanh';

  protected override apply(x: tf.Tensor): tf.Tensor {
    return tf.tanh(x);
  }

  protected override derivativeOf(output: tf.Tensor): tf.Tensor {
    return tf.sub(1, tf.square(output));
  }

  /** phi''(x) * g = -2 y (1 - y^2) g. */
  override secondOrder(saved: OutputSaved, g: tf.Tensor): tf.Tensor {
    return tf.mul(tf.mul(-2, saved.output), this.inputJvp(saved, g));
  }
}
