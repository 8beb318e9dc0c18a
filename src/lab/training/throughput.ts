/** How much independent runs get done side by side, and what memory they take. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RunError } from '../../errors.js';
import { runName, type RunSpec } from '../config/spec.js';
import { type PoolBackend, type PoolOptions, trainAll } from './pool.js';
import type { ProgressEvent } from './progress.js';

export interface ThroughputOptions extends Pick<PoolOptions, 'backend' | 'dataDirs' | 'threads' | 'memoryLimit'> {
  /** How long, after every run has warmed up. */
  readonly seconds: number;
}

export interface Throughput extends PoolBackend {
  /** Of all runs together. */
  readonly stepsPerSecond: number;
  /** Peak resident memory of their processes, added up; with a part of the dataset, as nothing else is loaded. */
  readonly peakBytes: number;
}

/** Steps of a run that do not count: the first ones allocate, and learn how many products to expect. */
const warmUp = 3;
/** Milliseconds; Infinity would not survive the way to another process. */
const never = Number.MAX_SAFE_INTEGER;
/** An epoch of the runs that are measured; after it comes an evaluation of as many samples as two batches. */
const batchesPerEpoch = 20;

/**
 * Trains `jobs` seeds of a run side by side for some seconds, on a part of its data and in a folder that is removed, and
 * adds up how many steps a second each takes. Starting, and evaluations before the first epoch, do not count.
 *
 * @throws HbpError  a run failed, or the backend could not start
 */
export async function measureThroughput(spec: RunSpec, jobs: number, options: ThroughputOptions): Promise<Throughput> {
  const { seconds, ...where } = options;
  const samples = { trainSamples: batchesPerEpoch * spec.batchSize, testSamples: spec.batchSize };
  const specs = Array.from({ length: jobs }, (_, seed) => ({ ...spec, ...samples, epochs: 1_000_000, seed }));
  const clocks = new Map(specs.map((each) => [runName(each), { steps: 0, began: 0, ended: 0 }]));
  const stop = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const onProgress = (event: ProgressEvent): void => {
    const clock = clocks.get(event.run);
    if (event.type !== 'step' || !clock) return;
    clock.steps++;
    clock.ended = performance.now();
    if (clock.steps === warmUp) clock.began = clock.ended;
    if ([...clocks.values()].every(({ steps }) => steps > warmUp)) {
      timer ??= setTimeout(() => stop.abort(), seconds * 1000);
    }
  };
  let ready: PoolBackend | undefined;
  const root = mkdtempSync(join(tmpdir(), 'hbp-throughput-'));
  try {
    const outcomes = await trainAll(specs, {
      ...{ ...where, root, jobs, force: true, keepCheckpoint: false, checkpointEveryMs: never },
      ...{ onProgress, onOutcome: (outcome) => outcome.result === 'error' && stop.abort() },
      ...{ onReady: (backend) => (ready = backend), stop: stop.signal, kill: new AbortController().signal },
    });
    const failed = outcomes.find((outcome) => outcome.result === 'error');
    if (failed) throw new RunError(failed.message);
    if (!ready) throw new RunError('no training process has started');
    const rates = [...clocks.values()].map(({ steps, began, ended }) => (1000 * (steps - warmUp)) / (ended - began));
    const peaks = outcomes.map((outcome) => (outcome.result === 'trained' ? outcome.peakBytes : 0));
    return { ...ready, stepsPerSecond: sum(rates), peakBytes: sum(peaks) };
  } finally {
    clearTimeout(timer);
    rmSync(root, { recursive: true, force: true });
  }
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
