/**
 * The run store: `<root>/<experiment>/<variant>/seed<k>/` with metrics.csv, run.json and, while the run is not done,
 * checkpoints and run.lock.
 */
import { closeSync, existsSync, fsyncSync, openSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { ConfigError, DataError, RunError, TakenError } from '../../errors.js';
import { runName, type RunSpec } from '../config/spec.js';
import { makeFolder } from '../make-folder.js';
import { writeWhole } from '../whole-file.js';
import { writeAll } from '../write-all.js';
import {
  type Checkpoint,
  checkpointAhead,
  goOnFrom,
  keepNewest,
  removeCheckpoints,
  type StoredCheckpoint,
  writeCheckpoint,
} from './checkpoint.js';
import { removeCurvature } from './curvature.js';
import { lockRun, type RunLock } from './lock.js';
import { formatRow, metricsFile, metricsHeader, type MetricsRow, parseMetrics } from './metrics.js';
import { self } from './owner.js';
import { readRecord, recordFile, writeRecord, type RunEnvironment, type RunRecord } from './record.js';
import { continuation, findResumption, formatEpoch, type Resumption } from './resume.js';
import { courseHash, specDifferences, specHash } from './spec-hash.js';

export type { RunEnvironment, RunRecord } from './record.js';

/** The one writer of a run. Every call returns only when its effect is on the disk. */
export interface RunWriter {
  readonly dir: string;
  /** Where the training goes on; null: at its beginning. */
  readonly resume: Checkpoint | null;
  /** What somebody who waits for the run should know of its start. */
  readonly notes: readonly string[];
  /**
   * Adds a row to metrics.csv.
   * @throws TakenError  another process took the run over, because this one was silent for long
   */
  append(row: MetricsRow): void;
  /**
   * Stores where the training stands, with the rows so far. If that fails, what was stored before is still there.
   * @throws RunError  as `append`
   */
  checkpoint(checkpoint: Checkpoint): void;
  /** Tells others that this run lives; call it as often as you like, it writes every ten seconds. */
  heartbeat(): void;
  /** Ends the run and gives it free; only the first call counts. */
  finish(state: 'done' | 'failed' | 'interrupted', reason?: string, more?: EndingNotes): void;
}

/** What else there is to say of an ending. */
export interface EndingNotes {
  /** Ways of exact products, by place. */
  readonly routes?: Readonly<Record<string, string>> | undefined;
  /** The run failed because its numbers are none: it would fail again. */
  readonly diverged?: true | undefined;
}

export interface OpenOptions {
  /** From scratch, also where a run is done or diverged. */
  readonly force?: boolean | undefined;
  /** Leave the last checkpoint of a done run, so that it can go on with more epochs. */
  readonly keepCheckpoint?: boolean | undefined;
}

export function runDir(root: string, spec: Pick<RunSpec, 'experiment' | 'variant' | 'seed'>): string {
  return join(root, runName(spec));
}

/**
 * Whether this very run is done already.
 *
 * @throws ConfigError  a done run with another spec is in its place, and it cannot go on to what is asked for
 */
export function isDone(root: string, spec: RunSpec): boolean {
  const dir = runDir(root, spec);
  const found = recordOf(dir);
  if (found?.state !== 'done' || !existsSync(join(dir, metricsFile))) return false;
  if (found.specHash === specHash(spec)) return true;
  if (canGoOn(found, spec) && checkpointAhead(dir)) return false;
  throw otherRun(root, spec, specDifferences(found.spec, spec), canGoOn(found, spec) ? noCheckpoint : '');
}

/** Why this run is not trained again unless by force: its numbers became none, and would again. Null: it may be. */
export function whyDiverged(root: string, spec: RunSpec): string | null {
  const found = recordOf(runDir(root, spec));
  if (!found?.diverged || courseHash(found.spec) !== courseHash(spec) || spec.epochs < found.spec.epochs) return null;
  return `${runName(spec)}: ${found.reason ?? 'diverged'}, and would again: --force trains it from scratch`;
}

/** Whether a run that was done with these settings is the beginning of the one that is asked for. */
function canGoOn(found: RunRecord, spec: RunSpec): boolean {
  return courseHash(found.spec) === courseHash(spec) && spec.epochs > found.spec.epochs;
}

const noCheckpoint = '; it cannot go on, for it was trained without --keep-checkpoint';

/**
 * Opens a run for writing, or says that it is done. An unfinished run goes on from its last checkpoint; without one that
 * can be used it starts again, and what it left in the folder is replaced.
 *
 * @throws ConfigError  a done run with another spec, or on other bytes of the dataset, is in its place
 * @throws TakenError   another process is writing this run
 * @throws RunError     it has diverged before
 */
export function openRun(
  root: string,
  spec: RunSpec,
  environment: RunEnvironment,
  options: OpenOptions = {},
): RunWriter | 'done' {
  const dir = runDir(root, spec);
  makeFolder(dir);
  const lock = lockRun(dir, runName(spec), lastHeard(dir));
  try {
    const opened = { dir, spec, environment, lock, ...options };
    if (options.force) return startWriting(opened, null, []);
    if (isDone(root, spec)) {
      checkDataset(root, spec, environment);
      lock.release();
      return 'done';
    }
    const diverged = whyDiverged(root, spec);
    if (diverged !== null) throw new RunError(diverged);
    const { from, refused } = findResumption(dir, spec, environment);
    const before = recordOf(dir);
    // Not to lose what is done: it goes on to more epochs, or stays.
    if (before?.state === 'done' && !from && existsSync(join(dir, metricsFile)))
      throw otherRun(root, spec, specDifferences(before.spec, spec), `; ${refused.join('; ')}`);
    return startWriting(opened, from, notesOn(from, refused, before, environment));
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

function otherRun(root: string, spec: RunSpec, differences: readonly string[], why = ''): ConfigError {
  return new ConfigError(
    `${runName(spec)} is already done in ${root} with other settings (${differences.join(', ')}${why}): ` +
      '--force replaces it, --runs DIR puts the new one elsewhere',
  );
}

/** How a run that was begun before goes on. */
function notesOn(
  from: Resumption['from'],
  refused: readonly string[],
  before: RunRecord | undefined,
  environment: RunEnvironment,
): string[] {
  const because = refused.length > 0 ? ` (${refused.join('; ')})` : '';
  if (!from) return before?.lastRow || because ? [`starts again${because || ': there is no checkpoint'}`] : [];
  const { stored } = from;
  const { changes } = continuation(stored, environment);
  const other = changes.length > 0 ? `, not as before: ${changes.join(', ')}` : '';
  return [`goes on at epoch ${formatEpoch(stored.state.epoch)}${because}${other}`];
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

interface Opened extends OpenOptions {
  readonly dir: string;
  readonly spec: RunSpec;
  readonly environment: RunEnvironment;
  readonly lock: RunLock;
}

function startWriting(
  { dir, spec, environment, lock, keepCheckpoint = false }: Opened,
  from: Resumption['from'],
  notes: readonly string[],
): RunWriter {
  removeTorn(dir);
  const stored = from?.stored ?? null;
  let text = stored?.metrics ?? metricsHeader;
  const began = performance.now() - (stored?.state.clock.wallMs ?? 0);
  const now = new Date().toISOString();
  const continued = stored ? [...stored.continued, continuation(stored, environment)] : [];
  const startedAt = stored?.startedAt ?? now;
  let record: RunRecord = {
    spec,
    specHash: specHash(spec),
    state: 'running',
    reason: null,
    startedAt,
    heartbeatAt: now,
    finishedAt: null,
    wallSeconds: 0,
    ...(stored && { continued }),
    owner: self(),
    ...environment,
    lastRow: (stored && parseMetrics(text, metricsFile).at(-1)) ?? null,
  };
  const update = (change: Partial<RunRecord>): void => {
    const wallSeconds = Math.round(performance.now() - began) / 1000;
    record = { ...record, heartbeatAt: new Date().toISOString(), wallSeconds, ...change };
    writeRecord(dir, record);
  };

  let metrics: number;
  if (from) {
    // The record goes first: from now on the run is not done any more, whatever happens to its rows.
    update({});
    goOnFrom(dir, from.file);
    writeWhole(join(dir, metricsFile), text);
    metrics = openSync(join(dir, metricsFile), 'a');
  } else {
    // run.json goes first and comes back last: a crash in between never leaves it beside rows of another run.
    rmSync(join(dir, recordFile), { force: true });
    removeCheckpoints(dir);
    removeCurvature(dir);
    metrics = openSync(join(dir, metricsFile), 'w');
    writeDurably(metrics, metricsHeader);
    update({});
  }

  const checkHeld = (): void => {
    if (!lock.held()) throw new TakenError(`${runName(spec)} was taken over by another process: this one stops`);
  };
  const about = {
    spec,
    course: courseHash(spec),
    environment,
    startedAt,
    continued,
  } satisfies Partial<StoredCheckpoint>;
  return {
    dir,
    resume: stored?.state ?? null,
    notes,
    append: (row) => {
      checkHeld();
      const line = formatRow(row);
      writeDurably(metrics, line);
      text += line;
      update({ lastRow: row });
    },
    checkpoint: (state) => {
      checkHeld();
      writeCheckpoint(dir, { ...about, state, metrics: text });
    },
    heartbeat: () => {
      // Also after the clock was set back.
      const since = Math.abs(Date.now() - Date.parse(record.heartbeatAt));
      if (since >= heartbeatMs && lock.held()) update({});
    },
    finish: (state, reason, { routes, diverged } = {}) => {
      if (record.state !== 'running') return;
      closeSync(metrics);
      try {
        if (lock.held()) {
          const finishedAt = new Date().toISOString();
          const more = { ...(routes && { routes: { ...routes } }), ...(diverged && { diverged }) };
          update({ state, reason: reason ?? null, finishedAt, ...more });
          if (diverged || (state === 'done' && !keepCheckpoint)) removeCheckpoints(dir);
          else if (state === 'done') keepNewest(dir);
        }
      } finally {
        lock.release();
      }
    },
  };
}

/** What a killed process had not renamed yet. */
function removeTorn(dir: string): void {
  for (const name of readdirSync(dir)) {
    if (/^(run\.json|metrics\.csv)\.\d+$/.test(name)) rmSync(join(dir, name), { force: true });
  }
}

function writeDurably(file: number, text: string): void {
  writeAll(file, Buffer.from(text));
  fsyncSync(file);
}
