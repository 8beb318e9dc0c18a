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

  /** Stage of the factor. */
  get at(): number {
    return this.layer.at;
  }

  /** Whether the next product is a local one: leave(V V^T enter(p)) for the factor V at the layer. */
  get isLocal(): boolean {
    return this.#next() === 'local';
  }

  /** J p of a local product, [1, P] to [1, N, ...]. */
  enter(p: tf.Tensor): tf.Tensor {
    return this.map.jvp(tf.reshape(p, [1, ...this.map.shape]));
  }

  /** J^T u, [1, N, ...] to [1, P]: with it the local product counts as made. */
  leave(curved: tf.Tensor): tf.Tensor {
    this.#count();
    return tf.reshape(this.map.vjp(curved), [1, -1]);
  }

  /** C p, [1, P] to [1, P]. */
  multiply(p: tf.Tensor): tf.Tensor {
    if (this.isLocal) return this.leave(factorProduct(this.cascade.at(this.layer.at), this.enter(p)));
    this.#count();
    this.#matrix ??= tf.keep(tf.scoped(() => this.#build()));
    return this.#route === 'square' ? tf.matMul(p, this.#matrix) : rowsProduct(this.#matrix, p);
  }

  dispose(): void {
    this.#matrix?.dispose();
  }

  #count(): void {
    this.#route = this.#next();
    this.#spent += this.plan.costs[this.#route]?.perProduct ?? 0;
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
