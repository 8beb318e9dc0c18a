/** What to know before trusting a comparison: machines, settings that differ, seeds and variants that lack. */
import { expandExperiment, type ExpandedVariant } from '../config/expand.js';
import type { Experiment } from '../config/schema.js';
import type { RunSpec } from '../config/spec.js';
import type { Found, Machine, SideName, SourceNote, VariantComparison } from './compare.js';
import type { RunRecord } from './record.js';
import { distinct, ranges, together, type Remark } from './remarks.js';
import type { RunSource } from './source.js';
import { specDifferences } from './spec-hash.js';

/** Whose runs a side shows, and what they ran on. Null where it has none of the experiment. */
export function sourceNote(source: RunSource | undefined, found: readonly Found[], side: SideName): SourceNote | null {
  if (!source || found.every(({ compared }) => compared[side] === null)) return null;
  const used = found.flatMap(({ variant, runs }) =>
    (runs[side]?.records ?? []).map((record) => ({ variant: variant.label, machine: machineOf(record) })),
  );
  const machines = new Map(used.map(({ machine }) => [machineKey(machine), machine]));
  return {
    name: source.name,
    from: source.from,
    machines: [...machines].map(([key, machine]) => ({
      ...machine,
      variants: distinct(used.filter((each) => machineKey(each.machine) === key).map(({ variant }) => variant)),
    })),
  };
}

function machineOf({ backend, backendVersion, threads, isa, cpu, gpu }: RunRecord): Machine {
  const version = backendVersion === undefined ? {} : { backendVersion };
  return { backend, ...version, threads, ...(isa === undefined ? {} : { isa }), cpu, gpu };
}

function machineKey({ backend, backendVersion, threads, isa, cpu, gpu }: Machine): string {
  return JSON.stringify([backend, backendVersion, threads, isa, cpu, gpu]);
}

/**
 * In which settings the two sides differ, `lr 0.1 -> 0.2` from theirs to ours, and in the bytes of the dataset. Theirs
 * are those of the experiment file where their source keeps none. Lengths and seeds are told elsewhere.
 */
export function settingsRemarks(experiment: Experiment, variant: ExpandedVariant, runs: Found['runs']): string[] {
  const ours = runs.ours?.records?.[0];
  if (!ours) return [];
  const theirs = runs.theirs?.records?.[0];
  const published = expandExperiment(experiment, { variants: [variant.name], seeds: [0] }).find(
    (spec) => spec.variant === variant.name,
  );
  const reference: RunSpec = theirs?.spec ?? published ?? ours.spec;
  const settings = specDifferences({ ...reference, epochs: ours.spec.epochs }, ours.spec);
  const bytes = [theirs, ours].map((record) => record?.dataset.fingerprint);
  return [
    ...(settings.length > 0 ? [`other settings, theirs -> ours: ${settings.join(', ')}`] : []),
    ...(theirs && bytes[0] !== bytes[1]
      ? [`other bytes of the dataset, theirs -> ours: ${bytes.map((each) => each?.slice(0, 19)).join(' -> ')}`]
      : []),
  ];
}

/** Times are a property of the machine as much as of the method. */
export function timesRemarks(theirs: SourceNote | null, ours: SourceNote | null): string[] {
  const sides = Object.entries({ theirs, ours }).flatMap(([side, note]) => (note ? [{ side, ...note }] : []));
  const mixed = sides.filter(({ machines }) => machines.length > 1).map(({ side }) => side);
  const unknown = sides.filter(({ machines }) => machines.length === 0).map(({ side }) => side);
  const keys = sides.map(({ machines }) => machines.map(machineKey).sort().join());
  const where = 'different machines, backends or threads';
  return [
    ...mixed.map((side) => `times of ${side} do not all compare with each other: they are from ${where}`),
    ...(sides.length < 2 || (unknown.length === 0 && keys[0] === keys[1])
      ? []
      : unknown.length > 0
        ? [`times do not compare: the machine of ${unknown.join(' and of ')} is not known`]
        : [`times do not compare: theirs and ours ran on ${where}`]),
  ];
}

export function hasRuns({ theirs, ours }: VariantComparison): boolean {
  return theirs !== null || ours !== null;
}

/** What a reader should know of runs and settings, what is true of several variants once. */
export function allRemarks(found: readonly Found[]): string[] {
  const present = found.filter(({ compared }) => hasRuns(compared));
  const gather = (key: SideName | 'both', prefix = ''): string[] => {
    const remarks = found.flatMap(({ variant, remarks }) =>
      remarks[key].map((remark): Remark => ({ label: variant.label, remark })),
    );
    return together(remarks, present.length, 'all variants').map((text) => `${prefix}${text}`);
  };
  const lacking = (side: SideName): string[] => {
    const none = present.filter(({ compared }) => compared[side] === null).map(({ variant }) => variant.label);
    if (none.length === 0 || none.length === present.length) return [];
    return [`${none.join('; ')}: no runs of ${side}`];
  };
  const nowhere = found.filter(({ compared }) => !hasRuns(compared)).map(({ variant }) => variant.label);
  return [
    ...gather('both'),
    ...(['theirs', 'ours'] as const).flatMap((side) => [...lacking(side), ...gather(side, `${side}: `)]),
    ...together(seedRemarks(present), present.length, 'all variants'),
    ...(nowhere.length > 0 && present.length > 0 ? [`${nowhere.join('; ')}: no runs at all`] : []),
  ];
}

/** Seeds of a side that are part of no number because they diverged. */
function seedRemarks(present: readonly Found[]): Remark[] {
  return present.flatMap(({ variant, compared }) =>
    (['theirs', 'ours'] as const).flatMap((side) => {
      const { seeds, diverged } = compared[side]?.compared ?? { seeds: [], diverged: [] };
      if (diverged.length === 0 || seeds.length === 0) return [];
      const remark = `${side}: ${diverged.length} of ${seeds.length + diverged.length} seeds diverged (${ranges(diverged)}), means are of the others`;
      return [{ label: variant.label, remark }];
    }),
  );
}
