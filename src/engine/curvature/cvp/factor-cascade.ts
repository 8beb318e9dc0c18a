import * as fused from '../../fused-curvature.js';
import { type ActivationBefore, passOf } from '../../nn/chosen-convolution.js';
import { convolve, convolveTransposed } from '../../nn/convolution.js';
import { onPictures } from '../../nn/leading.js';
import type { Placement } from '../../nn/window.js';
import * as tf from '../../tf.js';
import type { ProductStage } from '../staged-product.js';

/**
 * The loss Hessian's factor S, brought back through a network without second-order terms: V_l with R_l = V_l V_l^T for
 * every sample, [r, N, ...] at the input of stage l. Made once, from the output down to the lowest stage asked for.
 */
export class FactorCascade {
  readonly #kept = new Map<number, tf.Tensor>();
  /** Sums over positions of some of them, [r, N, o]. */
  readonly #sums = new Map<number, tf.Tensor>();
  /** r */
  readonly rank: number;

  /**
   * @param stages  without residuals
   * @param factor  S [N, C, r]; taken over
   */
  constructor(
    private readonly stages: readonly ProductStage[],
    private readonly factor: tf.Tensor,
  ) {
    this.rank = factor.shape[2] ?? 0;
    tf.keep(factor);
  }

  /** V at the input of a stage; it stays the cascade's. */
  at(stage: number): tf.Tensor {
    const found = this.#kept.get(stage);
    if (found) return found;
    const above = [...this.#kept.keys()].filter((l) => l > stage);
    const from = above.length > 0 ? Math.min(...above) : this.stages.length;
    const made = tf.scoped(() => {
      let v = this.#kept.get(from) ?? tf.transpose(this.factor, [2, 0, 1]);
      for (let l = from - 1; l >= stage; l--) {
        const next = this.#back(l, v, l === stage);
        if (l + 1 !== from || !this.#kept.has(from)) v.dispose();
        v = next;
      }
      return tf.keep(v);
    });
    this.#kept.set(stage, made);
    return made;
  }

  /** V at the input of a stage, summed over positions: [r N, o]. */
  sumsAt(stage: number): tf.Tensor {
    const factor = this.at(stage);
    const [samples = 0, outputs = 1] = [factor.shape[1], factor.shape.at(-1)];
    const rows = this.rank * samples;
    const known = this.#sums.get(stage);
    if (known) return tf.reshape(known, [rows, outputs]);
    const positions = tf.util.sizeFromShape(factor.shape.slice(2, -1));
    return positions === 1
      ? tf.reshape(factor, [rows, outputs])
      : tf.sum(tf.reshape(factor, [rows, positions, outputs]), 1);
  }

  #back(l: number, v: tf.Tensor, withSums: boolean): tf.Tensor {
    const stage = this.stages[l]!;
    if (!withSums || !stage.backwardWithSums) return stage.backward(v, null);
    const { dx, sums } = stage.backwardWithSums(v);
    if (sums) this.#sums.set(l, tf.keep(sums));
    return dx;
  }

  /** Free what is above a stage; it is made again from the output if it is asked for once more. */
  releaseAbove(stage: number): void {
    for (const [l, v] of this.#kept) {
      if (l <= stage) continue;
      v.dispose();
      this.#kept.delete(l);
      this.#sums.get(l)?.dispose();
      this.#sums.delete(l);
    }
  }

  dispose(): void {
    this.releaseAbove(-1);
    this.factor.dispose();
  }
}

/** V_n V_n^T t_n for every sample: V [r, N, ...], t [T, N, ...] to [T, N, ...]. */
export function factorProduct(v: tf.Tensor, t: tf.Tensor): tf.Tensor {
  const one = fused.factorProduct(v, t);
  if (one) return one;
  return tf.scoped(() => {
    const [rank = 0, samples = 0] = v.shape;
    const columns = tf.unstack(tf.reshape(v, [rank, samples, -1]));
    const rows = tf.reshape(t, [t.shape[0] ?? 0, samples, -1]);
    const terms = columns.map((column) => tf.mul(tf.sum(tf.mul(column, rows), 2, true), column));
    return tf.reshape(
      terms.reduce((sum, term) => tf.add(sum, term)),
      t.shape,
    );
  });
}

/** A convolution with a weight [kh, kw, C, O] and where its windows are. */
export interface PlacedConvolution {
  readonly placement: Placement;
  readonly weight: tf.Tensor;
}

/**
 * J^T V V^T J t for tangents t [T, N, H, W, C] at the input of a convolution with Jacobian J, or of the activation before it,
 * each by itself; V [r, N, ...] at the convolution's output. And V V^T t of tangents `here` at the factor, [T, N, ...].
 */
export function convolvedFactorProduct(
  v: tf.Tensor,
  tangents: readonly tf.Tensor[],
  here: readonly tf.Tensor[],
  { placement, weight }: PlacedConvolution,
  before: ActivationBefore | null,
): { curved: tf.Tensor[]; curvedHere: tf.Tensor[] } {
  const { stride, dilation } = placement;
  const suits = [...stride, ...dilation].every((step) => step === 1) && v.size > 0 && weight.size > 0;
  const all =
    suits && tangents.length > 0
      ? fused.convolvedFactorProduct(v, tangents, here, weight, placement, before && passOf(before))
      : null;
  if (all) return { curved: all.slice(0, tangents.length), curvedHere: all.slice(tangents.length) };
  const derivative = (u: tf.Tensor): tf.Tensor => (before ? before.layer.inputJvp(before.saved, u) : u);
  const curved = tangents.map((t) =>
    tf.scoped(() => {
      const there = onPictures(derivative(t), (x) => convolve(x, weight, placement));
      return derivative(onPictures(factorProduct(v, there), (dy) => convolveTransposed(dy, weight, placement)));
    }),
  );
  return { curved, curvedHere: here.map((t) => factorProduct(v, t)) };
}
