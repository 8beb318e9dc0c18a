/** Reading the authors' runs, whole and damaged. */
import { mkdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { DataError } from '../../../src/errors.js';
import { readArchivedVariant } from '../../../src/lab/archive/read.js';
import { optimizerSteps } from '../../../src/lab/archive/rows.js';
import { parseNumberTable, readNumberTable } from '../../../src/lab/archive/table.js';
import { temporaryFolder } from '../results/support.js';
import { adamDir, runFiles, seedCsv, sgdDir, valueAt, variantOf, writeTree } from './fixtures.js';

const folder = temporaryFolder();
const sgd = variantOf('exp01', 'sgd');
const read = (): ReturnType<typeof readArchivedVariant> => readArchivedVariant(folder.path, 'exp01', sgd);

it('joins the metrics of every seed on the step', () => {
  writeTree(folder.path, runFiles(sgdDir, [0, 1, 10]));
  const { seeds, remarks } = read();
  expect(remarks).toEqual([]);
  expect(seeds.map(({ seed, rows }) => [seed, rows.length])).toEqual([
    [0, 3],
    [1, 3],
    [10, 3],
  ]);
  expect(seeds[1]!.rows[2]).toEqual({
    step: 201, // 100,500 samples in batches of 500
    epoch: 2.01,
    wall_s: 20, // the first of the metrics to be logged
    train_wall_s: NaN,
    batch_accuracy: valueAt(1, 0, 2),
    batch_loss: valueAt(1, 1, 2),
    test_accuracy: valueAt(1, 2, 2),
    test_loss: valueAt(1, 3, 2),
    train_accuracy: valueAt(1, 4, 2),
    train_loss: valueAt(1, 5, 2),
  });
});

it('finds nothing where nothing is', () => {
  expect(read()).toEqual({ seeds: [], remarks: [] });
  mkdirSync(join(folder.path, sgdDir, 'seed0'), { recursive: true });
  expect(read()).toEqual({ seeds: [], remarks: [] });
});

it('reads files with CRLF, a BOM, an index, other columns in another order, and blank lines', () => {
  writeTree(folder.path, {
    [`${sgdDir}/seed0/train_loss.csv`]:
      '\uFEFF,value,note,step,wall\r\n0,2.5,"a, b",500,0.25\r\n\r\n1,inf,,1000,1e1\r\n',
    [`${sgdDir}/seed0/test_loss.csv`]: 'step,value\n500,\n1000,nan\n',
  });
  const [run] = read().seeds;
  expect(run?.rows).toMatchObject([
    { step: 1, epoch: 0.01, wall_s: 0.25, train_loss: 2.5, test_loss: NaN },
    { step: 2, wall_s: 10, train_loss: Infinity, test_loss: NaN },
  ]);
});

it('goes on without a missing metric, and says which seeds lack it', () => {
  writeTree(folder.path, runFiles(sgdDir, [0, 1]));
  rmSync(join(folder.path, sgdDir, 'seed1/train_acc.csv'));
  for (const seed of [0, 1]) rmSync(join(folder.path, sgdDir, `seed${seed}/test_acc.csv`));
  const { seeds, remarks } = read();
  expect(seeds[1]!.rows[0]).toMatchObject({ train_accuracy: NaN, train_loss: valueAt(1, 5, 0) });
  expect(seeds[0]!.rows[0]).toMatchObject({ train_accuracy: valueAt(0, 4, 0), test_accuracy: NaN });
  expect(remarks).toEqual(['no train_acc: seed1', 'no test_acc']);
});

it('keeps a step that only some metrics have, and drops a torn line', () => {
  writeTree(folder.path, {
    ...runFiles(sgdDir, [0]),
    [`${sgdDir}/seed0/test_loss.csv`]: seedCsv(0, 3).slice(0, -2),
  });
  const { seeds, remarks } = read();
  expect(seeds[0]!.rows.map(({ step, test_loss, test_accuracy }) => [step, test_loss, test_accuracy])).toEqual([
    [1, valueAt(0, 3, 0), valueAt(0, 2, 0)],
    [101, valueAt(0, 3, 1), valueAt(0, 2, 1)],
    [201, NaN, valueAt(0, 2, 2)],
  ]);
  expect(remarks).toEqual([`${join(folder.path, sgdDir, 'seed0/test_loss.csv')}: the last line is torn and left out`]);
});

it.each([
  ['wall,step,value\n0,500,2.3\n1,1000,two\n', ':3: value: found "two", expected a number'],
  ['wall,step,value\n0,500,0x10\n', ':2: value: found "0x10", expected a number'],
  ['wall,step,value\n0,500\n', ':2: value: the line ends before it'],
  ['wall,step,value\n0,500,2\n1,500,2\n', ':3: step: found 500, expected a whole number beyond 500'],
  ['wall,step,value\n0,2.5,2\n', ':2: step: found 2.5, expected a whole number'],
  ['wall,value\n0,2\n', ':1: column "step" is missing'],
  ['', ':1: found no header line'],
  ['wall,step,value\n0,500,"2\n', ': not a CSV file: '],
])('leaves out the seed of a broken file, and no other: %j', (text, message) => {
  const path = join(folder.path, sgdDir, 'seed1/train_loss.csv');
  writeTree(folder.path, { ...runFiles(sgdDir, [0, 1, 2]), [`${sgdDir}/seed1/train_loss.csv`]: text });
  const { seeds, remarks } = read();
  expect(seeds.map(({ seed }) => seed)).toEqual([0, 2]);
  expect(remarks).toHaveLength(1);
  expect(remarks[0]).toContain(`seed1 left out: ${path}${message}`);
});

it('throws a DataError for a file itself', () => {
  expect(() => readNumberTable(join(folder.path, 'nowhere.csv'), () => true)).toThrow(DataError);
  expect(() => parseNumberTable('a\nb\n', 'x.csv', () => true)).toThrow(
    new DataError('x.csv:2: a: found "b", expected a number'),
  );
});

it('takes the seeds from merged files where there are no others: no times then', () => {
  writeTree(folder.path, {
    [`${sgdDir}/train_loss.csv`]: 'step,seed1,seed0,mean,std\n500,2.5,2.25,2.375,0.17\n50500,2,1.75,1.875,0.17\n',
    [`${sgdDir}/test_acc.csv`]: 'step,seed1,seed0,mean,std\n500,0.5,x,0.5,\n',
  });
  const { seeds, remarks } = read();
  expect(seeds.map(({ seed, rows }) => [seed, rows.map(({ step, train_loss }) => [step, train_loss])])).toEqual([
    [0, [[1, 2.25], [101, 1.75]]], // prettier-ignore
    [1, [[1, 2.5], [101, 2]]], // prettier-ignore
  ]);
  expect(seeds[0]!.rows[0]).toMatchObject({ wall_s: NaN, test_loss: NaN, test_accuracy: NaN });
  expect(remarks[0]).toBe('from merged files: no times');
  expect(remarks[1]).toMatch(/^test_acc left out: .*test_acc\.csv:2: seed0: found "x", expected a number$/);
  writeTree(folder.path, { [`${sgdDir}/train_loss.csv`]: 'step,mean,std\n500,2,0\n' });
  expect(read()).toMatchObject({
    seeds: [],
    remarks: [expect.anything(), expect.stringMatching(/no column of a seed$/)],
  });
});

it('finds a folder that spells a number another way; its own spelling goes first', () => {
  writeTree(folder.path, runFiles(sgdDir, [0]));
  const other = sgdDir.replace('lr_0.1', 'lr_0.10');
  renameSync(join(folder.path, sgdDir), join(folder.path, other));
  expect(read().seeds).toHaveLength(1);
  writeTree(folder.path, runFiles(sgdDir, [0, 1]));
  expect(read().seeds).toHaveLength(2);
});

it('reads one variant and nothing else', () => {
  writeTree(folder.path, {
    ...runFiles(adamDir, [0]),
    ...runFiles(sgdDir, [0]),
    [`${sgdDir}/seed0/test_acc.csv`]: 'x',
  });
  const { seeds, remarks } = readArchivedVariant(folder.path, 'exp08', variantOf('exp08', 'adam'));
  expect(remarks).toEqual([]);
  expect(seeds[0]!.rows.map(({ step }) => step)).toEqual([5, 505, 1005]); // 500 samples in batches of 100
});

it.each([
  [500, 5],
  [550, 6],
  [1050, 11],
  [1150, 12],
  [2100, 22],
])('%i samples of 1050, in batches of 100, are %i steps', (samples, steps) => {
  expect(optimizerSteps(samples, { trainSamples: 1050, batchSize: 100 })).toBe(steps);
});
