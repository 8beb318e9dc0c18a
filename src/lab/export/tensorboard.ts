/** Event files: `tensorboard --logdir OUT` shows every metric of every run against step and time. */
import { metricNames } from '../config/schema.js';
import { encodeEventFile } from './event-file.js';
import type { ExportFile, ExportFormat } from './format.js';
import type { SeedRun, VariantToExport } from './runs.js';

export const tensorboard: ExportFormat = {
  description: 'event files that TensorBoard opens, a folder a run; steps are those of the optimiser',
  folder: ({ experiment, variant }) => `${experiment}/${variant}`,
  files,
  remarks: () => [],
};

function* files({ seeds }: VariantToExport): Iterable<ExportFile> {
  for (const run of seeds) yield { path: `seed${run.seed}/${fileName(run)}`, content: eventFile(run) };
}

/** TensorBoard takes any name with `tfevents` in it and reads those of a folder in their order. */
function fileName({ record }: SeedRun): string {
  return `events.out.tfevents.${Math.floor(startOf(record))}.hbp`;
}

function eventFile({ rows, record }: SeedRun): Uint8Array {
  const start = startOf(record);
  const events = rows.map((row) => ({
    wallTime: start + row.wall_s,
    step: row.step,
    scalars: Object.fromEntries(metricNames.map((metric) => [metric, row[metric]])),
  }));
  return encodeEventFile(start, events);
}

/** Seconds since 1970. */
function startOf({ startedAt }: SeedRun['record']): number {
  return Date.parse(startedAt) / 1000;
}
