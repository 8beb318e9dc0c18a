/**
 * Kernels for curvature products, as those of fused.ts: one pass where the current backend has them, null where the caller
 * composes them. The compositions are in linalg/rows.ts, curvature/hbp/mean-coordinates.ts, curvature/link.ts,
 * curvature/cvp/factor-cascade.ts, nn/chosen-convolution.ts and nn/gradient-rows.ts, which callers use.
 */
import type { MeanCoordinates } from './curvature/hbp/mean-coordinates.js';
import type { RowBlocks } from './curvature/row-blocks.js';
import { has, type KnownByOutput, run } from './fused.js';
import type { Placement } from './nn/window.js';
import type * as tf from './tf.js';

/** As `meanCoordinates` of curvature/hbp/mean-coordinates.ts; null: compose it. */
export function meanCoordinates(
  matrix: tf.Tensor,
  mean: tf.Tensor,
  { count, size }: RowBlocks,
  factor: number,
): MeanCoordinates | null {
  if (!has('HbpMeanCoordinates')) return null;
  const results = run('HbpMeanCoordinates', { matrix, mean }, { count, size, factor });
  const [along, rhs, metric, direction, square] = results as [tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor];
  return { along, rhs, metric, direction, square };
}

/** As `addMeanCoordinates` of curvature/hbp/mean-coordinates.ts; null: compose it. */
export function addMeanCoordinates(
  value: tf.Tensor,
  matrix: tf.Tensor,
  { along, direction }: Pick<MeanCoordinates, 'along' | 'direction'>,
  x: tf.Tensor,
  { size }: RowBlocks,
  { factor, length }: { readonly factor: number; readonly length: number },
): tf.Tensor | null {
  if (!has('HbpAddMeanCoordinates')) return null;
  return run('HbpAddMeanCoordinates', { value, matrix, direction, along, x }, { size, factor, length })[0]!;
}

/** mean_N phi'(y) [n] and sum_N phi''(y) g [n] of an activation's output y and a gradient g, [N, n]; null: compose it. */
export function derivativeMeans(
  activation: KnownByOutput,
  output: tf.Tensor,
  gradient: tf.Tensor,
): { first: tf.Tensor; second: tf.Tensor } | null {
  if (!has('HbpDerivativeMeans')) return null;
  const [first, second] = run('HbpDerivativeMeans', { output, gradient }, { activation }) as [tf.Tensor, tf.Tensor];
  return { first, second };
}

/** phi'(y) u + residual t of y, residual [N, ...] and u, t [V?, N, ...]; null: compose it. */
export function curveLink(
  activation: KnownByOutput,
  output: tf.Tensor,
  u: tf.Tensor,
  residual: tf.Tensor,
  t: tf.Tensor,
): tf.Tensor | null {
  return has('HbpCurveLink') ? run('HbpCurveLink', { output, u, residual, t }, { activation })[0]! : null;
}

/** A convolution and the pooling behind it, whose input is the convolution's output. */
export interface ChosenPlacements {
  readonly convolution: Placement;
  readonly pooling: Placement;
}

/** What pooling chose, [N, pH, pW, O], and what `chosenPlaces` made of it. */
export interface ChosenTensors {
  readonly chosen: tf.Tensor;
  readonly places?: tf.Tensor;
}

/** Whether the next four are kernels here. */
export function hasChosen(): boolean {
  return has('HbpChosenPlaces');
}

/** What the three after it prepare by themselves otherwise, for pictures of so many channels; null: they need nothing. */
export function chosenPlaces(chosen: tf.Tensor, placements: ChosenPlacements, channels: number): tf.Tensor | null {
  return has('HbpChosenPlaces') ? run('HbpChosenPlaces', { chosen }, { ...placements, channels })[0]! : null;
}

/** An activation that is known by its output, [N, ...]. */
export interface ActivationPass {
  readonly activation: KnownByOutput;
  readonly output: tf.Tensor;
}

/** As `convolve` of nn/chosen-convolution.ts; null: compose it. */
export function convolveChosen(
  x: tf.Tensor | null,
  weight: tf.Tensor,
  chosen: ChosenTensors,
  placements: ChosenPlacements,
  before: ActivationPass | null,
): tf.Tensor | null {
  if (!has('HbpConvolveChosen')) return null;
  return run(
    'HbpConvolveChosen',
    { ...(x && { x }), weight, ...chosen, ...(before && { before: before.output }) },
    {
      ...placements,
      activation: before?.activation,
    },
  )[0]!;
}

/** As `convolveTransposed` of nn/chosen-convolution.ts, and with `sums` its sums over cells, too; null: compose it. */
export function convolveTransposedChosen(
  dy: tf.Tensor,
  weight: tf.Tensor,
  chosen: ChosenTensors,
  placements: ChosenPlacements,
  before: ActivationPass | null,
  sums: boolean,
): tf.Tensor[] | null {
  if (!has('HbpConvolveTransposedChosen')) return null;
  return run(
    'HbpConvolveTransposedChosen',
    { dy, weight, ...chosen, ...(before && { before: before.output }) },
    {
      ...placements,
      activation: before?.activation,
      sums,
    },
  );
}

/** As `correlate` of nn/chosen-convolution.ts; null: compose it. */
export function correlateChosen(
  x: tf.Tensor | null,
  dy: tf.Tensor,
  chosen: ChosenTensors,
  placements: ChosenPlacements,
  before: ActivationPass | null,
): tf.Tensor | null {
  if (!has('HbpCorrelateChosen')) return null;
  return run(
    'HbpCorrelateChosen',
    { ...(x && { x }), dy, ...chosen, ...(before && { before: before.output }) },
    { ...placements, activation: before?.activation },
  )[0]!;
}

/** As `factorProduct` of curvature/cvp/factor-cascade.ts; null: compose it. */
export function factorProduct(factor: tf.Tensor, tangents: tf.Tensor): tf.Tensor | null {
  return has('HbpFactorProduct') ? run('HbpFactorProduct', { factor, tangents }, {})[0]! : null;
}

/**
 * As `convolvedFactorProduct` of curvature/cvp/factor-cascade.ts, of one tangent at least before the convolution and nothing empty,
 * the results behind one another; null: compose it.
 */
export function convolvedFactorProduct(
  factor: tf.Tensor,
  tangents: readonly tf.Tensor[],
  here: readonly tf.Tensor[],
  weight: tf.Tensor,
  placement: Placement,
  before: ActivationPass | null,
): tf.Tensor[] | null {
  if (!has('HbpConvolvedFactorProduct')) return null;
  const numbered = (letter: string, list: readonly tf.Tensor[]): [string, tf.Tensor][] =>
    list.map((t, i) => [`${letter}${i}`, t]);
  return run(
    'HbpConvolvedFactorProduct',
    {
      ...Object.fromEntries([...numbered('t', tangents), ...numbered('h', here)]),
      factor,
      weight,
      ...(before && { before: before.output }),
    },
    { placement, activation: before?.activation },
  );
}

/** As `gradientRows` of nn/gradient-rows.ts; null: compose it. */
export function gradientRows(
  x: tf.Tensor,
  dy: tf.Tensor,
  convolution: Placement,
  pooled: { readonly chosen: tf.Tensor; readonly pooling: Placement } | null,
): tf.Tensor | null {
  if (!has('HbpGradientRows')) return null;
  const inputs = { x, dy, ...(pooled && { chosen: pooled.chosen }) };
  return run('HbpGradientRows', inputs, { convolution, pooling: pooled?.pooling })[0]!;
}

/** M^T (M v) [T, P] of rows M [R, P] and v [T, P]; null: compose it. */
export function rowsProduct(rows: tf.Tensor, v: tf.Tensor): tf.Tensor | null {
  return has('HbpRowsProduct') ? run('HbpRowsProduct', { rows, v }, {})[0]! : null;
}
