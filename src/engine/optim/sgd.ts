import type { PlacedParameter } from '../nn/sequential.js';
import * as tf from '../tf.js';

export interface SgdOptions {
  readonly lr: number;
  /** Factor on the previous buffer; 0 keeps none. */
  readonly momentum?: number;
}

/** Gradient descent with momentum: buffer = momentum * buffer + gradient, parameter -= lr * buffer. */
export class Sgd {
  readonly #lr: number;
  readonly #momentum: number;
  readonly #buffers = new Map<string, tf.Tensor>();

  constructor({ lr, momentum = 0 }: SgdOptions) {
    this.#lr = lr;
    this.#momentum = momentum;
  }

  /** @param gradients  by place; they stay the caller's */
  update(parameters: readonly PlacedParameter[], gradients: Readonly<Record<string, tf.Tensor>>): void {
    for (const { path, parameter } of parameters) {
      tf.tidy(() => {
        const direction = this.#direction(path, gradients[path]!);
        parameter.assign(tf.sub(parameter.value, tf.mul(this.#lr, direction)));
      });
    }
  }

  #direction(path: string, gradient: tf.Tensor): tf.Tensor {
    if (this.#momentum === 0) return gradient;
    const previous = this.#buffers.get(path);
    const buffer = tf.keep(previous ? tf.add(tf.mul(this.#momentum, previous), gradient) : tf.clone(gradient));
    previous?.dispose();
    this.#buffers.set(path, buffer);
    return buffer;
  }

  dispose(): void {
    for (const buffer of this.#buffers.values()) buffer.dispose();
    this.#buffers.clear();
  }
}
