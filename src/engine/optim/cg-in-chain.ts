import type { KrylovSystem, SharedProduct } from '../curvature/operator.js';
import * as fused from '../fused.js';
import * as tf from '../tf.js';
import type { Iterate } from './cg-iteration.js';

/** A system at its start, and when it stops. */
export interface Departure {
  readonly system: KrylovSystem;
  readonly iterate: Iterate;
  readonly limit: number;
}

/**
 * Where systems end whose products all go through chains of matrices and diagonals, if the backend can take such systems to
 * their ends in one call: they are small, and calls would take most of the time. Null where it cannot, or the
 * system is another.
 */
export function solveInChains(departures: readonly Departure[], stopOnNonPositive: boolean): (Iterate | null)[] {
  const ends: (Iterate | null)[] = departures.map(() => null);
  const together = new Map<SharedProduct, number[]>();
  departures.forEach(({ system: { passage, dual } }, i) => {
    if (!passage?.inBlocks || dual) return;
    together.set(passage.product, [...(together.get(passage.product) ?? []), i]);
  });
  for (const [product, members] of together) {
    const chain = product.chain?.();
    if (!chain) continue;
    const systems = members.map((i) => {
      const { system, iterate, limit } = departures[i]!;
      const { at, inBlocks } = system.passage!;
      const { x, r, state } = iterate;
      return { at, ...inBlocks!, metric: system.metric, x, r, state, limit };
    });
    const solved = fused.chainCg(chain, systems, stopOnNonPositive);
    solved?.forEach(({ x, r, state }, k) => {
      ends[members[k]!] = { x, r, p: tf.view(r), dualP: undefined, state };
    });
  }
  return ends;
}
