import { fusesDerivatives, timesDerivative } from '../fused.js';
import * as tf from '../tf.js';
import { Elementwise } from './elementwise.js';

/** `derivative` only where it is no part of a fused product: it takes as much memory as the output. */
type SigmoidSaved = { readonly output: tf.Tensor; readonly derivative?: tf.Tensor };

/** y = 1 / (1 + exp(-x)); phi' = y (1 - y), phi'' = phi' (1 - 2 y). */
export class Sigmoid extends Elementwise<SigmoidSaved> {
  override readonly kind = 'sigmoid';

  override forward(x: tf.Tensor): { output: tf.Tensor; saved: SigmoidSaved } {
    const output = tf.sigmoid(x);
    return { output, saved: fusesDerivatives() ? { output } : { output, derivative: derivativeOf(output) } };
  }

  override derivative({ output, derivative }: SigmoidSaved): tf.Tensor {
    return derivative ?? derivativeOf(output);
  }

  override inputJvp(saved: SigmoidSaved, dx: tf.Tensor): tf.Tensor {
    return saved.derivative ? super.inputJvp(saved, dx) : timesDerivative('Sigmoid', saved.output, dx);
  }

  override secondOrder(saved: SigmoidSaved, g: tf.Tensor): tf.Tensor {
    return tf.mul(this.inputJvp(saved, g), tf.sub(1, tf.mul(2, saved.output)));
  }
}

/** y (1 - y) */
function derivativeOf(output: tf.Tensor): tf.Tensor {
  return tf.mul(output, tf.sub(1, output));
}
