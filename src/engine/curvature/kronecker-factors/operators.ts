import type { Sequential } from '../../nn/sequential.js';
import * as tf from '../../tf.js';
import { denseOperator, kronecker } from '../algebra.js';
import type { LinearOperator } from '../operator.js';
import type { FactorsByLayer } from './index.js';

/**
 * Kronecker factors as curvature of each parameter: the diagonal blocks of B (x) A that belong to the weight, and to the
 * bias, for which A is one number: 1 for linear layers, S for convolutions with S positions.
 *
 * @param factors  of layers of this model; they stay the caller's
 * @returns operators by place of the parameter ("0.weight"), in the parameters' shapes; the caller disposes them
 */
export function kroneckerOperators(model: Sequential, factors: FactorsByLayer): Record<string, LinearOperator> {
  const operators: Record<string, LinearOperator> = {};
  tf.tidy(() => {
    for (const { path, layer } of model.layers) {
      if (!factors[path]) continue;
      const { A, B } = factors[path];
      const [outputs = 0] = B.shape;
      for (const { name, shape } of layer.parameters) {
        const fanIn = tf.util.sizeFromShape(shape) / outputs;
        operators[`${path}.${name}`] =
          name === 'bias' ? biasOperator(A, B) : weightOperator(tf.slice(A, [0, 0], [fanIn, fanIn]), B, shape);
      }
    }
  });
  return operators;
}

function biasOperator(A: tf.Tensor, B: tf.Tensor): LinearOperator {
  const last = A.shape.map((length) => length - 1);
  return denseOperator(tf.mul(B, tf.reshape(tf.slice(A, last, [1, 1]), [])));
}

/** Linear weights are [o, i], convolution weights [kh, kw, in, o]. */
function weightOperator(A: tf.Tensor, B: tf.Tensor, shape: readonly number[]): LinearOperator {
  const onOutputs = denseOperator(B);
  return shape.length === 2
    ? kronecker(onOutputs, denseOperator(A))
    : kronecker(denseOperator(A, shape.slice(0, -1)), onOutputs);
}
