import type { Tensor } from '../tf.js';
import type { Saved } from './layer.js';

/**
 * A loss over a batch of N outputs [N, C], reduced to its **mean** over samples: every derivative carries 1/N.
 */
export interface Loss<S extends Saved = Saved> {
  /** The scalar mean loss, and what its derivatives need. */
  forward(output: Tensor, target: Tensor): { value: Tensor; saved: S };
  /** dL/d output, [N, C]. */
  gradient(saved: S): Tensor;
  /** Batch average of the per-sample Hessians, (1/N) sum_n d2 l_n / d output_n^2, [C, C]: where HBP starts. */
  averagedHessian(saved: S): Tensor;
}
