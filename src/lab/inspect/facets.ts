/** Small plots in a grid: a row a parameter, a column for each way to its curvature, a line for each curvature. */
import type { TopLevelSpec } from 'vega-lite';
import { axisConfig, fontFamily, titleConfig, wrap } from '../figures/look.js';
import { kinds, type Way, wayLabels, ways } from './kinds.js';
import { symlogFor, symlogLabel, symlogTicks } from './symlog.js';

export interface Heading {
  readonly title: string;
  /** Parts that a line break does not tear. */
  readonly subtitle: readonly string[];
}

/** A point of a line. */
export interface FacetPoint {
  /** Row of the grid. */
  readonly path: string;
  readonly way: Way;
  /** Label of the curvature. */
  readonly kind: string;
  readonly x: number;
  readonly y: number;
  /** Ends of a bar about the point. */
  readonly low?: number;
  readonly high?: number;
}

interface Facets extends Heading {
  readonly xTitle: string;
  readonly yTitle: string;
  /** Names of the rows, from the top. */
  readonly paths: readonly string[];
  readonly points: readonly FacetPoint[];
  /** Mark every point: there are few. */
  readonly dots: boolean;
}

const panel = { width: 300, height: 130 };
/** Magnitudes beside zero that are told apart. */
const decades = 5;

/** What every figure of an inspection begins with. */
export function headed({ title, subtitle }: Heading, characters: number) {
  return {
    $schema: 'https://vega.github.io/schema/vega-lite/v6.json',
    description: [title, subtitle.join(', ')].join('. '),
    padding: 8,
    background: 'white',
    title: {
      text: wrap(title.split(' '), ' ', Math.floor(characters * 0.7)),
      subtitle: wrap(subtitle, ' · ', characters),
    },
  };
}

/** The spec of a grid of lines, all rows on axes of their own that their two plots share. */
export function facetSpec(facets: Facets): TopLevelSpec {
  const { paths, xTitle, points, dots } = facets;
  const xEnds = (path: string): [number, number] => {
    const xs = points.filter((point) => point.path === path).map(({ x }) => x);
    return [Math.min(...xs), Math.max(...xs)];
  };
  return {
    ...headed(facets, 112),
    columns: ways.length,
    spacing: { row: 14, column: 20 },
    concat: paths.flatMap((path, row) =>
      ways.map((way) => ({
        ...panel,
        ...(row === 0 && { title: { text: wayLabels[way], fontSize: 14, anchor: 'middle', offset: 6 } }),
        data: { values: points.filter((point) => point.path === path && point.way === way).map(rowOf) },
        encoding: {
          x: {
            field: 'x',
            type: 'quantitative',
            title: row === paths.length - 1 ? xTitle : null,
            scale: { domain: xEnds(path), nice: false, zero: false },
            axis: { tickCount: 5, format: '~s', tickMinStep: 1 },
          },
          ...yAndColor(facets, path, way),
        },
        layer: [
          zeroLine,
          { mark: { type: 'line', strokeWidth: 1.8, clip: true } },
          ...(dots ? [{ mark: { type: 'circle', size: 24, opacity: 1 } }, errorBars] : []),
        ],
      })),
    ),
    config: {
      font: fontFamily,
      view: { stroke: null },
      title: titleConfig,
      axis: { ...axisConfig, labelFontSize: 12, titleFontSize: 13 },
      legend: {
        orient: 'top',
        direction: 'horizontal',
        symbolType: 'stroke',
        symbolSize: 800,
        symbolStrokeWidth: 2.5,
        labelFontSize: 13,
        columnPadding: 16,
      },
    },
  } as unknown as TopLevelSpec;
}

function yAndColor({ points, yTitle }: Facets, path: string, way: Way) {
  const values = points.filter((point) => point.path === path).flatMap(({ y, low = y, high = y }) => [y, low, high]);
  const scale = symlogFor(values, decades);
  const [least, greatest] = [Math.min(0, ...values), Math.max(0, ...values)];
  // A little room beyond the last line, and below zero where nothing is negative.
  const domain = [Math.min(1.5 * least, -0.3 * scale.constant), Math.max(1.5 * greatest, scale.constant)] as const;
  const field = <T extends object>(more: T): T & { field: 'kind'; type: 'nominal'; title: null } => ({
    ...{ field: 'kind', type: 'nominal', title: null },
    ...more,
  });
  const labels = kinds.map(({ label }) => label);
  return {
    y: {
      field: 'y',
      type: 'quantitative',
      title: way === 'exact' ? [path, yTitle] : null,
      scale: { type: 'symlog', constant: scale.constant, domain: [...domain], nice: false },
      axis: {
        values: domain[0] < -scale.constant ? symlogTicks(scale, domain, 2, 0.25) : symlogTicks(scale, domain),
        labelExpr: symlogLabel,
      },
    },
    color: field({ scale: { domain: labels, range: kinds.map(({ color }) => color) } }),
    strokeDash: field({ scale: { domain: labels, range: kinds.map(({ dash }) => [...dash]) } }),
  };
}

const zeroLine = {
  mark: { type: 'rule' },
  encoding: { x: null, y: { datum: 0 }, color: { value: '#999999' }, strokeDash: { value: [] } },
};

const errorBars = {
  mark: { type: 'rule' },
  encoding: { y: { field: 'low', type: 'quantitative' }, y2: { field: 'high' }, strokeDash: { value: [] } },
};

/** Six digits are plenty to look at. */
function rowOf({ kind, x, y, low = y, high = y }: FacetPoint) {
  const short = (value: number): number => Number(value.toPrecision(6));
  return { kind, x, y: short(y), ...(low < high && { low: short(low), high: short(high) }) };
}
