import { availableParallelism } from 'node:os';

/** How many runs side by side, and how many CPU threads for each; `auto` leaves the choice to hbp. */
export interface Parallelism {
  readonly jobs: number | 'auto';
  readonly threads: number | 'auto';
}

/**
 * Threads of each training process: the cores shared among the runs that go side by side, at least 1.
 *
 * With `jobs: auto` that is one thread each as soon as there are as many runs as cores: runs are independent, so no
 * work is lost to waiting for one another as it is among threads. Fewer runs share the cores evenly.
 */
export function threadsPerRun({ jobs, threads }: Parallelism, runs: number, cores = availableParallelism()): number {
  if (threads !== 'auto') return threads;
  const side = Math.min(runs, jobs === 'auto' ? cores : jobs);
  return Math.max(1, Math.floor(cores / Math.max(1, side)));
}

/** Runs side by side on a backend that has started: with `auto` as many as the cores carry, one on a GPU. */
export function runsSideBySide(
  { jobs }: Parallelism,
  runs: number,
  backend: { readonly gpu: boolean; readonly threads: number },
  cores = availableParallelism(),
): number {
  const carried = backend.gpu ? 1 : Math.floor(cores / backend.threads);
  return Math.max(1, Math.min(runs, jobs === 'auto' ? carried : jobs));
}
