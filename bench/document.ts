/** `docs`: the generated parts of docs/performance.md, their figures, and the numbers that they were made of. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { format, resolveConfig } from 'prettier';
import type { TopLevelSpec } from 'vega-lite';
import { renderPng } from '../dist/lab/figures/png.js';
import { renderSvg } from '../dist/lab/figures/svg.js';
import { ratioSpec } from './experiments/figure.js';
import { generatedSteps, ratioFigure } from './experiments/markdown.js';
import { stepTally } from './experiments/report.js';
import type { ExperimentResults, ScalingResults } from './experiments/results.js';
import { performanceSpec } from './figure.js';
import { figure, generated, withGenerated } from './markdown.js';
import { tally } from './report.js';
import { doubt, type Results } from './results.js';
import { say } from './say.js';

const root = fileURLToPath(new URL('../', import.meta.url));
const document = `${root}docs/performance.md`;
/** What the document shows, kept with it. */
export const published = {
  kernels: 'published.json',
  steps: 'published-steps.json',
  scaling: 'published-scaling.json',
} as const;
const results = `${root}bench/results/`;

/**
 * @param file  from the command run or the command experiments, which it tells apart
 * @param scalingFile  beside the latter, from the command scaling
 * @throws Error  the numbers cannot be relied on, or the document has lost its markers
 */
export async function writeDocument(file: string, scalingFile?: string): Promise<void> {
  const measured = read<Results | ExperimentResults>(file);
  if ('states' in measured) {
    const scaling = scalingFile === undefined ? null : read<ScalingResults>(scalingFile);
    const spec = ratioSpec(measured);
    await replacePart(generatedSteps(measured, scaling, spec !== null), published.steps);
    keep(published.steps, measured);
    if (scaling) keep(published.scaling, scaling);
    if (spec) await draw(spec, ratioFigure);
    say(`docs/performance.md shows ${file}: ${stepTally(measured)}`);
  } else {
    await replacePart(generated(measured), published.kernels);
    keep(published.kernels, measured);
    await draw(performanceSpec(measured), figure);
    say(`docs/performance.md and docs/${figure} show ${file}: ${tally(measured.rows)}`);
  }
}

/** Those of the usual files that are there. */
export async function writeUsualDocuments(): Promise<void> {
  const [kernels, steps, scaling] = ['native.json', 'experiments.json', 'scaling.json'].map((file) => results + file);
  const there = [kernels!, steps!].filter((file) => existsSync(file));
  if (there.length === 0) throw new Error(`neither ${kernels} nor ${steps} is there: measure first`);
  for (const file of there) {
    await writeDocument(file, file === steps && existsSync(scaling!) ? scaling : undefined);
  }
}

function read<T extends Pick<Results, 'quick' | 'load' | 'machine'>>(file: string): T {
  const measured = JSON.parse(readFileSync(file, 'utf8')) as T;
  const reason = doubt(measured);
  if (reason !== null) throw new Error(`${file} is not for the documentation: ${reason}`);
  return measured;
}

async function replacePart(part: string, source: string): Promise<void> {
  const text = withGenerated(readFileSync(document, 'utf8'), part, source);
  writeFileSync(document, await format(text, { ...(await resolveConfig(document)), parser: 'markdown' }));
}

function keep(name: string, measured: object): void {
  writeFileSync(results + name, `${JSON.stringify(measured, null, 2)}\n`);
}

async function draw(spec: TopLevelSpec, name: string): Promise<void> {
  writeFileSync(`${root}docs/${name}`, await renderPng(await renderSvg(spec)));
}
