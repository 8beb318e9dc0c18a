import { curvatureProducts, lossHessian, networkCurvature } from '../../../src/engine/curvature/cvp/index.js';
import { curvatureDiagonals } from '../../../src/engine/curvature/estimators/diagonals.js';
import { kfac, kflr } from '../../../src/engine/curvature/kronecker-factors/index.js';
import { AvgPool2d } from '../../../src/engine/nn/avg-pool2d.js';
import { backpropagate } from '../../../src/engine/nn/backward.js';
import { BceWithLogits } from '../../../src/engine/nn/bce-with-logits.js';
import { Conv2d } from '../../../src/engine/nn/conv2d.js';
import { CrossEntropy } from '../../../src/engine/nn/cross-entropy.js';
import { Dropout } from '../../../src/engine/nn/dropout.js';
import { Elu } from '../../../src/engine/nn/elu.js';
import { Flatten } from '../../../src/engine/nn/flatten.js';
import type { Layer } from '../../../src/engine/nn/layer.js';
import { LeakyRelu } from '../../../src/engine/nn/leaky-relu.js';
import { Linear } from '../../../src/engine/nn/linear.js';
import { LogSigmoid } from '../../../src/engine/nn/log-sigmoid.js';
import type { Loss } from '../../../src/engine/nn/loss.js';
import { MaxPool2d } from '../../../src/engine/nn/max-pool2d.js';
import { Mse } from '../../../src/engine/nn/mse.js';
import { Relu } from '../../../src/engine/nn/relu.js';
import { Selu } from '../../../src/engine/nn/selu.js';
import { Sequential } from '../../../src/engine/nn/sequential.js';
import { Sigmoid } from '../../../src/engine/nn/sigmoid.js';
import { Softplus } from '../../../src/engine/nn/softplus.js';
import { Tanh } from '../../../src/engine/nn/tanh.js';
import { ZeroPad2d } from '../../../src/engine/nn/zero-pad2d.js';
import { Kfac } from '../../../src/engine/optim/kfac.js';
import * as tf from '../../../src/engine/tf.js';
import { Comparison } from '../../golden-runner/comparison.js';
import { runTraining } from '../../golden-runner/training.js';
import { readGolden, toleranceOf } from '../../support/golden.js';
import { testedBackends } from './backends.js';
import { deviations } from './deviations.js';
import { kernels } from './table/index.js';

const random = { uniform: () => 0.4 };
const normal = (...shape: number[]): tf.Tensor => tf.randomNormal(shape, 0, 0.5, 'float32', 7);
const activations = [Sigmoid, Tanh, Relu, LeakyRelu, Elu, Selu, Softplus, LogSigmoid].map(
  (Activation) => (): Layer => new Activation(),
);

/** A picture network with every kind of layer that is not an activation; Kronecker factors know no groups. */
function network(activation: () => Layer, groups: number): Sequential {
  const dropout = new Dropout(0.4);
  dropout.random = random;
  return new Sequential([
    new ZeroPad2d([1, 0, 1, 0]),
    new Conv2d(normal(3, 2, 2, 4), normal(4), { padding: 'same', dilation: 2 }),
    activation(),
    new MaxPool2d({ kernel: 3, stride: 2, padding: 1 }),
    new Conv2d(normal(2, 2, 4 / groups, 4), null, { groups, stride: 2, padding: 1 }),
    activation(),
    new AvgPool2d({ kernel: 2, stride: 1, padding: 'same' }),
    new Flatten(),
    dropout,
    new Linear(normal(3, 36), normal(3)),
  ]);
}

const losses: readonly [loss: Loss, target: () => tf.Tensor][] = [
  [new CrossEntropy(), () => tf.tensor1d([0, 2], 'int32')],
  [new Mse(), () => normal(2, 3)],
  [
    new BceWithLogits(),
    () =>
      tf.tensor2d([
        [0, 1, 0],
        [1, 1, 0],
      ]),
  ],
];

/** Gradients and exact curvature of a batch. */
function differentiate(model: Sequential, loss: Loss, input: tf.Tensor, target: tf.Tensor): void {
  const trace = model.forward(input);
  const { saved } = loss.forward(trace.output, target);
  const gradients = backpropagate(model, trace, loss.gradient(saved));
  for (const secondOrder of ['none', 'zero', 'abs', 'clip'] as const) {
    const products = curvatureProducts(model, trace, gradients, lossHessian(loss, saved), { secondOrder });
    for (const { path, parameter } of model.parameters) products[path]!.matvec(parameter.value);
  }
  const whole = networkCurvature(model, trace, gradients, lossHessian(loss, saved), { secondOrder: 'none' });
  whole.matvec(tf.ones([...whole.shape].slice(0, 1)));
}

/** The curvature that stands for it. */
function approximate(model: Sequential, loss: Loss, input: tf.Tensor, target: tf.Tensor): void {
  const trace = model.forward(input);
  const { saved } = loss.forward(trace.output, target);
  const gradients = backpropagate(model, trace, loss.gradient(saved));
  curvatureDiagonals(model, loss, input, target);
  kflr(model, trace, gradients, loss, saved);
  kfac(model, trace, gradients, loss, saved, { random });
}

/** Some steps of EKFAC; those of the golden numbers need the very eigenvectors of the reference. */
async function ekfac(model: Sequential, loss: Loss, input: tf.Tensor, target: tf.Tensor): Promise<void> {
  for (const scaleVariant of ['corrected', 'as-published'] as const) {
    const optimizer = new Kfac({ lr: 0.1, momentum: 0.9, TCov: 1, TInv: 2, ekfac: { TScal: 1, scaleVariant } });
    for (let step = 0; step < 3; step++) {
      const trace = model.forward(input);
      const { saved } = loss.forward(trace.output, target);
      await optimizer.update(model, trace, backpropagate(model, trace, loss.gradient(saved)));
    }
  }
}

/** One training with each of the other optimisers. */
const trainings = [
  ...['sgd_cnn', 'adam_mlp', 'kfac_cnn', 'kfac_mlp'],
  ...['cgn_hbp_mlp_abs', 'cgn_hbp_mlp_clip_blocks2', 'cgn_hbp_mlp_zero', 'cgn_cvp_cnn_abs'],
];

const backends = (await testedBackends()).filter(({ name, missing }) => name !== 'webgpu' && !missing);

describe.each(backends)('what the engine runs on $name', ({ name: backend, activate }) => {
  const recorded = new Set<string>();

  beforeAll(async () => {
    await activate();
    const engine = tf.engine();
    const runKernel = engine.runKernel.bind(engine);
    engine.runKernel = (name, ...rest) => {
      recorded.add(name);
      return runKernel(name, ...rest);
    };
    for (const name of trainings) {
      const golden = readGolden<never, never, never>(`train_${name}`);
      await runTraining(golden, new Comparison(toleranceOf(golden)));
    }
    for (const [i, activation] of activations.entries()) {
      const [loss, target] = losses[i % losses.length]!;
      tf.tidy(() => {
        differentiate(network(activation, 2), loss, normal(2, 6, 6, 2), target());
        approximate(network(activation, 1), loss, normal(2, 6, 6, 2), target());
      });
    }
    await ekfac(network(activations[1]!, 1), new CrossEntropy(), normal(2, 6, 6, 2), losses[0]![1]());
    engine.runKernel = runKernel;
  }, 120_000);

  it('is in the table', () => {
    const names = new Set(kernels.flatMap(({ name, covers = [] }) => [name, ...covers]));
    expect([...recorded].filter((name) => !names.has(name))).toEqual([]);
    expect(recorded.size).toBeGreaterThan(30);
  });

  it('is nothing that is known to be wrong there', () => {
    const wrong = deviations[backend]!.filter(({ of }) => of === 'wrong').flatMap(({ kernels: names }) => names);
    expect(wrong.filter((name) => recorded.has(name))).toEqual([]);
  });
});
