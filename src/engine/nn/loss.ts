import { ConfigError } from '../../errors.js';
import type { UniformSource } from '../random.js';
import type { Tensor } from '../tf.js';
import type { Saved } from './layer.js';

/**
 * How the terms of a batch become one number, as PyTorch does it: `sum` adds them up; `mean` divides that by the number
 * of terms, N for cross-entropy (one term a sample) and N C for losses with one term an output element.
 */
export type Reduction = 'mean' | 'sum';

/**
 * A loss over a batch of N outputs [N, C]. Every derivative is one of the reduced loss L, its factor (1/N, 1/(N C) or 1)
 * included. L is a sum over samples, so its Hessian has one block H_n [C, C] a sample and no others.
 */
export interface Loss<S extends Saved = Saved> {
  /** The scalar L, and what its derivatives need. */
  forward(output: Tensor, target: Tensor): { value: Tensor; saved: S };
  /** dL/d output, [N, C]. */
  gradient(saved: S): Tensor;
  /** sum_n H_n, [C, C], where HBP starts: under a mean over samples, the batch average of the samples' Hessians. */
  averagedHessian(saved: S): Tensor;
  /** H_n v_n for every sample: [V?, N, C] to [V?, N, C]. */
  hessianVp(saved: S, v: Tensor): Tensor;
  /** S [N, C, r] with S_n S_n^T = H_n. */
  factor(saved: S): Tensor;
  /**
   * A random S [N, C, samples] with the mean E[S_n S_n^T] = H_n: gradients for targets that are drawn from the model's own
   * distribution, the one of which the loss is the negative log-likelihood.
   */
  sampledFactor(saved: S, samples: number, random: UniformSource): Tensor;
}

/** For losses that compare element by element. */
export function assertSameShape(loss: string, output: Tensor, target: Tensor): void {
  if (output.shape.join() === target.shape.join()) return;
  throw new ConfigError(
    `${loss} compares element by element: targets [${target.shape.join(', ')}] do not fit ` +
      `outputs [${output.shape.join(', ')}]`,
  );
}
