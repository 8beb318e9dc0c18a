import { inflateSync } from 'node:zlib';
import { rgb } from 'd3-color';
import { parse, View } from 'vega';
import { compile, type TopLevelSpec } from 'vega-lite';
import { useBackend } from '../../../src/engine/backend/index.js';
import { blocksSpec } from '../../../src/lab/inspect/blocks-figure.js';
import type { Inspection } from '../../../src/lab/inspect/inspect.js';
import { heatMap } from '../../../src/lab/inspect/pixels.js';
import { spectraSpec } from '../../../src/lab/inspect/spectra-figure.js';
import { placeOn, symlogFor, symlogTicks } from '../../../src/lab/inspect/symlog.js';
import { tracesSpec } from '../../../src/lab/inspect/traces-figure.js';
import { domain, marks } from '../figures/scene.js';
import { tinyDataset } from '../training/fixtures.js';
import { look } from './fixtures.js';

let found: Inspection;
beforeAll(async () => {
  await useBackend('wasm');
  found = await look(await tinyDataset(), { trainSteps: 2 });
});

async function drawn(spec: TopLevelSpec | null): Promise<View> {
  return new View(parse(compile(spec!).spec), { renderer: 'none' }).runAsync();
}

/** The colours of the first row of pixels, from a PNG with a palette. */
function firstRow(url: string): string[] {
  const file = Buffer.from(url.slice(url.indexOf(',') + 1), 'base64');
  const part = (type: string): Buffer => {
    const at = file.indexOf(type, 0, 'latin1');
    return file.subarray(at + 4, at + 4 + file.readUInt32BE(at - 4));
  };
  const side = part('IHDR').readUInt32BE(0);
  const [palette, pixels] = [part('PLTE'), inflateSync(part('IDAT'))];
  expect(pixels).toHaveLength(side * (side + 1));
  return Array.from(pixels.subarray(1, side + 1), (shade) => {
    const [r = 0, g = 0, b = 0] = palette.subarray(3 * shade, 3 * shade + 3);
    return rgb(r, g, b).formatRgb();
  });
}

test('blocks: eight pictures under their names, lines between layers, in the colours of the legend', async () => {
  const view = await drawn(blocksSpec(found));
  expect(marks(view, 'image').flat()).toHaveLength(8);
  const titles = marks(view, 'text', 'title-text')
    .flat()
    .map(({ text }) => text);
  expect(titles.flat()).toEqual(expect.arrayContaining(['Hessian', 'GGN', 'PCH, abs', 'PCH, clip']));
  const color = view.scale('color') as unknown as ((value: number) => string) & { constant(): number };
  const [low = NaN, most = NaN] = domain(view, 'color');
  expect(low).toBe(-most);
  // Of a matrix with these in its first row: the ends, what is beyond, zero, and in between.
  const values = [most, -most, 3 * most, 0, most / 10, -most / 10, most / 1000];
  const n = values.length;
  const entries = Float32Array.from({ length: n * n }, (_, i) => values[i] ?? 0);
  const row = firstRow(heatMap(entries, n, { most, constant: color.constant() }));
  const cell = row.length / n;
  values.forEach((value, i) => {
    const [here, legend] = [rgb(row[Math.floor((i + 0.5) * cell)]!), rgb(color(Math.min(value, most)))];
    for (const part of ['r', 'g', 'b'] as const) expect(Math.abs(here[part] - legend[part])).toBeLessThan(6);
  });
  expect(row[Math.floor(3.5 * cell)]).toBe('rgb(255, 255, 255)');
});

test('a pixel of a large matrix is the largest entry of its square, with its sign', () => {
  const n = 1000;
  const entries = new Float32Array(n * n);
  entries[1 * n + 4] = -1; // alone in the first row of squares of 3 x 3
  const row = firstRow(heatMap(entries, n, { most: 1, constant: 0.01 }));
  expect(row).toHaveLength(Math.ceil(n / 3));
  expect(row.flatMap((color, i) => (color === 'rgb(255, 255, 255)' ? [] : [[i, color]]))).toEqual([
    [1, rgb('#053061').formatRgb()],
  ]);
});

test('spectra: a row a parameter, both ways, a line a curvature, and room for what is negative', async () => {
  const view = await drawn(spectraSpec(found));
  const lines = marks(view, 'line').filter((items) => items.length > 0);
  expect(lines).toHaveLength(2 * 4 * found.parameters.length);
  expect([...new Set(lines.flat().map(({ stroke }) => stroke))]).toHaveLength(4);
  const hessian = found.spectra.find(({ path, secondOrder }) => path === '2.weight' && secondOrder === 'none')!;
  expect(domain(view, 'concat_0_y')[0]).toBeLessThan(hessian.values.at(-1)!);
});

test('trace: the moments as points; nothing to draw of one', async () => {
  const view = await drawn(tracesSpec(found));
  expect(marks(view, 'symbol').flat()).toHaveLength(3 * 8 * found.parameters.length);
  expect(domain(view, 'concat_0_x')).toEqual([0, 2]);
  expect(tracesSpec({ ...found, moments: found.moments.slice(0, 1) })).toBeNull();
  expect(spectraSpec({ ...found, spectra: [] })).toBeNull();
});

test('symlog: odd, growing, from -1 to 1; ticks are powers of ten that stand apart from zero', () => {
  const scale = symlogFor([3e-9, 0.02, -0.5, NaN, 0], 4);
  expect(scale).toEqual({ most: 0.5, constant: 0.5e-4 });
  const places = [-9, -0.5, -1e-3, 0, 1e-3, 0.1, 0.5, 9].map((value) => placeOn(scale, value));
  expect(places).toEqual([...places].sort((a, b) => a - b));
  expect([places[0], places[1], places[3], places.at(-1)]).toEqual([-1, -1, 0, 1]);
  expect(places[2]).toBe(-places[4]!);
  expect(symlogTicks(scale, [-0.01, 0.5])).toEqual([-0.01, -1e-3, 0, 1e-3, 0.01, 0.1]);
  expect(symlogFor([0, 0], 4)).toEqual({ most: 1, constant: 1e-4 });
});
