import type { KrylovSystem } from '../curvature/operator.js';
import * as tf from '../tf.js';

/** Residuals q_k = r_k / ||r_k|| and G q_k of B systems, [B, K, n]; the same tensor where G is the identity. */
interface Kept {
  readonly q: tf.Tensor;
  readonly dual: tf.Tensor;
}

/**
 * The residuals of conjugate gradients so far, against which new ones are made orthogonal: in exact arithmetic they are,
 * in float32 they lose it after some fifteen iterations, and with it the speed of convergence.
 *
 * Takes 4 n bytes an iteration and system, twice that with an inner product of the system's own.
 */
export class OrthogonalResiduals {
  /** The longest first; of equal lengths two become one, so that a residual is copied a logarithmic number of times. */
  readonly #kept: Kept[] = [];

  constructor(private readonly system: KrylovSystem) {}

  /**
   * Take a residual in.
   *
   * @param r       [B, n]; @param dual  G r
   * @param square  <r, r>, [B, 1]
   */
  push(r: tf.Tensor, dual: tf.Tensor, square: tf.Tensor): void {
    const added = tf.scoped(() => {
      const norm = tf.sqrt(square);
      const normalised = (x: tf.Tensor): tf.Tensor => tf.expandDims(tf.divNoNan(x, norm), 1);
      const q = normalised(r);
      return { q, dual: dual === r ? q : normalised(dual) };
    });
    this.#kept.push(keep(added));
    for (;;) {
      const [one, two] = this.#kept.slice(-2);
      if (!one || !two || one.q.shape[1] !== two.q.shape[1]) return;
      const both = tf.scoped(() => {
        const q = tf.concat([one.q, two.q], 1);
        return { q, dual: one.dual === one.q ? q : tf.concat([one.dual, two.dual], 1) };
      });
      tf.dispose([one.q, one.dual, two.q, two.dual]);
      this.#kept.splice(-2, 2, keep(both));
    }
  }

  /** r - sum_k q_k <q_k, r>, a new tensor [B, n]. */
  project(r: tf.Tensor): tf.Tensor {
    return tf.scoped(() =>
      this.#kept.reduce((rest, { q, dual }) => {
        const row = tf.expandDims(rest, 1);
        const coefficients = tf.matMul(row, dual, false, true);
        return tf.sub(rest, tf.squeeze(tf.matMul(coefficients, q), [1]));
      }, tf.view(r)),
    );
  }

  /** G r as `push` wants it; `r` itself where G is the identity. */
  dualOf(r: tf.Tensor): tf.Tensor {
    const { metric, dual } = this.system;
    return dual ? dual(r) : metric ? tf.mul(metric, r) : r;
  }

  dispose(): void {
    for (const { q, dual } of this.#kept.splice(0)) tf.dispose([q, dual]);
  }
}

function keep({ q, dual }: Kept): Kept {
  return { q: tf.keep(q), dual: tf.keep(dual) };
}
