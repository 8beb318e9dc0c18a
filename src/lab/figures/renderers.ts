/** How a figure becomes a file of each format. */
import type { FigureFormat } from './format.js';
import { renderPdf } from './pdf.js';
import { renderPng } from './png.js';
import type { FigureData } from './spec.js';
import { renderTikz } from './tikz.js';

/** What a renderer may draw from: the data, or the picture that the vega-lite spec gives. */
export interface Drawing {
  readonly figure: FigureData;
  readonly svg: string;
}

type Renderer = (drawing: Drawing) => string | Buffer | Promise<Buffer>;

export const renderers: Readonly<Record<FigureFormat, Renderer>> = {
  svg: ({ svg }) => svg,
  png: ({ svg }) => renderPng(svg),
  pdf: ({ svg, figure }) => renderPdf(svg, figure.title),
  tex: ({ figure }) => renderTikz(figure),
};
