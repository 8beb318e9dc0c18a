/** From a vega-lite spec to SVG, without a browser; equal specs give equal text. */
import PDFDocument from 'pdfkit';
import * as vega from 'vega';
import { compile, type TopLevelSpec } from 'vega-lite';
import { fontFiles } from './fonts.js';

interface TextItem {
  readonly fontSize?: number;
  readonly fontWeight?: string | number;
}

/**
 * Vega lays out by text widths that it takes from node-canvas where that is installed and guesses (far too wide) where
 * not. Measured with the very font that is drawn, the layout fits and is the same on every machine.
 */
function measureText(): (item: TextItem, text: string | number | null) => number {
  const document = new PDFDocument({ autoFirstPage: false });
  return (item, text) =>
    document
      .font(item.fontWeight === 'bold' ? fontFiles.bold : fontFiles.regular)
      .fontSize(item.fontSize ?? 11)
      .widthOfString(String(text ?? ''));
}

// vega exports textMetrics for this purpose; its type declarations lack it.
(vega as unknown as { textMetrics: { width: ReturnType<typeof measureText> } }).textMetrics.width = measureText();

/** @throws Error  the spec is not valid vega-lite */
export async function renderSvg(spec: TopLevelSpec): Promise<string> {
  vega.resetSVGDefIds();
  const view = new vega.View(vega.parse(compile(spec).spec), { renderer: 'none' });
  try {
    return await view.toSVG();
  } finally {
    view.finalize();
  }
}
