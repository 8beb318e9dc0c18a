import { createHash } from 'node:crypto';
import type { RunSpec } from '../config/spec.js';

/** JSON with the keys of every object in code-point order: equal values give equal text. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}

/** Identity of a run: sha256 of the canonical JSON of its spec. The label is only a word in legends: left out. */
export function specHash(spec: RunSpec): string {
  return hash({ ...spec, label: undefined });
}

/** Identity of the course that a run takes: runs that differ in their number of epochs alone begin in the same way. */
export function courseHash(spec: RunSpec): string {
  return hash({ ...spec, label: undefined, epochs: undefined });
}

/** Identity of what all seeds of a variant have in common; a shorter run is the beginning of a longer one. */
export function trajectoryHash(spec: RunSpec): string {
  return hash({ ...spec, label: undefined, seed: undefined, epochs: undefined });
}

function hash(value: unknown): string {
  return createHash('sha256').update(canonicalJson(value)).digest('hex');
}

/** `epochs 100 -> 2`, one text for every key path in which two specs differ (labels and seeds aside). */
export function specDifferences(from: RunSpec, to: RunSpec): string[] {
  return differences({ ...from, label: undefined, seed: undefined }, { ...to, label: undefined, seed: undefined });
}

/** The same for any two objects. */
export function differences(from: object, to: object): string[] {
  const before = leaves(from);
  const after = leaves(to);
  return [...new Set([...before.keys(), ...after.keys()])]
    .filter((path) => before.get(path) !== after.get(path))
    .map((path) => `${path} ${before.get(path) ?? 'none'} -> ${after.get(path) ?? 'none'}`);
}

/** Key path -> JSON text of every leaf; arrays count as leaves. */
function leaves(value: object, prefix = ''): Map<string, string> {
  return new Map(
    Object.entries(value).flatMap(([key, inner]: [string, unknown]): [string, string][] => {
      if (inner === undefined) return [];
      if (typeof inner === 'object' && inner !== null && !Array.isArray(inner)) {
        return [...leaves(inner, `${prefix}${key}.`)];
      }
      return [[`${prefix}${key}`, JSON.stringify(inner)]];
    }),
  );
}
