import type { Gradients } from '../../nn/backward.js';
import type { Sequential, Trace } from '../../nn/sequential.js';
import * as tf from '../../tf.js';
import { withValues } from '../frozen-layer.js';
import { Holders } from '../holders.js';
import { kept } from '../kept.js';
import {
  damped,
  type KrylovSystem,
  type LinearOperator,
  passing,
  type SharedProduct,
  SymmetricOperator,
} from '../operator.js';
import type { SecondOrder } from '../second-order.js';
import type { Entry } from '../staged-product.js';
import { Linearization } from './linearization.js';
import { type ParameterMap, TangentNetwork } from './tangent-network.js';

/** The forward and the backward pass of some samples of a batch, with their share of the loss. */
export interface ChunkPass {
  readonly trace: Trace;
  readonly gradients: Gradients;
  /** With respect to the network's outputs; taken over. */
  readonly outputHessian: LinearOperator;
}

/**
 * Exact curvature products of every parameter's own block for a batch that does not fit into memory at once: products are
 * sums over chunks of samples, and every product makes the passes of the chunks again.
 *
 * @param chunks  each makes the passes of its samples at the network's present parameters, in a tidy
 * @param owned   goes with the last of the operators
 * @returns operators by place ("0.weight"), at the weights of now, whatever becomes of those; the caller disposes them
 */
export function chunkedCurvature(
  model: Sequential,
  chunks: readonly (() => ChunkPass)[],
  {
    secondOrder = 'zero',
    owned = [],
  }: { readonly secondOrder?: SecondOrder; readonly owned?: readonly tf.Tensor[] } = {},
): Record<string, LinearOperator> {
  const product = new ChunkedProduct(model, chunks, secondOrder, owned);
  return Object.fromEntries(
    model.parameters.map(({ path, parameter }, at) => [path, new ChunkedOperator(product, at, parameter.shape)]),
  );
}

/** Products of all parameters at once; a place is the number of a parameter. */
class ChunkedProduct implements SharedProduct {
  readonly #values: readonly (readonly tf.Tensor[])[];
  readonly #holders: Holders;
  readonly #paths: readonly string[];

  constructor(
    private readonly model: Sequential,
    private readonly chunks: readonly (() => ChunkPass)[],
    private readonly secondOrder: SecondOrder,
    owned: readonly tf.Tensor[],
  ) {
    this.#values = model.layers.map(({ layer }) => layer.parameters.map(({ value }) => kept(value)));
    this.#paths = model.parameters.map(({ path }) => path);
    this.#holders = new Holders(() => tf.dispose([...this.#values.flat(), ...owned]));
  }

  retain(): () => void {
    return this.#holders.retain();
  }

  multiply(entries: readonly Entry[]): tf.Tensor[] {
    return this.#atValues(() => {
      let sums: tf.Tensor[] | null = null;
      for (const chunk of this.chunks) {
        const products: tf.Tensor[] = tf.scoped(() => this.#ofChunk(chunk(), entries));
        const before: tf.Tensor[] | null = sums;
        sums = before ? products.map((x, i) => tf.add(before[i]!, x)) : products;
        if (before) tf.dispose([...before, ...products]);
      }
      return sums!;
    });
  }

  #ofChunk({ trace, gradients, outputHessian }: ChunkPass, entries: readonly Entry[]): tf.Tensor[] {
    const first = this.model.layers.findIndex(({ layer }) => layer.parameters.length > 0);
    const linearization = new Linearization(this.model, trace, gradients, outputHessian, this.secondOrder, first);
    const release = linearization.retain();
    const network = new TangentNetwork(linearization);
    const maps = new Map<string, { readonly at: number; readonly map: ParameterMap }>();
    for (const { path, at, parameters } of network.layers) {
      for (const map of parameters) maps.set(`${path}.${map.name}`, { at, map });
    }
    const places = entries.map(({ at }) => maps.get(this.#paths[at]!)!);
    const curved = network
      .product()
      .multiply(entries.map(({ tangents }, i) => ({ at: places[i]!.at, tangents: places[i]!.map.jvp(tangents) })));
    const products = curved.map((u, i) => places[i]!.map.vjp(u));
    network.dispose();
    release();
    return products;
  }

  #atValues<T>(body: () => T): T {
    return this.model.layers.reduceRight<() => T>(
      (inner, { layer }, l) =>
        () =>
          withValues(layer, this.#values[l]!, inner),
      body,
    )();
  }
}

class ChunkedOperator extends SymmetricOperator {
  readonly #release: () => void;

  constructor(
    private readonly product: ChunkedProduct,
    private readonly at: number,
    override readonly shape: readonly number[],
  ) {
    super();
    this.#release = product.retain();
  }

  protected override multiply(vs: tf.Tensor): tf.Tensor {
    return this.product.multiply([{ at: this.at, tangents: vs }])[0]!;
  }

  override dampedSystem(b: tf.Tensor, alpha: number, factor = 1): KrylovSystem {
    const { product, at, shape } = this;
    const rhs = tf.keep(tf.scoped(() => tf.reshape(tf.mul(factor, b), [1, -1])));
    return passing(
      {
        product,
        at,
        enter: (p) => tf.reshape(p, [1, ...shape]),
        leave: (curved, p) => damped(p, tf.reshape(curved, [1, -1]), alpha),
      },
      { rhs, lift: (x) => tf.reshape(x, [...shape]), dispose: () => rhs.dispose() },
    );
  }

  override dispose(): void {
    this.#release();
  }
}
