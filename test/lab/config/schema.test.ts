import { readFileSync } from 'node:fs';
import { variantsOf } from '../../../src/lab/config/expand.js';
import { experimentJsonSchema } from '../../../src/lab/config/json-schema.js';
import { loadExperiment } from '../../../src/lab/config/load.js';
import type { Experiment } from '../../../src/lab/config/schema.js';

test('experiments/schema.json is up to date (if not: npm run build && node scripts/generate-schema.js)', () => {
  expect(readFileSync('experiments/schema.json', 'utf8')).toBe(experimentJsonSchema());
});

test('each experiment file tells editors its schema in the first line', () => {
  for (const name of ['exp01', 'exp02', 'exp08', 'exp09']) {
    const [first] = readFileSync(`experiments/${name}.yaml`, 'utf8').split('\n');
    expect(first).toBe('# yaml-language-server: $schema=./schema.json');
  }
});

const cg = {
  ...{ kind: 'cg-newton', curvature: 'hbp', lr: 0.1, alpha: 0.02, tol: 0.1, atol: 0, maxiter: 50 },
  ...{ solver: 'fast', reorthogonalize: false },
};

function published(experiment: Experiment): unknown[] {
  return variantsOf(experiment).map(({ name, label, optimizer }) => [name, label, optimizer]);
}

test('exp01 and exp02 have the published hyper-parameters', () => {
  const [exp01, exp02] = ['exp01', 'exp02'].map((name) => loadExperiment(name, { experimentsDir: 'experiments' }));
  const common = { dataset: 'cifar10', model: 'mlp-cifar10', batchSize: 500, epochs: 100, evaluationsPerEpoch: 1 };
  expect(exp01).toMatchObject({ ...common, seeds: '0-9' });
  expect(exp02).toMatchObject({ ...common, seeds: '0-9' });
  expect(exp01 && published(exp01)).toEqual([
    ['sgd', 'SGD', { kind: 'sgd', lr: 0.1, momentum: 0.9 }],
    ['cg-ggn', 'CG (GGN)', { ...cg, secondOrder: 'zero', blocks: 1 }],
    ['cg-pch-abs', 'CG (PCH, abs)', { ...cg, secondOrder: 'abs', blocks: 1 }],
    ['cg-pch-clip', 'CG (PCH, clip)', { ...cg, secondOrder: 'clip', blocks: 1 }],
  ]);
  expect(exp02 && published(exp02)).toEqual([
    ['blocks-1', 'CG, 1 block', { ...cg, secondOrder: 'abs', blocks: 1 }],
    ['blocks-2', 'CG, 2 blocks', { ...cg, secondOrder: 'abs', blocks: 2 }],
    ['blocks-4', 'CG, 4 blocks', { ...cg, secondOrder: 'abs', blocks: 4 }],
    ['blocks-16', 'CG, 16 blocks', { ...cg, secondOrder: 'abs', blocks: 16 }],
  ]);
  const series = ['exp01/sgd', 'blocks-1', 'blocks-2', 'blocks-4', 'blocks-16'];
  expect(exp02?.figures).toEqual([
    { file: 'fig4_1', metric: 'train_loss', x: 'epoch', lines: 'mean', series },
    { file: 'fig4_2', metric: 'test_accuracy', x: 'epoch', lines: 'mean', series },
  ]);
});

test('exp08 and exp09 have the published hyper-parameters', () => {
  const [exp08, exp09] = ['exp08', 'exp09'].map((name) => loadExperiment(name, { experimentsDir: 'experiments' }));
  const common = { dataset: 'cifar10', testBatchSize: 100, epochs: 20, evaluationsPerEpoch: 4, seeds: '0-9' };
  expect(exp08).toMatchObject({ ...common, model: 'c4d3' });
  expect(exp09).toMatchObject({ ...common, model: '3c3d' });
  const cvp = { ...cg, curvature: 'cvp', maxiter: 200, blocks: 1 };
  const adam = { kind: 'adam', lr: 0.001, beta1: 0.9, beta2: 0.999, eps: 1e-8 };
  const kfac = {
    ...{ kind: 'kfac', lr: 0.1, momentum: 0.9, statDecay: 0.95, damping: 0.001, klClip: 0.001, weightDecay: 0 },
    ...{ TCov: 10, TInv: 100 },
  };
  expect(exp08 && published(exp08)).toEqual([
    ['sgd', 'SGD', { kind: 'sgd', lr: 0.001, momentum: 0.9 }],
    ['adam', 'Adam', adam],
    ['kfac', 'KFAC', kfac],
    ['pch-abs', 'PCH-abs', { ...cvp, secondOrder: 'abs', lr: 0.2, alpha: 1e-3 }],
    ['pch-clip', 'PCH-clip', { ...cvp, secondOrder: 'clip', lr: 0.1, alpha: 1e-4 }],
    ['ggn-alpha1', 'GGN alpha1', { ...cvp, secondOrder: 'zero', lr: 0.1, alpha: 1e-4 }],
    ['ggn-alpha2', 'GGN alpha2', { ...cvp, secondOrder: 'zero', lr: 0.1, alpha: 1e-3 }],
  ]);
  expect(exp09 && published(exp09)).toEqual([
    ['sgd', 'SGD', { kind: 'sgd', lr: 1, momentum: 0 }],
    ['adam', 'Adam', adam],
    ['pch-abs', 'PCH-abs', { ...cvp, secondOrder: 'abs', lr: 0.1, alpha: 1e-3 }],
    ['pch-clip', 'PCH-clip', { ...cvp, secondOrder: 'clip', lr: 0.1, alpha: 1e-2 }],
    ['ggn', 'GGN', { ...cvp, secondOrder: 'zero', lr: 0.05, alpha: 1e-3 }],
  ]);
  const batches = (experiment?: Experiment) => experiment && variantsOf(experiment).map(({ batchSize }) => batchSize);
  expect(batches(exp08)).toEqual([100, 100, 500, 1000, 1000, 1000, 1000]);
  expect(batches(exp09)).toEqual([100, 100, 500, 500, 500]);
  const drawn = (experiment?: Experiment) => experiment?.figures.map(({ file, metric, x }) => [file, metric, x]);
  expect(drawn(exp08)).toEqual([
    ['fig5a_1', 'train_loss', 'epoch'],
    ['fig5a_2', 'test_accuracy', 'epoch'],
    ['fig5b_1', 'train_loss', 'wall'],
    ['fig5b_2', 'test_accuracy', 'wall'],
  ]);
  expect(drawn(exp09)).toEqual([
    ['figS6_1', 'train_loss', 'epoch'],
    ['figS6_2', 'test_accuracy', 'epoch'],
  ]);
});
