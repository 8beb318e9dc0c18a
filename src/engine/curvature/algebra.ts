/**
 * Operators from operators and tensors. A combination takes its operands over: disposing it disposes them, so a
 * chain like `shifted(scaled(a, 0.5), 0.1)` is freed as one. Tensors are cloned and stay the caller's.
 */
import { ConfigError } from '../../errors.js';
import * as tf from '../tf.js';
import { type LinearOperator, SymmetricOperator } from './operator.js';

interface Parts {
  readonly shape: readonly number[];
  /** C v for [V, ...shape]. */
  readonly multiply: (vs: tf.Tensor) => tf.Tensor;
  /** Absent: by products with unit vectors. */
  readonly diagonal?: () => tf.Tensor;
  /** Disposed with the operator: operands and kept tensors. */
  readonly owned: readonly { dispose(): void }[];
}

class Composed extends SymmetricOperator {
  override readonly shape: readonly number[];

  constructor(private readonly parts: Parts) {
    super();
    this.shape = parts.shape;
  }

  protected override multiply(vs: tf.Tensor): tf.Tensor {
    return this.parts.multiply(vs);
  }

  protected override diagonal(): tf.Tensor {
    return this.parts.diagonal?.() ?? super.diagonal();
  }

  override dispose(): void {
    for (const part of this.parts.owned) part.dispose();
  }
}

/** C v = M v for a symmetric matrix M [n, n], on vectors of `shape` (absent: [n]). */
export function denseOperator(matrix: tf.Tensor, shape: readonly number[] = matrix.shape.slice(0, 1)): LinearOperator {
  const [rows = 0, columns] = matrix.shape;
  if (matrix.rank !== 2 || rows !== columns || tf.util.sizeFromShape([...shape]) !== rows) {
    throw new ConfigError(`a [${matrix.shape.join(', ')}] matrix is no operator on vectors [${shape.join(', ')}]`);
  }
  const own = tf.keep(tf.view(matrix));
  return new Composed({
    shape,
    multiply: (vs) => tf.reshape(tf.matMul(tf.reshape(vs, [-1, rows]), own), vs.shape),
    diagonal: () => tf.reshape(tf.sum(tf.mul(own, tf.identity(rows)), 0), [...shape]),
    owned: [own],
  });
}

/** C v = d * v, elementwise, for a diagonal d of the vectors' shape. */
export function diagonalOperator(diagonal: tf.Tensor): LinearOperator {
  const own = tf.keep(tf.view(diagonal));
  return new Composed({
    shape: own.shape,
    multiply: (vs) => tf.mul(own, vs),
    diagonal: () => tf.view(own),
    owned: [own],
  });
}

/** C = F^T F for r rows F [r, ...shape]: rank r, positive semi-definite. */
export function lowRank(factor: tf.Tensor): LinearOperator {
  const [rank = 0, ...shape] = factor.shape;
  const own = tf.keep(tf.reshape(factor, [rank, -1]));
  return new Composed({
    shape,
    multiply: (vs) => {
      const coefficients = tf.matMul(tf.reshape(vs, [vs.shape[0] ?? 0, -1]), own, false, true);
      return tf.reshape(tf.matMul(coefficients, own), vs.shape);
    },
    diagonal: () => tf.reshape(tf.sum(tf.square(own), 0), shape),
    owned: [own],
  });
}

/** C = A + B + ..., all on the same vectors. */
export function sumOf(operators: readonly LinearOperator[]): LinearOperator {
  const [{ shape }, ...rest] = nonEmpty(operators);
  for (const other of rest) tf.util.assertShapesMatch([...other.shape], [...shape], 'a sum of operators: ');
  const total = (terms: tf.Tensor[]): tf.Tensor => terms.reduce((sum, term) => tf.add(sum, term));
  return new Composed({
    shape,
    multiply: (vs) => total(operators.map((operator) => operator.matmat(vs))),
    diagonal: () => total(operators.map((operator) => operator.diag())),
    owned: operators,
  });
}

/** C = c A. */
export function scaled(operator: LinearOperator, factor: number): LinearOperator {
  return new Composed({
    shape: operator.shape,
    multiply: (vs) => tf.mul(factor, operator.matmat(vs)),
    diagonal: () => tf.mul(factor, operator.diag()),
    owned: [operator],
  });
}

/** C = A + alpha I. */
export function shifted(operator: LinearOperator, alpha: number): LinearOperator {
  return new Composed({
    shape: operator.shape,
    multiply: (vs) => tf.add(operator.matmat(vs), tf.mul(alpha, vs)),
    diagonal: () => tf.add(operator.diag(), alpha),
    owned: [operator],
  });
}

/** C = A (x) B: C V = A V B for V with the axes of A's vectors, then those of B's. */
export function kronecker(left: LinearOperator, right: LinearOperator): LinearOperator {
  const rows = tf.util.sizeFromShape([...left.shape]);
  const columns = tf.util.sizeFromShape([...right.shape]);
  const shape = [...left.shape, ...right.shape];
  return new Composed({
    shape,
    multiply: (vs) => {
      const [vectors = 0] = vs.shape;
      const onRight = right.matmat(tf.reshape(vs, [vectors * rows, ...right.shape]));
      const swapped = tf.transpose(tf.reshape(onRight, [vectors, rows, columns]), [0, 2, 1]);
      const onLeft = left.matmat(tf.reshape(swapped, [vectors * columns, ...left.shape]));
      return tf.reshape(tf.transpose(tf.reshape(onLeft, [vectors, columns, rows]), [0, 2, 1]), vs.shape);
    },
    diagonal: () =>
      tf.reshape(tf.matMul(tf.reshape(left.diag(), [rows, 1]), tf.reshape(right.diag(), [1, columns])), shape),
    owned: [left, right],
  });
}

/** C = diag(A, B, ...) on vectors [n_A + n_B + ...], each part the row-major elements of its operator's vectors. */
export function blockDiagonal(operators: readonly LinearOperator[]): LinearOperator {
  const sizes = nonEmpty(operators).map(({ shape }) => tf.util.sizeFromShape([...shape]));
  return new Composed({
    shape: [sizes.reduce((a, b) => a + b)],
    multiply: (vs) => {
      const products = tf.split(vs, sizes, 1).map((part, i) => {
        const { shape } = operators[i]!;
        return tf.reshape(operators[i]!.matmat(tf.reshape(part, [-1, ...shape])), part.shape);
      });
      return tf.concat(products, 1);
    },
    diagonal: () => tf.concat(operators.map((operator) => tf.reshape(operator.diag(), [-1]))),
    owned: operators,
  });
}

/**
 * The principal submatrix of A on a range of indices, `size` from `begin` along each axis of A's vectors: rows 2 and 3
 * of a weight [o, i] are `submatrix(a, [2, 0], [2, i])`.
 */
export function submatrix(operator: LinearOperator, begin: readonly number[], size: readonly number[]): LinearOperator {
  const { shape } = operator;
  const inside = shape.every((length, axis) => {
    const [first, count] = [begin[axis] ?? -1, size[axis] ?? 0];
    return first >= 0 && count > 0 && first + count <= length;
  });
  if (!inside || begin.length !== shape.length || size.length !== shape.length) {
    throw new ConfigError(
      `no submatrix of [${size.join(', ')}] at [${begin.join(', ')}] in vectors [${shape.join(', ')}]`,
    );
  }
  const around = shape.map((length, axis): [number, number] => [begin[axis]!, length - begin[axis]! - size[axis]!]);
  return new Composed({
    shape: [...size],
    multiply: (vs) => {
      const product = operator.matmat(tf.pad(vs, [[0, 0], ...around]));
      return tf.slice(product, [0, ...begin], [vs.shape[0] ?? 0, ...size]);
    },
    diagonal: () => tf.slice(operator.diag(), [...begin], [...size]),
    owned: [operator],
  });
}

function nonEmpty(operators: readonly LinearOperator[]): readonly [LinearOperator, ...LinearOperator[]] {
  const [first, ...rest] = operators;
  if (!first) throw new ConfigError('a combination of operators needs at least one');
  return [first, ...rest];
}
