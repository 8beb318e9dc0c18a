import { ConfigError } from '../../../errors.js';
import type { Gradients } from '../../nn/backward.js';
import type { Sequential, Trace } from '../../nn/sequential.js';
import { checkSupport } from '../../support.js';
import * as tf from '../../tf.js';
import type { LinearOperator } from '../operator.js';
import { HessianChain } from './chain.js';
import { checkMemory, forecastOf } from './forecast.js';
import type { HbpOptions } from './rule.js';
import { rules } from './rules.js';

export type { SecondOrder } from '../second-order.js';
export { forecastHbp, type HbpForecast, type HbpStep } from './forecast.js';
export type { HbpOptions } from './rule.js';

const defaults: HbpOptions = {
  secondOrder: 'zero',
  averageInputJacobian: true,
  averageParameterJacobian: true,
  blocks: 1,
  hessians: 'auto',
  memoryLimit: 4 * 2 ** 30,
};

/**
 * Hessian backpropagation (arXiv 1902.01813, section 3): pass the batch-averaged Hessian of the loss back through the
 * network and collect the curvature of every parameter.
 *
 * @param outputHessian  (1/N) sum_n of the loss Hessians with respect to the network's output, [C, C]
 * @param gradients      of the same forward pass; second-order terms need the gradients of the layer outputs
 * @throws ConfigError   a layer has no rule, or the forecast is above `memoryLimit`
 * @returns operators by place ("0.weight"), at the weights of the forward pass; the caller disposes them. A network
 *   without parameters has none
 */
export function hessianBackpropagation(
  model: Sequential,
  trace: Trace,
  gradients: Gradients,
  outputHessian: tf.Tensor,
  options: Partial<HbpOptions> = {},
): Record<string, LinearOperator> {
  const first = model.layers.findIndex(({ layer }) => layer.parameters.length > 0);
  if (first < 0) return {};
  checkSupport(model, ['hbp-input', 'hbp-parameters']);
  const complete = { ...defaults, ...options };
  const averaged = complete.averageInputJacobian && complete.averageParameterJacobian;
  if (complete.hessians === 'chain' && !averaged) {
    throw new ConfigError('Hessians as a chain of products need averaged Jacobians: use dense ones, or average both');
  }
  const place: Place = { model, trace, gradients, first, options: complete };
  return averaged && complete.hessians !== 'dense' ? asChain(place, outputHessian) : asMatrices(place, outputHessian);
}

interface Place {
  readonly model: Sequential;
  readonly trace: Trace;
  readonly gradients: Gradients;
  /** Index of the first layer with parameters. */
  readonly first: number;
  readonly options: HbpOptions;
}

function asChain({ model, trace, gradients, first, options }: Place, outputHessian: tf.Tensor) {
  const curvature: Record<string, LinearOperator> = {};
  tf.tidy(() => {
    const stages = model.layers.slice(first + 1).map(({ layer }, k) => {
      const l = first + 1 + k;
      const outputGradient = gradients.outputs[l]!;
      return rules[layer.kind].averagedStage({ layer, saved: trace.saved[l]!, outputGradient, options });
    });
    const chain = new HessianChain(stages, outputHessian);
    model.layers.slice(first).forEach(({ path, layer }, at) => {
      const l = first + at;
      const outputShape = gradients.outputs[l]!.shape.slice(1);
      const saved = trace.saved[l]!;
      const operators = rules[layer.kind].averagedCurvature?.({ layer, saved, chain, at, outputShape, options }) ?? {};
      for (const [name, operator] of Object.entries(operators)) curvature[`${path}.${name}`] = operator;
    });
  });
  return curvature;
}

function asMatrices({ model, trace, gradients, first, options }: Place, outputHessian: tf.Tensor) {
  const outputShapes = gradients.outputs.map((gradient) => gradient?.shape.slice(1) ?? []);
  checkMemory(forecastOf(model, outputShapes, options.blocks), options.memoryLimit);
  const curvature: Record<string, LinearOperator> = {};
  tf.tidy(() => {
    let hessian = tf.view(outputHessian);
    for (let l = model.layers.length - 1; l >= first; l--) {
      const { path, layer } = model.layers[l]!;
      const rule = rules[layer.kind];
      const context = {
        layer,
        saved: trace.saved[l]!,
        outputHessian: hessian,
        outputGradient: gradients.outputs[l]!,
        options,
      };
      const operators = tf.scoped(() => rule.parameterCurvature?.(context) ?? {});
      for (const [name, operator] of Object.entries(operators)) curvature[`${path}.${name}`] = operator;
      const next = l > first ? tf.scoped(() => rule.inputHessian(context)) : null;
      hessian.dispose(); // the largest matrices of all: each goes as soon as it has been passed on
      if (next) hessian = next;
    }
  });
  return curvature;
}
