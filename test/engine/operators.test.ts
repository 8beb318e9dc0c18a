import fc from 'fast-check';
import { useBackend } from '../../src/engine/backend/index.js';
import {
  blockDiagonal,
  denseOperator,
  diagonalOperator,
  kronecker,
  lowRank,
  scaled,
  shifted,
  submatrix,
  sumOf,
} from '../../src/engine/curvature/algebra.js';
import { BlockDense, BlockKroneckerGram, BlockKroneckerMean } from '../../src/engine/curvature/hbp/operators.js';
import { type LinearOperator, SymmetricOperator } from '../../src/engine/curvature/operator.js';
import { diagonalBlocks, splitRows } from '../../src/engine/curvature/row-blocks.js';
import { conjugateGradients } from '../../src/engine/optim/cg.js';
import * as tf from '../../src/engine/tf.js';
import { describeOnEveryBackend, expectNoLeak, inScope, isSlow } from '../support/backends.js';
import { expectClose } from '../support/golden.js';

const tolerance = { rtol: 1e-5, atol: 1e-6 };
type Matrix = number[][];

/** A symmetric matrix with entries between -4 and 4, exact in float32. */
function symmetric(n: number): fc.Arbitrary<Matrix> {
  return fc
    .array(fc.integer({ min: -64, max: 64 }), { minLength: n * n, maxLength: n * n })
    .map((e) => range(n).map((i) => range(n).map((j) => (e[i * n + j]! + e[j * n + i]!) / 32)));
}
const vectors = (count: number, n: number): fc.Arbitrary<Matrix> =>
  fc.array(
    fc.array(
      fc.integer({ min: -64, max: 64 }).map((e) => e / 16),
      { minLength: n, maxLength: n },
    ),
    { minLength: count, maxLength: count },
  );
const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);
const matrixOf = (n: number, entry: (i: number, j: number) => number): Matrix =>
  range(n).map((i) => range(n).map((j) => entry(i, j)));

/** Every quantity of an operator against the matrix that it should be, written down on the host. */
async function expectOperator(operator: LinearOperator, matrix: Matrix, vs: Matrix): Promise<void> {
  await inScope(async () => {
    const shape = [...operator.shape];
    await expectClose(operator.toDense(), matrix.flat(), tolerance, 'toDense');
    expect(operator.toDense().shape).toEqual([matrix.length, matrix.length]);
    expect(operator.diag().shape).toEqual(shape);
    await expectClose(
      operator.diag(),
      matrix.map((row, i) => row[i]!),
      tolerance,
      'diag',
    );
    await expectClose(
      operator.trace(),
      [matrix.reduce((sum, row, i) => sum + row[i]!, 0)],
      { rtol: 1e-5, atol: 1e-4 },
      'trace',
    );
    const products = vs.map((v) => matrix.map((row) => row.reduce((sum, entry, j) => sum + entry * v[j]!, 0)));
    const many = operator.matmat(tf.reshape(tf.tensor2d(vs), [vs.length, ...shape]));
    expect(many.shape).toEqual([vs.length, ...shape]);
    await expectClose(many, products.flat(), tolerance, 'matmat');
    const one = operator.matvec(tf.reshape(tf.tensor1d(vs[0]!), shape));
    expect(one.shape).toEqual(shape);
    await expectClose(one, products[0]!, tolerance, 'matvec');
  });
  operator.dispose();
}

const on = (matrix: Matrix, shape?: number[]): LinearOperator =>
  tf.scoped(() => denseOperator(tf.tensor2d(matrix), shape));

describeOnEveryBackend('operator algebra against matrices', (backend) => {
  const numRuns = isSlow(backend) ? 1 : 15;

  it('sum, scale, shift, in the shape of a weight', async () => {
    await fc.assert(
      fc.asyncProperty(symmetric(6), symmetric(6), vectors(3, 6), async (a, b, vs) => {
        const operator = shifted(scaled(sumOf([on(a, [2, 3]), on(b, [2, 3])]), 0.5), 0.25);
        await expectOperator(
          operator,
          matrixOf(6, (i, j) => 0.5 * (a[i]![j]! + b[i]![j]!) + (i === j ? 0.25 : 0)),
          vs,
        );
      }),
      { numRuns },
    );
  });

  it('Kronecker product', async () => {
    await fc.assert(
      fc.asyncProperty(symmetric(2), symmetric(3), vectors(4, 6), async (a, b, vs) => {
        const dense = matrixOf(6, (i, j) => a[Math.floor(i / 3)]![Math.floor(j / 3)]! * b[i % 3]![j % 3]!);
        await expectOperator(kronecker(on(a), on(b)), dense, vs);
      }),
      { numRuns },
    );
  });

  it('low rank plus diagonal', async () => {
    await fc.assert(
      fc.asyncProperty(vectors(2, 6), vectors(1, 6), vectors(3, 6), async (factor, [d], vs) => {
        const operator = tf.scoped(() =>
          sumOf([
            lowRank(tf.reshape(tf.tensor2d(factor), [2, 3, 2])),
            diagonalOperator(tf.reshape(tf.tensor1d(d!), [3, 2])),
          ]),
        );
        const dense = matrixOf(6, (i, j) => factor.reduce((s, f) => s + f[i]! * f[j]!, 0) + (i === j ? d![i]! : 0));
        await expectOperator(operator, dense, vs);
      }),
      { numRuns },
    );
  });

  it('block diagonal', async () => {
    await fc.assert(
      fc.asyncProperty(symmetric(4), symmetric(3), vectors(2, 7), async (a, b, vs) => {
        const entry = (i: number, j: number): number => {
          if (i < 4 && j < 4) return a[i]![j]!;
          return i >= 4 && j >= 4 ? b[i - 4]![j - 4]! : 0;
        };
        await expectOperator(blockDiagonal([on(a, [2, 2]), on(b)]), matrixOf(7, entry), vs);
      }),
      { numRuns },
    );
  });

  it('submatrix on a range of rows and columns', async () => {
    await fc.assert(
      fc.asyncProperty(symmetric(12), vectors(2, 4), async (a, vs) => {
        // Rows 1 and 2, columns 1 and 2 of vectors [3, 4].
        const indices = [5, 6, 9, 10];
        const operator = submatrix(on(a, [3, 4]), [1, 1], [2, 2]);
        await expectOperator(
          operator,
          matrixOf(4, (i, j) => a[indices[i]!]![indices[j]!]!),
          vs,
        );
      }),
      { numRuns },
    );
  });

  it('leaves no tensors, whatever was asked of it', async () => {
    await expectNoLeak(() => {
      const operator = kronecker(
        shifted(
          on([
            [2, 1],
            [1, 3],
          ]),
          0.5,
        ),
        scaled(blockDiagonal([on([[1]]), on([[2]])]), 2),
      );
      const results = [operator.diag(), operator.trace(), operator.toDense()];
      const v = tf.ones([2, 2]);
      const vs = tf.ones([3, 2, 2]);
      tf.dispose([...results, operator.matvec(v), operator.matmat(vs), v, vs]);
      operator.dispose();
      operator.dispose();
    });
  });

  it('solves with a combination by conjugate gradients', async () => {
    const operator = sumOf([
      on([
        [2, 1],
        [1, 3],
      ]),
      scaled(
        on([
          [1, 0],
          [0, 1],
        ]),
        1,
      ),
    ]);
    const system = tf.scoped(() => operator.dampedSystem(tf.tensor1d([5, 10]), 0));
    const [result] = await conjugateGradients([system], { tol: 1e-6, atol: 0, maxiter: 10 });
    await expectClose(result!.x, [10 / 11, 25 / 11], tolerance);
    result!.x.dispose();
    system.dispose();
    operator.dispose();
  });
});

describeOnEveryBackend('curvature of Hessian backpropagation as operators', () => {
  const hessian = matrixOf(5, (i, j) => ((i + 1) * (j + 1)) / 8 - (i === j ? 1 : 0.25));
  const inputs = [
    [1, -2, 0.5],
    [0.25, 1, -1],
  ];
  const sameBlock = (i: number, j: number): boolean => Math.floor(i / 2) === Math.floor(j / 2);
  const blockEntry = (i: number, j: number): number => (sameBlock(i, j) ? hessian[i]![j]! : 0);

  const split = splitRows(5, 3);
  const blocks = (): tf.Tensor => diagonalBlocks(split, tf.tensor2d(hessian));

  it('bias: H within row blocks', async () => {
    const operator = tf.scoped(() => new BlockDense(blocks(), split));
    await expectOperator(operator, matrixOf(5, blockEntry), [range(5), [1, 0, -1, 2, 0]]);
  });

  it('weight with the averaged input: H (x) m m^T', async () => {
    const m = [0.625, -0.5, -0.25];
    const operator = tf.scoped(() => new BlockKroneckerMean(blocks(), split, tf.tensor1d(m)));
    const entry = (i: number, j: number): number =>
      blockEntry(Math.floor(i / 3), Math.floor(j / 3)) * m[i % 3]! * m[j % 3]!;
    await expectOperator(operator, matrixOf(15, entry), [range(15), range(15).map((i) => Math.sin(i))]);
  });

  it('weight with the averaged outer product: H (x) E[x x^T]', async () => {
    const operator = tf.scoped(() => new BlockKroneckerGram(blocks(), split, tf.tensor2d(inputs)));
    const gram = matrixOf(3, (i, j) => (inputs[0]![i]! * inputs[0]![j]! + inputs[1]![i]! * inputs[1]![j]!) / 2);
    const entry = (i: number, j: number): number =>
      blockEntry(Math.floor(i / 3), Math.floor(j / 3)) * gram[i % 3]![j % 3]!;
    await expectOperator(operator, matrixOf(15, entry), [range(15), range(15).map((i) => Math.sin(i))]);
  });
});

describe('operators of many elements', () => {
  beforeAll(() => useBackend('wasm'));

  it('takes unit vectors chunk by chunk where there are many', async () => {
    await inScope(async () => {
      const n = 1500;
      const values = range(n).map((i) => Math.cos(i));
      const operator = submatrix(diagonalOperator(tf.tensor1d([...values, 7])), [0], [n]);
      const dense = operator.toDense();
      expect(dense.shape).toEqual([n, n]);
      await expectClose(tf.sum(dense, 0), values, tolerance);
      await expectClose(tf.sum(tf.mul(dense, tf.eye(n)), 1), values, tolerance);
      operator.dispose();
      class Doubling extends SymmetricOperator {
        override readonly shape = [n];
        protected override multiply(vs: tf.Tensor): tf.Tensor {
          return tf.mul(2, vs);
        }
        override dispose(): void {}
      }
      await expectClose(new Doubling().diag(), Array<number>(n).fill(2), tolerance);
    });
  });
});

describe('what cannot be', () => {
  beforeAll(() => useBackend('cpu'));

  it('says so', () => {
    const operator = on([
      [1, 0],
      [0, 1],
    ]);
    expect(() => on([[1, 0]])).toThrow(/a \[1, 2\] matrix is no operator/);
    expect(() => on([[1]], [2])).toThrow(/no operator on vectors \[2\]/);
    expect(() => submatrix(operator, [1], [2])).toThrow(/no submatrix of \[2\] at \[1\] in vectors \[2\]/);
    expect(() => submatrix(operator, [0, 0], [1, 1])).toThrow(/no submatrix/);
    expect(() => sumOf([])).toThrow(/at least one/);
    expect(() => sumOf([operator, on([[1]])])).toThrow(/sum of operators/);
    const large = tf.scoped(() => diagonalOperator(tf.ones([200, 100])));
    expect(() => large.toDense()).toThrow(/\[200, 100\] takes 1.5 GiB, more than 1 GiB/);
    large.dispose();
    operator.dispose();
  });
});
