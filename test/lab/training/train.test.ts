import { loadDataset } from '../../../src/lab/datasets/index.js';
import type { OptimizerSpec } from '../../../src/lab/config/schema.js';
import type { Dataset } from '../../../src/lab/datasets/dataset.js';
import { metricsColumns } from '../../../src/lab/results/metrics.js';
import type { ProgressEvent } from '../../../src/lab/training/progress.js';
import { describeOnEveryBackend, expectNoLeak, isSlow } from '../../support/backends.js';
import { adam, exact, sgd, timeless, tinyDataset, tinySpec, trainInMemory } from './fixtures.js';

let dataset: Dataset;
beforeAll(async () => {
  dataset = await tinyDataset();
});

/**
 * On webgpu: two steps and an evaluation, with exact products and without any, instead of what follows. The other
 * optimisers follow the golden trajectories there.
 */
const shortSpec = {
  ...tinySpec,
  ...{ trainSamples: 20, testSamples: 10, batchSize: 10, testBatchSize: 10, epochs: 1, evaluationsPerEpoch: 1 },
};

describeOnEveryBackend('training', (backend) => {
  const isPatient = backend !== 'cpu'; // exact products take minutes there
  const optimizers: [string, OptimizerSpec][] = [
    ['sgd', sgd],
    ['adam', adam],
    ['cg-newton', tinySpec.optimizer],
  ];
  if (isPatient) optimizers.push(['cg-newton on exact products', exact]);
  if (isSlow(backend)) {
    const few: [string, OptimizerSpec][] = [
      ['sgd', sgd],
      ['cg-newton on exact products', exact],
    ];
    it.each(few)('%s: trains, evaluates, and leaves no tensors', async (_, optimizer) => {
      const small = await loadDataset('synthetic-cifar10', { dataDirs: [], trainSamples: 20, testSamples: 10 });
      await expectNoLeak(async () => {
        const { ending, rows } = await trainInMemory({ ...shortSpec, optimizer }, small);
        expect(ending).toMatchObject({ state: 'done' });
        expect(rows.map(({ step }) => step)).toEqual([1, 2]);
        for (const row of rows) {
          for (const column of metricsColumns) expect([column, Number.isFinite(row[column])]).toEqual([column, true]);
        }
      });
    });
    return;
  }

  it.each(optimizers)('%s: twice the same seed gives the same numbers, another seed others', async (_, optimizer) => {
    const spec = { ...tinySpec, optimizer };
    const first = await trainInMemory(spec, dataset);
    const second = await trainInMemory(spec, dataset);
    const other = await trainInMemory({ ...spec, seed: 4 }, dataset);
    expect(first.ending).toMatchObject({ state: 'done' });
    expect(second.rows.map(timeless)).toEqual(first.rows.map(timeless));
    expect(other.rows.map(timeless)).not.toEqual(first.rows.map(timeless));
  });

  it('evaluates at batch 0 of an epoch, every floor(batches / evaluations) batches, and at the end', async () => {
    // 230 samples in batches of 50: 5 batches, the last of 30; floor(5 / 2) = 2.
    const { rows } = await trainInMemory(tinySpec, dataset);
    expect(rows.map(({ step }) => step)).toEqual([1, 3, 5, 6, 8, 10]);
    expect(rows.map(({ epoch }) => epoch)).toEqual([50, 150, 230, 280, 380, 460].map((seen) => seen / 230));
    for (const row of rows) {
      for (const column of metricsColumns) expect([column, Number.isFinite(row[column])]).toEqual([column, true]);
      expect(row.train_wall_s).toBeLessThanOrEqual(row.wall_s);
    }
  });

  it('lowers the train loss with every optimiser and every treatment of second-order terms', async () => {
    const newton = (secondOrder: 'none' | 'zero' | 'abs' | 'clip') => ({ ...tinySpec.optimizer, secondOrder });
    const exactly = (secondOrder: 'zero' | 'abs' | 'clip') => ({ ...exact, secondOrder });
    const exacts = isPatient ? [exactly('zero'), exactly('abs'), exactly('clip')] : [];
    const newtons = [newton('zero'), newton('abs'), newton('clip'), ...exacts];
    for (const optimizer of [sgd, adam, ...newtons]) {
      const { rows } = await trainInMemory({ ...tinySpec, optimizer, epochs: 3 }, dataset);
      expect(rows.at(-1)!.train_loss).toBeLessThan(rows[0]!.train_loss);
    }
  });

  it('ends as failed when the loss is no number', async () => {
    const optimizer = { kind: 'sgd', lr: 1e30, momentum: 0 } as const;
    const { ending, rows } = await trainInMemory(
      { ...tinySpec, optimizer, model: { hidden: [8], activation: 'relu' } },
      dataset,
    );
    expect(ending.state).toBe('failed');
    expect(ending.reason).toMatch(/^diverged at step [2-9]: batch loss is (NaN|Infinity)$/);
    expect(rows.length).toBeGreaterThan(0);
  });

  it('ends as failed when the very last update has made the numbers none', async () => {
    const once = { ...tinySpec, batchSize: 230, epochs: 1, evaluationsPerEpoch: 1 };
    const { ending, rows } = await trainInMemory({ ...once, optimizer: { ...sgd, lr: 1e45 } }, dataset);
    expect(ending).toMatchObject({ state: 'failed', reason: 'diverged at step 1: train loss is NaN after its update' });
    expect(rows).toMatchObject([{ step: 1, batch_loss: expect.closeTo(2.3, 0) as number, train_loss: NaN }]);
  });

  it('stops between two steps when told to', async () => {
    const controller = new AbortController();
    const onProgress = (event: ProgressEvent): void => {
      if (event.type === 'step' && event.step === 4) controller.abort();
    };
    const { ending, rows } = await trainInMemory(tinySpec, dataset, { stop: controller.signal, onProgress });
    expect(ending).toEqual({ state: 'interrupted', reason: 'stopped after step 4 of 10' });
    expect(rows.map(({ step }) => step)).toEqual([1, 3]);
  });

  it('leaves no tensors behind', async () => {
    await expectNoLeak(() => trainInMemory(tinySpec, dataset));
    for (const optimizer of [sgd, adam, ...(isPatient ? [exact] : [])]) {
      await expectNoLeak(() => trainInMemory({ ...tinySpec, optimizer }, dataset));
    }
  });
});
