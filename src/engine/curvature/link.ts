/** Derivatives of activations that are known by their output y, as curvature products need them. */
import * as fused from '../fused-curvature.js';
import { fusesDerivatives, type KnownByOutput } from '../fused.js';
import type { ElementwiseByOutput } from '../nn/known-by-output.js';
import { Relu } from '../nn/relu.js';
import { Sigmoid } from '../nn/sigmoid.js';
import { Tanh } from '../nn/tanh.js';
import * as tf from '../tf.js';

/** The layers, which know the derivatives. */
const layers: Record<KnownByOutput, ElementwiseByOutput> = {
  Sigmoid: new Sigmoid(),
  Tanh: new Tanh(),
  Relu: new Relu(),
};

/** What a layer with this output saved, without its fused product. */
function savedOf(layer: ElementwiseByOutput, output: tf.Tensor) {
  return { output, derivative: layer.derivative({ output }) };
}

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
    const layer = layers[activation];
    const saved = savedOf(layer, output);
    const term = layer.secondOrder(saved, gradient);
    return {
      first: tf.mean(saved.derivative, 0),
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
    const layer = layers[activation];
    const saved = fusesDerivatives() ? { output } : savedOf(layer, output);
    return tf.add(layer.inputJvp(saved, u), tf.mul(residual, t));
  });
}
