/** The series of a run's metrics, each with steps of its own, as rows of our shape. */
import { DataError } from '../../errors.js';
import { metricNames, type Metric } from '../config/schema.js';
import type { MetricsRow } from '../results/metrics.js';
import type { NumberTable } from './table.js';

export interface Logged {
  /** Training samples seen. */
  readonly samples: number;
  /** Seconds since the run's first log; NaN where it was not logged. */
  readonly wall: number;
  readonly value: number;
}

/** How a run counts: what turns samples seen into epochs and optimiser steps. */
export interface Pace {
  readonly trainSamples: number;
  readonly batchSize: number;
}

/**
 * Two columns of a table, and a third if it is there, as a series.
 *
 * @throws DataError  with file and line: a column is missing, or a step is no whole number or does not increase
 */
export function seriesOf(table: NumberTable, where: string, valueColumn: string): Logged[] {
  const [step, wall, value] = ['step', 'wall', valueColumn].map((name) => table.columns.indexOf(name)) as [
    number,
    number,
    number,
  ];
  if (step < 0 || value < 0) throw new DataError(`${where}:1: column "${step < 0 ? 'step' : valueColumn}" is missing`);
  let last = -1;
  return table.rows.map((values, row) => {
    const samples = values[step] ?? NaN;
    if (!Number.isSafeInteger(samples) || samples <= last) {
      const expected = last < 0 ? 'a whole number' : `a whole number beyond ${last}`;
      throw new DataError(`${where}:${table.lineOf(row)}: step: found ${samples}, expected ${expected}`);
    }
    last = samples;
    return { samples, wall: wall < 0 ? NaN : (values[wall] ?? NaN), value: values[value] ?? NaN };
  });
}

/**
 * Joins the series of a run on the samples seen: a row for every step that any metric has, NaN where one has no value
 * there. The metrics of an evaluation are logged one after the other; the row has the earliest of their times.
 */
export function rowsOf(series: Readonly<Partial<Record<Metric, readonly Logged[]>>>, pace: Pace): MetricsRow[] {
  const rows = new Map<number, { wall: number; values: Partial<Record<Metric, number>> }>();
  for (const metric of metricNames) {
    for (const { samples, wall, value } of series[metric] ?? []) {
      const row = rows.get(samples) ?? { wall: NaN, values: {} };
      row.wall = Number.isNaN(row.wall) ? wall : Math.min(row.wall, Number.isNaN(wall) ? Infinity : wall);
      row.values[metric] = value;
      rows.set(samples, row);
    }
  }
  return [...rows]
    .sort(([a], [b]) => a - b)
    .map(([samples, { wall, values }]) => ({
      step: optimizerSteps(samples, pace),
      epoch: samples / pace.trainSamples,
      wall_s: wall,
      train_wall_s: NaN, // the authors' clock runs on while they evaluate
      ...(Object.fromEntries(metricNames.map((metric) => [metric, values[metric] ?? NaN])) as Record<Metric, number>),
    }));
}

/** Steps of the optimiser after so many samples: the last batch of an epoch may be smaller. */
export function optimizerSteps(samples: number, { trainSamples, batchSize }: Pace): number {
  const epochs = Math.floor(samples / trainSamples);
  const rest = samples - epochs * trainSamples;
  return epochs * Math.ceil(trainSamples / batchSize) + Math.ceil(rest / batchSize);
}
