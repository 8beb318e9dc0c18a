import type { RunSpec } from '../../../src/lab/config/spec.js';
import type { Dataset } from '../../../src/lab/datasets/dataset.js';
import { inspect, type InspectOptions, type Inspection } from '../../../src/lab/inspect/inspect.js';
import { tinySpec } from '../training/fixtures.js';

/** 12-4-3-10: 107 parameters. */
export const smallSpec: RunSpec = { ...tinySpec, model: { hidden: [4, 3], activation: 'sigmoid', pool: 16 } };

export function look(dataset: Dataset, options: Partial<InspectOptions> = {}, spec = smallSpec): Promise<Inspection> {
  return inspect(spec, dataset, { checkpoints: [], layers: null, limit: 200, batch: 30, ...options });
}
