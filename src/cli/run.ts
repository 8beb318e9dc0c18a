import { basename, extname, resolve } from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import { parseBackend, useBackend } from '../engine/backend/index.js';
import { threadEnvironment } from '../engine/backend/threads.js';
import { ConfigError, DataError } from '../errors.js';
import { withActivation } from '../lab/config/activation.js';
import { expandExperiment } from '../lab/config/expand.js';
import { loadExperiment } from '../lab/config/load.js';
import type { Activation, DatasetName, Experiment } from '../lab/config/schema.js';
import { parseSeeds } from '../lab/config/seeds.js';
import { runName, type RunSpec } from '../lab/config/spec.js';
import { datasetKind, datasetNames, findDataset, missingMessage } from '../lab/datasets/index.js';
import { inspectRun } from '../lab/results/inspect.js';
import type { RunRecord } from '../lab/results/record.js';
import { isDone, runDir, whyDiverged } from '../lab/results/store.js';
import { flopsOf, measureFlops } from '../lab/training/estimate.js';
import { runsSideBySide, threadsPerRun } from '../lab/training/parallelism.js';
import { type Outcome, type PoolBackend, trainAll } from '../lab/training/pool.js';
import { defaultMemoryLimit, parseBytes } from './bytes.js';
import { backendOption, threadsOption } from './engine-options.js';
import { createDisplay, describeOutcome, formatDuration } from './progress.js';
import {
  activationOption,
  countOrAuto,
  dataDirs,
  folders,
  formatTable,
  positiveInteger,
  print,
  printJson,
} from './shared.js';

interface Options {
  readonly variant?: string[];
  readonly seeds?: string;
  readonly epochs?: number;
  readonly quick?: true;
  readonly dataset?: DatasetName;
  readonly activation?: Activation;
  readonly dataDir?: string;
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
  return new Command('run')
    .description('train experiments: every variant and seed that is not done yet')
    .argument('<experiment...>', 'names (see `hbp list`) or experiment files (./mine.yaml)')
    .option('--variant <name...>', 'only these variants')
    .option('--seeds <list>', 'seeds such as 0-9 or 0,3 (default: those of the file)')
    .option('--epochs <n>', 'number of epochs (default: that of the file)', positiveInteger)
    .option('--quick', "the file's reduced size: fewer epochs, samples and seeds, in a folder of its own")
    .addOption(new Option('--dataset <name>', 'train on another dataset').choices(datasetNames))
    .addOption(activationOption())
    .option('--data-dir <dir>', 'where datasets are (also HBP_DATA_DIR)')
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
  const root = options.runs === undefined ? folders.runs(options.quick) : resolve(options.runs);
  const searchDirs = dataDirs(options.dataDir);
  const specs = await plan(names, options, searchDirs);
  const done = options.force ? [] : specs.filter((spec) => isDone(root, spec));
  const diverged = specs.flatMap((spec): Extract<Outcome, { result: 'error' }>[] => {
    const message = options.force ? null : whyDiverged(root, spec);
    return message === null ? [] : [{ spec, result: 'error', message, exitCode: 1 }];
  });
  const settled = [...done, ...diverged.map(({ spec }) => spec)];
  const open = specs.filter((spec) => !settled.includes(spec));
  if (options.dryRun) return showPlan(specs, open, options);

  const display = createDisplay(specs.length);
  const stop = new AbortController();
  const kill = new AbortController();
  let stoppedAt = Infinity;
  const onSignal = (): void => {
    // npm passes on what the terminal has sent to all: that is once.
    if (stop.signal.aborted) return performance.now() - stoppedAt < sameSignalMs ? undefined : kill.abort();
    display.log('Stopping after the current step (once more: at once) ...');
    stoppedAt = performance.now();
    stop.abort();
  };
  for (const signal of stopSignals) process.on(signal, onSignal);
  const outcomes: Outcome[] = [...done.map((spec): Outcome => ({ spec, result: 'skipped' })), ...diverged];
  try {
    outcomes.forEach((outcome) => display.onOutcome(outcome));
    if (open.length > 0) {
      const trained = await trainAll(open, {
        ...{ root, backend, dataDirs: searchDirs, force: options.force ?? false },
        ...{ keepCheckpoint: options.keepCheckpoint ?? false, checkpointEveryMs: options.checkpointEvery * 60_000 },
        ...{ jobs: options.jobs, threads: options.threads, memoryLimit: options.memoryLimit },
        ...{ onProgress: display.onProgress, onOutcome: display.onOutcome, stop: stop.signal, kill: kill.signal },
        onReady: (ready) => display.log(describePool(ready, options)),
      });
      outcomes.push(...trained);
    }
  } finally {
    display.stop();
    for (const signal of stopSignals) process.off(signal, onSignal);
  }
  summarise(root, specs, outcomes, options);
  if (!options.json) print(`Next: ${plotCommandFor(names, options)}`);
  process.exitCode = stop.signal.aborted ? 130 : exitCodeOf(outcomes);
}

/** A closed terminal (SIGHUP) is as good a reason as the others. */
const stopSignals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
/** Two signals within this are one. */
const sameSignalMs = 200;

function describePool({ name, description, jobs, threads }: PoolBackend, { threads: wanted }: Options): string {
  const side = `${jobs} ${jobs === 1 ? 'run' : 'runs'} at a time`;
  const each = `${threads} ${threads === 1 ? 'thread' : 'threads'} each`;
  const other = wanted === 'auto' || wanted === threads ? '' : ` (--threads ${wanted} is nothing to this backend)`;
  return `Backend ${name} (${description}), ${side}, ${each}${other}`;
}

/** All runs asked for; a dataset that is not there is found out before anything starts. */
async function plan(names: string[], options: Options, searchDirs: readonly string[]): Promise<RunSpec[]> {
  const seeds = options.seeds === undefined ? undefined : parseSeeds(options.seeds, '--seeds');
  const { activation } = options;
  const loaded = names.map((name) => loadExperiment(name, { experimentsDir: folders.experiments() }));
  const experiments = loaded.map((experiment) => (activation ? withActivation(experiment, activation) : experiment));
  const { variant: variants, epochs, quick } = options;
  const expanded = experiments.map((experiment) => {
    const dataset = options.dataset ?? experiment.dataset;
    return { experiment, specs: expandExperiment(experiment, { variants, seeds, epochs, quick, dataset }) };
  });
  const all = expanded.flatMap(({ specs }) => specs.map(runName));
  if (new Set(all).size < all.length) throw new ConfigError('an experiment or a seed is named twice: give each once');

  const specs: RunSpec[] = [];
  const usable = new Map<DatasetName, DatasetName>();
  for (const { experiment, specs: wanted } of expanded) {
    if (isSearch(experiment)) process.stderr.write(`${describeSearch(experiment, wanted)}\n`);
    const name = options.dataset ?? experiment.dataset;
    const dataset = usable.get(name) ?? (await usableDataset(name, searchDirs, options));
    usable.set(name, dataset);
    if (quick) process.stderr.write(`${experiment.name} at reduced size: ${describeQuick(wanted, experiment)}\n`);
    specs.push(...wanted.map((spec) => ({ ...spec, dataset })));
  }
  return specs;
}

function isSearch({ variants }: Experiment): boolean {
  return Object.values(variants).some(({ grid }) => grid);
}

/** How much is asked for: a search is large without looking it. */
function describeSearch({ name }: Experiment, specs: readonly RunSpec[]): string {
  const count = (key: 'variant' | 'seed', unit: string): string => {
    const { size } = new Set(specs.map((spec) => spec[key]));
    return `${size} ${unit}${size === 1 ? '' : 's'}`;
  };
  const runs = specs.length === 1 ? '1 run' : `${specs.length} runs`;
  return `${name}: ${runs}, ${count('variant', 'variant')} on ${count('seed', 'seed')}`;
}

function describeQuick(specs: readonly RunSpec[], { epochs, seeds }: Experiment): string {
  const [first] = specs;
  if (!first) return 'nothing to train';
  const quickSeeds = [...new Set(specs.map(({ seed }) => seed))].join(', ');
  return (
    `${first.epochs} epochs of ${first.trainSamples} training samples in batches of ${first.batchSize}, ` +
    `${first.testSamples} test samples, seed ${quickSeeds} (in full: ${epochs} epochs of all samples, seeds ${String(seeds)})`
  );
}

/** With --quick, generated pictures stand in for a dataset that is not there, and this is said. */
async function usableDataset(name: DatasetName, searchDirs: readonly string[], options: Options): Promise<DatasetName> {
  const kind = datasetKind(name);
  const found = await findDataset(name, searchDirs);
  if (kind.origin === 'generated' || found.state !== 'missing') return name;
  if (!options.quick || options.dataset || !kind.standIn) throw new DataError(missingMessage(kind, searchDirs));
  process.stderr.write(
    `${name} is not here: training on ${kind.standIn}, generated pictures, instead. The numbers are not the paper's; ` +
      `\`hbp data fetch ${name}\` gets the real ones.\n`,
  );
  return kind.standIn;
}

async function showPlan(specs: readonly RunSpec[], open: readonly RunSpec[], options: Options): Promise<void> {
  const asked = threadsPerRun(options, open.length);
  Object.assign(process.env, threadEnvironment(asked)); // before a library that reads it is loaded
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

/** Done, now or before. */
function isFine(outcome: Outcome): boolean {
  return outcome.result === 'skipped' || (outcome.result === 'trained' && outcome.ending.state === 'done');
}

/** The gravest of the runs' exit codes. */
function exitCodeOf(outcomes: readonly Outcome[]): number {
  const codes = outcomes.map((outcome) => {
    if (outcome.result === 'error') return outcome.exitCode;
    return isFine(outcome) ? 0 : 1;
  });
  return Math.max(0, ...codes);
}

function minutes(text: string): number {
  const value = Number(text);
  if (text === '' || !(value >= 0)) throw new InvalidArgumentError('A number of minutes is expected.');
  return value;
}
