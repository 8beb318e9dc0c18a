/** Putting a dataset in place: complete and checked, or not at all. */
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { DataError } from '../../errors.js';
import { fingerprintOf } from './fingerprint.js';
import type { StoredKind } from './kind.js';
import { type Receipt, writeReceipt } from './receipt.js';

export interface InstallOptions {
  /** Replace what is there. */
  readonly force?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface Installed extends Receipt {
  readonly folder: string;
}

/** Where hbp keeps a dataset in a data dir. */
export function homeOf(kind: StoredKind, dataDir: string): string {
  return resolve(dataDir, kind.folders[0]!);
}

/**
 * Fills a hidden folder beside the final place, reads the dataset from there in full, and only then moves it there.
 *
 * @param fill  puts the files into the folder it is given
 * @throws DataError  something is there already (without `force`), or what was filled in is not the dataset
 */
export async function install(
  kind: StoredKind,
  dataDir: string,
  origin: Pick<Receipt, 'source' | 'official'>,
  fill: (folder: string) => Promise<void>,
  { force = false, signal }: InstallOptions,
): Promise<Installed> {
  const home = homeOf(kind, dataDir);
  refuseExisting(home, force);
  await mkdir(dirname(home), { recursive: true });
  const staging = await mkdtemp(join(dirname(home), `.${kind.name}-`));
  try {
    await fill(staging);
    signal?.throwIfAborted();
    const fingerprint = fingerprintOf(await kind.read(staging, kind.size));
    signal?.throwIfAborted();
    const receipt = { ...origin, fingerprint };
    await writeReceipt(staging, receipt);
    await moveInto(home, staging, force);
    return { folder: home, ...receipt };
  } catch (error) {
    if (!(error instanceof DataError)) throw error;
    // The hidden folder means nothing to the person: say the source instead.
    throw new DataError(error.message.replaceAll(staging, origin.source), { cause: error });
  } finally {
    await rm(staging, { recursive: true, force: true });
  }
}

/** @throws DataError */
export function refuseExisting(home: string, force: boolean): void {
  if (existsSync(home) && !force) throw new DataError(`${home} is there already; --force replaces it`);
}

async function moveInto(home: string, staging: string, force: boolean): Promise<void> {
  refuseExisting(home, force);
  const old = `${staging}-old`;
  const replaces = existsSync(home);
  if (replaces) await rename(home, old);
  await rename(staging, home);
  if (replaces) await rm(old, { recursive: true });
}
