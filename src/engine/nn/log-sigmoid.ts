import * as tf from '../tf.js';
import { Elementwise } from './elementwise.js';
import { softplus } from './softplus.js';

type LogSigmoidSaved = { readonly derivative: tf.Tensor };

/** y = log(1 / (1 + exp(-x))); phi' = s(-x), the sigmoid of -x, and phi'' = -s(-x) (1 - s(-x)). */
export class LogSigmoid extends Elementwise<LogSigmoidSaved> {
  override readonly kind = 'log-sigmoid';

  override forward(x: tf.Tensor): { output: tf.Tensor; saved: LogSigmoidSaved } {
    const negative = tf.neg(x);
    return { output: tf.neg(softplus(negative)), saved: { derivative: tf.sigmoid(negative) } };
  }

  override derivative({ derivative }: LogSigmoidSaved): tf.Tensor {
    return derivative;
  }

  override secondOrder({ derivative }: LogSigmoidSaved, g: tf.Tensor): tf.Tensor {
    return tf.mul(tf.mul(derivative, tf.sub(derivative, 1)), g);
  }
}
