/**
 * A training process. The pool forks it, sends it runs one by one, and reads what happens: the terminal stays
 * responsive, several runs train side by side, and a run that takes its process down takes nothing else with it.
 */
import { type Backend, parseBackend, useBackend } from '../../engine/backend/index.js';
import { HbpError, messageOf, TakenError } from '../../errors.js';
import { runName, type RunSpec } from '../config/spec.js';
import type { Dataset } from '../datasets/dataset.js';
import { loadDataset } from '../datasets/index.js';
import { diagnosticsWriter } from '../results/diagnostics.js';
import { openRun } from '../results/store.js';
import { defaultSchedule } from './checkpoints.js';
import { environmentOf } from './environment.js';
import type { ProgressEvent } from './progress.js';
import { type Ending, train } from './train.js';

export interface RunOrder {
  readonly spec: RunSpec;
  readonly root: string;
  readonly force: boolean;
  readonly keepCheckpoint: boolean;
  /** Milliseconds between checkpoints, see `CheckpointSchedule`. */
  readonly checkpointEveryMs: number;
  readonly dataDirs: readonly string[];
  /** Bytes that a step may take; see `Resources`. */
  readonly memoryLimit: number;
}

export type ToWorker = { readonly type: 'run'; readonly order: RunOrder } | { readonly type: 'stop' };

export type FromWorker =
  | ({ readonly type: 'ready' } & Backend)
  | { readonly type: 'progress'; readonly event: ProgressEvent }
  | { readonly type: 'skipped' }
  | {
      readonly type: 'finished';
      readonly ending: Ending;
      /** The most resident memory that the process has had so far. */
      readonly peakBytes: number;
    }
  | {
      readonly type: 'error';
      readonly message: string;
      readonly exitCode: number;
      /** By another process. */
      readonly taken: boolean;
      readonly stack?: string;
    };

function send(message: FromWorker): void {
  // Without somebody who listens the run still comes to its end.
  if (process.connected) process.send?.(message, undefined, undefined, () => undefined);
}

function sendError(error: unknown): void {
  const exitCode = error instanceof HbpError ? error.exitCode : 1;
  const stack = error instanceof Error ? error.stack : undefined;
  const taken = error instanceof TakenError;
  send({ type: 'error', message: messageOf(error), exitCode, taken, ...(stack !== undefined && { stack }) });
}

const stop = new AbortController();
let cached: { key: string; dataset: Dataset } | undefined;

async function datasetFor({ spec, dataDirs }: RunOrder): Promise<Dataset> {
  const { dataset: name, trainSamples, testSamples } = spec;
  const options = { dataDirs, trainSamples, testSamples };
  const key = JSON.stringify([name, options]);
  if (cached?.key !== key) {
    cached = undefined; // before the next one is loaded: both might not fit
    cached = { key, dataset: await loadDataset(name, options) };
  }
  return cached.dataset;
}

async function run(order: RunOrder, backend: Backend): Promise<void> {
  const dataset = await datasetFor(order);
  const { force, keepCheckpoint } = order;
  const writer = openRun(order.root, order.spec, environmentOf(backend, dataset), { force, keepCheckpoint });
  if (writer === 'done') return send({ type: 'skipped' });
  const onProgress = (event: ProgressEvent): void => send({ type: 'progress', event });
  try {
    const { spec, memoryLimit } = order;
    for (const text of writer.notes) onProgress({ type: 'note', run: runName(spec), text });
    // A GPU answers late: it is asked less often.
    const sink = { ...writer, diagnostics: diagnosticsWriter(writer.dir) };
    const ending = await train(spec, dataset, sink, onProgress, stop.signal, {
      ...{ memoryLimit, checkEvery: backend.gpu ? 4 : 1, resume: writer.resume, keepCheckpoint },
      schedule: { ...defaultSchedule, everyMs: order.checkpointEveryMs },
    });
    const { state, reason, routes } = ending;
    writer.finish(state, reason, { routes, ...(state === 'failed' && { diverged: true }) });
    send({ type: 'finished', ending, peakBytes: 1024 * process.resourceUsage().maxRSS });
  } catch (error) {
    writer.finish('failed', messageOf(error));
    throw error;
  }
}

let busy = false;

async function serve(order: RunOrder, backend: Backend): Promise<void> {
  busy = true;
  await run(order, backend).catch(sendError);
  busy = false;
  if (!process.connected) process.exit();
}

async function main(): Promise<void> {
  // A terminal's Ctrl-C reaches every process of the group; the pool decides and says 'stop'.
  process.on('SIGINT', () => undefined);
  for (const signal of ['SIGTERM', 'SIGHUP'] as const) process.on(signal, () => stop.abort());
  process.on('disconnect', () => {
    stop.abort();
    if (!busy) process.exit(); // a GPU backend would keep the process alive
  });
  const [, , choice = 'auto', threads] = process.argv;
  const backend = await useBackend(parseBackend(choice), {
    threads: threads === undefined ? undefined : Number(threads),
  });
  process.on('message', (message: ToWorker) => {
    if (message.type === 'stop') stop.abort();
    else void serve(message.order, backend);
  });
  if (!process.connected) process.exit(); // nobody is there to give it a run
  send({ type: 'ready', ...backend });
}

main().catch((error: unknown) => {
  sendError(error);
  process.disconnect?.();
});
