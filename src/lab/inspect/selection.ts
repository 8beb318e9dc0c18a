/** Which parameters of a network are looked at, and which of their elements where there are too many. */
import type { Sequential } from '../../engine/nn/sequential.js';
import * as tf from '../../engine/tf.js';
import { ConfigError } from '../../errors.js';
import { drawSubset, inOrder } from '../datasets/batches.js';
import type { Random } from '../random.js';

/** One parameter and its place in pictures. */
export interface ChosenParameter {
  /** Place and name: `2.weight`. */
  readonly path: string;
  /** Place of its layer: `2`. */
  readonly layer: string;
  /** Number of its elements. */
  readonly size: number;
  /** Which of them are drawn, ascending row-major indices; all but for parameters that are too large. */
  readonly elements: Uint32Array;
}

/**
 * The parameters of the named layers. Where they have more than `limit` elements together, as many as fit are drawn of each
 * at random: small parameters stay whole, and the large ones share what is left evenly.
 *
 * @param layers  places of layers or parameters (`2`, `2.weight`), or `all`; null: the last layers that have no more than
 *   `limit` elements together, at least one
 * @throws ConfigError  there is no such layer, or not one element a parameter fits
 */
export function chooseParameters(
  model: Sequential,
  layers: readonly string[] | null,
  limit: number,
  random: Random,
): ChosenParameter[] {
  const all = model.parameters.map(({ path, parameter }) => ({
    path,
    layer: path.slice(0, path.lastIndexOf('.')),
    size: tf.util.sizeFromShape([...parameter.shape]),
  }));
  for (const name of layers ?? []) {
    if (name === 'all' || all.some(({ path, layer }) => name === path || name === layer)) continue;
    const places = [...new Set(all.map(({ layer }) => layer))];
    throw new ConfigError(`--layers: the network has no layer "${name}" with parameters: it has ${places.join(', ')}`);
  }
  const wanted = layers ?? lastLayers(all, limit);
  const chosen = all.filter(({ path, layer }) => [path, layer, 'all'].some((name) => wanted.includes(name)));
  const most = allowance(
    chosen.map(({ size }) => size),
    limit,
  );
  if (most < 1) {
    throw new ConfigError(
      `--limit: found ${limit}, fewer than the ${chosen.length} parameters to draw: name some by --layers`,
    );
  }
  return chosen.map((each) => ({
    ...each,
    elements: each.size <= most ? inOrder(each.size) : drawSubset(each.size, most, random).toSorted(),
  }));
}

/** The last layers that have no more than `limit` elements together, at least one. */
function lastLayers(all: readonly { readonly layer: string; readonly size: number }[], limit: number): string[] {
  const layers = [...new Set(all.map(({ layer }) => layer))];
  let size = 0;
  const first = layers.findLastIndex((layer) => {
    size += all.reduce((sum, each) => sum + (each.layer === layer ? each.size : 0), 0);
    return size > limit;
  });
  return layers.slice(Math.min(first + 1, layers.length - 1));
}

/** The largest number a such that no more than `limit` are taken where every part gives at most a. */
function allowance(sizes: readonly number[], limit: number): number {
  let [rest, open] = [limit, sizes.length];
  for (const size of [...sizes].sort((a, b) => a - b)) {
    if (size * open > rest) return Math.floor(rest / open);
    rest -= size;
    open--;
  }
  return Infinity;
}
