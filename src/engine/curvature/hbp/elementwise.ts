import type { ElementwiseLayer } from '../../nn/layer.js';
import * as tf from '../../tf.js';
import type { HbpContext, HbpRule, SecondOrder } from './rule.js';

/**
 * H_x = D H D + diag(r) with D = diag(E[phi'(x)]), or E[phi'(x) phi'(x)^T] * H elementwise if the Jacobian is not
 * averaged; r = modified sum_n phi''(x_n) * dL/dy_n (the gradient carries the loss's 1/N).
 */
export const elementwiseRule = {
  inputHessian({ layer, saved, outputHessian, outputGradient, options }: HbpContext<ElementwiseLayer>) {
    const derivative = perSample(layer.derivative(saved));
    const samples = derivative.shape[0] ?? 1;
    let hessian: tf.Tensor;
    if (options.averageInputJacobian) {
      const mean = tf.mean(derivative, 0);
      hessian = tf.mul(tf.mul(tf.reshape(mean, [-1, 1]), outputHessian), mean);
    } else {
      hessian = tf.mul(tf.div(tf.matMul(derivative, derivative, true, false), samples), outputHessian);
    }
    if (options.secondOrder === 'zero') return hessian;
    const term = layer.secondOrder(saved, outputGradient);
    if (!term) return hessian;
    const residual = modify(tf.sum(perSample(term), 0), options.secondOrder);
    return tf.add(hessian, tf.mul(tf.identity(residual.size), residual));
  },
} satisfies HbpRule;

function perSample(x: tf.Tensor): tf.Tensor {
  return tf.reshape(x, [x.shape[0] ?? 1, -1]);
}

function modify(term: tf.Tensor, mode: Exclude<SecondOrder, 'zero'>): tf.Tensor {
  switch (mode) {
    case 'none':
      return term;
    case 'abs':
      return tf.abs(term);
    case 'clip':
      return tf.relu(term);
  }
}
