import type { RunSpec } from '../lab/config/spec.js';
import { type Outcome, type PoolBackend, type PoolOptions, trainAll } from '../lab/training/pool.js';
import { createDisplay } from './progress.js';

export interface TrainHereOptions extends Omit<PoolOptions, 'onReady' | 'onProgress' | 'onOutcome' | 'stop' | 'kill'> {
  /** What a second signal does: kills the training processes where they stand, or nothing more than the first. */
  readonly secondSignal: 'kills' | 'waits';
}

export interface TrainedHere {
  /** The settled ones first. */
  readonly outcomes: readonly Outcome[];
  /** By a signal. */
  readonly stopped: boolean;
}

/** A closed terminal (SIGHUP) is as good a reason as the others. */
const stopSignals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
/** Two signals within this are one. */
const sameSignalMs = 200;

/**
 * Trains runs in processes of this one, shows how they get on, and stops them at a signal. Throws as `trainAll`.
 *
 * @param settled  what is known before: shown with the others
 */
export async function trainHere(
  open: readonly RunSpec[],
  settled: readonly Outcome[],
  { secondSignal, ...options }: TrainHereOptions,
): Promise<TrainedHere> {
  const display = createDisplay(open.length + settled.length);
  const stop = new AbortController();
  const kill = new AbortController();
  let stoppedAt = Infinity;
  const onSignal = (): void => {
    if (stop.signal.aborted) {
      // npm passes on what the terminal has sent to all: that is once.
      if (secondSignal === 'kills' && performance.now() - stoppedAt >= sameSignalMs) kill.abort();
      return;
    }
    display.log(`Stopping after the current step${secondSignal === 'kills' ? ' (once more: at once)' : ''} ...`);
    stoppedAt = performance.now();
    stop.abort();
  };
  for (const signal of stopSignals) process.on(signal, onSignal);
  const outcomes = [...settled];
  try {
    settled.forEach((outcome) => display.onOutcome(outcome));
    if (open.length > 0) {
      const trained = await trainAll(open, {
        ...options,
        ...{ onProgress: display.onProgress, onOutcome: display.onOutcome, stop: stop.signal, kill: kill.signal },
        onReady: (ready) => display.log(describePool(ready, options.threads)),
      });
      outcomes.push(...trained);
    }
  } finally {
    display.stop();
    for (const signal of stopSignals) process.off(signal, onSignal);
  }
  return { outcomes, stopped: stop.signal.aborted };
}

function describePool({ name, description, jobs, threads }: PoolBackend, wanted: number | 'auto'): string {
  const side = `${jobs} ${jobs === 1 ? 'run' : 'runs'} at a time`;
  const each = `${threads} ${threads === 1 ? 'thread' : 'threads'} each`;
  const other = wanted === 'auto' || wanted === threads ? '' : ` (--threads ${wanted} is nothing to this backend)`;
  return `Backend ${name} (${description}), ${side}, ${each}${other}`;
}

/** Done, now or before. */
export function isFine(outcome: Outcome): boolean {
  return outcome.result === 'skipped' || (outcome.result === 'trained' && outcome.ending.state === 'done');
}

/** By another process. */
export function isTaken(outcome: Outcome): boolean {
  return outcome.result === 'error' && outcome.taken === true;
}

/** The gravest of the runs' exit codes. */
export function exitCodeOf(outcomes: readonly Outcome[]): number {
  const codes = outcomes.map((outcome) => {
    if (outcome.result === 'error') return outcome.exitCode;
    return isFine(outcome) ? 0 : 1;
  });
  return Math.max(0, ...codes);
}
