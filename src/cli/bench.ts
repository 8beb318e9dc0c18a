import { availableParallelism } from 'node:os';
import { Command, InvalidArgumentError } from 'commander';
import { parseBackend } from '../engine/backend/names.js';
import { ConfigError } from '../errors.js';
import { measureThroughput, type Throughput } from '../lab/training/throughput.js';
import { positiveInteger } from './arguments.js';
import { defaultMemoryLimit } from './bytes.js';
import { planRuns } from './plan.js';
import { dataDirs, formatTable, print, printJson } from './shared.js';
import { backendOption } from './engine-options.js';

/** `hbp bench`: which `--jobs` gets most done on this machine, and in how much memory. */
export function benchCommand(): Command {
  return new Command('bench')
    .description('measure how many runs side by side get most done on this machine, and what memory they take')
    .argument('[variant]', 'what is trained, for seconds and nowhere kept: experiment/variant', 'exp01/cg-pch-abs')
    .option('--jobs <list>', 'how many runs at a time, such as 1,2,4', parseCounts, usualJobs())
    .option('--seconds <n>', 'for each', positiveInteger, 10)
    .addOption(backendOption())
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
Examples:
  hbp bench
  hbp bench exp08/sgd --jobs 1,2,4,8
  hbp bench exp01/sgd --backend wasm --seconds 30

Each of N runs gets cores / N threads, as with \`hbp run --jobs N\`.
The memory is that of their processes, with a part of the data.`,
    )
    .action(bench);
}

interface Options {
  readonly jobs: readonly number[];
  readonly seconds: number;
  readonly backend: string;
  readonly json?: true;
}

async function bench(name: string, options: Options): Promise<void> {
  const backend = parseBackend(options.backend);
  const slash = name.lastIndexOf('/');
  const [experiment, variant] = [name.slice(0, slash), name.slice(slash + 1)];
  if (slash < 1 || variant === '') throw new ConfigError(`found "${name}", expected a variant such as exp01/sgd`);
  const searchDirs = dataDirs();
  // Which pictures makes no difference to the time.
  const only = { variant: [variant], seeds: '0' };
  const [full] = await planRuns([experiment], { ...only, dataset: 'synthetic-cifar10' }, searchDirs);
  if (!full) throw new ConfigError(`${name}: no such variant`);
  const measured: Throughput[] = [];
  for (const jobs of options.jobs) {
    if (!options.json) process.stderr.write(`${jobs} at a time ...\n`);
    const where = { backend, dataDirs: searchDirs, threads: 'auto', memoryLimit: defaultMemoryLimit() } as const;
    measured.push(await measureThroughput(full, jobs, { ...where, seconds: options.seconds }));
  }
  if (options.json) return printJson({ variant: name, cores: availableParallelism(), measured });
  const [first] = measured;
  if (!first) return;
  print(
    formatTable(
      ['jobs', 'threads each', 'steps/s, all together', 'beside the first', 'peak memory, all together'],
      measured.map(({ jobs, threads, stepsPerSecond, peakBytes }) => [
        jobs,
        threads,
        stepsPerSecond.toPrecision(3),
        `${(stepsPerSecond / first.stepsPerSecond).toFixed(2)} x`,
        `${(peakBytes / 1e6).toFixed(0)} MB`,
      ]),
    ),
  );
  const best = measured.reduce((a, b) => (b.stepsPerSecond > a.stepsPerSecond ? b : a));
  print(`${name} on ${first.name} (${first.description}): most gets done with --jobs ${best.jobs}`);
}

/** 1, 2, 4, ... and all cores. */
function usualJobs(): number[] {
  const cores = availableParallelism();
  const powers = Array.from({ length: 1 + Math.floor(Math.log2(cores)) }, (_, i) => 2 ** i);
  return [...new Set([...powers, cores])];
}

function parseCounts(text: string): number[] {
  const counts = text.split(',').map(Number);
  if (counts.length === 0 || !counts.every((count) => Number.isInteger(count) && count > 0)) {
    throw new InvalidArgumentError('Numbers such as 1,2,4 are expected.');
  }
  return counts;
}
