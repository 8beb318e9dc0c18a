/** When a run is evaluated, on which samples, in which batches, and when it ends: as the published runs. */
import { parseBackend, useBackend } from '../../../src/engine/backend/index.js';
import * as tf from '../../../src/engine/tf.js';
import type { RunSpec } from '../../../src/lab/config/spec.js';
import { batchImages, batchLabels, drawSubset } from '../../../src/lab/datasets/batches.js';
import type { Dataset, Split } from '../../../src/lab/datasets/dataset.js';
import { loadDataset } from '../../../src/lab/datasets/index.js';
import { seededStreams } from '../../../src/lab/random.js';
import { createModel } from '../../../src/lab/training/model.js';
import { expectNoLeak, testBackends } from '../../support/backends.js';
import { sgd, tinyDataset, tinySpec, trainInMemory } from './fixtures.js';

beforeAll(async () => {
  await useBackend(parseBackend(testBackends.includes('native') ? 'native' : 'wasm'));
});

/** Steps so small that no weight moves: every evaluation is one of the first network. */
const still: RunSpec = { ...tinySpec, optimizer: { kind: 'sgd', lr: 1e-30, momentum: 0 } };

/** Loss of each sample, and whether it is classified right, by the network that a run starts with. */
async function scoresOf(spec: RunSpec, dataset: Dataset, split: Split): Promise<{ loss: number; right: boolean }[]> {
  const model = createModel(spec.model, dataset, seededStreams(spec.seed).init);
  const all = Array.from({ length: split.count }, (_, i) => i);
  const output = tf.scoped(
    () => model.forward(tf.tensor4d(batchImages(dataset, split, all), [split.count, ...dataset.shape])).output,
  );
  const logits = (await output.array()) as number[][];
  output.dispose();
  model.dispose();
  const labels = batchLabels(split, all);
  return logits.map((row, i) => {
    const largest = Math.max(...row);
    const logSum = largest + Math.log(row.reduce((sum, value) => sum + Math.exp(value - largest), 0));
    return { loss: logSum - row[labels[i]!]!, right: row.indexOf(largest) === labels[i] };
  });
}

const meanOf = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

it('measures the whole test set, and a random training subset of its size, drawn anew each time', async () => {
  const dataset = await tinyDataset();
  const { rows } = await trainInMemory(still, dataset);
  expect(rows).toHaveLength(6);
  const [onTrain, onTest] = [
    await scoresOf(still, dataset, dataset.train),
    await scoresOf(still, dataset, dataset.test),
  ];
  const { subset } = seededStreams(still.seed);
  const subsets = rows.map(() => Array.from(drawSubset(230, 60, subset)));
  for (const [i, row] of rows.entries()) {
    const drawn = subsets[i]!.map((sample) => onTrain[sample]!);
    expect(row.train_loss).toBeCloseTo(meanOf(drawn.map(({ loss }) => loss)), 5);
    expect(row.train_accuracy * 60).toBeCloseTo(drawn.filter(({ right }) => right).length, 9);
    expect(row.test_loss).toBeCloseTo(meanOf(onTest.map(({ loss }) => loss)), 5);
    expect(row.test_accuracy * 60).toBeCloseTo(onTest.filter(({ right }) => right).length, 9);
  }
  expect(new Set(rows.map(({ train_loss }) => train_loss)).size).toBe(6);
  for (const drawn of subsets) expect(new Set(drawn).size).toBe(60);
});

it('takes all training samples where they are no more than those of the test', async () => {
  const dataset = await loadDataset('synthetic-cifar10', { dataDirs: [], trainSamples: 40, testSamples: 60 });
  const spec = { ...still, trainSamples: 40 };
  const { rows } = await trainInMemory(spec, dataset);
  const all = await scoresOf(spec, dataset, dataset.train);
  for (const row of rows) expect(row.train_loss).toBeCloseTo(meanOf(all.map(({ loss }) => loss)), 5);
});

/** The dataset, and the sizes of the batches that are taken from it, in order. */
function watched(dataset: Dataset): { dataset: Dataset; taken: () => string[] } {
  const batches: { split: string; size: number }[] = [];
  const watch = (split: 'train' | 'test'): Split => ({
    count: dataset[split].count,
    get images() {
      batches.push({ split, size: 0 });
      return dataset[split].images;
    },
    get labels() {
      batches.at(-1)!.size++;
      return dataset[split].labels;
    },
  });
  return {
    dataset: { ...dataset, train: watch('train'), test: watch('test') },
    taken: () => batches.map(({ split, size }) => `${split} ${size}`),
  };
}

it('evaluates the training subset in batches of training, the test set in its own, after the update', async () => {
  const { dataset, taken } = watched(await tinyDataset());
  await trainInMemory({ ...still, epochs: 1 }, dataset);
  const evaluation = ['train 50', 'train 10', 'test 25', 'test 25', 'test 10'];
  const batch = ['train 50'];
  // 230 samples in batches of 50, evaluated at indices 0, 2 and 4 = floor(5 / 2) apart.
  expect(taken()).toEqual([
    ...[...batch, ...evaluation],
    ...[...batch, ...batch, ...evaluation],
    ...[...batch, 'train 30', ...evaluation],
  ]);
});

/** The published rule, and the last step of all. */
it.each([
  { batches: 10, evaluationsPerEpoch: 4, steps: [1, 3, 5, 7, 9, 10] }, // floor(10 / 4) = 2
  { batches: 10, evaluationsPerEpoch: 3, steps: [1, 4, 7, 10] },
  { batches: 10, evaluationsPerEpoch: 1, steps: [1, 10] },
  { batches: 10, evaluationsPerEpoch: 6, steps: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10] }, // floor(10 / 6) = 1
  { batches: 3, evaluationsPerEpoch: 8, steps: [1, 2, 3] }, // never less than one apart
])('$batches batches, $evaluationsPerEpoch evaluations an epoch: at steps $steps', async (given) => {
  const { batches, evaluationsPerEpoch, steps } = given;
  const count = 4 * batches - 1; // the last batch is smaller, and counts
  const dataset = await loadDataset('synthetic-cifar10', { dataDirs: [], trainSamples: count, testSamples: 5 });
  const spec = { ...still, batchSize: 4, epochs: 1, trainSamples: count, testSamples: 5, evaluationsPerEpoch };
  const { rows } = await trainInMemory(spec, dataset);
  expect(rows.map(({ step }) => step)).toEqual(steps);
  expect(rows.at(-1)!.epoch).toBe(1);
});

it('ends a run at the first batch whose loss is no number, without a row for it', async () => {
  const dataset = await tinyDataset();
  // The first step is beyond all numbers, and so is the loss of the second batch; the first evaluation comes between.
  const spec: RunSpec = { ...tinySpec, optimizer: { ...sgd, lr: 1e38 }, model: { hidden: [8], activation: 'relu' } };
  let steps = 0;
  const onProgress = ({ type }: { type: string }): void => void (steps += type === 'step' ? 1 : 0);
  const { ending, rows } = await trainInMemory(spec, dataset, { onProgress });
  expect(ending.state).toBe('failed');
  expect(ending.reason).toMatch(/^diverged at step 2: batch loss is (NaN|Infinity)$/);
  expect(steps).toBe(1);
  expect(rows.map(({ step }) => step)).toEqual([1]);
  expect(Number.isFinite(rows[0]!.batch_loss)).toBe(true);
  expect(Number.isFinite(rows[0]!.train_loss)).toBe(false);
  await expectNoLeak(() => trainInMemory(spec, dataset));
});
