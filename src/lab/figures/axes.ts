/** Where the axes of a figure begin and end, and where their ticks are: the same in every format. */
import { scale } from 'vega';
import type { FigureData } from './spec.js';

export interface Axis {
  readonly domain: readonly [number, number];
  readonly ticks: readonly number[];
  /** Logarithmic: the domain is positive. */
  readonly isLog?: true;
}

/** About as many steps an axis may have between its ticks; of those that waste equal room, the first. */
const stepCounts = [6, 5, 7];

/**
 * Both axes. x begins at 0 and ends at the given limit or at a tick; y has ticks at both ends, takes the room that means
 * and bands in view need, no less than 0 for what is never negative and no more than 1 for fractions, and ends at its
 * limit if values go beyond.
 */
export function axesOf({ series, xMax, yMax, yKind, yScale }: FigureData): { readonly x: Axis; readonly y: Axis } {
  const points = series.flatMap(({ curves, behind = [] }) => [...curves, ...behind].flat());
  const drawn = points.filter(({ mean }) => Number.isFinite(mean));
  const xEnd = xMax ?? extent(drawn.map(({ x }) => x))[1];
  const values = drawn
    .filter(({ x }) => x <= xEnd)
    .flatMap(({ mean, std }) => [
      mean,
      mean + (std ?? 0),
      mean < 0 ? mean - (std ?? 0) : Math.max(0, mean - (std ?? 0)),
    ])
    .filter(Number.isFinite);
  const [least, most] = extent(values);
  const highest = Math.min(most, yMax ?? Infinity, yKind === 'fraction' ? 1 : Infinity);
  const lowest = yKind === 'fraction' ? 0 : least;
  const x = axis(0, xEnd, xMax === undefined);
  if (yScale === 'log') return { x, y: logAxis(drawn.map(({ mean }) => mean)) };
  const y = axis(lowest, highest, true);
  // Accuracies that stay at 10 % would lie on the very end of the axis, cut in half: one step more.
  const isOnEnd = yKind === 'fraction' && y.domain[1] === highest && highest < 1;
  return { x, y: isOnEnd ? axis(lowest, highest + lengthOf(y) / 20, true) : y };
}

function axis(low: number, high: number, nice: boolean): Axis {
  // One value alone still needs an axis to be on.
  const end = high > low ? high : low + (Math.abs(low) || 1);
  const [first, ...others] = stepCounts.map((count): Axis => {
    const linear = (scale('linear') as () => LinearScale)().domain([low, end]);
    if (nice) linear.nice(count);
    const [from = low, to = end] = linear.domain();
    return { domain: [from, to], ticks: linear.ticks(count) };
  }) as [Axis, ...Axis[]];
  return others.reduce((least, other) => (lengthOf(other) < lengthOf(least) ? other : least), first);
}

/** From the least to the greatest positive value. */
function logAxis(values: readonly number[]): Axis {
  const positive = values.filter((value) => value > 0);
  const [low, high] = positive.length > 0 ? extent(positive) : [0.1, 1];
  const log = (scale('log') as () => LinearScale)().domain([low, high > low ? high : 10 * low]);
  const [from = low, to = high] = log.domain();
  return { domain: [from, to], ticks: log.ticks(stepCounts[0] ?? 6), isLog: true };
}

function lengthOf({ domain: [low, high] }: Axis): number {
  return high - low;
}

/** Least and greatest of however many values; [Infinity, -Infinity] of none. */
export function extent(values: readonly number[]): [number, number] {
  return values.reduce<[number, number]>(
    ([least, most], value) => [Math.min(least, value), Math.max(most, value)],
    [Infinity, -Infinity],
  );
}

interface LinearScale {
  domain(): number[];
  domain(ends: readonly number[]): LinearScale;
  nice(count: number): LinearScale;
  ticks(count: number): number[];
}

/** Renderers fail on coordinates far outside the page. */
const farthest = 20;

/** A value, held within twenty lengths of its axis: out of sight, and a line there is as steep as one can see. */
export function within(axis: Axis, value: number): number {
  const [low, high] = axis.domain;
  if (axis.isLog) return Math.min(Math.max(value, low / 1e3), high * 1e3);
  const room = farthest * lengthOf(axis);
  return Math.min(Math.max(value, low - room), high + room);
}
