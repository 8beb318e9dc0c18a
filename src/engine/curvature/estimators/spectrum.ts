import { ConfigError } from '../../../errors.js';
import { eigh } from '../../linalg/eigh.js';
import * as tf from '../../tf.js';
import type { LinearOperator } from '../operator.js';
import { type LanczosOptions, ritzValues, type RitzValue } from './lanczos.js';

/** All eigenvalues of a small operator, ascending, from its dense matrix: O(n^3) on the host, n up to some hundreds. */
export async function eigenvalues(operator: LinearOperator): Promise<number[]> {
  const dense = operator.toDense();
  const { values, vectors } = await eigh(dense);
  const numbers = Array.from(await values.data());
  tf.dispose([dense, values, vectors]);
  return numbers;
}

/**
 * The smallest and the largest eigenvalue by Lanczos, each with a bound of its error. Both ends of a spectrum converge
 * first: 20 to 50 steps are usual, more where eigenvalues lie close together.
 */
export async function extremalEigenvalues(
  operator: LinearOperator,
  options: LanczosOptions,
): Promise<{ smallest: RitzValue; largest: RitzValue }> {
  const values = await ritzValues(operator, options);
  return { smallest: values[0]!, largest: values.at(-1)! };
}

/** A spectral density: a probability measure over eigenvalues, `weights` at `nodes`, and the same smoothed. */
export interface SpectralDensity {
  readonly nodes: readonly number[];
  readonly weights: readonly number[];
  /** Evenly spaced eigenvalues, and the density there of the measure smoothed with a normal distribution. */
  readonly grid: readonly number[];
  readonly density: readonly number[];
}

/** Options of a spectral density; `steps` and `random` as for every Lanczos run. */
export interface DensityOptions extends LanczosOptions {
  /** Random start vectors to average over. */
  readonly probes: number;
  /** Points of the grid; 200 if absent. */
  readonly points?: number;
  /** Standard deviation of the smoothing; a hundredth of the range of the spectrum if absent. */
  readonly width?: number;
}

/**
 * Stochastic Lanczos quadrature: the Ritz values of random start vectors, each with its weight, match the moments of the
 * spectral density (1/n) sum_i delta(x - lambda_i) up to degree 2 steps - 1 in expectation (Lin, Saad and Yang 2016).
 * Cost: probes * steps products.
 */
export async function spectralDensity(
  operator: LinearOperator,
  { probes, points = 200, width, ...lanczos }: DensityOptions,
): Promise<SpectralDensity> {
  if (!Number.isInteger(probes) || probes < 1) throw new ConfigError(`a density takes at least 1 probe, not ${probes}`);
  if (!Number.isInteger(points) || points < 2) throw new ConfigError(`a grid has at least 2 points, not ${points}`);
  const ritz: RitzValue[] = [];
  for (let probe = 0; probe < probes; probe++) ritz.push(...(await ritzValues(operator, lanczos)));
  const nodes = ritz.map(({ value }) => value);
  const weights = ritz.map(({ weight }) => weight / probes);
  const [low, high] = [Math.min(...nodes), Math.max(...nodes)];
  // Equal eigenvalues leave a range of rounding errors or none at all.
  const least = 1e-6 * Math.max(Math.abs(low), Math.abs(high)) || 1e-6;
  const sigma = width ?? Math.max((high - low) / 100, least);
  const [from, to] = [low - 4 * sigma, high + 4 * sigma];
  const grid = Array.from({ length: points }, (_, i) => from + ((to - from) * i) / (points - 1));
  const density = grid.map(
    (x) => nodes.reduce((sum, node, i) => sum + weights[i]! * normalDensity((x - node) / sigma), 0) / sigma,
  );
  return { nodes, weights, grid, density };
}

function normalDensity(x: number): number {
  return Math.exp(-(x ** 2) / 2) / Math.sqrt(2 * Math.PI);
}
