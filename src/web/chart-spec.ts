/** The vega-lite spec of a chart on the page. What is downloaded is drawn by the figures' own spec instead. */
import type { TopLevelSpec } from 'vega-lite';
import type { Curve, FigureData } from '../lab/figures/spec.js';
import { onGround } from './colours.js';
import type { Theme } from './theme.js';

/** One point as the chart has it. */
export interface ChartRow {
  readonly series: string;
  readonly curve: string;
  readonly x: number;
  readonly y: number | null;
  readonly low: number | null;
  readonly high: number | null;
  readonly std: number | null;
  /** Not to be pointed at: of the runs behind. */
  readonly behind: boolean;
}

/** The data set of the chart, which is replaced when rows come. */
export const rowsName = 'rows';
/** The selection that zooms and moves. */
export const zoomName = 'zoom';

/** The points of the series that are shown. On a logarithmic axis only what is positive has a place. */
export function chartRows(data: FigureData, isShown: (label: string) => boolean): ChartRow[] {
  const placed = (value: number): number | null => (hasPlace(value, data) ? value : null);
  const rows = (label: string, curve: Curve, name: string, behind: boolean): ChartRow[] =>
    curve.map(({ x, mean, std }) => {
      const y = placed(mean);
      const high = std === null || y === null ? null : placed(mean + std);
      const low = high === null || std === null ? null : (placed(mean - std) ?? y);
      return { series: label, curve: `${label} ${name}`, x, y, low, high, std, behind };
    });
  return data.series
    .filter(({ label }) => isShown(label))
    .flatMap(({ label, curves, behind = [] }) => [
      ...curves.flatMap((curve, i) => rows(label, curve, String(i), false)),
      ...behind.flatMap((curve, i) => rows(label, curve, `behind ${i}`, true)),
    ]);
}

function hasPlace(value: number, { yScale }: FigureData): boolean {
  return Number.isFinite(value) && (yScale !== 'log' || value > 0);
}

/** Whether the chart would show anything: the axes of one that does not have no extent. */
export function hasPlacedValue(data: FigureData, isShown: (label: string) => boolean): boolean {
  return data.series.some(
    ({ label, curves, behind = [] }) =>
      isShown(label) && [...curves, ...behind].some((curve) => curve.some(({ mean }) => hasPlace(mean, data))),
  );
}

/** @param rows  to begin with: an axis that was first laid out without any has no place for its title */
export function chartSpec(data: FigureData, theme: Theme, height: number, rows: readonly ChartRow[]): TopLevelSpec {
  const labels = data.series.map(({ label }) => label);
  const colors = data.series.map(({ style }) => onGround(style.color, theme.ground));
  const format = data.yKind === 'fraction' ? '.2%' : '.5~g';
  const shared = {
    x: {
      field: 'x',
      type: 'quantitative',
      title: data.xTitle,
      axis: { grid: true },
      scale: { nice: false, zero: false, ...(data.xMax === undefined ? {} : { domainMax: data.xMax }) },
    },
    color: { field: 'series', type: 'nominal', scale: { domain: labels, range: colors }, legend: null },
    detail: { field: 'curve', type: 'nominal' },
  } as const;
  const y = {
    field: 'y',
    type: 'quantitative',
    title: data.yTitle,
    axis: data.yKind === 'fraction' ? { format: '~%' } : { format: '~g' },
    scale: data.yScale === 'log' ? ({ type: 'log', nice: false } as const) : ({ zero: false, nice: true } as const),
  } as const;
  const strokeDash = {
    field: 'series',
    type: 'nominal',
    scale: { domain: labels, range: data.series.map(({ style }) => [...style.dash]) },
    legend: null,
  } as const;
  const band = {
    mark: { type: 'area', clip: true, invalid: 'break-paths-filter-domains' },
    encoding: {
      y: { ...y, field: 'low' },
      y2: { field: 'high' },
      opacity: { condition: { test: 'datum.behind', value: 0.08 }, value: 0.22 },
    },
  } as const;
  const strength = { condition: { test: 'datum.behind', value: 0.4 }, value: data.lines === 'mean' ? 1 : 0.85 };
  return {
    $schema: 'https://vega.github.io/schema/vega-lite/v6.json',
    description: `${data.title}. ${data.yTitle} by ${data.xTitle} of ${labels.join('; ')}`,
    width: 'container',
    height,
    background: 'transparent',
    padding: { left: 4, right: 12, top: 8, bottom: 4 },
    autosize: { type: 'fit', contains: 'padding' },
    data: { name: rowsName, values: [...rows] },
    encoding: shared,
    layer: [
      ...(hasBands(data) ? [band] : []),
      {
        params: [
          {
            name: zoomName,
            select: {
              type: 'interval',
              encodings: ['x', 'y'],
              // The bare wheel scrolls the page.
              zoom: 'wheel![event.ctrlKey || event.metaKey]',
              clear: 'dblclick',
            },
            bind: 'scales',
          },
        ],
        mark: {
          type: 'line',
          clip: true,
          strokeWidth: data.lines === 'mean' ? 2 : 1.25,
          invalid: 'break-paths-filter-domains',
        },
        encoding: { y, strokeDash, opacity: strength },
      },
      {
        transform: [{ filter: '!datum.behind && isValid(datum.y)' }],
        params: [{ name: 'pointed', select: { type: 'point', on: 'pointerover', nearest: true, clear: 'pointerout' } }],
        mark: { type: 'circle', clip: true, size: 70, stroke: theme.ground, strokeWidth: 1.5 },
        encoding: {
          y,
          opacity: { condition: { param: 'pointed', empty: false, value: 1 }, value: 0 },
          tooltip: [
            { field: 'series', title: 'Variant' },
            { field: 'x', title: data.xTitle, type: 'quantitative', format: '.5~g' },
            { field: 'y', title: data.yTitle, type: 'quantitative', format },
            ...(hasBands(data) ? [{ field: 'std', title: '± std', type: 'quantitative', format } as const] : []),
          ],
        },
      },
    ],
    config: {
      font: theme.font,
      view: { stroke: null },
      axis: {
        labelFontSize: 12,
        titleFontSize: 13,
        titleFontWeight: 'normal',
        labelColor: theme.soft,
        titleColor: theme.ink,
        titlePadding: 8,
        domainColor: theme.grid,
        tickColor: theme.grid,
        gridColor: theme.grid,
        gridOpacity: 0.7,
        tickCount: 7,
      },
    },
  };
}

/** Whether any point has a deviation. */
export function hasBands({ series }: FigureData): boolean {
  return series.some(({ curves }) => curves.some((curve) => curve.some(({ std }) => std !== null)));
}
