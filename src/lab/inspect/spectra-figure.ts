import type { TopLevelSpec } from 'vega-lite';
import { type FacetPoint, facetSpec } from './facets.js';
import { headingOf, labelOf } from './heading.js';
import type { Inspection } from './inspect.js';

/** Lines of more points look the same. */
const mostPoints = 300;

/** The eigenvalues of each parameter's block, sorted; null: every parameter is too large. */
export function spectraSpec(inspection: Inspection): TopLevelSpec | null {
  const { spectra } = inspection;
  if (spectra.length === 0) return null;
  const points = spectra.flatMap(({ path, way, secondOrder, values }): FacetPoint[] =>
    thinned(values).map(({ rank, value }) => ({ path, way, kind: labelOf(secondOrder), x: rank, y: value })),
  );
  return facetSpec({
    ...headingOf(inspection, 'eigenvalues of the curvature blocks'),
    ...{ xTitle: 'Rank of the eigenvalue', yTitle: 'eigenvalue', points, dots: false },
    paths: [...new Set(spectra.map(({ path }) => path))],
  });
}

/** Both ends of a spectrum are what one looks at: ranks from the ends inwards in growing steps. */
function thinned(values: readonly number[]): { rank: number; value: number }[] {
  const all = values.map((value, i) => ({ rank: i + 1, value }));
  if (all.length <= mostPoints) return all;
  const half = mostPoints / 2;
  const kept = new Set<number>();
  for (let i = 0; i < half; i++) {
    const inwards = Math.round((all.length / 2) ** (i / (half - 1)));
    for (const near of [i, inwards - 1]) for (const at of [near, all.length - 1 - near]) kept.add(at);
  }
  return all.filter((_, i) => kept.has(i));
}
