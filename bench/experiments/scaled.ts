/** The experiments' networks made wider or deeper, for the scaling table. */
import {
  activations,
  c4d3,
  chenHidden,
  Flatten,
  type Layer,
  MaxPool2d,
  mlp,
  Sequential,
  conv2d,
  fanInUniform,
  linear,
} from 'hbp';
import type { Random } from '../../dist/lab/random.js';

export interface ScaledNetwork {
  readonly scaled: 'mlp' | 'c4d3';
  /** Factor of all widths but those of the input and the output. */
  readonly width: number;
  /** Hidden layers of the MLP are repeated, or convolutions of each stage are there, so many times. */
  readonly depth: number;
}

const classes = 10;

export function createScaled({ scaled, width, depth }: ScaledNetwork, random: Random): Sequential {
  const wide = (size: number): number => Math.max(1, Math.round(size * width));
  if (scaled === 'mlp') {
    const hidden = chenHidden['mlp-cifar10'].flatMap((size) => Array<number>(depth).fill(wide(size)));
    return mlp({ input: 3072, hidden, output: classes }, 'sigmoid', random);
  }
  if (width === 1 && depth === 2) return c4d3({ input: [32, 32, 3], output: classes }, 'sigmoid', random);
  const stage = (from: number, to: number): Layer[] =>
    Array.from({ length: depth }, (_, i) => i).flatMap((i) => [
      conv2d({ input: i === 0 ? from : to, output: to }, 3, fanInUniform, random, { padding: 1 }),
      activations.sigmoid(),
    ]);
  const connected = (from: number, to: number): Layer => linear(from, to, fanInUniform, random);
  return new Sequential([
    ...stage(3, wide(16)),
    new MaxPool2d({ kernel: 2 }),
    ...stage(wide(16), wide(32)),
    new MaxPool2d({ kernel: 2 }),
    new Flatten(),
    connected(64 * wide(32), wide(512)),
    activations.sigmoid(),
    connected(wide(512), wide(64)),
    activations.sigmoid(),
    connected(wide(64), classes),
  ]);
}
