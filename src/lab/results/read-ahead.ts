/** Variants of a run store read by several threads: of thousands of runs that takes longer than to draw them. */
import { readdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { fromStored, readStored, type StoredVariant, type VariantOfStore, type VariantRuns } from './merge.js';

/** Fewer are read before threads have started. */
const leastRuns = 500;
/** This one included. Each has libraries of its own in memory, and what is left of a plot has one thread. */
const mostThreads = 4;
/** So many a thread is given at a time: it has work to go on with while this one reads and does not listen. */
const atOnce = 2;

type Numbered<T> = readonly [index: number, item: T];

/**
 * The same as `readVariant` of each; null where one thread is as fast.
 *
 * @param busy  what this thread does meanwhile: when that is done, it reads, too
 * @throws Error  what a thread did not expect: a folder that may not be read, say
 */
export async function readAhead(
  variants: readonly VariantOfStore[],
  busy?: Promise<unknown>,
): Promise<VariantRuns[] | null> {
  const threads = Math.min(availableParallelism(), mostThreads, variants.length);
  if (threads < 2 || countRuns(variants) < leastRuns) return null;
  const found: VariantRuns[] = [];
  const queue = [...variants.entries()];
  const take = ([i, stored]: Numbered<StoredVariant>): void => void (found[i] = fromStored(stored));
  const here = async (): Promise<void> => {
    await busy;
    for (let next = queue.shift(); next; next = queue.shift()) {
      take([next[0], readStored(next[1])]);
      await setImmediate(); // to hear the others
    }
  };
  try {
    await Promise.all([here(), ...Array.from({ length: threads - 1 }, () => readInThread(queue, take))]);
    return found;
  } finally {
    queue.length = 0; // where one has failed, the others need not read on
  }
}

/** Reads what is in the queue, until it is empty; rejects as the thread fails. */
async function readInThread(
  queue: Numbered<VariantOfStore>[],
  take: (read: Numbered<StoredVariant>) => void,
): Promise<void> {
  const worker = new Worker(new URL('./variant-reader.js', import.meta.url));
  try {
    await new Promise<void>((resolve, reject) => {
      let open = 0;
      const ask = (): void => {
        const next = queue.shift();
        if (next) {
          open++;
          worker.postMessage(next);
        } else if (open === 0) resolve();
      };
      worker.on('error', reject).on('message', (read: Numbered<StoredVariant>) => {
        take(read);
        open--;
        ask();
      });
      for (let i = 0; i < atOnce; i++) ask();
    });
  } finally {
    await worker.terminate();
  }
}

/** All entries of the variants' folders, so at most as many. */
function countRuns(variants: readonly VariantOfStore[]): number {
  return variants.reduce((count, { root, experiment, variant }) => {
    try {
      return count + readdirSync(join(root, experiment, variant)).length;
    } catch {
      return count; // what is wrong is said where it is read
    }
  }, 0);
}
