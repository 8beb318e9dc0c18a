import fc from 'fast-check';
import { AvgPool2d } from '../../src/engine/nn/avg-pool2d.js';
import { backpropagate, type Gradients } from '../../src/engine/nn/backward.js';
import { BceWithLogits } from '../../src/engine/nn/bce-with-logits.js';
import { Conv2d } from '../../src/engine/nn/conv2d.js';
import { CrossEntropy } from '../../src/engine/nn/cross-entropy.js';
import { Elu } from '../../src/engine/nn/elu.js';
import { Flatten } from '../../src/engine/nn/flatten.js';
import type { Layer, Saved } from '../../src/engine/nn/layer.js';
import { LeakyRelu } from '../../src/engine/nn/leaky-relu.js';
import { Linear } from '../../src/engine/nn/linear.js';
import type { Loss, Reduction } from '../../src/engine/nn/loss.js';
import { MaxPool2d } from '../../src/engine/nn/max-pool2d.js';
import { Mse } from '../../src/engine/nn/mse.js';
import { Relu } from '../../src/engine/nn/relu.js';
import { Sequential, type Trace } from '../../src/engine/nn/sequential.js';
import { Sigmoid } from '../../src/engine/nn/sigmoid.js';
import { Softplus } from '../../src/engine/nn/softplus.js';
import { Tanh } from '../../src/engine/nn/tanh.js';
import type { WindowOptions } from '../../src/engine/nn/window.js';
import { ZeroPad2d } from '../../src/engine/nn/zero-pad2d.js';
import * as tf from '../../src/engine/tf.js';

const smooth = { sigmoid: () => new Sigmoid(), tanh: () => new Tanh(), softplus: () => new Softplus() };
const kinked = { relu: () => new Relu(), 'leaky-relu': () => new LeakyRelu(), elu: () => new Elu() };
export const activations: Record<string, () => Layer> = { ...smooth, ...kinked };

/** A small network, a loss and a batch; printed by fast-check when a law fails. */
export interface NetworkCase {
  pictures: boolean;
  activation: string;
  pooling: 'max' | 'mean';
  hidden: number[];
  outputs: number;
  samples: number;
  loss: 'cross-entropy' | 'mse' | 'bce';
  reduction: Reduction;
  seed: number;
}

export function networkCases(
  options: { pictures?: boolean; smooth?: boolean; samples?: number } = {},
): fc.Arbitrary<NetworkCase> {
  return fc.record({
    pictures: fc.constant(options.pictures ?? false),
    activation: fc.constantFrom(...Object.keys(options.smooth ? smooth : activations)),
    pooling: options.smooth ? fc.constant('mean' as const) : fc.constantFrom('max' as const, 'mean' as const),
    hidden: fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 3 }),
    outputs: fc.integer({ min: 2, max: 3 }),
    samples: options.samples ? fc.constant(options.samples) : fc.integer({ min: 1, max: 4 }),
    loss: fc.constantFrom('cross-entropy', 'mse', 'bce'),
    reduction: fc.constantFrom('mean', 'sum'),
    seed: fc.integer({ min: 1, max: 10_000 }),
  });
}

export interface Pass {
  readonly model: Sequential;
  readonly input: tf.Tensor;
  readonly target: tf.Tensor;
  readonly loss: Loss;
  readonly trace: Trace;
  readonly lossSaved: Saved;
  readonly gradients: Gradients;
}

/** Build the network of a case and go once forward and back; run it within a tidy and dispose the model. */
export function passOf(networkCase: NetworkCase): Pass {
  const { samples, outputs, reduction } = networkCase;
  let { seed } = networkCase;
  const normal = (shape: number[], std: number): tf.Tensor => tf.randomNormal(shape, 0, std, 'float32', seed++);
  const model = networkCase.pictures ? pictureNetwork(networkCase, normal) : mlp(networkCase, normal);
  const input = normal(networkCase.pictures ? [samples, 5, 5, 2] : [samples, 3], 1);
  const classes = tf.tensor1d(
    Array.from({ length: samples }, (_, n) => (n + seed) % outputs),
    'int32',
  );
  const [loss, target] = {
    'cross-entropy': [new CrossEntropy(reduction), classes] as const,
    mse: [new Mse(reduction), normal([samples, outputs], 1)] as const,
    bce: [new BceWithLogits(reduction), tf.sigmoid(normal([samples, outputs], 1))] as const,
  }[networkCase.loss];
  return { model, input, target, loss: loss, ...again(model, loss, input, target) };
}

/** Forward and back at the present weights. */
export function again(
  model: Sequential,
  loss: Loss,
  input: tf.Tensor,
  target: tf.Tensor,
): Pick<Pass, 'trace' | 'lossSaved' | 'gradients'> {
  const trace = model.forward(input);
  const { saved } = loss.forward(trace.output, target);
  return { trace, lossSaved: saved, gradients: backpropagate(model, trace, loss.gradient(saved)) };
}

type Normal = (shape: number[], std: number) => tf.Tensor;

function mlp({ activation, hidden, outputs }: NetworkCase, normal: Normal): Sequential {
  const layers: (Layer | Sequential)[] = [];
  let fanIn = 3;
  for (const width of hidden) {
    layers.push(
      new Sequential([new Linear(normal([width, fanIn], 1), normal([width], 0.5)), activations[activation]!()]),
    );
    fanIn = width;
  }
  return new Sequential([...layers, new Linear(normal([outputs, fanIn], 1), null)]);
}

/** Something before the first parameters, groups, strides, padding, dilation and both poolings on pictures 5 x 5 x 2. */
function pictureNetwork({ activation, pooling, outputs }: NetworkCase, normal: Normal): Sequential {
  const act = activations[activation]!;
  const window: WindowOptions = { kernel: 2, stride: 1, padding: 'same' };
  return new Sequential([
    new ZeroPad2d([1, 0, 0, 1]),
    act(),
    new Conv2d(normal([2, 2, 1, 2], 0.7), normal([2], 0.3), { groups: 2 }),
    act(),
    pooling === 'max' ? new MaxPool2d(window) : new AvgPool2d(window),
    new Conv2d(normal([2, 2, 2, 2], 0.5), normal([2], 0.3), { stride: 2, padding: 1, dilation: [1, 2] }),
    act(),
    new AvgPool2d({ kernel: 2, stride: 1 }),
    new Flatten(),
    new Linear(normal([outputs, 8], 0.7), normal([outputs], 0.3)),
  ]);
}
