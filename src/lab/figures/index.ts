/** Figures from runs: plan them, draw them. Needs neither the engine nor a dataset. */
export type { FigureSources } from './data.js';
export { planFigures, selectFigures, type FigurePlan, type PlannedLine } from './plan.js';
export { plotFigures, type PlotOptions, type PlottedFigure } from './plot.js';
export { figureFormats, type FigureFormat } from './format.js';
