/** The datasets by name. A new one is a file beside this and a line in the table. */
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { ConfigError, DataError } from '../../errors.js';
import type { DatasetName } from '../config/schema.js';
import { cifar10 } from './cifar10.js';
import type { Dataset, LoadOptions } from './dataset.js';
import { fingerprintOf } from './fingerprint.js';
import type { Counts, DatasetKind, Splits, StoredKind } from './kind.js';
import { mnist } from './mnist.js';
import { syntheticCifar10 } from './synthetic.js';

export const datasets = {
  cifar10,
  mnist,
  'synthetic-cifar10': syntheticCifar10,
} satisfies Record<DatasetName, DatasetKind>;

export const datasetNames = Object.keys(datasets) as DatasetName[];

export const storedKinds = Object.values<DatasetKind>(datasets).filter((kind) => kind.origin === 'files');

/** The entry of the table, as the kind that all have in common. */
export function datasetKind(name: DatasetName): DatasetKind {
  return datasets[name];
}

/** Where a dataset is, or why it is not there. */
export type Location =
  | { readonly state: 'generated' }
  | { readonly state: 'complete'; readonly folder: string }
  | { readonly state: 'broken'; readonly folder: string; readonly reason: string }
  | { readonly state: 'missing'; readonly searched: readonly string[] };

type StoredLocation = Exclude<Location, { state: 'generated' }>;

/**
 * Looks for a dataset without reading its pixels: sizes and headers only. The first of `dirs` that holds any of its
 * files decides; a broken copy there is reported, not passed over.
 */
export async function findDataset(name: DatasetName, dirs: readonly string[]): Promise<Location> {
  const kind = datasetKind(name);
  return kind.origin === 'generated' ? { state: 'generated' } : findStored(kind, dirs);
}

/** As `findDataset`, for files of a given kind. */
export async function findStored(kind: StoredKind, dirs: readonly string[]): Promise<StoredLocation> {
  const candidates = dirs.flatMap((dir) => kind.folders.map((folder) => resolve(dir, folder)));
  const folder = candidates.find((candidate) => holdsAny(candidate, kind));
  if (folder === undefined) return { state: 'missing', searched: dirs.map((dir) => resolve(dir)) };
  try {
    await kind.check(folder);
    return { state: 'complete', folder };
  } catch (error) {
    if (!(error instanceof DataError)) throw error;
    return { state: 'broken', folder, reason: error.message };
  }
}

/** Whether any file of the dataset lies directly in the folder. */
export function holdsAny(folder: string, kind: StoredKind): boolean {
  return kind.files.flat().some((file) => existsSync(join(folder, file)));
}

/**
 * Loads (or generates) a dataset, or the first samples of it.
 *
 * @throws DataError    it is nowhere, incomplete or malformed
 * @throws ConfigError  more samples asked for than there are
 */
export async function loadDataset(name: DatasetName, options: LoadOptions): Promise<Dataset> {
  const kind = datasetKind(name);
  const counts = {
    train: sampleCount(kind, 'train', options.trainSamples),
    test: sampleCount(kind, 'test', options.testSamples),
  };
  const { splits, source } = await splitsOf(kind, counts, options.dataDirs);
  const { shape, classes, mean, std } = kind;
  return { name, shape, classes, mean, std, ...splits, fingerprint: fingerprintOf(splits), source };
}

async function splitsOf(
  kind: DatasetKind,
  counts: Counts,
  dirs: readonly string[],
): Promise<{ splits: Splits; source: string }> {
  if (kind.origin === 'generated') return { splits: kind.generate(counts), source: kind.recipe };
  const location = await findStored(kind, dirs);
  if (location.state === 'broken') throw new DataError(location.reason);
  if (location.state === 'missing') throw new DataError(missingMessage(kind, dirs));
  return { splits: await kind.read(location.folder, counts), source: location.folder };
}

function sampleCount(kind: DatasetKind, split: keyof Counts, wanted: number | undefined): number {
  const all = kind.size[split];
  if (wanted !== undefined && wanted > all) {
    throw new ConfigError(`${kind.name} has ${all} ${split} samples, ${wanted} were asked for`);
  }
  return wanted ?? all;
}

/** What to do about a dataset that is not there. */
export function missingMessage(kind: StoredKind, dirs: readonly string[]): string {
  const searched = dirs.map((dir) => resolve(dir)).join(', ');
  const ways =
    `get it with \`hbp data fetch ${kind.name}\`, or \`hbp data import <dir|archive>\`, ` +
    `or name its folder with --data-dir or HBP_DATA_DIR`;
  const standIn = kind.standIn ? `; or take generated pictures: --dataset ${kind.standIn}` : '';
  return `${kind.name} not found in ${searched}: ${ways}${standIn}`;
}
