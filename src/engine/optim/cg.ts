import type { KrylovSystem, Passage, SharedProduct } from '../curvature/operator.js';
import * as tf from '../tf.js';
import { type CgState, type CgStop, departure, descend, dot, type Iterate, standings, turn } from './cg-iteration.js';
import { solveInChains } from './cg-in-chain.js';
import { OrthogonalResiduals } from './orthogonal-residuals.js';

export type { CgStop } from './cg-iteration.js';

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
  /**
   * Make every residual orthogonal to all before it. In exact arithmetic it is; float32 loses it after some fifteen
   * iterations on ill-conditioned systems, and then takes up to twice as many. The iterates are then those of exact
   * arithmetic, not those of plain float32. False if absent.
   */
  readonly reorthogonalize?: boolean;
  /**
   * Iterations between looks at the stopping flags; 1 if absent. Systems that have stopped are frozen on the device, so
   * results are the same: with more, a GPU is asked less often, and iterations past the last stop are in vain.
   */
  readonly checkEvery?: number;
}

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

/** A system on its way. */
interface Course {
  readonly system: KrylovSystem;
  readonly limit: number;
  readonly residuals: OrthogonalResiduals | null;
  iterate: Iterate;
  /** Whether some of its B systems still ran at the last look. */
  running: boolean;
}

/**
 * Conjugate gradients on many systems in lockstep, each from zero (or `start`) to its own stopping test.
 *
 * All arithmetic stays on the device; the host reads where all systems stand at once, asynchronously, every `checkEvery`
 * iterations. Products that systems share go through in one pass. A system that has stopped is left out, or frozen while
 * others of its batch go on. The test comes after the update of x and r, as in the published implementation. A zero
 * right-hand side gives x = 0 after 0 iterations, and a residual of exactly zero counts as converged (the published code
 * divides 0 by 0 in both). It always ends: without `maxiter` after 10 n iterations, the limit that SciPy sets too.
 *
 * @param starts  start vectors in coordinates [B, n]; null or absent: zero
 */
export async function conjugateGradients(
  systems: readonly KrylovSystem[],
  options: CgOptions,
  starts: readonly (tf.Tensor | null)[] = [],
): Promise<CgResult[]> {
  const { onNonPositiveCurvature = 'stop', checkEvery = 1 } = options;
  const stopOnNonPositive = onNonPositiveCurvature === 'stop';
  const courses = depart(systems, options, starts);
  solveAtOnce(courses, stopOnNonPositive);
  let active = courses.filter(({ running }) => running);
  while (active.length > 0) {
    await look(active);
    active = active.filter(({ running }) => running);
    for (let k = 0; k < checkEvery && active.length > 0; k++) iterate(active, stopOnNonPositive);
  }
  const ends = await read(courses.map(({ iterate }) => iterate.state));
  return courses.map(({ iterate: { x, ...rest }, residuals }, i) => {
    tf.dispose(tensorsOf(rest));
    residuals?.dispose();
    return {
      x,
      reports: standings(ends[i]!).map(({ stop, ...standing }) => ({
        ...standing,
        stop: stop!,
        converged: stop === 'converged',
      })),
    };
  });
}

function depart(
  systems: readonly KrylovSystem[],
  { tol, atol, maxiter, reorthogonalize = false }: CgOptions,
  starts: readonly (tf.Tensor | null)[],
): Course[] {
  if (systems.length === 0) return [];
  return tf.scoped(() => {
    const beginnings = systems.map((system, i) => beginningOf(system, starts[i] ?? null));
    // The numbers of all systems at once: they are as many small operations as those of one.
    const joined = (of: (beginning: Beginning) => tf.Tensor): tf.Tensor => tf.concat(beginnings.map(of), 0);
    const states = tf.split(
      departure(
        joined(({ square }) => square),
        joined(({ rhsSquare }) => rhsSquare),
        joined(({ known }) => known),
        { tol, atol },
      ),
      systems.map(({ rhs }) => rhs.shape[0]),
      0,
    );
    return systems.map((system, i) => {
      const { x, r, dualR, square } = beginnings[i]!;
      const residuals = reorthogonalize ? new OrthogonalResiduals(system) : null;
      residuals?.push(r, dualR ?? residuals.dualOf(r), square);
      const iterate = kept({ x, r, p: tf.view(r), dualP: dualR && tf.view(dualR), state: states[i]! });
      return { system, limit: maxiter ?? 10 * (system.rhs.shape[1] ?? 0), residuals, iterate, running: true };
    });
  });
}

/** The vectors at a start, and their inner products [B, 1]. */
interface Beginning {
  readonly x: tf.Tensor;
  readonly r: tf.Tensor;
  readonly dualR: tf.Tensor | undefined;
  /** <r, r> */
  readonly square: tf.Tensor;
  /** <b, b> */
  readonly rhsSquare: tf.Tensor;
  /** The same as it should be. */
  readonly known: tf.Tensor;
}

function beginningOf(system: KrylovSystem, start: tf.Tensor | null): Beginning {
  const { rhs, metric, dual } = system;
  const r = start ? tf.sub(rhs, system.apply(start, dual?.(start))) : tf.view(rhs);
  const dualR = dual?.(r);
  const square = dot(r, dualR ?? r, metric);
  const rhsSquare = start ? dot(rhs, dual?.(rhs) ?? rhs, metric) : square;
  return {
    x: start ? tf.view(start) : tf.zerosLike(r),
    r,
    dualR,
    square,
    rhsSquare,
    known: system.rhsSquare ?? rhsSquare,
  };
}

/** Take those to their ends that the backend solves in one call. */
function solveAtOnce(courses: readonly Course[], stopOnNonPositive: boolean): void {
  const plain = courses.filter(({ residuals }) => !residuals);
  const ends = tf.scoped(() => solveInChains(plain, stopOnNonPositive).map((end) => end && kept(end)));
  plain.forEach((course, i) => {
    const end = ends[i];
    if (!end) return;
    tf.dispose(tensorsOf(course.iterate));
    course.iterate = end;
    course.running = false;
  });
}

/** One iteration of each. */
function iterate(courses: readonly Course[], stopOnNonPositive: boolean): void {
  const before = courses.map((course) => course.iterate);
  tf.scoped(() => {
    const products = productsOf(courses);
    courses.forEach((course, i) => {
      course.iterate = tf.scoped(() => advance(course, products[i]!, stopOnNonPositive));
      products[i]!.dispose();
    });
  });
  before.forEach((iterate) => tf.dispose(tensorsOf(iterate)));
}

function advance({ system, iterate, residuals, limit }: Course, ap: tf.Tensor, stopOnNonPositive: boolean): Iterate {
  const { metric, dual } = system;
  const next = descend(iterate, ap, metric, stopOnNonPositive);
  const r = residuals ? residuals.project(next.r) : next.r;
  const dualR = dual?.(r);
  const turned = turn(iterate, { r, state: next.state }, dualR, metric, limit);
  residuals?.push(r, dualR ?? residuals.dualOf(r), tf.slice(turned.state, [0, 0], [-1, 1]));
  return kept(turned);
}

/** A p of each system; those that share a product send their directions through it together. */
function productsOf(courses: readonly Course[]): tf.Tensor[] {
  const products: tf.Tensor[] = [];
  const together = new Map<SharedProduct, number[]>();
  courses.forEach(({ system, iterate: { p, dualP } }, i) => {
    const { passage } = system;
    if (!passage) products[i] = tf.scoped(() => system.apply(p, dualP));
    else together.set(passage.product, [...(together.get(passage.product) ?? []), i]);
  });
  for (const [product, members] of together) {
    const passages = members.map((i) => courses[i]!.system.passage as Passage);
    const curved = tf.scoped(() =>
      product.multiply(
        members.map((i, k) => {
          const { p, dualP } = courses[i]!.iterate;
          return { at: passages[k]!.at, tangents: passages[k]!.enter(p, dualP) };
        }),
      ),
    );
    members.forEach((i, k) => {
      products[i] = tf.scoped(() => passages[k]!.leave(curved[k]!, courses[i]!.iterate.p));
      curved[k]!.dispose();
    });
  }
  return products;
}

/** Read from the device which systems still run. */
async function look(courses: readonly Course[]): Promise<void> {
  const states = await read(courses.map(({ iterate }) => iterate.state));
  courses.forEach((course, i) => {
    course.running = standings(states[i]!).some(({ stop }) => stop === null);
  });
}

/** The values of several states, in one read. */
async function read(states: readonly CgState[]): Promise<Float32Array[]> {
  const all = tf.scoped(() => tf.concat([...states], 0));
  const values = (await all.data()) as Float32Array;
  all.dispose();
  let next = 0;
  return states.map(({ size }) => values.slice(next, (next += size)));
}

function kept(iterate: Iterate): Iterate {
  for (const tensor of tensorsOf(iterate)) tf.keep(tensor);
  return iterate;
}

function tensorsOf(iterate: Partial<Iterate>): tf.Tensor[] {
  return Object.values(iterate).filter((tensor) => tensor !== undefined);
}
