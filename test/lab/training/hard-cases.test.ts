/** Batches and networks at the edge of what makes sense: every optimiser takes its steps, finite and without leaks. */
import { parseBackend, useBackend } from '../../../src/engine/backend/index.js';
import type { Parameter } from '../../../src/engine/nn/parameter.js';
import type { CgReport } from '../../../src/engine/optim/cg.js';
import * as tf from '../../../src/engine/tf.js';
import { optimizerSchema, type ModelSpec, type OptimizerSpec } from '../../../src/lab/config/schema.js';
import { seededStreams } from '../../../src/lab/random.js';
import { createModel } from '../../../src/lab/training/model.js';
import { createStepper } from '../../../src/lab/training/step.js';
import { expectNoLeak, testBackends } from '../../support/backends.js';

const shape = [8, 8, 3] as const;
const pixels = 8 * 8 * 3;
const classes = 10;

const newton = { kind: 'cg-newton', lr: 0.1, alpha: 0.02, tol: 0.1, maxiter: 20 } as const;
const optimizers: Readonly<Record<string, OptimizerSpec>> = Object.fromEntries(
  Object.entries({
    sgd: { kind: 'sgd', lr: 0.1, momentum: 0.9 },
    adam: { kind: 'adam', lr: 0.001 },
    kfac: { kind: 'kfac', lr: 0.1, TCov: 1, TInv: 2 },
    'hbp-zero': { ...newton, secondOrder: 'zero' },
    'hbp-abs': { ...newton, secondOrder: 'abs', blocks: 3 },
    'hbp-clip': { ...newton, secondOrder: 'clip' },
    'cvp-zero': { ...newton, curvature: 'cvp', secondOrder: 'zero' },
    'cvp-abs': { ...newton, curvature: 'cvp', secondOrder: 'abs' },
    'cvp-clip': { ...newton, curvature: 'cvp', secondOrder: 'clip' },
  }).map(([name, spec]) => [name, optimizerSchema.parse(spec)]),
);
const networks: Readonly<Record<string, ModelSpec>> = {
  mlp: { hidden: [12, 8], activation: 'sigmoid' },
  'convolutions and ReLUs': { network: 'c4d3', activation: 'relu' },
};

interface Pictures {
  readonly labels: readonly number[];
  /** Of every picture in turn. */
  readonly pixel: (i: number) => number;
}

const noise = (i: number): number => ((i * 2654435761) % 1024) / 256 - 2;
/** One batch a step. */
const batches: Readonly<Record<string, readonly Pictures[]>> = {
  'batches of one picture': [
    { labels: [3], pixel: noise },
    { labels: [7], pixel: noise },
    { labels: [3], pixel: noise },
  ],
  'a last batch of one': [
    { labels: [3, 1, 4, 1], pixel: noise },
    { labels: [5], pixel: noise },
  ],
  'one class only': [
    { labels: [2, 2, 2, 2], pixel: noise },
    { labels: [2, 2, 2, 2], pixel: noise },
  ],
  'constant pictures, all alike': [
    { labels: [0, 1, 2, 3], pixel: () => 0.5 },
    { labels: [0, 1, 2, 3], pixel: () => 0.5 },
  ],
  'black pictures': [
    { labels: [0, 1, 2, 3], pixel: () => 0 },
    { labels: [0, 1, 2, 3], pixel: () => 0 },
  ],
  'pictures far out of range': [
    { labels: [0, 1, 2, 3], pixel: (i) => 1e4 * noise(i) },
    { labels: [0, 1, 2, 3], pixel: (i) => 1e4 * noise(i) },
  ],
};

const backend = testBackends.includes('native') ? 'native' : 'wasm';

async function takeSteps(
  network: ModelSpec,
  optimizer: OptimizerSpec,
  pictures: readonly Pictures[],
  prepare: (parameters: readonly Parameter[]) => void = () => undefined,
) {
  const model = createModel(network, { shape, classes }, seededStreams(1).init);
  let reports: Readonly<Record<string, readonly CgReport[]>> = {};
  const stepper = createStepper(model, optimizer, { solved: (how) => (reports = how) });
  prepare(model.parameters.map(({ parameter }) => parameter));
  const losses: number[] = [];
  for (const { labels, pixel } of pictures) {
    const values = Float32Array.from({ length: labels.length * pixels }, (_, i) => pixel(i));
    const batch = { inputs: tf.tensor(values, [labels.length, ...shape]), labels: tf.tensor1d([...labels], 'int32') };
    const score = await stepper.step(batch);
    losses.push((await score.data())[0]! / labels.length);
    tf.dispose([score, batch.inputs, batch.labels]);
  }
  const values = await Promise.all(model.parameters.map(({ parameter }) => parameter.value.data()));
  stepper.dispose();
  model.dispose();
  return { losses, reports, values };
}

/** Convolutions take longer: these suffice. */
const onConvolutions = ['batches of one picture', 'black pictures', 'pictures far out of range'];
/** Steps of CG-Newton whose numbers have left float32 stay where they are, and say why. */
const overflows = 'pictures far out of range';

describe(`hard cases on ${backend}`, () => {
  beforeAll(async () => {
    await useBackend(parseBackend(backend));
  });

  const cases = Object.entries(batches).flatMap(([what, pictures]) =>
    Object.entries(networks)
      .filter(([network]) => network === 'mlp' || onConvolutions.includes(what))
      .flatMap(([network, model]) =>
        Object.entries(optimizers).map(([name, optimizer]) => ({ what, network, name, pictures, model, optimizer })),
      ),
  );
  it.each(cases)('$what: $name on $network', async ({ what, pictures, model, optimizer }) => {
    await expectNoLeak(async () => {
      const { losses, reports, values } = await takeSteps(model, optimizer, pictures);
      expect(losses.every(Number.isFinite)).toBe(true);
      expect(values.every((parameter) => parameter.every(Number.isFinite))).toBe(true);
      for (const { stop, residualNorm, iterations } of Object.values(reports).flat()) {
        if (what === overflows && !Number.isFinite(residualNorm)) expect(stop).toBe('breakdown');
        else expect([Number.isFinite(residualNorm), iterations <= 21]).toEqual([true, true]);
      }
    });
  });

  it.each(Object.keys(optimizers))('a layer of dead units: %s leaves it as it is and trains the rest', async (name) => {
    let before: readonly number[] = [];
    // Biases far below all inputs: no unit of the first hidden layer answers to anything.
    const kill = ([weight, bias]: readonly Parameter[]): void => {
      bias!.assign(tf.fill(bias!.shape, -1e3));
      before = [...weight!.value.dataSync()];
    };
    const { values, reports } = await takeSteps(
      { hidden: [12, 8], activation: 'relu' },
      optimizers[name]!,
      batches['one class only']!,
      kill,
    );
    expect([...values[0]!]).toEqual(before);
    expect(values.every((parameter) => parameter.every(Number.isFinite))).toBe(true);
    expect(values.at(-1)!.some((value) => value !== 0)).toBe(true); // the output's bias has learnt
    const [dead] = Object.values(reports);
    for (const block of dead ?? []) expect(block).toMatchObject({ iterations: 0, stop: 'converged' });
  });
});
