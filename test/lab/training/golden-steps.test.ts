/**
 * The published trajectories through the steps that experiments take: the optimisers as an experiment file names them, with
 * everything that the lab decides for them. The golden runner compares the engine's own; EKFAC is there only, since no
 * experiment file knows it.
 */
import { parseBackend, useBackend } from '../../../src/engine/backend/index.js';
import * as tf from '../../../src/engine/tf.js';
import { optimizerSchema, type OptimizerSpec } from '../../../src/lab/config/schema.js';
import { createStepper, scoreBatch } from '../../../src/lab/training/step.js';
import type { CgReport } from '../../../src/engine/optim/cg.js';
import { Comparison } from '../../golden-runner/comparison.js';
import { testBackends } from '../../support/backends.js';
import {
  activations,
  goldenNames,
  type GoldenTensor,
  type LayerSpec,
  networkLayouts,
  networkOf,
  type Params,
  readGolden,
  tensorOf,
  toleranceOf,
} from '../../support/golden.js';

interface Given {
  params: Params;
  batches: { inputs: GoldenTensor[]; labels: GoldenTensor[] };
}
interface Expected {
  steps: { loss: number; params: { param: string; block?: number; cg?: { iterations: number } }[] }[];
  params_after_step_1: Params;
  final_params: Params;
  final_losses: GoldenTensor;
}
interface Spec {
  network: { layers: LayerSpec[] };
  optimizer: { kind: string } & Record<string, never>;
}

/** The optimiser of a file as an experiment file says it. */
function optimizerOf({ kind, ...golden }: Spec['optimizer']): OptimizerSpec {
  const { lr, momentum, alpha, cg_tol: tol, cg_atol: atol, cg_maxiter: maxiter } = golden;
  const newton = { kind: 'cg-newton', lr, alpha, tol, atol, maxiter, secondOrder: golden['modify_2nd_order_terms'] };
  const specs: Record<string, object> = {
    sgd: { kind, lr, momentum },
    adam: { kind, lr, beta1: golden['betas']?.[0], beta2: golden['betas']?.[1], eps: golden['eps'] },
    kfac: {
      ...{ kind, lr, momentum, statDecay: golden['stat_decay'], damping: golden['damping'] },
      ...{ klClip: golden['kl_clip'], weightDecay: golden['weight_decay'], TCov: golden['TCov'], TInv: golden['TInv'] },
    },
    'CGNewton on HBP': { ...newton, curvature: 'hbp', blocks: golden['max_blocks'] },
    'CGNewton on CVP': { ...newton, curvature: 'cvp' },
  };
  return optimizerSchema.parse(specs[kind]);
}

async function follow(name: string, change: object = {}): Promise<Comparison> {
  const golden = readGolden<Given, Expected, Spec>(name);
  const { spec, given, expected } = golden;
  const comparison = new Comparison(toleranceOf(golden));
  const { inputs, labels } = given.batches;
  const model = networkOf(spec.network.layers, given.params, inputs[0]);
  const layouts = networkLayouts(spec.network.layers, given.params, inputs[0]);
  const compareParameters = async (what: string, params: Params): Promise<void> => {
    comparison.equal(
      `${what}: parameters`,
      model.parameters.map(({ path }) => path).sort(),
      Object.keys(params).sort(),
    );
    for (const { path, parameter } of model.parameters) {
      await comparison.close(`${what} ${path}`, parameter.value, layouts[path]!(params[path]!));
    }
  };
  const batches = inputs.map((input, i) => ({
    inputs: tensorOf(activations(input)),
    labels: tensorOf(labels[i]!),
    size: labels[i]!.data.length,
  }));
  const lossOf = async (score: tf.Tensor, size: number): Promise<number> => {
    const [sum = NaN] = await score.data();
    score.dispose();
    return sum / size;
  };

  let reports: Readonly<Record<string, readonly CgReport[]>> = {};
  const stepper = createStepper(
    model,
    { ...optimizerOf(spec.optimizer), ...change },
    {
      solved: (how) => (reports = how),
    },
  );
  for (const [i, step] of expected.steps.entries()) {
    const batch = batches[i]!;
    await comparison.close(`loss before step ${i}`, await lossOf(await stepper.step(batch), batch.size), step.loss);
    for (const { param, block = 0, cg } of step.params) {
      const differs = golden.float32.integer_mismatches.some(({ path }) => path.startsWith(`steps[${i}]`));
      if (cg && !differs) {
        comparison.equal(`step ${i}, ${param}: iterations`, reports[param]?.[block]?.iterations, cg.iterations);
      }
    }
    if (i === 0) await compareParameters('after step 1', expected.params_after_step_1);
  }
  await compareParameters('at the end', expected.final_params);
  const losses: number[] = [];
  for (const batch of batches)
    losses.push(
      await lossOf(
        tf.scoped(() => scoreBatch(model, batch)),
        batch.size,
      ),
    );
  await comparison.close('losses at the end', losses, expected.final_losses);
  stepper.dispose();
  model.dispose();
  batches.forEach(({ inputs, labels }) => tf.dispose([inputs, labels]));
  return comparison;
}

const names = goldenNames('train_').filter((name) => !name.startsWith('train_ekfac'));

test('there are trajectories of every optimiser, and of every treatment of second-order terms', () => {
  const kinds = names.map((name) => {
    const { optimizer } = readGolden<Given, Expected, Spec>(name).spec;
    const spec = optimizerOf(optimizer);
    return spec.kind === 'cg-newton' ? `${spec.curvature} ${spec.secondOrder}` : spec.kind;
  });
  const newton = ['hbp', 'cvp'].flatMap((curvature) => ['zero', 'abs', 'clip'].map((mode) => `${curvature} ${mode}`));
  expect(new Set(kinds)).toEqual(new Set(['sgd', 'adam', 'kfac', ...newton]));
});

/** The golden runner goes through all backends; what the lab adds is the same on each. */
const backend = testBackends.includes('native') ? 'native' : 'wasm';

describe(`the steps of experiments on ${backend}`, () => {
  beforeAll(async () => {
    await useBackend(parseBackend(backend));
  });

  it.each(names)('%s follows the reference', async (name) => expect((await follow(name)).failures).toEqual([]));

  it.each(names.filter((name) => name.startsWith('train_cgn_cvp')))('%s, by the plain solver', async (name) =>
    expect((await follow(name, { solver: 'plain' })).failures).toEqual([]),
  );
});
