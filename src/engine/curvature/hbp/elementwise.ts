import { ElementwiseByOutput, type OutputSaved } from '../../nn/known-by-output.js';
import type { ElementwiseLayer, Saved } from '../../nn/layer.js';
import * as tf from '../../tf.js';
import { derivativeMeans } from '../link.js';
import { modified, type SecondOrder } from '../second-order.js';
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
    const { derivative, residual } = tf.scoped(() => averages(layer, saved, outputGradient, options.secondOrder));
    tf.keep(derivative);
    if (residual) tf.keep(residual);
    return {
      forward: (t) => tf.mul(derivative, t),
      backward: (u, t) => {
        const back = tf.mul(derivative, u);
        return residual && t ? tf.add(back, tf.mul(residual, t)) : back;
      },
      hasResidual: residual !== null,
      asMatrix: () => ({ diagonal: derivative, residual }),
      dispose: () => tf.dispose([derivative, ...(residual ? [residual] : [])]),
    };
  },
} satisfies HbpRule;

/** The batch mean of phi' and the modified batch sum of phi'' g, [1, ...]; no sum where there is none or it is dropped. */
function averages(layer: ElementwiseLayer, saved: Saved, gradient: tf.Tensor, mode: SecondOrder) {
  const { shape } = gradient;
  const ofOneSample = (x: tf.Tensor): tf.Tensor => tf.reshape(x, [1, ...shape.slice(1)]);
  if (layer instanceof ElementwiseByOutput && mode !== 'zero') {
    const rows = (x: tf.Tensor): tf.Tensor => tf.reshape(x, [shape[0] ?? 0, -1]);
    const { first, second } = derivativeMeans(layer.activation, rows((saved as OutputSaved).output), rows(gradient));
    const residual = layer.activation === 'Relu' ? null : modified(ofOneSample(second), mode);
    return { derivative: ofOneSample(first), residual };
  }
  const derivative = tf.mean(layer.derivative(saved), 0, true);
  const term = mode === 'zero' ? null : layer.secondOrder(saved, gradient);
  return { derivative, residual: term && mode !== 'zero' ? modified(tf.sum(term, 0, true), mode) : null };
}

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
