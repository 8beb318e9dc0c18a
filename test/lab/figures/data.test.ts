import type { Experiment } from '../../../src/lab/config/schema.js';
import { expandExperiment } from '../../../src/lab/config/expand.js';
import { figureContent } from '../../../src/lab/figures/data.js';
import { planFigures, type FigurePlan } from '../../../src/lab/figures/plan.js';
import { mergeSeeds, type VariantRuns } from '../../../src/lab/results/merge.js';
import { experiments, row } from './fixtures.js';

const [exp01] = experiments as [Experiment];
const plan = (name: string): FigurePlan => planFigures(experiments).find((each) => each.name === name)!;

function runs(epochsOfSeed: Record<number, number>, more: Partial<VariantRuns> = {}): VariantRuns {
  const seeds = Object.entries(epochsOfSeed).map(([seed, epochs]) => ({
    seed: Number(seed),
    rows: Array.from({ length: epochs + 1 }, (_, epoch) => row(epoch, Number(seed))),
  }));
  const [spec] = expandExperiment(exp01);
  // Of a record, figures read the spec only.
  const record = seeds.length > 0 ? ({ spec } as VariantRuns['record']) : null;
  return { merged: mergeSeeds(seeds), missingSeeds: [], unfinished: [], mixedSpecs: [], record, ...more };
}

test('points are mean and standard deviation by epoch, or by wall clock', () => {
  const loss = figureContent(plan('exp01/train_loss'), () => runs({ 0: 2, 1: 2 }), 'own runs').data;
  const point = loss?.series[0]?.points[1];
  expect(point?.x).toBe(1);
  expect(point?.mean).toBeCloseTo(1.2);
  expect(point?.std).toBeCloseTo(0.1 / Math.SQRT2);
  expect([loss?.xTitle, loss?.yTitle, loss?.yKind]).toEqual(['Epoch', 'Train loss [nats]', 'plain']);

  const wall = figureContent(
    { ...plan('exp01/test_accuracy'), x: 'wall' },
    () => runs({ 0: 2, 1: 2 }),
    'own runs',
  ).data;
  expect(wall?.series[0]?.points.map(({ x }) => x)).toEqual([0.5, 10.5, 20.5]);
  expect([wall?.xTitle, wall?.yTitle, wall?.yKind]).toEqual(['Wall clock [s]', 'Test accuracy', 'fraction']);
});

test('the subtitle says which dataset, how many seeds and epochs, and whose runs', () => {
  const subtitle = (all: VariantRuns) =>
    figureContent(plan('exp01/train_loss'), () => all, 'recorded runs').data?.subtitle.join(' · ');
  const rest = '3 epochs · recorded runs';
  expect(subtitle(runs({ 0: 3, 1: 3, 2: 3, 7: 3 }))).toBe(
    `synthetic CIFAR-10 (generated pictures) · mean ± std over 4 seeds (0–2, 7) · ${rest}`,
  );
  expect(subtitle(runs({ 5: 3 }))).toBe(`synthetic CIFAR-10 (generated pictures) · seed 5 · ${rest}`);
  const [quick] = expandExperiment(exp01, { quick: true, dataset: 'cifar10' });
  expect(subtitle(runs({ 0: 1 }, { record: { spec: quick } as VariantRuns['record'] }))).toBe(
    'CIFAR-10 · 100 training samples · seed 0 · 1 epoch · recorded runs',
  );
});

test('a missing variant is named, and keeps the colours and dashes of the others', () => {
  const withAndWithout = ['none', 'exp02/blocks-2'].map((absent) =>
    figureContent(
      plan('fig4_1'),
      ({ experiment, variant }) => runs(`${experiment}/${variant.name}` === absent ? {} : { 0: 2 }),
      'own runs',
    ),
  );
  const [whole, lacking] = withAndWithout;
  expect(whole?.data?.caption).toEqual([]);
  expect(lacking?.missing).toEqual(['CG, 2 blocks (exp02/blocks-2)']);
  expect(lacking?.data?.caption).toEqual(['Missing, no data: CG, 2 blocks (exp02/blocks-2).']);
  expect(lacking?.data?.series).toEqual(whole?.data?.series.filter(({ label }) => label !== 'CG, 2 blocks'));
});

test('a figure without any value has no data; all its lines are missing', () => {
  expect(figureContent(plan('exp01/train_loss'), () => runs({}), 'own runs')).toEqual({
    data: null,
    missing: ['SGD (exp01/sgd)', 'CG (PCH, abs) (exp01/pch-abs)'],
    notes: [],
  });
});

test('seeds that lack, stopped, failed or ran otherwise are told; the caption stays short', () => {
  const { notes, data } = figureContent(
    plan('exp01/train_loss'),
    ({ variant }) =>
      variant.name === 'sgd'
        ? runs({ 0: 3, 1: 3, 2: 3 })
        : runs(
            { 0: 3, 1: 1 },
            {
              unfinished: [{ seed: 4, state: 'failed', reason: 'diverged at step 7' }],
              mixedSpecs: [{ seed: 2, differences: ['epochs 3 -> 5'] }],
            },
          ),
    'own runs',
  );
  expect(notes).toEqual([
    'CG (PCH, abs): of the seeds 0–2 only 0–1',
    'CG (PCH, abs): seed 4 failed: diverged at step 7',
    'CG (PCH, abs): seed 1 ends at step 100',
    'CG (PCH, abs): seed 2 left out, it ran with epochs 3 -> 5',
  ]);
  expect(data?.caption).toEqual([...notes.slice(0, 3), '... and 1 more remark.']);
  expect(data?.subtitle).toContain('mean ± std over 2 to 3 seeds');
});

test('lines of the same label are told apart', () => {
  const twice = plan('exp01/train_loss').lines[0]!;
  const { data } = figureContent(
    { ...plan('exp01/train_loss'), lines: [twice, { ...twice, experiment: 'mine' }] },
    () => runs({ 0: 1 }),
    'own runs',
  );
  expect(data?.series.map(({ label }) => label)).toEqual(['SGD (exp01/sgd)', 'SGD (mine/sgd)']);
});
