import type { Conv2d } from '../../nn/conv2d.js';
import * as tf from '../../tf.js';
import { diagonalBlocks, splitRows } from '../row-blocks.js';
import { inRowBlocks } from '../row-block-operator.js';
import { AveragedOperator } from './averaged-operator.js';
import { atMeanInput } from './averaged-stage.js';
import { constantJacobianRule } from './constant-jacobian.js';
import { BlockConvolution } from './conv-operator.js';
import { BlockDense } from './operators.js';
import type { ChainContext, HbpContext, HbpRule, Sizes } from './rule.js';

/**
 * With the mean unfolded input U [P, k] (k = kh kw in / groups) and H over (position p, channel o):
 * H_W (k o, k' o') = sum_pp' U_pk H_(po)(p'o') U_p'k', H_b (o, o') = sum_pp' H_(po)(p'o').
 *
 * The mean is taken whatever `averageParameterJacobian` says: there is no form of the other that is small.
 */
export const conv2dRule = {
  ...constantJacobianRule,
  parameterCurvature({ layer, saved, outputHessian, options }: HbpContext<Conv2d, { input: tf.Tensor }>) {
    const { groups } = layer;
    const [height = 0, width = 0, channels = 0, out = 0] = layer.weight.shape;
    const positions = (outputHessian.shape[0] ?? 0) / out;
    const mean = layer.unfold(tf.mean(saved.input, 0, true));
    const byGroup = tf.transpose(tf.reshape(mean, [positions, height * width, groups, channels]), [2, 0, 1, 3]);
    const windows = tf.reshape(byGroup, [groups, positions, height * width * channels]);
    const blocks = splitRows(out, options.blocks);
    const weight = new BlockConvolution(layer.weight.shape, outputHessian, windows, blocks);
    if (!layer.bias) return { weight };
    const hessian = tf.sum(tf.reshape(outputHessian, [positions, out, positions, out]), [0, 2]);
    return { weight, bias: new BlockDense(diagonalBlocks(blocks, hessian), blocks) };
  },
  averagedCurvature({ layer, saved, chain, at, options }: ChainContext<Conv2d>) {
    return Object.fromEntries(
      layer.parameters.map(({ name, shape }) => {
        const operator = new AveragedOperator(shape, atMeanInput(layer, saved), name, chain, at);
        const rowsAxis = shape.length - 1;
        return [name, options.blocks === 1 ? operator : inRowBlocks(operator, options.blocks, rowsAxis)];
      }),
    );
  },
  parameterStorage(layer: Conv2d, { outputs }: Sizes, maxBlocks: number) {
    const [height = 0, width = 0, channels = 0, out = 0] = layer.weight.shape;
    const cells = out * Math.min(height * width * channels, outputs / out);
    const { count } = splitRows(out, maxBlocks);
    const contracted = cells < outputs;
    const split = count === 1 ? 0 : cells ** 2;
    return { kept: cells ** 2 / count, passing: split + (contracted ? 2 * cells * outputs : outputs ** 2) };
  },
} satisfies HbpRule;
