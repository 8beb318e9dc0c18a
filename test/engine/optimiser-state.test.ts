/** An optimiser that goes on from a stored state takes the steps that it would have taken, to the last bit. */
import { createHash } from 'node:crypto';
import { Planner, curvatureProducts, lossHessian } from '../../src/engine/curvature/cvp/index.js';
import { backpropagate } from '../../src/engine/nn/backward.js';
import { Conv2d } from '../../src/engine/nn/conv2d.js';
import { CrossEntropy } from '../../src/engine/nn/cross-entropy.js';
import { Flatten } from '../../src/engine/nn/flatten.js';
import { Linear } from '../../src/engine/nn/linear.js';
import { Sequential } from '../../src/engine/nn/sequential.js';
import { Tanh } from '../../src/engine/nn/tanh.js';
import { Adam } from '../../src/engine/optim/adam.js';
import { CgNewton } from '../../src/engine/optim/cg-newton.js';
import { Kfac, type KfacOptions } from '../../src/engine/optim/kfac.js';
import { Sgd } from '../../src/engine/optim/sgd.js';
import { jointly, type State, type Stateful } from '../../src/engine/optim/state.js';
import * as tf from '../../src/engine/tf.js';
import { describeOnEveryBackend, expectNoLeak, partOn } from '../support/backends.js';

const loss = new CrossEntropy();
const seeded = (shape: number[], seed: number): tf.Tensor => tf.randomNormal(shape, 0, 0.5, 'float32', seed);

function createNet(hidden: number): Sequential {
  return new Sequential([
    new Conv2d(seeded([2, 2, 2, 3], 3), seeded([3], 4)),
    new Tanh(),
    new Flatten(),
    new Linear(seeded([hidden, 27], 5), seeded([hidden], 6)),
    new Tanh(),
    new Linear(seeded([4, hidden], 7), null),
  ]);
}

interface Optimiser extends Stateful {
  /** Width of the network's hidden layer. */
  readonly hidden: number;
  step(model: Sequential, step: number): Promise<void>;
  dispose(): void;
}

function differentiate(model: Sequential, step: number) {
  const trace = model.forward(seeded([5, 4, 4, 2], 100 + step));
  const { value, saved } = loss.forward(trace.output, tf.tensor1d([0, 3, 1, 2, 3], 'int32'));
  return { trace, value, saved, gradients: backpropagate(model, trace, loss.gradient(saved)) };
}

const stateOf = (optimiser: Stateful): Stateful => ({
  state: () => optimiser.state(),
  restore: (state) => optimiser.restore(state),
});

function firstOrder(optimiser: Sgd | Adam): Optimiser {
  return {
    ...stateOf(optimiser),
    hidden: 700, // its weight is updated alone, the others together
    step: (model, step) =>
      Promise.resolve(optimiser.update(model.parameters, differentiate(model, step).gradients.parameters)),
    dispose: () => optimiser.dispose(),
  };
}

function kfac(options: Partial<KfacOptions>): Optimiser {
  const optimiser = new Kfac({ lr: 0.1, TCov: 2, TInv: 3, ...options });
  return {
    ...stateOf(optimiser),
    hidden: 6,
    step: async (model, step) => {
      const { trace, gradients } = differentiate(model, step);
      await optimiser.update(model, trace, gradients);
    },
    dispose: () => optimiser.dispose(),
  };
}

function newton(): Optimiser {
  const planner = new Planner();
  const options = { lr: 0.5, alpha: 0.3, tol: 0.1, atol: 0, maxiter: 10, levenbergMarquardt: { least: 0.01 } };
  const optimiser = new CgNewton(options);
  return {
    ...jointly({ optimiser, planner }),
    hidden: 6,
    step: async (model, step) => {
      const { trace, value, saved, gradients } = differentiate(model, step);
      const curvature = curvatureProducts(model, trace, gradients, lossHessian(loss, saved), { planner });
      const recompute = (): tf.Tensor => differentiate(model, step).value;
      const reports = await optimiser.update(model.parameters, gradients.parameters, curvature, { value, recompute });
      planner.record(reports);
      Object.values(curvature).forEach((operator) => operator.dispose());
    },
    dispose: () => undefined,
  };
}

const optimisers: readonly (readonly [string, () => Optimiser])[] = [
  ['SGD without momentum', () => firstOrder(new Sgd({ lr: 0.1 }))],
  ['SGD', () => firstOrder(new Sgd({ lr: 0.1, momentum: 0.9 }))],
  ['Nesterov', () => firstOrder(new Sgd({ lr: 0.1, momentum: 0.9, nesterov: true }))],
  ['Adam', () => firstOrder(new Adam({ lr: 0.01 }))],
  ['K-FAC', () => kfac({})],
  ['EKFAC', () => kfac({ ekfac: { TScal: 2 } })],
  ['CG-Newton on exact products with Levenberg-Marquardt', newton],
];

/** Numbers, and tensors by shape and values, as they would lie in a file. */
type Stored = Record<string, number | { shape: number[]; values: Float32Array }>;

async function store({ tensors, numbers }: State): Promise<Stored> {
  const read = Object.entries(tensors).map(async ([name, tensor]) => {
    const values = (await tensor.data()).slice() as Float32Array;
    return [name, { shape: tensor.shape, values }] as const;
  });
  return { ...Object.fromEntries(await Promise.all(read)), ...numbers };
}

/** The same in few words. */
function bits(stored: Stored): Record<string, string | number> {
  const digest = (values: Float32Array): string =>
    createHash('sha1').update(new Uint8Array(values.buffer)).digest('base64');
  return Object.fromEntries(
    Object.entries(stored).map(([name, value]) => [
      name,
      typeof value === 'number' ? value : `${value.shape.join('x')} ${digest(value.values)}`,
    ]),
  );
}

function load(stored: Stored): State {
  const tensors: Record<string, tf.Tensor> = {};
  const numbers: Record<string, number> = {};
  for (const [name, value] of Object.entries(stored)) {
    if (typeof value === 'number') numbers[name] = value;
    else tensors[name] = tf.tensor(value.values.slice(), value.shape);
  }
  return { tensors, numbers };
}

const parametersOf = ({ parameters }: Sequential): State => ({
  tensors: Object.fromEntries(parameters.map(({ path, parameter }) => [path, parameter.value])),
  numbers: {},
});

/** Steps `from` to `to` of a fresh optimiser; what it and the network have become. */
async function run(create: () => Optimiser, from: number, to: number, before?: { model: Stored; optimiser: Stored }) {
  tf.engine().startScope();
  const optimiser = create();
  const model = createNet(optimiser.hidden);
  if (before) {
    const { tensors } = load(before.model);
    for (const { path, parameter } of model.parameters) parameter.assign(tensors[path]!);
    optimiser.restore(load(before.optimiser));
  }
  for (let step = from; step < to; step++) await optimiser.step(model, step);
  const after = { model: await store(parametersOf(model)), optimiser: await store(optimiser.state()) };
  optimiser.dispose();
  model.dispose();
  tf.engine().endScope();
  return after;
}

describeOnEveryBackend('the state of an optimiser', (backend) => {
  const cases = partOn(backend, optimisers, ([name]) => name === 'Adam');
  it.each(cases)('%s: stored and restored after any step, it goes on to the same bits', async (_name, create) => {
    const whole = await run(create, 0, 7);
    for (const stop of [1, 4]) {
      await expectNoLeak(async () => {
        const half = await run(create, 0, stop);
        expect(bits(half.model)).not.toEqual(bits(whole.model));
        const again = await run(create, stop, 7, half);
        expect(bits(again.model)).toEqual(bits(whole.model));
        expect(bits(again.optimiser)).toEqual(bits(whole.optimiser));
      });
    }
  });
});

describe('a state', () => {
  test('that is not whole is refused', () => {
    const adam = new Adam({ lr: 0.1 });
    expect(() => adam.restore({ tensors: {}, numbers: {} })).toThrow('a state without the number step');
    const gap = { tensors: { 'buffer.1': tf.zeros([1]) }, numbers: {} };
    expect(() => new Sgd({ lr: 0.1, momentum: 0.9 }).restore(gap)).toThrow('a state without buffer.0');
    const half = { tensors: { 'factors.inputs.0': tf.zeros([1, 1]) }, numbers: { step: 1 } };
    expect(() => new Kfac({ lr: 0.1 }).restore(half)).toThrow('a state without factors.outputs.0');
  });

  test('of the planner decides the ways of the products', () => {
    const [taught, fresh] = [new Planner(), new Planner()];
    const report = { iterations: 50, stop: 'converged', residual: 0 } as never;
    taught.record({ '0.weight': [report] });
    fresh.restore(taught.state());
    const sizes = {
      ...{ samples: 100, rank: 9, features: 512, parameters: 450, macs: 50_000, isChosen: false, linear: null },
      ...{ hasRows: true, hasFactor: true },
    };
    expect(fresh.plan('0.weight', sizes)).toEqual(taught.plan('0.weight', sizes));
    expect(new Planner().plan('0.weight', sizes).route).not.toBe(fresh.plan('0.weight', sizes).route);
  });
});
