import * as tf from '../tf.js';

/**
 * What becomes of the second-order terms of activations: `none` keeps them (Hessian), `zero` drops them (generalised
 * Gauss-Newton), `abs` and `clip` take absolute values or the positive part (positive-curvature Hessian). Hessian
 * backpropagation first sums them over the batch, exact curvature products modify them for each sample and unit.
 */
export type SecondOrder = 'none' | 'zero' | 'abs' | 'clip';

/** A second-order term under a mode that keeps some of it. */
export function modified(term: tf.Tensor, mode: Exclude<SecondOrder, 'zero'>): tf.Tensor {
  switch (mode) {
    case 'none':
      return term;
    case 'abs':
      return tf.abs(term);
    case 'clip':
      return tf.relu(term);
  }
}
