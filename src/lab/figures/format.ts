/** What a figure can be written as, besides its vega-lite spec. Apart from the rendering, which is slow to load. */
export const figureFormats = ['svg', 'png', 'pdf', 'tex'] as const;
export type FigureFormat = (typeof figureFormats)[number];
