/** What a measurement of steps was made on, and why it may be of no use. */
import { loadavg } from 'node:os';
import type { Dataset } from '../../dist/lab/datasets/dataset.js';
import { commit, machine, versions } from '../machine.js';
import type { Speeds } from './floor.js';
import type { Provenance } from './results.js';

/** Call it when the measurement has ended. */
export function provenance(
  {
    dataset,
    ...measured
  }: {
    readonly quick: boolean;
    readonly threads: number;
    readonly about: Readonly<Record<string, string>>;
    readonly dataset: Pick<Dataset, 'name' | 'fingerprint'>;
    readonly speeds: Speeds | null;
  },
  loadBefore: number,
): Provenance {
  return {
    date: new Date().toISOString(),
    commit: commit(),
    machine: machine(),
    versions: versions(),
    ...measured,
    pictures: `${dataset.name}, ${dataset.fingerprint}`,
    load: [loadBefore, loadavg()[0] ?? NaN],
  };
}
