import { gram } from '../../linalg/gram.js';
import { rowsProduct } from '../../linalg/rows.js';
import { gradientRows } from '../../nn/gradient-rows.js';
import * as tf from '../../tf.js';
import { type FactorCascade, factorProduct } from './factor-cascade.js';
import type { Plan } from './planner.js';
import type { Route } from './routes.js';
import type { ParameterLayer, ParameterMap } from './tangent-network.js';

/**
 * Products with one parameter's Gauss-Newton block during one solve. It begins the way that was planned; if more products
 * come than that pays for, it goes over to the next: all ways give the same vectors in the same coordinates, so nothing
 * of the solve is lost. It costs at most about twice what the best way had cost from the start.
 */
export class BlockProducts {
  #route: Route;
  #spent = 0;
  /** M [r N, P] or M^T M [P, P]. */
  #matrix: tf.Tensor | null = null;

  constructor(
    private readonly layer: ParameterLayer,
    private readonly map: ParameterMap,
    private readonly cascade: FactorCascade,
    private readonly plan: Plan,
  ) {
    // Coefficients of the inputs are no parameters: where they cannot be used the products are local ones.
    this.#route = plan.route === 'gram' ? 'local' : plan.route;
  }

  /** The way of the last product. */
  get route(): Route {
    return this.#route;
  }

  /** C p, [1, P] to [1, P]. */
  multiply(p: tf.Tensor): tf.Tensor {
    this.#route = this.#next();
    this.#spent += this.plan.costs[this.#route]?.perProduct ?? 0;
    const { map, layer } = this;
    if (this.#route === 'local') {
      const factor = this.cascade.at(layer.at);
      const tangents = map.jvp(tf.reshape(p, [1, ...map.shape]));
      return tf.reshape(map.vjp(factorProduct(factor, tangents)), [1, -1]);
    }
    this.#matrix ??= tf.keep(tf.scoped(() => this.#build()));
    return this.#route === 'square' ? tf.matMul(p, this.#matrix) : rowsProduct(this.#matrix, p);
  }

  dispose(): void {
    this.#matrix?.dispose();
  }

  #next(): Route {
    const { rows } = this.plan.costs;
    if (this.plan.forced || this.#route !== 'local' || !rows || rows.bytes > this.plan.memoryLimit) return this.#route;
    return this.#spent >= rows.setUp ? 'rows' : 'local';
  }

  #build(): tf.Tensor {
    const { layer, map } = this;
    const { input, window, at } = layer;
    const rows =
      map.name === 'bias'
        ? this.cascade.sumsAt(at)
        : gradientRows(input, this.cascade.at(at), window!.convolution, window!.pooled);
    return this.#route === 'square' ? gram(rows) : rows;
  }
}
