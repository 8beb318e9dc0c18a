import { plainSystem, type KrylovSystem } from '../../src/engine/curvature/operator.js';
import { conjugateGradients } from '../../src/engine/optim/cg.js';
import * as tf from '../../src/engine/tf.js';
import { describeOnEveryBackend, expectNoLeak } from '../support/backends.js';
import { expectClose, goldenNames, type GoldenTensor, readGolden, tensorOf, toleranceOf } from '../support/golden.js';

interface Given {
  A: GoldenTensor;
  b: GoldenTensor;
  variants: { tol: number; atol: number | null; maxiter: number | null; x0?: GoldenTensor; alpha?: number }[];
}
interface Expected {
  variants: {
    x: GoldenTensor | 'nan';
    iterations: number;
    converged: boolean;
    stop_bound: number;
    residual_norms?: GoldenTensor;
    stop_margin: number;
  }[];
}

function denseSystem(a: GoldenTensor, b: GoldenTensor, alpha: number): KrylovSystem {
  const matrix = tf.keep(tensorOf(a));
  const system = plainSystem((v) => tf.reshape(tf.matMul(matrix, tf.reshape(v, [-1, 1])), [-1]), tensorOf(b), alpha);
  return { ...system, dispose: () => (system.dispose(), matrix.dispose()) };
}

const cases = goldenNames('cg_').flatMap((name) =>
  readGolden<Given, Expected>(name).given.variants.map((_, k) => [name, k] as const),
);

describeOnEveryBackend('conjugate gradients against golden numbers', () => {
  it.each(cases)('%s, variant %i', async (name, k) => {
    const golden = readGolden<Given, Expected>(name);
    const { tol, atol, maxiter, x0, alpha } = golden.given.variants[k]!;
    const expected = golden.expected.variants[k]!;
    const system = tf.scoped(() => denseSystem(golden.given.A, golden.given.b, alpha ?? 0));
    const start = x0 ? tf.reshape(tensorOf(x0), [1, -1]) : null;
    const [result] = await conjugateGradients([system], { tol, atol: atol ?? 0, maxiter }, [start]);
    const [report] = result!.reports;
    const values = Array.from(await result!.x.data());
    if (name === 'cg_zero_rhs') {
      // The reference divides zero by zero; the solution of A x = 0 is zero, found without an iteration.
      expect(report).toMatchObject({ iterations: 0, converged: true });
      expect(values.every((value) => value === 0)).toBe(true);
    } else if (expected.x === 'nan') {
      // An exact hit with a zero bound: the reference goes on to NaN, we stop with the solution.
      expect(report).toMatchObject({ iterations: 1, converged: true, residualNorm: 0 });
      expectClose(values, golden.expected.variants[0]!.x as GoldenTensor, toleranceOf(golden));
    } else if (golden.float32.integer_mismatches.some(({ path }) => path.startsWith(`/variants/${k}/`))) {
      // The reference itself counts differently in float32 here: only the promise of the stopping rule holds.
      expect(report!.converged ? report!.residualNorm < report!.bound : report!.iterations === maxiter! + 1).toBe(true);
    } else {
      expect(report).toMatchObject({ iterations: expected.iterations, converged: expected.converged });
      expectClose([report!.bound], [expected.stop_bound], { rtol: 1e-5, atol: 0 }, 'bound');
      expectClose(values, expected.x, toleranceOf(golden), 'x');
    }
    tf.dispose([result!.x, ...(start ? [start] : [])]);
    system.dispose();
  });
});

describeOnEveryBackend('many systems at once', () => {
  it('gives each the iterates that it has alone, and leaves no tensors', async () => {
    const golden = readGolden<Given, Expected>('cg_spd8');
    const matrices = [golden.given.A, { ...golden.given.A, data: golden.given.A.data.map((a, i) => (i % 9 ? 0 : a)) }];
    const options = { tol: 1e-3, atol: 0, maxiter: 20 };
    await expectNoLeak(async () => {
      const systems = matrices.map((a) => tf.scoped(() => denseSystem(a, golden.given.b, 0.01)));
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
