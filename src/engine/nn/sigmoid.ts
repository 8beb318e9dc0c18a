import * as tf from '../tf.js';
import { Elementwise } from './elementwise.js';

type SigmoidSaved = { readonly output: tf.Tensor; readonly derivative: tf.Tensor };

/** y = 1 / (1 + exp(-x)); phi' = y (1 - y), phi'' = phi' (1 - 2 y). */
export class Sigmoid extends Elementwise<SigmoidSaved> {
  override readonly kind = 'sigmoid';

  override forward(x: tf.Tensor): { output: tf.Tensor; saved: SigmoidSaved } {
    const output = tf.sigmoid(x);
    return { output, saved: { output, derivative: tf.mul(output, tf.sub(1, output)) } };
  }

  override derivative({ derivative }: SigmoidSaved): tf.Tensor {
    return derivative;
  }

  override secondOrder({ output, derivative }: SigmoidSaved, g: tf.Tensor): tf.Tensor {
    return tf.mul(tf.mul(derivative, g), tf.sub(1, tf.mul(2, output)));
  }
}
