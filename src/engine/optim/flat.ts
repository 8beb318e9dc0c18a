/**
 * Many small parameters as one vector: an optimiser that works elementwise then needs as few device operations for all
 * of them as for one, and on a GPU it is their number that counts. Large parameters stay alone: copying them would cost
 * more than it saves.
 */
import type { PlacedParameter } from '../nn/sequential.js';
import * as tf from '../tf.js';

/** Parameters that are updated as one vector. */
export type Group = readonly PlacedParameter[];

/** Elements from which on a parameter is a group of its own. */
const largeElements = 2 ** 14;

/** The same groups for the same parameters, every time. */
export function groupsOf(parameters: readonly PlacedParameter[]): Group[] {
  const isLarge = ({ parameter }: PlacedParameter): boolean => parameter.value.size >= largeElements;
  const small = parameters.filter((placed) => !isLarge(placed));
  return [...parameters.filter(isLarge).map((placed) => [placed]), ...(small.length > 0 ? [small] : [])];
}

/** What `by` holds for each parameter, end to end, each row-major, [n]. */
export function flatten(group: Group, by: Readonly<Record<string, tf.Tensor>>): tf.Tensor {
  return joined(group.map(({ path }) => by[path]!));
}

export function flatValues(group: Group): tf.Tensor {
  return joined(group.map(({ parameter }) => parameter.value));
}

/** Give the parameters the values in `flat`, [n]. */
export function assignFlat(group: Group, flat: tf.Tensor): void {
  const sizes = group.map(({ parameter }) => parameter.value.size);
  const parts = sizes.length === 1 ? [flat] : tf.split(flat, sizes);
  group.forEach(({ parameter }, i) => parameter.assign(tf.reshape(parts[i]!, parameter.shape)));
}

function joined(tensors: readonly tf.Tensor[]): tf.Tensor {
  const vectors = tensors.map((tensor) => tf.reshape(tensor, [-1]));
  return vectors.length === 1 ? vectors[0]! : tf.concat(vectors, 0);
}
