/** Median and quartiles. */

export interface Quartiles {
  readonly low: number;
  readonly median: number;
  readonly high: number;
  /** Number of values. */
  readonly count: number;
}

/** @param values  at least one; quartiles lie between neighbours in proportion */
export function quartiles(values: readonly number[]): Quartiles {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share: number): number => {
    const position = share * (sorted.length - 1);
    const below = Math.floor(position);
    const low = sorted[below] ?? NaN;
    return low + (position - below) * ((sorted[below + 1] ?? low) - low);
  };
  return { low: at(0.25), median: at(0.5), high: at(0.75), count: sorted.length };
}
