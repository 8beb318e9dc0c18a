/** What a figure shows, as plain data, and the vega-lite spec that draws it. No files, no runs. */
import type { TopLevelSpec } from 'vega-lite';
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
  /** `mean`: one line with its band; `seeds`: a thin line for each. */
  readonly lines: 'mean' | 'seeds';
  /** Where the x axis ends, if not with the data. */
  readonly xMax?: number;
  /** In the order of the legend. */
  readonly series: readonly Series[];
  /** Lines below the plot: what is missing, what ended early. */
  readonly caption: readonly string[];
}

/** The family that every rendering uses; a machine that opens the SVG without it falls back on its like. */
export const fontFamily = 'DejaVu Sans';

const width = 430;
const height = 265;
/** Characters that fit across the figure at 11 px, and in the title at 15 px bold. */
const lineLength = { small: 78, title: 50 };
const ink = '#222222';

/** Widths of lines in pixels, and how much of them shines through. */
const strokes = {
  mean: { strokeWidth: 2, opacity: 1 },
  seeds: { strokeWidth: 1, opacity: 0.85 },
  behind: { strokeWidth: 1.6, opacity: 0.4 },
};
const bandOpacity = { own: 0.3, behind: 0.12 };

/**
 * The vega-lite spec of a figure: the line is the mean, the band mean +- one standard deviation at 30 % opacity. A value
 * that is not finite breaks its line there; a value with a break on both sides is drawn as a dot.
 */
export function figureSpec(figure: FigureData): TopLevelSpec {
  const values = figure.series.flatMap(rowsOfSeries);
  const labels = figure.series.map((series) => series.label);
  const colors = figure.series.map((series) => series.style.color);
  const hasBehind = values.some((row) => row.behind);
  const exceedsOne = figure.yKind === 'fraction' && values.some((row) => (row.high ?? row.mean ?? 0) > 1);
  const y = {
    field: 'mean',
    type: 'quantitative',
    title: figure.yTitle,
    axis: figure.yKind === 'fraction' ? { format: '~%' } : {},
    scale: { zero: figure.yKind === 'fraction', nice: true, ...(exceedsOne ? { domainMax: 1 } : {}) },
  } as const;
  const strokeDash = {
    field: 'series',
    type: 'nominal',
    title: null,
    scale: { domain: labels, range: figure.series.map((series) => [...series.style.dash]) },
  } as const;
  const band = (fillOpacity: number): Layer => ({
    mark: { type: 'area', opacity: 1, fillOpacity, clip: true, invalid: 'break-paths-filter-domains' },
    encoding: { y: { field: 'low', type: 'quantitative' }, y2: { field: 'high' } },
  });
  const line = (stroke: { strokeWidth: number; opacity: number }): Layer => ({
    mark: { type: 'line', ...stroke, clip: true, invalid: 'break-paths-filter-domains' },
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
        scale: {
          domainMin: 0,
          ...(figure.xMax === undefined ? { nice: true } : { domainMax: figure.xMax, nice: false }),
        },
      },
      color: { field: 'series', type: 'nominal', title: null, scale: { domain: labels, range: colors } },
      ...(values.some((row) => row.curve !== undefined) && { detail: { field: 'curve', type: 'nominal' } }),
    },
    layer: [
      ...(hasBehind
        ? [
            { ...band(bandOpacity.behind), ...behind },
            { ...line(strokes.behind), ...behind },
          ]
        : []),
      ...(figure.lines === 'mean' ? [{ ...band(bandOpacity.own), ...own }] : []),
      { ...line(strokes[figure.lines]), ...own },
      {
        transform: [{ filter: 'datum.alone' }],
        mark: { type: 'circle', size: 30, opacity: 1, clip: true },
        encoding: {
          y: { field: 'mean', type: 'quantitative' },
        },
      },
      ...(figure.caption.length > 0 ? [captionLayer(figure.caption)] : []),
    ],
    config: {
      font: fontFamily,
      view: { stroke: null },
      title: {
        anchor: 'start',
        frame: 'group',
        fontSize: 15,
        color: ink,
        subtitleFontSize: 11,
        subtitleLineHeight: 14,
        subtitleColor: '#555555',
        subtitlePadding: 4,
        offset: 8,
      },
      axis: {
        labelFontSize: 13,
        titleFontSize: 14,
        titleFontWeight: 'normal',
        labelColor: ink,
        titleColor: ink,
        titlePadding: 8,
        domainColor: ink,
        tickColor: ink,
        gridColor: '#e4e4e4',
        tickCount: 6,
        labelFlush: false,
      },
      legend: {
        orient: 'top',
        direction: 'horizontal',
        columns: legendColumns(labels),
        symbolType: 'stroke',
        symbolSize: 800,
        symbolStrokeWidth: 2.5,
        labelFontSize: 13,
        labelColor: ink,
        labelLimit: 400,
        columnPadding: 16,
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
      y: { expr: 'height + 52' },
      align: 'left',
      baseline: 'top',
      fontSize: 11,
      lineHeight: 14,
      fontStyle: 'italic',
    },
    encoding: { x: { value: 0 }, color: { value: ink } },
  };
}

interface Row {
  readonly series: string;
  /** Which of several curves of the series. */
  readonly curve?: number;
  readonly behind?: true;
  readonly x: number;
  readonly mean: number | null;
  readonly low: number | null;
  readonly high: number | null;
  readonly alone?: true;
}

function rowsOfSeries({ label, curves, behind = [] }: Series): Row[] {
  const several = curves.length + behind.length > 1;
  return [
    ...curves.flatMap((curve, i) => rowsOf({ series: label, ...(several && { curve: i }) }, curve)),
    ...behind.flatMap((curve, i) => rowsOf({ series: label, curve: curves.length + i, behind: true }, curve)),
  ];
}

function rowsOf(of: Pick<Row, 'series' | 'curve' | 'behind'>, points: Curve): Row[] {
  return points.map(({ x, mean, std }, i) => {
    const [before, after] = [points[i - 1]?.mean, points[i + 1]?.mean];
    const alone = Number.isFinite(mean) && !Number.isFinite(before) && !Number.isFinite(after);
    return {
      ...of,
      x,
      mean: finite(mean),
      low: std === null ? null : finite(mean - std),
      high: std === null ? null : finite(mean + std),
      ...(alone ? { alone } : {}),
    };
  });
}

/** As many columns as fit above the plot: a label takes some 7.2 px a character, the line beside it 46 px. */
function legendColumns(labels: readonly string[]): number {
  const longest = Math.max(0, ...labels.map((label) => label.length));
  return Math.max(1, Math.floor(width / (46 + 7.2 * longest)));
}

function finite(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}

/** Lines of at most `length` characters, broken between parts; a longer part has a line of its own. */
function wrap(parts: readonly string[], separator: string, length: number): string[] {
  return parts.reduce<string[]>((lines, part) => {
    const last = lines.at(-1);
    if (last === undefined || last.length + separator.length + part.length > length) return [...lines, part];
    return [...lines.slice(0, -1), last + separator + part];
  }, []);
}
