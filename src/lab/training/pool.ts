import { type ChildProcess, fork } from 'node:child_process';
import { setTimeout } from 'node:timers/promises';
import { HbpError, RunError } from '../../errors.js';
import { threadEnvironment } from '../../engine/backend/threads.js';
import { runName, type RunSpec } from '../config/spec.js';
import { type Parallelism, runsSideBySide, threadsPerRun } from './parallelism.js';
import type { ProgressListener } from './progress.js';
import type { Ending } from './train.js';
import type { FromWorker, ToWorker } from './worker.js';

/** What became of one run: trained, found done before, or stopped by an error. */
export type Outcome =
  | {
      readonly spec: RunSpec;
      readonly result: 'trained';
      readonly ending: Ending;
      /** The most resident memory that its process has had, earlier runs included. */
      readonly peakBytes: number;
    }
  | { readonly spec: RunSpec; readonly result: 'skipped' }
  | {
      readonly spec: RunSpec;
      readonly result: 'error';
      readonly message: string;
      readonly exitCode: number;
      /** Another process trains it, or has taken it over. */
      readonly taken?: boolean;
    };

export interface PoolOptions extends Parallelism {
  readonly root: string;
  readonly backend: string;
  readonly dataDirs: readonly string[];
  readonly force: boolean;
  /** Leave the last checkpoint of runs that are done. */
  readonly keepCheckpoint: boolean;
  /** Milliseconds between checkpoints, about. */
  readonly checkpointEveryMs: number;
  /** Bytes for the steps of all runs side by side, about. */
  readonly memoryLimit: number;
  readonly onReady: (backend: PoolBackend) => void;
  readonly onProgress: ProgressListener;
  readonly onOutcome: (outcome: Outcome) => void;
  /** When aborted, every run stops after its step, stores a checkpoint and says so in its record. */
  readonly stop: AbortSignal;
  /** When aborted, the processes are killed where they stand. */
  readonly kill: AbortSignal;
}

/** What the runs of a pool are trained on, and how many at once. */
export interface PoolBackend {
  readonly name: string;
  readonly description: string;
  readonly jobs: number;
  /** Of each run. */
  readonly threads: number;
}

/**
 * Train runs in worker processes and report every one's outcome; a run that fails does not stop the others.
 *
 * @throws HbpError  no worker could start: the backend's reason and exit code
 */
export async function trainAll(specs: readonly RunSpec[], options: PoolOptions): Promise<Outcome[]> {
  const queue = [...specs];
  const outcomes: Outcome[] = [];
  const report = (outcome: Outcome): void => {
    outcomes.push(outcome);
    options.onOutcome(outcome);
  };
  const threads = threadsPerRun(options, specs.length);
  const children: ChildProcess[] = [];
  const start = (): Promise<Worker> => startWorker(options.backend, threads, children);
  const stop = (): void =>
    children.forEach((child) => child.connected && child.send({ type: 'stop' } satisfies ToWorker));
  const kill = (): void => children.forEach((child) => child.kill('SIGKILL'));
  options.stop.addEventListener('abort', stop);
  options.kill.addEventListener('abort', kill);
  try {
    const first = await start();
    const jobs = runsSideBySide(options, specs.length, first.ready);
    const { name, description } = first.ready;
    options.onReady({ name, description, jobs, threads: first.ready.threads });
    const others = await Promise.all(Array.from({ length: jobs - 1 }, start));
    // If a process cannot be replaced, the runs in the others still end well.
    const ended = await Promise.allSettled(
      [first, ...others].map(async (worker) => {
        let current = worker;
        for (let spec = queue.shift(); spec && !options.stop.aborted; spec = queue.shift()) {
          if (!current.child.connected) current = await start();
          const outcome = await trainOn(current.child, spec, { ...options, memoryLimit: options.memoryLimit / jobs });
          report(outcome);
          // Told to stop by somebody else, it would do so in its next run, too.
          if (isInterrupted(outcome) && !options.stop.aborted) disconnect(current.child);
        }
        disconnect(current.child);
      }),
    );
    const failed = ended.find((result) => result.status === 'rejected');
    if (failed) throw failed.reason;
  } catch (error) {
    kill();
    // A Ctrl-C also ends processes that have not started yet, and may reach them before it reaches this one.
    await setTimeout(signalDelayMs);
    if (!options.stop.aborted) throw error;
  } finally {
    options.stop.removeEventListener('abort', stop);
    options.kill.removeEventListener('abort', kill);
  }
  return outcomes;
}

function isInterrupted(outcome: Outcome): boolean {
  return outcome.result === 'trained' && outcome.ending.state === 'interrupted';
}

function disconnect(child: ChildProcess): void {
  if (child.connected) child.disconnect();
}

type Ready = Extract<FromWorker, { type: 'ready' }>;
interface Worker {
  readonly child: ChildProcess;
  readonly ready: Ready;
}

/** Between the deaths of processes by one signal. */
const signalDelayMs = 100;

const workerFile = new URL('./worker.js', import.meta.url);

/**
 * Libraries read the number of their threads when they are loaded, so it stands in the process's environment.
 *
 * @param children  gets the process
 */
function startWorker(backend: string, threads: number, children: ChildProcess[]): Promise<Worker> {
  const child = fork(workerFile, [backend, String(threads)], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    env: { ...process.env, ...threadEnvironment(threads) },
  });
  children.push(child);
  // That a message does not arrive any more is known by the exit that follows.
  child.on('error', () => undefined);
  return new Promise((resolve, reject) => {
    const onExit = (code: number | null, signal: NodeJS.Signals | null): void => {
      const how = signal ?? `exit code ${code}`;
      reject(
        new RunError(`a training process ended at its start (${how}): \`hbp doctor\` tells which backend does that`),
      );
    };
    child.once('error', reject).once('exit', onExit);
    child.once('message', (message: FromWorker) => {
      child.off('error', reject).off('exit', onExit);
      if (message.type === 'ready') resolve({ child, ready: message });
      else if (message.type === 'error') reject(new WorkerError(message.message, message.exitCode));
    });
  });
}

/** An error that a worker met, with the exit code that it asks for. */
class WorkerError extends HbpError {
  constructor(
    message: string,
    override readonly exitCode: number,
  ) {
    super(message);
  }
}

function trainOn(child: ChildProcess, spec: RunSpec, options: PoolOptions): Promise<Outcome> {
  return new Promise((resolve) => {
    const end = (outcome: Outcome): void => {
      child.off('message', onMessage).off('exit', onExit);
      resolve(outcome);
    };
    const onMessage = (message: FromWorker): void => {
      switch (message.type) {
        case 'progress':
          return options.onProgress(message.event);
        case 'skipped':
          return end({ spec, result: 'skipped' });
        case 'finished':
          return end({ spec, result: 'trained', ending: message.ending, peakBytes: message.peakBytes });
        case 'error': {
          const { message: text, exitCode, taken } = message;
          return end({ spec, result: 'error', message: text, exitCode, taken });
        }
        case 'ready':
          return;
      }
    };
    const onExit = (code: number | null, signal: NodeJS.Signals | null): void => {
      const how = signal ? `by ${signal}` : `with exit code ${code}`;
      end({ spec, result: 'error', message: `${runName(spec)}: the training process ended ${how}`, exitCode: 1 });
    };
    child.on('message', onMessage).on('exit', onExit);
    const { root, force, keepCheckpoint, checkpointEveryMs, dataDirs, memoryLimit } = options;
    const order = { spec, root, force, keepCheckpoint, checkpointEveryMs, dataDirs, memoryLimit };
    if (child.exitCode === null && child.signalCode === null) child.send({ type: 'run', order } satisfies ToWorker);
    else onExit(child.exitCode, child.signalCode);
  });
}
