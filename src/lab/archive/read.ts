/** Reads the runs of one variant from a tree in the authors' layout. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { DataError } from '../../errors.js';
import { metricNames, type Metric } from '../config/schema.js';
import type { SeedRows } from '../results/merge.js';
import {
  archivedMetricNames,
  archivedTrainSamples,
  experimentDir,
  normalizedRunName,
  runDirName,
  seedName,
  seedOfName,
  type NamedVariant,
} from './layout.js';
import { rowsOf, seriesOf, type Logged, type Pace } from './rows.js';
import { readNumberTable } from './table.js';

export interface ArchivedRuns {
  /** Ascending; none where the tree has no run of the variant. */
  readonly seeds: readonly SeedRows[];
  /** Seeds that cannot be read, metrics that lack, torn lines: one remark each. */
  readonly remarks: readonly string[];
}

export interface ReadOptions {
  /** Of the set that the runs trained on; the authors' runs are all on the whole of CIFAR-10, the default. */
  readonly trainSamples?: number | undefined;
}

/**
 * The seeds of a variant, from the files of its seeds or, where there are none, from its merged files, which know no
 * times. A seed with a broken file is left out and told of in a remark.
 *
 * @param root  the folder that holds the folders of the experiments
 */
export function readArchivedVariant(
  root: string,
  experiment: string,
  variant: NamedVariant,
  options: ReadOptions = {},
): ArchivedRuns {
  const dir = archivedRunDir(root, experiment, variant);
  if (dir === undefined) return { seeds: [], remarks: [] };
  return readRunDir(dir, {
    trainSamples: options.trainSamples ?? archivedTrainSamples,
    batchSize: variant.batchSize,
  });
}

/** The folder of a variant's runs, also if its name spells numbers another way; undefined if there is none. */
export function archivedRunDir(root: string, experiment: string, variant: NamedVariant): string | undefined {
  const parent = join(root, experimentDir(experiment, variant.optimizer));
  const exact = runDirName(experiment, variant);
  if (existsSync(join(parent, exact))) return join(parent, exact);
  const wanted = normalizedRunName(exact);
  const alike = foldersIn(parent).find((name) => normalizedRunName(name) === wanted);
  return alike === undefined ? undefined : join(parent, alike);
}

/** As `readArchivedVariant`, for the folder of a run. */
export function readRunDir(dir: string, pace: Pace): ArchivedRuns {
  const folders = seedFolders(dir);
  if (folders.length === 0) return readMerged(dir, pace);
  return combine(folders.map(({ seed, folder }) => readSeed(seed, folder, pace)));
}

/** The seeds that have a folder with metrics in the folder of a run, ascending. */
export function seedsIn(dir: string): number[] {
  return seedFolders(dir).map(({ seed }) => seed);
}

function seedFolders(dir: string): { seed: number; folder: string }[] {
  return foldersIn(dir)
    .flatMap((name) => {
      const seed = seedOfName(name);
      return seed !== undefined && hasMetrics(join(dir, name)) ? [{ seed, folder: join(dir, name) }] : [];
    })
    .sort((a, b) => a.seed - b.seed);
}

/** What is known of one seed: rows, or why there are none; and what its files lack. */
interface SeedReading {
  readonly seed: number;
  readonly rows?: SeedRows['rows'];
  readonly problem?: string;
  readonly missing: readonly Metric[];
  readonly torn: readonly string[];
}

function readSeed(seed: number, folder: string, pace: Pace): SeedReading {
  const series: Partial<Record<Metric, readonly Logged[]>> = {};
  const torn: string[] = [];
  try {
    for (const metric of metricNames) {
      const path = metricPath(folder, metric);
      if (!existsSync(path)) continue;
      const table = readNumberTable(path, (column) => ['wall', 'step', 'value'].includes(column));
      series[metric] = seriesOf(table, path, 'value');
      if (table.torn) torn.push(path);
    }
  } catch (error) {
    if (!(error instanceof DataError)) throw error;
    return { seed, problem: error.message, missing: [], torn: [] };
  }
  return { seed, rows: rowsOf(series, pace), missing: metricNames.filter((metric) => !series[metric]), torn };
}

function readMerged(dir: string, pace: Pace): ArchivedRuns {
  const series = new Map<number, Partial<Record<Metric, readonly Logged[]>>>();
  const remarks: string[] = [];
  let files = 0;
  for (const metric of metricNames) {
    const path = metricPath(dir, metric);
    if (!existsSync(path)) continue;
    files++;
    try {
      const table = readNumberTable(path, (column) => column === 'step' || seedOfName(column) !== undefined);
      for (const column of table.columns) {
        const seed = seedOfName(column);
        if (seed === undefined) continue;
        series.set(seed, { ...series.get(seed), [metric]: seriesOf(table, path, column) });
      }
      if (table.torn) remarks.push(tornRemark(path));
    } catch (error) {
      if (!(error instanceof DataError)) throw error;
      remarks.push(`${archivedMetricNames[metric]} left out: ${error.message}`);
    }
  }
  if (files === 0) return { seeds: [], remarks };
  if (series.size === 0) return { seeds: [], remarks: [...remarks, `${dir} has no column of a seed`] };
  const readings = [...series]
    .sort(([a], [b]) => a - b)
    .map(([seed, of]): SeedReading => {
      const missing = metricNames.filter((metric) => !of[metric]);
      return { seed, rows: rowsOf(of, pace), missing, torn: [] };
    });
  const { seeds, remarks: further } = combine(readings);
  return { seeds, remarks: ['from merged files: no times', ...remarks, ...further] };
}

function combine(readings: readonly SeedReading[]): ArchivedRuns {
  return {
    seeds: readings.flatMap(({ seed, rows }) => (rows ? [{ seed, rows }] : [])),
    remarks: [
      ...readings.flatMap(({ seed, problem }) =>
        problem === undefined ? [] : [`${seedName(seed)} left out: ${problem}`],
      ),
      ...missingRemarks(readings),
      ...readings.flatMap(({ torn }) => torn.map(tornRemark)),
    ],
  };
}

/** `no train_acc`, or `no train_acc: seed3, seed4` where others have it. */
function missingRemarks(readings: readonly SeedReading[]): string[] {
  const read = readings.filter(({ rows }) => rows);
  return metricNames.flatMap((metric) => {
    const without = read.filter(({ missing }) => missing.includes(metric));
    if (without.length === 0) return [];
    const which = without.length < read.length ? `: ${without.map(({ seed }) => seedName(seed)).join(', ')}` : '';
    return [`no ${archivedMetricNames[metric]}${which}`];
  });
}

function tornRemark(path: string): string {
  return `${path}: the last line is torn and left out`;
}

function hasMetrics(folder: string): boolean {
  return metricNames.some((metric) => existsSync(metricPath(folder, metric)));
}

function metricPath(folder: string, metric: Metric): string {
  return join(folder, `${archivedMetricNames[metric]}.csv`);
}

/** Names of the folders in a folder, sorted; none if it is not there. */
export function foldersIn(dir: string): string[] {
  try {
    return readdirSync(dir, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => name)
      .sort();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return [];
    throw error;
  }
}
