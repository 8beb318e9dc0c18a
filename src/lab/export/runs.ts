/** What of a run store is exported: of every variant the seeds that belong together. */
import { ConfigError, DataError } from '../../errors.js';
import { didYouMean } from '../config/nearest.js';
import type { RunSpec } from '../config/spec.js';
import { listRuns, type RunInfo } from '../results/inspect.js';
import { readMetrics, type MetricsRow } from '../results/metrics.js';
import type { RunRecord } from '../results/record.js';
import { seedlessHash, specDifferences } from '../results/spec-hash.js';

export interface SeedRun {
  readonly seed: number;
  readonly rows: readonly MetricsRow[];
  readonly record: RunRecord;
}

export interface VariantToExport {
  readonly experiment: string;
  readonly variant: string;
  /** What all its seeds were trained with. */
  readonly spec: RunSpec;
  /** Ascending, at least one. */
  readonly seeds: readonly SeedRun[];
  /** Seeds that are not done, cannot be read, or were left out. */
  readonly remarks: readonly string[];
}

/**
 * All variants of a run store that have rows. Where seeds of one ran with different settings, most of them count.
 *
 * @param experiments  only these; absent means all
 * @throws ConfigError  an experiment that has no runs (suggests the nearest)
 */
export function runsToExport(root: string, experiments?: readonly string[]): VariantToExport[] {
  const all = listRuns(root);
  const known = [...new Set(all.map(({ experiment }) => experiment))];
  const unknown = experiments?.find((name) => !known.includes(name));
  if (unknown !== undefined) {
    throw new ConfigError(`no runs of an experiment "${unknown}" in ${root}: ${didYouMean(unknown, known)}`);
  }
  const wanted = all.filter(({ experiment }) => experiments?.includes(experiment) ?? true);
  const groups = groupBy(wanted, ({ experiment, variant }) => `${experiment}/${variant}`);
  return groups.flatMap((runs) => toExport(runs) ?? []);
}

function toExport(runs: readonly RunInfo[]): VariantToExport | undefined {
  const remarks = runs
    .filter(({ state }) => state !== 'done')
    .map(({ seed, state, reason }) => `seed ${seed} ${state}${reason === null ? '' : `: ${reason}`}`);
  const readable = runs.flatMap((run) => {
    try {
      const seed = run.record && { seed: run.seed, rows: readMetrics(run.dir), record: run.record };
      return seed && seed.rows.length > 0 ? [seed] : [];
    } catch (error) {
      if (!(error instanceof DataError)) throw error;
      remarks.push(`seed ${run.seed} left out: ${error.message}`);
      return [];
    }
  });
  const seeds = largestGroup(readable);
  const [run] = runs;
  const [first] = seeds;
  if (!run || !first) return undefined;
  for (const other of readable.filter((each) => !seeds.includes(each))) {
    const differences = specDifferences(first.record.spec, other.record.spec);
    remarks.push(`seed ${other.seed} left out, it ran with ${differences.join(', ') || 'other pictures'}`);
  }
  const { experiment, variant } = run;
  return { experiment, variant, spec: first.record.spec, seeds, remarks };
}

/** The largest group of seeds that differ in nothing else; among equals the first. */
function largestGroup(seeds: readonly SeedRun[]): readonly SeedRun[] {
  const groups = groupBy(seeds, ({ record }) => `${seedlessHash(record.spec)} ${record.dataset.fingerprint}`);
  return groups.sort((a, b) => b.length - a.length)[0] ?? [];
}

function groupBy<T>(items: readonly T[], keyOf: (item: T) => string): T[][] {
  const groups = new Map<string, T[]>();
  for (const item of items) groups.set(keyOf(item), [...(groups.get(keyOf(item)) ?? []), item]);
  return [...groups.values()];
}
