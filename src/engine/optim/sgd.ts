import * as fused from '../fused.js';
import type { PlacedParameter } from '../nn/sequential.js';
import * as tf from '../tf.js';
import { assignFlat, flatten, flatValues, groupsOf } from './flat.js';
import { inOrder, numbered, type State, type Stateful } from './state.js';

/** Hyper-parameters of gradient descent; no momentum and no weight decay if absent. */
export interface SgdOptions {
  /** Learning rate, the factor of the step. */
  readonly lr: number;
  /** Factor on the previous buffer; 0 keeps none. */
  readonly momentum?: number;
  /** Look ahead along the buffer; needs momentum. */
  readonly nesterov?: boolean;
  /** Factor of the parameter that is added to its gradient (L2). */
  readonly weightDecay?: number;
}

/**
 * Gradient descent with momentum, as PyTorch defines it: with g = gradient + weightDecay * parameter,
 * buffer = momentum * buffer + g (at first g), parameter -= lr * buffer, or lr * (g + momentum * buffer) for Nesterov.
 */
export class Sgd implements Stateful {
  readonly #options: Required<SgdOptions>;
  /** By group of parameters. */
  readonly #buffers: tf.Tensor[] = [];

  constructor(options: SgdOptions) {
    this.#options = { momentum: 0, nesterov: false, weightDecay: 0, ...options };
    const { momentum, nesterov } = this.#options;
    if (nesterov && !(momentum > 0)) throw new RangeError(`Nesterov needs momentum above 0, not ${momentum}`);
  }

  /**
   * One step.
   *
   * @param parameters  the same at every step, in the same order
   * @param gradients   by place; they stay the caller's
   */
  update(parameters: readonly PlacedParameter[], gradients: Readonly<Record<string, tf.Tensor>>): void {
    const { lr, momentum, nesterov, weightDecay } = this.#options;
    for (const [i, group] of groupsOf(parameters).entries()) {
      tf.tidy(() => {
        const values = flatValues(group);
        const plain = flatten(group, gradients);
        const next = nesterov ? null : fused.sgd(values, plain, this.#buffers[i], { lr, momentum, weightDecay });
        if (next) {
          this.#keep(i, next.buffer);
          return assignFlat(group, next.value);
        }
        const gradient = weightDecay === 0 ? plain : tf.add(plain, tf.mul(weightDecay, values));
        assignFlat(group, tf.sub(values, tf.mul(lr, this.#direction(i, gradient))));
      });
    }
  }

  #direction(group: number, gradient: tf.Tensor): tf.Tensor {
    const { momentum, nesterov } = this.#options;
    if (momentum === 0) return gradient;
    const previous = this.#buffers[group];
    const buffer = previous ? tf.add(tf.mul(momentum, previous), gradient) : tf.view(gradient);
    this.#keep(group, buffer);
    return nesterov ? tf.add(gradient, tf.mul(momentum, buffer)) : buffer;
  }

  #keep(group: number, buffer: tf.Tensor | undefined): void {
    this.#buffers[group]?.dispose();
    if (buffer) this.#buffers[group] = tf.keep(buffer);
  }

  /** The momentum buffers. */
  state(): State {
    return { tensors: numbered('buffer', this.#buffers), numbers: {} };
  }

  restore({ tensors }: State): void {
    this.dispose();
    this.#buffers.push(...inOrder('buffer', tensors));
  }

  /** Free the momentum buffers. */
  dispose(): void {
    tf.dispose(this.#buffers.splice(0));
  }
}
