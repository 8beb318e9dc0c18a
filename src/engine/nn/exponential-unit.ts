import * as tf from '../tf.js';
import { Elementwise } from './elementwise.js';

type ExponentialSaved = { readonly derivative: tf.Tensor; readonly second: tf.Tensor };

/**
 * y = scale x for x > 0, else scale alpha (exp(x) - 1); phi'' is 0 for x > 0, else scale alpha exp(x), and phi' is
 * scale for x > 0, else phi''.
 */
export abstract class ExponentialUnit extends Elementwise<ExponentialSaved> {
  constructor(
    private readonly alpha: number,
    private readonly scale: number,
  ) {
    super();
  }

  /** y, and what phi' and phi'' need. */
  override forward(x: tf.Tensor): { output: tf.Tensor; saved: ExponentialSaved } {
    const { alpha, scale } = this;
    const above = tf.relu(x);
    const below = tf.sub(x, above);
    const output = tf.add(tf.mul(scale, above), tf.mul(scale * alpha, tf.expm1(below)));
    const positive = tf.cast(tf.greater(x, 0), 'float32');
    const second = tf.mul(tf.mul(scale * alpha, tf.exp(below)), tf.sub(1, positive));
    return { output, saved: { derivative: tf.add(tf.mul(scale, positive), second), second } };
  }

  /** phi'(x), the shape of x. */
  override derivative({ derivative }: ExponentialSaved): tf.Tensor {
    return derivative;
  }

  /** phi''(x) * g. */
  override secondOrder({ second }: ExponentialSaved, g: tf.Tensor): tf.Tensor {
    return tf.mul(second, g);
  }
}
