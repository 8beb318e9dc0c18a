import { basename, extname } from 'node:path';
import { Command, Option } from 'commander';
import { parseBackend } from '../engine/backend/names.js';
import { threadEnvironment } from '../engine/backend/threads.js';
import { runName, type RunSpec } from '../lab/config/spec.js';
import { datasetKind } from '../lab/datasets/index.js';
import { inspectRun } from '../lab/results/inspect.js';
import type { RunRecord } from '../lab/results/record.js';
import { isDone, runDir, whyDiverged } from '../lab/results/store.js';
import { runsSideBySide, threadsPerRun } from '../lab/training/parallelism.js';
import type { Outcome } from '../lab/training/pool.js';
import { countOrAuto, minutes } from './arguments.js';
import { defaultMemoryLimit, parseBytes } from './bytes.js';
import { backendOption, threadsOption } from './engine-options.js';
import { addPlanOptions, type PlanOptions, planRuns } from './plan.js';
import { describeOutcome, formatDuration } from './progress.js';
import { dataDirs, formatTable, print, printJson, storeOf } from './shared.js';
import { exitCodeOf, isFine, trainHere } from './train.js';

interface Options extends PlanOptions {
  readonly backend: string;
  readonly jobs: number | 'auto';
  readonly threads: number | 'auto';
  readonly memoryLimit: number;
  readonly force?: true;
  readonly keepCheckpoint?: true;
  readonly checkpointEvery: number;
  readonly dryRun?: true;
  readonly json?: true;
  readonly runs?: string;
}

/** `hbp run`: trains what is not done yet. */
export function runCommand(): Command {
  const command = new Command('run').description('train experiments: every variant and seed that is not done yet');
  return addPlanOptions(command)
    .addOption(backendOption())
    .option('--jobs <n|auto>', 'runs side by side; auto: as many as the cores carry, one on a GPU', countOrAuto, 1)
    .addOption(threadsOption('CPU threads of each run; auto: cores / jobs'))
    .addOption(
      new Option('--memory-limit <size>', 'of the steps of all runs together, such as 4GB: more is done piece by piece')
        .env('HBP_MEMORY_LIMIT')
        .argParser(parseBytes)
        .default(defaultMemoryLimit(), 'half of what this machine has'),
    )
    .option('--runs <dir>', 'folder of the runs (default: data/runs, with --quick data/runs-quick)')
    .option('--force', 'train from scratch, also what is done')
    .option('--checkpoint-every <minutes>', 'how much of a run a crash may cost', minutes, 2)
    .option('--keep-checkpoint', 'leave the last checkpoint of done runs: they can go on with more --epochs')
    .option('--dry-run', 'say what would be trained and roughly how long, train nothing')
    .option('--json', 'print the outcomes as JSON')
    .addHelpText(
      'after',
      `
Examples:
  hbp run exp01                              everything of experiment 1
  hbp run exp01 exp02 --quick --jobs auto    a first look at both, in minutes
  hbp run exp01 --variant sgd --seeds 0-2    three seeds of one variant
  hbp run exp01 --jobs 2 --threads 4         two runs side by side on four cores each
  hbp run exp01 --dataset cifar10 --data-dir ~/data --epochs 2 --seeds 0
  hbp run exp08 --activation relu            exp08 with ReLUs, as exp08-relu
  hbp run exp08-grid --variant adam          a part of a search of experiments/grids
  hbp run ./mine.yaml --dry-run              what an own experiment file means

Ctrl-C stops after the current step and stores a checkpoint, twice at once. Runs that are done are skipped, unfinished
ones go on from their last checkpoint, as if they had never stopped. A run that diverged is left as it is. --force starts
from scratch.`,
    )
    .action(run);
}

async function run(names: string[], options: Options): Promise<void> {
  const backend = parseBackend(options.backend);
  const root = storeOf(options);
  const searchDirs = dataDirs(options.dataDir);
  const specs = await planRuns(names, options, searchDirs);
  const done = options.force ? [] : specs.filter((spec) => isDone(root, spec));
  const diverged = specs.flatMap((spec): Extract<Outcome, { result: 'error' }>[] => {
    const message = options.force ? null : whyDiverged(root, spec);
    return message === null ? [] : [{ spec, result: 'error', message, exitCode: 1 }];
  });
  const notAgain = [...done, ...diverged.map(({ spec }) => spec)];
  const open = specs.filter((spec) => !notAgain.includes(spec));
  if (options.dryRun) return showPlan(specs, open, options);

  const settled = [...done.map((spec): Outcome => ({ spec, result: 'skipped' })), ...diverged];
  const { outcomes, stopped } = await trainHere(open, settled, {
    ...{ root, backend, dataDirs: searchDirs, force: options.force ?? false },
    ...{ keepCheckpoint: options.keepCheckpoint ?? false, checkpointEveryMs: options.checkpointEvery * 60_000 },
    ...{ jobs: options.jobs, threads: options.threads, memoryLimit: options.memoryLimit },
    secondSignal: 'kills',
  });
  summarise(root, specs, outcomes, options);
  if (!options.json) print(`Next: ${plotCommandFor(names, options)}`);
  process.exitCode = stopped ? 130 : exitCodeOf(outcomes);
}

async function showPlan(specs: readonly RunSpec[], open: readonly RunSpec[], options: Options): Promise<void> {
  const asked = threadsPerRun(options, open.length);
  Object.assign(process.env, threadEnvironment(asked)); // before a library that reads it is loaded
  const { useBackend } = await import('../engine/backend/index.js');
  const { flopsOf, measureFlops } = await import('../lab/training/estimate.js');
  const backend = await useBackend(parseBackend(options.backend), { threads: asked });
  const jobs = runsSideBySide(options, open.length, backend);
  const { name, description, threads } = backend;
  const speed = await measureFlops();
  const seconds = open.map((spec) => {
    const { size, shape, classes } = datasetKind(spec.dataset);
    return flopsOf(spec, { ...size, shape, classes }) / speed;
  });
  const total = seconds.reduce((sum, s) => sum + s, 0) / jobs;
  if (options.json) {
    const runs = open.map((spec, i) => ({ ...spec, estimatedSeconds: Math.round(seconds[i]!) }));
    return printJson({ backend, jobs, threads, estimatedSeconds: Math.round(total), runs });
  }
  if (open.length > 0) print(formatTable(planHead, planRows(open, seconds)));
  print(`${open.length} of ${specs.length} runs to train, about ${formatDuration(total)} with ${jobs} at a time`);
  const each = `${threads} ${threads === 1 ? 'thread' : 'threads'} a run`;
  print(`on ${name} (${description}), ${each}, ${(speed / 1e9).toFixed(0)} GFLOP/s in a matrix product just now`);
}

const planHead = ['variant', 'optimizer', 'dataset', 'samples', 'epochs', 'seeds', 'time a run'];

/** A row a variant. */
function planRows(specs: readonly RunSpec[], seconds: readonly number[]): (string | number)[][] {
  const rows = new Map<string, { spec: RunSpec; seeds: number[]; seconds: number }>();
  specs.forEach((spec, i) => {
    const key = `${spec.experiment}/${spec.variant}`;
    const row = rows.get(key) ?? { spec, seeds: [], seconds: seconds[i]! };
    row.seeds.push(spec.seed);
    rows.set(key, row);
  });
  return [...rows].map(([name, { spec, seeds, seconds }]) => [
    name,
    spec.optimizer.kind,
    spec.dataset,
    spec.trainSamples ?? 'all',
    spec.epochs,
    seeds.join(' '),
    `about ${formatDuration(seconds)}`,
  ]);
}

function summarise(root: string, specs: readonly RunSpec[], outcomes: readonly Outcome[], options: Options): void {
  const rows = outcomes.map((outcome) => ({ outcome, record: inspectRun(runDir(root, outcome.spec)).record }));
  if (options.json) {
    printJson(
      rows.map(({ outcome, record }) => ({
        run: runName(outcome.spec),
        outcome: outcome.result,
        state: record?.state ?? null,
        reason: outcome.result === 'error' ? outcome.message : (record?.reason ?? null),
        wallSeconds: record?.wallSeconds ?? null,
        lastRow: record?.lastRow ?? null,
      })),
    );
    return;
  }
  if (rows.length > 0) print(formatTable(resultHead, variantResults(rows)));
  for (const { outcome } of rows) {
    if (!isFine(outcome)) print(`${runName(outcome.spec)}: ${describeOutcome(outcome)}`);
  }
  const notStarted = specs.length - outcomes.length;
  if (notStarted > 0) print(`${notStarted} of ${specs.length} runs were not started`);
  const unfinished = notStarted > 0 || outcomes.some((outcome) => !isFine(outcome));
  if (unfinished) print('The same command again goes on with what is not done');
}

/** What draws the runs; to `hbp plot` a name with a slash is a figure, unless it is a file. */
function plotCommandFor(names: readonly string[], { activation, quick, runs }: Options): string {
  const drawn = names.map((name) => (extname(name) === '' ? basename(name) : name));
  return [
    'hbp plot',
    ...drawn,
    ...(activation ? ['--activation', activation] : []),
    ...(runs === undefined ? (quick ? ['--quick'] : []) : ['--runs', runs]),
  ].join(' ');
}

interface Result {
  readonly outcome: Outcome;
  readonly record: RunRecord | null;
}

const resultHead = ['variant', 'seeds', 'epochs', 'train loss', 'test accuracy', 'time'];

/** A row a variant: means over its seeds of where they stand. */
function variantResults(rows: readonly Result[]): string[][] {
  const byVariant = new Map<string, Result[]>();
  for (const row of rows) {
    const { experiment, variant } = row.outcome.spec;
    const name = `${experiment}/${variant}`;
    byVariant.set(name, [...(byVariant.get(name) ?? []), row]);
  }
  return [...byVariant].map(([name, results]) => {
    const records = results.flatMap(({ record }) => (record?.lastRow ? [{ ...record, lastRow: record.lastRow }] : []));
    const mean = (value: (record: (typeof records)[number]) => number): number =>
      records.reduce((sum, record) => sum + value(record), 0) / records.length;
    return [
      name,
      `${results.filter(({ outcome }) => isFine(outcome)).length}/${results.length}`,
      ...(records.length === 0
        ? ['-', '-', '-', '-']
        : [
            mean(({ lastRow }) => lastRow.epoch).toFixed(2),
            mean(({ lastRow }) => lastRow.train_loss).toFixed(4),
            `${(100 * mean(({ lastRow }) => lastRow.test_accuracy)).toFixed(2)} %`,
            formatDuration(mean(({ wallSeconds }) => wallSeconds)),
          ]),
    ];
  });
}
