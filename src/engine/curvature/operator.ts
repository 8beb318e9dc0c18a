import { ConfigError } from '../../errors.js';
import * as tf from '../tf.js';
import type { RowBlocks } from './row-blocks.js';

/**
 * A symmetric linear operator C: the curvature of one parameter, of a whole network, of a loss; n = number of elements
 * of its vectors.
 *
 * Vectors have the operator's own shape (a parameter's own shape): no caller flattens. Results belong to the caller,
 * and no method leaves anything else behind. An operator owns its tensors until `dispose()`; what it was made from
 * stays its maker's.
 */
export interface LinearOperator {
  /** Shape of the vectors; n is its product. */
  readonly shape: readonly number[];
  /** C v, scale as the curvature's own (mean loss: 1/N inside). */
  matvec(v: tf.Tensor): tf.Tensor;
  /** C v for V vectors at once: [V, ...shape] to [V, ...shape]. */
  matmat(vs: tf.Tensor): tf.Tensor;
  /** The diagonal, in the shape of the vectors. */
  diag(): tf.Tensor;
  /** Sum of the diagonal, a scalar. */
  trace(): tf.Tensor;
  /**
   * The matrix [n, n], over the row-major elements of the vectors.
   * @throws ConfigError if it would take more than 1 GiB
   */
  toDense(): tf.Tensor;
  /** Blocks of output rows that C does not couple; absent: one. */
  readonly rowBlocks?: { readonly blocks: RowBlocks; readonly axis: number };
  /**
   * Operators of one network that take turns at its memory: they are best solved the highest order first, and `done` says
   * that an operator of this order will not be solved again soon. Absent: in any order.
   */
  readonly turn?: {
    readonly order: number;
    /** No operator of this order will be solved again soon. */
    done(): void;
  };
  /**
   * The system (alpha I + (1 - alpha) C) x = factor * b in the coordinates where its Krylov space is smallest. `plainSystemOf`
   * has the same system in the parameter's own coordinates.
   *
   * @param factor  1 if absent
   */
  dampedSystem(b: tf.Tensor, alpha: number, factor?: number): KrylovSystem;
  /** Free what the operator owns. Once is enough, twice does no harm; products are not possible after it. */
  dispose(): void;
}

/**
 * B independent symmetric systems A_j x_j = b_j, side by side, in coordinates of length n.
 *
 * Conjugate gradients depend on A and b through products and inner products alone, so any coordinates that keep both
 * give the same iterates. The inner product of system j is <u, v> = u^T G v; G is the identity, or what `metric` or
 * `dual` says.
 */
export interface KrylovSystem {
  /** b in coordinates, [B, n]. */
  readonly rhs: tf.Tensor;
  /** G as weights, [B, n]: <u, v> = sum_i metric_i u_i v_i. */
  readonly metric?: tf.Tensor;
  /** G v, [B, n] to [B, n]; where G is no weighting. */
  readonly dual?: (v: tf.Tensor) => tf.Tensor;
  /**
   * ||b||^2 from b itself, [B, 1]: if the coordinates' own inner product differs by more than a hundredth, they have lost
   * too many digits, and the system breaks down before its first step. Absent: not looked at.
   */
  readonly rhsSquare?: tf.Tensor;
  /**
   * A p in coordinates, [B, n] to [B, n].
   *
   * @param dual  G p, if the system has `dual`
   */
  apply(p: tf.Tensor, dual?: tf.Tensor): tf.Tensor;
  /** How `apply` goes through a product that other systems use as well; absent: it does not. Asked for before every product. */
  readonly passage?: Passage | undefined;
  /** From coordinates [B, n] back to the parameter's shape. */
  lift(x: tf.Tensor): tf.Tensor;
  /** value + factor * lift(x), in fewer passes than these; absent: composed. */
  readonly addTo?: (value: tf.Tensor, x: tf.Tensor, factor: number) => tf.Tensor;
  /** Free the right-hand side and what else the system holds; vectors from `lift` stay. */
  dispose(): void;
}

/** A product that several systems need with different vectors: one pass does it for all. */
export interface SharedProduct {
  /**
   * @param entries  tangents that enter at some place of the product, [V, ...] each
   * @returns what comes back there, in the shapes of the tangents
   */
  multiply(entries: readonly { readonly at: number; readonly tangents: tf.Tensor }[]): tf.Tensor[];
  /** What it is made of, if that is matrices and diagonals only: a kernel may then solve the systems itself. */
  chain?(): MatrixChain | null;
}

/** The stages of a `SharedProduct`, R = J^T R' J + diag(residual), and R behind the last, [C, C]; all stay their owners'. */
export interface MatrixChain {
  readonly stages: readonly MatrixStage[];
  readonly head: tf.Tensor;
}

/** J as a matrix [out, in], without residual; or J = diag(diagonal), [n] elements in any shape, and the residual alike. */
export type MatrixStage =
  { readonly matrix: tf.Tensor } | { readonly diagonal: tf.Tensor; readonly residual: tf.Tensor | null };

/** apply(p) = leave(what `product` gives for enter(p) at the place `at`, p). */
export interface Passage {
  readonly product: SharedProduct;
  readonly at: number;
  /** The tangents that go into the product for a vector in coordinates. */
  enter(p: tf.Tensor, dual?: tf.Tensor): tf.Tensor;
  /** A p from what the product gave for it. */
  leave(curved: tf.Tensor, p: tf.Tensor): tf.Tensor;
  /** The same in numbers, where A is of this form; absent: it is of another. */
  readonly inBlocks?: BlockPassage;
}

/**
 * A p = alpha p + scale [0, H_j u_j] for p = [.., u_j]: u_j, the last c coordinates of system j, are the rows of block j at the
 * passage's place, and H_j is the product on them.
 */
export interface BlockPassage {
  readonly blocks: RowBlocks;
  readonly alpha: number;
  /** A number or a scalar. */
  readonly scale: tf.Tensor | number;
}

/** A system of which `apply` is its passage through a shared product. */
export function passing(passage: Passage, rest: Omit<KrylovSystem, 'apply' | 'passage'>): KrylovSystem {
  return {
    ...rest,
    passage,
    apply: (p, dual) => {
      const [curved] = passage.product.multiply([{ at: passage.at, tangents: passage.enter(p, dual) }]);
      return passage.leave(curved!, p);
    },
  };
}

/** The system of any operator in its own vectors: one system, no reduction. */
export function plainSystem(matvec: (v: tf.Tensor) => tf.Tensor, b: tf.Tensor, alpha: number): KrylovSystem {
  const rhs = tf.keep(tf.reshape(b, [1, -1]));
  const { shape } = b;
  return {
    rhs,
    apply: (p) => damped(p, tf.reshape(matvec(tf.reshape(p, shape)), [1, -1]), alpha),
    lift: (x) => tf.reshape(x, shape),
    dispose: () => rhs.dispose(),
  };
}

/** alpha p + (1 - alpha) C p. */
export function damped(p: tf.Tensor, product: tf.Tensor, alpha: number): tf.Tensor {
  return tf.add(tf.mul(alpha, p), tf.mul(1 - alpha, product));
}

/** Rows `begin` to `end` of the identity [n, n], which itself may be too large. */
export function unitVectors(begin: number, end: number, n: number): tf.Tensor {
  return tf.cast(tf.equal(tf.expandDims(tf.range(begin, end), 1), tf.range(0, n)), 'float32');
}

/** Most elements of a dense operator: 1 GiB of float32. */
const mostDenseElements = 2 ** 28;
/** Elements of the unit vectors that go through an operator at once: large enough to amortise calls, 4 MiB. */
const chunkElements = 2 ** 20;

/**
 * An operator from its product with many vectors; the rest has a default. A subclass that knows its diagonal without
 * products says so in `diagonal`, one with a smaller Krylov space in `dampedSystem`.
 */
export abstract class SymmetricOperator implements LinearOperator {
  abstract readonly shape: readonly number[];

  /** C v for [V, ...shape]; runs in a tidy. */
  protected abstract multiply(vs: tf.Tensor): tf.Tensor;
  abstract dispose(): void;

  matvec(v: tf.Tensor): tf.Tensor {
    return tf.scoped(() => tf.reshape(this.multiply(tf.expandDims(v, 0)), [...this.shape]));
  }

  matmat(vs: tf.Tensor): tf.Tensor {
    return tf.scoped(() => this.multiply(vs));
  }

  diag(): tf.Tensor {
    return tf.scoped(() => this.diagonal());
  }

  trace(): tf.Tensor {
    return tf.scoped(() => tf.sum(this.diagonal()));
  }

  toDense(): tf.Tensor {
    const n = tf.util.sizeFromShape([...this.shape]);
    if (n * n > mostDenseElements) {
      const gibibytes = ((4 * n * n) / 2 ** 30).toFixed(1);
      throw new ConfigError(
        `a dense operator on [${this.shape.join(', ')}] takes ${gibibytes} GiB, more than 1 GiB: ` +
          'use its products, its diagonal or a submatrix',
      );
    }
    // C is symmetric, so the products of the unit vectors are the rows as well as the columns.
    return tf.scoped(() => tf.concat(this.#onUnitVectors((products) => tf.reshape(products, [-1, n]))));
  }

  dampedSystem(b: tf.Tensor, alpha: number, factor = 1): KrylovSystem {
    return tf.scoped(() => plainSystem((v) => this.matvec(v), tf.mul(factor, b), alpha));
  }

  /** The diagonal; runs in a tidy. */
  protected diagonal(): tf.Tensor {
    const parts = this.#onUnitVectors((products, units) => tf.sum(tf.mul(products, units), 0));
    return parts.reduce((total, part) => tf.add(total, part));
  }

  /** `use(C e, e)` for all unit vectors e, a chunk [V, ...shape] at a time. */
  #onUnitVectors(use: (products: tf.Tensor, units: tf.Tensor) => tf.Tensor): tf.Tensor[] {
    const n = tf.util.sizeFromShape([...this.shape]);
    const size = Math.max(1, Math.floor(chunkElements / n));
    return Array.from({ length: Math.ceil(n / size) }, (_, k) =>
      tf.scoped(() => {
        const units = tf.reshape(unitVectors(k * size, Math.min((k + 1) * size, n), n), [-1, ...this.shape]);
        return use(this.multiply(units), units);
      }),
    );
  }
}
