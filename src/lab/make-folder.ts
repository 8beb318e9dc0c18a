import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';

/**
 * Makes a folder and those above it that lack. Node's own way of doing so says that a folder is missing where in truth it
 * may not be written.
 *
 * @returns the first one that was made, if any
 */
export function makeFolder(path: string): string | undefined {
  try {
    mkdirSync(path);
    return path;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') return undefined;
    if (code !== 'ENOENT' || dirname(path) === path) throw error;
  }
  const first = makeFolder(dirname(path));
  return makeFolder(path) === undefined ? first : (first ?? path);
}
