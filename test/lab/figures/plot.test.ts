import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { compile, type TopLevelSpec } from 'vega-lite';
import { RunError } from '../../../src/errors.js';
import { figureFormats, planFigures, plotFigures, selectFigures } from '../../../src/lab/figures/index.js';
import { storeSource } from '../../../src/lab/results/source.js';
import { experiments, trainPretending } from './fixtures.js';
import { readTex } from './tex.js';

const folder = mkdtempSync(join(tmpdir(), 'hbp-figures-'));
const runs = join(folder, 'runs');
const fig4 = selectFigures(planFigures(experiments), ['fig4_1']);
const options = { source: storeSource(runs, 'own runs'), formats: figureFormats };

beforeAll(() => {
  trainPretending(runs, 'exp01', 'sgd');
  for (const blocks of [1, 2, 16]) trainPretending(runs, 'exp02', `blocks-${blocks}`);
});
afterAll(() => rmSync(folder, { recursive: true }));

test('figures are real SVG, PNG, PDF and TeX files, the same bytes every time, beside a spec that opens elsewhere', async () => {
  const outDir = join(folder, 'formats');
  const [figure] = await plotFigures(fig4, { ...options, outDir });
  expect(figure?.files).toEqual(
    ['vl.json', 'svg', 'png', 'pdf', 'tex'].map((ending) => join(outDir, `fig4_1.${ending}`)),
  );
  expect(figure?.missing).toEqual(['CG, 4 blocks (exp02/blocks-4)']);
  expect(readdirSync(outDir).sort()).toEqual(
    ['pdf', 'png', 'svg', 'tex', 'vl.json'].map((ending) => `fig4_1.${ending}`),
  );

  const [spec, svg, png, pdf, tex] = (figure?.files ?? []).map((file) => readFileSync(file));
  const parsed = JSON.parse(String(spec)) as TopLevelSpec;
  expect(parsed.$schema).toBe('https://vega.github.io/schema/vega-lite/v6.json');
  expect(compile(parsed).spec.marks?.length).toBeGreaterThan(0);
  for (const label of ['SGD', 'CG, 1 block', 'CG, 16 blocks', 'Train loss [nats]'])
    expect(String(svg)).toContain(label);
  expect(String(svg)).toContain('Missing, no data: CG, 4 blocks');
  // Width and height in the header of the PNG: 8.5 cm at about 300 dpi.
  expect(png?.subarray(1, 4).toString()).toBe('PNG');
  expect(png?.readUInt32BE(16)).toBeGreaterThan(950);
  expect(png?.length).toBeGreaterThan(20_000);
  expect(pdf?.subarray(0, 5).toString()).toBe('%PDF-');
  expect(String(pdf)).toContain('DejaVuSans');
  expect(String(pdf)).toContain('(D:19700101000000Z)');
  // The page is as large as the picture.
  const [, width, height] = /viewBox="0 0 ([\d.]+) ([\d.]+)"/.exec(String(svg)) ?? [];
  expect(String(pdf)).toContain(`/MediaBox [0 0 ${0.75 * Number(width)} ${0.75 * Number(height)}]`);
  expect(readTex(String(tex)).legend.map(({ label }) => label)).toEqual([
    'SGD',
    'CG, 1 block',
    'CG, 2 blocks',
    'CG, 16 blocks',
  ]);

  const again = join(folder, 'again');
  const [second] = await plotFigures(fig4, { ...options, outDir: again });
  expect(second?.files.map((file) => readFileSync(file))).toEqual([spec, svg, png, pdf, tex]);
});

test('text takes ink in the PNG: without its font it would vanish', async () => {
  const { renderPng } = await import('../../../src/lab/figures/png.js');
  const { renderSvg } = await import('../../../src/lab/figures/svg.js');
  const svg = await renderSvg({ data: { values: [{}] }, mark: { type: 'text', text: 'WWWWWWWW', fontSize: 30 } });
  const without = svg.replace('WWWWWWWW', '');
  const [withText, withoutText] = [await renderPng(svg), await renderPng(without)];
  expect(withText.length).toBeGreaterThan(2 * withoutText.length);
});

test('only the formats asked for are written', async () => {
  const outDir = join(folder, 'svg-only');
  await plotFigures(fig4, { ...options, outDir, formats: ['svg'] });
  expect(readdirSync(outDir).sort()).toEqual(['fig4_1.svg', 'fig4_1.vl.json']);
});

test('a figure without data is not written, and reported', async () => {
  const outDir = join(folder, 'empty');
  const told: string[] = [];
  const plotted = await plotFigures(fig4, {
    ...options,
    source: storeSource(join(folder, 'nowhere'), 'own runs'),
    outDir,
    onFigure: ({ name, files }) => told.push(`${name}: ${files.length} files`),
  });
  expect(plotted[0]).toMatchObject({ name: 'fig4_1', files: [], missing: { length: 5 } });
  expect(told).toEqual(['fig4_1: 0 files']);
  expect(existsSync(outDir)).toBe(false);
});

test('a folder that cannot be written to is one clear error', async () => {
  const outDir = join(folder, 'a-file');
  writeFileSync(outDir, 'in the way');
  const failing = plotFigures(fig4, { ...options, outDir, formats: ['svg'] });
  await expect(failing).rejects.toThrow(RunError);
  await expect(failing).rejects.toThrow(`cannot write figure fig4_1 to ${outDir}: `);
});
