import type { DatasetName, ModelSpec, OptimizerSpec } from './schema.js';

/**
 * One training run, complete: everything that decides its numbers besides the backend and the bytes of the dataset.
 * Two runs with equal specs on one backend write equal metrics (time columns aside).
 */
export interface RunSpec {
  readonly experiment: string;
  readonly variant: string;
  readonly label: string;
  readonly seed: number;
  readonly dataset: DatasetName;
  /** Use only the first so many samples; absent means all. */
  readonly trainSamples?: number;
  readonly testSamples?: number;
  readonly model: ModelSpec;
  readonly optimizer: OptimizerSpec;
  readonly batchSize: number;
  readonly testBatchSize: number;
  readonly epochs: number;
  readonly evaluationsPerEpoch: number;
}

/** `exp01/sgd/seed0`: how a run is called in messages, and its folder in the run store. */
export function runName(spec: Pick<RunSpec, 'experiment' | 'variant' | 'seed'>): string {
  return `${spec.experiment}/${spec.variant}/seed${spec.seed}`;
}
