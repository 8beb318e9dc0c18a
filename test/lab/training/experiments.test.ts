/** Every variant of every experiment, trained from its file to its last row on a few small pictures. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseBackend, useBackend } from '../../../src/engine/backend/index.js';
import { withActivation } from '../../../src/lab/config/activation.js';
import { expandExperiment } from '../../../src/lab/config/expand.js';
import { loadExperiment } from '../../../src/lab/config/load.js';
import type { Experiment } from '../../../src/lab/config/schema.js';
import type { RunSpec } from '../../../src/lab/config/spec.js';
import type { Dataset } from '../../../src/lab/datasets/dataset.js';
import { loadDataset } from '../../../src/lab/datasets/index.js';
import { metricsColumns, type MetricsRow } from '../../../src/lab/results/metrics.js';
import { testBackends } from '../../support/backends.js';
import { temporaryFolder } from '../results/support.js';
import { cropped, timeless, trainInMemory } from './fixtures.js';

const backend = testBackends.includes('native') ? 'native' : 'wasm';
const samples = 16;
const size = { trainSamples: samples, testSamples: samples, batchSize: 8, epochs: 2 };

/** The smallest pictures that all layers of the networks take; the MLP on MNIST takes them whole. */
const pictures: Record<string, Dataset> = {};
beforeAll(async () => {
  await useBackend(parseBackend(backend), { threads: 1 });
  const whole = await loadDataset('synthetic-cifar10', { dataDirs: [], trainSamples: samples, testSamples: samples });
  pictures['cifar10'] = cropped(whole, 12);
  pictures['mnist'] = { ...cropped(whole, 28, 1), name: 'mnist' };
});

const load = (name: string): Experiment => loadExperiment(name, { experimentsDir: 'experiments' });
const small = (experiment: Experiment, options = {}): RunSpec[] =>
  expandExperiment(experiment, { seeds: [1], ...options }).map((spec) => ({ ...spec, ...size }));

async function trainOn(spec: RunSpec): Promise<readonly MetricsRow[]> {
  const { ending, rows } = await trainInMemory(spec, pictures[spec.dataset]!);
  expect(ending.state).toBe('done');
  return rows;
}

/** The published steps of two epochs of two batches, and the last one. */
function stepsOf({ evaluationsPerEpoch }: RunSpec): number[] {
  return evaluationsPerEpoch === 1 ? [1, 3, 4] : [1, 2, 3, 4];
}

/** The published learning rate of SGD on 3c3d is 1: on eight pictures its first steps are leaps. */
const largestLoss = (name: string): number => (name.startsWith('exp09/sgd') ? 25 : 4);

function checkRows(name: string, spec: RunSpec, rows: readonly MetricsRow[]): void {
  expect(rows.map(({ step }) => step)).toEqual(stepsOf(spec));
  for (const row of rows) {
    expect(row.epoch).toBe(row.step / 2);
    for (const column of metricsColumns) expect([column, Number.isFinite(row[column])]).toEqual([column, true]);
    for (const loss of [row.batch_loss, row.train_loss, row.test_loss]) {
      expect(loss).toBeGreaterThan(0);
      expect(loss).toBeLessThan(largestLoss(name));
    }
    for (const accuracy of [row.train_accuracy, row.test_accuracy]) {
      expect(Number.isInteger(accuracy * samples)).toBe(true);
      expect(accuracy).toBeLessThanOrEqual(1);
    }
  }
}

const runsOf = (experiment: Experiment): { name: string; spec: RunSpec }[] =>
  small(experiment).map((spec) => ({ name: `${spec.experiment}/${spec.variant}`, spec }));
const runs = ['exp01', 'exp02', 'exp08', 'exp09', 'chen-mnist'].flatMap((name) => runsOf(load(name)));

test('these are all variants of the paper, and those of the network for MNIST', () => {
  expect(runs).toHaveLength(4 + 4 + 7 + 5 + 4);
});

const rowsOf = new Map<string, readonly MetricsRow[]>();
/** The first weights of the MLP on CIFAR-10 take longer than all else: of its variants these run a second time. */
const twice = (name: string): boolean => !/^exp0[12]/.test(name) || ['exp01/sgd', 'exp02/blocks-16'].includes(name);

it.each(runs)('$name: trains to its end, with the right rows', async ({ name, spec }) => {
  const rows = await trainOn(spec);
  rowsOf.set(name, rows);
  checkRows(name, spec, rows);
  // The training subset is the whole set here, so that this is progress and no chance.
  expect(rows.at(-1)!.train_loss).toBeLessThan(rows[0]!.train_loss);
  if (twice(name)) expect((await trainOn(spec)).map(timeless)).toEqual(rows.map(timeless));
});

it('takes one block for no splitting', () => {
  const rows = (name: string) => rowsOf.get(name)!.map(timeless);
  expect(rows('exp02/blocks-1')).toEqual(rows('exp01/cg-pch-abs'));
  expect(rows('exp02/blocks-2')).not.toEqual(rows('exp02/blocks-1'));
});

/** The published damping is one for hundreds of pictures: on eight, steps without the sigmoid's small slopes overshoot. */
function damped({ optimizer, ...spec }: RunSpec): RunSpec {
  return { ...spec, optimizer: optimizer.kind === 'cg-newton' ? { ...optimizer, alpha: 0.1 } : optimizer };
}

describe.each(['exp08', 'exp09'])('%s with another activation by one line of its file', (name) => {
  const text = readFileSync(`experiments/${name}.yaml`, 'utf8');
  const folder = temporaryFolder();

  it.each(['relu', 'tanh'] as const)('%s', async (activation) => {
    const file = join(folder.path, `${name}.yaml`);
    writeFileSync(file, text.replace(/^model: (\w+).*$/m, `model: { network: $1, activation: ${activation} }`));
    const specs = small(loadExperiment(file, { experimentsDir: 'experiments' }));
    const published = small(load(name));
    expect(specs).toEqual(published.map((spec) => ({ ...spec, model: { network: spec.model, activation } })));
    const byOption = small(withActivation(load(name), activation));
    expect(byOption).toEqual(specs.map((spec) => ({ ...spec, experiment: `${name}-${activation}` })));
    const losses = new Map<string, number[]>();
    for (const spec of specs) {
      const rows = await trainOn(damped(spec));
      checkRows(`${name}/${spec.variant}`, spec, rows);
      expect(rows.at(-1)!.train_loss).toBeLessThan(rows[0]!.train_loss);
      losses.set(
        spec.variant,
        rows.map(({ train_loss }) => Number(train_loss.toFixed(3))),
      );
    }
    // A ReLU has no second-order term to clip: with equal parameters it is the Gauss-Newton step.
    if (name !== 'exp08') return;
    const clipped = expect(losses.get('pch-clip'));
    if (activation === 'relu') clipped.toEqual(losses.get('ggn-alpha1'));
    else clipped.not.toEqual(losses.get('ggn-alpha1'));
  });
});
