import type { Linear } from '../../nn/linear.js';
import * as tf from '../../tf.js';
import { diagonalBlocks, splitRows } from '../row-blocks.js';
import { constantStage } from './averaged-stage.js';
import { chainBlocks } from './block-hessian.js';
import { BlockDense, BlockKroneckerGram, BlockKroneckerMean } from './operators.js';
import type { ChainContext, HbpContext, HbpRule, Sizes } from './rule.js';

/** H_x = W^T H W, H_W = H (x) E[x] E[x]^T or H (x) E[x x^T], H_b = H. */
export const linearRule = {
  inputHessian({ layer, outputHessian }: HbpContext<Linear>) {
    const weight = layer.weight.value;
    return tf.matMul(weight, tf.matMul(outputHessian, weight), true, false);
  },
  workspace: ({ inputs, outputs }) => outputs * inputs + inputs ** 2,
  parameterCurvature({ layer, saved, outputHessian, options }: HbpContext<Linear, { input: tf.Tensor }>) {
    const blocks = splitRows(layer.weight.shape[0] ?? 0, options.blocks);
    const hessians = diagonalBlocks(blocks, outputHessian);
    const weight = options.averageParameterJacobian
      ? new BlockKroneckerMean(hessians, blocks, tf.mean(saved.input, 0))
      : new BlockKroneckerGram(hessians, blocks, saved.input);
    return layer.bias ? { weight, bias: new BlockDense(hessians, blocks) } : { weight };
  },
  averagedStage: ({ layer, saved }: Omit<HbpContext<Linear>, 'outputHessian'>) => ({
    ...constantStage(layer, saved),
    asMatrix: () => ({ matrix: layer.weight.value }),
  }),
  averagedCurvature({ layer, saved, chain, at, outputShape, options }: ChainContext<Linear, { input: tf.Tensor }>) {
    const blocks = splitRows(layer.weight.shape[0] ?? 0, options.blocks);
    const hessian = () => chainBlocks(chain, at, outputShape, blocks);
    const weight = new BlockKroneckerMean(hessian(), blocks, tf.mean(saved.input, 0));
    return layer.bias ? { weight, bias: new BlockDense(hessian(), blocks) } : { weight };
  },
  /** One block is H itself; several are a copy of its diagonal blocks, shared by the weight and the bias. */
  parameterStorage(_layer: Linear, { outputs }: Sizes, blocks: number) {
    const { count, size } = splitRows(outputs, blocks);
    const copied = count * size ** 2;
    return count === 1 ? { kept: outputs ** 2, passing: 0 } : { kept: copied, passing: copied };
  },
} satisfies HbpRule;
