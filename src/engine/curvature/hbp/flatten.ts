import * as tf from '../../tf.js';
import { constantStage } from './averaged-stage.js';
import type { HbpContext, HbpRule } from './rule.js';

/** Only the labels of a sample's elements change, and both sides count them row-major: H_x = H. */
export const flattenRule = {
  inputHessian({ outputHessian }: HbpContext) {
    return tf.view(outputHessian);
  },
  workspace: () => 0,
  averagedStage: ({ layer, saved }) => constantStage(layer, saved),
} satisfies HbpRule;
