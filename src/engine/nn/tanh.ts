import { fusesDerivatives, timesDerivative } from '../fused.js';
import * as tf from '../tf.js';
import { Elementwise } from './elementwise.js';

/** `derivative` only where it is no part of a fused product. */
type TanhSaved = { readonly output: tf.Tensor; readonly derivative?: tf.Tensor };

/** y = tanh(x); phi' = 1 - y^2, phi'' = -2 y phi'. */
export class Tanh extends Elementwise<TanhSaved> {
  override readonly kind = 'tanh';

  override forward(x: tf.Tensor): { output: tf.Tensor; saved: TanhSaved } {
    const output = tf.tanh(x);
    return { output, saved: fusesDerivatives() ? { output } : { output, derivative: derivativeOf(output) } };
  }

  override derivative({ output, derivative }: TanhSaved): tf.Tensor {
    return derivative ?? derivativeOf(output);
  }

  override inputJvp(saved: TanhSaved, dx: tf.Tensor): tf.Tensor {
    return saved.derivative ? super.inputJvp(saved, dx) : timesDerivative('Tanh', saved.output, dx);
  }

  override secondOrder(saved: TanhSaved, g: tf.Tensor): tf.Tensor {
    return tf.mul(tf.mul(-2, saved.output), this.inputJvp(saved, g));
  }
}

/** 1 - y^2 */
function derivativeOf(output: tf.Tensor): tf.Tensor {
  return tf.sub(1, tf.square(output));
}
