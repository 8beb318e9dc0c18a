import type { TopLevelSpec } from 'vega-lite';
import { axisConfig, fontFamily, titleConfig } from '../figures/look.js';
import { headed } from './facets.js';
import { counted, headingOf, labelOf } from './heading.js';
import type { Inspection } from './inspect.js';
import { kinds, wayLabels, ways } from './kinds.js';
import type { CurvatureMatrix } from './measure.js';
import { heatColors, heatMap } from './pixels.js';
import { percentile, type Symlog, symlogLabel, symlogTicks } from './symlog.js';

const side = 230;
/** Magnitudes of entries that are told from zero. */
const decades = 2;
/** Of all entries that are not zero, so many have a place on the scale; what is beyond has the colour of the end. */
const shown = 0.999;

/** All matrices side by side on one scale of colours: a row a way, a column a curvature. */
export function blocksSpec(inspection: Inspection): TopLevelSpec {
  const { matrices } = inspection;
  const scale = scaleOf(matrices);
  return {
    ...headed(subtitled(inspection, scale), 150),
    columns: kinds.length,
    spacing: { row: 12, column: 16 },
    concat: ways.flatMap((way, row) =>
      kinds.map(({ secondOrder }, column) => {
        const matrix = matrices.find((each) => each.way === way && each.secondOrder === secondOrder)!;
        return panelOf(inspection, matrix, scale, { row, column });
      }),
    ),
    resolve: { scale: { color: 'shared' } },
    config: {
      font: fontFamily,
      view: { stroke: null },
      title: titleConfig,
      axis: { ...axisConfig, labelFontSize: 12, titleFontSize: 13, grid: false, domain: false, tickSize: 4 },
      legend: {
        labelFontSize: 12,
        titleFontSize: 13,
        titleFontWeight: 'normal',
        gradientLength: 420,
        gradientThickness: 14,
      },
    },
  } as unknown as TopLevelSpec;
}

function scaleOf(matrices: readonly CurvatureMatrix[]): Symlog {
  const ends = matrices.map(({ entries }) =>
    percentile(
      entries.filter((entry) => entry !== 0),
      shown,
    ),
  );
  const most = Math.max(...ends) || 1;
  return { most, constant: most / 10 ** decades };
}

function subtitled(inspection: Inspection, { constant }: Symlog) {
  const { title, subtitle } = headingOf(inspection, 'curvature of the parameters, block by block');
  const { parameters, parametersInAll, matrices } = inspection;
  const whole = parameters.reduce((sum, { size }) => sum + size, 0);
  const drawn = matrices[0]?.size ?? 0;
  const sample = drawn < whole ? `${counted(drawn)} drawn at random of ` : '';
  return {
    title,
    subtitle: [
      ...subtitle,
      `${sample}${counted(whole)}${whole < parametersInAll ? ` of ${counted(parametersInAll)}` : ''} parameters`,
      `colours are linear below ${constant.toExponential(0)}, logarithmic beyond`,
    ],
  };
}

interface Place {
  readonly row: number;
  readonly column: number;
}

function panelOf(inspection: Inspection, matrix: CurvatureMatrix, scale: Symlog, { row, column }: Place) {
  const { size, entries, way, secondOrder } = matrix;
  const { parameterEnds, layers } = boundaries(inspection);
  const axis = (title: string, channel: 'x' | 'y') => ({
    field: channel,
    type: 'quantitative',
    title,
    scale: { domain: [0, size], nice: false, ...(channel === 'y' && { reverse: true }) },
  });
  const x = {
    ...axis(row === ways.length - 1 ? indexTitle(inspection) : '', 'x'),
    axis: { values: [0, ...layers.map(({ end }) => end)], format: ',d' },
  };
  const names = Object.fromEntries(layers.map(({ name, middle }) => [middle, `layer ${name}`]));
  const y = {
    ...axis(column === 0 ? wayLabels[way] : '', 'y'),
    axis:
      column === 0
        ? {
            values: layers.map(({ middle }) => middle),
            labelExpr: `${JSON.stringify(names)}[datum.value]`,
            ticks: false,
          }
        : { labels: false, ticks: false },
  };
  const line = (ends: readonly number[], look: object) => [
    { data: { values: ends.map((end) => ({ x: end })) }, mark: { type: 'rule', ...look }, encoding: { x } },
    { data: { values: ends.map((end) => ({ y: end })) }, mark: { type: 'rule', ...look }, encoding: { y } },
  ];
  return {
    width: side,
    height: side,
    ...(row === 0 && { title: { text: labelOf(secondOrder), fontSize: 14, anchor: 'middle', offset: 6 } }),
    layer: [
      {
        data: { values: [{ x: size / 2, y: size / 2 }] },
        mark: { type: 'image', url: heatMap(entries, size, scale), width: side, height: side, aspect: false },
        encoding: { x, y },
      },
      ...line(parameterEnds, { color: '#999999', strokeWidth: 0.4 }),
      ...line([0, ...layers.map(({ end }) => end)], { color: '#222222', strokeWidth: 0.8 }),
      {
        data: { values: [{ x: 0, y: 0, value: 0 }] },
        mark: { type: 'point', opacity: 0 },
        encoding: { x, y, color: colorOf(scale) },
      },
    ],
  };
}

/** The legend; the pictures have its colours, but not from it. */
function colorOf(scale: Symlog) {
  const { most, constant } = scale;
  return {
    field: 'value',
    type: 'quantitative',
    title: 'entry',
    scale: { type: 'symlog', constant, domain: [-most, most], range: [...heatColors], interpolate: 'rgb', nice: false },
    legend: { values: symlogTicks(scale, [-most, most]), labelExpr: symlogLabel },
  };
}

function indexTitle({ parameters }: Inspection): string {
  return parameters.every(({ size, elements }) => elements.length === size) ? 'parameter index' : 'drawn parameter';
}

interface LayerPlace {
  readonly name: string;
  readonly middle: number;
  readonly end: number;
}

/** Where parameters and layers end among the rows. */
function boundaries({ parameters }: Inspection): {
  readonly parameterEnds: readonly number[];
  readonly layers: readonly LayerPlace[];
} {
  const parameterEnds: number[] = [];
  const layers: LayerPlace[] = [];
  let [end, begin] = [0, 0];
  parameters.forEach(({ layer, elements }, i) => {
    end += elements.length;
    parameterEnds.push(end);
    if (parameters[i + 1]?.layer === layer) return;
    layers.push({ name: layer, middle: (begin + end) / 2, end });
    begin = end;
  });
  return { parameterEnds: parameterEnds.slice(0, -1), layers };
}
