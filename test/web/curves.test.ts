import fc from 'fast-check';
import type { Columns } from '../../src/lab/dashboard/api.js';
import { formatRow, metricsHeader, parseMetrics } from '../../src/lab/results/metrics.js';
import { parseColumns } from '../../src/lab/dashboard/columns.js';
import { mergeSeeds } from '../../src/lab/results/merge.js';
import { between, meanCurve, seedCurve, thinned } from '../../src/web/curves.js';
import { onGround } from '../../src/web/colours.js';
import { toCsv } from '../../src/web/csv.js';
import { someRow } from '../lab/results/support.js';

const value = fc.oneof(
  { weight: 8, arbitrary: fc.double({ min: -5, max: 5, noNaN: true }) },
  { weight: 1, arbitrary: fc.constant(NaN) },
);
const points = fc.array(value, { minLength: 1, maxLength: 300 });
const curveOf = (values: readonly number[]) => values.map((mean, x) => ({ x, mean, std: null }));

test('seeds become the same curve as in the figures', () => {
  const seeds = fc.array(fc.array(value, { minLength: 1, maxLength: 12 }), { minLength: 2, maxLength: 5 });
  fc.assert(
    fc.property(seeds, (all) => {
      const runs = all.map((values, seed) => ({
        seed,
        rows: values.map((test_loss, i) => someRow(1 + 10 * i + (seed % 2), { test_loss, wall_s: i + seed / 8 })),
      }));
      const columns = runs.map(({ rows }): Columns => {
        const text = metricsHeader + rows.map(formatRow).join('');
        return parseColumns(metricsHeader.trim(), text, ['step', 'epoch', 'wall_s', 'test_loss']);
      });
      const merged = mergeSeeds(runs).steps;
      expect(meanCurve(columns, 'wall', 'test_loss')).toEqual(
        merged.map(({ wall_s, values }) => ({ x: wall_s, ...omitN(values.test_loss) })),
      );
      expect(meanCurve(columns, 'epoch', 'test_loss')).toEqual(
        merged.map(({ epoch, values }) => ({ x: epoch, ...omitN(values.test_loss) })),
      );
    }),
  );
});

function omitN({ mean, std }: { mean: number; std: number | null }) {
  return { mean, std };
}

test('columns are read as rows are', () => {
  const rows = [someRow(1), someRow(2, { test_loss: NaN, train_loss: Infinity }), someRow(3, { test_loss: 1e-12 })];
  const text = metricsHeader + rows.map(formatRow).join('');
  const columns = parseColumns(metricsHeader, text, ['step', 'test_loss', 'train_loss', 'unknown']);
  expect(columns).toEqual({
    step: [1, 2, 3],
    test_loss: [2.28, null, 1e-12],
    train_loss: [2.25, null, 2.25],
    unknown: [null, null, null],
  });
  expect(parseMetrics(text, 'here').map(({ step }) => step)).toEqual(columns['step']);
  const reordered = 'test_loss, step,more\r\n0.5,7,x\r\n';
  expect(parseColumns('test_loss, step,more\r', reordered, ['step', 'test_loss'])).toEqual({
    step: [7],
    test_loss: [0.5],
  });
});

test('one run is its own curve, gaps included', () => {
  const columns = { step: [1, 2, 3], epoch: [0.1, null, 0.3], test_loss: [2, 1, null] };
  const curve = [
    { x: 0.1, mean: 2, std: null },
    { x: 0.3, mean: NaN, std: null },
  ];
  expect(seedCurve(columns, 'epoch', 'test_loss')).toEqual(curve);
  expect(meanCurve([columns], 'epoch', 'test_loss')).toEqual(curve);
});

test('thinning keeps the ends, the extremes and the gaps, in order', () => {
  fc.assert(
    fc.property(points, fc.integer({ min: 6, max: 100 }), (values, most) => {
      const curve = curveOf(values);
      const thin = thinned(curve, most);
      expect(thin.length).toBeLessThanOrEqual(Math.max(most * 1.5, Math.min(curve.length, most)));
      expect(thin).toEqual([...thin].sort((a, b) => a.x - b.x));
      expect([thin[0], thin.at(-1)]).toEqual([curve[0], curve.at(-1)]);
      const extremes = (list: readonly { mean: number }[]): number[] => {
        const finite = list.map(({ mean }) => mean).filter(Number.isFinite);
        return finite.length > 0 ? [Math.min(...finite), Math.max(...finite)] : [];
      };
      expect(extremes(thin)).toEqual(extremes(curve));
      expect(thin.some(({ mean }) => Number.isNaN(mean))).toBe(curve.some(({ mean }) => Number.isNaN(mean)));
    }),
  );
});

test('the part that is looked at has a neighbour on each side', () => {
  const xs = (part: readonly { x: number }[]): number[] => part.map(({ x }) => x);
  const curve = curveOf([5, 4, 3, 2, 1]);
  expect(xs(between(curve, [1.5, 2.5]))).toEqual([1, 2, 3]);
  expect(xs(between(curve, [-9, 9]))).toEqual([0, 1, 2, 3, 4]);
  expect(xs(between(curve, [7, 9]))).toEqual([4]);
});

test('dark colours are lightened on a dark page, all others are those of the figures', () => {
  for (const color of ['#253494', '#fd8d3c', '#a1dab4', 'rebeccapurple'])
    expect(onGround(color, '#ffffff')).toBe(color);
  expect(onGround('#fd8d3c', '#1a2030')).toBe('#fd8d3c');
  expect(onGround('#253494', '#1a2030')).toMatch(/^#[5-9a-f][0-9a-f][5-9a-f][0-9a-f]/);
  expect(onGround('rebeccapurple', '#1a2030')).toBe('rebeccapurple');
});

test('CSV quotes what it must', () => {
  const style = { color: '#000000', dash: [] };
  const csv = toCsv({
    ...{
      title: '',
      subtitle: [],
      xTitle: 'Epoch',
      yTitle: 'Test loss [nats]',
      yKind: 'plain',
      lines: 'mean',
      caption: [],
    },
    series: [
      {
        label: 'CG, "1" block',
        style,
        curves: [
          [
            { x: 1, mean: 0.5, std: 0.25 },
            { x: 2, mean: NaN, std: null },
          ],
        ],
      },
    ],
  });
  expect(csv).toBe(
    'variant,curve,Epoch,Test loss [nats],std\r\n"CG, ""1"" block",0,1,0.5,0.25\r\n"CG, ""1"" block",0,2,NaN,\r\n',
  );
});
