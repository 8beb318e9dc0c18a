import { readFileSync } from 'node:fs';
import { relative, resolve } from 'node:path';
import { Command, Option } from 'commander';
import { DataError, messageOf, RunError } from '../errors.js';
import { variantsOf } from '../lab/config/expand.js';
import { loadAllExperiments, loadExperiment } from '../lab/config/load.js';
import type { Experiment } from '../lab/config/schema.js';
import { compareExperiment } from '../lab/results/compare.js';
import type { RunSource } from '../lab/results/source.js';
import { writeWhole } from '../lab/whole-file.js';
import { criterion, tablesOf } from './compare/tables.js';
import { folders, print } from './shared.js';
import { originalRuns, ownRuns } from './sources.js';

interface ReportFlags {
  readonly out: string;
  readonly original?: true;
  readonly quick?: true;
  readonly runs?: string;
}

/** `hbp report`: what experiments came to, as one file to pass on. */
export function reportCommand(): Command {
  return new Command('report')
    .description('write one HTML file with figures, comparison tables and the origin of every number')
    .argument('[experiments...]', 'names or files of experiments (default: all that have runs)')
    .option('--out <file>', 'where to write it', 'report.html')
    .addOption(
      new Option('--original', "report the authors' runs if imported, else the recorded ones").conflicts([
        'quick',
        'runs',
      ]),
    )
    .addOption(new Option('--quick', 'report the runs made with --quick').conflicts('runs'))
    .option('--runs <dir>', 'report another folder of runs')
    .addHelpText(
      'after',
      `
Examples:
  hbp report                              every experiment that has runs, to report.html
  hbp report exp08 --out exp08.html       one of them
  hbp report --original                   the recorded runs that ship
  hbp report ./mine.yaml --quick

The file needs no network and no server: it opens from the disk, its charts zoom, switch lines and download.
Your runs are compared with the authors' or recorded ones as \`hbp compare\` does.`,
    )
    .action(report);
}

async function report(names: readonly string[], flags: ReportFlags): Promise<void> {
  const { createReport } = await import('../lab/report/report.js');
  const experimentsDir = folders.experiments();
  const named = names.map((name) => loadExperiment(name, { experimentsDir }));
  const shipped = loadAllExperiments(experimentsDir).filter(({ name }) => !named.some((each) => each.name === name));
  const known = [...shipped, ...named];
  const theirs = await originalRuns();
  const source = flags.original ? theirs : ownRuns(flags);
  const wanted = named.length > 0 ? named : known.filter((experiment) => hasRuns(experiment, source));
  if (!wanted.some((experiment) => hasRuns(experiment, source))) throw nothingToReport(source);
  const text = createReport({
    source,
    place: shown(resolve(source.from)),
    known,
    experiments: wanted.map((experiment) => {
      const sides = flags.original ? { theirs } : { theirs, ours: source };
      const comparison = compareExperiment(experiment, sides);
      return { experiment, tables: tablesOf(comparison), remarks: comparison.remarks };
    }),
    criterion,
    version: ownVersion(),
    command: ['hbp report', ...process.argv.slice(3)].join(' '),
    date: new Date(),
  });
  try {
    writeWhole(resolve(flags.out), text);
  } catch (error) {
    throw new RunError(`cannot write ${flags.out}: ${messageOf(error)}`, { cause: error });
  }
  print(`${shown(resolve(flags.out))}  (${wanted.map(({ name }) => name).join(', ')}; ${megabytes(text)} MB)`);
}

function hasRuns(experiment: Experiment, source: RunSource): boolean {
  return variantsOf(experiment).some((variant) => source.read(experiment.name, variant).runs.length > 0);
}

function nothingToReport({ from }: RunSource): DataError {
  return new DataError(
    `no runs to report in ${shown(from)}: \`hbp run\` makes some, \`hbp report --original\` takes the recorded ones`,
  );
}

function ownVersion(): string {
  const file = new URL('../../package.json', import.meta.url);
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}

function megabytes(text: string): string {
  return (Buffer.byteLength(text) / 1e6).toFixed(1);
}

function shown(path: string): string {
  return relative('.', path) || '.';
}
