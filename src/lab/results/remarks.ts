/** What a reader of a figure or a table should know of the runs behind it, in words. */
import type { VariantRuns } from './merge.js';

export interface Remark {
  /** Of the variant that it is about. */
  readonly label: string;
  readonly remark: string;
}

/**
 * What is true of several variants is said once.
 *
 * @param count     how many variants there are
 * @param everyone  how all of them are called
 */
export function together(remarks: readonly Remark[], count: number, everyone: string): string[] {
  return distinct(remarks.map(({ remark }) => remark)).map((remark) => {
    const labels = remarks.filter((each) => each.remark === remark).map(({ label }) => label);
    return `${labels.length === count && count > 1 ? everyone : labels.join('; ')}: ${remark}`;
  });
}

/** What became of the runs of a variant: seeds that are not done, end early or were left out. */
export function remarksOf({ merged, unfinished, mixedSpecs, remarks }: VariantRuns): string[] {
  const told = new Set(unfinished.map(({ seed }) => seed));
  const early = merged.endedEarly.filter(({ seed }) => !told.has(seed));
  return [
    ...unfinished.map(({ seed, state, reason }) => `seed ${seed} ${state}${reason === null ? '' : `: ${reason}`}`),
    ...distinct(early.map(({ lastEpoch }) => lastEpoch)).map((epoch) => {
      const seeds = early.filter(({ lastEpoch }) => lastEpoch === epoch).map(({ seed }) => seed);
      return `seed${seeds.length > 1 ? 's' : ''} ${ranges(seeds)} end${seeds.length > 1 ? '' : 's'} at epoch ${rounded(epoch)}`;
    }),
    ...mixedSpecs.map(({ seed, differences }) => `seed ${seed} left out, it ran with ${differences.join(', ')}`),
    ...remarks,
  ];
}

/** At most two decimals. */
export function rounded(value: number): string {
  return value.toLocaleString('en-US', { maximumFractionDigits: 2 });
}

/** Ascending seeds as `0–2, 7`. */
export function ranges(seeds: readonly number[]): string {
  const runs = seeds.reduce<[number, number][]>((made, seed) => {
    const last = made.at(-1);
    if (last?.[1] !== seed - 1) return [...made, [seed, seed]];
    return [...made.slice(0, -1), [last[0], seed]];
  }, []);
  return runs.map(([first, last]) => (first === last ? `${first}` : `${first}–${last}`)).join(', ');
}

export function distinct<T>(values: readonly T[]): T[] {
  return [...new Set(values)];
}
