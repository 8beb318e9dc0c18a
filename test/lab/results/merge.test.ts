import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'csv-parse/sync';
import fc from 'fast-check';
import type { RunSpec } from '../../../src/lab/config/spec.js';
import { mergedCsv, mergeSeeds, readVariant, type SeedRows } from '../../../src/lab/results/merge.js';
import { openRun, type RunEnvironment } from '../../../src/lab/results/store.js';
import { readGoldenJson } from './golden.js';
import { someEnvironment, someRow, someSpec, temporaryFolder } from './support.js';

const folder = temporaryFolder();

interface MergeCase {
  given: { files: Record<string, string> };
  expected: { values: { step: number[]; mean: number[]; std: (number | null)[] } };
}

/** The reference's files of one metric (wall, step, value), as rows whose train loss is that metric. */
function seedsOf({ given }: MergeCase): SeedRows[] {
  return Object.entries(given.files).map(([label, text]) => ({
    seed: Number(label.replace('seed', '')),
    rows: parse<{ wall: string; step: string; value: string }>(text, { columns: true }).map(({ wall, step, value }) =>
      someRow(Number(step), { wall_s: Number(wall), train_loss: value === '' ? NaN : Number(value) }),
    ),
  }));
}

function expectCurve(golden: MergeCase, steps: readonly number[]): void {
  const merged = mergeSeeds(seedsOf(golden));
  const at = new Map(merged.steps.map(({ step, values }) => [step, values.train_loss]));
  for (const step of steps) {
    const i = golden.expected.values.step.indexOf(step);
    expect(at.get(step)?.mean).toBeCloseTo(golden.expected.values.mean[i] ?? NaN, 12);
    const std = golden.expected.values.std[i] ?? null;
    if (std === null) expect(at.get(step)?.std).toBeNull();
    else expect(at.get(step)?.std).toBeCloseTo(std, 12);
  }
}

describe('against the published merging', () => {
  test.each(['consistent', 'single_seed'])('%s: the same numbers at the same steps', (name) => {
    const golden = readGoldenJson<MergeCase>(`csv_merge_${name}`);
    const merged = mergeSeeds(seedsOf(golden));
    expect(merged.steps.map(({ step }) => step)).toEqual(golden.expected.values.step);
    expect(merged.endedEarly).toEqual([]);
    expectCurve(golden, golden.expected.values.step);
  });

  test('inconsistent steps: equal on the common steps; the rows it drops silently stay, with their count', () => {
    const golden = readGoldenJson<MergeCase>('csv_merge_inconsistent_steps');
    expect(golden.expected.values.step).toEqual([500, 12500]);
    expectCurve(golden, [500, 12500]);
    const merged = mergeSeeds(seedsOf(golden));
    expect(merged.steps.map(({ step, values }) => [step, values.train_loss.n])).toEqual([
      [500, 3],
      [12500, 3],
      [25000, 2],
      [30000, 1],
      [37500, 1],
    ]);
    const { mean, std } = merged.steps[2]?.values.train_loss ?? { mean: NaN, std: NaN };
    expect(mean).toBeCloseTo((1.78616 + 1.659036) / 2, 12);
    expect(std).toBeCloseTo(Math.abs(1.78616 - 1.659036) / Math.SQRT2, 12);
    expect(merged.steps[4]?.values.train_loss).toEqual({ mean: 1.564945, std: null, n: 1 });
    expect(merged.endedEarly).toEqual([
      { seed: 0, lastStep: 25000, lastEpoch: 250 },
      { seed: 1, lastStep: 30000, lastEpoch: 300 },
    ]);
  });

  test('a missing value: an error there, one value less here', () => {
    const merged = mergeSeeds(seedsOf(readGoldenJson<MergeCase>('csv_merge_missing_value')));
    expect(merged.steps.map(({ values }) => values.train_loss.n)).toEqual([3, 2, 3, 3]);
    expect(merged.steps[1]?.values.train_loss.mean).toBeCloseTo((2.043234 + 1.957529) / 2, 12);
  });
});

test('no value is finite: the mean is NaN, of none', () => {
  const merged = mergeSeeds([{ seed: 0, rows: [someRow(0, { test_loss: NaN })] }]);
  expect(merged.steps[0]?.values.test_loss).toEqual({ mean: NaN, std: null, n: 0 });
  expect(mergeSeeds([])).toEqual({ steps: [], seeds: [], endedEarly: [] });
});

test('a seed that stops early is named, and its rows count as far as they go', () => {
  const merged = mergeSeeds([
    { seed: 3, rows: [someRow(0, { wall_s: 1 }), someRow(10), someRow(20)] },
    { seed: 5, rows: [someRow(0, { wall_s: 4 }), someRow(10)] },
    { seed: 8, rows: [] },
  ]);
  expect(merged.seeds).toEqual([3, 5]);
  expect(merged.endedEarly).toEqual([{ seed: 5, lastStep: 10, lastEpoch: 0.1 }]);
  expect(merged.steps.map(({ values }) => values.test_loss.n)).toEqual([2, 2, 1]);
  expect(merged.steps[0]?.wall_s).toBe(2.5);
});

test('no row is lost, whatever the seeds look like', () => {
  const losses = fc.double({ min: -10, max: 10, noNaN: true });
  const rows = fc
    .uniqueArray(fc.record({ step: fc.nat(20), loss: losses }), { selector: ({ step }) => step })
    .map((made) => made.sort((a, b) => a.step - b.step).map(({ step, loss }) => someRow(step, { train_loss: loss })));
  fc.assert(
    fc.property(fc.array(rows, { maxLength: 5 }), (seeds) => {
      const merged = mergeSeeds(seeds.map((each, seed) => ({ seed, rows: each })));
      const total = merged.steps.reduce((sum, { values }) => sum + values.train_loss.n, 0);
      expect(total).toBe(seeds.flat().length);
      for (const { step, values } of merged.steps) {
        const at = seeds
          .flat()
          .filter((row) => row.step === step)
          .map((row) => row.train_loss);
        expect(values.train_loss.mean).toBeGreaterThanOrEqual(Math.min(...at) - 1e-9);
        expect(values.train_loss.mean).toBeLessThanOrEqual(Math.max(...at) + 1e-9);
        expect(values.train_loss.std === null).toBe(at.length < 2);
      }
    }),
  );
});

test('the merged CSV has a column for mean, std and n of every metric', () => {
  const merged = mergeSeeds([
    { seed: 0, rows: [someRow(0, { train_loss: 1 }), someRow(5, { train_loss: 2 })] },
    { seed: 1, rows: [someRow(0, { train_loss: 3 })] },
  ]);
  const records = parse<Record<string, string>>(mergedCsv(merged), { columns: true });
  expect(records).toHaveLength(2);
  expect(Object.keys(records[0] ?? {})).toHaveLength(3 + 3 * 6);
  expect(records[0]).toMatchObject({
    step: '0',
    train_loss_mean: '2',
    train_loss_std: String(Math.SQRT2),
    train_loss_n: '2',
  });
  expect(records[1]).toMatchObject({ step: '5', train_loss_mean: '2', train_loss_std: '', train_loss_n: '1' });
});

describe('a variant of a run store', () => {
  function make(
    change: Partial<RunSpec>,
    state: 'done' | 'failed' | 'running' = 'done',
    steps = 2,
    environment: RunEnvironment = someEnvironment,
  ): string {
    const run = openRun(folder.path, someSpec(change), environment);
    if (run === 'done') throw new Error('done already');
    for (let step = 0; step < steps; step++) run.append(someRow(step));
    if (state !== 'running') run.finish(state, state === 'failed' ? 'diverged' : undefined);
    return run.dir;
  }
  const read = (wanted?: number[]): ReturnType<typeof readVariant> =>
    readVariant(folder.path, 'exp01', 'sgd', { seeds: wanted });

  test('missing, failed, running and unreadable seeds are named; rows that are there are used', () => {
    make({ seed: 0 });
    make({ seed: 1 }, 'failed', 1);
    make({ seed: 2 }, 'running', 1);
    writeFileSync(join(make({ seed: 3 }), 'run.json'), 'x');
    writeFileSync(join(make({ seed: 4 }), 'metrics.csv'), 'step\n');
    make({ seed: 9 });
    const found = read([0, 1, 2, 3, 4, 5]);
    expect(found.merged.seeds).toEqual([0, 1, 2]);
    expect(found.merged.steps.map(({ values }) => values.train_loss.n)).toEqual([3, 1]);
    expect(found.missingSeeds).toEqual([5]);
    expect(found.unfinished).toEqual([
      { seed: 1, state: 'failed', reason: 'diverged' },
      { seed: 2, state: 'running', reason: null },
      { seed: 3, state: 'unreadable', reason: expect.stringContaining('run.json: unreadable') as unknown },
      { seed: 4, state: 'unreadable', reason: expect.stringContaining('column "epoch" is missing') as unknown },
    ]);
    expect(found.mixedSpecs).toEqual([]);
    expect(found.training).toMatchObject({ dataset: 'cifar10', epochs: 2 });
    expect(found.runs.map(({ seed }) => seed)).toEqual(found.merged.seeds);
    expect(read().merged.seeds).toEqual([0, 1, 2, 9]);
  });

  test('the minority with another spec, or on other data, is left out and named', () => {
    make({ seed: 0 });
    make({ seed: 1, batchSize: 7 });
    make({ seed: 2, label: 'only the label differs' });
    const dataset = { ...someEnvironment.dataset, fingerprint: 'sha256:bb' };
    make({ seed: 3 }, 'done', 2, { ...someEnvironment, dataset });
    const found = read();
    expect(found.merged.seeds).toEqual([0, 2]);
    expect(found.mixedSpecs).toEqual([
      { seed: 1, differences: ['batchSize 500 -> 7'] },
      { seed: 3, differences: ['dataset fingerprint sha256:aa -> sha256:bb'] },
    ]);
  });

  test('of metrics that are not wanted only the fields are counted', () => {
    const dir = make({ seed: 0 });
    make({ seed: 1 });
    const [all, some] = [read(), readVariant(folder.path, 'exp01', 'sgd', { metrics: ['train_loss'] })];
    expect(some.merged.steps.map(({ values }) => values.test_accuracy.n)).toEqual([0, 0]);
    for (const [i, step] of some.merged.steps.entries()) {
      const { values, ...others } = all.merged.steps[i]!;
      expect(step).toMatchObject({ ...others, values: { train_loss: values.train_loss } });
    }
    const file = join(dir, 'metrics.csv');
    writeFileSync(file, readFileSync(file, 'utf8').replace(/,[^,\n]*(?=\n1,)/, ''));
    const { merged, unfinished } = readVariant(folder.path, 'exp01', 'sgd', { metrics: ['train_loss'] });
    expect(merged.seeds).toEqual([1]);
    expect(unfinished).toMatchObject([{ seed: 0, reason: expect.stringContaining('metrics.csv:2') as unknown }]);
  });

  test('where means alone are wanted, they are the same, without the runs', () => {
    make({ seed: 0 });
    make({ seed: 1 });
    const metrics = ['train_loss'] as const;
    const [all, means] = [{}, { meansOnly: true }].map((wanted) =>
      readVariant(folder.path, 'exp01', 'sgd', { metrics, ...wanted }),
    );
    expect(means!.merged).toEqual(all!.merged);
    expect(means!.merged.steps[0]!.values.train_loss.n).toBe(2);
    expect(all).toMatchObject({ runs: [{ seed: 0 }, { seed: 1 }], records: [{}, {}] });
    expect(means!.runs).toEqual([]);
    expect(means).not.toHaveProperty('records');
    const timeless = readVariant(folder.path, 'exp01', 'sgd', { metrics, meansOnly: true, wallClock: false });
    expect(timeless.merged.steps).toEqual(means!.merged.steps.map((step) => ({ ...step, wall_s: NaN })));
  });

  test('a shorter run counts as the beginning of a longer one', () => {
    make({ seed: 0, epochs: 7 }, 'done', 4);
    make({ seed: 1 }, 'done', 2);
    const found = read();
    expect(found.merged.steps.map(({ values }) => values.train_loss.n)).toEqual([2, 2, 1, 1]);
    expect(found.merged.endedEarly).toMatchObject([{ seed: 1, lastStep: 1 }]);
    expect(found.training?.epochs).toBe(7);
    expect(found.mixedSpecs).toEqual([]);
  });

  test('nothing there', () => {
    expect(read([0, 1])).toEqual({
      merged: { steps: [], seeds: [], endedEarly: [] },
      runs: [],
      training: null,
      missingSeeds: [0, 1],
      unfinished: [],
      mixedSpecs: [],
      remarks: [],
      records: [],
    });
  });
});
