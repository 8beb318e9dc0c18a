/** Ours beside the peers, with the quartiles, as a vega-lite spec. */
import type { TopLevelSpec } from 'vega-lite';
import { fontFamily } from '../dist/lab/figures/look.js';
import type { Results, Row, Section, Unit } from './results.js';

const colors = {
  hbp: '#253494',
  'raw oneDNN or PyTorch': '#f03b20',
  'peak or triad of the machine': '#888888',
} as const;
type Role = keyof typeof colors;

/** Peers that are drawn, as what; the others only differ from these in detail. */
const roles: Readonly<Record<string, Role>> = {
  dnnl_sgemm: 'raw oneDNN or PyTorch',
  oneDNN: 'raw oneDNN or PyTorch',
  PyTorch: 'raw oneDNN or PyTorch',
  peak: 'peak or triad of the machine',
  triad: 'peak or triad of the machine',
};
const panels: readonly { readonly section: Section; readonly title: string; readonly unit: Unit }[] = [
  { section: 'products', title: 'Matrix products and convolutions', unit: 'GFLOP/s' },
  { section: 'memory', title: 'Operations that wait for memory', unit: 'GB/s' },
  { section: 'steps', title: 'Steps of gradient descent (less is better)', unit: 'ms' },
];
const width = 360;
const step = 14;

/** @param rows  of any sections; panels without rows are left out */
export function performanceSpec({ rows, machine, backend }: Results): TopLevelSpec {
  const drawn = panels.flatMap((panel) => {
    const own = rows.filter(({ section, ours }) => section === panel.section && ours);
    return own.length > 0 ? [panelSpec(panel.title, panel.unit, own)] : [];
  });
  return {
    $schema: 'https://vega.github.io/schema/vega-lite/v6.json',
    description: `Medians and quartiles of ${backend.name} and its peers on ${machine.cpu}`,
    background: 'white',
    padding: 8,
    config: {
      font: fontFamily,
      axis: { labelLimit: 400, gridColor: '#e6e6e6', domain: false, ticks: false },
      view: { stroke: null },
    },
    vconcat: drawn,
  } as TopLevelSpec;
}

function panelSpec(title: string, unit: Unit, rows: readonly Row[]) {
  const values = rows.flatMap(({ name, ours, peers }) => {
    const peer = peers.flatMap((competitor) => {
      const role = roles[competitor.name];
      return role ? [{ row: name, role, ...competitor.value }] : [];
    });
    return [...peer, { row: name, role: 'hbp', ...ours! }];
  });
  const domain = Object.keys(colors);
  const legend = { orient: 'top', direction: 'vertical', title: null };
  const color = { field: 'role', type: 'nominal', legend, scale: { domain, range: Object.values(colors) } };
  const y = { field: 'row', type: 'nominal', sort: null, title: null };
  const x = { field: 'median', type: 'quantitative', title: unit, scale: { zero: true } };
  const upright = 'M-0.15,-1L0.15,-1L0.15,1L-0.15,1Z';
  const shapes = ['circle', 'diamond', upright];
  const shape = { field: 'role', type: 'nominal', legend, scale: { domain, range: shapes } };
  return {
    title: { text: title, anchor: 'start', fontSize: 12 },
    width,
    height: { step },
    data: { values },
    encoding: { y, color },
    layer: [
      { mark: { type: 'rule', strokeWidth: 2 }, encoding: { x: { ...x, field: 'low' }, x2: { field: 'high' } } },
      { mark: { type: 'point', filled: true, size: 45, opacity: 1 }, encoding: { x, shape } },
    ],
  };
}
