import * as tf from '../../tf.js';
import { constantStage } from './averaged-stage.js';
import type { HbpContext, HbpRule, Sizes } from './rule.js';

/**
 * H_x = J^T H J for a layer whose Jacobian J is the same for every sample: the layer's own transposed product does it,
 * with the rows of a Hessian in the place of samples.
 */
export const constantJacobianRule = {
  inputHessian({ layer, saved, outputHessian, outputGradient }: HbpContext) {
    const [, ...outputShape] = outputGradient.shape;
    return sandwich(outputHessian, (rows) => layer.inputVjp(saved, tf.reshape(rows, [-1, ...outputShape])));
  },
  workspace: sandwichWorkspace,
  averagedStage: ({ layer, saved }) => constantStage(layer, saved),
} satisfies HbpRule;

/**
 * J^T H J, from the rows twice: H J, turned round, times J.
 *
 * @param pullBack  J^T y for every row y of a matrix, [R, o] to R input elements each
 */
export function sandwich(hessian: tf.Tensor, pullBack: (rows: tf.Tensor) => tf.Tensor): tf.Tensor {
  const pullRows = (matrix: tf.Tensor): tf.Tensor =>
    tf.scoped(() => tf.reshape(pullBack(matrix), [matrix.shape[0] ?? 0, -1]));
  return tf.scoped(() => {
    const half = tf.scoped(() => tf.transpose(pullRows(hessian)));
    return pullRows(half);
  });
}

/** The same for pooling, whose transpose first makes the cells of the windows, then adds up pictures. */
export const avgPoolRule = {
  ...constantJacobianRule,
  workspace: (sizes) => poolingWorkspace(sizes, 1),
} satisfies HbpRule;

/** Elements besides H: H J and its transpose, then the result and one more of its size. */
function sandwichWorkspace({ inputs, outputs }: Sizes): number {
  return Math.max(2 * outputs * inputs, outputs * inputs + 2 * inputs ** 2);
}

/** @param cells  of a window, as far as each has a matrix of its own */
export function poolingWorkspace(sizes: Sizes, cells: number): number {
  const { inputs, outputs } = sizes;
  return sandwichWorkspace(sizes) + inputs ** 2 + (cells + 1) * inputs * outputs;
}
