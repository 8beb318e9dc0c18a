/** The figures of an inspection as vega-lite specs, and as files. */
import type { TopLevelSpec } from 'vega-lite';
import { renderPdf } from '../figures/pdf.js';
import { renderPng } from '../figures/png.js';
import { renderSvg } from '../figures/svg.js';
import { type FigureFile, specFile, writeFigure } from '../figures/write.js';
import { blocksSpec } from './blocks-figure.js';
import { headingOf } from './heading.js';
import type { Inspection } from './inspect.js';
import type { PictureFormat } from './formats.js';
import { spectraSpec } from './spectra-figure.js';
import { tracesSpec } from './traces-figure.js';

/** A figure by its name, `blocks`, `spectra` or `trace`. */
export interface InspectionFigure {
  readonly name: string;
  readonly spec: TopLevelSpec;
}

/** The figures that there is something to draw for. */
export function inspectionFigures(inspection: Inspection): InspectionFigure[] {
  const all = {
    blocks: blocksSpec(inspection),
    spectra: spectraSpec(inspection),
    trace: tracesSpec(inspection),
  };
  return Object.entries(all).flatMap(([name, spec]) => (spec ? [{ name, spec }] : []));
}

/**
 * Writes `<outDir>/<name>.{vl.json,...}` of every figure.
 *
 * @returns the files, by figure
 * @throws RunError  a file cannot be written
 */
export async function writeInspection(
  inspection: Inspection,
  outDir: string,
  formats: readonly PictureFormat[],
): Promise<{ readonly name: string; readonly files: readonly string[] }[]> {
  const written = [];
  for (const { name, spec } of inspectionFigures(inspection)) {
    const svg = await renderSvg(spec);
    const render: Record<PictureFormat, () => string | Buffer | Promise<Buffer>> = {
      svg: () => svg,
      png: () => renderPng(svg),
      pdf: () => renderPdf(svg, headingOf(inspection, name).title),
    };
    const contents: FigureFile[] = [specFile(spec)];
    for (const format of formats) contents.push([format, await render[format]()]);
    written.push({ name, files: await writeFigure(outDir, name, contents) });
  }
  return written;
}
