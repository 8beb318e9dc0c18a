import type { LayerKind } from '../../nn/layer.js';
import { avgPoolRule, constantJacobianRule } from './constant-jacobian.js';
import { conv2dRule } from './conv2d.js';
import { elementwiseRule } from './elementwise.js';
import { flattenRule } from './flatten.js';
import { linearRule } from './linear.js';
import { maxPoolRule } from './max-pool2d.js';
import type { HbpRule } from './rule.js';

/** One rule a kind of layer: a kind without one does not compile. */
export const rules = {
  linear: linearRule,
  conv2d: conv2dRule,
  'max-pool2d': maxPoolRule,
  'avg-pool2d': avgPoolRule,
  'zero-pad2d': constantJacobianRule,
  flatten: flattenRule,
  dropout: elementwiseRule,
  sigmoid: elementwiseRule,
  tanh: elementwiseRule,
  relu: elementwiseRule,
  'leaky-relu': elementwiseRule,
  elu: elementwiseRule,
  selu: elementwiseRule,
  softplus: elementwiseRule,
  'log-sigmoid': elementwiseRule,
  elementwise: elementwiseRule,
} satisfies Record<LayerKind, unknown> as unknown as Record<LayerKind, HbpRule>;
