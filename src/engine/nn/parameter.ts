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

  /** The current value; it stays the parameter's and is disposed at the next `assign`. */
  get value(): tf.Tensor {
    return this.#value;
  }

  /** The shape of the value, the same for ever. */
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

  /** Run `body` with `value`, of the same shape, in place of the parameter's own, which is back afterwards. */
  withValue<T>(value: tf.Tensor, body: () => T): T {
    const own = this.#value;
    this.#value = value;
    try {
      return body();
    } finally {
      this.#value = own;
    }
  }

  /** Free the value; the parameter cannot be used after it. */
  dispose(): void {
    this.#value.dispose();
  }
}
