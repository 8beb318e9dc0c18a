/** From a vega-lite spec to the bytes of SVG, PNG and PDF, without a browser; equal specs give equal bytes. */
import { createRequire } from 'node:module';
import { Resvg } from '@resvg/resvg-js';
import PDFDocument from 'pdfkit';
import svgToPdf from 'svg-to-pdfkit';
import * as vega from 'vega';
import { compile, type TopLevelSpec } from 'vega-lite';
import { fontFamily } from './spec.js';

/** Pixels of the PNG per pixel of the SVG: about 300 dpi where a figure is a column (8.5 cm) wide. */
const pngScale = 2;
/** PDF points per CSS pixel. */
const pointsPerPixel = 0.75;

const require = createRequire(import.meta.url);
const fontFiles = {
  regular: require.resolve('dejavu-fonts-ttf/ttf/DejaVuSans.ttf'),
  bold: require.resolve('dejavu-fonts-ttf/ttf/DejaVuSans-Bold.ttf'),
  italic: require.resolve('dejavu-fonts-ttf/ttf/DejaVuSans-Oblique.ttf'),
};

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

export function renderPng(svg: string): Buffer {
  const resvg = new Resvg(svg, {
    fitTo: { mode: 'zoom', value: pngScale },
    font: { fontFiles: Object.values(fontFiles), loadSystemFonts: false, defaultFontFamily: fontFamily },
  });
  return resvg.render().asPng();
}

/** One page of the size of the figure, fonts embedded, dated 1970 so that equal figures are equal files. */
export async function renderPdf(svg: string, title: string): Promise<Buffer> {
  const [width, height] = sizeOf(svg);
  const document = new PDFDocument({
    size: [width * pointsPerPixel, height * pointsPerPixel],
    margin: 0,
    info: { Title: title, Creator: 'hbp', Producer: 'hbp', CreationDate: new Date(0) },
  });
  const chunks: Buffer[] = [];
  document.on('data', (chunk: Buffer) => chunks.push(chunk));
  const ended = new Promise<void>((resolve, reject) => document.on('end', resolve).on('error', reject));
  svgToPdf(document, svg, 0, 0, {
    fontCallback: (_family, bold, italic) => fontFiles[bold ? 'bold' : italic ? 'italic' : 'regular'],
  });
  document.end();
  await ended;
  return Buffer.concat(chunks);
}

/** Width and height in pixels. */
function sizeOf(svg: string): [number, number] {
  const found = /viewBox="0 0 ([\d.]+) ([\d.]+)"/.exec(svg);
  if (!found) throw new Error('the SVG has no viewBox');
  return [Number(found[1]), Number(found[2])];
}
