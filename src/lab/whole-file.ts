import { chmodSync, closeSync, fsyncSync, openSync, realpathSync, renameSync, rmSync, statSync } from 'node:fs';
import { writeAll } from './write-all.js';

/**
 * Writes a file whole or not at all, synced to the disk before it takes its name; one that is there keeps its permissions
 * and, behind a link, its place. What a killed process leaves is called `<path>.<process number>`.
 */
export function writeWhole(path: string, content: string | Uint8Array): void {
  const target = targetOf(path);
  const partial = `${target.path}.${process.pid}`;
  try {
    const file = openSync(partial, 'w');
    try {
      writeAll(file, typeof content === 'string' ? Buffer.from(content) : content);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    if (target.mode !== undefined) chmodSync(partial, target.mode);
    renameSync(partial, target.path);
  } catch (error) {
    rmSync(partial, { force: true });
    throw error;
  }
}

function targetOf(path: string): { readonly path: string; readonly mode?: number } {
  try {
    const real = realpathSync(path);
    return { path: real, mode: statSync(real).mode };
  } catch {
    return { path }; // not there yet
  }
}
