/** Draws planned figures from the runs of a source: `<outDir>/<name>.{vl.json,svg,png,pdf,tex}`. */
import { figureContent, type FigureContent, type FigureSources } from './data.js';
import type { FigurePlan } from './plan.js';
import type { FigureFormat } from './format.js';
import { renderers } from './renderers.js';
import { figureSpec, type FigureData } from './spec.js';
import { renderSvg } from './svg.js';
import { type FigureFile, specFile, writeFigure } from './write.js';

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
    const files = data ? await drawFigure(plan.name, data, options) : [];
    const figure = { name: plan.name, files, missing, notes };
    options.onFigure?.(figure);
    plotted.push(figure);
  }
  return plotted;
}

async function drawFigure(name: string, figure: FigureData, { outDir, formats }: PlotOptions): Promise<string[]> {
  const spec = figureSpec(figure);
  const drawing = { figure, svg: await renderSvg(spec) };
  const rendered = formats.map(async (format): Promise<FigureFile> => [format, await renderers[format](drawing)]);
  return writeFigure(outDir, name, [specFile(spec), ...(await Promise.all(rendered))]);
}
