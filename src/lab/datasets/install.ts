/** Putting a dataset in place: complete and checked, or not at all. */
import { existsSync } from 'node:fs';
import { rm, rmdir } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { DataError } from '../../errors.js';
import { fingerprintOf } from './fingerprint.js';
import { makeFolder } from '../make-folder.js';
import type { StoredKind } from './kind.js';
import { type Receipt, writeReceipt } from '../receipt.js';
import { makeStaging, moveInto } from '../staging.js';

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
 * Installs a dataset, read in full.
 *
 * @param fill  puts the files into the folder it is given
 * @throws DataError  something is there already (without `force`), or what was filled in is not the dataset
 */
export async function install(
  kind: StoredKind,
  dataDir: string,
  origin: Origin,
  fill: (folder: string) => Promise<void>,
  options: InstallOptions,
): Promise<Installed> {
  const fingerprint = async (folder: string): Promise<string> => fingerprintOf(await kind.read(folder, kind.size));
  return installFolder(homeOf(kind, dataDir), origin, { fill, fingerprint }, options);
}

export type Origin = Omit<Receipt, 'fingerprint'>;

export interface Contents {
  /** Puts the files into the folder it is given. */
  readonly fill: (folder: string) => Promise<void>;
  /** Reads them back in full. @throws DataError they are not what they should be */
  readonly fingerprint: (folder: string) => Promise<string>;
}

/**
 * Fills a hidden folder beside the final place, reads everything from there, and only then moves it there. What fails
 * leaves nothing behind; what a killed process left is removed first.
 *
 * @throws DataError  something is there already (without `force`), or as `contents` throws
 */
export async function installFolder(
  home: string,
  origin: Origin,
  contents: Contents,
  { force = false, signal }: InstallOptions,
): Promise<Installed> {
  refuseExisting(home, force);
  let firstMade: string | undefined;
  let staging: string | undefined;
  try {
    firstMade = makeFolder(resolve(dirname(home)));
    staging = await makeStaging(home);
    await contents.fill(staging);
    signal?.throwIfAborted();
    const fingerprint = await contents.fingerprint(staging);
    signal?.throwIfAborted();
    const receipt = { ...origin, fingerprint };
    await writeReceipt(staging, receipt);
    refuseExisting(home, force);
    await moveInto(home, staging);
    return { folder: home, ...receipt };
  } catch (error) {
    if (isSystemError(error)) throw new DataError(`${home} cannot be put in place: ${error.message}`, { cause: error });
    if (!(error instanceof DataError) || staging === undefined) throw error;
    // The hidden folder means nothing to the person: say the source instead.
    throw new DataError(error.message.replaceAll(staging, origin.source), { cause: error });
  } finally {
    if (staging !== undefined) await rm(staging, { recursive: true, force: true });
    if (firstMade !== undefined) await removeEmpty(dirname(home), firstMade);
  }
}

/** A full disk, a folder that may not be written. */
function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && 'syscall' in error;
}

/** Removes a folder and those above it up to `last`, as far as they are empty. */
async function removeEmpty(folder: string, last: string): Promise<void> {
  try {
    for (let each = folder; ; each = dirname(each)) {
      await rmdir(each);
      if (each === last) return;
    }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ENOTEMPTY' && code !== 'EEXIST') throw error;
  }
}

/** @throws DataError */
export function refuseExisting(home: string, force: boolean): void {
  if (existsSync(home) && !force) throw new DataError(`${home} is there already; --force replaces it`);
}
