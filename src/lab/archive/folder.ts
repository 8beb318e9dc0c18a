/** The authors' tree as a folder on this machine. */
import { constants } from 'node:fs';
import { copyFile, mkdir, readdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { DataError } from '../../errors.js';
import type { Limits } from './limits.js';
import type { TreeFile } from './tree.js';

/** The tree may be a few folders further down; nobody's is this deep. */
const maxDepth = 10;

/** Paths of the regular files below a folder, with slashes; links are not followed. @throws DataError too many */
export async function listFolder(root: string, limits: Limits): Promise<string[]> {
  const files: string[] = [];
  let count = 0;
  const visit = async (below: string, depth: number): Promise<void> => {
    for (const entry of await readdir(join(root, below), { withFileTypes: true })) {
      if (++count > limits.entries)
        throw new DataError(`${root} is refused: it holds more than ${limits.entries} entries`);
      const path = below === '' ? entry.name : `${below}/${entry.name}`;
      if (entry.isFile()) files.push(path);
      else if (entry.isDirectory() && depth < maxDepth) await visit(path, depth + 1);
    }
  };
  await visit('', 1);
  return files;
}

/** Copies files of `root` into `folder`. @throws DataError larger than the limits allow */
export async function copyFiles(
  root: string,
  folder: string,
  files: readonly TreeFile[],
  limits: Limits,
  signal?: AbortSignal,
): Promise<void> {
  let total = 0;
  for (const { from, to } of files) {
    signal?.throwIfAborted();
    const { size } = await stat(join(root, from));
    total += size;
    if (size > limits.fileBytes || total > limits.totalBytes) {
      throw new DataError(`${root} is refused: it holds more bytes in ${from} than the limit allows`);
    }
    await mkdir(dirname(join(folder, to)), { recursive: true });
    await copyFile(join(root, from), join(folder, to), constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
  }
}
