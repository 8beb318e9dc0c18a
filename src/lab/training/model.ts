import { AvgPool2d } from '../../engine/nn/avg-pool2d.js';
import { c3d3, c4d3, chenHidden, mlp } from '../../engine/nn/models.js';
import { Sequential } from '../../engine/nn/sequential.js';
import type { UniformSource } from '../../engine/random.js';
import { ConfigError } from '../../errors.js';
import type { ModelSpec } from '../config/schema.js';
import type { Dataset } from '../datasets/dataset.js';

/**
 * The network of a run with fresh parameters; picture sizes and output width are the dataset's.
 *
 * @throws ConfigError  the pictures are smaller than what they shall be averaged over
 */
export function createModel(
  spec: ModelSpec,
  { shape, classes }: Pick<Dataset, 'shape' | 'classes'>,
  random: UniformSource,
): Sequential {
  const { activation = 'sigmoid', ...architecture } = typeof spec === 'string' ? { network: spec } : spec;
  const pictures = { input: shape, output: classes };
  const connected = (hidden: readonly number[], pool = 1): Sequential => {
    const [height, width, channels] = pooledShape(shape, pool);
    return mlp({ input: height * width * channels, hidden, output: classes }, activation, random);
  };
  if ('hidden' in architecture) {
    const { hidden, pool } = architecture;
    if (pool === undefined) return connected(hidden);
    const network = connected(hidden, pool);
    return new Sequential([new AvgPool2d({ kernel: pool }), ...network.layers.map(({ layer }) => layer)]);
  }
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

/** Height, width and channels after averaging over squares of so many pixels a side. */
export function pooledShape([height, width, channels]: Dataset['shape'], pool: number): Dataset['shape'] {
  if (pool > Math.min(height, width)) {
    throw new ConfigError(
      `model.pool: found ${pool}, but pictures of ${height} x ${width} pixels have no such squares`,
    );
  }
  return [Math.floor(height / pool), Math.floor(width / pool), channels];
}
