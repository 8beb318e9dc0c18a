/** Runs in the formats of other programs, and back. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { importPaper } from '../../../src/lab/archive/paper.js';
import { readArchivedVariant } from '../../../src/lab/archive/read.js';
import type { RunSpec } from '../../../src/lab/config/spec.js';
import { exportFormats, exportRuns } from '../../../src/lab/export/index.js';
import { runsToExport } from '../../../src/lab/export/runs.js';
import type { MetricsRow } from '../../../src/lab/results/metrics.js';
import { openRun } from '../../../src/lab/results/store.js';
import { sgdDir, variantOf, writeTree } from '../archive/fixtures.js';
import { someEnvironment, someRow, someSpec, temporaryFolder } from '../results/support.js';

const folder = temporaryFolder();
const store = (): string => join(folder.path, 'runs');
const out = (): string => join(folder.path, 'out');

function train(
  change: Partial<RunSpec>,
  rows: readonly MetricsRow[],
  state: 'done' | 'interrupted' = 'done',
  environment = someEnvironment,
): void {
  const writer = openRun(store(), someSpec(change), environment);
  if (writer === 'done') throw new Error('done before');
  for (const row of rows) writer.append(row);
  writer.finish(state, state === 'done' ? undefined : 'Ctrl-C');
}

/** Evaluations as training makes them: one an epoch, and one at the end. */
const rowsOf = (seed: number, steps = [1, 101, 201, 300]): MetricsRow[] =>
  steps.map((step) =>
    someRow(step, {
      wall_s: 1.25 + step / 8 + seed,
      train_wall_s: step / 16,
      train_loss: 2.3 / step + seed / 10,
      test_accuracy: 1 / 3 + 1 / (step + seed),
    }),
  );
const read = (path: string): string => readFileSync(join(out(), path), 'utf8');

describe('the original format', () => {
  it('is read back as the same rows, from the seconds of the first log on', async () => {
    for (const seed of [0, 3, 12]) train({ seed }, rowsOf(seed));
    await exportRuns(runsToExport(store()), exportFormats.original, out());
    const back = readArchivedVariant(out(), 'exp01', variantOf('exp01', 'sgd'));
    expect(back.remarks).toEqual([]);
    expect(back.seeds).toEqual(
      [0, 3, 12].map((seed) => {
        const rows = rowsOf(seed);
        return { seed, rows: rows.map((row) => ({ ...row, wall_s: row.wall_s - rows[0]!.wall_s, train_wall_s: NaN })) };
      }),
    );
    const { folder: home } = await importPaper(out(), join(folder.path, 'data'));
    expect(readArchivedVariant(home, 'exp01', variantOf('exp01', 'sgd'))).toEqual(back);
  });

  it('keeps every row of every kind of optimiser', async () => {
    const kinds = [
      ['exp01', 'cg-pch-clip'],
      ['exp02', 'blocks-4'],
      ['exp08', 'kfac'],
      ['exp08', 'ggn-alpha1'],
      ['exp09', 'adam'],
    ] as const;
    const rowsFor = (batchSize: number): MetricsRow[] =>
      [1, 13, 50].map((step) => someRow(step, { epoch: (step * batchSize) / 50_000, train_loss: Math.exp(-step) }));
    for (const [experiment, name] of kinds) {
      const { model, optimizer, batchSize } = variantOf(experiment, name);
      train({ experiment, variant: name, model, optimizer, batchSize }, rowsFor(batchSize));
    }
    const exported = await exportRuns(runsToExport(store()), exportFormats.original, out());
    expect(exported).toHaveLength(kinds.length);
    for (const [experiment, name] of kinds) {
      const variant = variantOf(experiment, name);
      const [run] = readArchivedVariant(out(), experiment, variant).seeds;
      const lean = (rows: readonly MetricsRow[]): unknown[] =>
        rows.map((row) => ({ ...row, wall_s: 0, train_wall_s: 0 }));
      expect(lean(run!.rows)).toEqual(lean(rowsFor(variant.batchSize)));
    }
  });

  it('writes files as the published scripts do', async () => {
    train(
      { seed: 0 },
      rowsOf(0, [1, 101]).map((row) => ({ ...row, train_loss: row.step === 1 ? 2 : 1e-5 })),
    );
    train(
      { seed: 1 },
      rowsOf(1, [1, 101]).map((row) => ({ ...row, train_loss: 3 })),
    );
    await exportRuns(runsToExport(store()), exportFormats.original, out());
    expect(read(`${sgdDir}/seed0/train_loss.csv`)).toBe('wall,step,value\n0.0,500,2.0\n12.5,50500,1e-05\n');
    // mean and sample standard deviation of 2 and 3, of 1e-5 and 3
    expect(read(`${sgdDir}/train_loss.csv`)).toBe(
      'step,seed1,seed0,mean,std\n500,3.0,2.0,2.5,0.7071067811865476\n50500,3.0,1e-05,1.500005,2.1213132724918307\n',
    );
    expect(readdirSync(join(out(), sgdDir)).sort()).toEqual(
      ['batch_acc', 'batch_loss', 'test_acc', 'test_loss', 'train_acc', 'train_loss']
        .map((name) => `${name}.csv`)
        .concat('seed0', 'seed1')
        .sort(),
    );
  });

  it('merges the steps that all seeds have, leaves the deviation of one empty, and skips what was not measured', async () => {
    train({ seed: 0 }, rowsOf(0).map((row) => (row.step === 101 ? { ...row, test_loss: NaN, train_loss: Infinity } : row))); // prettier-ignore
    train({ seed: 1 }, rowsOf(1, [1, 101]), 'interrupted');
    const [exported] = await exportRuns(runsToExport(store()), exportFormats.original, out());
    expect(exported!.remarks).toEqual(['seed 1 interrupted: Ctrl-C']);
    expect(exported).toMatchObject({ seeds: [0, 1], evaluations: [2, 4] });
    const steps = (path: string): string[] => read(path).trim().split('\n').slice(1).map((line) => line.split(',').at(0)!); // prettier-ignore
    expect(steps(`${sgdDir}/test_acc.csv`)).toEqual(['500', '50500']);
    expect(steps(`${sgdDir}/test_loss.csv`)).toEqual(['500']);
    expect(read(`${sgdDir}/seed0/test_loss.csv`)).not.toContain(',50500,');
    expect(read(`${sgdDir}/seed0/train_loss.csv`)).toContain(',50500,inf\n');
    const { seeds } = readArchivedVariant(out(), 'exp01', variantOf('exp01', 'sgd'));
    expect(seeds[0]!.rows[1]).toMatchObject({ step: 101, test_loss: NaN, train_loss: Infinity });
  });

  it('names reduced runs as what they are', async () => {
    const change = { trainSamples: 2000, batchSize: 100 } as const;
    const rows = [1, 21].map((step) => someRow(step, { epoch: (step * 100) / 2000 }));
    train(change, rows);
    const [exported] = await exportRuns(runsToExport(store()), exportFormats.original, out());
    const small = sgdDir.replace('batch_500', 'batch_100');
    expect(exported!.folder).toBe(join(out(), small));
    expect(exported!.remarks).toEqual(['its steps count 2000 samples an epoch']);
    expect(readArchivedVariant(out(), 'exp01', variantOf('exp01', 'sgd')).seeds).toEqual([]);
    const variant = { ...variantOf('exp01', 'sgd'), batchSize: 100 };
    const back = readArchivedVariant(out(), 'exp01', variant, { trainSamples: 2000 });
    expect(back.seeds[0]!.rows.map(({ step, epoch }) => [step, epoch])).toEqual(
      rows.map((row) => [row.step, row.epoch]),
    );
  });
});

describe('the tensorboard format', () => {
  it('has a file a run', async () => {
    train({ seed: 0 }, rowsOf(0));
    train({ seed: 1, variant: 'other' }, rowsOf(1));
    const exported = await exportRuns(runsToExport(store()), exportFormats.tensorboard, out());
    expect(exported.map((one) => one.folder)).toEqual([join(out(), 'exp01/other'), join(out(), 'exp01/sgd')]);
    const [name, ...others] = readdirSync(join(out(), 'exp01/sgd/seed0'));
    expect(others).toEqual([]);
    expect(name).toMatch(/^events\.out\.tfevents\.\d{10}\.hbp$/);
  });
});

describe('exporting', () => {
  it('leaves out seeds that ran with other settings, on other pictures, or cannot be read', async () => {
    for (const seed of [1, 2]) train({ seed }, rowsOf(seed));
    train({ seed: 0, batchSize: 9 }, rowsOf(0));
    train({ seed: 3 }, rowsOf(3), 'done', {
      ...someEnvironment,
      dataset: { name: 'cifar10', fingerprint: 'sha256:bb', source: 'elsewhere' },
    });
    train({ seed: 4 }, rowsOf(4));
    writeFileSync(join(store(), 'exp01/sgd/seed4/metrics.csv'), 'step\n1\n');
    train({ seed: 5 }, []);
    const [exported] = await exportRuns(runsToExport(store()), exportFormats.original, out());
    expect(exported!.seeds).toEqual([1, 2]);
    expect(exported!.remarks).toEqual([
      expect.stringMatching(/^seed 4 unreadable: .*metrics\.csv: column "epoch" is missing/),
      'seed 0 left out, it ran with batchSize 500 -> 9',
      'seed 3 left out, it ran with dataset fingerprint sha256:aa -> sha256:bb',
    ]);
  });

  it('takes the experiments that are named', () => {
    train({}, rowsOf(0));
    train({ experiment: 'exp02', variant: 'blocks-1' }, rowsOf(0));
    const names = (experiments?: string[]): string[] => runsToExport(store(), experiments).map((one) => one.experiment);
    expect(names()).toEqual(['exp01', 'exp02']);
    expect(names(['exp02'])).toEqual(['exp02']);
    expect(() => names(['exp03'])).toThrow(/no runs of an experiment "exp03" in .*runs: did you mean "exp0[12]"\?/);
    expect(runsToExport(join(folder.path, 'nowhere'))).toEqual([]);
  });

  it('does not touch what is there without force, and runs never', async () => {
    train({}, rowsOf(0));
    const runs = runsToExport(store());
    await exportRuns(runs, exportFormats.original, out());
    writeTree(out(), { [`${sgdDir}/seed7/train_loss.csv`]: 'old' });
    await expect(exportRuns(runs, exportFormats.original, out())).rejects.toThrow(
      /is there already; --force replaces it/,
    );
    expect(existsSync(join(out(), sgdDir, 'seed7'))).toBe(true);
    await exportRuns(runs, exportFormats.original, out(), { force: true });
    expect(existsSync(join(out(), sgdDir, 'seed7'))).toBe(false);
    await expect(exportRuns(runs, exportFormats.tensorboard, store(), { force: true })).rejects.toThrow(
      /runs\/exp01\/sgd holds runs themselves/,
    );
    expect(runsToExport(store())).toHaveLength(1);
  });

  it('does not write two variants into one folder', async () => {
    train({}, rowsOf(0));
    train({ variant: 'twin' }, rowsOf(0));
    await expect(exportRuns(runsToExport(store()), exportFormats.original, out())).rejects.toThrow(
      /exp01\/sgd and exp01\/twin would both be written to .*batch_500_lr_0\.1_mom_0\.9_opt_sgd/,
    );
    expect(existsSync(out())).toBe(false);
  });

  it('says what cannot be written', async () => {
    train({}, rowsOf(0));
    writeFileSync(out(), 'a file');
    await expect(exportRuns(runsToExport(store()), exportFormats.original, out())).rejects.toThrow(
      /^cannot write exp01\/sgd to .*ENOTDIR|^cannot write exp01\/sgd to .*EEXIST/,
    );
  });
});
