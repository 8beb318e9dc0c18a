/** Derivatives of activations that are known by their output y, as curvature products need them. */
import * as fused from '../fused-curvature.js';
import { fusesDerivatives, type KnownByOutput, timesDerivative } from '../fused.js';
import * as tf from '../tf.js';

/** phi' as a function of y. */
const first: Record<KnownByOutput, (y: tf.Tensor) => tf.Tensor> = {
  Sigmoid: (y) => tf.mul(y, tf.sub(1, y)),
  Tanh: (y) => tf.sub(1, tf.square(y)),
  Relu: (y) => tf.cast(tf.greater(y, 0), 'float32'),
};

/** phi'' g as a function of y, phi' and g; null: phi'' is 0. */
const second: Record<KnownByOutput, ((y: tf.Tensor, derivative: tf.Tensor, g: tf.Tensor) => tf.Tensor) | null> = {
  Sigmoid: (y, derivative, g) => tf.mul(tf.mul(derivative, tf.sub(1, tf.mul(2, y))), g),
  Tanh: (y, derivative, g) => tf.mul(tf.mul(tf.mul(-2, y), derivative), g),
  Relu: null,
};

/**
 * The averaged derivative mean_N phi'(y) [n] and the second-order term sum_N phi''(y) g [n] of an activation with output
 * y [N, n], where g [N, n] is the loss's gradient with respect to y.
 */
export function derivativeMeans(
  activation: KnownByOutput,
  output: tf.Tensor,
  gradient: tf.Tensor,
): { first: tf.Tensor; second: tf.Tensor } {
  const one = fused.derivativeMeans(activation, output, gradient);
  if (one) return one;
  return tf.scoped(() => {
    const derivative = first[activation](output);
    const term = second[activation]?.(output, derivative, gradient);
    return {
      first: tf.mean(derivative, 0),
      second: term ? tf.sum(term, 0) : tf.zeros(output.shape.slice(1)),
    };
  });
}

/**
 * phi'(y) u + residual t: a curvature product on its way back through an activation with output y [N, ...] and
 * second-order term `residual` [N, ...]; u, t [V?, N, ...].
 */
export function curveLink(
  activation: KnownByOutput,
  output: tf.Tensor,
  u: tf.Tensor,
  residual: tf.Tensor,
  t: tf.Tensor,
): tf.Tensor {
  const one = fused.curveLink(activation, output, u, residual, t);
  if (one) return one;
  return tf.scoped(() => {
    const through = fusesDerivatives() ? timesDerivative(activation, output, u) : tf.mul(first[activation](output), u);
    return tf.add(through, tf.mul(residual, t));
  });
}
