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
  /** Whether results are much smaller than tangents: what meets before is joined behind, which copies less. */
  readonly shrinks?: boolean;
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

/** R_L on tangents [V, ...] that arrive apart, which it takes over. */
export type Head = (arrived: readonly tf.Tensor[]) => tf.Tensor[];

/** A head that takes them all as one. */
export function asOne(product: (t: tf.Tensor) => tf.Tensor): Head {
  return (arrived) =>
    joined(arrived, (t) => {
      const curved = product(t);
      t.dispose();
      return curved;
    });
}

/** f, which takes its argument over, on all of them as one. */
function joined(all: readonly tf.Tensor[], f: (t: tf.Tensor) => tf.Tensor): tf.Tensor[] {
  if (all.length === 1) return [f(all[0]!)];
  const t = tf.concat([...all], 0);
  tf.dispose([...all]);
  const curved = f(t);
  const parts = tf.split(
    curved,
    all.map(({ shape }) => shape[0]),
    0,
  );
  curved.dispose();
  return parts;
}

/**
 * The symmetric product through a row of stages to a head and back: with R_l at the input of stage l and R_L = head,
 * R_l = J_l^T R_(l+1) J_l + diag(residual_l). Tangents that enter at different stages go the rest of the way together.
 */
export class StagedProduct implements SharedProduct {
  constructor(
    readonly stages: readonly ProductStage[],
    private readonly head: Head,
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
    /** R_l on each of the tangents that come from before, which it takes over, and on those that enter here. */
    const through = (l: number, arrived: readonly tf.Tensor[]): tf.Tensor[] => {
      const here = entries.flatMap(({ at }, i) => (at === l ? [i] : []));
      const all = [...arrived, ...here.map((i) => tf.view(entries[i]!.tangents))];
      const stage = this.stages[l];
      const curved = !stage
        ? this.head(all)
        : stage.shrinks
          ? this.#past(l, all, through)
          : joined(all, (t) => this.#past(l, [t], through)[0]!);
      here.forEach((i, k) => (results[i] = curved[arrived.length + k]!));
      return curved.slice(0, arrived.length);
    };
    through(Math.min(...entries.map(({ at }) => at)), []);
    return results;
  }

  /** Each by itself through this stage. Takes them over. */
  #past(l: number, all: readonly tf.Tensor[], through: Through): tf.Tensor[] {
    const stage = this.stages[l]!;
    const onwards = all.map((t) => {
      const next = stage.forward(t);
      if (!stage.hasResidual) t.dispose();
      return next;
    });
    return through(l + 1, onwards).map((back, i) => {
      const curved = stage.backward(back, stage.hasResidual ? all[i]! : null);
      back.dispose();
      if (stage.hasResidual) all[i]!.dispose();
      return curved;
    });
  }
}

/** What is behind a stage, see `multiply`. */
type Through = (l: number, arrived: readonly tf.Tensor[]) => tf.Tensor[];
