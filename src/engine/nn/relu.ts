import * as tf from '../tf.js';
import { Elementwise } from './elementwise.js';

type ReluSaved = { readonly derivative: tf.Tensor };

/** y = max(x, 0); phi' is 1 for x > 0 and 0 elsewhere, at 0 too. */
export class Relu extends Elementwise<ReluSaved> {
  override readonly kind = 'relu';

  override forward(x: tf.Tensor): { output: tf.Tensor; saved: ReluSaved } {
    return { output: tf.relu(x), saved: { derivative: tf.cast(tf.greater(x, 0), 'float32') } };
  }

  override derivative({ derivative }: ReluSaved): tf.Tensor {
    return derivative;
  }

  override secondOrder(): null {
    return null;
  }
}
