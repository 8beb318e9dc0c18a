import type { UniformSource } from '../random.js';
import * as tf from '../tf.js';
import type { Saved } from './layer.js';
import { assertSameShape, type Loss, type Reduction } from './loss.js';

/**
 * L = c sum_nk l(z_nk, y_nk), one term an output element; c = 1/(N C) (mean, as in PyTorch) or 1 (sum). H_n is diagonal.
 * Targets have the shape of the outputs, [N, C]. All that differs between such losses is l and its derivatives in z.
 */
export abstract class ElementwiseLoss<S extends Saved> implements Loss<S> {
  protected abstract readonly name: string;

  constructor(private readonly reduction: Reduction = 'mean') {}

  /** l, [N, C], and what its derivatives need. */
  protected abstract terms(output: tf.Tensor, target: tf.Tensor): { terms: tf.Tensor; saved: S };
  /** l', [N, C]. */
  protected abstract first(saved: S): tf.Tensor;
  /** l'', [N, C]; not negative. */
  protected abstract second(saved: S): tf.Tensor;
  /** l' for targets y drawn with a density or probability in proportion to exp(-l), [N, C, samples]. */
  protected abstract sampledFirst(saved: S, samples: number, random: UniformSource): tf.Tensor;

  forward(output: tf.Tensor, target: tf.Tensor): { value: tf.Tensor; saved: S } {
    assertSameShape(this.name, output, target);
    const { terms, saved } = this.terms(output, target);
    return { value: this.reduction === 'mean' ? tf.mean(terms) : tf.sum(terms), saved };
  }

  gradient(saved: S): tf.Tensor {
    return this.#reduced(this.first(saved));
  }

  averagedHessian(saved: S): tf.Tensor {
    const diagonal = tf.sum(this.#reduced(this.second(saved)), 0);
    return tf.mul(tf.identity(diagonal.size), diagonal);
  }

  hessianVp(saved: S, v: tf.Tensor): tf.Tensor {
    return tf.mul(this.#reduced(this.second(saved)), v);
  }

  /** [N, C, C], diagonal. */
  factor(saved: S): tf.Tensor {
    const root = tf.sqrt(this.#reduced(this.second(saved)));
    return tf.mul(tf.expandDims(root, 2), tf.identity(root.shape[1] ?? 0));
  }

  /** Targets are drawn independently and E[l'] = 0, so E[l' l'^T] is diagonal, and its diagonal is l''. */
  sampledFactor(saved: S, samples: number, random: UniformSource): tf.Tensor {
    const columns = this.sampledFirst(saved, samples, random);
    return tf.div(columns, Math.sqrt(this.reduction === 'mean' ? columns.size : samples));
  }

  #reduced(derivative: tf.Tensor): tf.Tensor {
    return this.reduction === 'mean' ? tf.div(derivative, derivative.size) : derivative;
  }
}
