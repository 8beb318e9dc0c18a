/** The figures of an inspection as vega-lite specs, and as files. */
import { renderPdf } from '../figures/pdf.js';
import { renderPng } from '../figures/png.js';
import { renderSvg } from '../figures/svg.js';
import { type FigureFile, specFile, writeFigure } from '../figures/write.js';
import type { CurvatureFigure } from '../results/curvature.js';
import { blocksSpec } from './blocks-figure.js';
import type { Inspection } from './inspect.js';
import type { PictureFormat } from './formats.js';
import { spectraSpec } from './spectra-figure.js';
import { tracesSpec } from './traces-figure.js';

/** The figures that there is something to draw for: `blocks`, `spectra`, `trace`. */
export function inspectionFigures(inspection: Inspection): CurvatureFigure[] {
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
  figures: readonly CurvatureFigure[],
  outDir: string,
  formats: readonly PictureFormat[],
): Promise<{ readonly name: string; readonly files: readonly string[] }[]> {
  const written = [];
  for (const { name, spec } of figures) {
    const svg = await renderSvg(spec);
    const render: Record<PictureFormat, () => string | Buffer | Promise<Buffer>> = {
      svg: () => svg,
      png: () => renderPng(svg),
      pdf: () => renderPdf(svg, String(spec.description)),
    };
    const contents: FigureFile[] = [specFile(spec)];
    for (const format of formats) contents.push([format, await render[format]()]);
    written.push({ name, files: writeFigure(outDir, name, contents) });
  }
  return written;
}
