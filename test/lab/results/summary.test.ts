import type { MetricsRow } from '../../../src/lab/results/metrics.js';
import { endsInNaN, rowAt, summarise, type SeedCourse } from '../../../src/lab/results/summary.js';
import { someRow } from './support.js';

function course(seed: number, rows: MetricsRow[], diverged = false): SeedCourse {
  return { seed, rows, diverged };
}

/** Rows at the epochs 0.01, 1.01, ... of 100 steps each, with the losses given. */
function losses(...values: number[]): MetricsRow[] {
  return values.map((train_loss, i) => someRow(100 * i + 1, { train_loss, test_loss: train_loss }));
}

test('final and best over seeds, by hand', () => {
  const { seeds, final, best } = summarise([course(0, losses(3, 1, 2)), course(4, losses(3, 2, 4))], 2.01);
  expect(seeds).toEqual([0, 4]);
  expect(final.train_loss).toEqual({ mean: 3, std: Math.SQRT2, n: 2 });
  expect(best.train_loss.mean).toBe(1.5);
  expect(best.train_loss.std).toBeCloseTo(Math.SQRT1_2, 15);
  const accuracies = [0.1, 0.5, 0.3].map((test_accuracy, i) => someRow(100 * i + 1, { test_accuracy }));
  expect(summarise([course(0, accuracies)], 2.01).best.test_accuracy).toEqual({ mean: 0.5, std: null, n: 1 });
});

test('the best is that of the same part of the run', () => {
  expect(summarise([course(0, losses(3, 2, 1, 0.5))], 1).best.train_loss.mean).toBe(2);
});

test('a seed without an evaluation at the epoch takes no part', () => {
  const { seeds, final } = summarise([course(0, losses(3, 2, 1)), course(1, losses(3, 2))], 2.01);
  expect(seeds).toEqual([0]);
  expect(final.train_loss).toEqual({ mean: 1, std: null, n: 1 });
});

test('seeds that diverged by then are counted apart, later ones not yet', () => {
  const seeds = [course(0, losses(3, 2, 1)), course(1, losses(3, 2), true)];
  expect(summarise(seeds, 2.01)).toMatchObject({ seeds: [0], diverged: [1], final: { train_loss: { mean: 1, n: 1 } } });
  expect(summarise(seeds, 0.01)).toMatchObject({
    seeds: [0, 1],
    diverged: [],
    final: { train_loss: { mean: 3, n: 2 } },
  });
  expect(summarise(seeds.slice(1), 1.01)).toMatchObject({ seeds: [], diverged: [1], best: { train_loss: { n: 0 } } });
});

test('the end of a run and the evaluation a step later are at the same epoch', () => {
  const rows = [someRow(101), someRow(200), someRow(201), someRow(301)];
  expect(rowAt(course(0, rows), 2)?.step).toBe(200);
  expect(rowAt(course(0, rows), 3)?.step).toBe(301);
  expect(rowAt(course(0, rows), 4)).toBeUndefined();
});

describe('times', () => {
  test('without the first step; evaluation apart', () => {
    const rows = [
      someRow(1, { train_wall_s: 50, wall_s: 60 }),
      someRow(101, { train_wall_s: 60, wall_s: 80 }),
      someRow(201, { train_wall_s: 90, wall_s: 140 }),
    ];
    const { step, epoch, evaluatedEpoch } = summarise([course(0, rows)], 2.01).times;
    expect(step).toEqual({ mean: 40 / 200, std: null, n: 1 });
    expect(epoch.mean).toBeCloseTo(20, 12);
    expect(evaluatedEpoch.mean).toBeCloseTo(40, 12);
    expect(summarise([course(0, rows)], 1.01).times.step.mean).toBe(0.1);
  });

  test('a clock that starts again loses a stretch, not the run', () => {
    const rows = [0, 10, 3, 13].map((train_wall_s, i) => someRow(100 * i + 1, { train_wall_s }));
    expect(summarise([course(0, rows)], 3.01).times.step.mean).toBe(0.1);
  });

  test('no training clock, or one evaluation alone: no such time', () => {
    const rows = losses(3, 2).map((row) => ({ ...row, train_wall_s: NaN }));
    expect(summarise([course(0, rows)], 1.01).times).toMatchObject({
      step: { n: 0 },
      evaluatedEpoch: { mean: 10, n: 1 },
    });
    expect(summarise([course(0, losses(3))], 0).times.step.n).toBe(0);
  });
});

test.each([
  ['both evaluated losses are lost', losses(2, NaN), true],
  ['infinite', losses(2, Infinity), true],
  ['only in between', losses(2, NaN, 2), false],
  ['one loss alone: a torn file', [someRow(1), someRow(2, { train_loss: NaN })], false],
  ['a metric never recorded', [someRow(1, { train_loss: NaN }), someRow(2, { train_loss: NaN })], false],
  ['in the first step', losses(NaN), true],
  ['evaluations never recorded', losses(NaN, NaN), false],
  ['from the first evaluation on', [someRow(1, { batch_loss: NaN, train_loss: NaN, test_loss: NaN })], true],
  ['no rows', [], false],
])('diverged? %s', (_, rows, expected) => {
  expect(endsInNaN({ seed: 0, rows })).toBe(expected);
});
