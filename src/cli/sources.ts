/** Whose runs a command looks at: one's own by default, others by its options. */
import { findPaper } from '../lab/archive/home.js';
import { archiveSource } from '../lab/archive/source.js';
import type { Wanted } from '../lab/results/merge.js';
import { storeSource, type RunSource } from '../lab/results/source.js';
import { dataDirs, folders, type StoreFlags } from './shared.js';

/** @param wanted  what of the runs; absent: all */
export function ownRuns({ quick, runs }: StoreFlags, wanted?: Wanted): RunSource {
  if (quick) return storeSource(folders.runs(true), 'own runs at reduced size (--quick)', wanted);
  return storeSource(runs ?? folders.runs(), 'own runs', wanted);
}

/** The authors' runs if they have been imported (`hbp data import paper`), else the recorded runs that ship. */
export async function originalRuns(): Promise<RunSource> {
  const imported = findPaper(dataDirs());
  return imported === undefined ? storeSource(folders.original(), 'recorded runs') : archiveSource(imported);
}
