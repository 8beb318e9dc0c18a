/** What a measurement leaves: plain data for the JSON file, the tables and the figure. */
import type { Quartiles } from './statistics.js';

/** Where a row stands in the report. */
export type Section = 'products' | 'memory' | 'steps' | 'resident';
export type Unit = 'GFLOP/s' | 'GB/s' | 'ms' | 'MB';

export interface Competitor {
  readonly name: string;
  readonly value: Quartiles;
}

/** A number that the project wants to reach. */
export interface Check {
  /** Of what, e.g. "dnnl_sgemm". */
  readonly of: string;
  /** Ours divided by theirs, medians. */
  readonly ratio: number;
  readonly bound: number;
  readonly kind: 'at least' | 'at most';
  readonly met: boolean;
}

export interface Row {
  readonly section: Section;
  readonly name: string;
  readonly unit: Unit;
  /** Null if it could not be measured. */
  readonly ours: Quartiles | null;
  readonly peers: readonly Competitor[];
  readonly checks: readonly Check[];
  /** What a reader has to know: why something is missing. */
  readonly note: string | null;
}

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryBytes: number;
  /** Of the largest cache that the first core has. */
  readonly cacheBytes: number;
  readonly os: string;
}

export interface Results {
  /** ISO 8601. */
  readonly date: string;
  readonly commit: string | null;
  /** Small sizes and few repetitions: of no meaning as a measurement. */
  readonly quick: boolean;
  readonly repetitions: number;
  readonly machine: Machine;
  readonly versions: Readonly<Record<string, string>>;
  readonly backend: { readonly name: string; readonly description: string; readonly threads: number };
  /** What the peers say of themselves, or why they are absent. */
  readonly peers: Readonly<Record<string, string>>;
  /** Load average over a minute when it began and when it ended: what else ran. */
  readonly load: readonly [before: number, after: number];
  readonly rows: readonly Row[];
}

/** Load average a core when a run begins, above which something else is running. */
const busyLoad = 0.75;

/** Why the numbers cannot be relied on; null if nothing speaks against them. */
export function doubt({ quick, load, machine }: Pick<Results, 'quick' | 'load' | 'machine'>): string | null {
  if (quick) return 'the quick form measures nothing: its sizes are too small';
  if (load[0] <= busyLoad * machine.cores) return null;
  return `the machine was busy when it began (load average ${load[0].toFixed(1)}, ${machine.cores} cores)`;
}

/** Compare medians with a bound. */
export function check(
  ours: Quartiles,
  theirs: Competitor | undefined,
  kind: Check['kind'],
  bound: number,
): readonly Check[] {
  if (!theirs) return [];
  const ratio = ours.median / theirs.value.median;
  return [{ of: theirs.name, ratio, bound, kind, met: kind === 'at least' ? ratio >= bound : ratio <= bound }];
}
