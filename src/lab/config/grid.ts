/**
 * Grids: key paths to values; every combination of values is a point. A point of variant `sgd` is called
 * `sgd_lr_0.1_momentum_0.9`: last parts of the key paths, sorted, each followed by its value.
 */
import type { GridValues } from './schema.js';

type Value = number | string;
export type Grid = Readonly<Record<string, GridValues>>;
/** One value for each key path of the grid. */
export type GridPoint = Readonly<Record<string, Value>>;

/** The values of one key path. Powers of ten are rounded to 12 digits so that 10^-5 reads (and is) 0.00001. */
export function gridValues(values: GridValues): readonly Value[] {
  if (Array.isArray(values)) return values;
  const [from, to, n] = values.logspace;
  return Array.from({ length: n }, (_, i) =>
    Number((10 ** (n === 1 ? from : from + (i * (to - from)) / (n - 1))).toPrecision(12)),
  );
}

/** How many points a grid has, without making them. */
export function gridSize(grid: Grid): number {
  return Object.values(grid).reduce(
    (product, values) => product * (Array.isArray(values) ? values.length : values.logspace[2]),
    1,
  );
}

/** All points; the last key path varies fastest. */
export function gridPoints(grid: Grid): GridPoint[] {
  return Object.entries(grid).reduce<GridPoint[]>(
    (points, [path, values]) =>
      points.flatMap((point) => gridValues(values).map((value) => ({ ...point, [path]: value }))),
    [{}],
  );
}

/** Key and value pairs joined by underscores, keys in code-point order (capitals first): `batch_500_lr_0.1`. */
export function joinParameters(parameters: Readonly<Record<string, Value>>): string {
  return sorted(parameters)
    .map(([key, value]) => `${key}_${value}`)
    .join('_');
}

export function pointName(variant: string, point: GridPoint): string {
  return `${variant}_${joinParameters(shortKeys(point))}`;
}

/** `SGD, lr 0.1, momentum 0.9`. */
export function pointLabel(label: string, point: GridPoint): string {
  return [label, ...sorted(shortKeys(point)).map(([key, value]) => `${key} ${value}`)].join(', ');
}

/** A copy of `settings` with the values of `point` at their key paths; missing objects on the way are made. */
export function applyPoint(settings: object, point: GridPoint): object {
  return Object.entries(point).reduce<object>(
    (made, [path, value]) => withValue(made, path.split('.'), value),
    settings,
  );
}

function withValue(target: unknown, [key, ...rest]: readonly string[], value: Value): object {
  const source: object = typeof target === 'object' && target !== null ? target : {};
  if (key === undefined) return source;
  const inner = (source as Record<string, unknown>)[key];
  return { ...source, [key]: rest.length === 0 ? value : withValue(inner, rest, value) };
}

/** Keys by the last part of their path, or the whole path where two paths end alike. */
function shortKeys(point: GridPoint): Record<string, Value> {
  const last = (path: string): string => path.slice(path.lastIndexOf('.') + 1);
  const ends = Object.keys(point).map(last);
  const short = (path: string): string => (ends.filter((end) => end === last(path)).length === 1 ? last(path) : path);
  return Object.fromEntries(Object.entries(point).map(([path, value]) => [short(path), value]));
}

function sorted(parameters: Readonly<Record<string, Value>>): [string, Value][] {
  return Object.entries(parameters).sort(([a], [b]) => (a < b ? -1 : 1));
}
