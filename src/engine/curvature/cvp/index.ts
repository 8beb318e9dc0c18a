import { ConfigError } from '../../../errors.js';
import type { Gradients } from '../../nn/backward.js';
import type { Sequential, Trace } from '../../nn/sequential.js';
import type { LinearOperator } from '../operator.js';
import type { SecondOrder } from '../second-order.js';
import * as tf from '../../tf.js';
import { ExactOperator, ExactPass } from './exact-operator.js';
import { Linearization, LinearizedOperator } from './linearization.js';
import type { FactoredHessian } from './loss-hessian.js';
import { networkOperator } from './network.js';
import { Planner } from './planner.js';

export { chunkedCurvature, type ChunkPass } from './chunked.js';
export { type CvpForecast, forecastCvp } from './forecast.js';
export { lossHessian } from './loss-hessian.js';
export { Planner, type PlannerOptions } from './planner.js';
export { type Route, routes } from './routes.js';

/** Which curvature: Hessian (`none`), generalised Gauss-Newton (`zero`, the default), positive-curvature Hessian. */
export interface CvpOptions {
  readonly secondOrder: SecondOrder;
}

/** How the products of single parameters run. */
export interface ProductOptions extends CvpOptions {
  /**
   * `fast`, the default: what damped systems can be spared is left out (see `routes.ts`); `plain`: every product goes
   * through every layer to the loss and back.
   */
  readonly products: 'fast' | 'plain';
  /** Chooses the ways of the products, and learns from step to step; absent: a new one. */
  readonly planner: Planner;
}

/**
 * Exact curvature-vector products of every parameter's own block, from the layers' Jacobian products alone: the
 * parameter's tangent goes forward to the loss, through the loss Hessian and back, and every activation on the way adds
 * its second-order term, modified for each sample and unit (arXiv 1902.01813, section 3).
 *
 * @param gradients      of the same forward pass
 * @param outputHessian  with respect to the network's outputs (see `lossHessian`); taken over
 * @returns operators by place ("0.weight"), at the weights of the forward pass, whatever becomes of those; the caller
 *   disposes them
 */
export function curvatureProducts(
  model: Sequential,
  trace: Trace,
  gradients: Gradients,
  outputHessian: LinearOperator,
  { secondOrder = 'zero', products = 'fast', planner = new Planner() }: Partial<ProductOptions> = {},
): Record<string, LinearOperator> {
  const first = firstWithParameters(model);
  const linearization = new Linearization(model, trace, gradients, outputHessian, secondOrder, first);
  const operators: Record<string, LinearOperator> = {};
  if (products === 'fast') {
    const factor = isFactored(outputHessian) ? outputHessian.factor() : null;
    const pass = tf.scoped(() => new ExactPass(linearization, factor, planner));
    for (const layer of pass.network.layers) {
      for (const map of layer.parameters) {
        const path = `${layer.path}.${map.name}`;
        operators[path] = new ExactOperator(pass, layer, map, gradients.parameters[path]);
      }
    }
    return operators;
  }
  linearization.stages.forEach(({ path, layer, saved }, l) => {
    for (const { name, shape } of layer.parameters) {
      operators[`${path}.${name}`] = new LinearizedOperator(shape, linearization, (vs) =>
        layer.paramVjp(saved, name, linearization.curve(l + 1, layer.paramJvp(saved, name, vs))),
      );
    }
  });
  return operators;
}

/**
 * Exact curvature-vector products of the whole network, on vectors [P]: all parameters in the order of
 * `Sequential.parameters`, each row-major. `none` is the full Hessian, `zero` the full generalised Gauss-Newton; `abs` and
 * `clip` are positive semi-definite: Gauss-Newton plus J^T diag(residual) J of every activation. The diagonal blocks are
 * those of `curvatureProducts`.
 *
 * The arguments are those of `curvatureProducts`. For `none` a layer with parameters has to be affine in its input and
 * in its parameters, each with the other fixed, as all of this package are.
 */
export function networkCurvature(
  model: Sequential,
  trace: Trace,
  gradients: Gradients,
  outputHessian: LinearOperator,
  { secondOrder = 'zero' }: Partial<CvpOptions> = {},
): LinearOperator {
  const first = firstWithParameters(model);
  const linearization = new Linearization(model, trace, gradients, outputHessian, secondOrder, first);
  return networkOperator(linearization, secondOrder === 'none');
}

/**
 * Exact curvature-vector products with respect to the network's input, on vectors of its shape [N, ...]: samples do not
 * couple unless the output Hessian couples them. The arguments are those of `curvatureProducts`.
 *
 * @param inputShape  [N, ...]
 */
export function inputCurvature(
  model: Sequential,
  trace: Trace,
  gradients: Gradients,
  outputHessian: LinearOperator,
  inputShape: readonly number[],
  { secondOrder = 'zero' }: Partial<CvpOptions> = {},
): LinearOperator {
  const linearization = new Linearization(model, trace, gradients, outputHessian, secondOrder, 0);
  return new LinearizedOperator(inputShape, linearization, (vs) => linearization.curve(0, vs));
}

function isFactored(operator: LinearOperator): operator is FactoredHessian {
  return 'factor' in operator;
}

function firstWithParameters(model: Sequential): number {
  const first = model.layers.findIndex(({ layer }) => layer.parameters.length > 0);
  if (first < 0) throw new ConfigError('a network without parameters has no parameter curvature');
  return first;
}
