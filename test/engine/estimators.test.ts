import fc from 'fast-check';
import { useBackend } from '../../src/engine/backend/index.js';
import { denseOperator, diagonalOperator, kronecker, lowRank, scaled } from '../../src/engine/curvature/algebra.js';
import { curvatureProducts, lossHessian, networkCurvature } from '../../src/engine/curvature/cvp/index.js';
import { principalSubmatrix } from '../../src/engine/curvature/entries.js';
import { curvatureDiagonals } from '../../src/engine/curvature/estimators/diagonals.js';
import { hutchinsonTrace } from '../../src/engine/curvature/estimators/hutchinson.js';
import { ritzValues } from '../../src/engine/curvature/estimators/lanczos.js';
import { eigenvalues, extremalEigenvalues, spectralDensity } from '../../src/engine/curvature/estimators/spectrum.js';
import type { LinearOperator } from '../../src/engine/curvature/operator.js';
import { normalTensor, type UniformSource } from '../../src/engine/random.js';
import * as tf from '../../src/engine/tf.js';
import { seededStreams } from '../../src/lab/random.js';
import {
  describeOnEveryBackend,
  expectNoLeak,
  inScope,
  isSlow,
  numbersOf,
  partOn,
  runsHere,
} from '../support/backends.js';
import { ConfigError } from '../../src/errors.js';
import { expectClose } from '../support/golden.js';
import { type NetworkCase, networkCases, passOf } from '../support/random-network.js';

const randomOf = (seed: number): UniformSource => seededStreams(seed).init;
const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

const smallNetwork: NetworkCase = {
  pictures: false,
  activation: 'tanh',
  pooling: 'mean',
  hidden: [4, 3],
  outputs: 3,
  samples: 4,
  loss: 'cross-entropy',
  reduction: 'mean',
  seed: 11,
};

/** A symmetric operator with these eigenvalues: two Householder reflections of their diagonal. */
function withSpectrum(values: number[], seed: number): LinearOperator {
  return tf.scoped(() => {
    const n = values.length;
    const random = randomOf(seed);
    const reflected = [1, 2].reduce<tf.Tensor>(
      (matrix) => {
        const h = normalTensor([n, 1], 1, random);
        const reflection = tf.sub(tf.eye(n), tf.mul(tf.div(2, tf.sum(tf.square(h))), tf.matMul(h, h, false, true)));
        return tf.matMul(reflection, tf.matMul(matrix, reflection));
      },
      tf.mul(tf.eye(n), tf.tensor1d(values)),
    );
    return denseOperator(tf.div(tf.add(reflected, tf.transpose(reflected)), 2));
  });
}

describe.each([
  ['fully connected', { pictures: false }, 10],
  ['pictures', { pictures: true }, 3],
] as const)('%s networks:', (_, kind, numRuns) => {
  describeOnEveryBackend('exact diagonals', (backend) => {
    const modes = partOn(backend, ['none', 'zero', 'abs', 'clip'] as const, (mode) => mode === 'none');

    // Where a part is taken, in one mode: dense blocks take long. Picture networks have linear layers, too.
    (isSlow(backend) && !kind.pictures ? it.skip : it)('are those of the blocks, in every mode', async () => {
      await fc.assert(
        fc.asyncProperty(networkCases(kind), (networkCase) =>
          inScope(async () => {
            const { model, loss, lossSaved, trace, gradients, input, target } = passOf(networkCase);
            for (const secondOrder of modes) {
              const diagonals = curvatureDiagonals(model, loss, input, target, { secondOrder });
              const blocks = curvatureProducts(model, trace, gradients, lossHessian(loss, lossSaved), { secondOrder });
              expect(Object.keys(diagonals).sort()).toEqual(Object.keys(blocks).sort());
              for (const [path, block] of Object.entries(blocks)) {
                expect(diagonals[path]!.shape).toEqual(block.shape);
                const expected = await numbersOf(block.diag());
                await expectClose(diagonals[path]!, expected, { rtol: 2e-5, atol: 1e-6 }, `${secondOrder} ${path}`);
                block.dispose();
              }
            }
            model.dispose();
          }),
        ),
        { numRuns: runsHere(numRuns) },
      );
    });
  });
});

describe('exact diagonals of a wide layer', () => {
  beforeAll(() => useBackend('wasm'));

  it('take the columns chunk by chunk', async () => {
    await inScope(async () => {
      const pass = passOf({ ...smallNetwork, hidden: [700], samples: 10 });
      const { model, loss, lossSaved, trace, gradients, input, target } = pass;
      const diagonals = curvatureDiagonals(model, loss, input, target, { secondOrder: 'none' });
      const hessian = lossHessian(loss, lossSaved);
      const blocks = curvatureProducts(model, trace, gradients, hessian, { secondOrder: 'none' });
      const expected = await numbersOf(blocks['0.0.bias']!.diag());
      await expectClose(diagonals['0.0.bias']!, expected, { rtol: 2e-5, atol: 1e-6 });
      Object.values(blocks).forEach((block) => block.dispose());
      model.dispose();
    });
  });
});

describeOnEveryBackend("Hutchinson's trace", () => {
  it('lies within its standard error, which is that of the theory', async () => {
    const values = range(40).map((i) => i - 10);
    const operator = withSpectrum(values, 5);
    const trace = values.reduce((a, b) => a + b);
    const dense = operator.toDense();
    const entries = await numbersOf(dense);
    const offDiagonal = entries.reduce((sum, c, k) => sum + (k % 41 === 0 ? 0 : c * c), 0);
    const theory = Math.sqrt((2 * offDiagonal) / 3000);
    const { estimate, standardError } = await hutchinsonTrace(operator, { samples: 3000, random: randomOf(1) });
    expect(Math.abs(estimate - trace)).toBeLessThan(4 * theory);
    expect(standardError / theory).toBeGreaterThan(0.9);
    expect(standardError / theory).toBeLessThan(1.1);
    dense.dispose();
    operator.dispose();
  });

  it('is exact for a diagonal operator, and repeats itself for the same random numbers', async () => {
    const operator = tf.scoped(() =>
      diagonalOperator(
        tf.tensor2d([
          [1, 2],
          [3, 4],
        ]),
      ),
    );
    expect(await hutchinsonTrace(operator, { samples: 5, random: randomOf(2) })).toEqual({
      estimate: 10,
      standardError: 0,
    });
    operator.dispose();
    const large = tf.scoped(() => diagonalOperator(tf.ones([400_000])));
    const inChunks = await hutchinsonTrace(large, { samples: 3, random: randomOf(2) });
    expect(inChunks).toEqual({ estimate: 400_000, standardError: 0 });
    large.dispose();
    const dense = withSpectrum([1, 2, 7], 3);
    const twice = [1, 2].map(() => hutchinsonTrace(dense, { samples: 7, random: randomOf(2) }));
    expect(await twice[0]).toEqual(await twice[1]);
    await expect(hutchinsonTrace(dense, { samples: 1, random: randomOf(2) })).rejects.toThrow(/at least 2 samples/);
    dense.dispose();
  });
});

describeOnEveryBackend('Lanczos', (backend) => {
  it('finds all of a small spectrum, none of it twice', async () => {
    const values = range(30).map((i) => (i - 7) / 4);
    const operator = withSpectrum(values, 8);
    const ritz = await ritzValues(operator, { steps: 30, random: randomOf(3) });
    await expectClose(
      ritz.map(({ value }) => value),
      values,
      { rtol: 3e-6, atol: 0 },
    );
    await expectClose([ritz.reduce((sum, { weight }) => sum + weight, 0)], [1], { rtol: 1e-6, atol: 0 });
    await expectClose(await eigenvalues(operator), values, { rtol: 3e-6, atol: 0 });
    operator.dispose();
  });

  // Hundreds of products with large operators, which are the same to Lanczos on every backend: not on webgpu.
  const itUnlessSlow = isSlow(backend) ? it.skip : it;

  itUnlessSlow('finds the ends of a large spectrum within its own bounds', async () => {
    const bulk = range(200).map((i) => Math.sin(i) / 2);
    const operator = withSpectrum([-3, ...bulk, 5, 9], 4);
    const { smallest, largest } = await extremalEigenvalues(operator, { steps: 20, random: randomOf(4) });
    await expectClose([smallest.value, largest.value], [-3, 9], { rtol: 3e-6, atol: 0 });
    expect(Math.max(smallest.errorBound, largest.errorBound)).toBeLessThan(1e-3);
    const early = await extremalEigenvalues(operator, { steps: 4, random: randomOf(4) });
    for (const { value, errorBound } of [early.smallest, early.largest]) {
      const distance = Math.min(...[-3, ...bulk, 5, 9].map((lambda) => Math.abs(lambda - value)));
      expect(errorBound).toBeGreaterThan(1e-3);
      expect(distance).toBeLessThanOrEqual(errorBound * (1 + 1e-5));
    }
    operator.dispose();
  });

  it('stops when the Krylov space is exhausted: low rank, the identity, zero', async () => {
    const random = randomOf(6);
    const rankTwo = tf.scoped(() =>
      lowRank(
        tf.tensor2d([
          [3, 0, 0, 0, 0, 0],
          [0, 0, 2, 0, 0, 0],
        ]),
      ),
    );
    const ritz = await ritzValues(rankTwo, { steps: 6, random });
    const distinct = ritz.filter(({ weight }) => weight > 1e-6).map(({ value }) => value);
    await expectClose(distinct, [0, 4, 9], { rtol: 1e-6, atol: 1e-6 });
    const identity = tf.scoped(() => diagonalOperator(tf.ones([50])));
    await expectClose(
      (await ritzValues(identity, { steps: 9, random })).map(({ value }) => value),
      [1],
      { rtol: 1e-6, atol: 0 },
    );
    const zero = scaled(
      tf.scoped(() => diagonalOperator(tf.ones([2, 3]))),
      0,
    );
    expect(await ritzValues(zero, { steps: 9, random })).toMatchObject([{ value: 0, errorBound: 0 }]);
    [rankTwo, identity, zero].forEach((operator) => operator.dispose());
  });

  itUnlessSlow('gives a spectral density with the moments of the operator', async () => {
    const values = [...range(60).map((i) => i / 60), ...range(40).map(() => 3)];
    const operator = withSpectrum(values, 2);
    const { nodes, weights, grid, density } = await spectralDensity(operator, {
      steps: 15,
      probes: 30,
      points: 400,
      random: randomOf(9),
    });
    const moment = (k: number): number => nodes.reduce((sum, node, i) => sum + weights[i]! * node ** k, 0);
    for (const k of [0, 1, 2, 3]) {
      const exact = values.reduce((sum, value) => sum + value ** k, 0) / values.length;
      expect(Math.abs(moment(k) - exact)).toBeLessThan(k === 0 ? 1e-6 : 0.08 * exact);
    }
    const spacing = grid[1]! - grid[0]!;
    const mass = (from: number): number => density.reduce((sum, d, i) => sum + (grid[i]! > from ? d * spacing : 0), 0);
    expect(mass(-Infinity)).toBeCloseTo(1, 2);
    expect(Math.abs(mass(2) - 0.4)).toBeLessThan(0.04);
    operator.dispose();
  });

  itUnlessSlow('knows the spectrum of a whole network, Hessian and GGN', async () => {
    const { whole, dense } = tf.scoped(() => {
      const { model, trace, gradients, loss, lossSaved } = passOf(smallNetwork);
      const whole = (['none', 'zero'] as const).map((secondOrder) =>
        networkCurvature(model, trace, gradients, lossHessian(loss, lossSaved), { secondOrder }),
      );
      model.dispose();
      return { whole, dense: whole.map((operator) => denseOperator(operator.toDense())) };
    });
    for (const [i, operator] of whole.entries()) {
      const exact = await eigenvalues(dense[i]!);
      const { smallest, largest } = await extremalEigenvalues(operator, { steps: 25, random: randomOf(12) });
      await expectClose([smallest.value, largest.value], [exact[0]!, exact.at(-1)!], { rtol: 1e-5, atol: 1e-6 });
      operator.dispose();
      dense[i]!.dispose();
    }
  });

  it('says what is wrong', async () => {
    const operator = tf.scoped(() => diagonalOperator(tf.tensor1d([1, NaN])));
    const random = randomOf(1);
    await expect(ritzValues(operator, { steps: 2, random })).rejects.toThrow(/numbers that are not finite/);
    await expect(ritzValues(operator, { steps: 0, random })).rejects.toThrow(/at least 1 step, not 0/);
    await expect(spectralDensity(operator, { steps: 2, probes: 0, random })).rejects.toThrow(/at least 1 probe/);
    operator.dispose();
  });
});

describeOnEveryBackend('estimators', () => {
  it('leave no tensors', async () => {
    await expectNoLeak(async () => {
      const operator = kronecker(withSpectrum([1, 2, 3], 1), withSpectrum([1, -1], 2));
      await hutchinsonTrace(operator, { samples: 4, random: randomOf(1) });
      await spectralDensity(operator, { steps: 6, probes: 2, random: randomOf(1) });
      await eigenvalues(operator);
      operator.dispose();
      const pass = tf.scoped(() => passOf(fc.sample(networkCases({ pictures: true }), { numRuns: 1, seed: 4 })[0]!));
      const { model, loss, input, target, trace, lossSaved, gradients } = pass;
      const diagonals = curvatureDiagonals(model, loss, input, target, { secondOrder: 'none' });
      tf.dispose([diagonals, input, target, trace, lossSaved, gradients] as unknown as tf.Tensor[]);
      model.dispose();
    });
  });
});

test('a principal submatrix has the entries of the chosen rows and columns, in their order', async () => {
  await useBackend('cpu');
  const entries = range(36).map((at) => Math.min(at % 6, Math.floor(at / 6)) + (at % 7 === 0 ? 10 : 0));
  const operator = denseOperator(tf.tensor2d(entries, [6, 6]), [2, 3]);
  const chosen = [5, 0, 3];
  const wanted = chosen.flatMap((row) => chosen.map((column) => entries[6 * row + column]!));
  const found = principalSubmatrix(operator, chosen);
  expect(found.shape).toEqual([3, 3]);
  expect(await numbersOf(found)).toEqual(wanted);
  expect(principalSubmatrix(operator, []).shape).toEqual([0, 0]);
  expect(() => principalSubmatrix(operator, [6])).toThrow(new ConfigError('no element 6 in vectors [2, 3]'));
});
