/** Draws planned figures from the runs of a source: `<outDir>/<name>.{vl.json,svg,png,pdf,tex}`. */
import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import writeFileAtomic from 'write-file-atomic';
import { messageOf, RunError } from '../../errors.js';
import { figureContent, type FigureContent, type FigureSources } from './data.js';
import type { FigurePlan } from './plan.js';
import type { FigureFormat } from './format.js';
import { renderers } from './renderers.js';
import { figureSpec, type FigureData } from './spec.js';
import { renderSvg } from './svg.js';

export interface PlotOptions extends FigureSources {
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
  const plotted: PlottedFigure[] = [];
  for (const plan of plans) {
    const { data, missing, notes } = figureContent(plan, options);
    const files = data ? await writeFigure(plan.name, data, options) : [];
    const figure = { name: plan.name, files, missing, notes };
    options.onFigure?.(figure);
    plotted.push(figure);
  }
  return plotted;
}

async function writeFigure(name: string, figure: FigureData, { outDir, formats }: PlotOptions): Promise<string[]> {
  const spec = figureSpec(figure);
  const drawing = { figure, svg: await renderSvg(spec) };
  const contents: [string, string | Buffer][] = [['vl.json', `${JSON.stringify(spec, null, 2)}\n`]];
  for (const format of formats) contents.push([format, await renderers[format](drawing)]);

  const files = contents.map(([extension]) => join(outDir, `${name}.${extension}`));
  try {
    mkdirSync(dirname(join(outDir, name)), { recursive: true });
    for (const [i, [, content]] of contents.entries()) await writeFileAtomic(files[i] ?? '', content);
  } catch (error) {
    throw new RunError(`cannot write figure ${name} to ${outDir}: ${messageOf(error)}`, { cause: error });
  }
  return files;
}
