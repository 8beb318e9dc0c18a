/** Variants of a run store read by several threads: of thousands of runs that takes longer than to draw them. */
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { fromStored, type StoredVariant, type VariantOfStore, type VariantRuns } from './merge.js';

/** Fewer are read before threads have started. */
const leastRuns = 500;
/** Each has libraries of its own in memory, and more than a few gain little: what is left of a plot has one thread. */
const mostThreads = 4;

/**
 * The same as `readVariant` of each; null where one thread is as fast.
 *
 * @throws Error  what a thread did not expect: a folder that may not be read, say
 */
export async function readAhead(variants: readonly VariantOfStore[]): Promise<VariantRuns[] | null> {
  const threads = Math.min(availableParallelism(), mostThreads, variants.length);
  if (threads < 2 || countRuns(variants) < leastRuns) return null;
  const found: VariantRuns[] = [];
  const queue = [...variants.entries()];
  await Promise.all(
    Array.from({ length: threads }, async () => {
      const worker = new Worker(new URL('./variant-reader.js', import.meta.url));
      try {
        for (let next = queue.shift(); next; next = queue.shift()) {
          const [i, variant] = next;
          found[i] = fromStored(await ask(worker, variant));
        }
      } finally {
        await worker.terminate();
      }
    }),
  );
  return found;
}

/** The thread's answer; rejects as it fails. */
async function ask(worker: Worker, variant: VariantOfStore): Promise<StoredVariant> {
  worker.postMessage(variant);
  const [answer] = (await once(worker, 'message')) as [StoredVariant];
  return answer;
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
