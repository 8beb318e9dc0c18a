import { jest } from '@jest/globals';
import { useBackend } from '../../src/engine/backend/index.js';
import { hessianBackpropagation } from '../../src/engine/curvature/hbp/index.js';
import { type KrylovSystem, plainSystem } from '../../src/engine/curvature/operator.js';
import { backpropagate } from '../../src/engine/nn/backward.js';
import { CrossEntropy } from '../../src/engine/nn/cross-entropy.js';
import { mlp } from '../../src/engine/nn/models.js';
import { conjugateGradients } from '../../src/engine/optim/cg.js';
import * as tf from '../../src/engine/tf.js';
import { denseSystem } from '../golden-runner/cg.js';
import { describeOnEveryBackend, expectNoLeak, inScope, numbersOf, testBackends } from '../support/backends.js';
import { expectClose, type GoldenTensor, readGolden } from '../support/golden.js';

const options = { tol: 1e-3, atol: 0, maxiter: 20 };

/** diag(d_j) x_j = b_j, side by side. */
function diagonalSystem(diagonals: number[][], rhs: number[][]): KrylovSystem {
  const [d, b] = [tf.keep(tf.tensor2d(diagonals)), tf.keep(tf.tensor2d(rhs))];
  return { rhs: b, apply: (p) => tf.mul(d, p), lift: (x) => x, dispose: () => tf.dispose([d, b]) };
}

describeOnEveryBackend('many systems at once', () => {
  it('gives each the iterates that it has alone, and leaves no tensors', async () => {
    const { A, b } = readGolden<{ A: GoldenTensor; b: GoldenTensor }, unknown>('cg_spd8').given;
    const matrices = [A, { ...A, data: A.data.map((a, i) => (i % 9 ? 0 : a)) }];
    await expectNoLeak(async () => {
      const systems = matrices.map((a) => tf.scoped(() => denseSystem(a, b, 0.01)));
      const together = await conjugateGradients(systems, options);
      for (const [i, system] of systems.entries()) {
        const [alone] = await conjugateGradients([system], options);
        expect(together[i]!.reports).toEqual(alone!.reports);
        expect(Array.from(await together[i]!.x.data())).toEqual(Array.from(await alone!.x.data()));
        tf.dispose([alone!.x, together[i]!.x]);
        system.dispose();
      }
      expect(together[0]!.reports[0]!.iterations).not.toBe(together[1]!.reports[0]!.iterations);
    });
  });
});

describeOnEveryBackend('why conjugate gradients stop', () => {
  // For diag(2, -1), b = (2, 1): the first direction is b itself with b^T A b = 7, x = 5/7 b; the second has -11.8.
  const indefinite = (): KrylovSystem => diagonalSystem([[2, -1]], [[2, 1]]);

  it('takes no step along a direction of negative curvature', async () => {
    await expectNoLeak(async () => {
      const system = indefinite();
      const [result] = await conjugateGradients([system], options);
      expect(result!.reports).toMatchObject([{ stop: 'non-positive-curvature', converged: false, iterations: 1 }]);
      await expectClose([result!.reports[0]!.residualNorm], [Math.sqrt(180 / 49)], { rtol: 1e-6, atol: 0 });
      await expectClose(result!.x, [10 / 7, 5 / 7], { rtol: 1e-6, atol: 0 });
      result!.x.dispose();
      system.dispose();
    });
  });

  it('keeps the start if the first direction has no positive curvature', async () => {
    const system = diagonalSystem([[1, -1]], [[1, 1]]);
    const [fromZero] = await conjugateGradients([system], options);
    expect(fromZero!.reports).toMatchObject([{ stop: 'non-positive-curvature', iterations: 0 }]);
    expect(await numbersOf(fromZero!.x)).toEqual([0, 0]);
    const start = tf.tensor2d([[1, 1]]); // r = (0, 2), r^T A r = -4
    const [fromStart] = await conjugateGradients([system], options, [start]);
    expect(fromStart!.reports).toMatchObject([{ stop: 'non-positive-curvature', iterations: 0, residualNorm: 2 }]);
    expect(await numbersOf(fromStart!.x)).toEqual([1, 1]);
    tf.dispose([fromZero!.x, fromStart!.x, start]);
    system.dispose();
  });

  it('goes on through negative curvature if told to', async () => {
    const system = indefinite();
    const [result] = await conjugateGradients([system], { ...options, onNonPositiveCurvature: 'continue' });
    expect(result!.reports).toMatchObject([{ stop: 'converged', iterations: 2 }]);
    await expectClose(result!.x, [1, -1], { rtol: 1e-5, atol: 0 });
    result!.x.dispose();
    system.dispose();
  });

  it('ends one system of several without harm to the others', async () => {
    await expectNoLeak(async () => {
      const system = diagonalSystem(
        [
          [1, 3],
          [2, -1],
          [NaN, 1],
          [1, 1],
          [1, 1],
        ],
        [
          [1, 3],
          [2, 1],
          [1, 1],
          [3e38, 3e38],
          [0, 0],
        ],
      );
      const [result] = await conjugateGradients([system], options);
      const [good, negative, none, overflow, zero] = result!.reports;
      expect(good).toMatchObject({ stop: 'converged', iterations: 2 });
      expect(negative).toMatchObject({ stop: 'non-positive-curvature', iterations: 1 });
      expect(none).toMatchObject({ stop: 'breakdown', iterations: 0, converged: false });
      expect(overflow).toMatchObject({ stop: 'breakdown', iterations: 0, residualNorm: Infinity });
      expect(zero).toMatchObject({ stop: 'converged', iterations: 0, residualNorm: 0 });
      const expected = [1, 1, 10 / 7, 5 / 7, 0, 0, 0, 0, 0, 0];
      await expectClose(result!.x, expected, { rtol: 1e-5, atol: 0 });
      result!.x.dispose();
      system.dispose();
    });
  });

  it('returns the last good iterate when a product breaks down', async () => {
    const golden = readGolden<{ A: GoldenTensor; b: GoldenTensor }, unknown>('cg_spd8').given;
    const healthy = tf.scoped(() => denseSystem(golden.A, golden.b, 0));
    let products = 0;
    const failing = { ...healthy, apply: (p: tf.Tensor) => tf.mul(++products > 2 ? NaN : 1, healthy.apply(p)) };
    const [broken] = await conjugateGradients([failing], { ...options, tol: 0 });
    const [twoSteps] = await conjugateGradients([healthy], { ...options, tol: 0, maxiter: 1 });
    expect(twoSteps!.reports).toMatchObject([{ stop: 'maxiter', iterations: 2 }]);
    expect(broken!.reports).toEqual([{ ...twoSteps!.reports[0]!, stop: 'breakdown' }]);
    expect(await numbersOf(broken!.x)).toEqual(await numbersOf(twoSteps!.x));
    tf.dispose([broken!.x, twoSteps!.x]);
    healthy.dispose();
  });

  it('ends without a limit on iterations, too', async () => {
    // A product that is not linear never lets the residual vanish.
    const noise = (p: tf.Tensor): tf.Tensor => tf.add(p, tf.mul(0.5, tf.reverse(tf.abs(p), 1)));
    const system = tf.scoped(() =>
      plainSystem((v) => tf.reshape(noise(tf.reshape(v, [1, -1])), [-1]), tf.tensor1d([1, -2, 3]), 0),
    );
    const [result] = await conjugateGradients([system], { tol: 0, atol: 0, maxiter: null });
    const { stop, iterations } = result!.reports[0]!;
    expect({ stop, iterations }).toEqual({ stop: 'maxiter', iterations: 31 });
    result!.x.dispose();
    system.dispose();
  });
});

// The other backends have no kernel for all iterations.
const onNative = testBackends.includes('native') ? describe : describe.skip;

onNative('systems in a chain of matrices', () => {
  const backend = 'native';
  beforeAll(() => useBackend(backend));
  const kernel = 'HbpChainCg';
  const loss = new CrossEntropy();
  const solve = { tol: 0.05, atol: 0, maxiter: 12 };
  const stopping = ['stop'] as const;
  const both = ['stop', 'continue'] as const;
  let state = 3;
  const random = { uniform: () => (state = (state * 16_807) % 2_147_483_647) / 2_147_483_647 };

  /** In JavaScript, an iteration at a time. */
  async function withoutKernel<T>(body: () => Promise<T>): Promise<T> {
    const config = tf.getKernel(kernel, backend);
    tf.unregisterKernel(kernel, backend);
    try {
      return await body();
    } finally {
      tf.registerKernel(config);
    }
  }

  const cases = (['sigmoid', 'tanh', 'relu'] as const).flatMap((activation) =>
    (['zero', 'abs', 'clip', 'none'] as const).map((secondOrder) => ({ activation, secondOrder })),
  );

  it.each(cases)('$activation, $secondOrder: end as they do one iteration at a time', async (each) => {
    const { activation, secondOrder } = each;
    const ends = new Set<string>();
    await expectNoLeak(() =>
      inScope(async () => {
        const model = mlp({ input: 40, hidden: [70, 33, 17], output: 10 }, activation, random);
        const [input, target] = [tf.randomNormal([20, 40], 0, 1, 'float32', 5), tf.range(0, 20, 1, 'int32')];
        const trace = model.forward(input);
        const { saved } = loss.forward(trace.output, tf.mod(target, tf.scalar(10, 'int32')));
        const gradients = backpropagate(model, trace, loss.gradient(saved));
        for (const blocks of [1, 2, 3, 16]) {
          const curvature = hessianBackpropagation(model, trace, gradients, loss.averagedHessian(saved), {
            secondOrder,
            blocks,
          });
          const systems = model.parameters.map(({ path }) =>
            tf.scoped(() => curvature[path]!.dampedSystem(gradients.parameters[path]!, 0.02, -1)),
          );
          // Going on through negative curvature, a step may divide by almost nothing: rounding decides.
          for (const onNonPositiveCurvature of secondOrder === 'none' ? stopping : both) {
            const options = { ...solve, onNonPositiveCurvature };
            const starts = systems.map(({ rhs }, i) => (i % 3 === 0 ? tf.mul(0.1, rhs) : null));
            const ran = jest.spyOn(tf.engine(), 'runKernel');
            const fused = await conjugateGradients(systems, options, starts);
            const calls = ran.mock.calls.map(([name]) => name);
            ran.mockRestore();
            expect(calls.filter((name) => name === kernel)).toHaveLength(1);
            expect(calls).not.toContain('HbpCgTurn');
            const composed = await withoutKernel(() => conjugateGradients(systems, options, starts));
            for (const [i, { x, reports }] of fused.entries()) {
              const { path } = model.parameters[i]!;
              const where = `${path}, ${blocks} blocks, ${onNonPositiveCurvature}`;
              const [got, want] = [reports, composed[i]!.reports].map((all) =>
                all.map(({ iterations, stop, bound }) => ({ iterations, stop, bound, where })),
              );
              expect(got).toEqual(want);
              await expectClose(x, composed[i]!.x, { rtol: 1e-3, atol: 1e-5 }, where);
              reports.forEach(({ stop }) => ends.add(stop));
            }
            tf.dispose([...fused, ...composed].map(({ x }) => x));
          }
          systems.forEach((system) => system.dispose());
          Object.values(curvature).forEach((operator) => operator.dispose());
        }
        model.dispose();
      }),
    );
    expect(ends).toContain(secondOrder === 'none' && activation !== 'relu' ? 'non-positive-curvature' : 'converged');
  });
});
