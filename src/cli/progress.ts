import cliProgress from 'cli-progress';
import type { MetricsRow } from '../lab/results/metrics.js';
import type { ProgressEvent } from '../lab/training/progress.js';
import type { Outcome } from '../lab/training/pool.js';
import { runName } from '../lab/config/spec.js';

/** Shows runs in progress. */
export interface ProgressDisplay {
  readonly onProgress: (event: ProgressEvent) => void;
  readonly onOutcome: (outcome: Outcome) => void;
  /** A line that stays above whatever moves. */
  readonly log: (line: string) => void;
  readonly stop: () => void;
}

/** Bars on a terminal, plain lines elsewhere; to stderr, so that stdout carries results alone. */
export function createDisplay(total: number): ProgressDisplay {
  return process.stderr.isTTY ? bars(total) : lines(total);
}

/** Optimiser steps a second, evaluations included, from the last few events. */
function speedometer(): (step: number) => number {
  const began = performance.now();
  let from: number | undefined;
  return (step) => {
    from ??= step - 1;
    return (step - from) / ((performance.now() - began) / 1000);
  };
}

const loss = (value: number): string => value.toPrecision(4);
const percent = (fraction: number): string => `${(100 * fraction).toFixed(1)} %`;
const speed = (stepsPerSecond: number): string =>
  stepsPerSecond >= 10 ? stepsPerSecond.toFixed(0) : stepsPerSecond.toFixed(1);
const scores = (row: MetricsRow): string =>
  `train ${loss(row.train_loss)} ${percent(row.train_accuracy)}, test ${loss(row.test_loss)} ${percent(row.test_accuracy)}`;

/** How an outcome reads after the run's name. */
export function describeOutcome(outcome: Outcome): string {
  switch (outcome.result) {
    case 'skipped':
      return 'done before, skipped';
    case 'error':
      return `error: ${outcome.message}`;
    case 'trained': {
      const { state, reason } = outcome.ending;
      return reason === undefined ? state : `${state}: ${reason}`;
    }
  }
}

/** `2h05m`, `3m10s`, `12s`. */
export function formatDuration(seconds: number): string {
  if (!Number.isFinite(seconds)) return '?';
  const whole = Math.round(seconds);
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60), whole % 60];
  return h > 0 ? `${h}h${String(m).padStart(2, '0')}m` : m > 0 ? `${m}m${String(s).padStart(2, '0')}s` : `${s}s`;
}

function bars(total: number): ProgressDisplay {
  const multi = new cliProgress.MultiBar(
    {
      format: '{run} {bar} epoch {epoch}/{epochs} | {speed} step/s | batch loss {batch} | {scores} | {left} left',
      stream: process.stderr,
      hideCursor: true,
      clearOnComplete: true,
      linewrap: false,
      barsize: 20,
      fps: 5,
    },
    cliProgress.Presets.shades_classic,
  );
  const active = new Map<
    string,
    { bar: cliProgress.SingleBar; totalSteps: number; epochs: number; speed: (step: number) => number }
  >();
  let ended = 0;
  return {
    onProgress: (event) => {
      if (event.type === 'start') {
        const { run, totalSteps, epochs } = event;
        const empty = {
          run,
          epoch: event.from.epoch.toFixed(2),
          epochs,
          speed: '?',
          batch: '?',
          scores: 'not evaluated yet',
          left: '?',
        };
        const bar = multi.create(totalSteps, event.from.step, empty);
        active.set(run, { bar, totalSteps, epochs, speed: speedometer() });
      } else if (event.type === 'step') {
        const entry = active.get(event.run);
        const rate = entry?.speed(event.step) ?? 0;
        entry?.bar.update(event.step, {
          epoch: event.epoch.toFixed(2),
          speed: speed(rate),
          batch: loss(event.batchLoss),
          left: formatDuration((entry.totalSteps - event.step) / rate),
        });
      } else if (event.type === 'note') {
        multi.log(`${event.run}: ${event.text}\n`);
        multi.update();
      } else {
        active.get(event.run)?.bar.update({ scores: scores(event.row) });
      }
    },
    onOutcome: (outcome) => {
      const run = runName(outcome.spec);
      const entry = active.get(run);
      if (entry) multi.remove(entry.bar);
      active.delete(run);
      multi.log(`[${++ended}/${total}] ${run}: ${describeOutcome(outcome)}\n`);
      multi.update();
    },
    log: (line) => {
      multi.log(`${line}\n`);
      multi.update();
    },
    stop: () => multi.stop(),
  };
}

function lines(total: number): ProgressDisplay {
  const write = (line: string): void => void process.stderr.write(`${line}\n`);
  const active = new Map<
    string,
    { totalSteps: number; epochs: number; speed: (step: number) => number; rate: number }
  >();
  let ended = 0;
  return {
    onProgress: (event) => {
      if (event.type === 'start') {
        const { run, totalSteps, epochs } = event;
        active.set(run, { totalSteps, epochs, speed: speedometer(), rate: 0 });
        const done = event.from.step > 0 ? `, ${event.from.step} of them done` : '';
        write(`${run}: ${totalSteps} steps in ${epochs} epochs${done}`);
        return;
      }
      if (event.type === 'note') return write(`${event.run}: ${event.text}`);
      const entry = active.get(event.run);
      if (!entry) return;
      if (event.type === 'step') {
        entry.rate = entry.speed(event.step);
      } else {
        const { row } = event;
        const left = formatDuration((entry.totalSteps - row.step) / entry.rate);
        write(
          `${event.run}: epoch ${row.epoch.toFixed(2)}/${entry.epochs}, batch ${loss(row.batch_loss)}, ${scores(row)}, ` +
            `${speed(entry.rate)} step/s, ${left} left`,
        );
      }
    },
    onOutcome: (outcome) => {
      active.delete(runName(outcome.spec));
      write(`[${++ended}/${total}] ${runName(outcome.spec)}: ${describeOutcome(outcome)}`);
    },
    log: write,
    stop: () => undefined,
  };
}
