import { type KrylovSystem, plainSystem } from '../../src/engine/curvature/operator.js';
import { conjugateGradients } from '../../src/engine/optim/cg.js';
import * as tf from '../../src/engine/tf.js';
import { type Golden, type GoldenTensor, tensorOf } from '../support/golden.js';
import { type Comparison, norm } from './comparison.js';

interface Variant {
  tol: number;
  atol: number | null;
  maxiter: number | null;
  x0?: GoldenTensor | null;
  alpha?: number | null;
}
interface Solution {
  x: GoldenTensor | 'nan';
  iterations: number;
  info: number;
  converged: boolean;
  stop_bound: number;
  residual_norms?: GoldenTensor;
}
type CgGolden = Golden<{ A: GoldenTensor; b: GoldenTensor; variants: Variant[] }, { variants: Solution[] }>;

export async function runCg(golden: CgGolden, comparison: Comparison): Promise<void> {
  const { given, expected } = golden;
  comparison.onlyKeys('expected', expected, ['variants']);
  comparison.equal('number of variants', given.variants.length, expected.variants.length);
  for (const [k, variant] of given.variants.entries()) {
    const wanted = expected.variants[k]!;
    const what = `variant ${k}`;
    comparison.onlyKeys(`given ${what}`, variant, ['tol', 'atol', 'maxiter', 'x0', 'alpha']);
    comparison.onlyKeys(what, wanted, [
      ...['x', 'iterations', 'info', 'converged', 'stop_bound', 'residual_norms'],
      ...['stop_margin', 'iterations_float32', 'residual_norms_float32_error_over_rhs_norm'],
    ]);
    const countsDiffer = golden.float32.integer_mismatches.some(({ path }) => path.startsWith(`/variants/${k}/`));
    await runVariant(what, given, variant, wanted, countsDiffer, comparison);
  }
}

async function runVariant(
  what: string,
  { A, b }: CgGolden['given'],
  variant: Variant,
  expected: Solution,
  countsDiffer: boolean,
  comparison: Comparison,
): Promise<void> {
  const { report, x } = await solve(A, b, variant);
  if (expected.x === 'nan') {
    comparison.equal(`${what}: x is finite`, x.every(Number.isFinite), true);
    if (report.converged) {
      const zeros = b.data.map(() => 0);
      await comparison.close(`${what}: residual`, residual(A, b, variant.alpha ?? 0, x), zeros, norm(b.data));
    }
    comparison.notes.push(`${what}: NaN in the reference, here ${report.stop} after ${report.iterations} iterations`);
    return;
  }
  comparison.equal(`${what}: converged`, report.converged, expected.converged);
  await comparison.close(`${what}: bound`, report.bound, expected.stop_bound);
  await comparison.close(`${what}: x`, x, expected.x);
  if (countsDiffer) {
    // The reference itself counts differently in float32: all that holds is the promise of the stopping rule.
    const meets = norm(residual(A, b, variant.alpha ?? 0, x)) <= report.bound * (1 + comparison.tolerance.rtol);
    comparison.equal(`${what}: the residual meets the bound`, meets, expected.converged);
    comparison.notes.push(`${what}: ${report.iterations} iterations, in float64 ${expected.iterations}`);
    return;
  }
  comparison.equal(`${what}: iterations`, report.iterations, expected.iterations);
  comparison.equal(`${what}: info`, report.converged ? report.iterations : 0, expected.info);
  for (const [i, wanted] of (expected.residual_norms?.data ?? []).entries()) {
    // The residual after iteration i + 1 is where the same system ends if that many iterations are allowed.
    const { report: early } = await solve(A, b, { ...variant, tol: 0, atol: 0, maxiter: i });
    await comparison.close(`${what}: residual norm ${i}`, early.residualNorm, wanted, norm(b.data));
  }
}

async function solve(A: GoldenTensor, b: GoldenTensor, { tol, atol, maxiter, x0, alpha }: Variant) {
  const system = tf.scoped(() => denseSystem(A, b, alpha ?? 0));
  const start = x0 ? tf.reshape(tensorOf(x0), [1, -1]) : null;
  // The reference does not look at the curvature, so its numbers for indefinite systems are those of going on.
  const options = { tol, atol: atol ?? 0, maxiter, onNonPositiveCurvature: 'continue' } as const;
  const [result] = await conjugateGradients([system], options, [start]);
  const x = Array.from(await result!.x.data());
  result!.x.dispose();
  system.dispose();
  return { report: result!.reports[0]!, x };
}

export function denseSystem(A: GoldenTensor, b: GoldenTensor, alpha: number): KrylovSystem {
  const matrix = tf.keep(tensorOf(A));
  const system = plainSystem((v) => tf.reshape(tf.matMul(matrix, tf.reshape(v, [-1, 1])), [-1]), tensorOf(b), alpha);
  return { ...system, dispose: () => (system.dispose(), matrix.dispose()) };
}

/** b - (alpha I + (1 - alpha) A) x in float64. */
function residual(A: GoldenTensor, b: GoldenTensor, alpha: number, x: readonly number[]): number[] {
  const n = x.length;
  return b.data.map((right, i) => {
    const product = x.reduce((sum, xj, j) => sum + A.data[i * n + j]! * xj, 0);
    return right - alpha * x[i]! - (1 - alpha) * product;
  });
}
