/** From the rows of runs to the lines of a chart. Pure: no page, no server. */
import type { Columns } from '../lab/dashboard/api.js';
import type { Curve, SeriesPoint } from '../lab/figures/spec.js';

export type XAxis = 'epoch' | 'step' | 'wall';

/** The column that an axis shows. */
export const xColumns: Readonly<Record<XAxis, string>> = { epoch: 'epoch', step: 'step', wall: 'wall_s' };

/** One run as a line. A value that is not finite is NaN: it breaks the line. */
export function seedCurve(columns: Columns, x: XAxis, metric: string): Curve {
  const values = columns[metric] ?? [];
  return (columns[xColumns[x]] ?? []).flatMap((at, i): SeriesPoint[] =>
    at === null ? [] : [{ x: at, mean: values[i] ?? NaN, std: null }],
  );
}

/** Runs as one line, as the figures merge them: mean and sample deviation of the finite values at every step. */
export function meanCurve(runs: readonly Columns[], x: XAxis, metric: string): Curve {
  const [first] = runs;
  if (runs.length === 1 && first) return seedCurve(first, x, metric);
  const at = new Map<number, { xs: number[]; values: number[] }>();
  for (const columns of runs) {
    const [xs, values] = [columns[xColumns[x]] ?? [], columns[metric] ?? []];
    (columns['step'] ?? []).forEach((step, i) => {
      if (step === null) return;
      const place = at.get(step) ?? { xs: [], values: [] };
      place.xs.push(xs[i] ?? NaN);
      place.values.push(values[i] ?? NaN);
      at.set(step, place);
    });
  }
  return [...at]
    .sort(([a], [b]) => a - b)
    .map(([, { xs, values }]) => ({ x: statistics(xs).mean, ...statistics(values) }))
    .filter((point) => Number.isFinite(point.x));
}

function statistics(all: readonly number[]): { mean: number; std: number | null } {
  const finite = all.filter(Number.isFinite);
  const n = finite.length;
  const mean = finite.reduce((sum, value) => sum + value, 0) / n;
  const squares = finite.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, std: n < 2 ? null : Math.sqrt(squares / (n - 1)) };
}

/**
 * A curve with about as many points as can be told apart: of every stretch the lowest and the highest stay, where they
 * are, and the ends. What is shorter stays as it is.
 */
export function thinned(curve: Curve, most: number): Curve {
  if (curve.length <= most) return curve;
  const stretches = Math.max(1, Math.floor(most / 2) - 1);
  const kept = new Set([0, curve.length - 1]);
  for (let s = 0; s < stretches; s++) {
    const start = Math.floor((s * curve.length) / stretches);
    const end = Math.floor(((s + 1) * curve.length) / stretches);
    let [low, high, broken] = [start, start, -1];
    for (let i = start; i < end; i++) {
      const value = curve[i]?.mean ?? NaN;
      if (!Number.isFinite(value)) broken = i;
      // A comparison with NaN is false: a number takes its place.
      else {
        if (!(value >= (curve[low]?.mean ?? NaN))) low = i;
        if (!(value <= (curve[high]?.mean ?? NaN))) high = i;
      }
    }
    kept.add(low).add(high);
    if (broken >= 0) kept.add(broken); // a gap stays a gap
  }
  return [...kept].sort((a, b) => a - b).flatMap((i) => curve[i] ?? []);
}

/** The part of a curve between two places, with one point more on each side so that the line leaves the picture. */
export function between(curve: Curve, [from, to]: readonly [number, number]): Curve {
  const first = curve.findIndex(({ x }) => x >= from);
  const last = curve.findLastIndex(({ x }) => x <= to);
  if (first < 0 || last < 0) return curve.slice(-1);
  return curve.slice(Math.max(0, first - 1), last + 2);
}
