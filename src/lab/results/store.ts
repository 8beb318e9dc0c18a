/** The run store: `<root>/<experiment>/<variant>/seed<k>/` with metrics.csv, run.json and, while written, run.lock. */
import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { ConfigError, DataError, RunError } from '../../errors.js';
import { runName, type RunSpec } from '../config/spec.js';
import { lockRun, type RunLock } from './lock.js';
import { formatRow, metricsFile, metricsHeader, type MetricsRow } from './metrics.js';
import { self } from './owner.js';
import { readRecord, recordFile, writeRecord, type RunEnvironment, type RunRecord } from './record.js';
import { specDifferences, specHash } from './spec-hash.js';

export type { RunEnvironment, RunRecord } from './record.js';

/** The one writer of a run. Every call returns only when its effect is on the disk. */
export interface RunWriter {
  readonly dir: string;
  /**
   * Adds a row to metrics.csv.
   * @throws RunError  another process took the run over, because this one was silent for long
   */
  append(row: MetricsRow): void;
  /** Tells others that this run lives; call it as often as you like, it writes every ten seconds. */
  heartbeat(): void;
  /** Ends the run and gives it free; only the first call counts. */
  /** @param routes  of exact products, by place */
  finish(state: 'done' | 'failed' | 'interrupted', reason?: string, routes?: Readonly<Record<string, string>>): void;
}

export function runDir(root: string, spec: Pick<RunSpec, 'experiment' | 'variant' | 'seed'>): string {
  return join(root, runName(spec));
}

/**
 * Whether this very run is done already.
 *
 * @throws ConfigError  a done run with another spec is in its place
 */
export function isDone(root: string, spec: RunSpec): boolean {
  const dir = runDir(root, spec);
  const found = recordOf(dir);
  if (found?.state !== 'done' || !existsSync(join(dir, metricsFile))) return false;
  if (found.specHash === specHash(spec)) return true;
  throw otherRun(root, spec, specDifferences(found.spec, spec));
}

/**
 * Starts a run from scratch, or says that it is done. What an unfinished run left in the folder is replaced.
 *
 * @param force  also replace a done run
 * @throws ConfigError  a done run with another spec, or on other bytes of the dataset, is in its place
 * @throws RunError     another process is writing this run
 */
export function openRun(
  root: string,
  spec: RunSpec,
  environment: RunEnvironment,
  { force = false }: { readonly force?: boolean | undefined } = {},
): RunWriter | 'done' {
  const dir = runDir(root, spec);
  mkdirSync(dir, { recursive: true });
  const lock = lockRun(dir, runName(spec), lastHeard(dir));
  try {
    if (!force && isDone(root, spec)) {
      checkDataset(root, spec, environment);
      lock.release();
      return 'done';
    }
    return startWriting(dir, spec, environment, lock);
  } catch (error) {
    lock.release();
    throw error;
  }
}

function checkDataset(root: string, spec: RunSpec, environment: RunEnvironment): void {
  const before = readRecord(runDir(root, spec)).dataset.fingerprint;
  const now = environment.dataset.fingerprint;
  if (before !== now) throw otherRun(root, spec, [`dataset fingerprint ${before} -> ${now}`]);
}

function otherRun(root: string, spec: RunSpec, differences: readonly string[]): ConfigError {
  return new ConfigError(
    `${runName(spec)} is already done in ${root} with other settings (${differences.join(', ')}): ` +
      '--force replaces it, --runs DIR puts the new one elsewhere',
  );
}

/** The record, or undefined where there is none that can be read: such a run starts again. */
function recordOf(dir: string): RunRecord | undefined {
  try {
    return readRecord(dir);
  } catch (error) {
    if (error instanceof DataError) return undefined;
    throw error;
  }
}

function lastHeard(dir: string): number {
  const found = recordOf(dir);
  return found ? Date.parse(found.heartbeatAt) : -Infinity;
}

const heartbeatMs = 10_000;

function startWriting(dir: string, spec: RunSpec, environment: RunEnvironment, lock: RunLock): RunWriter {
  // run.json goes first and comes back last: a crash in between never leaves it beside rows of another run.
  rmSync(join(dir, recordFile), { force: true });
  const metrics = openSync(join(dir, metricsFile), 'w');
  writeDurably(metrics, metricsHeader);

  const began = performance.now();
  const now = new Date().toISOString();
  let record: RunRecord = {
    spec,
    specHash: specHash(spec),
    state: 'running',
    reason: null,
    startedAt: now,
    heartbeatAt: now,
    finishedAt: null,
    wallSeconds: 0,
    owner: self(),
    ...environment,
    lastRow: null,
  };
  const update = (change: Partial<RunRecord>): void => {
    const wallSeconds = Math.round(performance.now() - began) / 1000;
    record = { ...record, heartbeatAt: new Date().toISOString(), wallSeconds, ...change };
    writeRecord(dir, record);
  };
  update({});

  return {
    dir,
    append: (row) => {
      if (!lock.held()) throw new RunError(`${runName(spec)} was taken over by another process: this one stops`);
      writeDurably(metrics, formatRow(row));
      update({ lastRow: row });
    },
    heartbeat: () => {
      if (Date.now() - Date.parse(record.heartbeatAt) >= heartbeatMs && lock.held()) update({});
    },
    finish: (state, reason, routes) => {
      if (record.state !== 'running') return;
      closeSync(metrics);
      try {
        if (lock.held()) {
          const finishedAt = new Date().toISOString();
          update({ state, reason: reason ?? null, finishedAt, ...(routes && { routes: { ...routes } }) });
        }
      } finally {
        lock.release();
      }
    },
  };
}

function writeDurably(file: number, text: string): void {
  writeSync(file, text);
  fsyncSync(file);
}
