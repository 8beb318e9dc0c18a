/** From a vega-lite spec to an SVG and a PNG. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TopLevelSpec } from 'vega-lite';
import { renderPng } from '../dist/lab/figures/png.js';
import { renderSvg } from '../dist/lab/figures/svg.js';
import { say } from './options.js';
import type { BatchRecord } from './train.js';

/** Writes NAME.svg and NAME.png to the folder. */
export async function plot(folder: string, name: string, spec: TopLevelSpec): Promise<void> {
  const svg = await renderSvg({ background: 'white', config: { font: 'DejaVu Sans' }, ...spec });
  mkdirSync(folder, { recursive: true });
  const path = join(folder, name);
  writeFileSync(`${path}.svg`, svg);
  writeFileSync(`${path}.png`, await renderPng(svg));
  say(`plot: ${path}.svg, ${path}.png`);
}

/** Batch loss and batch accuracy, side by side, against the epoch. */
export function trainingSpec(title: string, data: string, records: readonly BatchRecord[]): TopLevelSpec {
  const panel = (field: string, yTitle: string, format: string) => ({
    width: 300,
    height: 220,
    mark: { type: 'line' as const },
    encoding: {
      x: { field: 'epoch', type: 'quantitative' as const },
      y: { field, type: 'quantitative' as const, title: yTitle, axis: { format } },
    },
  });
  return {
    title: { text: title, subtitle: `data: ${data}`, anchor: 'start' },
    data: { values: [...records] },
    hconcat: [panel('loss', 'batch loss', '~g'), panel('accuracy', 'batch accuracy', '~%')],
  };
}
