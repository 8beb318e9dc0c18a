/** From the data of a figure to TikZ: a pgfplots axis with its data inline, for papers; equal figures give equal text. */
import { rgb } from 'd3-color';
import { axesOf, within, type Axis } from './axes.js';
import { bandOpacity, strokes, type Curve, type FigureData, type Series } from './spec.js';
import { escapeLatex } from './latex.js';

/** A pixel of the SVG on paper, where a figure is a column (8.5 cm) wide. */
const pointsPerPixel = 0.5;
const columnWidth = '8.5cm';
/** Points for the axis itself, and for a legend, which may also take the room above the labels of the y axis. */
const room = 240;

interface Point {
  readonly x: number;
  readonly y: number;
}

/**
 * One `tikzpicture`. It needs pgfplots alone, with \pgfplotsset{compat=1.9} or later, and takes the width of
 * \figurewidth where a document defines it. Fractions are in percent.
 */
export function renderTikz(figure: FigureData): string {
  const lines = [
    ...header(figure),
    `\\providecommand{\\figurewidth}{${columnWidth}}%`,
    '\\begin{tikzpicture}',
    ...figure.series.map(({ style }, i) => `  \\definecolor{${colorName(i)}}{HTML}{${hexOf(style.color)}}`),
    '  \\begin{axis}[',
    ...axisOptions(figure).map((option) => `    ${option},`),
    '  ]',
    ...plots(figure),
    ...figure.series.flatMap(legendEntry),
    '  \\end{axis}',
    '\\end{tikzpicture}%',
  ];
  return lines.join('\n') + '\n';
}

function header({ title, subtitle, xTitle, yTitle, series, caption }: FigureData): string[] {
  const about = [
    title,
    subtitle.join(', '),
    `${yTitle} by ${xTitle} of ${series.map(({ label }) => label).join('; ')}`,
    ...caption,
  ];
  const use = [
    '',
    'In the preamble: \\usepackage{pgfplots} \\pgfplotsset{compat=1.9} (or later); where it belongs: \\input{this file}.',
    `It is ${columnWidth} wide; \\newcommand{\\figurewidth}{\\linewidth} before it makes it as wide as the text.`,
  ];
  return [...about, ...use].map((line) => `% ${line.replace(/\s+/g, ' ')}`.trimEnd());
}

function axisOptions(figure: FigureData): string[] {
  const { x, y } = axesOf(figure);
  const percent = figure.yKind === 'fraction';
  const yTicks = percent ? y.ticks.map((tick) => 100 * tick) : y.ticks;
  const [yLow, yHigh] = y.domain.map((end) => yOf(figure, end));
  return [
    'width=\\figurewidth',
    'height={0.72*\\figurewidth}',
    `xmin=${number(x.domain[0])}, xmax=${number(x.domain[1])}`,
    `ymin=${number(yLow)}, ymax=${number(yHigh)}`,
    `xtick={${x.ticks.map(number).join(',')}}`,
    `ytick={${yTicks.map(number).join(',')}}`,
    `xlabel={${escapeLatex(figure.xTitle)}}`,
    `ylabel={${escapeLatex(figure.yTitle)}}`,
    'scaled ticks=false',
    `xticklabel style={${numberFormat(x.ticks)}}`,
    `yticklabel style={${numberFormat(yTicks)}}`,
    ...(percent ? ['yticklabel={\\pgfmathprintnumber{\\tick}\\,\\%}'] : []),
    'tick label style={font=\\footnotesize}',
    'label style={font=\\small}',
    'axis x line*=bottom',
    'axis y line*=left',
    'tick align=outside',
    'grid=major',
    'major grid style={line width=0.4pt, draw=black!11}',
    'legend style={at={(1,1.03)}, anchor=south east, draw=none, fill=none, inner xsep=0pt, font=\\footnotesize, /tikz/every even column/.append style={column sep=5pt}}',
    'legend cell align=left',
    `legend columns=${legendColumns(figure.series)}`,
  ];
}

/** Tick labels of one kind: as many decimals for all as the step between them has. */
function numberFormat(ticks: readonly number[]): string {
  const decimals = Math.max(0, ...ticks.map((tick) => number(tick).split('.')[1]?.length ?? 0));
  const exponential = ticks.some((tick) => /e/.test(number(tick)) || Math.abs(tick) >= 1e7);
  if (exponential) return '/pgf/number format/sci';
  return `/pgf/number format/.cd, fixed, fixed zerofill, precision=${decimals}, 1000 sep={,}`;
}

/** As many columns as fit: a letter takes some 3.9 pt, the line beside the label and the gap 27 pt. */
function legendColumns(series: readonly Series[]): number {
  const longest = Math.max(...series.map(({ label }) => label.length));
  return Math.max(1, Math.min(series.length, Math.floor(room / (27 + 3.9 * longest))));
}

/** The same layers as in the SVG: bands behind, lines behind, bands, lines, dots; none of them asks for a legend entry. */
function plots(figure: FigureData): string[] {
  const axes = axesOf(figure);
  const stroke = strokes[figure.lines];
  const each = (draw: (series: Series, color: string) => string[]): string[] =>
    figure.series.flatMap((series, i) => {
      const drawn = draw(series, colorName(i));
      return drawn.length === 0 ? [] : [comment(series.label), ...drawn];
    });
  const bands = (curves: readonly Curve[], color: string, opacity: number): string[] =>
    (figure.lines === 'mean' ? curves : []).flatMap((curve) =>
      bandsOf(curve).map((outline) =>
        addplot(`draw=none, fill=${color}, fill opacity=${opacity}`, outline, figure, axes, ' -- cycle'),
      ),
    );
  const lines = (curves: readonly Curve[], of: Series, color: string, kind: 'own' | 'behind'): string[] =>
    curves.flatMap((curve) => {
      const { strokeWidth, opacity } = stroke[kind];
      const parts = finiteParts(curve);
      const options = `${color}, ${lineOptions(of, strokeWidth)}${opacity < 1 ? `, opacity=${opacity}` : ''}`;
      return parts.filter((part) => part.length > 1).map((part) => addplot(options, part, figure, axes));
    });
  const dots = ({ curves, behind = [] }: Series, color: string): string[] =>
    [...curves, ...behind].flatMap((curve) =>
      finiteParts(curve)
        .filter((part) => part.length === 1)
        .map((part) => addplot(`${color}, only marks, mark=*, mark size=1.4pt`, part, figure, axes)),
    );
  return [
    ...each(({ behind = [] }, color) => bands(behind, color, bandOpacity.behind)),
    ...each((series, color) => lines(series.behind ?? [], series, color, 'behind')),
    ...each(({ curves }, color) => bands(curves, color, bandOpacity.own)),
    ...each((series, color) => lines(series.curves, series, color, 'own')),
    ...each(dots),
  ];
}

function lineOptions({ style }: Series, strokeWidth: number): string {
  const width = `line width=${number(strokeWidth * pointsPerPixel)}pt`;
  if (style.dash.length === 0) return width;
  const dash = style.dash.map((length, i) => `${i % 2 === 0 ? 'on' : 'off'} ${number(length * pointsPerPixel)}pt`);
  return `${width}, dash pattern=${dash.join(' ')}`;
}

/** A line of its own for the legend, thick enough to see whatever the plot's lines are. */
function legendEntry(series: Series, i: number): string[] {
  return [
    `    \\addlegendimage{${colorName(i)}, ${lineOptions(series, strokes.legend.strokeWidth)}}`,
    `    \\addlegendentry{${escapeLatex(series.label)}}`,
  ];
}

function addplot(
  options: string,
  points: readonly Point[],
  figure: FigureData,
  { x, y }: { readonly x: Axis; readonly y: Axis },
  end = '',
): string {
  const coordinates = points.map((point) => {
    const held = { x: within(x, point.x), y: within(y, point.y) };
    return `(${number(held.x)},${number(yOf(figure, held.y))})`;
  });
  return [`    \\addplot[${options}, forget plot] coordinates {`, ...rowsOf(coordinates), `    }${end};`].join('\n');
}

function yOf({ yKind }: FigureData, value: number): number {
  return yKind === 'fraction' ? 100 * value : value;
}

/** The stretches of a curve between values that are not finite. */
function finiteParts(curve: Curve): Point[][] {
  return stretches(curve.map(({ x, mean }) => (Number.isFinite(mean) ? { x, y: mean } : null)));
}

/** The outlines of mean +- standard deviation: there along the upper edge and back along the lower one. */
function bandsOf(curve: Curve): Point[][] {
  const edges = curve.map(({ x, mean, std }) =>
    std !== null && Number.isFinite(mean + std) ? { x, high: mean + std, low: mean - std } : null,
  );
  return stretches(edges)
    .filter((edge) => edge.length > 1)
    .map((edge) => [
      ...edge.map(({ x, high }) => ({ x, y: high })),
      ...edge.toReversed().map(({ x, low }) => ({ x, y: low })),
    ]);
}

function stretches<T>(items: readonly (T | null)[]): T[][] {
  const found: T[][] = [[]];
  for (const item of items) {
    if (item === null) found.push([]);
    else found.at(-1)?.push(item);
  }
  return found.filter((stretch) => stretch.length > 0);
}

/** Words in lines of readable length. */
function rowsOf(words: readonly string[]): string[] {
  const perRow = 6;
  return Array.from(
    { length: Math.ceil(words.length / perRow) },
    (_, i) => `      ${words.slice(i * perRow, (i + 1) * perRow).join(' ')}`,
  );
}

/** Six digits: more than print shows. */
function number(value: number | undefined): string {
  return String(Number((value ?? NaN).toPrecision(6)));
}

function colorName(i: number): string {
  return `hbpcolor${i + 1}`;
}

/** RRGGBB of a CSS colour; black for what is none, as browsers draw it. */
function hexOf(color: string): string {
  const parsed = rgb(color);
  return Number.isNaN(parsed.r) ? '000000' : parsed.formatHex().slice(1).toUpperCase();
}

function comment(text: string): string {
  return `    % ${text.replace(/\s+/g, ' ')}`;
}
