/**
 * Several operations as one kernel, where the current backend has it under a name of ours; else the caller composes
 * them. This is the only question that the engine asks of a backend. What curvature products need is in
 * fused-curvature.ts.
 *
 * To fuse something new: a name here, a kernel of that name in a backend (src/engine/backend/native/kernels/engine.ts),
 * and a composition at the place of use, which is what the kernel is tested against.
 */
import type { MatrixChain } from './curvature/operator.js';
import type { Placement } from './nn/window.js';
import * as tf from './tf.js';

/** Activations whose derivative is a function of their output y alone: y (1 - y), 1 - y^2, [y > 0]. */
export type KnownByOutput = 'Sigmoid' | 'Tanh' | 'Relu';

/** Whether the backend has a kernel of this name. For the modules of fused kernels alone. */
export function has(name: string): boolean {
  return tf.getKernel(name, tf.getBackend()) !== undefined;
}

/** Run a kernel that `has` found. For the modules of fused kernels alone. */
export function run(name: string, inputs: tf.NamedTensorMap, attributes: object): tf.Tensor[] {
  const result: tf.Tensor | tf.Tensor[] = tf
    .engine()
    .runKernel(name, inputs, attributes as Parameters<ReturnType<typeof tf.engine>['runKernel']>[2]);
  return Array.isArray(result) ? result : [result];
}

/** phi(convolution) of pictures [N, H, W, C] with a weight [kh, kw, C, O] and a bias [O] or none, nothing of it empty; null: compose it. */
export function convolveActivated(
  x: tf.Tensor,
  weight: tf.Tensor,
  bias: tf.Tensor | null,
  placement: Placement,
  activation: KnownByOutput,
): tf.Tensor | null {
  if (!has('HbpConvolveActivated') || x.size === 0 || weight.size === 0) return null;
  return run('HbpConvolveActivated', { x, weight, ...(bias && { bias }) }, { placement, activation })[0]!;
}

/** Whether `timesDerivative` is one kernel here. */
export function fusesDerivatives(): boolean {
  return has('HbpTimesDerivative');
}

/** phi'(x) * v for an activation with output y = phi(x) [N, ...] and v [V?, N, ...]; needs `fusesDerivatives`. */
export function timesDerivative(activation: KnownByOutput, output: tf.Tensor, v: tf.Tensor): tf.Tensor {
  return run('HbpTimesDerivative', { output, v }, { activation })[0]!;
}

/** The same of [N, ..., C], and its sums over what is between, [V?, N, C]; null: sum it up. */
export function timesDerivativeWithSums(
  activation: KnownByOutput,
  output: tf.Tensor,
  v: tf.Tensor,
): { dx: tf.Tensor; sums: tf.Tensor } | null {
  if (!has('HbpTimesDerivative') || output.rank < 3) return null;
  const [dx, sums] = run('HbpTimesDerivative', { output, v }, { activation, sums: true }) as [tf.Tensor, tf.Tensor];
  return { dx, sums };
}

/** The largest cell of each window and which it was, as `MaxPool2d` keeps it; null: compose it. */
export function maxPool(x: tf.Tensor, placement: Placement): { largest: tf.Tensor; chosen: tf.Tensor } | null {
  if (!has('HbpMaxPool')) return null;
  const [largest, chosen] = run('HbpMaxPool', { x }, placement) as [tf.Tensor, tf.Tensor];
  return { largest, chosen };
}

/** Pictures [V N, H, W, C] at the cells [N, outH, outW, C] that pooling chose; null: compose it. */
export function pickCells(x: tf.Tensor, chosen: tf.Tensor, placement: Placement): tf.Tensor | null {
  return has('HbpPickCells') ? run('HbpPickCells', { x, chosen }, placement)[0]! : null;
}

/** The transpose of `pickCells`; null: compose it. */
export function spreadCells(dy: tf.Tensor, chosen: tf.Tensor, placement: Placement): tf.Tensor | null {
  return has('HbpSpreadCells') ? run('HbpSpreadCells', { dy, chosen }, placement)[0]! : null;
}

/** One step of `Sgd` without Nesterov; no buffer at first, and none comes back without momentum. Null: compose it. */
export function sgd(
  value: tf.Tensor,
  gradient: tf.Tensor,
  buffer: tf.Tensor | undefined,
  attributes: { readonly lr: number; readonly momentum: number; readonly weightDecay: number },
): { value: tf.Tensor; buffer: tf.Tensor | undefined } | null {
  if (!has('HbpSgd')) return null;
  const [next, nextBuffer] = run('HbpSgd', { value, gradient, ...(buffer && { buffer }) }, attributes);
  return { value: next!, buffer: nextBuffer };
}

/** The constants of one step of `Adam`; w1 and w2 as there. */
export interface AdamConstants {
  readonly lr: number;
  readonly w1: number;
  readonly w2: number;
  readonly eps: number;
  readonly weightDecay: number;
}

/** One step of `Adam`; no moments at first. Null: compose it. */
export function adam(
  value: tf.Tensor,
  gradient: tf.Tensor,
  moments: { readonly first: tf.Tensor; readonly second: tf.Tensor } | undefined,
  constants: AdamConstants,
): { value: tf.Tensor; first: tf.Tensor; second: tf.Tensor } | null {
  if (!has('HbpAdam')) return null;
  const [next, first, second] = run('HbpAdam', { value, gradient, ...moments }, constants) as [
    tf.Tensor,
    tf.Tensor,
    tf.Tensor,
  ];
  return { value: next, first, second };
}

/** X^T X for rows X [n, k], or for [X | 1] with `ones`; X X^T with `ofRows`; null: compose it. */
export function gram(
  x: tf.Tensor,
  { ones = false, ofRows = false }: { readonly ones?: boolean; readonly ofRows?: boolean },
): tf.Tensor | null {
  return has('HbpGram') ? run('HbpGram', { x }, { ones, ofRows })[0]! : null;
}

/**
 * Products of the pixels of pictures x [N, H, W, C] with those s rows and t columns on, [2 rows + 1, 2 columns + 1, c', c]:
 * sum_nyx x[n, y + s, x + t, c'] x[n, y, x, c] for |s| <= rows and |t| <= columns. Null: compose it.
 */
export function shiftProducts(x: tf.Tensor, rows: number, columns: number): tf.Tensor | null {
  return has('HbpShiftProducts') ? run('HbpShiftProducts', { x }, { rows, columns })[0]! : null;
}

/** Whether `symmetricEigen` is there. */
export function hasSymmetricEigen(): boolean {
  return has('HbpSymmetricEigen');
}

/** Eigenvalues [n], ascending, and eigenvectors, one a row, [n, n], by LAPACK; needs `hasSymmetricEigen`. */
export function symmetricEigen(matrix: tf.Tensor): { values: tf.Tensor; vectors: tf.Tensor } {
  const [values, vectors] = run('HbpSymmetricEigen', { matrix }, {}) as [tf.Tensor, tf.Tensor];
  return { values, vectors };
}

/** The vectors of conjugate gradients that a kernel needs; see optim/cg-iteration.ts. */
export interface CgVectors {
  readonly r: tf.Tensor;
  readonly p: tf.Tensor;
  readonly dualP?: tf.Tensor | undefined;
  readonly metric?: tf.Tensor | undefined;
  readonly state: tf.Tensor;
}

/** `descend` of optim/cg-iteration.ts; null: compose it. */
export function cgDescend(
  { r, p, dualP, metric, state }: CgVectors,
  ap: tf.Tensor,
  stopOnNonPositive: boolean,
): { r: tf.Tensor; state: tf.Tensor } | null {
  if (!has('HbpCgDescend')) return null;
  const inputs = { r, p, ap, state, ...(dualP && { dualP }), ...(metric && { metric }) };
  const [nextR, nextState] = run('HbpCgDescend', inputs, { stopOnNonPositive }) as [tf.Tensor, tf.Tensor];
  return { r: nextR, state: nextState };
}

/** Systems that go through a chain of matrices at the same time, at their start. */
export interface ChainSystem {
  /** Stage of the chain, in whose input its blocks lie. */
  readonly at: number;
  readonly blocks: { readonly count: number; readonly size: number };
  readonly alpha: number;
  readonly scale: tf.Tensor | number;
  readonly metric: tf.Tensor | undefined;
  readonly x: tf.Tensor;
  readonly r: tf.Tensor;
  readonly state: tf.Tensor;
  readonly limit: number;
}

/** All iterations of `descend` and `turn` of optim/cg-iteration.ts on systems in a chain; null: compose it. */
export function chainCg(
  { stages, head }: MatrixChain,
  systems: readonly ChainSystem[],
  stopOnNonPositive: boolean,
): { x: tf.Tensor; r: tf.Tensor; state: tf.Tensor }[] | null {
  if (!has('HbpChainCg')) return null;
  const inputs: tf.NamedTensorMap = { head };
  stages.forEach((stage, l) => {
    inputs[`stage${l}`] = 'matrix' in stage ? stage.matrix : stage.diagonal;
    if ('residual' in stage && stage.residual) inputs[`residual${l}`] = stage.residual;
  });
  systems.forEach(({ x, r, state, metric, scale }, i) => {
    Object.assign(inputs, { [`x${i}`]: x, [`r${i}`]: r, [`state${i}`]: state });
    if (metric) inputs[`metric${i}`] = metric;
    if (typeof scale !== 'number') inputs[`scale${i}`] = scale;
  });
  const attributes = {
    stages: stages.map((stage) => ('matrix' in stage ? 'matrix' : 'diagonal')),
    systems: systems.map(({ at, blocks, alpha, scale, limit }) => {
      return { at, blocks, alpha, limit, scale: typeof scale === 'number' ? scale : null };
    }),
    stopOnNonPositive,
  };
  const results = run('HbpChainCg', inputs, attributes);
  return systems.map((_, i) => ({ x: results[3 * i]!, r: results[3 * i + 1]!, state: results[3 * i + 2]! }));
}

/** `turn` of optim/cg-iteration.ts; null: compose it. */
export function cgTurn(
  { r, p, dualP, metric, state }: CgVectors,
  x: tf.Tensor,
  dualR: tf.Tensor | undefined,
  limit: number,
): { x: tf.Tensor; p: tf.Tensor; state: tf.Tensor; dualP: tf.Tensor | undefined } | null {
  if (!has('HbpCgTurn')) return null;
  const inputs = { x, r, p, state, ...(dualR && { dualR }), ...(dualP && { dualP }), ...(metric && { metric }) };
  const [nextX, nextP, nextState, nextDualP] = run('HbpCgTurn', inputs, { limit });
  return { x: nextX!, p: nextP!, state: nextState!, dualP: nextDualP };
}
