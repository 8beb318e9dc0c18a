/** What is in a tree: which runs are there of which variants, and which are of none. */
import { join } from 'node:path';
import { variantsOf } from '../config/expand.js';
import type { Experiment } from '../config/schema.js';
import { isPublished } from './layout.js';
import { archivedRunDir, foldersIn, readArchivedVariant, seedsIn } from './read.js';

interface Named {
  readonly experiment: string;
  readonly variant: string;
  readonly label: string;
}

export interface FoundRuns extends Named {
  readonly seeds: readonly number[];
  /** Fewest and most evaluations of a seed. */
  readonly evaluations: readonly [number, number];
  readonly remarks: readonly string[];
}

export interface Survey {
  readonly found: readonly FoundRuns[];
  /** Variants of the published experiments that have no run here. */
  readonly absent: readonly Named[];
  /** Runs that belong to no variant: EXPERIMENT/KIND/RUN. */
  readonly strangers: readonly { readonly folder: string; readonly seeds: readonly number[] }[];
}

/** Reads everything; broken files become remarks. */
export function surveyTree(root: string, experiments: readonly Experiment[]): Survey {
  const found: FoundRuns[] = [];
  const absent: Named[] = [];
  const claimed = new Set<string>();
  for (const experiment of experiments) {
    for (const variant of variantsOf(experiment)) {
      const named = { experiment: experiment.name, variant: variant.name, label: variant.label };
      const dir = archivedRunDir(root, experiment.name, variant);
      if (dir === undefined) {
        if (isPublished(experiment.name)) absent.push(named);
        continue;
      }
      claimed.add(dir);
      const { seeds, remarks } = readArchivedVariant(root, experiment.name, variant);
      const counts = seeds.map(({ rows }) => rows.length);
      const evaluations =
        counts.length === 0 ? ([0, 0] as const) : ([Math.min(...counts), Math.max(...counts)] as const);
      found.push({ ...named, seeds: seeds.map(({ seed }) => seed), evaluations, remarks });
    }
  }
  const strangers = runFolders(root)
    .filter((folder) => !claimed.has(join(root, folder)))
    .map((folder) => ({ folder, seeds: seedsIn(join(root, folder)) }));
  return { found, absent, strangers };
}

/** EXPERIMENT/KIND/RUN of every run. */
function runFolders(root: string): string[] {
  return [1, 2, 3].reduce(
    (folders) =>
      folders.flatMap((folder) =>
        foldersIn(join(root, folder)).map((name) => (folder === '' ? name : `${folder}/${name}`)),
      ),
    [''],
  );
}
