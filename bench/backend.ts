/** The backend that a measurement runs on. */
import { availableParallelism } from 'node:os';
import { type BackendChoice, useBackend } from 'hbp';
import * as tf from '../dist/engine/tf.js';

export interface BenchBackend {
  readonly name: string;
  readonly description: string;
  /** Threads that it calculates with; a peer gets as many. */
  readonly threads: number;
  readonly gpu: boolean;
}

/**
 * Make a backend current.
 *
 * @param threads  for backends that use several
 * @throws Error  it does not work here, with the reason
 */
export async function activate(name: string, threads = availableParallelism()): Promise<BenchBackend> {
  return useBackend(name as BackendChoice, { threads });
}

interface WithQueue {
  submitQueue(): void;
  readonly queue: { onSubmittedWorkDone(): Promise<void> };
}

/** Wait for what a GPU has been asked to do; the other backends have done it when a call returns. */
export async function finished(): Promise<void> {
  if (tf.getBackend() !== 'webgpu') return;
  const backend = tf.backend() as unknown as WithQueue;
  backend.submitQueue();
  await backend.queue.onSubmittedWorkDone();
}
