/** Ours divided by the reference's time, step by step, as a vega-lite spec. */
import type { TopLevelSpec } from 'vega-lite';
import { fontFamily } from '../../dist/lab/figures/look.js';
import type { ExperimentResults } from './results.js';

const colors = { start: '#2c7fb8', trained: '#253494' } as const;

/** @returns null  nothing was compared */
export function ratioSpec({ rows, machine, threads }: ExperimentResults): TopLevelSpec | null {
  const values = rows.flatMap(({ variant, state, ratio, targets }) => {
    const bound = targets.find(({ of }) => of === 'the reference')?.bound ?? null;
    return ratio ? [{ variant, state, ...ratio, bound }] : [];
  });
  if (values.length === 0) return null;
  const y = { field: 'variant', type: 'nominal', sort: null, title: null };
  const yOffset = { field: 'state', type: 'nominal', sort: Object.keys(colors) };
  const scale = { type: 'log' };
  const x = { field: 'median', type: 'quantitative', title: "our time / the reference's (less is better)", scale };
  const color = {
    field: 'state',
    type: 'nominal',
    scale: { domain: Object.keys(colors), range: Object.values(colors) },
    legend: { orient: 'top', title: null },
  };
  return {
    $schema: 'https://vega.github.io/schema/vega-lite/v6.json',
    description: `Our steps' time divided by the published code's on ${machine.cpu}, ${threads} threads`,
    background: 'white',
    padding: 8,
    width: 420,
    height: { step: 12 },
    config: {
      font: fontFamily,
      axis: { labelLimit: 400, gridColor: '#e6e6e6', domain: false, ticks: false },
      view: { stroke: null },
    },
    data: { values },
    encoding: { y, yOffset },
    layer: [
      { mark: { type: 'rule', strokeWidth: 2 }, encoding: { x: { ...x, field: 'low' }, x2: { field: 'high' }, color } },
      { mark: { type: 'point', filled: true, size: 40, opacity: 1 }, encoding: { x, color } },
      {
        transform: [{ filter: 'datum.bound !== null' }],
        mark: { type: 'tick', color: '#f03b20', thickness: 2, size: 10 },
        encoding: { x: { ...x, field: 'bound' } },
      },
    ],
  } as TopLevelSpec;
}
