/** From SVG to PNG; equal SVGs give equal bytes. */
import { renderAsync } from '@resvg/resvg-js';
import { fontFiles } from './fonts.js';
import { fontFamily } from './look.js';

/** Pixels of the PNG per pixel of the SVG: about 300 dpi where a figure is a column (8.5 cm) wide. */
const scale = 2;

/** On a thread of its own: other formats can be made meanwhile. */
export async function renderPng(svg: string): Promise<Buffer> {
  const image = await renderAsync(svg, {
    fitTo: { mode: 'zoom', value: scale },
    font: { fontFiles: Object.values(fontFiles), loadSystemFonts: false, defaultFontFamily: fontFamily },
  });
  return image.asPng();
}
