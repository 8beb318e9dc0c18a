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
  /** False: stopped by maxiter. */
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

/** State of B systems; `active`, `rs`, `bound`, `count` and `converged` are [B, 1]. */
interface State {
  readonly x: tf.Tensor;
  readonly r: tf.Tensor;
  readonly p: tf.Tensor;
  readonly rs: tf.Tensor;
  readonly bound: tf.Tensor;
  readonly active: tf.Tensor;
  readonly count: tf.Tensor;
  readonly converged: tf.Tensor;
}

/**
 * Conjugate gradients on many systems in lockstep, each from zero (or `start`) to its own stopping test.
 *
 * A system that has stopped is frozen by a factor 0 on its step length, on the device; the host looks only at the
 * number of systems still running, once an iteration for all of them, asynchronously. The test comes after the update
 * of x and r, as in the published implementation. A zero right-hand side gives x = 0 after 0 iterations, and a residual
 * of exactly zero counts as converged (the published code divides 0 by 0 in both).
 *
 * @param starts  start vectors in coordinates [B, n]; null or absent: zero
 */
export async function conjugateGradients(
  systems: readonly KrylovSystem[],
  { tol, atol, maxiter }: CgOptions,
  starts: readonly (tf.Tensor | null)[] = [],
): Promise<CgResult[]> {
  const states = systems.map((system, i) => keepState(tf.scoped(() => begin(system, starts[i] ?? null, tol, atol))));
  let running = states.map((_, i) => i);
  for (;;) {
    const flags = tf.tidy(() => tf.concat(running.map((i) => tf.max(states[i]!.active, 0))));
    const active = await flags.data();
    flags.dispose();
    running = running.filter((_, k) => active[k] !== 0);
    if (running.length === 0) break;
    for (const i of running) {
      const previous = states[i]!;
      states[i] = keepState(tf.scoped(() => iterate(systems[i]!, previous, maxiter)));
      disposeAllBut(previous, states[i]);
    }
  }
  return Promise.all(states.map(report));
}

function begin(system: KrylovSystem, start: tf.Tensor | null, tol: number, atol: number): State {
  const { rhs: b } = system;
  const r = start ? tf.sub(b, system.apply(start)) : tf.clone(b);
  const rs = dot(system, r, r);
  const bound = tf.maximum(tf.mul(tol, tf.sqrt(dot(system, b, b))), atol);
  const active = tf.cast(tf.greater(rs, 0), 'float32');
  return {
    x: start ? tf.clone(start) : tf.zerosLike(b),
    r,
    p: tf.clone(r),
    rs,
    bound,
    active,
    count: tf.zerosLike(rs),
    converged: tf.sub(1, active),
  };
}

function iterate(
  system: KrylovSystem,
  { x, r, p, rs, bound, active, count, converged }: State,
  maxiter: number | null,
): State {
  const ap = system.apply(p);
  const step = tf.mul(active, tf.divNoNan(rs, dot(system, p, ap)));
  const nextR = tf.sub(r, tf.mul(step, ap));
  const nextRs = dot(system, nextR, nextR);
  const nextCount = tf.add(count, active);
  const met = tf.logicalOr(tf.greater(bound, tf.sqrt(nextRs)), tf.equal(nextRs, 0));
  const nextConverged = tf.maximum(converged, tf.mul(active, tf.cast(met, 'float32')));
  const exceeded = maxiter === null ? tf.zerosLike(count) : tf.cast(tf.greater(nextCount, maxiter), 'float32');
  return {
    x: tf.add(x, tf.mul(step, p)),
    r: nextR,
    p: tf.add(nextR, tf.mul(tf.divNoNan(nextRs, rs), p)),
    rs: nextRs,
    bound,
    active: tf.mul(active, tf.mul(tf.sub(1, nextConverged), tf.sub(1, exceeded))),
    count: nextCount,
    converged: nextConverged,
  };
}

/** <u, v> of each system, [B, 1]. */
function dot({ metric }: KrylovSystem, u: tf.Tensor, v: tf.Tensor): tf.Tensor {
  const product = tf.mul(u, v);
  return tf.sum(metric ? tf.mul(metric, product) : product, 1, true);
}

function keepState(state: State): State {
  for (const tensor of Object.values(state) as tf.Tensor[]) tf.keep(tensor);
  return state;
}

function disposeAllBut(state: State, kept: State): void {
  const survivors = new Set(Object.values(kept));
  for (const tensor of Object.values(state) as tf.Tensor[]) if (!survivors.has(tensor)) tensor.dispose();
}

async function report(state: State): Promise<CgResult> {
  const { x, ...rest } = state;
  const table = tf.tidy(() => tf.concat([state.count, state.converged, tf.sqrt(state.rs), state.bound], 1));
  const values = await table.data();
  table.dispose();
  tf.dispose(rest);
  const reports = Array.from({ length: values.length / 4 }, (_, j) => ({
    iterations: values[4 * j]!,
    converged: values[4 * j + 1] === 1,
    residualNorm: values[4 * j + 2]!,
    bound: values[4 * j + 3]!,
  }));
  return { x, reports };
}
