import type { Saved } from '../../nn/layer.js';
import type { Loss } from '../../nn/loss.js';
import * as tf from '../../tf.js';
import { type LinearOperator, SymmetricOperator } from '../operator.js';
import { keptSaved } from '../kept.js';

/** An operator on outputs [N, C] that couples no samples and has a factor. */
export interface FactoredHessian extends LinearOperator {
  /** S [N, C, r] with S_n S_n^T the block of sample n; a new tensor. */
  factor(): tf.Tensor;
}

/** The Hessian of a loss with respect to the network's outputs [N, C]: one block a sample. */
export function lossHessian<S extends Saved>(loss: Loss<S>, saved: S): FactoredHessian {
  return new LossHessian(loss, saved);
}

class LossHessian<S extends Saved> extends SymmetricOperator implements FactoredHessian {
  override readonly shape: readonly number[];
  readonly #saved: S;

  constructor(
    private readonly loss: Loss<S>,
    saved: S,
  ) {
    super();
    this.shape = tf.scoped(() => loss.gradient(saved).shape);
    this.#saved = keptSaved(saved);
  }

  protected override multiply(vs: tf.Tensor): tf.Tensor {
    return this.loss.hessianVp(this.#saved, vs);
  }

  protected override diagonal(): tf.Tensor {
    return tf.sum(tf.square(this.loss.factor(this.#saved)), 2);
  }

  /** S [N, C, r] with S_n S_n^T the Hessian of sample n; a new tensor. */
  factor(): tf.Tensor {
    return tf.scoped(() => this.loss.factor(this.#saved));
  }

  override dispose(): void {
    tf.dispose({ ...this.#saved });
  }
}
