/** From SVG to PDF; equal SVGs give equal bytes. */
import PDFDocument from 'pdfkit';
import svgToPdf from 'svg-to-pdfkit';
import { fontFiles } from './fonts.js';

/** PDF points per CSS pixel. */
const pointsPerPixel = 0.75;

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
