import { figureSpec, type FigureData } from '../../../src/lab/figures/spec.js';
import { domain, marks, run } from './scene.js';

const figure: FigureData = {
  title: 'A figure',
  subtitle: ['MNIST', 'seed 0'],
  xTitle: 'Epoch',
  yTitle: 'Train loss [nats]',
  yKind: 'plain',
  lines: 'mean',
  series: [
    {
      label: 'SGD',
      style: { color: '#fd8d3c', dash: [] },
      curves: [
        [
          { x: 0, mean: 2.3, std: 0.1 },
          { x: 1, mean: NaN, std: null },
          { x: 2, mean: 2, std: 0.2 },
          { x: 3, mean: 1.5, std: 0.5 },
        ],
      ],
    },
    {
      label: 'CG',
      style: { color: '#253494', dash: [7, 3] },
      curves: [
        [
          { x: 0, mean: 2.3, std: null },
          { x: 4, mean: 1, std: null },
        ],
      ],
    },
  ],
  caption: ['Missing, no data: KFAC (exp08/kfac).'],
};

test('lines are drawn in the order, colour and dash of the series', async () => {
  const { view } = await run(figure);
  const lines = marks(view, 'line').map(([item]) => [item?.stroke, item?.strokeDash]);
  expect(lines).toEqual([
    ['#fd8d3c', []],
    ['#253494', [7, 3]],
  ]);
});

test('the legend names every series, in order, with its colour and dash', async () => {
  const { vega, view } = await run(figure);
  expect(vega.legends).toHaveLength(1);
  expect(vega.legends?.[0]).toMatchObject({ stroke: 'color', strokeDash: 'strokeDash', values: ['SGD', 'CG'] });
  expect(marks(view, 'text', 'legend-label').map(([item]) => item?.text)).toEqual(['SGD', 'CG']);
});

test('the band is mean +- one standard deviation at 30 % opacity, and absent for one seed', async () => {
  const rows = (figureSpec(figure).data as { values: Record<string, unknown>[] }).values;
  expect(rows[3]).toEqual({ series: 'SGD', x: 3, mean: 1.5, low: 1, high: 2 });
  expect(rows[4]).toMatchObject({ series: 'CG', low: null, high: null });
  const { view } = await run(figure);
  const [sgd, cg] = marks(view, 'area');
  expect(sgd?.every((item) => item.fillOpacity === 0.3)).toBe(true);
  expect(sgd?.map((item) => item.defined)).toEqual([true, false, true, true]);
  expect(cg?.some((item) => item.defined !== false)).toBe(false);
});

test('a value that is not finite leaves a gap, not a bridge; a value alone between gaps is a dot', async () => {
  const { view } = await run(figure);
  expect(marks(view, 'line')[0]?.map((item) => item.defined)).toEqual([true, false, true, true]);
  expect(marks(view, 'symbol').flat()).toHaveLength(1);
});

test('Infinity does not stretch the axis', async () => {
  const [sgd] = figure.series;
  const series = [{ ...sgd!, curves: [[...sgd!.curves[0]!, { x: 4, mean: Infinity, std: null }]] }];
  const { view } = await run({ ...figure, series });
  const [low, high] = domain(view, 'y');
  expect([Number.isFinite(low), high]).toEqual([true, 2.4]);
});

test('x begins at 0; losses take the room they need; fractions begin at 0 % and end at 100 %', async () => {
  const plain = (await run({ ...figure, series: figure.series.slice(0, 1) })).view;
  expect(domain(plain, 'x')).toEqual([0, 3]);
  expect(domain(plain, 'y')).toEqual([1, 2.4]);

  const points = [
    { x: 5, mean: 0.9, std: 0.3 },
    { x: 9, mean: 0.95, std: 0.02 },
  ];
  const fraction = (await run({ ...figure, yKind: 'fraction', series: [{ ...figure.series[0]!, curves: [points] }] }))
    .view;
  expect(domain(fraction, 'x')[0]).toBe(0);
  expect(domain(fraction, 'y')).toEqual([0, 1]);
  expect(
    marks(fraction, 'text', 'axis-label')
      .flat()
      .map((item) => item.text),
  ).toContain('20%');
});

test('titles, axes with their units and the caption are all there', async () => {
  const { vega, view } = await run(figure);
  expect(vega.title).toMatchObject({ text: ['A figure'], subtitle: ['MNIST · seed 0'] });
  expect(vega.axes?.flatMap((axis) => axis.title ?? [])).toEqual(['Epoch', 'Train loss [nats]']);
  expect(
    marks(view, 'text')
      .flat()
      .map((item) => item.text),
  ).toEqual([figure.caption]);
});

test('nothing is said below a figure that is complete', async () => {
  const { view } = await run({ ...figure, caption: [] });
  expect(marks(view, 'text').flat()).toEqual([]);
});

test('a long caption and many long labels stay within the figure', async () => {
  const labels = Array.from({ length: 9 }, (_, i) => `CG (PCH, abs), alpha 0.00${i}, lr 0.1`);
  const { vega } = await run({
    ...figure,
    series: labels.map((label) => ({ ...figure.series[0]!, label })),
    caption: [labels.join('; ')],
  });
  expect(vega.legends?.[0]?.columns ?? (vega.config as { legend: { columns: number } }).legend.columns).toBe(1);
  const text = figureSpec({ ...figure, caption: [labels.join('; ')] });
  const caption = JSON.stringify(text).match(/"text":(\["CG[^\]]*\])/)?.[1] ?? '[]';
  const lines = JSON.parse(caption) as string[];
  expect(lines.length).toBeGreaterThan(2);
  expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(71);
});

const [sgdPoints = [], cgPoints = []] = figure.series.map(({ curves }) => curves[0]!);

test('one line a seed: thin lines of one colour, no bands, one legend entry', async () => {
  const series = [{ ...figure.series[0]!, curves: [sgdPoints, cgPoints] }, figure.series[1]!];
  const { view } = await run({ ...figure, lines: 'seeds', series });
  const lines = marks(view, 'line').map(([item]) => [item?.stroke, item?.strokeWidth]);
  expect(lines).toEqual([
    ['#fd8d3c', 1.2],
    ['#fd8d3c', 1.2],
    ['#253494', 1.2],
  ]);
  expect(marks(view, 'area')).toEqual([]);
  expect(marks(view, 'text', 'legend-label').map(([item]) => item?.text)).toEqual(['SGD', 'CG']);
});

test('other runs are drawn first, pale, in the colour and dash of their variant', async () => {
  const series = [
    { ...figure.series[0]!, curves: [], behind: [cgPoints] },
    { ...figure.series[1]!, behind: [sgdPoints] },
  ];
  const { view } = await run({ ...figure, series });
  const lines = marks(view, 'line').map(([item]) => [item?.stroke, item?.strokeDash, item?.opacity]);
  expect(lines).toEqual([
    ['#fd8d3c', [], 0.4],
    ['#253494', [7, 3], 0.4],
    ['#253494', [7, 3], 1],
  ]);
  expect(marks(view, 'text', 'legend-label').map(([item]) => item?.text)).toEqual(['SGD', 'CG']);
});

test('an axis limit is kept to the point', async () => {
  const { view } = await run({ ...figure, xMax: 3.3 });
  expect(domain(view, 'x')).toEqual([0, 3.3]);
});

test('the y axis leaves out what is not in view, and no less than 0 for a band', async () => {
  const curve = [
    { x: 0, mean: 2, std: null },
    { x: 1, mean: 0.3, std: 0.5 },
    { x: 9, mean: 50, std: null },
  ];
  const { view } = await run({ ...figure, xMax: 2, series: [{ ...figure.series[0]!, curves: [curve] }] });
  expect(domain(view, 'y')).toEqual([0, 2]);
});

test('beyond the limit of y a line leaves the plot; its place far away is held near enough to draw', async () => {
  const curve = [
    { x: 0, mean: 2, std: null },
    { x: 1, mean: 1e30, std: null },
  ];
  const exploding = {
    ...figure,
    yMax: 3,
    series: [...figure.series, { ...figure.series[0]!, label: 'x', curves: [curve] }],
  };
  const { view } = await run(exploding);
  expect(domain(view, 'y')).toEqual([1, 3]);
  const { values } = figureSpec(exploding).data as { values: { mean: number }[] };
  expect(values.at(-1)?.mean).toBe(3 + 20 * 2);
});

test('an accuracy does not lie on the upper end of the axis, unless that is 100 %', async () => {
  const flat = (mean: number): FigureData => ({
    ...figure,
    yKind: 'fraction',
    series: [{ ...figure.series[0]!, curves: [[0, 1].map((x) => ({ x, mean, std: null }))] }],
  });
  expect(domain((await run(flat(0.1))).view, 'y')[1]).toBeGreaterThan(0.105);
  expect(domain((await run(flat(1))).view, 'y')).toEqual([0, 1]);
});

test('lines and bands are clipped at the axes where they go beyond, and only then', () => {
  const isClipped = (data: FigureData): boolean => JSON.stringify(figureSpec(data)).includes('"clip":true');
  expect(isClipped(figure)).toBe(false);
  expect(isClipped({ ...figure, xMax: 2 })).toBe(true);
  expect(isClipped({ ...figure, yMax: 2 })).toBe(true);
  const band = [{ x: 0, mean: 0.1, std: 0.2 }]; // down to less than 0, where the axis ends
  expect(isClipped({ ...figure, series: [{ ...figure.series[0]!, curves: [band] }] })).toBe(true);
});

test('one evaluation alone has axes to be on', async () => {
  const { view } = await run({
    ...figure,
    series: [{ ...figure.series[0]!, curves: [[{ x: 0, mean: 2.3, std: null }]] }],
  });
  for (const [low, high] of [domain(view, 'x'), domain(view, 'y')]) expect(high).toBeGreaterThan(low!);
});

test('the y axis begins and ends at a tick, and wastes little room', async () => {
  const curve = [
    { x: 0, mean: 2.42, std: null },
    { x: 1, mean: 0.76, std: null },
  ];
  const { view } = await run({ ...figure, series: [{ ...figure.series[0]!, curves: [curve] }] });
  expect(domain(view, 'y')).toEqual([0.5, 2.5]);
  const labels = marks(view, 'text', 'axis-label')
    .flat()
    .map((item) => item.text);
  expect(labels).toEqual(expect.arrayContaining(['0.5', '1.0', '1.5', '2.0', '2.5']));
});

test('a hundred lines of a thousand points each have axes, too', () => {
  const points = Array.from({ length: 1000 }, (_, i) => ({ x: i, mean: 2 + Math.sin(i), std: 0.5 }));
  const [series] = figure.series;
  const many = Array.from({ length: 100 }, (_, i) => ({ ...series!, label: `line ${i}`, curves: [points] }));
  const { encoding } = figureSpec({ ...figure, series: many }) as unknown as {
    encoding: { x: { scale: { domain: readonly number[] } } };
  };
  expect(encoding.x.scale.domain).toEqual([0, 1000]);
});
