import { gram } from '../../linalg/gram.js';
import type { Gradients } from '../../nn/backward.js';
import type { Loss } from '../../nn/loss.js';
import type { Saved } from '../../nn/layer.js';
import type { Sequential, Trace } from '../../nn/sequential.js';
import { type KroneckerLayer, kroneckerLayers } from '../../optim/kronecker-layer.js';
import type { UniformSource } from '../../random.js';
import { checkSupport } from '../../support.js';
import * as tf from '../../tf.js';
import { hessianBackpropagation, type HbpOptions } from '../hbp/index.js';
import type { LinearOperator } from '../operator.js';

export { kroneckerOperators } from './operators.js';

/**
 * The factors of one layer M = [weight | bias], o outputs, i inputs with a last one that is 1 if there is a bias: the
 * GGN of M is about B (x) A, exactly that for a linear layer and one sample.
 *
 * With N samples, S output positions (1 for linear layers), inputs a_ns [i] and loss Hessians H_n = S_n S_n^T whose
 * columns come back to the layer's output as b_nsc [o]:
 *
 * A = (1/N) sum_ns a_ns a_ns^T and B = (1/S) sum_nsc b_nsc b_nsc^T.
 *
 * The scale of the loss (1/N for a mean of cross-entropies) is part of H_n and so of B; A never carries it. The 1/S
 * stands for derivatives that do not correlate between positions (Grosse and Martens, arXiv 1602.01407).
 */
export interface KroneckerFactors {
  /** [i, i] */
  readonly A: tf.Tensor;
  /** [o, o] */
  readonly B: tf.Tensor;
}

/** By place of the layer: "0", "2.1". */
export type FactorsByLayer = Record<string, KroneckerFactors>;

/**
 * KFLR (Botev, Ritter and Barber 2017, arXiv 1706.03662): B from the exact factor of the loss Hessian, as many columns
 * as the network has outputs.
 *
 * @param gradients  of the same forward pass
 * @param lossSaved  of the same forward pass
 * @throws ConfigError  there are layers without a rule; the message lists them all
 * @returns tensors that the caller disposes
 */
export function kflr<S extends Saved>(
  model: Sequential,
  trace: Trace,
  gradients: Gradients,
  loss: Loss<S>,
  lossSaved: S,
): FactorsByLayer {
  return kroneckerFactors(model, trace, gradients, () => loss.factor(lossSaved));
}

/** How KFAC draws. */
export interface KfacFactorOptions {
  /** Targets drawn for each sample of the batch; 1. */
  readonly samples?: number;
  readonly random: UniformSource;
}

/**
 * KFAC (Martens and Grosse, arXiv 1503.05671): as `kflr`, with a Monte-Carlo estimate of the loss Hessian from targets
 * that are drawn from the model's own distribution. The mean of B is that of `kflr`; its standard error falls with
 * 1 / sqrt(samples).
 */
export function kfac<S extends Saved>(
  model: Sequential,
  trace: Trace,
  gradients: Gradients,
  loss: Loss<S>,
  lossSaved: S,
  { samples = 1, random }: KfacFactorOptions,
): FactorsByLayer {
  if (!Number.isInteger(samples) || samples < 1) {
    throw new RangeError(`samples must be a positive integer, not ${samples}`);
  }
  return kroneckerFactors(model, trace, gradients, () => loss.sampledFactor(lossSaved, samples, random));
}

/**
 * KFRA (Botev, Ritter and Barber 2017): instead of the columns of a factor, the batch average of J_n^T H J_n comes back.
 * That is Hessian backpropagation of the Gauss-Newton term without averaged Jacobians. Convolutions keep the form that
 * HBP has for them, U^T H U with the mean unfolded input, which is no Kronecker product.
 *
 * @param outputHessian  (1/N) sum_n of the loss Hessians, [C, C]
 * @returns operators by place of the parameter ("0.weight"); the caller disposes them
 */
export function kfra(
  model: Sequential,
  trace: Trace,
  gradients: Gradients,
  outputHessian: tf.Tensor,
  options: Partial<Pick<HbpOptions, 'blocks' | 'memoryLimit'>> = {},
): Record<string, LinearOperator> {
  return hessianBackpropagation(model, trace, gradients, outputHessian, {
    ...options,
    secondOrder: 'zero',
    averageInputJacobian: false,
    averageParameterJacobian: false,
  });
}

/** @param lossFactor  S [N, C, r] with S_n S_n^T = H_n, exactly or in the mean */
function kroneckerFactors(
  model: Sequential,
  trace: Trace,
  gradients: Gradients,
  lossFactor: () => tf.Tensor,
): FactorsByLayer {
  checkSupport(model, ['kronecker-factors']);
  return tf.scoped(() => {
    const layers = new Map(kroneckerLayers(model, trace, gradients).map((layer) => [layer.path, layer]));
    const factors: FactorsByLayer = {};
    let columns = tf.transpose(lossFactor(), [2, 0, 1]);
    for (let l = model.layers.length - 1; l >= 0 && layers.size > 0; l--) {
      const { path, layer } = model.layers[l]!;
      const known = layers.get(path);
      if (known) factors[path] = tf.scoped(() => factorsOf(known, columns));
      layers.delete(path);
      if (layers.size === 0) break; // nothing before has parameters
      const arrived = columns;
      columns = tf.scoped(() => layer.inputVjp(trace.saved[l]!, arrived));
      arrived.dispose();
    }
    return factors;
  });
}

/** @param columns  at the layer's output, [V, N, ...out] */
function factorsOf({ samples, positions, rows, ...layer }: KroneckerLayer, columns: tf.Tensor): KroneckerFactors {
  return {
    A: tf.div(layer.inputProducts(), samples),
    B: tf.div(gram(tf.reshape(columns, [-1, rows])), positions),
  };
}
