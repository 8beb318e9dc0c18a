/** Whether and from where a run can go on. */
import { runName, type RunSpec } from '../config/spec.js';
import { checkpointsOf, type StoredCheckpoint } from './checkpoint.js';
import { parseMetrics } from './metrics.js';
import type { Continuation, RunEnvironment } from './record.js';
import { courseHash, differences, specDifferences } from './spec-hash.js';

/** What was found in a run folder. */
export interface Resumption {
  /** The newest checkpoint that can be used, and its file; null: the run starts again. */
  readonly from: { readonly file: string; readonly stored: StoredCheckpoint } | null;
  /** Why others cannot be used. */
  readonly refused: readonly string[];
}

/** Looks for a checkpoint of this very course on these very bytes of the dataset. */
export function findResumption(dir: string, spec: RunSpec, environment: RunEnvironment): Resumption {
  const refused: string[] = [];
  for (const found of checkpointsOf(dir)) {
    const reason = 'damage' in found ? found.damage : misfit(found.stored, spec, environment);
    if (reason === null && 'stored' in found) return { from: found, refused };
    refused.push(`${found.file} is of no use: ${reason}`);
  }
  return { from: null, refused };
}

/** Why a checkpoint is not one of this run; null if it is. */
function misfit(stored: StoredCheckpoint, spec: RunSpec, environment: RunEnvironment): string | null {
  const { spec: theirs, course, environment: where, state, metrics } = stored;
  if (course !== courseHash(spec)) {
    const settings = specDifferences({ ...theirs, epochs: spec.epochs }, spec);
    return `it has other settings (${settings.join(', ') || `it is one of ${runName(theirs)}`})`;
  }
  const [before, now] = [where.dataset.fingerprint, environment.dataset.fingerprint];
  if (before !== now) return `it was made on other data (fingerprint ${before} -> ${now})`;
  if (state.epoch > spec.epochs) return `it stands at epoch ${state.epoch}, beyond the end`;
  const rows = parseMetrics(metrics, 'its metrics');
  if (state.epoch === spec.epochs && rows.at(-1)?.step !== state.step) return 'it stands at the end, not evaluated';
  return null;
}

/** What a run's record says of going on from a checkpoint. */
export function continuation({ state, environment }: StoredCheckpoint, now: RunEnvironment): Continuation {
  const changes = differences(environment, now);
  return { at: new Date().toISOString(), step: state.step, changes };
}

/** `3.5`: at the most two decimals, rounded down. */
export function formatEpoch(epoch: number): string {
  return String(Math.floor(epoch * 100 + 1e-6) / 100);
}
