import * as tf from '../tf.js';
import { Elementwise } from './elementwise.js';

type LeakyReluSaved = { readonly derivative: tf.Tensor };

/** y = x for x > 0, else slope x; phi' is 1 for x > 0 and the slope elsewhere, at 0 too. */
export class LeakyRelu extends Elementwise<LeakyReluSaved> {
  override readonly kind = 'leaky-relu';

  constructor(private readonly slope = 0.01) {
    super();
  }

  override forward(x: tf.Tensor): { output: tf.Tensor; saved: LeakyReluSaved } {
    const positive = tf.cast(tf.greater(x, 0), 'float32');
    const derivative = tf.add(this.slope, tf.mul(1 - this.slope, positive));
    return { output: tf.mul(x, derivative), saved: { derivative } };
  }

  override derivative({ derivative }: LeakyReluSaved): tf.Tensor {
    return derivative;
  }

  override secondOrder(): null {
    return null;
  }
}
