import type { TopLevelSpec } from 'vega-lite';
import { type FacetPoint, facetSpec } from './facets.js';
import { headingOf, labelOf } from './heading.js';
import type { Inspection } from './inspect.js';

/** The trace of each parameter's block over training; null: there is one moment only. */
export function tracesSpec(inspection: Inspection): TopLevelSpec | null {
  const { moments, parameters } = inspection;
  if (moments.length < 2) return null;
  const points = moments.flatMap(({ step, traces }) =>
    traces.map(({ path, way, secondOrder, value, standardError }): FacetPoint => ({
      ...{ path, way, kind: labelOf(secondOrder), x: step, y: value },
      ...{ low: value - standardError, high: value + standardError },
    })),
  );
  return facetSpec({
    ...headingOf(inspection, 'trace of the curvature blocks over training'),
    ...{ xTitle: 'Step', yTitle: 'trace', points, dots: true },
    paths: parameters.map(({ path }) => path),
  });
}
