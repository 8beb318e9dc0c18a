import { chenHidden, mlp } from '../../engine/nn/models.js';
import type { Sequential } from '../../engine/nn/sequential.js';
import type { UniformSource } from '../../engine/random.js';
import type { ModelSpec } from '../config/schema.js';
import type { Dataset } from '../datasets/dataset.js';

/** The network of a run with fresh parameters; input and output widths are the dataset's. */
export function createModel(
  spec: ModelSpec,
  { shape, classes }: Pick<Dataset, 'shape' | 'classes'>,
  random: UniformSource,
): Sequential {
  const { hidden, activation } =
    typeof spec === 'string' ? { hidden: chenHidden[spec], activation: 'sigmoid' as const } : spec;
  const input = shape[0] * shape[1] * shape[2];
  return mlp({ input, hidden, output: classes }, activation, random);
}
