import { experimentSchema, type Experiment } from '../../../src/lab/config/schema.js';
import { expandExperiment } from '../../../src/lab/config/expand.js';
import type { MetricsRow } from '../../../src/lab/results/metrics.js';
import { openRun } from '../../../src/lab/results/store.js';

const cg = { kind: 'cg-newton', secondOrder: 'abs', lr: 0.1, alpha: 0.02, tol: 0.1, maxiter: 50 };

const common = {
  dataset: 'synthetic-cifar10',
  model: 'mlp-cifar10',
  batchSize: 500,
  testBatchSize: 500,
  epochs: 3,
  seeds: '0-1',
  quick: { epochs: 1, trainSamples: 100, testSamples: 100, seeds: '0' },
};

/** Two experiments in the shape of the paper's: figures of the second draw a line of the first. */
export const experiments: readonly Experiment[] = [
  experimentSchema.parse({
    ...common,
    name: 'exp01',
    title: 'First order against curvature',
    variants: {
      sgd: { label: 'SGD', optimizer: { kind: 'sgd', lr: 0.1, momentum: 0.9 } },
      'pch-abs': { label: 'CG (PCH, abs)', optimizer: cg },
    },
  }),
  experimentSchema.parse({
    ...common,
    name: 'exp02',
    title: 'Blocks',
    variants: Object.fromEntries(
      [1, 2, 4, 16].map((blocks) => [
        `blocks-${blocks}`,
        { label: `CG, ${blocks} block${blocks > 1 ? 's' : ''}`, optimizer: { ...cg, blocks } },
      ]),
    ),
    figures: [
      {
        file: 'fig4_1',
        metric: 'train_loss',
        series: ['exp01/sgd', 'blocks-1', 'blocks-2', 'blocks-4', 'blocks-16'],
      },
    ],
  }),
];

/** A row whose loss falls from 2.3 and whose accuracy rises from 10 %, a little differently for every seed. */
export function row(epoch: number, seed = 0): MetricsRow {
  const loss = 2.3 / (1 + epoch) + 0.1 * seed;
  const accuracy = 0.1 + 0.1 * epoch + 0.01 * seed;
  return {
    step: 100 * epoch,
    epoch,
    wall_s: 10 * epoch + seed,
    train_wall_s: 9 * epoch,
    batch_loss: loss,
    batch_accuracy: accuracy,
    train_loss: loss,
    train_accuracy: accuracy,
    test_loss: loss,
    test_accuracy: accuracy,
  };
}

/** Puts done runs of a variant into a run store. */
export function trainPretending(
  root: string,
  experiment: string,
  variant: string,
  { seeds = [0, 1], epochs = 3 }: { seeds?: number[]; epochs?: number } = {},
): void {
  const declared = experiments.filter(({ name }) => name === experiment);
  for (const spec of declared.flatMap((file) => expandExperiment(file, { variants: [variant], seeds, epochs }))) {
    const writer = openRun(root, spec, {
      versions: { hbp: '0', node: '20', tfjs: '4' },
      backend: 'cpu',
      threads: 1,
      cpu: 'none',
      gpu: null,
      dataset: { name: spec.dataset, fingerprint: 'sha256:0', source: 'test' },
      commit: null,
    });
    if (writer === 'done') throw new Error('done before');
    for (let epoch = 0; epoch <= epochs; epoch++) writer.append(row(epoch, spec.seed));
    writer.finish('done');
  }
}
