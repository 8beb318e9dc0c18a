/** Whose runs a command looks at: one's own by default, others by its options. */
import { storeSource, type RunSource } from '../lab/results/source.js';
import { folders } from './shared.js';

export interface SourceFlags {
  readonly quick?: true;
  readonly runs?: string;
}

export function ownRuns({ quick, runs }: SourceFlags): RunSource {
  if (quick) return storeSource(folders.runs(true), 'own runs at reduced size (--quick)');
  return storeSource(runs ?? folders.runs(), 'own runs');
}

/** The authors' runs if they have been imported, else the recorded runs that ship. */
export function originalRuns(): RunSource {
  return storeSource(folders.original(), 'recorded runs');
}
