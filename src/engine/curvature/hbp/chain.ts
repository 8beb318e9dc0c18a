import * as tf from '../../tf.js';
import { Holders } from '../holders.js';
import { asOne, StagedProduct } from '../staged-product.js';
import type { AveragedStage } from './averaged-stage.js';

/**
 * The batch-averaged Hessians at all layers, as products that run through the network with averaged Jacobians and are
 * never formed: H_l v costs two passes through what comes after layer l for one sample, where forming H_l costs as much
 * as hundreds of products.
 *
 * Operators hold it by `retain`; its tensors go with the last of them.
 */
export class HessianChain {
  readonly product: StagedProduct;
  readonly #holders: Holders;

  /**
   * @param stages  of the layers after the first one with parameters, in the order of the network; taken over
   * @param head    Hessian with respect to the network's output, [C, C]; stays the caller's
   */
  constructor(stages: readonly AveragedStage[], head: tf.Tensor) {
    const own = tf.keep(tf.view(head));
    this.product = new StagedProduct(
      stages,
      asOne((t) => tf.reshape(tf.matMul(tf.reshape(t, [-1, own.shape[0] ?? 0]), own), t.shape)),
      own,
    );
    this.#holders = new Holders(() => {
      own.dispose();
      stages.forEach((stage) => stage.dispose());
    });
  }

  retain(): () => void {
    return this.#holders.retain();
  }
}
