import fc from 'fast-check';
import { ConfigError } from '../../../src/errors.js';
import { expandExperiment, selectVariants, variantsOf } from '../../../src/lab/config/expand.js';
import { gridValues, joinParameters } from '../../../src/lab/config/grid.js';
import { loadExperiment } from '../../../src/lab/config/load.js';
import { experimentSchema, type Experiment } from '../../../src/lab/config/schema.js';
import { formatSeeds, parseSeeds } from '../../../src/lab/config/seeds.js';
import { readGoldenJson } from '../results/golden.js';

function withGrid(grid: Record<string, unknown>): Experiment {
  return experimentSchema.parse({
    name: 'search',
    title: 'A search',
    dataset: 'mnist',
    model: 'mlp-mnist',
    batchSize: 100,
    testBatchSize: 100,
    epochs: 3,
    seeds: '0-1',
    quick: { epochs: 1, trainSamples: 200, testSamples: 100, seeds: '0' },
    variants: {
      sgd: { label: 'SGD', optimizer: { kind: 'sgd', lr: 1, momentum: 0 }, grid },
      plain: { label: 'Plain', color: 'red', optimizer: { kind: 'sgd', lr: 0.5 }, batchSize: 50 },
    },
  });
}

const search = withGrid({ 'optimizer.momentum': [0, 0.9], 'optimizer.lr': { logspace: [-2, 0, 3] } });

test('a grid becomes one variant for every combination, named by sorted keys', () => {
  expect(variantsOf(search).map(({ name }) => name)).toEqual([
    'sgd_lr_0.01_momentum_0',
    'sgd_lr_0.1_momentum_0',
    'sgd_lr_1_momentum_0',
    'sgd_lr_0.01_momentum_0.9',
    'sgd_lr_0.1_momentum_0.9',
    'sgd_lr_1_momentum_0.9',
    'plain',
  ]);
  expect(variantsOf(search)[4]).toEqual({
    name: 'sgd_lr_0.1_momentum_0.9',
    base: 'sgd',
    label: 'SGD, lr 0.1, momentum 0.9',
    color: undefined,
    model: 'mlp-mnist',
    optimizer: { kind: 'sgd', lr: 0.1, momentum: 0.9 },
    batchSize: 100,
    epochs: 3,
  });
});

test('run names follow the published rule', () => {
  const { given, expected } = readGoldenJson<{
    given: { examples: { key: string; text: string }[][] };
    expected: { names: string[] };
  }>('dirname_from_params');
  const names = given.examples.map((pairs) =>
    joinParameters(Object.fromEntries(pairs.map(({ key, text }) => [key, text]))),
  );
  expect(names).toEqual(expected.names);
});

test('powers of ten are the numbers one would write', () => {
  expect(gridValues({ logspace: [-5, 4, 10] })).toEqual([1e-5, 1e-4, 1e-3, 0.01, 0.1, 1, 10, 100, 1000, 1e4]);
  expect(gridValues({ logspace: [-3, 1, 1] })).toEqual([0.001]);
});

test('names select variants; the base name of a grid selects all of its points', () => {
  expect(selectVariants(search, ['sgd'])).toHaveLength(6);
  expect(selectVariants(search, ['plain', 'sgd_lr_1_momentum_0']).map(({ name }) => name)).toEqual([
    'sgd_lr_1_momentum_0',
    'plain',
  ]);
  expect(() => selectVariants(search, ['plan'])).toThrow(
    new ConfigError('search has no variant "plan": did you mean "plain"?'),
  );
});

test('a run of exp01, complete', () => {
  const experiment = loadExperiment('exp01', { experimentsDir: 'experiments' });
  expect(expandExperiment(experiment, { variants: ['cg-pch-abs'], seeds: [3] })).toEqual([
    {
      experiment: 'exp01',
      variant: 'cg-pch-abs',
      label: 'CG (PCH, abs)',
      seed: 3,
      dataset: 'cifar10',
      model: 'mlp-cifar10',
      optimizer: {
        kind: 'cg-newton',
        curvature: 'hbp',
        secondOrder: 'abs',
        lr: 0.1,
        alpha: 0.02,
        tol: 0.1,
        atol: 0,
        maxiter: 50,
        blocks: 1,
        solver: 'fast',
        reorthogonalize: false,
      },
      batchSize: 500,
      testBatchSize: 500,
      epochs: 100,
      evaluationsPerEpoch: 1,
    },
  ]);
});

test('quick takes the reduced size of the file, options win over it', () => {
  const [quick] = expandExperiment(search, { quick: true, variants: ['plain'] });
  expect(quick).toMatchObject({ epochs: 1, trainSamples: 200, testSamples: 100, seed: 0, batchSize: 50 });
  const chosen = expandExperiment(search, {
    quick: true,
    variants: ['plain'],
    seeds: [4, 7],
    epochs: 9,
    dataset: 'synthetic-cifar10',
  });
  expect(chosen.map(({ seed }) => seed)).toEqual([4, 7]);
  expect(chosen[0]).toMatchObject({ epochs: 9, trainSamples: 200, dataset: 'synthetic-cifar10' });
  expect(expandExperiment(search)[0]).not.toHaveProperty('trainSamples');
});

test('every variant meets every seed exactly once', () => {
  const values = fc.uniqueArray(fc.integer({ min: 1, max: 1000 }), { minLength: 1, maxLength: 5 });
  const seeds = fc.uniqueArray(fc.nat(100), { minLength: 1, maxLength: 5 });
  fc.assert(
    fc.property(values, values, seeds, (lrs, batches, wanted) => {
      const experiment = withGrid({ 'optimizer.lr': lrs, batchSize: batches });
      const specs = expandExperiment(experiment, { seeds: wanted });
      expect(specs).toHaveLength((lrs.length * batches.length + 1) * wanted.length);
      expect(new Set(specs.map(({ variant, seed }) => `${variant}/${seed}`)).size).toBe(specs.length);
      for (const { variant, optimizer, batchSize } of specs.filter((spec) => spec.variant !== 'plain')) {
        expect(variant).toBe(`sgd_batchSize_${batchSize}_lr_${optimizer.lr}`);
      }
    }),
    { numRuns: 50 },
  );
});

describe('seed lists', () => {
  test.each([
    ['0-3', [0, 1, 2, 3]],
    ['0,3', [0, 3]],
    ['7', [7]],
    ['5,0-2,1', [0, 1, 2, 5]],
  ])('%s', (text, seeds) => expect(parseSeeds(text)).toEqual(seeds));

  test.each([
    ['', 'seeds: found "", expected a seed list such as "0-9" or "0,3"'],
    ['-1', 'seeds: found "-1", expected a seed list'],
    ['1,,2', 'seeds: found "1,,2", expected a seed list'],
    ['9-0', 'seeds: found "9-0", expected "0-9"'],
    ['0-9999999', 'seeds: found 10000000 seeds, expected at most 1000'],
    ['4294967296', 'seeds: found 4294967296, expected at most 4294967295'],
  ])('"%s" is refused', (text, message) => expect(() => parseSeeds(text)).toThrow(message));

  it('are written as ranges', () => {
    expect(formatSeeds([0, 1, 2, 5, 7, 8])).toBe('0-2,5,7-8');
    expect(formatSeeds([])).toBe('');
  });

  test('any set of seeds survives being written out', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.nat(5000), { minLength: 1, maxLength: 50 }), (seeds) => {
        const ascending = [...seeds].sort((a, b) => a - b);
        expect(parseSeeds(seeds.join())).toEqual(ascending);
        expect(parseSeeds(formatSeeds(ascending))).toEqual(ascending);
      }),
    );
  });
});
