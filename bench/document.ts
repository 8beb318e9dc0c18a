/** `docs`: the generated part of docs/performance.md, its figure, and the numbers that they were made of. */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { format, resolveConfig } from 'prettier';
import { renderPng, renderSvg } from '../dist/lab/figures/render.js';
import { performanceSpec } from './figure.js';
import { figure, generated, withGenerated } from './markdown.js';
import { tally } from './report.js';
import { doubt, type Results } from './results.js';
import { say } from './say.js';

const root = fileURLToPath(new URL('../', import.meta.url));
const document = `${root}docs/performance.md`;
/** What the document shows, kept with it. */
const published = `${root}bench/results/published.json`;

/** @throws Error  the numbers cannot be relied on, or the document has lost its markers */
export async function writeDocument(file: string): Promise<void> {
  const results = JSON.parse(readFileSync(file, 'utf8')) as Results;
  const reason = doubt(results);
  if (reason !== null) throw new Error(`${file} is not for the documentation: ${reason}`);
  const options = await resolveConfig(document);
  const text = withGenerated(readFileSync(document, 'utf8'), generated(results));
  const svg = await renderSvg(performanceSpec(results));
  writeFileSync(published, `${JSON.stringify(results, null, 2)}\n`);
  writeFileSync(document, await format(text, { ...options, parser: 'markdown' }));
  writeFileSync(`${root}docs/${figure}`, renderPng(svg));
  say(`docs/performance.md and docs/${figure} show ${file}: ${tally(results.rows)}`);
}
