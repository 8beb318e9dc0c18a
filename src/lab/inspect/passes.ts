/** The engine's curvature operators of a network at a batch, made anew for each use: they hold on to the whole pass. */
import { curvatureProducts, lossHessian, networkCurvature } from '../../engine/curvature/cvp/index.js';
import { hessianBackpropagation } from '../../engine/curvature/hbp/index.js';
import type { LinearOperator } from '../../engine/curvature/operator.js';
import { backpropagate } from '../../engine/nn/backward.js';
import { Sequential } from '../../engine/nn/sequential.js';
import * as tf from '../../engine/tf.js';
import type { SecondOrder } from '../config/schema.js';
import { type Batch, loss } from '../training/derivatives.js';
import type { Way } from './kinds.js';

/**
 * A network from some layer on, at the batch as it arrives there. The curvature of the layers from there on is the same as
 * in the whole network, and what lies before costs nothing.
 */
export class Passes {
  readonly #tail: Sequential;
  readonly #batch: Batch;
  readonly #first: number;
  readonly #model: Sequential;

  /**
   * @param batch  stays the caller's
   * @param from   place of the first layer that matters
   */
  constructor(model: Sequential, batch: Batch, from: string) {
    this.#model = model;
    this.#first = model.layers.findIndex(({ path }) => path === from);
    const layers = model.layers.map(({ layer }) => layer);
    this.#tail = new Sequential(layers.slice(this.#first));
    const head = new Sequential(layers.slice(0, this.#first));
    const inputs = tf.scoped(() => tf.keep(tf.view(head.forward(batch.inputs).output)));
    this.#batch = { inputs, labels: batch.labels };
  }

  /** Places of the parameters, in the order of the vectors of `network`, with the numbers of their elements. */
  get parameters(): { readonly path: string; readonly size: number }[] {
    return this.#tail.parameters.map(({ path, parameter }) => ({
      path: this.#placeInModel(path),
      size: tf.util.sizeFromShape([...parameter.shape]),
    }));
  }

  /** The exact curvature of all parameters together; the caller disposes it. */
  network(secondOrder: SecondOrder): LinearOperator {
    return this.#made(({ trace, saved, gradients }) =>
      networkCurvature(this.#tail, trace, gradients, lossHessian(loss, saved), { secondOrder }),
    );
  }

  /** The block of every parameter, by place; the caller disposes them. */
  blocks(way: Way, secondOrder: SecondOrder): Record<string, LinearOperator> {
    const operators = this.#made(({ trace, saved, gradients }) =>
      way === 'exact'
        ? curvatureProducts(this.#tail, trace, gradients, lossHessian(loss, saved), { secondOrder })
        : hessianBackpropagation(this.#tail, trace, gradients, loss.averagedHessian(saved), { secondOrder }),
    );
    return Object.fromEntries(
      Object.entries(operators).map(([path, operator]) => [this.#placeInModel(path), operator]),
    );
  }

  dispose(): void {
    this.#batch.inputs.dispose();
  }

  /** Operators of a pass whose own tensors go at once: those that operators need they hold themselves. */
  #made<T>(make: (pass: ReturnType<Passes['differentiate']>) => T): T {
    let made: T | undefined;
    // Not as the result of the tidy: it would keep all tensors that it finds in there, gradients too, which nobody frees.
    tf.tidy(() => {
      made = make(this.differentiate());
    });
    return made!;
  }

  private differentiate() {
    const trace = this.#tail.forward(this.#batch.inputs);
    const { saved } = loss.forward(trace.output, this.#batch.labels);
    return { trace, saved, gradients: backpropagate(this.#tail, trace, loss.gradient(saved)) };
  }

  /** `0.weight` of what begins at the third layer is `2.weight` of the whole; places in the tail are positions. */
  #placeInModel(path: string): string {
    const at = path.indexOf('.');
    return this.#model.layers[this.#first + Number(path.slice(0, at))]!.path + path.slice(at);
  }
}
