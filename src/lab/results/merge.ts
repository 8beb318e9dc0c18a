/**
 * Seeds of one variant become one curve: mean, sample standard deviation and count at every step that any seed has.
 *
 *   mean_t = 1/n_t sum_i x_it,   std_t = sqrt(1/(n_t - 1) sum_i (x_it - mean_t)^2),   n_t finite values at step t
 */
import { stringify } from 'csv-stringify/sync';
import { DataError } from '../../errors.js';
import { metricNames, type Metric } from '../config/schema.js';
import { listSeeds, type RunInfo } from './inspect.js';
import {
  type MetricsColumn,
  metricsColumns,
  type MetricsRow,
  MetricsTable,
  readTable,
  timeColumns,
} from './metrics.js';
import type { RunSpec } from '../config/spec.js';
import type { RunRecord } from './record.js';
import { specDifferences, trajectoryHash } from './spec-hash.js';

export interface SeedRows {
  readonly seed: number;
  /** May be made anew at every look. */
  readonly rows: readonly MetricsRow[];
}

export interface MergedValue {
  /** NaN where no value is finite. */
  readonly mean: number;
  /** Sample standard deviation (n - 1); null for fewer than two values. */
  readonly std: number | null;
  /** How many finite values there are. */
  readonly n: number;
}

export interface MergedStep {
  readonly step: number;
  /** Means over the seeds that reached the step. */
  readonly epoch: number;
  readonly wall_s: number;
  readonly values: Readonly<Record<Metric, MergedValue>>;
}

export interface Merged {
  readonly steps: readonly MergedStep[];
  readonly seeds: readonly number[];
  /** Seeds that stop before the longest one. */
  readonly endedEarly: readonly { readonly seed: number; readonly lastStep: number; readonly lastEpoch: number }[];
}

/** Outer join of the seeds on the step: no row of any seed is dropped. Seeds without rows do not take part. */
export function mergeSeeds(runs: readonly SeedRows[]): Merged {
  return mergeTables(runs.map(({ seed, rows }) => ({ seed, table: MetricsTable.of(rows) })));
}

/**
 * The same of tables, which thousands of runs can hold in memory.
 *
 * @param wanted  other columns come out as if they had no values
 */
function mergeTables(
  runs: readonly { readonly seed: number; readonly table: MetricsTable }[],
  wanted: readonly MetricsColumn[] = metricsColumns,
): Merged {
  const ends = runs.flatMap(({ seed, table: { values } }) => {
    if (values.length === 0) return [];
    const last = values.subarray(-width);
    return [{ seed, lastStep: last[stepColumn]!, lastEpoch: last[metricsColumns.indexOf('epoch')]! }];
  });
  const lastStep = Math.max(...ends.map((end) => end.lastStep));
  return {
    steps: mergeSteps(
      runs.map(({ table: { values } }) => values),
      wanted,
    ),
    seeds: ends.map(({ seed }) => seed),
    endedEarly: ends.filter((end) => end.lastStep < lastStep),
  };
}

const width = metricsColumns.length;
const stepColumn = metricsColumns.indexOf('step');
const noValue: MergedValue = { mean: NaN, std: null, n: 0 };

/** Every step that any table has, in order. */
function mergeSteps(tables: readonly Float64Array[], wanted: readonly MetricsColumn[]): MergedStep[] {
  const placeOf = new Map<number, number>();
  const places = tables.map((values) => {
    const placesOfRows = new Int32Array(values.length / width);
    for (let row = 0; row < placesOfRows.length; row++) {
      const step = values[row * width + stepColumn]!;
      let place = placeOf.get(step);
      if (place === undefined) placeOf.set(step, (place = placeOf.size));
      placesOfRows[row] = place;
    }
    return placesOfRows;
  });
  const merged = new Map(wanted.map((column) => [column, mergeColumn(column, tables, places, placeOf.size)]));
  const at = (column: MetricsColumn, place: number): MergedValue => merged.get(column)?.[place] ?? noValue;
  return [...placeOf]
    .sort(([a], [b]) => a - b)
    .map(([step, place]) => ({
      step,
      epoch: at('epoch', place).mean,
      wall_s: at('wall_s', place).mean,
      values: Object.fromEntries(metricNames.map((metric) => [metric, at(metric, place)])) as Record<
        Metric,
        MergedValue
      >,
    }));
}

/**
 * A column's statistics at every step. Millions of rows come by, so nothing is made for a row.
 *
 * @param places  of every row of every table, which of the `count` steps it is
 */
function mergeColumn(
  column: MetricsColumn,
  tables: readonly Float64Array[],
  places: readonly Int32Array[],
  count: number,
): MergedValue[] {
  const c = metricsColumns.indexOf(column);
  const n = new Uint32Array(count);
  const mean = new Float64Array(count);
  const squares = new Float64Array(count);
  const forFinite = (use: (place: number, value: number) => void): void => {
    for (const [t, values] of tables.entries()) {
      const placesOfRows = places[t]!;
      for (let row = 0; row < placesOfRows.length; row++) {
        const value = values[row * width + c]!;
        if (Number.isFinite(value)) use(placesOfRows[row]!, value);
      }
    }
  };
  forFinite((place, value) => {
    n[place]! += 1;
    mean[place]! += value;
  });
  for (let place = 0; place < count; place++) mean[place]! /= n[place]!;
  forFinite((place, value) => {
    squares[place]! += (value - mean[place]!) ** 2;
  });
  return Array.from(n, (count, place) => mergedValue(count, mean[place]!, squares[place]!));
}

/** @param squares  sum of (x_i - mean)^2 */
function mergedValue(n: number, mean: number, squares: number): MergedValue {
  return { mean, std: n < 2 ? null : Math.sqrt(squares / (n - 1)), n };
}

/** Mean, sample standard deviation and count of the finite values. */
export function statistics(all: readonly number[]): MergedValue {
  const finite = all.filter(Number.isFinite);
  const n = finite.length;
  const mean = finite.reduce((sum, value) => sum + value, 0) / n;
  return mergedValue(
    n,
    mean,
    finite.reduce((sum, value) => sum + (value - mean) ** 2, 0),
  );
}

/** What was trained, as far as a subtitle tells it; `epochs` of the longest run. */
export type Training = Pick<RunSpec, 'dataset' | 'trainSamples' | 'epochs'>;

export interface VariantRuns {
  readonly merged: Merged;
  /** The merged runs one by one. */
  readonly runs: readonly SeedRows[];
  /** Null if there is none. */
  readonly training: Training | null;
  /** Wanted seeds that have no usable rows and no other mention below. */
  readonly missingSeeds: readonly number[];
  /** Seeds that are not done: merged as far as they have rows, unless they cannot be read. */
  readonly unfinished: readonly {
    readonly seed: number;
    readonly state: RunInfo['state'];
    readonly reason: string | null;
  }[];
  /** Seeds left out because most others ran with another spec or on other bytes of the dataset. */
  readonly mixedSpecs: readonly { readonly seed: number; readonly differences: readonly string[] }[];
  /** What else a reader should know, a remark each. */
  readonly remarks: readonly string[];
  /** The run.json of each of `runs`; absent where their source keeps none. */
  readonly records?: readonly RunRecord[];
}

type WithTable = RunInfo & { readonly table: MetricsTable };
type Readable = WithTable & { readonly record: RunRecord };

/** What of runs is wanted; absent: all that is there. */
export interface Wanted {
  readonly seeds?: readonly number[] | undefined;
  /** Values of other metrics may be missing, NaN: to parse rows takes half the time then. */
  readonly metrics?: readonly Metric[] | undefined;
  /** Where false, `wall_s` of means alone may be missing, too. */
  readonly wallClock?: boolean | undefined;
  /** The curve of all seeds alone: neither `runs` nor `records`, most of what a thread hands over. */
  readonly meansOnly?: boolean | undefined;
}

/** A variant, what of it is wanted, and the run store that has it. */
export interface VariantOfStore extends Wanted {
  readonly root: string;
  readonly experiment: string;
  readonly variant: string;
}

/** `VariantRuns` as plain data, which a thread can hand to another. */
export interface StoredVariant extends Omit<VariantRuns, 'runs'> {
  /** The rows of `runs`. */
  readonly tables: readonly { readonly seed: number; readonly values: Float64Array }[];
}

/** All runs of a variant in a run store as one curve, and what a person should know about it. */
export function readVariant(root: string, experiment: string, variant: string, wanted: Wanted = {}): VariantRuns {
  return fromStored(readStored({ root, experiment, variant, ...wanted }));
}

export function fromStored({ tables, ...others }: StoredVariant): VariantRuns {
  return {
    ...others,
    runs: tables.map(({ seed, values }) => ({
      seed,
      get rows() {
        return new MetricsTable(values).rows();
      },
    })),
  };
}

export function readStored({ root, experiment, variant, ...wanted }: VariantOfStore): StoredVariant {
  const { seeds: wantedSeeds, metrics = metricNames, wallClock = true, meansOnly = false } = wanted;
  const timesOfMeans = ['step', 'epoch', ...(wallClock ? (['wall_s'] as const) : [])] as const;
  const columns = [...(meansOnly ? timesOfMeans : timeColumns), ...metrics];
  const present = listSeeds(root, experiment, variant)
    .filter(({ seed }) => wantedSeeds?.includes(seed) ?? true)
    .map((run) => withTable(run, columns));
  const readable = present.filter(isReadable);
  const counted = majority(readable);
  const [first] = counted;
  return {
    merged: mergeTables(counted, columns),
    tables: meansOnly ? [] : counted.map(({ seed, table: { values } }) => ({ seed, values })),
    training: first ? { ...first.record.spec, epochs: Math.max(...counted.map(epochsOf)) } : null,
    missingSeeds: (wantedSeeds ?? []).filter((seed) => !present.some((run) => run.seed === seed)),
    unfinished: present
      .filter(({ state }) => state !== 'done')
      .map(({ seed, state, reason }) => ({ seed, state, reason })),
    mixedSpecs: first
      ? readable
          .filter((run) => !counted.includes(run))
          .map(({ seed, record }) => ({ seed, differences: differences(first.record, record) }))
      : [],
    remarks: [],
    ...(!meansOnly && { records: counted.map(({ record }) => record) }),
  };
}

function epochsOf({ record }: Readable): number {
  return record.spec.epochs;
}

const noRows = MetricsTable.of([]);

function withTable(run: RunInfo, columns: readonly MetricsColumn[]): WithTable {
  if (!run.record) return { table: noRows, ...run };
  try {
    return { table: readTable(run.dir, columns), ...run }; // the other way round takes ten times as long
  } catch (error) {
    if (!(error instanceof DataError)) throw error;
    return { table: noRows, ...run, state: 'unreadable', reason: error.message };
  }
}

function isReadable(run: WithTable): run is Readable {
  return run.record !== null && run.state !== 'unreadable';
}

function groupBy<T, K>(items: readonly T[], keyOf: (item: T) => K): Map<K, T[]> {
  const groups = new Map<K, T[]>();
  for (const item of items) {
    const group = groups.get(keyOf(item));
    if (group) group.push(item);
    else groups.set(keyOf(item), [item]);
  }
  return groups;
}

/** The largest group of runs that differ in seed and length alone; among equals the one started last. */
function majority(runs: readonly Readable[]): readonly Readable[] {
  const groups = groupBy(runs, identities());
  const latest = (group: readonly Readable[]): string =>
    group
      .map((run) => run.record.startedAt)
      .sort()
      .at(-1) ?? '';
  const [largest = []] = [...groups.values()].sort((a, b) => b.length - a.length || (latest(a) < latest(b) ? 1 : -1));
  return largest;
}

/** What runs to be merged have in common, as a text. Hashes of specs that are written alike are computed once. */
function identities(): (run: Readable) => string {
  const hashes = new Map<string, string>();
  return ({ record: { spec, dataset } }) => {
    const written = JSON.stringify({ ...spec, label: undefined, seed: undefined, epochs: undefined });
    const hash = hashes.get(written) ?? trajectoryHash(spec);
    hashes.set(written, hash);
    return `${hash} ${dataset.fingerprint}`;
  };
}

function differences(from: RunRecord, to: RunRecord): string[] {
  const [before, after] = [from.dataset.fingerprint, to.dataset.fingerprint];
  return [
    ...specDifferences({ ...from.spec, epochs: to.spec.epochs }, to.spec),
    ...(before === after ? [] : [`dataset fingerprint ${before} -> ${after}`]),
  ];
}

/** The merged curve as CSV: step, epoch, wall_s, then mean, std (empty for one seed) and n of every metric. */
export function mergedCsv(merged: Merged): string {
  const header = [
    'step',
    'epoch',
    'wall_s',
    ...metricNames.flatMap((name) => [`${name}_mean`, `${name}_std`, `${name}_n`]),
  ];
  const rows = merged.steps.map(({ step, epoch, wall_s, values }) => [
    ...[step, epoch, wall_s],
    ...metricNames.flatMap((name) => [values[name].mean, values[name].std, values[name].n]),
  ]);
  return stringify([header, ...rows]);
}
