/** The authors' logged runs in a data dir: fetched, imported, found, verified. They go by the name `paper`. */
import { existsSync } from 'node:fs';
import { rm, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { DataError } from '../../errors.js';
import { checksumOf, gitBlob } from '../datasets/checksum.js';
import { download, type DownloadOptions } from '../datasets/download.js';
import {
  installFolder,
  refuseExisting,
  type Installed,
  type InstallOptions,
  type Origin,
} from '../datasets/install.js';
import type { Download } from '../datasets/kind.js';
import { makeFolder } from '../make-folder.js';
import { readReceipt } from '../receipt.js';
import { treeFingerprint } from './fingerprint.js';
import { findPaper, paperHome, paperName } from './home.js';
import { copyFiles, listFolder } from './folder.js';
import { publishedFolders } from './layout.js';
import { defaultLimits, type Limits } from './limits.js';
import { findTree } from './tree.js';
import { looksLikeZip, unpackZip } from './zip.js';

/** In the published repository, branch `release` and the commit that it was at when this was written. */
export const paperDownload: Download = {
  file: 'dat.zip',
  checksum: gitBlob('c3627561cb1f6413bd913b9966313e30ad799c81'),
  urls: [
    'https://raw.githubusercontent.com/f-dangel/hbp/release/dat.zip',
    'https://raw.githubusercontent.com/f-dangel/hbp/3ed208ce16fae1c2697e1d5220de91205e1d13c3/dat.zip',
  ],
};

export interface InstalledPaper extends Installed {
  /** How many files were not of the tree and stayed where they were. */
  readonly leftOut: number;
}

export interface ImportPaperOptions extends InstallOptions {
  readonly limits?: Limits | undefined;
}

export interface FetchPaperOptions extends ImportPaperOptions, DownloadOptions {
  /** Take dat.zip from below this URL instead; the checksum stays. */
  readonly from?: string | undefined;
  /** What is downloaded; only tests have another. */
  readonly what?: Download | undefined;
}

/**
 * Downloads and unpacks dat.zip. Until it is complete there is only `dat.zip.part`, from which the next call goes on.
 *
 * @throws DataError  it is there already (without `force`), or could not be had as it should be
 */
export async function fetchPaper(dataDir: string, options: FetchPaperOptions = {}): Promise<InstalledPaper> {
  const { from, what: published = paperDownload } = options;
  const what =
    from === undefined ? published : { ...published, urls: [`${from.replace(/\/*$/, '/')}${published.file}`] };
  refuseExisting(paperHome(dataDir), options.force ?? false);
  makeFolder(resolve(dataDir));
  const part = join(dataDir, `${what.file}.part`);
  await download(what, part, options);
  const installed = await installZip(part, dataDir, { source: what.urls[0]!, official: true }, options);
  await rm(part);
  return installed;
}

/**
 * Takes the runs from a zip archive or a folder on this machine: the metric files of the authors' tree and nothing else.
 *
 * @throws DataError  it is not there, holds no such tree, or is refused; nothing is left behind then
 */
export async function importPaper(
  path: string,
  dataDir: string,
  options: ImportPaperOptions = {},
): Promise<InstalledPaper> {
  const source = resolve(path);
  const found = await stat(source).catch(() => undefined);
  if (!found) throw new DataError(`${source} does not exist`);
  if (found.isDirectory()) return installTree(source, dataDir, options);
  const { algorithm, digest } = paperDownload.checksum;
  const official = (await checksumOf(source, algorithm)).digest === digest;
  return installZip(source, dataDir, { source, official }, options);
}

/** Whether something to import is for `importPaper` rather than a dataset: a zip archive, or a folder with the tree. */
export async function looksLikePaper(path: string): Promise<boolean> {
  const holdsTree = (folder: string): boolean => publishedFolders.some((name) => existsSync(join(folder, name)));
  return holdsTree(path) || holdsTree(join(path, 'dat')) || /\.zip$/i.test(path) || (await looksLikeZip(path));
}

async function installZip(
  archive: string,
  dataDir: string,
  origin: Origin,
  { limits = defaultLimits, ...options }: ImportPaperOptions,
): Promise<InstalledPaper> {
  const { digest: blob } = await checksumOf(archive, 'git blob id');
  const { size: bytes } = await stat(archive);
  let leftOut = 0;
  const fill = (folder: string): Promise<void> => {
    const select = (paths: readonly string[]): ReturnType<typeof findTree>['files'] => {
      const tree = findTree(paths, archive);
      leftOut = tree.leftOut;
      return tree.files;
    };
    return unpackZip(archive, folder, select, limits, options.signal);
  };
  const receipt = { ...origin, archive: { bytes, blob } };
  const contents = { fill, fingerprint: treeFingerprint };
  return { ...(await installFolder(paperHome(dataDir), receipt, contents, options)), leftOut };
}

async function installTree(
  source: string,
  dataDir: string,
  { limits = defaultLimits, ...options }: ImportPaperOptions,
): Promise<InstalledPaper> {
  const { files, leftOut } = findTree(await listFolder(source, limits), source);
  const fill = (folder: string): Promise<void> => copyFiles(source, folder, files, limits, options.signal);
  const contents = { fill, fingerprint: treeFingerprint };
  const installed = await installFolder(paperHome(dataDir), { source, official: false }, contents, options);
  return { ...installed, leftOut };
}

export type PaperStatus = { readonly name: typeof paperName; readonly official: boolean } & (
  | { readonly state: 'complete'; readonly folder: string }
  | { readonly state: 'broken'; readonly folder: string; readonly reason: string }
  | { readonly state: 'missing'; readonly searched: readonly string[] }
);

/** Where the runs are, without reading them. @throws DataError the receipt is damaged */
export async function paperStatus(dirs: readonly string[]): Promise<PaperStatus> {
  const name = paperName;
  const folder = findPaper(dirs);
  if (folder === undefined)
    return { name, official: false, state: 'missing', searched: dirs.map((dir) => resolve(dir)) };
  try {
    findTree(await listFolder(folder, defaultLimits), folder);
  } catch (error) {
    if (!(error instanceof DataError)) throw error;
    return { name, official: false, state: 'broken', folder, reason: error.message };
  }
  return { name, official: (await readReceipt(folder))?.official ?? false, state: 'complete', folder };
}

export interface VerifiedPaper {
  readonly name: typeof paperName;
  readonly folder: string;
  readonly fingerprint: string;
  /** Known to come from the published archive. */
  readonly official: boolean;
}

/** Reads all files: they are still what they were when they were put in place. @throws DataError */
export async function verifyPaper(dirs: readonly string[]): Promise<VerifiedPaper> {
  const folder = findPaper(dirs);
  if (folder === undefined) throw new DataError(missingPaper(dirs));
  const fingerprint = await treeFingerprint(folder);
  const receipt = await readReceipt(folder);
  if (receipt && receipt.fingerprint !== fingerprint) {
    throw new DataError(`${folder} has changed since it was put there: ${fingerprint}, was ${receipt.fingerprint}`);
  }
  return { name: paperName, folder, fingerprint, official: receipt?.official ?? false };
}

/** What to do about runs that are not there. */
export function missingPaper(dirs: readonly string[]): string {
  const searched = dirs.map((dir) => resolve(dir)).join(', ');
  return (
    `the authors' runs were not found in ${searched}: get them with \`hbp data fetch ${paperName}\`, ` +
    `or \`hbp data import ${paperName} <dat.zip|folder>\``
  );
}
