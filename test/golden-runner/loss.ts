import { lossHessian } from '../../src/engine/curvature/cvp/index.js';
import { CrossEntropy } from '../../src/engine/nn/cross-entropy.js';
import * as tf from '../../src/engine/tf.js';
import { type Golden, type GoldenTensor, tensorOf } from '../support/golden.js';
import type { Comparison } from './comparison.js';

export interface LossSpec {
  type: string;
  reduction: string;
}
type LossGolden = Golden<
  { input: GoldenTensor; labels: GoldenTensor; vectors: { input: GoldenTensor[] } },
  {
    loss: number;
    softmax: GoldenTensor;
    grad_input: GoldenTensor;
    hbp: { batch_averaged_hessian: GoldenTensor };
    cvp: { input_hvp: GoldenTensor[] };
  },
  { loss: LossSpec }
>;

export function crossEntropyOf({ type, reduction }: LossSpec): CrossEntropy {
  if (type !== 'CrossEntropyLoss' || (reduction !== 'mean' && reduction !== 'sum')) {
    throw new Error(`unknown loss ${type} (${reduction})`);
  }
  return new CrossEntropy(reduction);
}

export async function runLoss({ spec, given, expected }: LossGolden, comparison: Comparison): Promise<void> {
  comparison.onlyKeys('expected', expected, ['loss', 'softmax', 'grad_input', 'hbp', 'cvp']);
  comparison.onlyKeys('expected.hbp', expected.hbp, ['batch_averaged_hessian']);
  comparison.onlyKeys('expected.cvp', expected.cvp, ['input_hvp']);
  const loss = crossEntropyOf(spec.loss);
  const { value, saved } = loss.forward(tensorOf(given.input), tensorOf(given.labels));
  await comparison.close('loss', value, expected.loss);
  await comparison.close('softmax', saved.probabilities, expected.softmax);
  await comparison.close('grad_input', loss.gradient(saved), expected.grad_input);
  await comparison.close('hbp', loss.averagedHessian(saved), expected.hbp.batch_averaged_hessian);
  const hessian = lossHessian(loss, saved);
  for (const [k, vector] of given.vectors.input.entries()) {
    const product = hessian.matvec(tf.reshape(tensorOf(vector), given.input.shape));
    await comparison.close(`cvp ${k}`, product, expected.cvp.input_hvp[k]!);
  }
  hessian.dispose();
}
