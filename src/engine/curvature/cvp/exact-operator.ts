import { Linear } from '../../nn/linear.js';
import { gramOfRows } from '../../linalg/gram.js';
import * as tf from '../../tf.js';
import { Holders } from '../holders.js';
import {
  damped,
  type KrylovSystem,
  type Passage,
  passing,
  type SharedProduct,
  SymmetricOperator,
} from '../operator.js';
import type { StagedProduct } from '../staged-product.js';
import { BlockProducts } from './block-products.js';
import { chooseCut } from './cut.js';
import { FactorCascade, factorProduct } from './factor-cascade.js';
import type { Linearization } from './linearization.js';
import type { Planner } from './planner.js';
import type { BlockSizes } from './routes.js';
import { type ParameterLayer, type ParameterMap, TangentNetwork } from './tangent-network.js';

/** What the operators of one forward pass share; it goes with the last of them. */
export class ExactPass {
  readonly network: TangentNetwork;
  readonly product: StagedProduct;
  /** Null with second-order terms, or where the output Hessian has no factor. */
  readonly cascade: FactorCascade | null;
  /** Stage of the lowest layer with a factor of its own; tangents from below go on to it. */
  readonly cut: number;
  /** Through the network to that factor, for its own layer as well; null: there is nothing below. */
  readonly toCut: SharedProduct | null;
  readonly #holders: Holders;

  /** @param factor  S [N, C, r] with S S^T the output Hessian of each sample, taken over; null: unknown */
  constructor(
    linearization: Linearization,
    factor: tf.Tensor | null,
    readonly planner: Planner,
  ) {
    this.network = new TangentNetwork(linearization);
    this.product = this.network.product();
    const isPlain = this.network.stages.every(({ hasResidual }) => !hasResidual);
    this.cascade = factor && isPlain ? new FactorCascade(this.network.stages, factor) : null;
    this.cut = this.cascade && !planner.isForced ? this.#cut(this.cascade.rank) : 0;
    const { cut, cascade } = this;
    this.toCut = cut > 0 ? this.network.productToFactor(cut, () => factorAt(cascade!, cut)) : null;
    const release = linearization.retain();
    this.#holders = new Holders(() => {
      this.cascade?.dispose();
      this.network.dispose();
      release();
    });
  }

  retain(): () => void {
    return this.#holders.retain();
  }

  #cut(rank: number): number {
    const { planner } = this;
    const { layers } = this.network;
    const cut = chooseCut(
      layers.map((layer) => ({
        inputs: layer.input.size / (layer.input.shape[0] ?? 1),
        blocks: layer.parameters.map((map) => ({
          sizes: sizesOf(layer, map, rank),
          products: planner.products(`${layer.path}.${map.name}`),
        })),
      })),
      planner.memoryLimit,
    );
    return layers[cut]?.at ?? 0;
  }
}

/**
 * The exact curvature block of one parameter: C v = J_w^T R J_w v, R the curvature at the layer's output. A product by
 * itself runs through the network to the loss and back; a damped system takes whatever way the planner finds cheapest.
 */
export class ExactOperator extends SymmetricOperator {
  override readonly shape: readonly number[];
  readonly turn?: { readonly order: number; done(): void };
  readonly #release: () => void;
  readonly #path: string;

  /** @param gradient  of the loss with respect to the parameter: a system for it can use what it is made of */
  constructor(
    private readonly pass: ExactPass,
    private readonly layer: ParameterLayer,
    private readonly map: ParameterMap,
    private readonly gradient: tf.Tensor | undefined,
  ) {
    super();
    this.shape = map.shape;
    this.#path = `${layer.path}.${map.name}`;
    this.#release = pass.retain();
    const { cascade } = pass;
    // From the output down, the factor at one layer is made from that of the layer before, which can then go. Layers up to the
    // cut are solved together.
    if (cascade && layer.at > pass.cut) this.turn = { order: layer.at, done: () => cascade.releaseAbove(layer.at) };
    else if (cascade) this.turn = { order: pass.cut, done: () => cascade.releaseAbove(pass.cut) };
  }

  protected override multiply(vs: tf.Tensor): tf.Tensor {
    const { at, map } = this.#entry;
    const [curved] = this.pass.product.multiply([{ at, tangents: map.jvp(vs) }]);
    return map.vjp(curved!);
  }

  override dampedSystem(b: tf.Tensor, alpha: number, factor = 1): KrylovSystem {
    const { pass, layer, map } = this;
    if (pass.toCut && layer.at < pass.cut) {
      pass.planner.noteCut(this.#path);
      return this.#chainSystem(pass.toCut, b, alpha, factor);
    }
    const plan = pass.planner.plan(this.#path, sizesOf(layer, map, pass.cascade?.rank ?? null));
    const factored = pass.cascade && plan.route !== 'chain' ? pass.cascade : null;
    if (plan.route === 'gram' && b === this.gradient) return this.#gramSystem(b, alpha, factor, factored);
    if (factored) {
      const products = new BlockProducts(layer, map, factored, plan);
      const own = this.#ownSystem(b, factor, products, (p) => damped(p, products.multiply(p), alpha));
      return pass.toCut && layer.at === pass.cut ? whileLocal(own, products, pass.toCut, alpha) : own;
    }
    return this.#chainSystem(pass.product, b, alpha, factor);
  }

  #chainSystem(product: SharedProduct, b: tf.Tensor, alpha: number, factor: number): KrylovSystem {
    const { at, map } = this.#entry;
    const rhs = tf.keep(tf.scoped(() => tf.reshape(tf.mul(factor, b), [1, -1])));
    return passing(
      {
        product,
        at,
        enter: (p) => map.jvp(tf.reshape(p, [1, ...map.shape])),
        leave: (curved, p) => damped(p, tf.reshape(map.vjp(curved), [1, -1]), alpha),
      },
      { rhs, lift: (x) => tf.reshape(x, [...map.shape]), dispose: () => rhs.dispose() },
    );
  }

  /** Where tangents enter that go on through the network. */
  get #entry(): { readonly at: number; readonly map: ParameterMap } {
    const { layer, map } = this;
    return map.further ? { at: map.further.at, map: map.further } : { at: layer.at, map };
  }

  override dispose(): void {
    this.#release();
  }

  #ownSystem(
    b: tf.Tensor,
    factor: number,
    owned: { dispose(): void },
    apply: (p: tf.Tensor) => tf.Tensor,
  ): KrylovSystem {
    const rhs = tf.keep(tf.scoped(() => tf.reshape(tf.mul(factor, b), [1, -1])));
    return {
      rhs,
      apply,
      lift: (x) => tf.reshape(x, [...this.shape]),
      dispose: () => {
        rhs.dispose();
        owned.dispose();
      },
    };
  }

  /**
   * A linear weight block in the coordinates U [N, o] of U^T X, in which all Krylov vectors lie, as the gradient
   * D^T X does: A U = alpha U + (1 - alpha) R K U with K = X X^T, which also is the inner product.
   *
   * Where inputs are all but equal K is all but singular. The norm of b, known from b itself, shows if that has cost the
   * right-hand side its digits; the system then breaks down before the first step.
   */
  #gramSystem(b: tf.Tensor, alpha: number, factor: number, cascade: FactorCascade | null): KrylovSystem {
    const { layer, pass } = this;
    const { input, at } = layer;
    const outputGradient = layer.outputGradient!;
    const { rhs, products, rhsSquare } = tf.scoped(() => ({
      products: tf.keep(gramOfRows(input)),
      rhs: tf.keep(tf.reshape(tf.mul(factor, outputGradient), [1, -1])),
      rhsSquare: tf.keep(tf.reshape(tf.mul(factor ** 2, tf.sum(tf.sum(tf.square(b), 1))), [1, 1])),
    }));
    const rows = (u: tf.Tensor): tf.Tensor => tf.reshape(u, [1, ...outputGradient.shape]);
    const rest = {
      rhs,
      rhsSquare,
      dual: (u: tf.Tensor) => tf.reshape(tf.matMul<tf.Tensor>(products, tf.reshape(u, outputGradient.shape)), [1, -1]),
      lift: (u: tf.Tensor) => tf.matMul<tf.Tensor>(tf.reshape(u, outputGradient.shape), input, true, false),
      dispose: () => tf.dispose([rhs, products, rhsSquare]),
    };
    const leave = (curved: tf.Tensor, p: tf.Tensor): tf.Tensor => damped(p, tf.reshape(curved, [1, -1]), alpha);
    if (cascade) return { ...rest, apply: (p, dual) => leave(factorProduct(cascade.at(at), rows(dual!)), p) };
    return passing({ product: pass.product, at, enter: (_, dual) => rows(dual!), leave }, rest);
  }
}

/** The factor at a stage, those above it being of no more use. */
function factorAt(cascade: FactorCascade, stage: number): tf.Tensor {
  const factor = cascade.at(stage);
  cascade.releaseAbove(stage);
  return factor;
}

/** A system at the cut: as long as its products are local ones, they are made with those from below. */
function whileLocal(own: KrylovSystem, products: BlockProducts, product: SharedProduct, alpha: number): KrylovSystem {
  const passage: Passage = {
    product,
    at: products.at,
    enter: (p) => products.enter(p),
    leave: (curved, p) => damped(p, products.leave(curved), alpha),
  };
  return {
    ...own,
    get passage() {
      return products.isLocal ? passage : undefined;
    },
  };
}

/** @param rank  of the factor; null: there is none */
function sizesOf(layer: ParameterLayer, map: ParameterMap, rank: number | null): BlockSizes {
  const { input, window, outputShape, positions } = layer;
  const [samples = 0] = input.shape;
  const isLinear = layer.layer instanceof Linear;
  const isWeight = map.name === 'weight';
  const features = tf.util.sizeFromShape([...outputShape]);
  const parameters = tf.util.sizeFromShape([...map.shape]);
  const outputs = map.shape.at(isLinear ? 0 : -1) ?? 1;
  return {
    samples,
    rank: rank ?? 0,
    features,
    parameters,
    macs: isWeight ? positions * parameters : 0,
    isChosen: Boolean(window?.pooled),
    hasRows: map.name === 'bias' || window !== null,
    linear: isWeight && isLinear ? { inputs: parameters / outputs, outputs } : null,
    hasFactor: rank !== null,
  };
}
