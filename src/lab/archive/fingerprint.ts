import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { listFolder } from './folder.js';
import { defaultLimits } from './limits.js';
import { findTree } from './tree.js';

/** `sha256:...` over the tree's paths, in code-point order, and the bytes of its files. @throws DataError no tree */
export async function treeFingerprint(root: string): Promise<string> {
  const { files } = findTree(await listFolder(root, defaultLimits), root);
  const hash = createHash('sha256');
  for (const { from, to } of files.sort((a, b) => (a.to < b.to ? -1 : 1))) {
    const bytes = await readFile(join(root, from));
    hash.update(`${to} ${bytes.length}\n`).update(bytes);
  }
  return `sha256:${hash.digest('hex')}`;
}
