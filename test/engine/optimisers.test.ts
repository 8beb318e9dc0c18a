import { ConfigError, RunError } from '../../src/errors.js';
import { curvatureProducts, lossHessian } from '../../src/engine/curvature/cvp/index.js';
import { plainSystem } from '../../src/engine/curvature/operator.js';
import { eigh } from '../../src/engine/linalg/eigh.js';
import { backpropagate } from '../../src/engine/nn/backward.js';
import { Conv2d } from '../../src/engine/nn/conv2d.js';
import { CrossEntropy } from '../../src/engine/nn/cross-entropy.js';
import { Flatten } from '../../src/engine/nn/flatten.js';
import { Linear } from '../../src/engine/nn/linear.js';
import { Mse } from '../../src/engine/nn/mse.js';
import { Sequential } from '../../src/engine/nn/sequential.js';
import { Tanh } from '../../src/engine/nn/tanh.js';
import { Adam } from '../../src/engine/optim/adam.js';
import { CgNewton } from '../../src/engine/optim/cg-newton.js';
import { Kfac, type KfacOptions } from '../../src/engine/optim/kfac.js';
import { Sgd } from '../../src/engine/optim/sgd.js';
import * as tf from '../../src/engine/tf.js';
import { describeOnEveryBackend, expectNoLeak, inScope, isSlow, numbersOf, numbersOfAll } from '../support/backends.js';
import { expectClose } from '../support/golden.js';

const close = { rtol: 1e-5, atol: 1e-7 };
const seeded = (shape: number[], seed: number): tf.Tensor => tf.randomNormal(shape, 0, 0.5, 'float32', seed);

/** Several steps on made-up gradients: what the optimiser does, and what `rule` says in float64, element by element. */
async function compareWithRule(
  create: () => Sgd | Adam,
  rule: () => (value: number, gradient: number, step: number) => number,
): Promise<void> {
  await inScope(async () => {
    // One parameter large enough to be updated alone, three that go together.
    const layers = [new Linear(seeded([130, 128], 1), seeded([130], 2)), new Linear(seeded([3, 2], 3), seeded([3], 4))];
    const { parameters } = new Sequential(layers);
    const expected = await numbersOfAll(parameters.map(({ parameter }) => parameter.value));
    const rules = expected.map((values) => values.map(rule));
    const optimizer = create();
    for (let step = 1; step <= 6; step++) {
      const gradients = Object.fromEntries(
        parameters.map(({ path, parameter }, i) => [path, seeded(parameter.shape, 10 * step + i)]),
      );
      optimizer.update(parameters, gradients);
      for (const [i, { path, parameter }] of parameters.entries()) {
        const g = await numbersOf(gradients[path]!);
        expected[i] = expected[i]!.map((value, j) => rules[i]![j]!(value, g[j]!, step));
        await expectClose(parameter.value, expected[i], close, `${path} after step ${step}`);
      }
    }
    optimizer.dispose();
    parameters.forEach(({ parameter }) => parameter.dispose());
  });
}

describeOnEveryBackend('first-order optimisers', () => {
  it('SGD with weight decay', async () => {
    await expectNoLeak(() =>
      compareWithRule(
        () => new Sgd({ lr: 0.1, weightDecay: 0.01 }),
        () => (value, gradient) => value - 0.1 * (gradient + 0.01 * value),
      ),
    );
  });

  it('Nesterov momentum with weight decay', async () => {
    await expectNoLeak(() =>
      compareWithRule(
        () => new Sgd({ lr: 0.1, momentum: 0.9, nesterov: true, weightDecay: 0.01 }),
        () => {
          let buffer = 0;
          return (value, gradient) => {
            const g = gradient + 0.01 * value;
            buffer = 0.9 * buffer + g;
            return value - 0.1 * (g + 0.9 * buffer);
          };
        },
      ),
    );
  });

  it('Adam with weight decay, moments and their correction apart', async () => {
    await expectNoLeak(() =>
      compareWithRule(
        () => new Adam({ lr: 0.05, betas: [0.8, 0.99], eps: 1e-3, weightDecay: 0.1 }),
        () => {
          let [m, v] = [0, 0];
          return (value, gradient, step) => {
            const g = gradient + 0.1 * value;
            m = 0.8 * m + 0.2 * g;
            v = 0.99 * v + 0.01 * g * g;
            return value - (0.05 * (m / (1 - 0.8 ** step))) / (Math.sqrt(v / (1 - 0.99 ** step)) + 1e-3);
          };
        },
      ),
    );
  });

  it('refuses what makes no sense', () => {
    expect(() => new Sgd({ lr: 0.1, nesterov: true })).toThrow('Nesterov needs momentum above 0, not 0');
    expect(() => new Adam({ lr: 0.1, betas: [0.9, 1] })).toThrow('betas must lie in [0, 1), not 1');
  });
});

const loss = new CrossEntropy();

function convolutionalNet(): Sequential {
  return new Sequential([
    new Conv2d(seeded([2, 2, 2, 3], 3), seeded([3], 4), { stride: [1, 2], padding: 1, dilation: [2, 1] }),
    new Tanh(),
    new Flatten(),
    new Linear(seeded([4, 36], 5), null),
  ]);
}
const pictures = (): tf.Tensor => seeded([3, 4, 4, 2], 6);
const labels = (): tf.Tensor => tf.tensor1d([0, 3, 1], 'int32');

function differentiate(model: Sequential, x: tf.Tensor, target: tf.Tensor) {
  const trace = model.forward(x);
  const { value, saved } = loss.forward(trace.output, target);
  return { trace, value, saved, gradients: backpropagate(model, trace, loss.gradient(saved)) };
}

/** The gradient of a layer as a matrix [o, i], in float64 loops over the engine's layouts. */
function matrixOf(gradients: Record<string, tf.Tensor>, place: string): tf.Tensor {
  const weight = gradients[`${place}.weight`]!;
  const bias = gradients[`${place}.bias`];
  const outputs = weight.rank === 4 ? weight.shape[3]! : weight.shape[0];
  const matrix = weight.rank === 4 ? tf.transpose(tf.reshape(weight, [-1, outputs])) : weight;
  return bias ? tf.concat([matrix, tf.reshape(bias, [-1, 1])], 1) : matrix;
}

async function stepsOfKfac(
  options: KfacOptions,
  steps: number,
  look: (kfac: Kfac, model: Sequential) => void | Promise<void>,
) {
  tf.engine().startScope();
  const model = convolutionalNet();
  const kfac = new Kfac(options);
  for (let k = 0; k < steps; k++) {
    const { trace, gradients } = differentiate(model, pictures(), labels());
    const { klSum, nu } = await kfac.update(model, trace, gradients);
    tf.dispose([klSum, nu]);
  }
  await look(kfac, model);
  kfac.dispose();
  model.dispose();
  tf.engine().endScope();
}

function valuesOfParameters(model: Sequential): Promise<number[][]> {
  return numbersOfAll(model.parameters.map(({ parameter }) => parameter.value));
}

describeOnEveryBackend('K-FAC', (backend) => {
  it('solves with the dense matrix G (x) A + damping I', async () => {
    await expectNoLeak(async () => {
      tf.engine().startScope();
      const model = convolutionalNet();
      const kfac = new Kfac({ lr: 1, momentum: 0, klClip: Infinity, damping: 0.1 });
      const before = model.parameters.map(({ parameter }) => tf.clone(parameter.value));
      const { trace, gradients } = differentiate(model, pictures(), labels());
      const { klSum, nu } = await kfac.update(model, trace, gradients);
      expect(await numbersOf(nu)).toEqual([1]);
      const steps = Object.fromEntries(
        model.parameters.map(({ path, parameter }, i) => [path, tf.sub(before[i]!, parameter.value)]),
      );
      let sum = 0;
      for (const place of ['0', '3']) {
        const { inputs, outputs } = kfac.factors.get(place)!;
        const direction = matrixOf(steps, place);
        const back = tf.add(tf.matMul(tf.matMul(outputs, direction), inputs), tf.mul(0.1, direction));
        const gradient = matrixOf(gradients.parameters, place);
        await expectClose(back, gradient, { rtol: 1e-4, atol: 0 }, place);
        sum += (await numbersOf(tf.sum(tf.mul(direction, gradient))))[0]!;
      }
      await expectClose(klSum, [sum], { rtol: 1e-4, atol: 0 });
      tf.dispose([klSum, nu]);
      kfac.dispose();
      model.dispose();
      tf.engine().endScope();
    });
  });

  it('estimates the EKFAC scales of convolutions from the gradients of single samples', async () => {
    const options = { lr: 0, statDecay: 0.5, TCov: 100, TInv: 100, ekfac: { TScal: 1 } };
    let atFirst: tf.Tensor[] = [];
    const scalesOf = (kfac: Kfac): tf.Tensor[] => ['0', '3'].map((place) => tf.clone(kfac.bases.get(place)!.scales));
    await stepsOfKfac(options, 1, (kfac) => {
      atFirst = scalesOf(kfac).map((scales) => tf.keep(scales));
    });
    await stepsOfKfac(options, 2, async (kfac, model) => {
      for (const [l, place] of ['0', '3'].entries()) {
        const { inputs, outputs, scales } = kfac.bases.get(place)!;
        const squares = tf.unstack(pictures()).map((picture, n) => {
          const single = differentiate(model, tf.expandDims(picture, 0), tf.slice(labels(), [n], [1]));
          const gradient = matrixOf(single.gradients.parameters, place);
          return tf.square(tf.matMul(tf.matMul(outputs, gradient, true, false), inputs));
        });
        const expected = tf.add(tf.mul(0.5, atFirst[l]!), tf.mul(0.5, tf.mean(tf.stack(squares), 0)));
        await expectClose(scales, expected, { rtol: 1e-4, atol: 0 }, place);
      }
    });
    tf.dispose(atFirst);
  });

  // A hundred steps: not on webgpu.
  (isSlow(backend) ? it.skip : it)('decays weights from step 20 TCov on', async () => {
    const run = async (steps: number, weightDecay: number): Promise<number[]> => {
      let values: number[] = [];
      const options = { lr: 0.1, momentum: 0, TCov: 1, TInv: 1000, weightDecay };
      await stepsOfKfac(options, steps, async (_, model) => {
        values = (await valuesOfParameters(model)).flat();
      });
      return values;
    };
    expect(await run(20, 0.5)).toEqual(await run(20, 0));
    const atStep20 = await run(20, 0);
    const expected = (await run(21, 0)).map((value, i) => value - 0.1 * 0.5 * atStep20[i]!);
    await expectClose(await run(21, 0.5), expected, close);
  });

  it('does nothing, and nothing bad, without gradients', async () => {
    tf.engine().startScope();
    const model = convolutionalNet();
    const before = await valuesOfParameters(model);
    const trace = model.forward(pictures());
    const kfac = new Kfac({ lr: 0.1 });
    const { klSum, nu } = await kfac.update(model, trace, backpropagate(model, trace, tf.zerosLike(trace.output)));
    expect(await numbersOfAll([klSum, nu])).toEqual([[0], [1]]);
    expect(await valuesOfParameters(model)).toEqual(before);
    tf.dispose([klSum, nu]);
    kfac.dispose();
    model.dispose();
    tf.engine().endScope();
  });

  it('refuses convolutions in groups', async () => {
    const model = new Sequential([new Conv2d(seeded([1, 1, 1, 2], 7), null, { groups: 2 }), new Flatten()]);
    const trace = model.forward(seeded([1, 2, 1, 2], 8));
    const gradients = backpropagate(model, trace, tf.onesLike(trace.output));
    await expect(new Kfac({ lr: 0.1 }).update(model, trace, gradients)).rejects.toThrow(ConfigError);
    model.dispose();
  });
});

describeOnEveryBackend('Levenberg-Marquardt', () => {
  /** Linear regression: the loss is its own quadratic model. */
  async function regression(options: { lr: number; alpha: number; least: number }, steps: number): Promise<number[]> {
    tf.engine().startScope();
    const model = new Sequential([new Linear(seeded([2, 3], 1), null)]);
    const [x, y] = [seeded([8, 3], 2), seeded([8, 2], 3)];
    const mse = new Mse();
    const { lr, alpha, least } = options;
    const newton = new CgNewton({ lr, alpha, tol: 1e-4, atol: 0, maxiter: 50, levenbergMarquardt: { least } });
    const alphas: number[] = [];
    for (let k = 0; k < steps; k++) {
      const trace = model.forward(x);
      const { value, saved } = mse.forward(trace.output, y);
      const gradients = backpropagate(model, trace, mse.gradient(saved));
      const curvature = curvatureProducts(model, trace, gradients, lossHessian(mse, saved));
      await newton.update(model.parameters, gradients.parameters, curvature, {
        value,
        recompute: () => mse.forward(model.forward(x).output, y).value,
      });
      Object.values(curvature).forEach((operator) => operator.dispose());
      alphas.push(newton.alpha);
    }
    model.dispose();
    tf.engine().endScope();
    return alphas;
  }

  it('damps less while the model predicts well, down to the least value', async () => {
    let alphas: number[] = [];
    await expectNoLeak(async () => {
      alphas = await regression({ lr: 1, alpha: 0.09, least: 0.03 }, 4);
    });
    await expectClose(alphas, [0.06, 0.04, 0.03, 0.03], close);
  });

  it('damps more when the loss does not follow', async () => {
    tf.engine().startScope();
    const model = new Sequential([new Linear(seeded([1, 2], 1), null)]);
    const newton = new CgNewton({
      ...{ lr: 1, alpha: 0.5, tol: 0.1, atol: 0, maxiter: 5, levenbergMarquardt: { least: 0.1 } },
    });
    const gradients = { '0.weight': tf.tensor2d([[1, -2]]) };
    const matvec = (v: tf.Tensor): tf.Tensor => tf.mul(0.5, v);
    const curvature = {
      '0.weight': {
        matvec,
        dampedSystem: (b: tf.Tensor, alpha: number, factor = 1) => plainSystem(matvec, tf.mul(factor, b), alpha),
      },
    } as never;
    const alphas: number[] = [];
    for (const after of [2, NaN]) {
      const batchLoss = { value: tf.scalar(1), recompute: () => tf.scalar(after) };
      await newton.update(model.parameters, gradients, curvature, batchLoss);
      alphas.push(newton.alpha);
    }
    expect(alphas).toEqual([0.75, 1]);
    await expect(newton.update(model.parameters, gradients, curvature)).rejects.toThrow(RangeError);
    model.dispose();
    tf.engine().endScope();
  });

  it('needs a damping that it can change', () => {
    const options = { lr: 1, alpha: 0, tol: 0.1, atol: 0, maxiter: 5 };
    expect(() => new CgNewton({ ...options, levenbergMarquardt: { least: 0 } })).toThrow(RangeError);
  });
});

describeOnEveryBackend('eigh', () => {
  it('A = V diag(values) V^T with orthonormal columns and ascending values', async () => {
    await expectNoLeak(async () => {
      const half = seeded([7, 7], 1);
      const a = tf.tidy(() => tf.add(half, tf.transpose(half)));
      const { values, vectors } = await eigh(a);
      await inScope(async () => {
        const rebuilt = tf.matMul(tf.mul(vectors, values), vectors, false, true);
        await expectClose(rebuilt, a, close);
        await expectClose(tf.matMul(vectors, vectors, true, false), tf.eye(7), close);
        const list = await numbersOf(values);
        expect(list).toEqual([...list].sort((p, q) => p - q));
      });
      tf.dispose([half, a, values, vectors]);
    });
  });

  it('says what is wrong with a matrix', async () => {
    await expect(
      eigh(
        tf.tensor2d([
          [1, NaN],
          [NaN, 1],
        ]),
      ),
    ).rejects.toThrow(RunError);
    await expect(eigh(tf.tensor2d([[1, 2]]))).rejects.toThrow('a symmetric matrix is square, not [1, 2]');
  });
});
