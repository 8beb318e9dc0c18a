/** `hbp data import`: from a folder or an archive on this machine into a data dir. */
import { constants, existsSync } from 'node:fs';
import { copyFile, stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { DataError } from '../../errors.js';
import type { DatasetName } from '../config/schema.js';
import { listArchive } from './archive.js';
import { hasChecksum } from './checksum.js';
import { unpackFiles } from './fetch.js';
import { holdsAny, storedKinds } from './index.js';
import { install, type Installed, type InstallOptions } from './install.js';
import type { StoredKind } from './kind.js';
import { hasOfficialFiles } from './verify.js';

/** A dataset found in what is to be imported. */
export interface ImportSource {
  readonly kind: StoredKind;
  readonly form: 'folder' | 'archive';
  readonly path: string;
}

/**
 * What a folder or archive holds: of each dataset at most one copy, extracted files before an archive.
 *
 * @param as  look for this one only
 * @throws DataError  it is not there, or holds none
 */
export async function findSources(path: string, as?: DatasetName): Promise<ImportSource[]> {
  const whole = resolve(path);
  const kinds = storedKinds.filter((kind) => as === undefined || kind.name === as);
  const found = await stat(whole).catch(() => undefined);
  if (!found) throw new DataError(`${whole} does not exist`);
  const sources = found.isDirectory() ? sourcesInFolder(whole, kinds) : await sourcesInArchive(whole, kinds);
  if (sources.length > 0) return sources;
  const expected = kinds.map((kind) => `${kind.name} (${kind.files[0]![0]!}, ...)`).join(' or ');
  throw new DataError(`${whole} holds no ${expected}`);
}

function sourcesInFolder(folder: string, kinds: readonly StoredKind[]): ImportSource[] {
  return kinds.flatMap((kind): ImportSource[] => {
    const extracted = kind.folders.map((below) => join(folder, below)).find((candidate) => holdsAny(candidate, kind));
    if (extracted !== undefined) return [{ kind, form: 'folder', path: extracted }];
    if (!kind.packed) return [];
    return kind.downloads
      .map(({ file }) => join(folder, file))
      .filter((archive) => existsSync(archive))
      .map((archive) => ({ kind, form: 'archive', path: archive }));
  });
}

async function sourcesInArchive(archive: string, kinds: readonly StoredKind[]): Promise<ImportSource[]> {
  const names = new Set((await listArchive(archive)).map((path) => basename(path)));
  return kinds
    .filter((kind) => kind.files.flat().some((file) => names.has(file)))
    .map((kind) => ({ kind, form: 'archive', path: archive }));
}

/** Copies a dataset into `dataDir`, where it appears once it has been read and checked in full. @throws DataError */
export async function importDataset(
  { kind, form, path }: ImportSource,
  dataDir: string,
  options: InstallOptions = {},
): Promise<Installed> {
  if (form === 'archive') {
    const official = await isOfficial(kind, path);
    return install(kind, dataDir, { source: path, official }, (folder) => unpackFiles(kind, path, folder), options);
  }
  await kind.check(path);
  const files = kind.files.flat().filter((file) => existsSync(join(path, file)));
  const copy = async (folder: string): Promise<void> => {
    for (const file of files) await copyFile(join(path, file), join(folder, file), constants.COPYFILE_FICLONE);
  };
  return install(kind, dataDir, { source: path, official: await hasOfficialFiles(kind, path) }, copy, options);
}

async function isOfficial(kind: StoredKind, archive: string): Promise<boolean> {
  for (const { checksum } of kind.downloads) if (await hasChecksum(archive, checksum)) return true;
  return false;
}
