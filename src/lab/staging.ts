/** Folders that appear whole or not at all: filled beside their place under a hidden name, then moved there. */
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, rename, rm, stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { isAlive } from './results/owner.js';

const oldEnding = '-old';

/**
 * A new hidden folder beside `home`. Those that processes left which were killed are removed first; what such a process
 * had moved aside to replace it comes back.
 */
export async function makeStaging(home: string): Promise<string> {
  await clearStagings(home);
  return mkdtemp(join(dirname(home), `.${basename(home)}-${hostname()}-${process.pid}-`));
}

/** Puts a staging folder in place of `home`; what is there comes back if that fails. */
export async function moveInto(home: string, staging: string): Promise<void> {
  if (!existsSync(home)) return rename(staging, home);
  const old = `${staging}${oldEnding}`;
  await rename(home, old);
  try {
    await rename(staging, home);
  } catch (error) {
    await rename(old, home);
    throw error;
  }
  await rm(old, { recursive: true });
}

async function clearStagings(home: string): Promise<void> {
  const folder = dirname(home);
  for (const name of await readdir(folder)) {
    const owner = ownerOf(name, basename(home));
    if (!owner) continue;
    const path = join(folder, name);
    if (isAlive({ ...owner, started: null }, await changedAt(path))) continue;
    if (name.endsWith(oldEnding) && !existsSync(home)) await rename(path, home);
    else await rm(path, { recursive: true, force: true });
  }
}

/** Whose staging folder this is, by its name; undefined for anything else. */
function ownerOf(name: string, base: string): { host: string; pid: number } | undefined {
  if (!name.startsWith(`.${base}-`)) return undefined;
  const [, host, pid] = /^(.+)-(\d+)-[A-Za-z0-9]{6}(?:-old)?$/.exec(name.slice(base.length + 2)) ?? [];
  return host === undefined ? undefined : { host, pid: Number(pid) };
}

async function changedAt(path: string): Promise<number> {
  return (await stat(path).catch(() => undefined))?.mtimeMs ?? -Infinity;
}
