import * as tf from '../tf.js';
import { ElementwiseByOutput } from './known-by-output.js';

/** y = max(x, 0); phi' is 1 for y > 0 and 0 elsewhere, at 0 too. */
export class Relu extends ElementwiseByOutput {
  override readonly kind = 'relu';
  override readonly activation = 'Relu';

  protected override apply(x: tf.Tensor): tf.Tensor {
    return tf.relu(x);
  }

  protected override derivativeOf(output: tf.Tensor): tf.Tensor {
    return tf.cast(tf.greater(output, 0), 'float32');
  }

  /** phi'' is zero: piecewise linear. */
  override secondOrder(): null {
    return null;
  }
}
