/** Steps of every variant of the shipped experiments, on small pictures. */
import { parseBackend, useBackend } from '../../../src/engine/backend/index.js';
import type { CgReport } from '../../../src/engine/optim/cg.js';
import * as tf from '../../../src/engine/tf.js';
import { variantsOf } from '../../../src/lab/config/expand.js';
import { loadAllExperiments } from '../../../src/lab/config/load.js';
import type { ModelSpec, OptimizerSpec } from '../../../src/lab/config/schema.js';
import { seededStreams } from '../../../src/lab/random.js';
import { createModel } from '../../../src/lab/training/model.js';
import { createStepper, type Phase, type Resources, type StepObserver } from '../../../src/lab/training/step.js';
import { expectNoLeak, testBackends } from '../../support/backends.js';

const shape = [16, 16, 3] as const;
const classes = 10;
const samples = 4;

/** Steps on one batch; what the observer was told, the mean losses before each step, the parameters at both ends. */
async function takeSteps(spec: ModelSpec, optimizer: OptimizerSpec, count: number, resources: Resources = {}) {
  const { init, shuffle } = seededStreams(1);
  const model = createModel(spec, { shape, classes }, init);
  const phases: Phase[] = [];
  let reports: Readonly<Record<string, readonly CgReport[]>> = {};
  let routes: Readonly<Record<string, string>> = {};
  const observer: StepObserver = {
    ended: (phase) => phases.push(phase),
    solved: (how) => (reports = how),
    routed: (chosen) => (routes = chosen),
  };
  const stepper = createStepper(model, optimizer, observer, resources);
  const pixels = Float32Array.from({ length: samples * 16 * 16 * 3 }, () => shuffle.int(256) / 64 - 2);
  const batch = {
    inputs: tf.tensor(pixels, [samples, ...shape]),
    labels: tf.tensor1d([3, 1, 4, 1], 'int32'),
  };
  const read = () => Promise.all(model.parameters.map(({ parameter }) => parameter.value.data()));
  const before = (await read()).map((values) => values.slice());
  const losses: number[] = [];
  for (let i = 0; i < count; i++) {
    const score = await stepper.step(batch);
    losses.push((await score.data())[0]! / samples);
    score.dispose();
  }
  const shapes = model.parameters.map(({ parameter }) => parameter.shape);
  const values = await read();
  stepper.dispose();
  model.dispose();
  tf.dispose([batch.inputs, batch.labels]);
  return { phases, reports, routes, losses, shapes, before, values };
}

const variants = loadAllExperiments('experiments').flatMap((experiment) =>
  variantsOf(experiment).map(({ name, model, optimizer }) => ({
    name: `${experiment.name}/${name}`,
    model,
    optimizer,
  })),
);
/** The others calculate the same, slower; test/lab/training/train.test.ts trains on all. */
const backend = testBackends.includes('native') ? 'native' : 'wasm';

describe(`steps on ${backend}`, () => {
  beforeAll(async () => {
    await useBackend(parseBackend(backend));
  });

  it.each(variants)('$name: two steps, finite and without leaks', async ({ model, optimizer }) => {
    await expectNoLeak(async () => {
      const { phases, reports, losses, before, values } = await takeSteps(model, optimizer, 2);
      const expected = {
        sgd: ['forward', 'backward', 'update'],
        adam: ['forward', 'backward', 'update'],
        kfac: ['forward', 'backward', 'update'],
        'cg-newton': ['forward', 'backward', 'curvature', 'solve'],
      }[optimizer.kind];
      expect(phases).toEqual([...expected, ...expected]);
      expect(losses.every((loss) => loss > 0 && loss < 100)).toBe(true);
      values.forEach((parameter, i) => {
        expect(parameter.every(Number.isFinite)).toBe(true);
        expect(parameter.some((value, j) => value !== before[i]![j])).toBe(true);
      });
      expect(Object.keys(reports)).toHaveLength(optimizer.kind === 'cg-newton' ? values.length : 0);
      for (const { iterations, stop } of Object.values(reports).flat()) {
        expect(iterations).toBeGreaterThan(0);
        expect(stop).toBe('converged');
      }
    });
  });

  it.each(['exp08/ggn-alpha1', 'exp08/pch-abs', 'exp01/cg-pch-abs'])(
    '%s: the plain solver makes the same step, and so do a small memory and a smaller one',
    async (name) => {
      const { model, optimizer } = variants.find((variant) => variant.name === name)!;
      const { losses, values, routes } = await takeSteps(model, optimizer, 2);
      const isExact = 'curvature' in optimizer && optimizer.curvature === 'cvp';
      expect(Object.keys(routes)).toHaveLength(isExact ? values.length : 0);
      const others: [OptimizerSpec, Resources][] = [[{ ...optimizer, solver: 'plain' } as OptimizerSpec, {}]];
      // Four samples of 16 x 16 pixels: the first limit holds the way through the network, the second two samples at a time.
      if (isExact) others.push([optimizer, { memoryLimit: 2.5e6 }], [optimizer, { memoryLimit: 1e6 }]);
      for (const [other, resources] of others) {
        const again = await takeSteps(model, other, 2, resources);
        again.losses.forEach((loss, i) => expect(loss).toBeCloseTo(losses[i]!, 4));
        again.values.forEach((parameter, i) => {
          const most = (numbers: ArrayLike<number>): number =>
            Array.from(numbers).reduce((most, value) => Math.max(most, Math.abs(value)), 0);
          const largest = most(values[i]!);
          const off = most(parameter.map((value, j) => value - values[i]![j]!));
          expect(off / largest).toBeLessThan(2e-3);
        });
      }
    },
  );

  it('splits exact curvature into blocks of output rows and channels', async () => {
    const { optimizer } = variants.find(({ name }) => name === 'exp08/ggn-alpha1')!;
    const { reports, shapes } = await takeSteps('c4d3', { ...optimizer, blocks: 4 } as OptimizerSpec, 1);
    const rows = (size: readonly number[]): number => size[size.length === 4 ? 3 : 0]!;
    const blocks = (count: number): number => Math.ceil(count / Math.ceil(count / 4));
    expect(Object.values(reports).map(({ length }) => length)).toEqual(shapes.map((size) => blocks(rows(size))));
  });

  it('makes the networks with other activations', async () => {
    const optimizer = { kind: 'sgd', lr: 0.01, momentum: 0 } as const;
    const networks = ['mlp-mnist', 'c4d3', '3c3d'] as const;
    for (const network of networks) {
      const made = await Promise.all(
        (['sigmoid', 'relu', 'tanh'] as const).map((activation) => takeSteps({ network, activation }, optimizer, 1)),
      );
      const plain = await takeSteps(network, optimizer, 1);
      expect(made.map(({ losses }) => losses[0])).toContain(plain.losses[0]);
      expect(new Set(made.map(({ losses }) => losses[0])).size).toBe(3);
      for (const { shapes } of made) expect(shapes).toEqual(plain.shapes);
    }
  });
});
