import * as tf from '../tf.js';
import type { Loss } from './loss.js';

type CrossEntropySaved = { readonly probabilities: tf.Tensor; readonly oneHot: tf.Tensor };

/**
 * Mean softmax cross-entropy L = -(1/N) sum_n log p_n[t_n] with p_n = softmax(z_n).
 *
 * dL/dz_n = (p_n - e_tn) / N; the Hessian of one sample's loss is diag(p_n) - p_n p_n^T. Targets are int32 class
 * indices [N].
 */
export class CrossEntropy implements Loss<CrossEntropySaved> {
  forward(logits: tf.Tensor, target: tf.Tensor): { value: tf.Tensor; saved: CrossEntropySaved } {
    const [, classes = 0] = logits.shape;
    const shifted = tf.sub(logits, tf.max(logits, 1, true));
    const logProbabilities = tf.sub(shifted, tf.log(tf.sum(tf.exp(shifted), 1, true)));
    const oneHot = tf.cast(tf.oneHot(tf.cast(target, 'int32') as tf.Tensor1D, classes), 'float32');
    const value = tf.neg(tf.mean(tf.sum(tf.mul(logProbabilities, oneHot), 1)));
    return { value, saved: { probabilities: tf.exp(logProbabilities), oneHot } };
  }

  gradient({ probabilities, oneHot }: CrossEntropySaved): tf.Tensor {
    return tf.div(tf.sub(probabilities, oneHot), probabilities.shape[0] ?? 1);
  }

  averagedHessian({ probabilities }: CrossEntropySaved): tf.Tensor {
    const [samples = 1, classes = 0] = probabilities.shape;
    const diagonal = tf.mul(tf.identity(classes), tf.mean(probabilities, 0));
    return tf.sub(diagonal, tf.div(tf.matMul(probabilities, probabilities, true, false), samples));
  }
}
