/** `hbp data status` and `hbp data verify`. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { DataError } from '../../errors.js';
import type { DatasetName } from '../config/schema.js';
import { hasChecksum } from './checksum.js';
import { fingerprintOf } from './fingerprint.js';
import { datasetKind, findDataset, findStored, type Location, missingMessage } from './index.js';
import type { Counts, GeneratedKind, StoredKind } from './kind.js';
import { readReceipt } from '../receipt.js';

export type DatasetStatus = Location & { readonly name: DatasetName; readonly official: boolean };

export interface Verified {
  readonly name: DatasetName;
  /** Absent for a generated one that is not on disk. */
  readonly folder?: string;
  readonly samples: Counts;
  readonly fingerprint: string;
  /** Known to be the published bytes. */
  readonly official: boolean;
}

/** Where a dataset is, without reading it. @throws DataError its receipt is damaged */
export async function statusOf(name: DatasetName, dirs: readonly string[]): Promise<DatasetStatus> {
  const location = await findDataset(name, dirs);
  if (location.state === 'generated') return { name, ...location, official: true };
  const receipt = location.state === 'complete' ? await readReceipt(location.folder) : undefined;
  return { name, ...location, official: receipt?.official ?? false };
}

/**
 * Reads a dataset in full: sizes, headers, labels, and that it is still what it was when it was put in place.
 *
 * @throws DataError  it is nowhere, or not as it should be
 */
export async function verifyDataset(name: DatasetName, dirs: readonly string[]): Promise<Verified> {
  const kind = datasetKind(name);
  return kind.origin === 'generated' ? verifyGenerated(kind, dirs) : verifyStored(kind, dirs);
}

async function verifyStored(kind: StoredKind, dirs: readonly string[]): Promise<Verified> {
  const location = await findStored(kind, dirs);
  if (location.state === 'missing') throw new DataError(missingMessage(kind, dirs));
  if (location.state === 'broken') throw new DataError(location.reason);
  const { folder } = location;
  const fingerprint = fingerprintOf(await kind.read(folder, kind.size));
  const receipt = await readReceipt(folder);
  if (receipt && receipt.fingerprint !== fingerprint) {
    throw new DataError(`${folder} has changed since it was put there: ${fingerprint}, was ${receipt.fingerprint}`);
  }
  const official = (receipt?.official ?? false) || (await hasOfficialFiles(kind, folder));
  return { name: kind.name, folder, samples: kind.size, fingerprint, official };
}

async function verifyGenerated(kind: GeneratedKind, dirs: readonly string[]): Promise<Verified> {
  const fingerprint = fingerprintOf(kind.generate(kind.size));
  const fresh = { name: kind.name, samples: kind.size, fingerprint, official: true };
  if ((await findStored(kind.stored, dirs)).state === 'missing') return fresh;
  const written = await verifyStored(kind.stored, dirs);
  if (written.fingerprint !== fingerprint) {
    throw new DataError(`${written.folder} holds other pictures than are generated now: fetch them again with --force`);
  }
  return { ...fresh, ...written, official: true };
}

/** Whether the files themselves have published checksums, and these are right. */
export async function hasOfficialFiles(kind: StoredKind, folder: string): Promise<boolean> {
  if (kind.packed) return false;
  for (const { file, checksum } of kind.downloads) {
    const path = join(folder, file);
    if (!existsSync(path) || !(await hasChecksum(path, checksum))) return false;
  }
  return true;
}
