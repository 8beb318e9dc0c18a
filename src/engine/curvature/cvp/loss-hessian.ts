import type { Saved } from '../../nn/layer.js';
import type { Loss } from '../../nn/loss.js';
import * as tf from '../../tf.js';
import { type LinearOperator, SymmetricOperator } from '../operator.js';
import { keptSaved } from '../kept.js';

/** The Hessian of a loss with respect to the network's outputs [N, C]: one block a sample. */
export function lossHessian<S extends Saved>(loss: Loss<S>, saved: S): LinearOperator {
  return new LossHessian(loss, saved);
}

class LossHessian<S extends Saved> extends SymmetricOperator {
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

  override dispose(): void {
    tf.dispose({ ...this.#saved });
  }
}
