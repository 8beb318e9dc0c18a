/**
 * One iteration of conjugate gradients on B systems side by side, in two halves around what happens to the new residual.
 * All of it stays on the device: nothing is read, and a system that has stopped is frozen there.
 *
 * Inner products are <u, v>_j = u_j^T G_j v_j: G is the identity, a weighting (`metric`, [B, n]), or a product of the
 * system's own, whose results G r and G p (`dual`) come in with the vectors.
 */
import * as fused from '../fused.js';
import * as tf from '../tf.js';

/**
 * Where B systems stand, [B, 5]: <r, r>, the bound on ||r||, iterations, why it stopped (a number of `stops`, 0 while
 * it runs) and the length of the last step.
 */
export type CgState = tf.Tensor;

const columns = 5;

/** Why a system ended; `breakdown`: a number overflowed or was none (NaN), x is the last good iterate. */
export type CgStop = 'converged' | 'maxiter' | 'non-positive-curvature' | 'breakdown';

/** By the number that the state holds, less one. */
const stops: readonly CgStop[] = ['converged', 'maxiter', 'non-positive-curvature', 'breakdown'];
const [converged, mostIterations, nonPositive, breakdown] = [1, 2, 3, 4];

/** A state as numbers, one entry a system. */
export interface Standing {
  readonly residualNorm: number;
  readonly bound: number;
  readonly iterations: number;
  /** Null while it runs. */
  readonly stop: CgStop | null;
}

/** The vectors of B systems, [B, n] each. */
export interface Iterate {
  readonly x: tf.Tensor;
  readonly r: tf.Tensor;
  readonly p: tf.Tensor;
  /** G p; only with a product G. */
  readonly dualP: tf.Tensor | undefined;
  readonly state: CgState;
}

export function standings(state: ArrayLike<number>): Standing[] {
  return Array.from({ length: state.length / columns }, (_, j) => {
    const [square = NaN, bound = NaN, iterations = NaN, stop = NaN] = Array.from(
      { length: columns },
      (__, c) => state[j * columns + c]!,
    );
    return { residualNorm: Math.fround(Math.sqrt(square)), bound, iterations, stop: stops[stop - 1] ?? null };
  });
}

/**
 * The state at a start: a residual of zero has converged; one that is not finite, or whose coordinates have lost the
 * digits of b, is a breakdown.
 *
 * @param square     <r, r>, [B, 1]
 * @param rhsSquare  <b, b>, [B, 1]
 * @param known      <b, b> as it should be, [B, 1]
 */
export function departure(
  square: tf.Tensor,
  rhsSquare: tf.Tensor,
  known: tf.Tensor,
  { tol, atol }: { readonly tol: number; readonly atol: number },
): CgState {
  const bound = tf.maximum(tf.mul(tol, tf.sqrt(rhsSquare)), atol);
  const zero = tf.zerosLike(square);
  const finite = isFinite(square);
  const sound = tf.logicalAnd(finite, isNear(rhsSquare, known));
  const stop = tf.where(sound, tf.where(tf.equal(square, 0), fill(square, converged), zero), fill(square, breakdown));
  return tf.concat([square, bound, zero, stop, zero], 1);
}

/**
 * The step length <r, r> / <p, A p> and the residual after it; the length is 0 where a system has stopped or stops here.
 *
 * @param ap  A p
 */
export function descend(
  { r, p, dualP, state }: Iterate,
  ap: tf.Tensor,
  metric: tf.Tensor | undefined,
  stopOnNonPositive: boolean,
): { r: tf.Tensor; state: CgState } {
  const kernel = fused.cgDescend({ r, p, dualP, metric, state }, ap, stopOnNonPositive);
  if (kernel) return kernel;
  const [square, bound, iterations, stop] = split(state);
  const curvature = dot(ap, dualP ?? p, dualP ? undefined : metric);
  const refused = stopOnNonPositive ? tf.greater(curvature, 0) : tf.greater(fill(curvature, 1), 0);
  const verdict = tf.where(
    isFinite(curvature),
    tf.where(refused, tf.zerosLike(stop), fill(stop, nonPositive)),
    fill(stop, breakdown),
  );
  const nextStop = tf.where(tf.equal(stop, 0), verdict, stop);
  const goes = tf.equal(nextStop, 0);
  const length = tf.where(goes, tf.divNoNan(square, curvature), tf.zerosLike(square));
  return {
    // What is not finite stays out of a system that has stopped: zero times infinity is no number.
    r: tf.where(goes, tf.sub(r, tf.mul(length, ap)), r),
    state: tf.concat([square, bound, iterations, nextStop, length], 1),
  };
}

/**
 * The update of x along p, the next direction and the stopping test.
 *
 * @param next   the residual and the state from `descend`; the residual may have been projected since
 * @param dualR  G r of this residual; only with a product G
 * @param limit  stop when the number of iterations exceeds this
 */
export function turn(
  { x, p, dualP }: Iterate,
  next: { readonly r: tf.Tensor; readonly state: CgState },
  dualR: tf.Tensor | undefined,
  metric: tf.Tensor | undefined,
  limit: number,
): Iterate {
  const { r, state } = next;
  const kernel = fused.cgTurn({ r, p, dualP, metric, state }, x, dualR, limit);
  if (kernel) return { r, ...kernel };
  const [square, bound, iterations, stop, length] = split(state);
  const found = dot(r, dualR ?? r, dualR ? undefined : metric);
  const running = tf.equal(stop, 0);
  // In coordinates of a system's own a square may come out negative: they have lost all digits.
  const goes = tf.logicalAnd(running, tf.logicalAnd(isFinite(found), tf.greaterEqual(found, tf.zerosLike(found))));
  const nextSquare = tf.where(goes, found, square);
  const count = tf.where(goes, tf.add(iterations, 1), iterations);
  const isDone = tf.logicalOr(tf.greater(bound, tf.sqrt(nextSquare)), tf.equal(nextSquare, 0));
  const test = tf.where(
    isDone,
    fill(stop, converged),
    tf.where(tf.greater(count, limit), fill(stop, mostIterations), tf.zerosLike(stop)),
  );
  const nextStop = tf.where(running, tf.where(goes, test, fill(stop, breakdown)), stop);
  const factor = tf.where(goes, tf.divNoNan(nextSquare, square), tf.zerosLike(square));
  return {
    x: tf.where(goes, tf.add(x, tf.mul(length, p)), x),
    r,
    p: tf.add(r, tf.mul(factor, p)),
    dualP: dualP && dualR && tf.add(dualR, tf.mul(factor, dualP)),
    state: tf.concat([nextSquare, bound, count, nextStop, length], 1),
  };
}

/** u^T G v of each system, [B, 1], with G v = `dual` or a weighting of it. */
export function dot(u: tf.Tensor, dual: tf.Tensor, metric: tf.Tensor | undefined): tf.Tensor {
  const product = tf.mul(u, dual);
  return tf.sum(metric ? tf.mul(metric, product) : product, 1, true);
}

type Columns = readonly [tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor];

function split(state: CgState): Columns {
  return tf.split(state, columns, 1) as unknown as Columns;
}

function fill(like: tf.Tensor, value: number): tf.Tensor {
  return tf.fill(like.shape, value);
}

/** Within a hundredth. */
function isNear(found: tf.Tensor, known: tf.Tensor): tf.Tensor {
  return tf.lessEqual(tf.abs(tf.sub(found, known)), tf.mul(0.01, known));
}

/** Not tf.isFinite: WebGPU has no such kernel. A comparison with a number that is none is false. */
function isFinite(x: tf.Tensor): tf.Tensor {
  return tf.less(
    tf.abs(x),
    tf.resident('largest', () => tf.scalar(3.4e38)),
  );
}
