import fc from 'fast-check';
import { rules } from '../../src/engine/curvature/hbp/rules.js';
import type { HbpOptions } from '../../src/engine/curvature/hbp/index.js';
import { AvgPool2d } from '../../src/engine/nn/avg-pool2d.js';
import { Conv2d } from '../../src/engine/nn/conv2d.js';
import { Dropout } from '../../src/engine/nn/dropout.js';
import type { Elementwise } from '../../src/engine/nn/elementwise.js';
import { Elu } from '../../src/engine/nn/elu.js';
import { Flatten } from '../../src/engine/nn/flatten.js';
import type { Layer, Saved } from '../../src/engine/nn/layer.js';
import { LeakyRelu } from '../../src/engine/nn/leaky-relu.js';
import { Linear } from '../../src/engine/nn/linear.js';
import { LogSigmoid } from '../../src/engine/nn/log-sigmoid.js';
import { MaxPool2d } from '../../src/engine/nn/max-pool2d.js';
import { Relu } from '../../src/engine/nn/relu.js';
import { Selu } from '../../src/engine/nn/selu.js';
import { Sigmoid } from '../../src/engine/nn/sigmoid.js';
import { Softplus } from '../../src/engine/nn/softplus.js';
import { Tanh } from '../../src/engine/nn/tanh.js';
import { ZeroPad2d } from '../../src/engine/nn/zero-pad2d.js';
import * as tf from '../../src/engine/tf.js';
import { describeOnEveryBackend, expectNoLeak, inScope, numbersOf, runsHere } from '../support/backends.js';
import { expectClose } from '../support/golden.js';
import {
  avgPool,
  convolution,
  type Geometry,
  maxPool,
  placed,
  type Shape4,
  windowOptions,
} from '../support/pictures.js';

/** A layer and a batch for it; printed by fast-check when a law fails. */
interface LayerCase {
  kind: string;
  shape: number[];
  geometry: Geometry;
  groups: number;
  outputs: number;
  bias: boolean;
  seed: number;
}

const windowed = ['conv2d', 'max-pool2d', 'avg-pool2d'];
const activations: Record<string, () => Layer> = {
  sigmoid: () => new Sigmoid(),
  tanh: () => new Tanh(),
  relu: () => new Relu(),
  'leaky-relu': () => new LeakyRelu(0.2),
  elu: () => new Elu(0.7),
  selu: () => new Selu(),
  softplus: () => new Softplus(),
  'log-sigmoid': () => new LogSigmoid(),
  dropout: () => {
    const layer = new Dropout(0.4);
    const draws = [0.1, 0.9, 0.5, 0.3, 0.7];
    let i = 0;
    layer.random = { uniform: () => draws[i++ % draws.length]! };
    return layer;
  },
};
const kinds = ['linear', 'zero-pad2d', 'flatten', ...windowed, ...Object.keys(activations)];

const upTo = (max: number, min = 1): fc.Arbitrary<number> => fc.integer({ min, max });
const two = (max: number): fc.Arbitrary<[number, number]> => fc.tuple(upTo(max), upTo(max));

function casesOf(...someKinds: string[]): fc.Arbitrary<LayerCase> {
  return fc
    .record({
      kind: fc.constantFrom(...someKinds),
      shape: fc.tuple(upTo(3), upTo(5), upTo(5), upTo(2)),
      geometry: fc.record({
        kernel: two(3),
        stride: two(3),
        dilation: two(2),
        padding: fc.oneof(fc.constant('same' as const), fc.tuple(upTo(2, 0), upTo(2, 0), upTo(2, 0), upTo(2, 0))),
      }),
      groups: upTo(2),
      outputs: upTo(2),
      bias: fc.boolean(),
      seed: upTo(10_000),
    })
    .map((c) => (c.kind === 'conv2d' ? { ...c, shape: [...c.shape.slice(0, 3), c.shape[3] * c.groups] } : c))
    .filter(fits);
}

/** There is a window, and every pooling window holds a pixel. */
function fits({ kind, shape, geometry }: LayerCase): boolean {
  if (!windowed.includes(kind)) return true;
  const { output, padding, kernel, dilation } = placed(geometry, [shape[1]!, shape[2]!]);
  const inside = padding.every((cells, side) => cells <= (kernel[side >> 1]! - 1) * dilation[side >> 1]!);
  return output[0] > 0 && output[1] > 0 && (kind !== 'max-pool2d' || (inside && holdsPixels(shape, geometry)));
}

function holdsPixels(shape: number[], geometry: Geometry): boolean {
  const ones = new Array<number>(shape.reduce((a, b) => a * b)).fill(1);
  return maxPool(ones, shape as Shape4, geometry).every((value) => value === 1);
}

function layerOfCase({ kind, shape, geometry, groups, outputs, bias, seed }: LayerCase): Layer {
  const normal = (size: number[]): tf.Tensor => tf.randomNormal(size, 0, 0.5, 'float32', seed + size.length);
  const channels = shape[3]!;
  switch (kind) {
    case 'linear':
      return new Linear(normal([outputs, channels]), bias ? normal([outputs]) : null);
    case 'conv2d': {
      const weight = normal([...geometry.kernel, channels / groups, outputs * groups]);
      return new Conv2d(weight, bias ? normal([outputs * groups]) : null, { ...windowOptions(geometry), groups });
    }
    case 'max-pool2d':
      return new MaxPool2d(windowOptions(geometry));
    case 'avg-pool2d':
      return new AvgPool2d(windowOptions(geometry));
    case 'zero-pad2d':
      return new ZeroPad2d(geometry.padding === 'same' ? [1, 0] : geometry.padding);
    case 'flatten':
      return new Flatten();
    default:
      return activations[kind]!();
  }
}

/** Apart from each other and from zero by 0.05 at least, so that small steps cross no kink. */
function spacedInput({ kind, shape, seed }: LayerCase): tf.Tensor {
  const size = shape.reduce((a, b) => a * b);
  const order = Array.from({ length: size }, (_, i) => [Math.sin(seed + 12.9898 * i * i), i] as const);
  const ranks = order.sort(([a], [b]) => a - b).map(([, i]) => i);
  const x = tf.tensor(
    ranks.map((rank) => 0.05 * (rank + 0.5 - Math.floor(size / 2))),
    shape,
  );
  return kind === 'linear' ? tf.reshape(x, [-1, shape[3]!]) : x;
}

async function onLayer(
  layerCase: LayerCase,
  body: (layer: Layer, x: tf.Tensor, pass: Pass) => void | Promise<void>,
): Promise<void> {
  await inScope(async () => {
    const layer = layerOfCase(layerCase);
    const x = spacedInput(layerCase);
    await body(layer, x, layer.forward(x));
    layer.parameters.forEach((parameter) => parameter.dispose());
  });
}
type Pass = { output: tf.Tensor; saved: Saved };

const normal = (shape: number[], seed: number): tf.Tensor => tf.randomNormal(shape, 0, 1, 'float32', seed);
const runs = (numRuns: number) => ({ numRuns: runsHere(numRuns), seed: 1902 });

/** Every linear map of a layer: Jacobian product, its transpose, shape of what it takes. */
function mapsOf(layer: Layer, x: tf.Tensor, saved: Saved) {
  return [
    {
      name: 'input',
      shape: x.shape,
      jvp: (v: tf.Tensor) => layer.inputJvp(saved, v),
      vjp: (u: tf.Tensor) => layer.inputVjp(saved, u),
    },
    ...layer.parameters.map(({ name, shape }) => ({
      name,
      shape,
      jvp: (v: tf.Tensor) => layer.paramJvp(saved, name, v),
      vjp: (u: tf.Tensor) => layer.paramVjp(saved, name, u),
    })),
  ];
}

describeOnEveryBackend('laws of layers', () => {
  it.each(kinds)('%s: <J v, u> = <v, J^T u>, and many vectors at once are one by one', async (kind) => {
    await fc.assert(
      fc.asyncProperty(casesOf(kind), (layerCase) =>
        onLayer(layerCase, async (layer, x, { output, saved }) => {
          for (const { name, shape, jvp, vjp } of mapsOf(layer, x, saved)) {
            const [v, u] = [normal([3, ...shape], 1), normal([3, ...output.shape], 2)];
            const [jv, jtu] = [jvp(v), vjp(u)];
            expect([jv.shape, jtu.shape]).toEqual([u.shape, v.shape]);
            const left = tf.sum(tf.reshape(tf.mul(jv, u), [3, -1]), 1);
            const right = tf.sum(tf.reshape(tf.mul(v, jtu), [3, -1]), 1);
            await expectClose(left, right, { rtol: 1e-5, atol: 1e-4 }, name);
            const single = (t: tf.Tensor): tf.Tensor => tf.squeeze(tf.slice(t, [1], [1]), [0]);
            await expectClose(jvp(single(v)), single(jv), { rtol: 1e-6, atol: 1e-6 }, name);
            await expectClose(vjp(single(u)), single(jtu), { rtol: 1e-6, atol: 1e-6 }, name);
          }
        }),
      ),
      runs(25),
    );
  });

  it.each(kinds)('%s: J v is the difference quotient of the forward pass', async (kind) => {
    const h = 0.01;
    await fc.assert(
      fc.asyncProperty(casesOf(kind), (layerCase) =>
        onLayer(layerCase, async (layer, x, { saved }) => {
          const quotient = (at: (step: number) => tf.Tensor): tf.Tensor => tf.div(tf.sub(at(h), at(-h)), 2 * h);
          const d = tf.randomUniform(x.shape, -1, 1, 'float32', 3);
          const along = (step: number): tf.Tensor => {
            const moved = layerOfCase(layerCase); // dropout draws the same mask
            const { output } = moved.forward(tf.add(x, tf.mul(step, d)));
            moved.parameters.forEach((parameter) => parameter.dispose());
            return output;
          };
          await expectClose(layer.inputJvp(saved, d), quotient(along), { rtol: 1e-3, atol: 1e-3 }, 'input');
          for (const parameter of layer.parameters) {
            const dw = tf.randomUniform(parameter.shape, -1, 1, 'float32', 4);
            const value = tf.keep(tf.clone(parameter.value));
            const at = (step: number): tf.Tensor => {
              parameter.assign(tf.add(value, tf.mul(step, dw)));
              return layer.forward(x).output;
            };
            const expected = quotient(at);
            parameter.assign(value);
            await expectClose(layer.paramJvp(saved, parameter.name, dw), expected, { rtol: 1e-3, atol: 1e-3 });
          }
        }),
      ),
      runs(15),
    );
  });

  it.each(Object.keys(activations))('%s: the second-order term is the difference quotient of phi', async (kind) => {
    const h = 0.01;
    await fc.assert(
      fc.asyncProperty(casesOf(kind), (layerCase) =>
        onLayer(layerCase, async (layer, x, { saved }) => {
          const g = normal(x.shape, 5);
          const at = (step: number): tf.Tensor => {
            const fresh = layerOfCase(layerCase) as Elementwise<Saved>;
            return fresh.derivative(fresh.forward(tf.add(x, step)).saved);
          };
          const expected = tf.mul(g, tf.div(tf.sub(at(h), at(-h)), 2 * h));
          const term = (layer as Elementwise<Saved>).secondOrder(saved, g) ?? tf.zerosLike(x);
          await expectClose(term, expected, { rtol: 1e-3, atol: 1e-3 });
        }),
      ),
      runs(10),
    );
  });

  it.each(windowed)('%s: the forward pass is that of plain loops', async (kind) => {
    await fc.assert(
      fc.asyncProperty(casesOf(kind), (layerCase) =>
        onLayer(layerCase, async (layer, x, { output }) => {
          const { geometry, groups } = layerCase;
          const shape = x.shape as Shape4;
          const pixels = await numbersOf(x);
          const plain = {
            'max-pool2d': () => maxPool(pixels, shape, geometry),
            'avg-pool2d': () => avgPool(pixels, shape, geometry),
            conv2d: async () => {
              const { weight, bias } = layer as Conv2d;
              const offsets = bias ? await numbersOf(bias.value) : Array<number>(weight.shape[3]!).fill(0);
              return convolution(pixels, shape, await numbersOf(weight.value), offsets, groups, geometry);
            },
          }[kind]!();
          const { output: size } = placed(geometry, [shape[1], shape[2]]);
          expect(output.shape.slice(1, 3)).toEqual(size);
          await expectClose(output, await plain, { rtol: 1e-6, atol: 1e-6 });
        }),
      ),
      runs(100),
    );
  });

  it('max pooling sends a gradient to the first of equal maxima, and stays within the picture for NaN', async () => {
    await inScope(async () => {
      const layer = new MaxPool2d({ kernel: 3, stride: 2, padding: 1 });
      const { saved } = layer.forward(tf.ones([2, 3, 3, 2]));
      const g = layer.inputVjp(saved, tf.ones([2, 2, 2, 2]));
      const channel = await numbersOf(tf.slice(g, [1, 0, 0, 1], [1, 3, 3, 1]));
      expect(channel).toEqual([1, 1, 0, 1, 1, 0, 0, 0, 0]);
      const broken = layer.forward(tf.fill([1, 3, 3, 1], NaN));
      expect(layer.inputVjp(broken.saved, broken.output).shape).toEqual([1, 3, 3, 1]);
      expect(layer.inputJvp(broken.saved, tf.ones([1, 3, 3, 1])).shape).toEqual([1, 2, 2, 1]);
    });
  });

  it('dropout is the identity in evaluation and keeps the mean in training', async () => {
    await inScope(async () => {
      const layer = new Dropout(0.25);
      const x = normal([4, 5], 1);
      await expectClose(layer.forward(x).output, x, { rtol: 0, atol: 0 });
      layer.random = { uniform: Math.random };
      const ones = tf.ones([200, 200]);
      const dropped = layer.forward(ones).output;
      expect(new Set(await numbersOf(dropped))).toEqual(new Set([0, Math.fround(4 / 3)]));
      await expectClose(tf.mean(dropped), [1], { rtol: 0, atol: 0.02 });
    });
  });

  it('activations stay finite and exact far from zero', async () => {
    await inScope(async () => {
      const x = tf.tensor1d([-200, -50, -1e-3, 1e-3, 50, 200]);
      await expectClose(new Softplus().forward(x).output, [0, 0, 0.69264731, 0.69364731, 50, 200], {
        rtol: 1e-7,
        atol: 0,
      });
      const { output } = new LogSigmoid().forward(x);
      await expectClose(output, [-200, -50, -0.69364731, -0.69264731, 0, 0], { rtol: 1e-7, atol: 0 });
      const { output: elu, saved } = new Elu().forward(x);
      await expectClose(tf.slice(elu, 0, 3), [-1, -1, -9.995e-4], { rtol: 1e-6, atol: 0 });
      await expectClose(new Elu().derivative(saved), [0, 0, 0.9990005, 1, 1, 1], { rtol: 1e-6, atol: 1e-20 });
    });
  });

  it('refuses what cannot be, with the numbers', () => {
    expect(() => new Conv2d(tf.zeros([3, 3, 2, 3]), null, { groups: 2 })).toThrow('3 output channels');
    expect(() => new MaxPool2d({ kernel: 2, stride: 0 })).toThrow('stride must be positive integers, not 0, 0');
    expect(() => new ZeroPad2d([1, -1])).toThrow('padding must be non-negative integers');
    expect(() => new MaxPool2d({ kernel: 4 }).forward(tf.zeros([1, 3, 5, 1]))).toThrow(
      'a window of 4 x 4 does not fit into a picture of 3 x 5',
    );
    expect(() => new MaxPool2d({ kernel: 2, padding: 2 }).forward(tf.zeros([1, 4, 4, 1]))).toThrow(
      'outside of the picture',
    );
    expect(() => new Conv2d(tf.zeros([1, 1, 2, 1]), null).forward(tf.zeros([1, 4, 4, 3]))).toThrow(
      'takes pictures [N, H, W, 2], not [1, 4, 4, 3]',
    );
    expect(() => new Dropout(1)).toThrow('[0, 1)');
  });
});

/** The Jacobian of each sample [N, o, i], column by column. */
function denseJacobians(layer: Layer, x: tf.Tensor, saved: Saved): tf.Tensor {
  const [samples = 0, ...sample] = x.shape;
  const inputs = tf.util.sizeFromShape(sample);
  const units = tf.tile(tf.reshape(tf.eye(inputs), [inputs, 1, ...sample]), [1, samples, ...sample.map(() => 1)]);
  const columns = tf.reshape(layer.inputJvp(saved, units), [inputs, samples, -1]);
  return tf.transpose(columns, [1, 2, 0]);
}

describeOnEveryBackend('laws of Hessian backpropagation', () => {
  const options: HbpOptions = {
    secondOrder: 'zero',
    averageInputJacobian: true,
    averageParameterJacobian: true,
    blocks: 1,
    hessians: 'dense' as const,
    memoryLimit: Infinity,
  };
  function contextOf(layer: Layer, { output, saved }: Pass) {
    const [, ...sample] = output.shape;
    const outputs = tf.util.sizeFromShape(sample);
    const root = normal([outputs, outputs], 7);
    const outputHessian = tf.add(root, tf.transpose(root));
    return { layer, saved, outputHessian, outputGradient: normal(output.shape, 8), options };
  }

  it.each(kinds)('%s: the input Hessian is J^T H J with dense matrices, J averaged or not', async (kind) => {
    await fc.assert(
      fc.asyncProperty(casesOf(kind), fc.boolean(), (layerCase, averageInputJacobian) =>
        onLayer(layerCase, async (layer, x, pass) => {
          const context = contextOf(layer, pass);
          const got = rules[layer.kind].inputHessian({ ...context, options: { ...options, averageInputJacobian } });
          const all = denseJacobians(layer, x, pass.saved);
          const jacobians = averageInputJacobian ? tf.mean(all, 0, true) : all;
          const hessian = tf.tile(tf.expandDims(context.outputHessian, 0), [jacobians.shape[0], 1, 1]);
          const expected = tf.mean(tf.matMul(jacobians, tf.matMul(hessian, jacobians), true, false), 0);
          expect(got.shape).toEqual(expected.shape);
          await expectClose(got, expected, { rtol: 1e-5, atol: 1e-5 });
        }),
      ),
      runs(20),
    );
  });

  it('conv2d: parameter curvature is J^T H J at the mean input, whole or in row blocks', async () => {
    await fc.assert(
      fc.asyncProperty(casesOf('conv2d'), upTo(5), (layerCase, blocks) =>
        onLayer(layerCase, async (layer, x, pass) => {
          const context = contextOf(layer, pass);
          const curvature = rules.conv2d.parameterCurvature!({ ...context, options: { ...options, blocks } });
          const mean = layer.forward(tf.mean(x, 0, true)).saved;
          for (const { name, shape } of layer.parameters) {
            const n = tf.util.sizeFromShape(shape);
            const columns = layer.paramJvp(mean, name, tf.reshape(tf.eye(n), [n, ...shape]));
            const jacobian = tf.reshape(columns, [n, -1]);
            const whole = tf.matMul(jacobian, tf.matMul(context.outputHessian, jacobian, false, true));
            const expected = tf.mul(whole, sameBlock(n, shape.at(-1)!, blocks));
            const operator = curvature[name]!;
            await expectClose(operator.toDense(), expected, { rtol: 1e-5, atol: 1e-5 }, name);
            const b = normal(shape, 9);
            const system = operator.dampedSystem(b, 0.3);
            const product = tf.add(tf.mul(0.3, b), tf.mul(0.7, operator.matvec(b)));
            await expectClose(system.lift(system.rhs), b, { rtol: 1e-6, atol: 1e-6 }, name);
            await expectClose(system.lift(system.apply(system.rhs)), product, { rtol: 1e-5, atol: 1e-5 }, name);
            system.dispose();
            operator.dispose();
          }
        }),
      ),
      runs(60),
    );
  });

  it('conv2d: leaves no tensors behind', async () => {
    const [layerCase] = fc.sample(casesOf('conv2d'), { numRuns: 1, seed: 3 });
    await expectNoLeak(() =>
      onLayer({ ...layerCase!, bias: true }, (layer, _x, pass) => {
        const context = contextOf(layer, pass);
        for (const operator of Object.values(rules.conv2d.parameterCurvature!(context))) {
          operator.dampedSystem(tf.ones([...operator.shape]), 0.1).dispose();
          operator.dispose();
        }
      }),
    );
  });
});

/** 1 where two elements of a parameter [..., out] belong to the same block of output channels, else 0. */
function sameBlock(n: number, out: number, blocks: number): tf.Tensor {
  const size = Math.ceil(out / blocks);
  const blockOf = (element: number): number => Math.floor((element % out) / size);
  return tf.tensor2d(
    Array.from({ length: n }, (_, a) => Array.from({ length: n }, (_, b) => (blockOf(a) === blockOf(b) ? 1 : 0))),
  );
}
