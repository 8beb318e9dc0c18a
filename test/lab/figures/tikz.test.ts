import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { figureContent, type FigureSources } from '../../../src/lab/figures/data.js';
import { planFigures } from '../../../src/lab/figures/plan.js';
import type { Curve, FigureData, Series } from '../../../src/lab/figures/spec.js';
import { renderTikz } from '../../../src/lab/figures/tikz.js';
import { madeSource, paper } from './made.js';
import { readTex, type TexPlot } from './tex.js';

const curve = (...points: [x: number, mean: number, std?: number][]): Curve =>
  points.map(([x, mean, std = null]) => ({ x, mean, std }));

const sgd: Series = {
  label: 'SGD',
  style: { color: '#fd8d3c', dash: [] },
  curves: [curve([0, 2.3, 0.1], [1, 2, 0.2], [2, NaN], [3, 1.5, 0.5], [4, 1.4, 0.4], [5, NaN], [6, 1.2, 0.1])],
};
const cg: Series = {
  label: 'CG',
  style: { color: 'rgb(37, 52, 148)', dash: [7, 3] },
  curves: [curve([0, 2.3], [6, 1])],
};
const figure: FigureData = {
  title: 'A figure',
  subtitle: ['MNIST', 'mean ± std over 2 seeds'],
  xTitle: 'Epoch',
  yTitle: 'Train loss [nats]',
  yKind: 'plain',
  lines: 'mean',
  series: [sgd, cg],
  caption: ['Missing, no data: KFAC (exp08/kfac).'],
};

const tex = (data: FigureData) => readTex(renderTikz(data));
const bands = (plots: readonly TexPlot[]): TexPlot[] => plots.filter(({ closed }) => closed);
const dots = (plots: readonly TexPlot[]): TexPlot[] => plots.filter(({ options }) => options.includes('only marks'));
const lines = (plots: readonly TexPlot[]): TexPlot[] =>
  plots.filter((plot) => !plot.closed && !dots([plot]).includes(plot));

describe('what it draws', () => {
  test('the comment on top says what it is, whose, what lacks, and how to use it', () => {
    const { header } = tex(figure);
    expect(header.slice(0, 4)).toEqual([
      '% A figure',
      '% MNIST, mean ± std over 2 seeds',
      '% Train loss [nats] by Epoch of SGD; CG',
      '% Missing, no data: KFAC (exp08/kfac).',
    ]);
    expect(header.join('\n')).toContain('\\usepackage{pgfplots} \\pgfplotsset{compat=1.9}');
    expect(header.join('\n')).toContain('\\newcommand{\\figurewidth}{\\linewidth}');
  });

  test('lines in the order, colour and dash of the series, broken where a value is not finite', () => {
    const { plots, colors } = tex(figure);
    expect([...colors]).toEqual([
      ['hbpcolor1', 'FD8D3C'],
      ['hbpcolor2', '253494'],
    ]);
    expect(lines(plots).map(({ options, points }) => [options.slice(0, -1), points])).toEqual([
      [
        ['hbpcolor1', 'line width=1pt'],
        [
          [0, 2.3],
          [1, 2],
        ],
      ],
      [
        ['hbpcolor1', 'line width=1pt'],
        [
          [3, 1.5],
          [4, 1.4],
        ],
      ],
      [
        ['hbpcolor2', 'line width=1pt', 'dash pattern=on 3.5pt off 1.5pt'],
        [
          [0, 2.3],
          [6, 1],
        ],
      ],
    ]);
    expect(plots.every(({ options }) => options.at(-1) === 'forget plot')).toBe(true);
  });

  test('bands are closed outlines of mean +- std at 30 %, before the lines; a value alone is a dot', () => {
    const { plots } = tex(figure);
    const [first, second] = bands(plots);
    expect(first?.options).toEqual(['draw=none', 'fill=hbpcolor1', 'fill opacity=0.3', 'forget plot']);
    expect(first?.points).toEqual([
      [0, 2.4],
      [1, 2.2],
      [1, 1.8],
      [0, 2.2],
    ]);
    expect(second?.points).toHaveLength(4);
    expect(plots.slice(0, 2)).toEqual([first, second]);
    expect(dots(plots).map(({ points }) => points)).toEqual([[[6, 1.2]]]);
  });

  test('the legend has every series once, above the plot, with lines thicker than those of seeds', () => {
    const seeds = {
      ...figure,
      lines: 'seeds',
      series: [{ ...sgd, curves: [...sgd.curves, ...cg.curves] }, cg],
    } as const;
    const { legend, axis, plots } = tex(seeds);
    expect(legend).toEqual([
      { options: ['hbpcolor1', 'line width=1.25pt'], label: 'SGD' },
      { options: ['hbpcolor2', 'line width=1.25pt', 'dash pattern=on 3.5pt off 1.5pt'], label: 'CG' },
    ]);
    expect(axis.get('legend style')).toContain('at={(1,1.03)}, anchor=south east');
    expect(bands(plots)).toEqual([]);
    expect(lines(plots).every(({ options }) => options.includes('line width=0.6pt'))).toBe(true);
  });

  test('other runs lie behind, pale; a series that only they have is in the legend too', () => {
    const { plots, legend } = tex({ ...figure, series: [{ ...sgd, curves: [], behind: sgd.curves }, cg] });
    expect(plots[0]?.options).toEqual(['draw=none', 'fill=hbpcolor1', 'fill opacity=0.12', 'forget plot']);
    const [pale, , strong] = lines(plots);
    expect(pale?.options).toEqual(['hbpcolor1', 'line width=0.8pt', 'opacity=0.4', 'forget plot']);
    expect(strong?.options[0]).toBe('hbpcolor2');
    expect(legend.map(({ label }) => label)).toEqual(['SGD', 'CG']);
  });

  test('the axes of the SVG: limits, ticks, titles with units', () => {
    const { axis } = tex({ ...figure, xMax: 5.5 });
    const found = ['xmin', 'xmax', 'ymin', 'ymax', 'xtick', 'ytick', 'xlabel', 'ylabel', 'width', 'height'];
    expect(found.map((key) => axis.get(key))).toEqual([
      '0',
      '5.5',
      '0.8',
      '2.4',
      '{0,1,2,3,4,5}',
      '{0.8,1,1.2,1.4,1.6,1.8,2,2.2,2.4}',
      '{Epoch}',
      '{Train loss [nats]}',
      '\\figurewidth',
      '{0.72*\\figurewidth}',
    ]);
    expect(axis.get('yticklabel style')).toContain('precision=1');
    expect(axis.get('xticklabel style')).toContain('precision=0');
  });

  test('fractions are in percent', () => {
    const accuracy = { ...sgd, curves: [curve([0, 0.1], [1, 0.3], [2, 0.575])] };
    const { axis, plots } = tex({ ...figure, yKind: 'fraction', series: [accuracy] });
    expect([axis.get('ymin'), axis.get('ymax'), axis.get('ytick')]).toEqual(['0', '60', '{0,10,20,30,40,50,60}']);
    expect(axis.get('yticklabel')).toBe('{\\pgfmathprintnumber{\\tick}\\,\\%}');
    expect(lines(plots)[0]?.points).toEqual([
      [0, 10],
      [1, 30],
      [2, 57.5],
    ]);
  });

  test('what is far outside is held near enough for TeX, whose lengths end at 5.75 m', () => {
    const exploding = { ...sgd, curves: [curve([0, 2, 1], [1, 1e30, 1e29], [1e6, 2, 0.1])] };
    const { plots } = tex({ ...figure, xMax: 5, yMax: 3, series: [exploding, cg] });
    const all = plots.flatMap(({ points }) => points.flat());
    expect(Math.max(...all.map(Math.abs))).toBeLessThan(110);
  });

  test('labels stand for themselves in LaTeX', () => {
    const { legend, axis } = tex({
      ...figure,
      xTitle: 'a\n  b',
      series: [{ ...sgd, label: '50% of $x_1$ & {α±2} ~ #^\\ 力 é' }],
    });
    expect(legend[0]?.label).toBe(
      '50\\% of \\$x\\_1\\$ \\& \\{\\ensuremath{\\alpha}\\ensuremath{\\pm}2\\} \\textasciitilde{} \\#\\textasciicircum{}\\textbackslash{} ? é',
    );
    expect(axis.get('xlabel')).toBe('{a b}');
  });

  test('a comment cannot be left by a line break, and no colour is black', () => {
    const odd = {
      ...figure,
      title: 'A\n\\input{x}',
      caption: ['a\r\nb'],
      series: [{ ...sgd, label: 'SGD\n\\end', style: { color: 'nonsense', dash: [] } }],
    };
    const { header, colors } = tex(odd);
    expect(header).toContain('% A \\input{x}');
    expect(header).toContain('% a b');
    expect([...colors.values()]).toEqual(['000000']);
  });
});

describe('the reader of these tests', () => {
  const good = renderTikz(figure);
  test.each([
    ['a coordinate that is not finite', good.replace('(1,2)', '(1,NaN)')],
    ['a coordinate without its pair', good.replace('(1,2)', '(1)')],
    ['a missing semicolon', good.replace(/\};/, '}')],
    ['a brace too few', good.replace('{Epoch}', '{Epoch')],
    ['a brace too many', good.replace('{Epoch}', '{Epoch}}')],
    ['an unknown colour', good.replace('\\definecolor{hbpcolor2}', '\\definecolor{other2}')],
    ['an environment left open', good.replace('\\end{axis}', '')],
    ['a legend entry too few', good.replace(/ *\\addlegendentry.*\n/, '')],
    ['words of its own', good.replace('\\end{axis}', 'words \\end{axis}')],
  ])('refuses %s', (_what, bad) => {
    expect(bad).not.toBe(good);
    expect(() => readTex(bad)).toThrow(Error);
  });
});

const made = { epochs: 3, evaluationsPerEpoch: 4 };
const source = madeSource({ ...made, seeds: [0, 1, 2] });
const exploding = madeSource({
  ...made,
  seeds: [0, 1, 2],
  change: (row, { variant }) => ({
    ...row,
    train_loss: row.train_loss * (variant === 'pch-clip' ? 99 ** row.epoch : 1),
  }),
});
const drawn = ({ name, ...sources }: { name: string } & FigureSources): FigureData => {
  const plan = planFigures(paper).find((each) => each.name === name);
  const data = plan && figureContent(plan, sources).data;
  if (!data) throw new Error(`${name} has no data`);
  return data;
};

test('every figure of the paper is well-formed, with all its lines, bands and labels', () => {
  for (const plan of planFigures(paper)) {
    const data = drawn({ name: plan.name, source });
    const { plots, legend, axis, colors } = tex(data);
    expect(legend).toHaveLength(plan.lines.length);
    expect(colors.size).toBe(plan.lines.length);
    expect(lines(plots)).toHaveLength(plan.drawnAs === 'seeds' ? 3 * plan.lines.length : plan.lines.length);
    expect(bands(plots)).toHaveLength(plan.drawnAs === 'seeds' ? 0 : plan.lines.length);
    expect(axis.get('xlabel')).toBe(plan.x === 'wall' ? '{Wall clock [s]}' : '{Epoch}');
    expect(renderTikz(data)).toBe(renderTikz(data));
  }
});

const hasTex =
  spawnSync('kpsewhich', ['pgfplots.sty']).status === 0 && spawnSync('pdflatex', ['--version']).status === 0;
if (!hasTex) process.stderr.write('the TikZ figures are read, not compiled: there is no pdflatex with pgfplots here\n');

(hasTex ? describe : describe.skip)('pdflatex, with pgfplots alone', () => {
  const folder = mkdtempSync(join(tmpdir(), 'hbp-tex-'));
  afterAll(() => rmSync(folder, { recursive: true }));

  const usual: readonly FigureData[] = [
    figure,
    drawn({ name: 'fig4_1', source }),
    drawn({ name: 'fig5a_2', source }),
    drawn({ name: 'fig5b_1', source }),
    drawn({ name: 'figS6_2', source }),
    drawn({ name: 'exp01/train_loss', source }),
    drawn({ name: 'exp08/wall_test_accuracy', source }),
    drawn({ name: 'fig5a_1', source: exploding, behind: source }),
  ];
  const figures: readonly FigureData[] = [
    ...usual,
    { ...figure, series: [{ ...sgd, label: '50% of $x_1$ & {α±2} ~ #^\\ <|> "é" 力' }] },
    { ...figure, series: [{ ...sgd, curves: [curve([0, 2.3])] }] },
    { ...figure, series: [{ ...sgd, curves: [curve([0, 1e-9], [1, 3e-9])] }] },
    { ...figure, series: [{ ...sgd, curves: [curve([0, 1e12], [1, 3e12])] }] },
  ];

  test.each(['1.9', 'newest'])('compiles every kind, compat=%s: no error, about a column wide', (compat) => {
    figures.forEach((data, i) => writeFileSync(join(folder, `figure${i}.tex`), renderTikz(data)));
    const source = [
      '\\documentclass{article}',
      `\\usepackage{pgfplots}\\pgfplotsset{compat=${compat}}`,
      '\\newsavebox{\\figbox}',
      '\\begin{document}',
      ...figures.map(
        (_, i) => `\\sbox{\\figbox}{\\input{figure${i}}}\\typeout{WIDTH \\the\\wd\\figbox}\\usebox{\\figbox}\\par`,
      ),
      '{\\newcommand{\\figurewidth}{0.5\\linewidth}\\sbox{\\figbox}{\\input{figure0}}\\typeout{HALF \\the\\wd\\figbox}}',
      '\\end{document}',
    ];
    writeFileSync(join(folder, 'paper.tex'), source.join('\n'));
    const options = ['-interaction=nonstopmode', '-halt-on-error', 'paper.tex'];
    const { status, stdout } = spawnSync('pdflatex', options, { cwd: folder, encoding: 'utf8', timeout: 170_000 });
    const said = stdout.split('\n');
    expect(said.filter((line) => /^!|Warning|Missing character/.test(line))).toEqual([]);
    expect(status).toBe(0);
    expect(readFileSync(join(folder, 'paper.pdf')).subarray(0, 5).toString()).toBe('%PDF-');
    const widths = (word: string): number[] =>
      said.filter((line) => line.startsWith(word)).map((line) => parseFloat(line.slice(word.length)) / 28.45);
    expect(widths('WIDTH')).toHaveLength(figures.length);
    for (const width of widths('WIDTH').slice(0, usual.length)) {
      expect(width).toBeGreaterThan(7.8);
      expect(width).toBeLessThan(8.9);
    }
    expect(widths('HALF')[0]).toBeCloseTo(6.05, 0);
  });
});
