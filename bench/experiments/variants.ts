/** What is measured: every variant of the shipped experiments. */
import { fileURLToPath } from 'node:url';
import { variantsOf } from '../../dist/lab/config/expand.js';
import { loadAllExperiments } from '../../dist/lab/config/load.js';
import type { ModelSpec, OptimizerSpec } from '../../dist/lab/config/schema.js';

export interface BenchVariant {
  /** "exp01/sgd" */
  readonly name: string;
  readonly experiment: string;
  readonly model: ModelSpec;
  readonly optimizer: OptimizerSpec;
  readonly batch: number;
}

const folder = fileURLToPath(new URL('../../experiments/', import.meta.url));

/** Those whose names match, in the order of the files. */
export function benchVariants(only = /(?:)/): BenchVariant[] {
  return loadAllExperiments(folder)
    .flatMap((experiment) =>
      variantsOf(experiment).map(({ name, model, optimizer, batchSize }) => ({
        name: `${experiment.name}/${name}`,
        experiment: experiment.name,
        model,
        optimizer,
        batch: batchSize,
      })),
    )
    .filter(({ name }) => only.test(name));
}

/** @throws Error  there is none of that name */
export function benchVariant(name: string): BenchVariant {
  const all = benchVariants();
  const found = all.find((variant) => variant.name === name);
  if (found) return found;
  throw new Error(`unknown variant ${name}: ${all.map((variant) => variant.name).join(', ')}`);
}
