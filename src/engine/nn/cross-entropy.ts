import { uniformTensor, type UniformSource } from '../random.js';
import * as tf from '../tf.js';
import type { Loss, Reduction } from './loss.js';

type CrossEntropySaved = {
  readonly probabilities: tf.Tensor;
  readonly oneHot: tf.Tensor;
  /** 1 where p is largest in its row, else 0. */
  readonly likeliest: tf.Tensor;
};

/**
 * Softmax cross-entropy L = -c sum_n log p_n[t_n] with p_n = softmax(z_n); c = 1/N (mean) or 1 (sum).
 *
 * dL/dz_n = c (p_n - e_tn), H_n = c (diag(p_n) - p_n p_n^T). Targets are int32 class indices [N].
 */
export class CrossEntropy implements Loss<CrossEntropySaved> {
  constructor(private readonly reduction: Reduction = 'mean') {}

  forward(logits: tf.Tensor, target: tf.Tensor): { value: tf.Tensor; saved: CrossEntropySaved } {
    const [, classes = 0] = logits.shape;
    const shifted = tf.sub(logits, tf.max(logits, 1, true));
    const logProbabilities = tf.sub(shifted, tf.log(tf.sum(tf.exp(shifted), 1, true)));
    const oneHot = tf.cast(tf.oneHot(tf.cast(target, 'int32') as tf.Tensor1D, classes), 'float32');
    const likelihoods = tf.sum(tf.mul(logProbabilities, oneHot), 1);
    const value = tf.neg(this.reduction === 'mean' ? tf.mean(likelihoods) : tf.sum(likelihoods));
    const likeliest = tf.cast(tf.equal(shifted, 0), 'float32');
    return { value, saved: { probabilities: tf.exp(logProbabilities), oneHot, likeliest } };
  }

  gradient(saved: CrossEntropySaved): tf.Tensor {
    return tf.div(tf.sub(saved.probabilities, saved.oneHot), this.#divisor(saved));
  }

  /**
   * c sum_n (diag(p_n) - p_n p_n^T). Rows add up to zero, so the diagonal is what the rest of its row adds up to: p - p^2
   * would lose all digits where p is all but one-hot.
   */
  averagedHessian(saved: CrossEntropySaved): tf.Tensor {
    const { probabilities } = saved;
    const identity = tf.identity(probabilities.shape[1] ?? 0);
    const products = tf.matMul(probabilities, probabilities, true, false);
    const others = tf.sub(products, tf.mul(identity, products));
    const diagonal = tf.mul(identity, tf.sum(others, 1, true));
    return tf.div(tf.sub(diagonal, others), this.#divisor(saved));
  }

  /**
   * c p (v - <p, v>). H_n does not see a constant in v: with the entry of the likeliest class taken off first, nothing
   * cancels where p is all but one-hot, and the product stays positive semi-definite in float32.
   */
  hessianVp(saved: CrossEntropySaved, v: tf.Tensor): tf.Tensor {
    const { probabilities, likeliest } = saved;
    const relative = tf.sub(v, tf.sum(tf.mul(likeliest, v), -1, true));
    const centred = tf.sub(relative, tf.sum(tf.mul(probabilities, relative), -1, true));
    return tf.div(tf.mul(probabilities, centred), this.#divisor(saved));
  }

  /**
   * [N, C, C - 1]. With the unit vector q = sqrt(p), H_n = c diag(q) (I - q q^T) diag(q); columns 2 to C of the
   * reflection I - (q + e_1)(q + e_1)^T / (1 + q_1), which takes e_1 to -q, are an orthonormal basis Q of what is
   * orthogonal to q, so S_n = sqrt(c) diag(q) Q. As q_1 >= 0, nothing cancels, not even for a p that is all but one-hot.
   */
  factor(saved: CrossEntropySaved): tf.Tensor {
    const [samples = 0, classes = 0] = saved.probabilities.shape;
    const q = tf.sqrt(saved.probabilities);
    const [first, others] = tf.split(q, [1, classes - 1], 1) as [tf.Tensor, tf.Tensor];
    const corner = tf.slice(tf.identity(classes), [0, 0], [1, classes]);
    const unitColumns = tf.slice(tf.identity(classes), [0, 1], [classes, classes - 1]);
    const weights = tf.reshape(tf.div(others, tf.add(1, first)), [samples, 1, classes - 1]);
    const reflection = tf.sub(unitColumns, tf.mul(tf.expandDims(tf.add(q, corner), 2), weights));
    return tf.div(tf.mul(tf.expandDims(q, 2), reflection), Math.sqrt(this.#divisor(saved)));
  }

  /** Columns sqrt(c / samples) (p_n - e_t) for classes t ~ p_n, which are found by their cumulative probabilities. */
  sampledFactor(saved: CrossEntropySaved, samples: number, random: UniformSource): tf.Tensor {
    const { probabilities } = saved;
    const [count = 0, classes = 0] = probabilities.shape;
    const draws = tf.add(uniformTensor([count, samples, 1], 0.5, random), 0.5);
    // The last class takes what is left of [0, 1), so that rounding leaves no draw without a class.
    const bounds = tf.slice(tf.cumsum(probabilities, 1), [0, 0], [count, classes - 1]);
    const drawn = tf.sum(tf.cast(tf.greaterEqual(draws, tf.expandDims(bounds, 1)), 'int32'), 2);
    const oneHot = tf.cast(tf.oneHot(tf.cast(drawn, 'int32') as tf.Tensor1D, classes), 'float32');
    const columns = tf.transpose(tf.sub(tf.expandDims(probabilities, 1), oneHot), [0, 2, 1]);
    return tf.div(columns, Math.sqrt(this.#divisor(saved) * samples));
  }

  #divisor({ probabilities }: CrossEntropySaved): number {
    return this.reduction === 'mean' ? (probabilities.shape[0] ?? 1) : 1;
  }
}
