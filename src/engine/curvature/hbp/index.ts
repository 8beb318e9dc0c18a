import type { Gradients } from '../../nn/backward.js';
import type { LayerKind } from '../../nn/layer.js';
import type { Sequential, Trace } from '../../nn/sequential.js';
import * as tf from '../../tf.js';
import type { CurvatureOperator } from '../operator.js';
import { elementwiseRule } from './elementwise.js';
import { flattenRule } from './flatten.js';
import { linearRule } from './linear.js';
import type { HbpOptions, HbpRule } from './rule.js';

export type { HbpOptions, SecondOrder } from './rule.js';

/** One rule a kind of layer: a kind without one does not compile. */
const rules = {
  linear: linearRule,
  flatten: flattenRule,
  sigmoid: elementwiseRule,
  tanh: elementwiseRule,
  relu: elementwiseRule,
} satisfies Record<LayerKind, unknown> as unknown as Record<LayerKind, HbpRule>;

const defaults: HbpOptions = {
  secondOrder: 'zero',
  averageInputJacobian: true,
  averageParameterJacobian: true,
  blocks: 1,
};

/**
 * Hessian backpropagation (arXiv 1902.01813, section 3): pass the batch-averaged Hessian of the loss back through the
 * network and collect the curvature of every parameter.
 *
 * @param outputHessian  (1/N) sum_n of the loss Hessians with respect to the network's output, [C, C]
 * @param gradients      of the same forward pass; second-order terms need the gradients of the layer outputs
 * @returns operators by place ("0.weight"), at the weights of the forward pass; the caller disposes them
 */
export function hessianBackpropagation(
  model: Sequential,
  trace: Trace,
  gradients: Gradients,
  outputHessian: tf.Tensor,
  options: Partial<HbpOptions> = {},
): Record<string, CurvatureOperator> {
  const complete = { ...defaults, ...options };
  const curvature: Record<string, CurvatureOperator> = {};
  tf.tidy(() => {
    const first = model.layers.findIndex(({ layer }) => layer.parameters.length > 0);
    let hessian = outputHessian;
    for (let l = model.layers.length - 1; l >= Math.max(first, 0); l--) {
      const { path, layer } = model.layers[l]!;
      const rule = rules[layer.kind];
      const context = {
        layer,
        saved: trace.saved[l]!,
        outputHessian: hessian,
        outputGradient: gradients.outputs[l]!,
        options: complete,
      };
      for (const [name, operator] of Object.entries(rule.parameterCurvature?.(context) ?? {})) {
        curvature[`${path}.${name}`] = operator;
      }
      if (l > first) hessian = rule.inputHessian(context);
    }
  });
  return curvature;
}
