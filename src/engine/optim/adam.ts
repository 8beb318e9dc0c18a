import * as fused from '../fused.js';
import type { PlacedParameter } from '../nn/sequential.js';
import * as tf from '../tf.js';
import { assignFlat, flatten, flatValues, groupsOf } from './flat.js';
import { inOrder, numbered, numberIn, type State, type Stateful } from './state.js';

/** Hyper-parameters of Adam. */
export interface AdamOptions {
  /** Learning rate, the factor of the step. */
  readonly lr: number;
  /** Decay of the first and the second moment; 0.9 and 0.999. */
  readonly betas?: readonly [number, number];
  /** Added to the root of the second moment; 1e-8. */
  readonly eps?: number;
  /** Factor of the parameter that is added to its gradient (L2, as PyTorch's Adam; not AdamW). */
  readonly weightDecay?: number;
}

/** Bias-corrected moments of a group of parameters, [n]. */
interface Moments {
  readonly first: tf.Tensor;
  readonly second: tf.Tensor;
}

/**
 * Adam (Kingma and Ba, arXiv 1412.6980): parameter -= lr * m / (sqrt(v) + eps) with the bias-corrected moments m and v
 * of g = gradient + weightDecay * parameter.
 *
 * The corrected moment m_t = (1 - beta) / (1 - beta^t) sum_s beta^(t-s) g_s obeys m_t = m_(t-1) + w_t (g_t - m_(t-1))
 * with w_t = (1 - beta) / (1 - beta^t), so it is what we keep: both weights w_t are all that changes from step to step,
 * and they travel to the device as one tensor.
 */
export class Adam implements Stateful {
  readonly #options: Required<AdamOptions>;
  /** By group of parameters. */
  readonly #moments: Moments[] = [];
  #step = 0;

  constructor(options: AdamOptions) {
    this.#options = { betas: [0.9, 0.999], eps: 1e-8, weightDecay: 0, ...options };
    for (const beta of this.#options.betas) {
      if (!(beta >= 0 && beta < 1)) throw new RangeError(`betas must lie in [0, 1), not ${beta}`);
    }
  }

  /**
   * One step.
   *
   * @param parameters  the same at every step, in the same order
   * @param gradients   by place; they stay the caller's
   */
  update(parameters: readonly PlacedParameter[], gradients: Readonly<Record<string, tf.Tensor>>): void {
    const { lr, eps, weightDecay, betas } = this.#options;
    this.#step++;
    tf.tidy(() => {
      const [w1, w2] = betas.map((beta) => (1 - beta) / (1 - beta ** this.#step)) as [number, number];
      let onDevice: tf.Tensor[] | undefined;
      const weights = (): tf.Tensor[] =>
        (onDevice ??= tf.split(tf.tensor1d([w1, w2]), 2).map((weight) => tf.reshape(weight, [])));
      for (const [i, group] of groupsOf(parameters).entries()) {
        const values = flatValues(group);
        const plain = flatten(group, gradients);
        const next = fused.adam(values, plain, this.#moments[i], { lr, w1, w2, eps, weightDecay });
        if (next) {
          this.#keep(i, next);
          assignFlat(group, next.value);
          continue;
        }
        const gradient = weightDecay === 0 ? plain : tf.add(plain, tf.mul(weightDecay, values));
        const { first, second } = this.#advance(i, gradient, weights() as [tf.Tensor, tf.Tensor]);
        assignFlat(group, tf.sub(values, tf.mul(lr, tf.div(first, tf.add(tf.sqrt(second), eps)))));
      }
    });
  }

  #advance(group: number, gradient: tf.Tensor, [w1, w2]: readonly [tf.Tensor, tf.Tensor]): Moments {
    const square = tf.square(gradient);
    const previous = this.#moments[group];
    const next = previous
      ? { first: towards(previous.first, gradient, w1), second: towards(previous.second, square, w2) }
      : { first: tf.view(gradient), second: square };
    this.#keep(group, next);
    return next;
  }

  #keep(group: number, { first, second }: Moments): void {
    const previous = this.#moments[group];
    if (previous) tf.dispose([previous.first, previous.second]);
    this.#moments[group] = { first: tf.keep(first), second: tf.keep(second) };
  }

  /** The moments and the number of steps taken. */
  state(): State {
    const list = (name: keyof Moments): Record<string, tf.Tensor> =>
      numbered(
        name,
        this.#moments.map((moments) => moments[name]),
      );
    return { tensors: { ...list('first'), ...list('second') }, numbers: { step: this.#step } };
  }

  restore(state: State): void {
    this.dispose();
    const second = inOrder('second', state.tensors);
    inOrder('first', state.tensors).forEach((first, i) => this.#moments.push({ first, second: second[i]! }));
    this.#step = numberIn(state, 'step');
  }

  /** Free the moments and start again at step 0. */
  dispose(): void {
    for (const { first, second } of this.#moments.splice(0)) tf.dispose([first, second]);
    this.#step = 0;
  }
}

/** mean + weight (x - mean) */
function towards(mean: tf.Tensor, x: tf.Tensor, weight: tf.Tensor): tf.Tensor {
  return tf.add(mean, tf.mul(weight, tf.sub(x, mean)));
}
