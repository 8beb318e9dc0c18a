import { c3d3, c4d3, chenHidden, mlp } from '../../engine/nn/models.js';
import type { Sequential } from '../../engine/nn/sequential.js';
import type { UniformSource } from '../../engine/random.js';
import type { ModelSpec } from '../config/schema.js';
import type { Dataset } from '../datasets/dataset.js';

/** The network of a run with fresh parameters; picture sizes and output width are the dataset's. */
export function createModel(
  spec: ModelSpec,
  { shape, classes }: Pick<Dataset, 'shape' | 'classes'>,
  random: UniformSource,
): Sequential {
  const { activation = 'sigmoid', ...architecture } = typeof spec === 'string' ? { network: spec } : spec;
  const pictures = { input: shape, output: classes };
  const connected = (hidden: readonly number[]): Sequential =>
    mlp({ input: shape[0] * shape[1] * shape[2], hidden, output: classes }, activation, random);
  if ('hidden' in architecture) return connected(architecture.hidden);
  switch (architecture.network) {
    case 'c4d3':
      return c4d3(pictures, activation, random);
    case '3c3d':
      return c3d3(pictures, activation, random);
    case 'mlp-cifar10':
    case 'mlp-mnist':
      return connected(chenHidden[architecture.network]);
  }
}
