import * as tf from '../../tf.js';
import type { FrozenLayer } from '../frozen-layer.js';
import { damped, type KrylovSystem, passing, SymmetricOperator } from '../operator.js';
import type { HessianChain } from './chain.js';

/**
 * The curvature of a parameter whose Jacobian is averaged over the batch: C v = J^T H J v with J = J_w at the mean input
 * and H at the layer's output as a product through the rest of the network.
 */
export class AveragedOperator extends SymmetricOperator {
  readonly #release: () => void;

  /**
   * @param layer  at the mean input; taken over
   * @param at     stage of the chain at whose input the layer's output enters
   */
  constructor(
    override readonly shape: readonly number[],
    private readonly layer: FrozenLayer,
    private readonly name: string,
    private readonly chain: HessianChain,
    private readonly at: number,
  ) {
    super();
    this.#release = chain.retain();
  }

  protected override multiply(vs: tf.Tensor): tf.Tensor {
    const [curved] = this.chain.product.multiply([{ at: this.at, tangents: this.layer.paramJvp(this.name, vs) }]);
    return this.layer.paramVjp(this.name, curved!);
  }

  override dampedSystem(b: tf.Tensor, alpha: number, factor = 1): KrylovSystem {
    const rhs = tf.keep(tf.reshape(tf.mul(factor, b), [1, -1]));
    const { layer, name, shape } = this;
    return passing(
      {
        product: this.chain.product,
        at: this.at,
        enter: (p) => layer.paramJvp(name, tf.reshape(p, [1, ...shape])),
        leave: (curved, p) => damped(p, tf.reshape(layer.paramVjp(name, curved), [1, -1]), alpha),
      },
      { rhs, lift: (x) => tf.reshape(x, [...shape]), dispose: () => rhs.dispose() },
    );
  }

  override dispose(): void {
    this.#release();
    this.layer.dispose();
  }
}
