import { type ChildProcess, fork } from 'node:child_process';
import { HbpError, RunError } from '../../errors.js';
import { threadEnvironment } from '../../engine/backend/threads.js';
import { runName, type RunSpec } from '../config/spec.js';
import { type Parallelism, runsSideBySide, threadsPerRun } from './parallelism.js';
import type { ProgressListener } from './progress.js';
import type { Ending } from './train.js';
import type { FromWorker, ToWorker } from './worker.js';

/** What became of one run: trained, found done before, or stopped by an error. */
export type Outcome =
  | { readonly spec: RunSpec; readonly result: 'trained'; readonly ending: Ending }
  | { readonly spec: RunSpec; readonly result: 'skipped' }
  | { readonly spec: RunSpec; readonly result: 'error'; readonly message: string; readonly exitCode: number };

export interface PoolOptions extends Parallelism {
  readonly root: string;
  readonly backend: string;
  readonly dataDirs: readonly string[];
  readonly force: boolean;
  /** Bytes for the steps of all runs side by side, about. */
  readonly memoryLimit: number;
  readonly onReady: (backend: PoolBackend) => void;
  readonly onProgress: ProgressListener;
  readonly onOutcome: (outcome: Outcome) => void;
  /** When aborted, every run stops after its step and says so in its record. */
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
  const start = (): Promise<Worker> => startWorker(options.backend, threads);
  const first = await start();
  const jobs = runsSideBySide(options, specs.length, first.ready);
  const { name, description } = first.ready;
  options.onReady({ name, description, jobs, threads: first.ready.threads });
  const workers = [first, ...(await Promise.all(Array.from({ length: jobs - 1 }, start)))];
  const stop = (): void =>
    workers.forEach(({ child }) => child.connected && child.send({ type: 'stop' } satisfies ToWorker));
  const kill = (): void => workers.forEach(({ child }) => child.kill('SIGKILL'));
  options.stop.addEventListener('abort', stop);
  options.kill.addEventListener('abort', kill);
  try {
    await Promise.all(
      workers.map(async (worker) => {
        let current = worker;
        for (let spec = queue.shift(); spec && !options.stop.aborted; spec = queue.shift()) {
          if (!current.child.connected) current = await start();
          report(await trainOn(current.child, spec, { ...options, memoryLimit: options.memoryLimit / jobs }));
        }
        if (current.child.connected) current.child.disconnect();
      }),
    );
  } finally {
    options.stop.removeEventListener('abort', stop);
    options.kill.removeEventListener('abort', kill);
  }
  return outcomes;
}

type Ready = Extract<FromWorker, { type: 'ready' }>;
interface Worker {
  readonly child: ChildProcess;
  readonly ready: Ready;
}

const workerFile = new URL('./worker.js', import.meta.url);

/** Libraries read the number of their threads when they are loaded, so it stands in the process's environment. */
function startWorker(backend: string, threads: number): Promise<Worker> {
  const child = fork(workerFile, [backend, String(threads)], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    env: { ...process.env, ...threadEnvironment(threads) },
  });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) => {
      const how = signal ?? `exit code ${code}`;
      reject(
        new RunError(`a training process ended at its start (${how}): \`hbp doctor\` tells which backend does that`),
      );
    });
    child.once('message', (message: FromWorker) => {
      child.removeAllListeners();
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
      child.removeAllListeners();
      resolve(outcome);
    };
    child.on('message', (message: FromWorker) => {
      switch (message.type) {
        case 'progress':
          return options.onProgress(message.event);
        case 'skipped':
          return end({ spec, result: 'skipped' });
        case 'finished':
          return end({ spec, result: 'trained', ending: message.ending });
        case 'error':
          return end({ spec, result: 'error', message: message.message, exitCode: message.exitCode });
        case 'ready':
          return;
      }
    });
    child.on('exit', (code, signal) => {
      const how = signal ? `by ${signal}` : `with exit code ${code}`;
      end({ spec, result: 'error', message: `${runName(spec)}: the training process ended ${how}`, exitCode: 1 });
    });
    const { root, force, dataDirs, memoryLimit } = options;
    child.send({ type: 'run', order: { spec, root, force, dataDirs, memoryLimit } } satisfies ToWorker);
  });
}
