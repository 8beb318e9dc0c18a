import * as tf from '../tf.js';
import { Elementwise } from './elementwise.js';

type SoftplusSaved = { readonly derivative: tf.Tensor };

/** y = log(1 + exp(x)), for large |x| too; phi' = s(x), the sigmoid, and phi'' = s (1 - s). */
export class Softplus extends Elementwise<SoftplusSaved> {
  override readonly kind = 'softplus';

  override forward(x: tf.Tensor): { output: tf.Tensor; saved: SoftplusSaved } {
    return { output: softplus(x), saved: { derivative: tf.sigmoid(x) } };
  }

  override derivative({ derivative }: SoftplusSaved): tf.Tensor {
    return derivative;
  }

  override secondOrder({ derivative }: SoftplusSaved, g: tf.Tensor): tf.Tensor {
    return tf.mul(tf.mul(derivative, tf.sub(1, derivative)), g);
  }
}

/** log(1 + exp(x)) = max(x, 0) + log(1 + exp(-|x|)), without overflow. */
export function softplus(x: tf.Tensor): tf.Tensor {
  return tf.add(tf.relu(x), tf.log1p(tf.exp(tf.neg(tf.abs(x)))));
}
