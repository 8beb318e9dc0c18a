/** `hbp data fetch`: from the official sources into a data dir. */
import { copyFile, rm, writeFile } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import type { DatasetName } from '../config/schema.js';
import { makeFolder } from '../make-folder.js';
import { listArchive, unpack } from './archive.js';
import { download, type DownloadOptions } from './download.js';
import { datasetKind } from './index.js';
import { homeOf, install, type Installed, type InstallOptions, refuseExisting } from './install.js';
import type { Download, GeneratedKind, StoredKind } from './kind.js';

export interface FetchOptions extends InstallOptions, DownloadOptions {
  /** Take the files from below this URL instead of the official places; the checksums stay. */
  readonly from?: string | undefined;
}

/**
 * Downloads a dataset (or writes a generated one) into `dataDir`. Until it is complete there are only `.part` files,
 * from which the next call goes on.
 *
 * @throws DataError  it is there already (without `force`), or could not be had as it should be
 */
export async function fetchDataset(name: DatasetName, dataDir: string, options: FetchOptions = {}): Promise<Installed> {
  const kind = datasetKind(name);
  if (kind.origin === 'generated') return writeGenerated(kind, dataDir, options);
  return fetchStored(options.from === undefined ? kind : mirrored(kind, options.from), dataDir, options);
}

/** As `fetchDataset`, for a kind whose downloads may be any. */
export async function fetchStored(kind: StoredKind, dataDir: string, options: FetchOptions = {}): Promise<Installed> {
  refuseExisting(homeOf(kind, dataDir), options.force ?? false);
  makeFolder(resolve(dataDir));
  const partOf = ({ file }: Download): string => join(dataDir, `${file}.part`);
  for (const item of kind.downloads) await download(item, partOf(item), options);
  const fill = async (folder: string): Promise<void> => {
    for (const item of kind.downloads) {
      if (kind.packed) await unpackFiles(kind, partOf(item), folder);
      else await copyFile(partOf(item), join(folder, item.file));
    }
  };
  const source = kind.downloads.map(({ urls }) => urls[0]!).join(' ');
  const installed = await install(kind, dataDir, { source, official: true }, fill, options);
  for (const item of kind.downloads) await rm(partOf(item));
  return installed;
}

/** The dataset's files out of an archive; whatever else is in there is left. */
export async function unpackFiles(kind: StoredKind, archive: string, folder: string): Promise<void> {
  const wanted = kind.files.flat();
  const paths = await listArchive(archive);
  await unpack(
    archive,
    paths.filter((path) => wanted.includes(basename(path))),
    folder,
  );
}

function mirrored(kind: StoredKind, base: string): StoredKind {
  const folder = base.endsWith('/') ? base : `${base}/`;
  return { ...kind, downloads: kind.downloads.map((item) => ({ ...item, urls: [`${folder}${item.file}`] })) };
}

async function writeGenerated(kind: GeneratedKind, dataDir: string, options: InstallOptions): Promise<Installed> {
  const write = async (folder: string): Promise<void> => {
    for (const { file, bytes } of kind.encode(kind.generate(kind.size))) await writeFile(join(folder, file), bytes);
  };
  return install(kind.stored, dataDir, { source: kind.recipe, official: true }, write, options);
}
