import * as tf from '../tf.js';
import type { MatrixChain, MatrixStage, SharedProduct } from './operator.js';

/** One factor of a product R = J^T R' J + diag(residual). */
export interface ProductStage {
  /** J t: [V, ...in] to [V, ...out]. */
  forward(t: tf.Tensor): tf.Tensor;
  /** J^T u + residual * t: u [V, ...out] to [V, ...in]. */
  backward(u: tf.Tensor, t: tf.Tensor | null): tf.Tensor;
  /** Whether `backward` looks at t. */
  readonly hasResidual: boolean;
  /** `backward` without a residual, and its sums over positions, [V, N, o], where they come in passing. */
  backwardWithSums?(u: tf.Tensor): { readonly dx: tf.Tensor; readonly sums: tf.Tensor | undefined };
  /** The same as a matrix or a diagonal; absent: it is neither. */
  asMatrix?(): MatrixStage;
}

/** Tangents [V, ...] at the input of stage `at`. */
export interface Entry {
  readonly at: number;
  readonly tangents: tf.Tensor;
}

/**
 * The symmetric product through a row of stages to a head and back: with R_l at the input of stage l and R_L = head,
 * R_l = J_l^T R_(l+1) J_l + diag(residual_l). Tangents that enter at different stages go the rest of the way together.
 */
export class StagedProduct implements SharedProduct {
  constructor(
    readonly stages: readonly ProductStage[],
    private readonly head: (t: tf.Tensor) => tf.Tensor,
    private readonly headMatrix?: tf.Tensor,
  ) {}

  chain(): MatrixChain | null {
    const stages = this.stages.map((stage) => stage.asMatrix?.());
    const known = stages.filter((stage) => stage !== undefined);
    return this.headMatrix && known.length === stages.length ? { stages: known, head: this.headMatrix } : null;
  }

  /** R_at t for every entry; runs in a tidy, and frees what it can on the way. */
  multiply(entries: readonly Entry[]): tf.Tensor[] {
    const results: tf.Tensor[] = [];
    const first = Math.min(...entries.map(({ at }) => at));
    /** R_l on the tangents that come from before and those that enter here; takes `t` over. */
    const through = (l: number, t: tf.Tensor | null): tf.Tensor | null => {
      const here = entries.flatMap(({ at }, i) => (at === l ? [i] : []));
      const entering = here.map((i) => entries[i]!.tangents);
      const all = [...(t ? [t] : []), ...entering];
      const joined = all.length === 1 ? tf.view(all[0]!) : tf.concat(all, 0);
      t?.dispose();
      const curved = this.#past(l, joined, through);
      if (all.length === 1) {
        if (!t) results[here[0]!] = curved;
        return t && curved;
      }
      const parts = tf.split(
        curved,
        all.map(({ shape }) => shape[0]),
        0,
      );
      curved.dispose();
      const arrived = t ? parts.shift()! : null;
      here.forEach((i, k) => (results[i] = parts[k]!));
      return arrived;
    };
    through(first, null);
    return results;
  }

  /** Takes `joined` over. */
  #past(l: number, joined: tf.Tensor, through: (l: number, t: tf.Tensor) => tf.Tensor | null): tf.Tensor {
    const stage = this.stages[l];
    if (!stage) {
      const curved = this.head(joined);
      joined.dispose();
      return curved;
    }
    const onwards = stage.forward(joined);
    if (!stage.hasResidual) joined.dispose();
    const back = through(l + 1, onwards)!;
    const curved = stage.backward(back, stage.hasResidual ? joined : null);
    back.dispose();
    if (stage.hasResidual) joined.dispose();
    return curved;
  }
}
