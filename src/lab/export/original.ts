/** The authors' layout: what their plotting scripts and `hbp data import paper` read. */
import { archivedMetricNames, runPath, seedName } from '../archive/layout.js';
import { pythonFloat, pythonInt } from '../archive/python-text.js';
import { metricNames, type Metric } from '../config/schema.js';
import type { RunSpec } from '../config/spec.js';
import { datasetKind } from '../datasets/index.js';
import type { ExportFile, ExportFormat } from './format.js';
import type { SeedRun, VariantToExport } from './runs.js';

export const original: ExportFormat = {
  description: "CSV files in the layout and naming of the authors' published runs",
  folder: ({ experiment, variant, spec }) => runPath(experiment, { ...spec, name: variant }),
  files,
  remarks: ({ spec }) => {
    const samples = trainSamples(spec);
    return samples === trainSamples({ dataset: 'cifar10' }) ? [] : [`its steps count ${samples} samples an epoch`];
  },
};

/** One value of a metric. */
interface Logged {
  /** Training samples seen: what the authors call the step. */
  readonly samples: number;
  /** Seconds since the run's first log. */
  readonly wall: number;
  readonly value: number;
}

function* files({ spec, seeds }: VariantToExport): Iterable<ExportFile> {
  for (const metric of metricNames) {
    const name = `${archivedMetricNames[metric]}.csv`;
    const series = seeds.map((run) => ({ seed: run.seed, logged: loggedBy(run, metric, trainSamples(spec)) }));
    for (const { seed, logged } of series) {
      if (logged.length > 0) yield { path: `${seedName(seed)}/${name}`, content: seedCsv(logged) };
    }
    const merged = mergedCsv(series.filter(({ logged }) => logged.length > 0));
    if (merged !== undefined) yield { path: name, content: merged };
  }
}

/** A value that is not there was never logged. */
function loggedBy({ rows }: SeedRun, metric: Metric, samples: number): Logged[] {
  const start = rows[0]?.wall_s ?? 0;
  return rows
    .filter((row) => !Number.isNaN(row[metric]))
    .map((row) => ({
      samples: Math.round(row.epoch * samples),
      wall: Math.round((row.wall_s - start) * 1e6) / 1e6,
      value: row[metric],
    }));
}

function seedCsv(logged: readonly Logged[]): string {
  return csv(
    ['wall', 'step', 'value'],
    logged.map(({ wall, samples, value }) => [number(wall), pythonInt(samples), number(value)]),
  );
}

/**
 * The steps that all seeds have. The columns of the seeds run backwards as in the published files; mean and sample
 * standard deviation (n - 1, empty for one seed) follow.
 */
function mergedCsv(series: readonly { seed: number; logged: readonly Logged[] }[]): string | undefined {
  const columns = [...series]
    .sort((a, b) => b.seed - a.seed)
    .map(({ seed, logged }) => ({ seed, at: new Map(logged.map(({ samples, value }) => [samples, value])) }));
  const [first, ...others] = columns;
  if (!first) return undefined;
  const steps = [...first.at.keys()].filter((step) => others.every(({ at }) => at.has(step)));
  return csv(
    ['step', ...columns.map(({ seed }) => seedName(seed)), 'mean', 'std'],
    steps.map((step) => {
      const values = columns.map(({ at }) => at.get(step) ?? NaN);
      const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
      const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
      return [pythonInt(step), ...[...values, mean, Math.sqrt(squares / (values.length - 1))].map(number)];
    }),
  );
}

/** As pandas writes it. */
function number(value: number): string {
  return Number.isNaN(value) ? '' : pythonFloat(value);
}

/** Names and numbers: nothing that needs quotes. */
function csv(header: readonly string[], lines: readonly (readonly string[])[]): string {
  return [header, ...lines].map((line) => `${line.join(',')}\n`).join('');
}

function trainSamples(spec: Pick<RunSpec, 'dataset' | 'trainSamples'>): number {
  return spec.trainSamples ?? datasetKind(spec.dataset).size.train;
}
