import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expandExperiment } from '../../../src/lab/config/expand.js';
import type { Experiment } from '../../../src/lab/config/schema.js';
import { compareExperiment, difference, goesOn, type Comparison } from '../../../src/lab/results/compare.js';
import { mergeSeeds, type VariantRuns } from '../../../src/lab/results/merge.js';
import type { MetricsRow } from '../../../src/lab/results/metrics.js';
import { readingOnce, storeSource, type RunSource } from '../../../src/lab/results/source.js';
import { openRun, type RunEnvironment } from '../../../src/lab/results/store.js';
import { experiments } from '../figures/fixtures.js';
import { someEnvironment, someRow, temporaryFolder } from './support.js';

const exp01 = firstExperiment();
const folder = temporaryFolder();

function firstExperiment(): Experiment {
  const [first] = experiments;
  if (!first) throw new Error('no experiment');
  return first;
}

type Runs = Record<string, (number[] | MetricsRow[])[]>;

/** Losses at the ends of the epochs 1, 2, ...; as rows, whose accuracy is a tenth of the loss. */
function rowsOf(values: number[] | MetricsRow[]): MetricsRow[] {
  return values.map((value, i) =>
    typeof value === 'number'
      ? someRow(100 * (i + 1), { train_loss: value, test_loss: value, test_accuracy: value / 10 })
      : value,
  );
}

/** A source as the archive's: rows and nothing else, a list of seeds a variant. */
function source(runs: Runs, change: Partial<VariantRuns> = {}): RunSource {
  return readingOnce({ name: 'made up', from: 'nowhere' }, (_, { name }) => {
    const seeds = (runs[name] ?? []).map((values, seed) => ({ seed, rows: rowsOf(values) }));
    const nothing = { training: null, missingSeeds: [], unfinished: [], mixedSpecs: [], remarks: [] };
    return { merged: mergeSeeds(seeds), runs: seeds, ...nothing, ...(seeds.length > 0 ? change : {}) };
  });
}

function compare(theirs: Runs, ours: Runs, epoch?: number): Comparison {
  return compareExperiment(exp01, { theirs: source(theirs), ours: source(ours), epoch });
}

function sgd(comparison: Comparison) {
  const [first] = comparison.variants;
  if (!first) throw new Error('no variant');
  return first;
}

describe('two means', () => {
  // theirs 1, 2, 3: mean 2, s^2 = 1; ours 2, 4: mean 3, s^2 = 2; margin 2 sqrt(2/2 + 1/3)
  const theirs = { mean: 2, std: 1, n: 3 };

  test('within two standard deviations of their difference', () => {
    const found = difference(theirs, { mean: 3, std: Math.SQRT2, n: 2 });
    expect(found).toEqual({
      difference: 1,
      margin: expect.closeTo(2 * Math.sqrt(4 / 3), 12) as number,
      verdict: 'within',
    });
  });

  test('beyond them, though within two of the single runs', () => {
    const found = difference(theirs, { mean: 3.5, std: 1, n: 30 });
    expect(found.margin).toBeCloseTo(2 * Math.sqrt(1 / 30 + 1 / 3), 12);
    expect(found.verdict).toBe('beyond');
  });

  test('the border belongs to within, also where nothing varies', () => {
    const same = { mean: 2, std: 0, n: 2 };
    expect(difference(same, same)).toEqual({ difference: 0, margin: 0, verdict: 'within' });
    expect(difference(same, { ...same, mean: 2.5 }).verdict).toBe('beyond');
  });

  test('one seed on either side decides nothing', () => {
    const one = { mean: 2, std: null, n: 1 };
    expect(difference(theirs, one)).toEqual({ difference: 0, margin: null, verdict: 'undecided' });
    expect(difference(one, theirs).verdict).toBe('undecided');
    expect(difference(one, { mean: NaN, std: null, n: 0 })).toEqual({
      difference: null,
      margin: null,
      verdict: 'missing',
    });
  });
});

test('statistics of both sides and their difference, by hand', () => {
  const { theirs, ours, differences } = sgd(
    compare(
      {
        sgd: [
          [5, 1],
          [5, 2],
          [5, 3],
        ],
      },
      {
        sgd: [
          [5, 2],
          [1, 4],
        ],
      },
    ),
  );
  expect(theirs?.compared.final.train_loss).toEqual({ mean: 2, std: 1, n: 3 });
  expect(ours?.compared.final.train_loss).toEqual({ mean: 3, std: Math.SQRT2, n: 2 });
  expect(ours?.compared.best.train_loss.mean).toBe(1.5);
  expect(differences?.final.train_loss).toMatchObject({ difference: 1, verdict: 'within' });
  expect(differences?.final.train_loss.margin).toBeCloseTo(2 * Math.sqrt(4 / 3), 12);
  expect(differences?.final.test_accuracy.difference).toBeCloseTo(0.1, 12);
  expect(differences?.best.train_loss.difference).toBe(-0.5);
});

test('unequal lengths: at the last epoch that all seeds reached, the longer end is kept', () => {
  const { theirs, ours, differences } = sgd(
    compare(
      {
        sgd: [
          [4, 3, 2, 1],
          [4, 3.5, 2, 1],
        ],
      },
      {
        sgd: [
          [4, 3],
          [4, 3, 0],
        ],
      },
    ),
  );
  expect(theirs?.compared.epoch).toBe(2);
  expect(ours?.compared.epoch).toBe(2);
  expect(differences?.final.train_loss.difference).toBe(-0.25);
  expect(theirs?.compared.best.train_loss.mean).toBe(3.25);
  expect(theirs?.end).toMatchObject({ epoch: 4, final: { train_loss: { mean: 1, n: 2 } } });
  expect(theirs && goesOn(theirs)).toBe(true);
  expect(ours && goesOn(ours)).toBe(false);
});

test('a run that ends a step before an evaluation of the longer one is compared at its end', () => {
  const longer = [someRow(1), someRow(101, { train_loss: 2 }), someRow(201, { train_loss: 1 })];
  const shorter = [someRow(1), someRow(100, { train_loss: 4 })];
  const { theirs, differences } = sgd(compare({ sgd: [longer] }, { sgd: [shorter] }));
  expect(theirs?.compared.epoch).toBe(1);
  expect(differences?.final.train_loss.difference).toBe(2);
});

test('no epoch in common: each at its own end, nothing compared, and a remark', () => {
  const compared = compare({ sgd: [[someRow(50)]] }, { sgd: [[someRow(20)]] });
  expect(sgd(compared)).toMatchObject({ theirs: { compared: { epoch: 0.5 } }, ours: { compared: { epoch: 0.2 } } });
  expect(sgd(compared).differences).toBeNull();
  expect(compared.remarks).toContain('SGD: no epoch in common');
});

test('an epoch that is asked for: of the seeds that reached it', () => {
  const compared = compare(
    {
      sgd: [
        [4, 3, 2],
        [4, 3],
      ],
    },
    { sgd: [[4]], 'pch-abs': [[4, 3, 2]] },
    3,
  );
  expect(sgd(compared).theirs?.compared).toMatchObject({ epoch: 3, seeds: [0] });
  expect(sgd(compared).ours).toBeNull();
  expect(compared.remarks).toContain('ours: SGD: no seed has an evaluation at epoch 3');
});

test('missing variants and sides are told of', () => {
  const compared = compare({ sgd: [[1]] }, {});
  expect(compared.ours).toBeNull();
  expect(sgd(compared)).toMatchObject({ ours: null, differences: null, theirs: { end: { epoch: 1 } } });
  expect(compared.remarks).toContain('CG (PCH, abs): no runs at all');
  expect(compare({ sgd: [[1]], 'pch-abs': [[1]] }, { sgd: [[1]] }).remarks).toContain('CG (PCH, abs): no runs of ours');
});

describe('divergence', () => {
  test('some seeds: counted apart, and they do not hold up the others', () => {
    const compared = compare(
      {
        sgd: [
          [4, 3, 2],
          [4, 3, 1],
        ],
      },
      {
        sgd: [
          [4, NaN],
          [4, 3, 1],
          [4, 3, 2],
        ],
      },
    );
    expect(sgd(compared).ours?.compared).toMatchObject({ epoch: 3, seeds: [1, 2], diverged: [0] });
    expect(sgd(compared).differences?.final.train_loss).toMatchObject({ difference: 0, verdict: 'within' });
    expect(compared.remarks).toContain('ours: SGD: seed 0 diverged, by epoch 2');
    expect(compared.remarks).toContain('SGD: ours: 1 of 3 seeds diverged (0), means are of the others');
  });

  test('a whole side: no number, at the end of the other', () => {
    const { theirs, ours, differences } = sgd(compare({ sgd: [[4, 3, 2]] }, { sgd: [[NaN]] }));
    expect(theirs?.compared.epoch).toBe(3);
    expect(ours?.compared).toMatchObject({ seeds: [], diverged: [0], final: { train_loss: { n: 0 } } });
    expect(differences?.final.train_loss).toEqual({ difference: null, margin: null, verdict: 'diverged' });
  });

  test('the trainer stops before it writes NaN: its word counts', () => {
    const unfinished = [{ seed: 0, state: 'failed', reason: 'diverged at step 9: batch loss is NaN' }] as const;
    const ours = source({ sgd: [[4, 3]] }, { unfinished });
    const compared = compareExperiment(exp01, { ours });
    expect(sgd(compared).ours?.end).toMatchObject({ diverged: [0], seeds: [] });
  });
});

test('an unfinished seed beside finished ones does not count, alone it does', () => {
  const unfinished = [{ seed: 1, state: 'running', reason: null }] as const;
  const with01 = (runs: Runs) => compareExperiment(exp01, { ours: source(runs, { unfinished }) });
  const compared = with01({ sgd: [[4, 3], [4]] });
  expect(sgd(compared).ours?.end).toMatchObject({ epoch: 2, seeds: [0] });
  expect(compared.remarks).toContain('ours: SGD: seed 1 does not count, it has come to epoch 1');
  expect(sgd(with01({ sgd: [[], [4]] })).ours?.end).toMatchObject({ epoch: 1, seeds: [1] });
});

describe('run stores', () => {
  function train(root: string, change: Partial<RunEnvironment> = {}, quick = false): RunSource {
    for (const spec of expandExperiment(exp01, { quick, seeds: [0, 1] })) {
      const writer = openRun(join(folder.path, root), spec, { ...someEnvironment, ...change });
      if (writer === 'done') throw new Error('done before');
      writer.append(someRow(100));
      writer.finish('done');
    }
    return storeSource(join(folder.path, root), root);
  }

  function remarks(theirs: RunSource, ours: RunSource): readonly string[] {
    return compareExperiment(exp01, { theirs, ours }).remarks;
  }

  test('equal runs on one machine: nothing to remark, all within', () => {
    const [theirs, ours] = [train('a'), train('b')];
    expect(remarks(theirs, ours)).toEqual([]);
    const compared = compareExperiment(exp01, { theirs, ours });
    expect(sgd(compared).differences?.final.train_loss).toEqual({ difference: 0, margin: 0, verdict: 'within' });
    expect(compared.theirs?.machines).toEqual([
      { backend: 'cpu', threads: 1, cpu: 'a processor', gpu: null, variants: ['SGD', 'CG (PCH, abs)'] },
    ]);
  });

  test('another machine, other bytes and other settings are said, once for all variants', () => {
    const dataset = { ...someEnvironment.dataset, fingerprint: 'sha256:bb' };
    expect(remarks(train('a'), train('b', { threads: 2, dataset }, true))).toEqual([
      'times do not compare: theirs and ours ran on different machines, backends or threads',
      'all variants: other settings, theirs -> ours: trainSamples none -> 100, testSamples none -> 100',
      'all variants: other bytes of the dataset, theirs -> ours: sha256:aa -> sha256:bb',
    ]);
  });

  test('several machines on one side are said, and which variants ran where', () => {
    const ours = train('b');
    rmSync(join(folder.path, 'b/exp01/sgd'), { recursive: true });
    const [spec] = expandExperiment(exp01, { variants: ['sgd'], seeds: [0] });
    const writer = spec && openRun(ours.from, spec, { ...someEnvironment, gpu: 'a GPU' });
    if (!writer || writer === 'done') throw new Error('not to be written');
    writer.append(someRow(100));
    writer.finish('done');
    const compared = compareExperiment(exp01, { ours });
    expect(compared.remarks).toEqual([
      'times of ours do not all compare with each other: they are from different machines, backends or threads',
    ]);
    expect(compared.ours?.machines.map(({ gpu, variants }) => [gpu, variants])).toEqual([
      ['a GPU', ['SGD']],
      [null, ['CG (PCH, abs)']],
    ]);
  });

  test('a source without run.json: no machine, settings of the experiment file', () => {
    const archive = source({ sgd: [[2.25]], 'pch-abs': [[2.25]] });
    expect(remarks(archive, train('b', {}, true))).toEqual([
      'times do not compare: the machine of theirs is not known',
      'all variants: other settings, theirs -> ours: trainSamples none -> 100, testSamples none -> 100',
    ]);
  });

  test('a missing seed is a smaller n, a broken one a remark', () => {
    const [theirs, ours] = [train('a'), train('b')];
    rmSync(join(folder.path, 'b/exp01/sgd/seed1'), { recursive: true });
    writeFileSync(join(folder.path, 'b/exp01/pch-abs/seed0/metrics.csv'), 'step\n1\n');
    const compared = compareExperiment(exp01, { theirs, ours });
    expect(compared.variants.map((each) => each.ours?.compared.seeds)).toEqual([[0], [1]]);
    expect(sgd(compared).differences?.final.train_loss.verdict).toBe('undecided');
    expect(compared.remarks).toEqual([expect.stringContaining('ours: CG (PCH, abs): seed 0 unreadable: ')]);
  });
});
