import type { KrylovSystem } from '../curvature/operator.js';
import * as tf from '../tf.js';

export interface CgOptions {
  /** Stop when ||r|| < max(tol ||b||, atol). */
  readonly tol: number;
  readonly atol: number;
  /** Stop when the number of iterations exceeds this, so at most maxiter + 1 run; null: no limit. */
  readonly maxiter: number | null;
}

/** How one system ended. */
export interface CgReport {
  readonly iterations: number;
  /** False: stopped by maxiter, or the residual is not a number. */
  readonly converged: boolean;
  readonly residualNorm: number;
  /** max(tol ||b||, atol) */
  readonly bound: number;
}

export interface CgResult {
  /** In the coordinates of the system, [B, n]; the caller disposes it. */
  readonly x: tf.Tensor;
  /** One entry for each of the B systems. */
  readonly reports: readonly CgReport[];
}

/** The vectors of B systems, [B, n], and the squared residual norms, [B, 1]. */
interface Iterate {
  readonly x: tf.Tensor;
  readonly r: tf.Tensor;
  readonly p: tf.Tensor;
  readonly rs: tf.Tensor;
}

/** Where one of the systems of a `KrylovSystem` stands. */
interface Course {
  /** max(tol ||b||, atol) */
  readonly bound: number;
  iterations: number;
  residualNorm: number;
  state: 'running' | 'converged' | 'exhausted';
}

/**
 * Conjugate gradients on many systems in lockstep, each from zero (or `start`) to its own stopping test.
 *
 * All arithmetic stays on the device; the host reads the residual norms of all systems at once, asynchronously, once an
 * iteration. A system that has stopped is left out, or frozen by a step length of 0 while others of its batch go on.
 * The test comes after the update of x and r, as in the published implementation. A zero right-hand side gives x = 0
 * after 0 iterations, and a residual of exactly zero counts as converged (the published code divides 0 by 0 in both).
 *
 * @param starts  start vectors in coordinates [B, n]; null or absent: zero
 */
export async function conjugateGradients(
  systems: readonly KrylovSystem[],
  { tol, atol, maxiter }: CgOptions,
  starts: readonly (tf.Tensor | null)[] = [],
): Promise<CgResult[]> {
  const iterates = systems.map((system, i) => kept(tf.scoped(() => begin(system, starts[i] ?? null))));
  const rhsNorms = await readNorms(systems.map((system) => () => dot(system, system.rhs, system.rhs)));
  const residualNorms = starts.some((start) => start)
    ? await readNorms(
        iterates.map(
          ({ rs }) =>
            () =>
              rs,
        ),
      )
    : rhsNorms;
  const courses = rhsNorms.map((norms, i) =>
    norms.map((norm, j): Course => {
      const residualNorm = residualNorms[i]![j]!;
      const bound = Math.max(Math.fround(tol * norm), atol);
      return { bound, iterations: 0, residualNorm, state: residualNorm === 0 ? 'converged' : 'running' };
    }),
  );
  const running = (i: number): boolean => courses[i]!.some(({ state }) => state === 'running');
  for (let active = [...systems.keys()].filter(running); active.length > 0; active = active.filter(running)) {
    for (const i of active) {
      const previous = iterates[i]!;
      iterates[i] = kept(tf.scoped(() => iterate(systems[i]!, previous, maskOf(courses[i]!))));
      tf.dispose({ ...previous });
    }
    const norms = await readNorms(active.map((i) => () => iterates[i]!.rs));
    active.forEach((i, k) => courses[i]!.forEach((course, j) => advance(course, norms[k]![j]!, maxiter)));
  }
  return iterates.map(({ x, ...rest }, i) => {
    tf.dispose(rest);
    const reports = courses[i]!.map(({ state, ...course }) => ({ ...course, converged: state === 'converged' }));
    return { x, reports };
  });
}

function begin(system: KrylovSystem, start: tf.Tensor | null): Iterate {
  const r = start ? tf.sub(system.rhs, system.apply(start)) : tf.clone(system.rhs);
  const x = start ? tf.clone(start) : tf.zerosLike(r);
  return { x, r, p: tf.clone(r), rs: dot(system, r, r) };
}

/** @param mask  1 for the systems that go on and 0 for the others, [B, 1]; null: all go on */
function iterate(system: KrylovSystem, { x, r, p, rs }: Iterate, mask: number[] | null): Iterate {
  const ap = system.apply(p);
  const length = tf.divNoNan(rs, dot(system, p, ap));
  const step = mask ? tf.mul(length, tf.tensor2d(mask, [mask.length, 1])) : length;
  const nextR = tf.sub(r, tf.mul(step, ap));
  const nextRs = dot(system, nextR, nextR);
  return {
    x: tf.add(x, tf.mul(step, p)),
    r: nextR,
    p: tf.add(nextR, tf.mul(tf.divNoNan(nextRs, rs), p)),
    rs: nextRs,
  };
}

function maskOf(courses: readonly Course[]): number[] | null {
  return courses.every(({ state }) => state === 'running')
    ? null
    : courses.map(({ state }) => (state === 'running' ? 1 : 0));
}

function advance(course: Course, residualNorm: number, maxiter: number | null): void {
  if (course.state !== 'running') return;
  course.iterations++;
  course.residualNorm = residualNorm;
  // A norm that is not a number meets no bound: without a limit on iterations it has to end here.
  if (course.bound > residualNorm || residualNorm === 0) course.state = 'converged';
  else if (Number.isNaN(residualNorm) || (maxiter !== null && course.iterations > maxiter)) course.state = 'exhausted';
}

/** Square roots of squared norms [B, 1] of several systems, in one read. */
async function readNorms(squares: readonly (() => tf.Tensor)[]): Promise<number[][]> {
  const parts = squares.map((square) => tf.scoped(() => tf.clone(square())));
  const all = parts.length > 1 ? tf.concat(parts, 0) : tf.clone(parts[0]!);
  const values = await all.data();
  let next = 0;
  const norms = parts.map(({ size }) => Array.from({ length: size }, () => Math.fround(Math.sqrt(values[next++]!))));
  tf.dispose([all, ...parts]);
  return norms;
}

/** <u, v> of each system, [B, 1]. */
function dot({ metric }: KrylovSystem, u: tf.Tensor, v: tf.Tensor): tf.Tensor {
  const product = tf.mul(u, v);
  return tf.sum(metric ? tf.mul(metric, product) : product, 1, true);
}

function kept(iterate: Iterate): Iterate {
  for (const tensor of Object.values(iterate) as tf.Tensor[]) tf.keep(tensor);
  return iterate;
}
