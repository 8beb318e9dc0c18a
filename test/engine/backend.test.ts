import { repairMatMul } from '../../src/engine/backend/webgpu.js';
import * as tf from '../../src/engine/tf.js';
import { chooseProducts, describeOnEveryBackend, expectNoLeak, inScope } from '../support/backends.js';
import { expectClose } from '../support/golden.js';

/** The plain triple loop. */
function product(a: number[][], b: number[][]): number[] {
  return a.flatMap((row) => b[0]!.map((_, c) => row.reduce((sum, x, k) => sum + x * b[k]![c]!, 0)));
}
const matrix = (rows: number, columns: number): number[][] =>
  Array.from({ length: rows }, (_, r) => Array.from({ length: columns }, (_, c) => Math.sin(1 + 7 * r + 3 * c)));
const transpose = (m: number[][]): number[][] => m[0]!.map((_, c) => m.map((row) => row[c]!));

const exact = { rtol: 0, atol: 0 };

describeOnEveryBackend('matMul', (backend) => {
  if (backend === 'webgpu') beforeAll(() => chooseProducts(-1));

  const sizes = [
    [1, 1, 1],
    [3, 1, 4],
    [17, 33, 5],
    [40, 16, 31],
    [3, 20, 50],
  ] as const;
  const cases = sizes.flatMap((s) => [0, 1, 2, 3].map((t) => [...s, (t & 1) === 1, (t & 2) === 2] as const));

  it.each(cases)('%i x %i x %i, transposeA %s, transposeB %s', async (m, k, n, transposeA, transposeB) => {
    const [a, b] = [matrix(m, k), matrix(k, n)];
    await expectNoLeak(() =>
      inScope(async () => {
        const left = tf.tensor2d(transposeA ? transpose(a) : a);
        const right = tf.tensor2d(transposeB ? transpose(b) : b);
        const expected = product(a, b);
        await expectClose(tf.matMul(left, right, transposeA, transposeB), expected, { rtol: 1e-6, atol: 1e-6 });
        const batch = tf.matMul(tf.stack([left, left]), tf.stack([right, right]), transposeA, transposeB);
        await expectClose(batch, [...expected, ...expected], { rtol: 1e-6, atol: 1e-6 });
      }),
    );
  });

  it('takes views of one buffer in several shapes', async () => {
    await inScope(async () => {
      const x = tf.tensor1d([1, 1, 2]);
      const row = tf.matMul(tf.tensor2d([[51], [111]]), tf.reshape(x, [1, 3]));
      await expectClose(row, [51, 51, 102, 111, 111, 222], { rtol: 0, atol: 0 });
      const column = tf.matMul(tf.tensor2d([[1, 2, 3]]), tf.reshape(x, [3, 1]));
      await expectClose(column, [9], { rtol: 0, atol: 0 });
    });
  });
});

describeOnEveryBackend('numbers from booleans and integers', () => {
  it('go through the kernels that copy elements', async () => {
    await inScope(async () => {
      const booleans = tf.cast(tf.equal(tf.tensor2d([[0, 1], [2, 0]]), 0), 'float32'); // prettier-ignore
      const integers = tf.cast(tf.tensor3d([5, 6, 7, 8, 9, 10], [1, 2, 3], 'int32'), 'float32');
      await expectClose(tf.transpose(tf.concat([booleans, booleans], 1)), [1, 0, 0, 1, 1, 0, 0, 1], exact);
      await expectClose(tf.transpose(integers, [0, 2, 1]), [5, 8, 6, 9, 7, 10], exact);
      await expectClose(tf.pad(integers, [[0, 0], [1, 0], [0, 0]]), [0, 0, 0, 5, 6, 7, 8, 9, 10], exact); // prettier-ignore
      await expectClose(tf.tile(booleans, [1, 2]), [1, 0, 1, 0, 0, 1, 0, 1], exact);
      await expectClose(tf.reverse(booleans, 0), [0, 1, 1, 0], exact);
    });
  });
});

it('keeps webgpu from splitting long products, whose program is wrong', () => {
  // A stand-in kernel: it only notes which program the backend would have been told to take.
  const flag = 'WEBGPU_MATMUL_PROGRAM_TYPE';
  const real = tf.getKernel('BatchMatMul', 'webgpu');
  if (real) tf.unregisterKernel('BatchMatMul', 'webgpu');
  else tf.env().registerFlag(flag, () => -1);
  chooseProducts(-1);
  const programs: unknown[] = [];
  const result: tf.TensorInfo = { dataId: {}, shape: [], dtype: 'float32' };
  tf.registerKernel({
    kernelName: 'BatchMatMul',
    backendName: 'webgpu',
    kernelFunc: () => {
      programs.push(tf.env().get(flag));
      return result;
    },
  });
  repairMatMul();
  repairMatMul();
  const { kernelFunc } = tf.getKernel('BatchMatMul', 'webgpu');
  const call = (shape: number[], transposeA: boolean): void => {
    const a: tf.TensorInfo = { dataId: {}, shape, dtype: 'float32' };
    kernelFunc({ inputs: { a, b: a }, backend: {}, attrs: { transposeA, transposeB: true } });
  };
  call([50, 3072], false);
  call([3072, 50], true);
  call([50, 1999], false);
  call([3072, 50], false);
  tf.unregisterKernel('BatchMatMul', 'webgpu');
  if (real) tf.registerKernel(real);
  expect(programs).toEqual([3, 3, -1, -1]);
  expect(tf.env().get(flag)).toBe(-1);
});
