import { fusesDerivatives, timesDerivative } from '../fused.js';
import * as tf from '../tf.js';
import { Elementwise } from './elementwise.js';

/** `derivative` only where it is no part of a fused product. */
type ReluSaved = { readonly output: tf.Tensor; readonly derivative?: tf.Tensor };

/** y = max(x, 0); phi' is 1 for x > 0 and 0 elsewhere, at 0 too. */
export class Relu extends Elementwise<ReluSaved> {
  override readonly kind = 'relu';

  override forward(x: tf.Tensor): { output: tf.Tensor; saved: ReluSaved } {
    const output = tf.relu(x);
    return { output, saved: fusesDerivatives() ? { output } : { output, derivative: derivativeOf(output) } };
  }

  override derivative({ output, derivative }: ReluSaved): tf.Tensor {
    return derivative ?? derivativeOf(output);
  }

  override inputJvp(saved: ReluSaved, dx: tf.Tensor): tf.Tensor {
    return saved.derivative ? super.inputJvp(saved, dx) : timesDerivative('Relu', saved.output, dx);
  }

  override secondOrder(): null {
    return null;
  }
}

/** [y > 0], which is [x > 0] */
function derivativeOf(output: tf.Tensor): tf.Tensor {
  return tf.cast(tf.greater(output, 0), 'float32');
}
