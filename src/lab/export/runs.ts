/** What of a run store is exported: of every variant the seeds that belong together. */
import { ConfigError } from '../../errors.js';
import { didYouMean } from '../config/nearest.js';
import type { RunSpec } from '../config/spec.js';
import { listRuns } from '../results/inspect.js';
import { readVariant } from '../results/merge.js';
import type { MetricsRow } from '../results/metrics.js';
import type { RunRecord } from '../results/record.js';
import { distinct, remarksOf } from '../results/remarks.js';

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
  const variants = distinct(wanted.map(({ experiment, variant }) => `${experiment}/${variant}`));
  return variants.flatMap((name) => {
    const [experiment = '', variant = ''] = name.split('/');
    return toExport(root, experiment, variant) ?? [];
  });
}

function toExport(root: string, experiment: string, variant: string): VariantToExport | undefined {
  const found = readVariant(root, experiment, variant);
  const seeds = found.runs.flatMap(({ seed, rows }, i): SeedRun[] => {
    const record = found.records?.[i];
    return record && rows.length > 0 ? [{ seed, rows, record }] : [];
  });
  const [first] = seeds;
  if (!first) return undefined;
  return { experiment, variant, spec: first.record.spec, seeds, remarks: remarksOf(found) };
}
