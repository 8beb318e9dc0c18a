/** The published searches: every value that the published scripts name, and nothing else. */
import { readdirSync, readFileSync } from 'node:fs';
import { expandExperiment, variantsOf } from '../../../src/lab/config/expand.js';
import { loadAllExperiments, loadExperiment, loadFurtherExperiments } from '../../../src/lab/config/load.js';

const load = (name: string) => loadExperiment(name, { experimentsDir: 'experiments' });

/** All combinations, in any order. */
function product(values: Readonly<Record<string, readonly unknown[]>>): string[] {
  return Object.entries(values)
    .reduce<object[]>((all, [key, some]) => all.flatMap((x) => some.map((value) => ({ ...x, [key]: value }))), [{}])
    .map((point) => JSON.stringify(point))
    .sort();
}

/** What the variants of one grid train with, as `product` writes it. */
function trainedWith(experiment: string, base: string, keys: readonly string[]): string[] {
  return variantsOf(load(experiment))
    .filter((variant) => variant.base === base)
    .map(({ batchSize, optimizer }) => {
      const all: Record<string, unknown> = { batchSize, ...optimizer };
      return JSON.stringify(Object.fromEntries(keys.map((key) => [key, all[key]])));
    })
    .sort();
}

const sgd = { batchSize: [100, 200, 500], kind: ['sgd'], lr: [0.001, 0.01, 0.1, 1, 10], momentum: [0, 0.45, 0.9] };
const adam = {
  ...{ batchSize: [100, 200, 500], kind: ['adam'], lr: [0.0001, 0.001, 0.01, 0.1, 1, 10] },
  ...{ beta1: [0.9], beta2: [0.999], eps: [1e-8] },
};
const kfac = {
  ...{ batchSize: [200, 500, 1000], kind: ['kfac'], lr: [0.0001, 0.001, 0.01, 0.1, 1, 10], momentum: [0.9] },
  ...{ statDecay: [0.95], damping: [0.001], klClip: [0.001], weightDecay: [0], TCov: [10], TInv: [100] },
};
const solver = { solver: ['fast'], reorthogonalize: [false], route: [undefined] };
const exact = (secondOrder: string, batchSize: number[]) => ({
  ...{ batchSize, kind: ['cg-newton'], curvature: ['cvp'], secondOrder: [secondOrder], blocks: [1] },
  ...{ lr: [0.05, 0.1, 0.2], alpha: [0.0001, 0.001, 0.01, 0.1], tol: [0.1], atol: [0], maxiter: [200], ...solver },
});
const split = (secondOrder: string) => ({
  ...{ batchSize: [500], kind: ['cg-newton'], curvature: ['hbp'], secondOrder: [secondOrder] },
  ...{
    blocks: [1, 2, 4, 8, 16, 32, 64, 128, 256, 512],
    lr: [0.1],
    alpha: [0.02],
    tol: [0.1],
    atol: [0],
    maxiter: [50],
  },
  ...solver,
});

test.each([
  ['exp08-grid', 'sgd', 45, sgd],
  ['exp08-grid', 'adam', 18, adam],
  ['exp08-grid', 'kfac', 18, kfac],
  ['exp08-grid', 'ggn', 36, exact('zero', [200, 500, 1000])],
  ['exp08-grid', 'pch-abs', 36, exact('abs', [200, 500, 1000])],
  ['exp08-grid', 'pch-clip', 36, exact('clip', [200, 500, 1000])],
  ['exp09-grid', 'sgd', 45, sgd],
  ['exp09-grid', 'adam', 18, adam],
  ['exp09-grid', 'ggn', 36, exact('zero', [100, 200, 500])],
  ['exp09-grid', 'pch-abs', 36, exact('abs', [100, 200, 500])],
  ['exp09-grid', 'pch-clip', 36, exact('clip', [100, 200, 500])],
  ['exp02-grid', 'ggn', 10, split('zero')],
  ['exp02-grid', 'pch-abs', 10, split('abs')],
  ['exp02-grid', 'pch-clip', 10, split('clip')],
])('%s/%s: %i settings, all combinations of the published values', (experiment, base, count, values) => {
  const found = trainedWith(experiment, base, Object.keys(values));
  expect(found).toHaveLength(count);
  expect(found).toEqual(product(values));
});

test.each([
  ['exp02', 3 * 10],
  ['exp08', 45 + 18 + 18 + 3 * 36],
  ['exp09', 45 + 18 + 3 * 36],
])('the search of %s: %i settings on ten seeds, each a run of its own', (name, settings) => {
  const [search, chosen] = [load(`grids/${name}-grid`), load(name)];
  const specs = expandExperiment(search);
  expect(specs).toHaveLength(settings * 10);
  expect(new Set(specs.map(({ variant, seed }) => `${variant}/${seed}`)).size).toBe(specs.length);
  for (const spec of specs) {
    // All else is the chosen experiment's.
    expect(spec).toMatchObject({
      experiment: `${name}-grid`,
      dataset: chosen.dataset,
      model: chosen.model,
      testBatchSize: chosen.testBatchSize,
      epochs: chosen.epochs,
      evaluationsPerEpoch: chosen.evaluationsPerEpoch,
    });
  }
  // At reduced size no two settings become one.
  const quick = expandExperiment(search, { quick: true });
  expect(quick).toHaveLength(settings);
  const trained = quick.map(({ batchSize, optimizer }) => JSON.stringify([batchSize, optimizer]));
  expect(new Set(trained).size).toBe(settings);
});

/** The figure of exp08 shows what the search found: each of its variants is a point of the grid. */
test.each(['exp02', 'exp08', 'exp09'])('the variants of %s are points of its search', (name) => {
  const settings = ({ batchSize, optimizer }: { batchSize: number; optimizer: object }): string =>
    JSON.stringify([batchSize, Object.entries(optimizer).sort(([a], [b]) => (a < b ? -1 : 1))]);
  const points = variantsOf(load(`${name}-grid`)).map(settings);
  for (const variant of variantsOf(load(name))) expect(points).toContain(settings(variant));
});

describe('the folders', () => {
  const further = loadFurtherExperiments('experiments');

  test('what is to be reproduced are the four experiments of the paper', () => {
    expect(loadAllExperiments('experiments').map(({ name }) => name)).toEqual(['exp01', 'exp02', 'exp08', 'exp09']);
  });

  test('the rest lies in folders, each name once', () => {
    expect(further.map(({ folder, experiments }) => [folder, experiments.map(({ name }) => name)])).toEqual([
      ['grids', ['exp02-grid', 'exp08-grid', 'exp09-grid']],
      ['more', ['chen-mnist', 'tiny-mlp']],
    ]);
  });

  test.each(['grids', 'more'])('files of %s tell editors their schema', (folder) => {
    for (const file of readdirSync(`experiments/${folder}`)) {
      const [first] = readFileSync(`experiments/${folder}/${file}`, 'utf8').split('\n');
      expect(first).toBe('# yaml-language-server: $schema=../schema.json');
    }
  });
});

test('chen-mnist is exp01 with the network and the data of MNIST', () => {
  const [mnist, cifar] = [load('chen-mnist'), load('exp01')];
  expect(mnist).toEqual({
    ...cifar,
    ...{ name: 'chen-mnist', title: mnist.title, dataset: 'mnist', model: 'mlp-mnist' },
  });
});
