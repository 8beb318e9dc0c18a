import { closeSync, openSync, readSync } from 'node:fs';
import { relative } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Command } from 'commander';
import { DataError } from '../errors.js';
import { didYouMean } from '../lab/config/nearest.js';
import { isQueued, runsOnCluster, submittedRuns, type SubmittedRun } from '../lab/cluster/runs.js';
import { logOf } from '../lab/cluster/submission.js';
import { storeOf, type StoreFlags } from './shared.js';

/** `hbp logs`: what the task of a run printed. */
export function logsCommand(): Command {
  return new Command('logs')
    .description('print the log of a run that was submitted to a cluster')
    .argument('<run>', 'such as exp01/sgd/seed0')
    .option('--follow', 'and what comes, until its task has ended')
    .option('--quick', 'of the runs made with --quick')
    .option('--runs <dir>', 'of another folder of runs')
    .addHelpText('after', '\nExamples:\n  hbp logs exp01/sgd/seed0\n  hbp logs exp01/sgd/seed0 --quick --follow')
    .action(logs);
}

interface Options extends StoreFlags {
  readonly follow?: true;
}

/** Between two looks at a file, and at the queue. */
const [fileMs, queueMs] = [500, 15_000];

async function logs(run: string, options: Options): Promise<void> {
  const root = storeOf(options);
  const found = submittedRuns(root).get(run);
  if (!found) throw notSubmitted(run, [...submittedRuns(root).keys()]);
  const tail = new Tail(logOf(found.submission, found.index));
  const isThere = tail.print();
  if (!isThere && !options.follow) throw noLogYet(found);
  if (!options.follow) return;
  let askedAt = -Infinity;
  for (;;) {
    if (performance.now() - askedAt > queueMs) {
      const { runs, problem } = await runsOnCluster(root, (each) => each === run);
      if (problem) throw problem;
      askedAt = performance.now();
      if (!isQueued(runs.get(run))) break;
    }
    await sleep(fileMs);
    tail.print();
  }
  if (!tail.print()) throw noLogYet(found);
}

function notSubmitted(run: string, known: readonly string[]): DataError {
  const hint = known.length > 0 ? didYouMean(run, known) : 'nothing was submitted from this folder of runs';
  return new DataError(`no task was submitted for ${run}: ${hint}`);
}

function noLogYet({ run, submission, index }: SubmittedRun): DataError {
  const place = relative('.', logOf(submission, index));
  return new DataError(`${run}: ${place} is not there yet: task ${submission.job}_${index} has not begun`);
}

/** A file from where it was read last. */
class Tail {
  #at = 0;
  readonly #buffer = Buffer.alloc(2 ** 16);

  constructor(private readonly file: string) {}

  /** Prints what is new; false: it is not there. */
  print(): boolean {
    let file: number;
    try {
      file = openSync(this.file, 'r');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
      throw error;
    }
    try {
      for (;;) {
        const count = readSync(file, this.#buffer, 0, this.#buffer.length, this.#at);
        if (count === 0) return true;
        process.stdout.write(Buffer.from(this.#buffer.subarray(0, count)));
        this.#at += count;
      }
    } finally {
      closeSync(file);
    }
  }
}
