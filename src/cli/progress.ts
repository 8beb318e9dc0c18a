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

/**
 * Bars on a terminal; plain lines in pipes and files, in continuous integration (CI is set) and on terminals that cannot
 * move the cursor (TERM=dumb). To stderr, so that stdout carries results alone.
 */
export function createDisplay(total: number, stream: NodeJS.WriteStream = process.stderr): ProgressDisplay {
  const moves = stream.isTTY && process.env['TERM'] !== 'dumb' && !process.env['CI'];
  return moves ? bars(total, stream) : lines(total, stream);
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

/** What a bar says beside its name, the least important last: that goes first where the terminal is narrow. */
interface BarText {
  readonly run: string;
  readonly notes: readonly string[];
}

/** Cells of a bar; fewer on a narrow terminal, but not fewer than the second. */
const barCells = [20, 6] as const;

/** A line of at most `columns` characters: name, bar, and as many notes as there is room for. */
export function formatBar(progress: number, { run, notes }: BarText, columns: number): string {
  const room = columns - barCells[1] - 2;
  const name = run.length <= room ? run : `…${run.slice(1 - Math.max(2, room))}`;
  const cells = Math.max(1, Math.min(barCells[0], columns - name.length - 2));
  const done = Math.round(cells * Math.min(1, Math.max(0, progress)));
  let line = `${name} ${'█'.repeat(done)}${'░'.repeat(cells - done)}`;
  for (const [i, note] of notes.entries()) {
    const longer = `${line}${i === 0 ? ' ' : ' | '}${note}`;
    if (longer.length >= columns) break;
    line = longer;
  }
  return line.slice(0, Math.max(0, columns - 1));
}

interface ActiveBar {
  readonly bar: cliProgress.SingleBar;
  readonly totalSteps: number;
  readonly epochs: number;
  readonly speed: (step: number) => number;
  /** Of its steps, when it began here and now. */
  readonly from: number;
  share: number;
  scores: string | undefined;
}

/** Of a terminal that does not tell its width (0), as many as terminals had once. */
function columnsOf({ columns }: NodeJS.WriteStream): number {
  return columns > 0 ? columns : 80;
}

function bars(total: number, stream: NodeJS.WriteStream): ProgressDisplay {
  const multi = new cliProgress.MultiBar(
    {
      format: (_options, { progress }, text: BarText) => formatBar(progress, text, columnsOf(stream)),
      stream,
      hideCursor: true,
      clearOnComplete: true,
      linewrap: false,
      fps: 5,
    },
    cliProgress.Presets.shades_classic,
  );
  const active = new Map<string, ActiveBar>();
  const began = performance.now();
  /** Runs that are done or failed, and the work of those trained here, in runs. */
  let [ended, worked] = [0, 0];
  // One run has one bar; of several, the first bar is that of all together.
  const all = total > 1 ? multi.create(total, 0, { run: 'all', notes: [`0/${total} runs`] }) : undefined;
  const updateAll = (): void => {
    const sum = (of: (bar: ActiveBar) => number): number => [...active.values()].reduce((a, bar) => a + of(bar), 0);
    const shares = sum(({ share }) => share);
    const work = worked + sum(({ share, from }) => share - from);
    const seconds = (performance.now() - began) / 1000;
    const left = formatDuration((seconds / work) * (total - ended - shares));
    all?.update(ended + shares, { run: 'all', notes: [`${ended}/${total} runs`, `${left} left`] });
  };
  return {
    onProgress: (event) => {
      const entry = active.get(event.run);
      if (event.type === 'start') {
        const { run, totalSteps, epochs } = event;
        const notes = [`epoch ${event.from.epoch.toFixed(2)}/${epochs}`, 'not evaluated yet'];
        const bar = multi.create(totalSteps, event.from.step, { run, notes });
        const from = event.from.step / totalSteps;
        active.set(run, { bar, totalSteps, epochs, speed: speedometer(), from, share: from, scores: undefined });
      } else if (event.type === 'step') {
        if (!entry) return;
        const rate = entry.speed(event.step);
        entry.share = event.step / entry.totalSteps;
        const notes = [
          `epoch ${event.epoch.toFixed(2)}/${entry.epochs}`,
          `${formatDuration((entry.totalSteps - event.step) / rate)} left`,
          `batch loss ${loss(event.batchLoss)}`,
          `${speed(rate)} step/s`,
          entry.scores ?? 'not evaluated yet',
        ];
        entry.bar.update(event.step, { run: event.run, notes });
        updateAll();
      } else if (event.type === 'note') {
        multi.log(`${event.run}: ${event.text}\n`);
        multi.update();
      } else if (entry) entry.scores = scores(event.row);
    },
    onOutcome: (outcome) => {
      const run = runName(outcome.spec);
      const entry = active.get(run);
      if (entry) multi.remove(entry.bar);
      active.delete(run);
      if (entry) worked += 1 - entry.from;
      multi.log(`[${++ended}/${total}] ${run}: ${describeOutcome(outcome)}\n`);
      updateAll();
      multi.update();
    },
    log: (line) => {
      multi.log(`${line}\n`);
      multi.update();
    },
    stop: () => multi.stop(),
  };
}

function lines(total: number, stream: NodeJS.WritableStream): ProgressDisplay {
  const write = (line: string): void => void stream.write(`${line}\n`);
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
