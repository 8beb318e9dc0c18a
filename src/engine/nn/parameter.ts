import * as tf from '../tf.js';

/** A trainable tensor. It owns its value: read `value`, never dispose it. */
export class Parameter {
  #value: tf.Tensor;

  /** @param initial  taken over: the parameter disposes it when it is replaced */
  constructor(
    readonly name: string,
    initial: tf.Tensor,
  ) {
    this.#value = tf.keep(initial);
  }

  get value(): tf.Tensor {
    return this.#value;
  }

  get shape(): number[] {
    return this.#value.shape;
  }

  /** Replace the value; `next` is taken over. */
  assign(next: tf.Tensor): void {
    tf.util.assertShapesMatch(next.shape, this.#value.shape, `${this.name}: `);
    if (next === this.#value) return;
    this.#value.dispose();
    this.#value = tf.keep(next);
  }

  dispose(): void {
    this.#value.dispose();
  }
}
