import type { Experiment } from '../../../src/lab/config/schema.js';
import { expandExperiment } from '../../../src/lab/config/expand.js';
import { figureContent, type FigureContent } from '../../../src/lab/figures/data.js';
import { planFigures, type FigurePlan } from '../../../src/lab/figures/plan.js';
import { mergeSeeds, type VariantRuns } from '../../../src/lab/results/merge.js';
import { readingOnce, type RunSource } from '../../../src/lab/results/source.js';
import { experiments, row } from './fixtures.js';

const [exp01] = experiments as [Experiment];
const plan = (name: string): FigurePlan => planFigures(experiments).find((each) => each.name === name)!;

function runs(epochsOfSeed: Record<number, number>, more: Partial<VariantRuns> = {}): VariantRuns {
  const seeds = Object.entries(epochsOfSeed).map(([seed, epochs]) => ({
    seed: Number(seed),
    rows: Array.from({ length: epochs + 1 }, (_, epoch) => row(epoch, Number(seed))),
  }));
  const [spec] = expandExperiment(exp01);
  const training = seeds.length > 0 ? spec! : null;
  const merged = mergeSeeds(seeds);
  return { merged, runs: seeds, training, missingSeeds: [], unfinished: [], mixedSpecs: [], remarks: [], ...more };
}

const source = (read: (line: { experiment: string; variant: string }) => VariantRuns, name = 'own runs'): RunSource =>
  readingOnce({ name, from: 'data/runs' }, (experiment, { name: variant }) => read({ experiment, variant }));
const contentOf = (figure: FigurePlan, read: Parameters<typeof source>[0], name?: string): FigureContent =>
  figureContent(figure, { source: source(read, name) });

test('points are mean and standard deviation by epoch, or by wall clock', () => {
  const loss = contentOf(plan('exp01/train_loss'), () => runs({ 0: 2, 1: 2 })).data;
  const point = loss?.series[0]?.curves[0]?.[1];
  expect(point?.x).toBe(1);
  expect(point?.mean).toBeCloseTo(1.2);
  expect(point?.std).toBeCloseTo(0.1 / Math.SQRT2);
  expect([loss?.xTitle, loss?.yTitle, loss?.yKind]).toEqual(['Epoch', 'Train loss [nats]', 'plain']);

  const wall = contentOf({ ...plan('exp01/test_accuracy'), x: 'wall' }, () => runs({ 0: 2, 1: 2 })).data;
  expect(wall?.series[0]?.curves[0]?.map(({ x }) => x)).toEqual([0.5, 10.5, 20.5]);
  expect([wall?.xTitle, wall?.yTitle, wall?.yKind]).toEqual(['Wall clock [s]', 'Test accuracy', 'fraction']);
});

test('the subtitle says which dataset, how many seeds and epochs, and whose runs', () => {
  const subtitle = (all: VariantRuns) =>
    contentOf(plan('exp01/train_loss'), () => all, 'recorded runs').data?.subtitle.join(' · ');
  const rest = '3 epochs · recorded runs';
  expect(subtitle(runs({ 0: 3, 1: 3, 2: 3, 7: 3 }))).toBe(
    `synthetic CIFAR-10 (generated pictures) · mean ± std over 4 seeds (0–2, 7) · ${rest}`,
  );
  expect(subtitle(runs({ 5: 3 }))).toBe(`synthetic CIFAR-10 (generated pictures) · seed 5 · ${rest}`);
  const [quick] = expandExperiment(exp01, { quick: true, dataset: 'cifar10' });
  expect(subtitle(runs({ 0: 1 }, { training: quick! }))).toBe(
    'CIFAR-10 · 100 training samples · seed 0 · 1 epoch · recorded runs',
  );
});

test('a missing variant is named, and keeps the colours and dashes of the others', () => {
  const withAndWithout = ['none', 'exp02/blocks-2'].map((absent) =>
    contentOf(plan('fig4_1'), ({ experiment, variant }) => runs(`${experiment}/${variant}` === absent ? {} : { 0: 2 })),
  );
  const [whole, lacking] = withAndWithout;
  expect(whole?.data?.caption).toEqual([]);
  expect(lacking?.missing).toEqual(['CG, 2 blocks (exp02/blocks-2)']);
  expect(lacking?.data?.caption).toEqual(['Missing, no data: CG, 2 blocks (exp02/blocks-2).']);
  expect(lacking?.data?.series).toEqual(whole?.data?.series.filter(({ label }) => label !== 'CG, 2 blocks'));
});

test('a figure without any value has no data; all its lines are missing', () => {
  expect(contentOf(plan('exp01/train_loss'), () => runs({}))).toEqual({
    data: null,
    missing: ['SGD (exp01/sgd)', 'CG (PCH, abs) (exp01/pch-abs)'],
    notes: [],
  });
});

test('seeds that lack, stopped, failed or ran otherwise are told; the caption stays short', () => {
  const { notes, data } = contentOf(plan('exp01/train_loss'), ({ variant }) =>
    variant === 'sgd'
      ? runs({ 0: 3, 1: 3, 2: 3 })
      : runs(
          { 0: 3, 1: 1 },
          {
            unfinished: [{ seed: 4, state: 'failed', reason: 'diverged at step 7' }],
            mixedSpecs: [{ seed: 2, differences: ['batchSize 3 -> 5'] }],
          },
        ),
  );
  expect(notes).toEqual([
    'CG (PCH, abs): of the seeds 0–2 only 0–1',
    'CG (PCH, abs): seed 4 failed: diverged at step 7',
    'CG (PCH, abs): seed 1 ends at epoch 1',
    'CG (PCH, abs): seed 2 left out, it ran with batchSize 3 -> 5',
  ]);
  expect(data?.caption).toEqual([...notes.slice(0, 3), '... and 1 more remark.']);
  expect(data?.subtitle).toContain('mean ± std over 2 to 3 seeds');
});

test('lines of the same label are told apart', () => {
  const twice = plan('exp01/train_loss').lines[0]!;
  const lines = [twice, { ...twice, experiment: 'mine' }];
  const { data } = contentOf({ ...plan('exp01/train_loss'), lines }, () => runs({ 0: 1 }));
  expect(data?.series.map(({ label }) => label)).toEqual(['SGD (exp01/sgd)', 'SGD (mine/sgd)']);
});

test('what is true of all lines is said once', () => {
  const { notes } = contentOf(plan('exp01/train_loss'), () => runs({ 0: 3, 1: 1, 2: 1 }));
  expect(notes).toEqual(['all lines: seeds 1–2 end at epoch 1']);
});

test('one line a seed: a curve for each, by epoch or by wall clock, no band; the subtitle says so', () => {
  const { data } = contentOf({ ...plan('exp01/train_loss'), x: 'wall', drawnAs: 'seeds' }, () => runs({ 0: 2, 1: 1 }));
  expect(data?.lines).toBe('seeds');
  expect(data?.series[0]?.curves.map((curve) => curve.map(({ x }) => x))).toEqual([
    [0, 10, 20],
    [1, 11],
  ]);
  expect(data?.series[0]?.curves.flat().every(({ std }) => std === null)).toBe(true);
  expect(data?.subtitle).toContain('one line a seed, 2 seeds (0–1)');
});

test("a wall-clock axis ends where two variants still have values; in the authors' own runs where published", () => {
  const wall = { ...plan('exp01/train_loss'), x: 'wall', publishedXMax: 400 } as const;
  const read = ({ variant }: { variant: string }): VariantRuns => runs({ 0: variant === 'sgd' ? 3 : 1 });
  expect(contentOf(wall, read).data?.xMax).toBe(10);
  expect(contentOf(plan('exp01/train_loss'), read).data?.xMax).toBeUndefined();
  expect(figureContent(wall, { source: { ...source(read), published: true } }).data?.xMax).toBe(400);
});

test('a point without a wall clock has no place on its axis', () => {
  const clockless = runs({ 0: 2 });
  const rows = clockless.runs[0]!.rows.map((each) => ({ ...each, wall_s: NaN }));
  const read = (): VariantRuns => ({
    ...clockless,
    runs: [{ seed: 0, rows }],
    merged: mergeSeeds([{ seed: 0, rows }]),
  });
  expect(contentOf({ ...plan('exp01/train_loss'), x: 'wall' }, read).data).toBeNull();
  expect(contentOf(plan('exp01/train_loss'), read).data?.series).toHaveLength(2);
});

test('other runs lie behind, with their own remarks; a line that only they have is drawn too', () => {
  const { data, missing, notes } = figureContent(plan('exp01/train_loss'), {
    source: source(({ variant }) => runs(variant === 'sgd' ? { 0: 1 } : {})),
    behind: source(() => runs({ 0: 3, 1: 2 }), 'recorded runs'),
  });
  expect(data?.series.map(({ label, curves, behind }) => [label, curves.length, behind?.length])).toEqual([
    ['SGD', 1, 1],
    ['CG (PCH, abs)', 0, 1],
  ]);
  expect(data?.subtitle.slice(-2)).toEqual(['strong: own runs', 'pale: recorded runs']);
  expect(missing).toEqual(['CG (PCH, abs) (exp01/pch-abs)']);
  expect(notes).toEqual(['recorded runs: all lines: seed 1 ends at epoch 2']);
});

test('an exploding loss leaves the plot, and is told; the others keep their room. An accuracy has no such limit', () => {
  const exploding = runs({ 0: 3 });
  const rows = exploding.runs[0]!.rows.map((each) => ({ ...each, train_loss: each.train_loss * 40 ** each.epoch }));
  const blown = { ...exploding, runs: [{ seed: 0, rows }], merged: mergeSeeds([{ seed: 0, rows }]) };
  const read = ({ variant }: { variant: string }): VariantRuns => (variant === 'sgd' ? runs({ 0: 3 }) : blown);
  const { data } = contentOf(plan('exp01/train_loss'), read);
  expect(data?.yMax).toBeCloseTo(1.5 * 2.3);
  expect(data?.caption).toEqual(['Beyond the axis: CG (PCH, abs), mean up to 36,800.']);
  expect(contentOf(plan('exp01/train_accuracy'), read).data?.yMax).toBeUndefined();
  const calm = contentOf(plan('exp01/train_loss'), () => runs({ 0: 3, 1: 3 })).data;
  expect([calm?.yMax, calm?.caption]).toEqual([undefined, []]);
});
