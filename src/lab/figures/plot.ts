/** Draws planned figures from a run store: `<outDir>/<name>.{vl.json,svg,png,pdf}`. */
import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { TopLevelSpec } from 'vega-lite';
import writeFileAtomic from 'write-file-atomic';
import { messageOf, RunError } from '../../errors.js';
import { readVariant, type VariantRuns } from '../results/merge.js';
import { figureContent, type FigureContent, type RunsOf } from './data.js';
import type { FigurePlan } from './plan.js';
import type { FigureFormat } from './format.js';
import { renderPdf, renderPng, renderSvg } from './render.js';
import { figureSpec } from './spec.js';

export interface PlotOptions {
  /** Run store to draw from. */
  readonly runs: string;
  /** Whose runs these are, for the subtitle: `recorded runs`, say. */
  readonly origin: string;
  readonly outDir: string;
  readonly formats: readonly FigureFormat[];
  /** Called as soon as a figure is on the disk. */
  readonly onFigure?: (figure: PlottedFigure) => void;
}

export interface PlottedFigure extends Pick<FigureContent, 'missing' | 'notes'> {
  readonly name: string;
  /** What was written, the vega-lite spec first; nothing where no line has data. */
  readonly files: readonly string[];
}

/**
 * Draws the figures in turn. Every file is written whole or not at all.
 *
 * @throws RunError  a file cannot be written
 */
export async function plotFigures(plans: readonly FigurePlan[], options: PlotOptions): Promise<PlottedFigure[]> {
  const runsOf = readingOnce(options.runs);
  const plotted: PlottedFigure[] = [];
  for (const plan of plans) {
    const { data, missing, notes } = figureContent(plan, runsOf, options.origin);
    const files = data ? await writeFigure(plan.name, figureSpec(data), plan.title, options) : [];
    const figure = { name: plan.name, files, missing, notes };
    options.onFigure?.(figure);
    plotted.push(figure);
  }
  return plotted;
}

/** Most variants are drawn in six figures or more. */
function readingOnce(root: string): RunsOf {
  const known = new Map<string, VariantRuns>();
  return ({ experiment, variant }) => {
    const key = `${experiment}/${variant.name}`;
    const runs = known.get(key) ?? readVariant(root, experiment, variant.name);
    known.set(key, runs);
    return runs;
  };
}

async function writeFigure(
  name: string,
  spec: TopLevelSpec,
  title: string,
  { outDir, formats }: PlotOptions,
): Promise<string[]> {
  const svg = await renderSvg(spec);
  const contents: [string, string | Buffer][] = [['vl.json', `${JSON.stringify(spec, null, 2)}\n`]];
  for (const format of formats) contents.push([format, await render(format, svg, title)]);

  const files = contents.map(([extension]) => join(outDir, `${name}.${extension}`));
  try {
    mkdirSync(dirname(join(outDir, name)), { recursive: true });
    for (const [i, [, content]] of contents.entries()) await writeFileAtomic(files[i] ?? '', content);
  } catch (error) {
    throw new RunError(`cannot write figure ${name} to ${outDir}: ${messageOf(error)}`, { cause: error });
  }
  return files;
}

function render(format: FigureFormat, svg: string, title: string): string | Buffer | Promise<Buffer> {
  switch (format) {
    case 'svg':
      return svg;
    case 'png':
      return renderPng(svg);
    case 'pdf':
      return renderPdf(svg, title);
  }
}
