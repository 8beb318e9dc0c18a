import type { ElementwiseLayer } from '../../nn/layer.js';
import * as tf from '../../tf.js';
import { modified } from '../second-order.js';
import type { HbpContext, HbpRule } from './rule.js';

/**
 * H_x = D H D + diag(r) with D = diag(E[phi'(x)]), or E[phi'(x) phi'(x)^T] * H elementwise if the Jacobian is not
 * averaged; r = modified sum_n phi''(x_n) * dL/dy_n (the gradient carries the loss's 1/N).
 */
export const elementwiseRule = {
  inputHessian(context: HbpContext<ElementwiseLayer>) {
    const { layer, saved, outputGradient, options } = context;
    const passed = throughDerivative(context);
    const term = options.secondOrder === 'zero' ? null : layer.secondOrder(saved, outputGradient);
    if (!term || options.secondOrder === 'zero') return passed;
    return addDiagonal(passed, modified(tf.sum(perSample(term), 0), options.secondOrder));
  },
  workspace: ({ inputs }) => 3 * inputs ** 2,
  averagedStage({ layer, saved, outputGradient, options }: Omit<HbpContext<ElementwiseLayer>, 'outputHessian'>) {
    const { derivative, residual } = tf.scoped(() => {
      const derivative = tf.keep(tf.mean(layer.derivative(saved), 0, true));
      const term = options.secondOrder === 'zero' ? null : layer.secondOrder(saved, outputGradient);
      if (!term || options.secondOrder === 'zero') return { derivative, residual: null };
      return { derivative, residual: tf.keep(modified(tf.sum(term, 0, true), options.secondOrder)) };
    });
    return {
      forward: (t) => tf.mul(derivative, t),
      backward: (u, t) => {
        const back = tf.mul(derivative, u);
        return residual && t ? tf.add(back, tf.mul(residual, t)) : back;
      },
      hasResidual: residual !== null,
      dispose: () => tf.dispose([derivative, ...(residual ? [residual] : [])]),
    };
  },
} satisfies HbpRule;

function throughDerivative({ layer, saved, outputHessian, options }: HbpContext<ElementwiseLayer>): tf.Tensor {
  const derivative = perSample(layer.derivative(saved));
  const samples = derivative.shape[0] ?? 1;
  return tf.scoped(() => {
    if (!options.averageInputJacobian) {
      return tf.mul(tf.div(tf.matMul(derivative, derivative, true, false), samples), outputHessian);
    }
    const mean = tf.mean(derivative, 0);
    return tf.mul(tf.mul(tf.reshape(mean, [-1, 1]), outputHessian), mean);
  });
}

/** Rows of n + 1 numbers with the value first, read as rows of n, have it on the diagonal. */
function addDiagonal(matrix: tf.Tensor, values: tf.Tensor): tf.Tensor {
  const n = values.size;
  return tf.scoped(() => {
    const diagonal = tf.scoped(() => {
      const rows = tf.pad(tf.reshape(values, [n, 1]), [
        [0, 0],
        [0, n],
      ]);
      return tf.reshape(tf.slice(tf.reshape(rows, [-1]), 0, n * n), [n, n]);
    });
    return tf.add(matrix, diagonal);
  });
}

function perSample(x: tf.Tensor): tf.Tensor {
  return tf.reshape(x, [x.shape[0] ?? 1, -1]);
}
