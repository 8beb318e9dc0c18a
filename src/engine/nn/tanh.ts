import * as tf from '../tf.js';
import { Elementwise } from './elementwise.js';

type TanhSaved = { readonly output: tf.Tensor; readonly derivative: tf.Tensor };

/** y = tanh(x); phi' = 1 - y^2, phi'' = -2 y phi'. */
export class Tanh extends Elementwise<TanhSaved> {
  override readonly kind = 'tanh';

  override forward(x: tf.Tensor): { output: tf.Tensor; saved: TanhSaved } {
    const output = tf.tanh(x);
    return { output, saved: { output, derivative: tf.sub(1, tf.square(output)) } };
  }

  override derivative({ derivative }: TanhSaved): tf.Tensor {
    return derivative;
  }

  override secondOrder({ output, derivative }: TanhSaved, g: tf.Tensor): tf.Tensor {
    return tf.mul(tf.mul(-2, output), tf.mul(derivative, g));
  }
}
