/** The curvatures that are looked at, side by side, and the two ways to them. Nothing else: figures are made of it, too. */
import type { SecondOrder } from '../config/schema.js';

export interface Kind {
  readonly secondOrder: SecondOrder;
  readonly label: string;
  /** CSS colour of its lines. */
  readonly color: string;
  /** SVG dash pattern: where lines lie on each other both are seen. */
  readonly dash: readonly number[];
}

export const kinds: readonly Kind[] = [
  { secondOrder: 'none', label: 'Hessian', color: '#bd0026', dash: [] },
  { secondOrder: 'zero', label: 'GGN', color: '#253494', dash: [] },
  { secondOrder: 'abs', label: 'PCH, abs', color: '#238b45', dash: [7, 3] },
  { secondOrder: 'clip', label: 'PCH, clip', color: '#fd8d3c', dash: [2, 2.5] },
];

/** `exact`: of the batch itself; `averaged`: what Hessian backpropagation leaves of it, Jacobians averaged over the batch. */
export const ways = ['exact', 'averaged'] as const;
export type Way = (typeof ways)[number];

export const wayLabels: Readonly<Record<Way, string>> = { exact: 'exact', averaged: 'HBP, batch-averaged' };
