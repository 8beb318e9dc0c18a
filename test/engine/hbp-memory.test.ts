import { jest } from '@jest/globals';
import { useBackend } from '../../src/engine/backend/index.js';
import { forecastHbp, hessianBackpropagation, type HbpOptions } from '../../src/engine/curvature/hbp/index.js';
import { AvgPool2d } from '../../src/engine/nn/avg-pool2d.js';
import { backpropagate } from '../../src/engine/nn/backward.js';
import { CrossEntropy } from '../../src/engine/nn/cross-entropy.js';
import { Flatten } from '../../src/engine/nn/flatten.js';
import { conv2d, linear, xavierNormal } from '../../src/engine/nn/initializers.js';
import type { Layer } from '../../src/engine/nn/layer.js';
import { MaxPool2d } from '../../src/engine/nn/max-pool2d.js';
import { c3d3, c4d3, mlp } from '../../src/engine/nn/models.js';
import { Sequential } from '../../src/engine/nn/sequential.js';
import { Sigmoid } from '../../src/engine/nn/sigmoid.js';
import { ZeroPad2d } from '../../src/engine/nn/zero-pad2d.js';
import * as tf from '../../src/engine/tf.js';
import { ConfigError } from '../../src/errors.js';
import { describeOnEveryBackend, isSlow, numbersOf, partOn } from '../support/backends.js';

/** Reproducible numbers in [0, 1). */
function source(seed = 1) {
  let state = seed;
  return { uniform: () => (state = (state * 16_807) % 2_147_483_647) / 2_147_483_647 };
}

function pictures(...middle: (() => Layer)[]): Sequential {
  const random = source();
  const layers = [conv2d({ input: 2, output: 4 }, 3, xavierNormal, random), ...middle.map((create) => create())];
  const width = forecastHbp(new Sequential(layers), [10, 10, 2])
    .steps.at(-1)!
    .outputShape.reduce((a, b) => a * b);
  return new Sequential([...layers, new Flatten(), linear(width, 10, xavierNormal, random)]);
}

/** Each has its peak at another kind of layer. */
const networks: Record<string, { model: () => Sequential; input: number[] }> = {
  mlp: { model: () => mlp({ input: 40, hidden: [200, 150, 100], output: 10 }, 'tanh', source()), input: [40] },
  sigmoid: { model: () => pictures(() => new Sigmoid()), input: [10, 10, 2] },
  convolution: {
    model: () => pictures(() => conv2d({ input: 4, output: 3 }, 3, xavierNormal, source(), { padding: 1 })),
    input: [10, 10, 2],
  },
  'max pooling': { model: () => pictures(() => new MaxPool2d({ kernel: 3, stride: 2 })), input: [10, 10, 2] },
  'average pooling': { model: () => pictures(() => new AvgPool2d({ kernel: 2 })), input: [10, 10, 2] },
  padding: { model: () => pictures(() => new ZeroPad2d(1)), input: [10, 10, 2] },
};

/** The most bytes that the buffers made in `body` take at once; `tf.memory()` counts a buffer for each view of it. */
function peakBytesOf(body: () => void): number {
  const engine = tf.engine();
  const sizes = new Map<object, number>();
  let now = 0;
  let peak = 0;
  const track = engine.trackTensor.bind(engine);
  const trackSpy = jest.spyOn(engine, 'trackTensor').mockImplementation((tensor, backend) => {
    const isNew = !engine.state.tensorInfo.has(tensor.dataId);
    track(tensor, backend);
    if (!isNew) return;
    const { bytes } = engine.state.tensorInfo.get(tensor.dataId)!;
    sizes.set(tensor.dataId, bytes);
    now += bytes;
    peak = Math.max(peak, now);
  });
  const remove = engine.removeDataId.bind(engine);
  const removeSpy = jest.spyOn(engine, 'removeDataId').mockImplementation((dataId, backend) => {
    now -= sizes.get(dataId) ?? 0;
    remove(dataId, backend);
  });
  body();
  trackSpy.mockRestore();
  removeSpy.mockRestore();
  return peak;
}

/** The most bytes that Hessian backpropagation has alive at once. */
function peakOf(model: Sequential, input: number[], options: Partial<HbpOptions>): number {
  const x = tf.randomNormal([3, ...input], 0, 1, 'float32', 1);
  const loss = new CrossEntropy();
  return tf.scoped(() => {
    const trace = model.forward(x);
    const { saved } = loss.forward(trace.output, tf.tensor1d([0, 1, 2], 'int32'));
    const gradients = backpropagate(model, trace, loss.gradient(saved));
    return peakBytesOf(() => {
      const curvature = hessianBackpropagation(model, trace, gradients, loss.averagedHessian(saved), {
        ...options,
        hessians: 'dense',
      });
      Object.values(curvature).forEach((operator) => operator.dispose());
    });
  });
}

/** Where a part is taken: three blocks, averaged; in software the convolution. */
describeOnEveryBackend('memory of Hessian backpropagation', (backend) => {
  const cases = Object.keys(networks).flatMap((name) =>
    [1, 3].flatMap((blocks) => [true, false].map((average) => [name, blocks, average] as const)),
  );
  const isTaken = (name: string): boolean => !isSlow(backend) || name === 'convolution';
  it.each(partOn(backend, cases, ([name, blocks, average]) => blocks === 3 && average && isTaken(name)))(
    'the forecast holds: %s, %i blocks, averaged %s',
    (name, blocks, averageInputJacobian) => {
      const { model: create, input } = networks[name]!;
      const model = create();
      const peak = peakOf(model, input, { blocks, averageInputJacobian, secondOrder: 'abs' });
      const { peakBytes } = forecastHbp(model, input, { blocks });
      expect(peakBytes / peak).toBeGreaterThan(0.9);
      expect(peakBytes / peak).toBeLessThan(1.5);
      model.dispose();
    },
  );
});

describe('the networks of the paper', () => {
  beforeAll(async () => {
    await useBackend('wasm');
  });

  const task = { input: [32, 32, 3], output: 10 } as const;

  it.each([
    { name: 'c4d3', create: c4d3, parameters: 1_099_226, flattened: 2048 },
    { name: 'c3d3', create: c3d3, parameters: 895_210, flattened: 1152 },
  ])('$name has its layers, parameters and shapes', ({ create, parameters, flattened }) => {
    const model = create(task, 'sigmoid', source());
    const sizes = model.parameters.map(({ parameter }) => tf.util.sizeFromShape(parameter.shape));
    expect(sizes.reduce((a, b) => a + b)).toBe(parameters);
    const { steps, peakBytes } = forecastHbp(model, task.input);
    expect(steps.find(({ kind }) => kind === 'flatten')!.outputShape).toEqual([flattened]);
    expect(steps.at(-1)!.outputShape).toEqual([10]);
    expect(peakBytes).toBeGreaterThan(4 * 2 ** 30);
    model.dispose();
  });

  it('takes pictures of other sizes', () => {
    tf.tidy(() => {
      for (const create of [c4d3, c3d3]) {
        const model = create({ input: [28, 27, 1], output: 3 }, 'relu', source());
        expect(model.forward(tf.zeros([2, 28, 27, 1])).output.shape).toEqual([2, 3]);
        model.dispose();
      }
    });
  });

  it('draws c4d3 within +-1 / sqrt(fanIn), and c3d3 as Xavier says', async () => {
    const spread = async (model: Sequential, path: string): Promise<{ largest: number; std: number; mean: number }> => {
      const { value } = model.parameters.find((placed) => placed.path === path)!.parameter;
      const numbers = await numbersOf(value);
      const mean = numbers.reduce((a, b) => a + b, 0) / numbers.length;
      const variance = numbers.reduce((sum, x) => sum + (x - mean) ** 2, 0) / numbers.length;
      return { largest: numbers.reduce((a, b) => Math.max(a, Math.abs(b)), 0), std: Math.sqrt(variance), mean };
    };
    const first = c4d3(task, 'sigmoid', source());
    for (const [path, fanIn] of [
      ['2.weight', 144],
      ['2.bias', 144],
      ['11.weight', 2048],
      ['11.bias', 2048],
    ] as const) {
      const { largest, std } = await spread(first, path);
      expect(largest).toBeLessThanOrEqual(fanIn ** -0.5);
      expect(std * Math.sqrt(3 * fanIn)).toBeCloseTo(1, path === '2.bias' ? -1 : 1);
    }
    const second = c3d3(task, 'sigmoid', source());
    const weight = await spread(second, '10.weight');
    expect((await spread(second, '3.weight')).std / Math.sqrt(2 / (9 * (64 + 96)))).toBeCloseTo(1, 1);
    expect(weight.largest).toBeLessThanOrEqual(Math.sqrt(6 / (1152 + 512)));
    expect(weight.std / Math.sqrt(2 / (1152 + 512))).toBeCloseTo(1, 1);
    expect(await spread(second, '0.bias')).toEqual({ largest: 0, std: 0, mean: 0 });
    first.dispose();
    second.dispose();
  });

  it('refuses before any work what is above the limit, with the layer and its size', () => {
    tf.tidy(() => {
      const model = c4d3({ input: [32, 32, 3], output: 10 }, 'sigmoid', source());
      const trace = model.forward(tf.zeros([1, 32, 32, 3]));
      const gradients = backpropagate(model, trace, tf.ones([1, 10]));
      const before = tf.memory().numTensors;
      const start = (): unknown => hessianBackpropagation(model, trace, gradients, tf.eye(10), { hessians: 'dense' });
      expect(start).toThrow(ConfigError);
      expect(start).toThrow(
        /at layer 4 \(max-pool2d\), more than the limit of 4\.0 GiB.*\[16, 16, 16\] is 4096 x 4096/,
      );
      expect(tf.memory().numTensors).toBe(before + 2); // the two output Hessians of this test
      model.dispose();
    });
  });
});
