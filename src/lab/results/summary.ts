/** Seeds of one variant up to an epoch, in a few numbers: where they stand, their best, and what a step costs. */
import { statistics, type MergedValue, type SeedRows } from './merge.js';
import type { MetricsRow } from './metrics.js';

export const comparedMetrics = ['train_loss', 'test_accuracy'] as const;
export type ComparedMetric = (typeof comparedMetrics)[number];

/** Seconds: of an optimiser step and of an epoch without evaluation, of an epoch with the evaluations in it. */
export const timeNames = ['step', 'epoch', 'evaluatedEpoch'] as const;
export type TimeName = (typeof timeNames)[number];

/**
 * Evaluations at most so far apart, in epochs, count as at the same epoch: a run ends one optimiser step before the
 * evaluation that opens the next epoch of a longer run.
 */
export const sameEpoch = 0.05;

export interface SeedCourse extends SeedRows {
  /** Its loss is no number at the end, or training stopped because of that. */
  readonly diverged: boolean;
}

/** Over seeds: mean, sample standard deviation and how many. */
export interface Summary {
  readonly epoch: number;
  /** Seeds with an evaluation at the epoch. */
  readonly seeds: readonly number[];
  /** Seeds that had diverged by then: no part of the statistics. */
  readonly diverged: readonly number[];
  readonly final: Readonly<Record<ComparedMetric, MergedValue>>;
  /** Of the least loss or the highest accuracy of each seed, up to and including the epoch. */
  readonly best: Readonly<Record<ComparedMetric, MergedValue>>;
  /** Seconds, over the same part of the runs. */
  readonly times: Readonly<Record<TimeName, MergedValue>>;
}

export function summarise(seeds: readonly SeedCourse[], epoch: number): Summary {
  const diverged = seeds.filter((seed) => seed.diverged && lastEpoch(seed) <= epoch + sameEpoch);
  const there = seeds.flatMap((seed) => {
    const row = diverged.includes(seed) ? undefined : rowAt(seed, epoch);
    return row ? [{ seed: seed.seed, row, rows: seed.rows.filter((each) => each.epoch <= row.epoch) }] : [];
  });
  const over = <K extends string>(keys: readonly K[], of: (key: K, one: (typeof there)[number]) => number) =>
    Object.fromEntries(keys.map((key) => [key, statistics(there.map((one) => of(key, one)))] as const)) as Record<
      K,
      MergedValue
    >;
  return {
    epoch,
    seeds: there.map(({ seed }) => seed),
    diverged: diverged.map(({ seed }) => seed),
    final: over(comparedMetrics, (metric, { row }) => row[metric]),
    best: over(comparedMetrics, (metric, { rows }) => bestOf(rows, metric)),
    times: over(timeNames, (name, { rows }) => secondsPer(rows, paces[name])),
  };
}

/** The evaluation nearest to an epoch, if it is at the same epoch. */
export function rowAt({ rows }: SeedRows, epoch: number): MetricsRow | undefined {
  return rows
    .filter((row) => Math.abs(row.epoch - epoch) <= sameEpoch)
    .sort((a, b) => Math.abs(a.epoch - epoch) - Math.abs(b.epoch - epoch))[0];
}

export function lastEpoch({ rows }: SeedRows): number {
  return rows.at(-1)?.epoch ?? 0;
}

/**
 * Whether the losses are no numbers at the end. One loss alone that lacks in the last row is a gap in a file, and so are
 * both in all rows: a run that diverges in its first step has no second row.
 */
export function endsInNaN({ rows }: SeedRows): boolean {
  const last = rows.at(-1);
  if (!last) return false;
  const recorded = (['train_loss', 'test_loss'] as const).filter((name) =>
    rows.some((row) => Number.isFinite(row[name])),
  );
  if (recorded.length === 0) return rows.length === 1 || !Number.isFinite(last.batch_loss);
  return recorded.every((name) => !Number.isFinite(last[name]));
}

/** NaN where no value is finite. */
function bestOf(rows: readonly MetricsRow[], metric: ComparedMetric): number {
  const values = rows.map((row) => row[metric]).filter(Number.isFinite);
  if (values.length === 0) return NaN;
  return metric === 'train_loss' ? Math.min(...values) : Math.max(...values);
}

interface Pace {
  readonly clock: 'wall_s' | 'train_wall_s';
  readonly counter: 'step' | 'epoch';
}

const paces: Readonly<Record<TimeName, Pace>> = {
  step: { clock: 'train_wall_s', counter: 'step' },
  epoch: { clock: 'train_wall_s', counter: 'epoch' },
  evaluatedEpoch: { clock: 'wall_s', counter: 'epoch' },
};

/**
 * Seconds by a clock for each unit of a counter, from the first evaluation on: the step before it, which also compiles
 * and allocates, does not count. Nor does a stretch in which the clock goes backwards, where a run was pieced together.
 * NaN where nothing is left.
 */
function secondsPer(rows: readonly MetricsRow[], { clock, counter }: Pace): number {
  let time = 0;
  let count = 0;
  rows.forEach((row, i) => {
    const before = rows[i - 1];
    const passed = before ? row[clock] - before[clock] : NaN;
    if (!before || !(passed >= 0)) return;
    time += passed;
    count += row[counter] - before[counter];
  });
  return time / count;
}
