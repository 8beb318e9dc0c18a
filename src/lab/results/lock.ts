/**
 * One writer a run: the file `run.lock` says who. It is created exclusively; the lock of a dead process is replaced, and
 * of several that would replace it only one can, for the claim to do so carries the dead lock's token in its name.
 */
import { randomUUID } from 'node:crypto';
import { readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { TakenError } from '../../errors.js';
import { describeOwner, isAlive, ownerSchema, self, type Owner } from './owner.js';

const lockSchema = ownerSchema.extend({ token: z.string() });
type Lock = z.infer<typeof lockSchema>;

export interface RunLock {
  /** False once another process has taken the run over. */
  held(): boolean;
  release(): void;
}

/**
 * Takes the lock of a run folder.
 *
 * @param lastHeard  the last sign of life in run.json [ms since 1970]; -Infinity if there is none
 * @throws TakenError  a live process holds it
 */
export function lockRun(dir: string, name: string, lastHeard: number): RunLock {
  const path = join(dir, 'run.lock');
  const mine: Lock = { ...self(), token: randomUUID() };
  if (!create(path, mine)) takeOver(path, name, mine, lastHeard);
  const held = (): boolean => read(path)?.token === mine.token;
  return {
    held,
    release: () => {
      if (held()) rmSync(path);
    },
  };
}

function takeOver(path: string, name: string, mine: Lock, lastHeard: number): void {
  const found = read(path);
  if (!found) {
    // Released between our two looks: simply free.
    if (create(path, mine)) return;
    throw new TakenError(`${name} was just taken by another process: try again`);
  }
  if (isAlive(found, Math.max(lastHeard, found.writtenAt))) throw heldBy(name, found, path);
  const claim = `${path}.${found.token}`;
  if (!create(claim, mine)) throw heldBy(name, read(claim) ?? found, claim);
  // Only the holder of this claim may replace that lock, so after this look it stays what it is until the rename.
  if (read(path)?.token !== found.token) {
    rmSync(claim);
    throw new TakenError(`${name} was just taken by another process: try again`);
  }
  renameSync(claim, path);
}

function heldBy(name: string, owner: Owner, path: string): TakenError {
  return new TakenError(
    `${name} is being written by ${describeOwner(owner)}: wait for it or stop it (if it is gone, delete ${path})`,
  );
}

/** False if the file is already there. */
function create(path: string, lock: Lock): boolean {
  try {
    writeFileSync(path, JSON.stringify(lock), { flag: 'wx' });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/** The lock and when it was written; undefined if there is none. One torn by a crash belongs to nobody we know. */
function read(path: string): (Lock & { writtenAt: number }) | undefined {
  try {
    const writtenAt = statSync(path).mtimeMs;
    const text = readFileSync(path, 'utf8');
    const parsed = lockSchema.safeParse(parseJson(text));
    return { ...(parsed.data ?? { pid: 1, host: 'an unknown host', started: null, token: 'torn' }), writtenAt };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
