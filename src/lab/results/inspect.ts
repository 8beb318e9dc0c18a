import { readdirSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { DataError } from '../../errors.js';
import { checkpointAhead } from './checkpoint.js';
import { describeOwner, isAlive } from './owner.js';
import { readRecord, type RunRecord } from './record.js';

/** A run as it is now, whatever its folder holds. */
export interface RunInfo {
  readonly dir: string;
  readonly experiment: string;
  readonly variant: string;
  readonly seed: number;
  /** As recorded; but `interrupted` where the writing process is gone, `unreadable` where run.json cannot be read. */
  readonly state: RunRecord['state'] | 'unreadable';
  readonly reason: string | null;
  /** Part of the epochs that the last evaluation has seen, 0 to 1. */
  readonly progress: number;
  /** Where `hbp run` would go on; null: at the beginning, or there is nothing to go on with. */
  readonly goesOnAt: { readonly step: number; readonly epoch: number } | null;
  readonly record: RunRecord | null;
}

/** Looks at one run folder `<experiment>/<variant>/seed<k>`; never throws for what is in it. */
export function inspectRun(dir: string): RunInfo {
  const experiment = basename(dirname(dirname(dir)));
  const variant = basename(dirname(dir));
  const seed = Number(basename(dir).replace(/^seed/, ''));
  // No spread: Node 20 takes microseconds for each property after one, and there are thousands of runs.
  try {
    const record = readRecord(dir);
    const { state, reason } = stateOf(record);
    const isOpen = state === 'interrupted' || state === 'failed';
    const goesOnAt = isOpen ? checkpointAhead(dir) : null;
    return { dir, experiment, variant, seed, state, reason, progress: progressOf(record), goesOnAt, record };
  } catch (error) {
    if (!(error instanceof DataError)) throw error;
    const { message: reason } = error;
    const goesOnAt = checkpointAhead(dir);
    return { dir, experiment, variant, seed, state: 'unreadable', reason, progress: 0, goesOnAt, record: null };
  }
}

function stateOf(record: RunRecord): Pick<RunInfo, 'state' | 'reason'> {
  const { state, reason, owner, heartbeatAt } = record;
  if (state !== 'running' || isAlive(owner, Date.parse(heartbeatAt))) return { state, reason };
  return { state: 'interrupted', reason: `${describeOwner(owner)} ended without a word` };
}

function progressOf({ state, lastRow, spec }: RunRecord): number {
  if (state === 'done') return 1;
  return Math.min(1, (lastRow?.epoch ?? 0) / spec.epochs);
}

/** Every run below a root, by experiment, variant and seed; none if the root is not there. */
export function listRuns(root: string): RunInfo[] {
  return foldersIn(root).flatMap((experiment) =>
    foldersIn(join(root, experiment)).flatMap((variant) => listSeeds(root, experiment, variant)),
  );
}

/** The runs of one variant by seed. */
export function listSeeds(root: string, experiment: string, variant: string): RunInfo[] {
  const dir = join(root, experiment, variant);
  return foldersIn(dir)
    .filter((name) => /^seed\d+$/.test(name))
    .map((name) => inspectRun(join(dir, name)))
    .sort((a, b) => a.seed - b.seed);
}

function foldersIn(dir: string): string[] {
  try {
    return readdirSync(dir, { withFileTypes: true })
      .filter((entry) => !entry.name.startsWith('.') && (entry.isDirectory() || entry.isSymbolicLink()))
      .map((entry) => entry.name)
      .sort();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return [];
    throw error;
  }
}
