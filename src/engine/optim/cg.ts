import type { KrylovSystem } from '../curvature/operator.js';
import * as tf from '../tf.js';

/** When conjugate gradients stop. */
export interface CgOptions {
  /** Stop when ||r|| < max(tol ||b||, atol). */
  readonly tol: number;
  readonly atol: number;
  /** Stop when the number of iterations exceeds this, so at most maxiter + 1 run; null: 10 n for n coordinates. */
  readonly maxiter: number | null;
  /**
   * What to do about a search direction with p^T A p <= 0. `stop`, the default: the step along it is not taken, x stays
   * the iterate before it (the start vector if it is the first direction). Along such a direction the model
   * x^T A x / 2 - b^T x has no minimum, so any step length is arbitrary. `continue`: go on with the formulas, as the
   * published implementation does, which does not look.
   */
  readonly onNonPositiveCurvature?: 'stop' | 'continue';
}

/** Why a system ended; `breakdown`: a number overflowed or was none (NaN), x is the last good iterate. */
export type CgStop = 'converged' | 'maxiter' | 'non-positive-curvature' | 'breakdown';

/** How one system ended. */
export interface CgReport {
  /** Updates of x, not counting one that was taken back. */
  readonly iterations: number;
  readonly stop: CgStop;
  /** `stop` is 'converged' */
  readonly converged: boolean;
  /** Of the residual that the recursion updates, after the last iteration counted. */
  readonly residualNorm: number;
  /** max(tol ||b||, atol) */
  readonly bound: number;
}

/** The solutions of a `KrylovSystem`. */
export interface CgResult {
  /** In the coordinates of the system, [B, n]; the caller disposes it. */
  readonly x: tf.Tensor;
  /** One entry for each of the B systems. */
  readonly reports: readonly CgReport[];
}

/** The vectors of B systems, [B, n], and their inner products, [B, 1]. */
interface Iterate {
  readonly x: tf.Tensor;
  readonly r: tf.Tensor;
  readonly p: tf.Tensor;
  /** <r, r> */
  readonly rs: tf.Tensor;
  /** <p, A p> of the direction that led here. */
  readonly curvature: tf.Tensor;
}

/** Where one of the systems of a `KrylovSystem` stands. */
interface Course {
  /** max(tol ||b||, atol) */
  readonly bound: number;
  iterations: number;
  residualNorm: number;
  stop: CgStop | null;
}

/** An x to be put back in the end, in the `rows` (one flag a system) whose last update was taken back. */
interface TakenBack {
  readonly rows: boolean[];
  readonly x: tf.Tensor;
}

/**
 * Conjugate gradients on many systems in lockstep, each from zero (or `start`) to its own stopping test.
 *
 * All arithmetic stays on the device; the host reads the residual norms and curvatures of all systems at once,
 * asynchronously, once an iteration. A system that has stopped is left out, or frozen by a step length of 0 while others
 * of its batch go on. The test comes after the update of x and r, as in the published implementation. A zero right-hand
 * side gives x = 0 after 0 iterations, and a residual of exactly zero counts as converged (the published code divides 0
 * by 0 in both). It always ends: without `maxiter` after 10 n iterations, the limit that SciPy sets too.
 *
 * @param starts  start vectors in coordinates [B, n]; null or absent: zero
 */
export async function conjugateGradients(
  systems: readonly KrylovSystem[],
  { tol, atol, maxiter, onNonPositiveCurvature = 'stop' }: CgOptions,
  starts: readonly (tf.Tensor | null)[] = [],
): Promise<CgResult[]> {
  const iterates = systems.map((system, i) => kept(tf.scoped(() => begin(system, starts[i] ?? null))));
  const rhsNorms = await readNorms(systems.map((system) => tf.scoped(() => dot(system, system.rhs, system.rhs))));
  const residualNorms = starts.some((start) => start)
    ? await readNorms(iterates.map(({ rs }) => tf.view(rs)))
    : rhsNorms;
  const courses = rhsNorms.map((norms, i) =>
    norms.map((norm, j) => depart(Math.max(Math.fround(tol * norm), atol), residualNorms[i]![j]!)),
  );
  const limits = systems.map(({ rhs }) => maxiter ?? 10 * (rhs.shape[1] ?? 0));
  const takenBack = systems.map((): TakenBack[] => []);
  const running = (i: number): boolean => courses[i]!.some(({ stop }) => stop === null);
  for (let active = [...systems.keys()].filter(running); active.length > 0; active = active.filter(running)) {
    const previous = active.map((i) => iterates[i]!);
    active.forEach((i, k) => {
      iterates[i] = kept(tf.scoped(() => iterate(systems[i]!, previous[k]!, maskOf(courses[i]!))));
    });
    const ends = await read(active.flatMap((i) => [tf.view(iterates[i]!.rs), tf.view(iterates[i]!.curvature)]));
    active.forEach((i, k) => {
      const [norms, curvatures] = [roots(ends[2 * k]!), ends[2 * k + 1]!];
      const rows = courses[i]!.map((course, j) =>
        advance(course, norms[j]!, curvatures[j]!, limits[i]!, onNonPositiveCurvature),
      );
      const { x, ...rest } = previous[k]!;
      if (rows.includes(true)) takenBack[i]!.push({ rows, x });
      else x.dispose();
      tf.dispose(rest);
    });
  }
  return iterates.map(({ x, ...rest }, i) => {
    tf.dispose(rest);
    return { x: restored(x, takenBack[i]!), reports: courses[i]!.map(reportOf) };
  });
}

function begin(system: KrylovSystem, start: tf.Tensor | null): Iterate {
  const r = start ? tf.sub(system.rhs, system.apply(start)) : tf.view(system.rhs);
  const x = start ? tf.view(start) : tf.zerosLike(r);
  const rs = dot(system, r, r);
  return { x, r, p: tf.view(r), rs, curvature: tf.view(rs) };
}

/** @param mask  1 for the systems that go on and 0 for the others, [B, 1]; null: all go on */
function iterate(system: KrylovSystem, { x, r, p, rs }: Iterate, mask: number[] | null): Iterate {
  const ap = system.apply(p);
  const curvature = dot(system, p, ap);
  const length = tf.divNoNan(rs, curvature);
  const step = mask ? tf.mul(length, tf.tensor2d(mask, [mask.length, 1])) : length;
  const nextR = tf.sub(r, tf.mul(step, ap));
  const nextRs = dot(system, nextR, nextR);
  return {
    x: tf.add(x, tf.mul(step, p)),
    r: nextR,
    p: tf.add(nextR, tf.mul(tf.divNoNan(nextRs, rs), p)),
    rs: nextRs,
    curvature,
  };
}

function maskOf(courses: readonly Course[]): number[] | null {
  return courses.every(({ stop }) => stop === null) ? null : courses.map(({ stop }) => (stop === null ? 1 : 0));
}

function depart(bound: number, residualNorm: number): Course {
  const stop = residualNorm === 0 ? 'converged' : Number.isFinite(residualNorm) ? null : 'breakdown';
  return { bound, iterations: 0, residualNorm, stop };
}

/** Take note of an iteration; true if its update has to be taken back. */
function advance(
  course: Course,
  residualNorm: number,
  curvature: number,
  limit: number,
  onNonPositiveCurvature: 'stop' | 'continue',
): boolean {
  if (course.stop !== null) return false;
  if (!Number.isFinite(curvature) || !Number.isFinite(residualNorm)) course.stop = 'breakdown';
  else if (curvature <= 0 && onNonPositiveCurvature === 'stop') course.stop = 'non-positive-curvature';
  if (course.stop !== null) return true;
  course.iterations++;
  course.residualNorm = residualNorm;
  if (course.bound > residualNorm || residualNorm === 0) course.stop = 'converged';
  else if (course.iterations > limit) course.stop = 'maxiter';
  return false;
}

function reportOf({ stop, ...course }: Course): CgReport {
  return { ...course, stop: stop!, converged: stop === 'converged' };
}

/** The values of several small tensors, in one read from the device; takes them over. */
async function read(parts: readonly tf.Tensor[]): Promise<number[][]> {
  const all = parts.length > 1 ? tf.concat([...parts], 0) : tf.view(parts[0]!);
  const values = await all.data();
  let next = 0;
  const lists = parts.map(({ size }) => Array.from(values.slice(next, (next += size))));
  tf.dispose([all, ...parts]);
  return lists;
}

async function readNorms(squares: readonly tf.Tensor[]): Promise<number[][]> {
  return (await read(squares)).map(roots);
}

function roots(squares: readonly number[]): number[] {
  return squares.map((square) => Math.fround(Math.sqrt(square)));
}

/** `x` with the rows of updates that were taken back as they were before; takes over all of its tensors. */
function restored(x: tf.Tensor, takenBack: readonly TakenBack[]): tf.Tensor {
  if (takenBack.length === 0) return x;
  const result = tf.scoped(() =>
    takenBack.reduce(
      (current, { rows, x: before }) => tf.where(tf.tensor2d(rows, [rows.length, 1], 'bool'), before, current),
      x,
    ),
  );
  tf.dispose([x, ...takenBack.map(({ x: before }) => before)]);
  return result;
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
