/**
 * Two sources of runs beside each other: of every variant of an experiment where they stand, at equal epochs, and
 * whether they agree.
 *
 * Two means over seeds agree if they lie within two standard deviations of their difference,
 *
 *   |ours - theirs| <= 2 sqrt(s_o^2 / n_o + s_t^2 / n_t),   s: sample standard deviations, n: numbers of seeds.
 *
 * What is compared are the means: the spread of single runs does not get smaller with more seeds, and so would let any
 * two methods agree that differ by less than it. Where a side has one seed nothing is known of its spread, and nothing
 * is decided. With two or three seeds a side the standard deviations are rough themselves: an indication, no test.
 */
import { variantsOf, type ExpandedVariant } from '../config/expand.js';
import type { Experiment } from '../config/schema.js';
import { allRemarks, settingsRemarks, sourceNote, timesRemarks } from './compare-notes.js';
import type { MergedValue, VariantRuns } from './merge.js';
import type { RunEnvironment } from './record.js';
import { remarksOf, rounded } from './remarks.js';
import type { RunSource } from './source.js';
import {
  comparedMetrics,
  endsInNaN,
  lastEpoch,
  rowAt,
  sameEpoch,
  summarise,
  type ComparedMetric,
  type SeedCourse,
  type Summary,
} from './summary.js';

export type Machine = Pick<RunEnvironment, 'backend' | 'backendVersion' | 'threads' | 'isa' | 'cpu' | 'gpu'>;

/** See `Difference`. */
export type Verdict = 'within' | 'beyond' | 'undecided' | 'diverged' | 'missing';

export interface Difference {
  /** ours - theirs, of the means; null where one side has none. */
  readonly difference: number | null;
  /** Two standard deviations of the difference; null where a side has fewer than two seeds. */
  readonly margin: number | null;
  /**
   * `undecided`: a side has a single seed; `diverged`: all seeds of a side have; `missing`: a side has no such value.
   */
  readonly verdict: Verdict;
}

export interface Side {
  /** At the last epoch that all of its seeds reached, those that diverged aside. */
  readonly end: Summary;
  /** At the epoch of the comparison; the end if there is none. */
  readonly compared: Summary;
}

export interface VariantComparison {
  readonly variant: string;
  readonly label: string;
  /** Null where a side has no runs. */
  readonly theirs: Side | null;
  readonly ours: Side | null;
  /** Null where there is nothing to compare. */
  readonly differences: Readonly<Record<'final' | 'best', Readonly<Record<ComparedMetric, Difference>>>> | null;
}

export interface SourceNote {
  readonly name: string;
  readonly from: string;
  /** What the runs ran on, and which variants where not all did; none where that was not recorded. */
  readonly machines: readonly (Machine & { readonly variants: readonly string[] })[];
}

export interface Comparison {
  readonly experiment: string;
  readonly title: string;
  /** That was asked for; null: each variant at the last one that all of its seeds reached. */
  readonly epoch: number | null;
  readonly theirs: SourceNote | null;
  readonly ours: SourceNote | null;
  readonly variants: readonly VariantComparison[];
  /** What a reader should know before trusting a number. */
  readonly remarks: readonly string[];
}

export interface CompareOptions {
  readonly theirs?: RunSource | undefined;
  readonly ours?: RunSource | undefined;
  /** Compare at this epoch, of the seeds that reached it; absent: at the last one that all seeds reached. */
  readonly epoch?: number | undefined;
}

export type SideName = 'theirs' | 'ours';

/** A variant, the runs that each side has of it, and what came out. */
export interface Found {
  readonly variant: ExpandedVariant;
  readonly runs: Readonly<Partial<Record<SideName, VariantRuns>>>;
  readonly compared: VariantComparison;
  readonly remarks: Readonly<Record<SideName | 'both', readonly string[]>>;
}

export function compareExperiment(experiment: Experiment, options: CompareOptions): Comparison {
  const found = variantsOf(experiment).map((variant) => compareVariant(experiment, variant, options));
  const theirs = sourceNote(options.theirs, found, 'theirs');
  const ours = sourceNote(options.ours, found, 'ours');
  return {
    experiment: experiment.name,
    title: experiment.title,
    epoch: options.epoch ?? null,
    theirs,
    ours,
    variants: found.map(({ compared }) => compared),
    remarks: [...timesRemarks(theirs, ours), ...allRemarks(found)],
  };
}

function compareVariant(experiment: Experiment, variant: ExpandedVariant, options: CompareOptions): Found {
  const runs = {
    ...(options.theirs && { theirs: options.theirs.read(experiment.name, variant) }),
    ...(options.ours && { ours: options.ours.read(experiment.name, variant) }),
  };
  const theirs = counted(runs.theirs, options.epoch);
  const ours = counted(runs.ours, options.epoch);
  const common = options.epoch ?? commonEpoch(theirs.seeds, ours.seeds);
  const sides = { theirs: sideOf(theirs.seeds, common), ours: sideOf(ours.seeds, common) };
  const both = sides.theirs && sides.ours ? { theirs: sides.theirs, ours: sides.ours } : null;
  return {
    variant,
    runs,
    compared: {
      variant: variant.name,
      label: variant.label,
      ...sides,
      differences: both && common !== undefined ? differencesOf(both) : null,
    },
    remarks: {
      theirs: theirs.remarks,
      ours: ours.remarks,
      both: both
        ? [...(common === undefined ? ['no epoch in common'] : []), ...settingsRemarks(experiment, variant, runs)]
        : [],
    },
  };
}

/**
 * The seeds that count. An unfinished one beside finished ones would pull the epoch of the comparison down to where it
 * stands, so it does not, but for an epoch that was asked for and that it has reached.
 */
function counted(
  runs: VariantRuns | undefined,
  epoch: number | undefined,
): { readonly seeds: readonly SeedCourse[]; readonly remarks: readonly string[] } {
  if (!runs) return { seeds: [], remarks: [] };
  const all = runs.runs
    .filter(({ rows }) => rows.length > 0)
    .map((run): SeedCourse => ({ ...run, diverged: endsInNaN(run) || stoppedByNaN(run.seed, runs) }));
  const silent = all.filter((run) => run.diverged && !stoppedByNaN(run.seed, runs));
  const divergedRemarks = silent.map((run) => `seed ${run.seed} diverged, by epoch ${rounded(lastEpoch(run))}`);
  if (epoch !== undefined) {
    const reached = all.filter((run) => rowAt(run, epoch) || (run.diverged && lastEpoch(run) < epoch));
    const short = all.length > 0 && reached.length === 0 ? [`no seed has an evaluation at epoch ${epoch}`] : [];
    return { seeds: reached, remarks: [...remarksOf(runs), ...divergedRemarks, ...short] };
  }
  const going = all.filter(({ seed, diverged }) => !diverged && runs.unfinished.some((other) => other.seed === seed));
  const finished = all.filter((run) => !going.includes(run));
  const leftOut = finished.some(({ diverged }) => !diverged) ? going : [];
  return {
    seeds: all.filter((run) => !leftOut.includes(run)),
    remarks: [
      ...remarksOf(runs),
      ...divergedRemarks,
      ...leftOut.map((run) => `seed ${run.seed} does not count, it has come to epoch ${rounded(lastEpoch(run))}`),
    ],
  };
}

/** The trainer stops before it writes a row of NaN. */
function stoppedByNaN(seed: number, { unfinished }: VariantRuns): boolean {
  return unfinished.some((run) => run.seed === seed && run.state === 'failed' && run.reason?.startsWith('diverged'));
}

function sideOf(seeds: readonly SeedCourse[], common: number | undefined): Side | null {
  if (seeds.length === 0) return null;
  const end = summarise(seeds, endOf(seeds));
  return { end, compared: common === undefined ? end : summarise(seeds, common) };
}

/** The last epoch that all seeds reached. A seed that diverged does not hold up the others. */
function endOf(seeds: readonly SeedCourse[]): number {
  const going = seeds.filter(({ diverged }) => !diverged);
  return going.length > 0 ? Math.min(...going.map(lastEpoch)) : Math.max(...seeds.map(lastEpoch));
}

/**
 * The last epoch at which all seeds of both sides have an evaluation; of two that are the same the earlier. A side that
 * has diverged as a whole is so at every later epoch, too. Undefined where there is none, or only one side.
 */
function commonEpoch(theirs: readonly SeedCourse[], ours: readonly SeedCourse[]): number | undefined {
  if (theirs.length === 0 || ours.length === 0) return undefined;
  const sides = [theirs, ours].map((seeds) => seeds.filter(({ diverged }) => !diverged)).filter((s) => s.length > 0);
  if (sides.length === 0) return Math.max(endOf(theirs), endOf(ours));
  const going = sides.flat();
  const [shortest] = [...going].sort((a, b) => lastEpoch(a) - lastEpoch(b));
  return shortest?.rows
    .map(({ epoch }) => epoch)
    .reverse()
    .find((epoch) => going.every((seed) => rowAt(seed, epoch)));
}

function differencesOf(sides: Readonly<Record<SideName, Side>>): NonNullable<VariantComparison['differences']> {
  const { theirs, ours } = { theirs: sides.theirs.compared, ours: sides.ours.compared };
  const lost = [theirs, ours].some(({ seeds, diverged }) => seeds.length === 0 && diverged.length > 0);
  const of = (kind: 'final' | 'best') =>
    Object.fromEntries(
      comparedMetrics.map((metric) => [
        metric,
        lost ? divergence : difference(theirs[kind][metric], ours[kind][metric]),
      ]),
    ) as Record<ComparedMetric, Difference>;
  return { final: of('final'), best: of('best') };
}

const divergence: Difference = { difference: null, margin: null, verdict: 'diverged' };

/** The means of two samples beside each other; the rule is at the head of this file. */
export function difference(theirs: MergedValue, ours: MergedValue): Difference {
  if (theirs.n === 0 || ours.n === 0) return { difference: null, margin: null, verdict: 'missing' };
  const apart = ours.mean - theirs.mean;
  if (theirs.std === null || ours.std === null) return { difference: apart, margin: null, verdict: 'undecided' };
  const margin = 2 * Math.sqrt(ours.std ** 2 / ours.n + theirs.std ** 2 / theirs.n);
  return { difference: apart, margin, verdict: Math.abs(apart) <= margin ? 'within' : 'beyond' };
}

/** Whether a side goes on after the epoch of the comparison. */
export function goesOn({ end, compared }: Side): boolean {
  return end.epoch > compared.epoch + sameEpoch;
}
