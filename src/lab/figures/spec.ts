/** What a figure shows, as plain data, and the vega-lite spec that draws it. No files, no runs. */
import type { TopLevelSpec } from 'vega-lite';
import { axesOf, within, type Axis } from './axes.js';
import { axisConfig, fontFamily, ink, titleConfig, wrap } from './look.js';
import type { LineStyle } from './style.js';

/** Mean and sample standard deviation over n seeds at one x; std is null where n = 1. */
export interface SeriesPoint {
  readonly x: number;
  readonly mean: number;
  readonly std: number | null;
}

export type Curve = readonly SeriesPoint[];

/** A variant in a figure: one legend entry, one colour and dash. */
export interface Series {
  /** Legend entry; no two series of a figure share one. */
  readonly label: string;
  readonly style: LineStyle;
  /** The mean over seeds, or one a seed. */
  readonly curves: readonly Curve[];
  /** The same of other runs, to compare with: pale, behind all lines. */
  readonly behind?: readonly Curve[];
}

export interface FigureData {
  readonly title: string;
  /** What was drawn: dataset, seeds, epochs, whose runs; parts that a line break does not tear. */
  readonly subtitle: readonly string[];
  /** Axis titles, with unit. */
  readonly xTitle: string;
  readonly yTitle: string;
  /** `fraction`: y lies in [0, 1] and is labelled in percent, from 0. */
  readonly yKind: 'plain' | 'fraction';
  /** Linear if absent; a value that is not positive has no place on a logarithmic axis. */
  readonly yScale?: 'linear' | 'log';
  /** `mean`: one line with its band; `seeds`: a thin line for each. */
  readonly lines: 'mean' | 'seeds';
  /** Where the x axis ends, if not with the data. */
  readonly xMax?: number;
  /** Where the y axis ends at the latest: lines that go beyond leave the plot. */
  readonly yMax?: number;
  /** In the order of the legend. */
  readonly series: readonly Series[];
  /** Lines below the plot: what is missing, what ended early. */
  readonly caption: readonly string[];
}

const width = 430;
const height = 265;
/** Characters that fit across the figure at 12 px, and in the title at 16 px bold. */
const lineLength = { small: 71, title: 47 };

/** Widths of lines in pixels, and how opaque they are: one's own, and those behind. A pixel is half a point in print. */
export const strokes = {
  mean: { own: { strokeWidth: 2, opacity: 1 }, behind: { strokeWidth: 1.6, opacity: 0.4 } },
  seeds: { own: { strokeWidth: 1.2, opacity: 0.85 }, behind: { strokeWidth: 0.9, opacity: 0.35 } },
  legend: { strokeWidth: 2.5 },
} as const;
export const bandOpacity = { own: 0.3, behind: 0.12 } as const;

/**
 * The vega-lite spec of a figure: the line is the mean, the band mean +- one standard deviation at 30 % opacity. A value
 * that is not finite breaks its line there; a value with a break on both sides is drawn as a dot.
 */
export function figureSpec(figure: FigureData): TopLevelSpec {
  const axes = axesOf(figure);
  const values = figure.series.flatMap((series) => rowsOfSeries(series, axes));
  const labels = figure.series.map((series) => series.label);
  const colors = figure.series.map((series) => series.style.color);
  const hasBehind = values.some((row) => row.behind);
  // Each clipped line costs renderers a picture of its own: a figure of a hundred takes twice the time.
  const clip = values.some((row) => isBeyond(row, axes)) ? { clip: true } : {};
  const { isLog = false } = axes.y;
  const yScale = { domain: [...axes.y.domain], nice: false, ...(isLog ? { type: 'log' as const } : { zero: false }) };
  const yAxis = {
    ...(!isLog && { values: [...axes.y.ticks], tickCount: axes.y.ticks.length }),
    ...(figure.yKind === 'fraction' && { format: '~%' }),
  };
  const y = {
    field: 'mean',
    type: 'quantitative',
    title: figure.yTitle,
    axis: yAxis,
    scale: yScale,
  } as const;
  const strokeDash = {
    field: 'series',
    type: 'nominal',
    title: null,
    scale: { domain: labels, range: figure.series.map((series) => [...series.style.dash]) },
  } as const;
  const band = (fillOpacity: number): Layer => ({
    mark: { type: 'area', opacity: 1, fillOpacity, ...clip, invalid: 'break-paths-filter-domains' },
    encoding: { y: { field: 'low', type: 'quantitative' }, y2: { field: 'high' } },
  });
  const line = (stroke: { strokeWidth: number; opacity: number }): Layer => ({
    mark: { type: 'line', ...stroke, ...clip, invalid: 'break-paths-filter-domains' },
    encoding: { y, strokeDash },
  });
  // Where all rows are of one kind, no filter: the spec stays as plain as its data.
  const own = hasBehind ? { transform: [{ filter: '!datum.behind' }] } : {};
  const behind = { transform: [{ filter: 'datum.behind' }] };
  return {
    $schema: 'https://vega.github.io/schema/vega-lite/v6.json',
    description: [
      figure.title,
      figure.subtitle.join(', '),
      `${figure.yTitle} by ${figure.xTitle} of ${labels.join('; ')}`,
    ]
      .concat(figure.caption)
      .join('. '),
    width,
    height,
    padding: 8,
    background: 'white',
    title: {
      text: wrap(figure.title.split(' '), ' ', lineLength.title),
      subtitle: wrap(figure.subtitle, ' · ', lineLength.small),
    },
    data: { values },
    encoding: {
      x: {
        field: 'x',
        type: 'quantitative',
        title: figure.xTitle,
        axis: { values: [...axes.x.ticks], tickCount: axes.x.ticks.length },
        scale: { domain: [...axes.x.domain], nice: false },
      },
      color: { field: 'series', type: 'nominal', title: null, scale: { domain: labels, range: colors } },
      ...(values.some((row) => row.curve !== undefined) && { detail: { field: 'curve', type: 'nominal' } }),
    },
    layer: [
      ...(hasBehind
        ? [
            { ...band(bandOpacity.behind), ...behind },
            { ...line(strokes[figure.lines].behind), ...behind },
          ]
        : []),
      ...(figure.lines === 'mean' ? [{ ...band(bandOpacity.own), ...own }] : []),
      { ...line(strokes[figure.lines].own), ...own },
      {
        transform: [{ filter: 'datum.alone' }],
        mark: { type: 'circle', size: 30, opacity: 1, ...clip },
        encoding: {
          y: { field: 'mean', type: 'quantitative' },
        },
      },
      ...(figure.caption.length > 0 ? [captionLayer(figure.caption)] : []),
    ],
    config: {
      font: fontFamily,
      view: { stroke: null },
      title: titleConfig,
      axis: axisConfig,
      legend: {
        orient: 'top',
        direction: 'horizontal',
        columns: legendColumns(labels),
        symbolType: 'stroke',
        symbolSize: 800,
        symbolStrokeWidth: strokes.legend.strokeWidth,
        labelFontSize: 14,
        labelColor: ink,
        labelLimit: 400,
        columnPadding,
        rowPadding: -5,
        offset: 10,
      },
    },
  };
}

type Layer = Extract<TopLevelSpec, { layer: unknown }>['layer'][number];

/** Lines of text below the title of the x axis. */
function captionLayer(caption: readonly string[]): Layer {
  return {
    data: { values: [{}] },
    mark: {
      type: 'text',
      text: caption.flatMap((line) => wrap(line.split(' '), ' ', lineLength.small)),
      x: 0,
      y: { expr: 'height + 54' },
      align: 'left',
      baseline: 'top',
      fontSize: 12,
      lineHeight: 15,
      fontStyle: 'italic',
    },
    encoding: { x: { value: 0 }, color: { value: ink } },
  };
}

interface Row {
  readonly series: string;
  /** Which of several curves of the series. */
  readonly curve?: number | undefined;
  readonly behind?: true | undefined;
  readonly x: number;
  readonly mean: number | null;
  readonly low: number | null;
  readonly high: number | null;
  readonly alone?: true | undefined;
}

interface Axes {
  readonly x: Axis;
  readonly y: Axis;
}

function isBeyond({ x, mean, low, high }: Row, axes: Axes): boolean {
  const isOff = ({ domain: [from, to] }: Axis, value: number | null): boolean =>
    value !== null && (value < from || value > to);
  return isOff(axes.x, x) || [mean, low, high].some((value) => isOff(axes.y, value));
}

function rowsOfSeries({ label, curves, behind = [] }: Series, axes: Axes): Row[] {
  const several = curves.length + behind.length > 1;
  return [
    ...curves.flatMap((curve, i) => rowsOf({ series: label, ...(several && { curve: i }) }, curve, axes)),
    ...behind.flatMap((curve, i) => rowsOf({ series: label, curve: curves.length + i, behind: true }, curve, axes)),
  ];
}

function rowsOf(
  { series, curve, behind }: Pick<Row, 'series' | 'curve' | 'behind'>,
  points: Curve,
  { x: xAxis, y: yAxis }: Axes,
): Row[] {
  const y = (value: number): number | null => (Number.isFinite(value) ? within(yAxis, value) : null);
  return points.map(({ x, mean, std }, i) => {
    const [before, after] = [points[i - 1]?.mean, points[i + 1]?.mean];
    // A band may reach below a logarithmic axis, a line cannot.
    const hasPlace = yAxis.isLog !== true || mean > 0;
    const alone = Number.isFinite(mean) && !Number.isFinite(before) && !Number.isFinite(after);
    // Node 20 takes microseconds for a property after a spread one: no spread for each of thousands of rows.
    return {
      series,
      curve,
      behind,
      x: within(xAxis, x),
      mean: hasPlace ? y(mean) : null,
      low: std === null || !hasPlace ? null : y(mean - std),
      high: std === null || !hasPlace ? null : y(mean + std),
      alone: alone || undefined,
    };
  });
}

/** Between the columns of the legend, in pixels. */
const columnPadding = 16;

/** As many columns as fit above the plot: a label takes some 7.5 px a character, the line beside it 46 px. */
function legendColumns(labels: readonly string[]): number {
  const longest = Math.max(0, ...labels.map((label) => label.length));
  return Math.max(1, Math.floor((width + columnPadding) / (46 + 7.5 * longest)));
}
