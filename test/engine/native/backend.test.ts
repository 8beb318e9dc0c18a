/** What is particular to the native backend; its kernels are held to the cpu backend's in test/engine/kernels. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { NativeBackend } from '../../../src/engine/backend/native/backend.js';
import { javaScriptCalls } from '../../../src/engine/backend/native/index.js';
import { useBackend } from '../../../src/engine/backend/index.js';
import { curvatureProducts, lossHessian } from '../../../src/engine/curvature/cvp/index.js';
import { hessianBackpropagation } from '../../../src/engine/curvature/hbp/index.js';
import { maxPool, spreadCells, timesDerivative } from '../../../src/engine/fused.js';
import { eigh, eighOnHost } from '../../../src/engine/linalg/eigh.js';
import { backpropagate } from '../../../src/engine/nn/backward.js';
import { ChosenConvolution } from '../../../src/engine/nn/chosen-convolution.js';
import { CrossEntropy } from '../../../src/engine/nn/cross-entropy.js';
import { gradientRows } from '../../../src/engine/nn/gradient-rows.js';
import { c3d3, c4d3, mlp } from '../../../src/engine/nn/models.js';
import type { Sequential } from '../../../src/engine/nn/sequential.js';
import { placeWindow, windowOf } from '../../../src/engine/nn/window.js';
import { Adam } from '../../../src/engine/optim/adam.js';
import { CgNewton } from '../../../src/engine/optim/cg-newton.js';
import { Kfac } from '../../../src/engine/optim/kfac.js';
import { Sgd } from '../../../src/engine/optim/sgd.js';
import * as tf from '../../../src/engine/tf.js';
import { seededStreams } from '../../../src/lab/random.js';
import { testBackends } from '../../support/backends.js';
import { nativeIsa } from '../kernels/deviations.js';

// The set-up of the tests has said so if the addon is not built.
const describeNative = testBackends.includes('native') ? describe : describe.skip;

const loss = new CrossEntropy();
const cg = { lr: 0.1, alpha: 0.02, tol: 0.1, atol: 0, maxiter: 10 };

/** A batch for networks of small pictures. */
function batchOf(samples: number, size: number): { inputs: tf.Tensor; labels: tf.Tensor } {
  return {
    inputs: tf.randomNormal([samples, size, size, 3], 0, 1, 'float32', 7),
    labels: tf.tensor1d(
      Array.from({ length: samples }, (_, n) => n % 10),
      'int32',
    ),
  };
}

function differentiate(model: Sequential, inputs: tf.Tensor, labels: tf.Tensor) {
  const trace = model.forward(inputs);
  const { saved } = loss.forward(trace.output, labels);
  return { trace, saved, gradients: backpropagate(model, trace, loss.gradient(saved)) };
}

type Step = (model: Sequential, inputs: tf.Tensor, labels: tf.Tensor) => Promise<void>;

/** Every optimiser of the experiments, one step each. */
const steps: Record<string, () => Step> = {
  sgd: () => {
    const sgd = new Sgd({ lr: 0.1, momentum: 0.9 });
    return (model, inputs, labels) => {
      sgd.update(model.parameters, differentiate(model, inputs, labels).gradients.parameters);
      return Promise.resolve();
    };
  },
  adam: () => {
    const adam = new Adam({ lr: 0.001 });
    return (model, inputs, labels) => {
      adam.update(model.parameters, differentiate(model, inputs, labels).gradients.parameters);
      return Promise.resolve();
    };
  },
  kfac: () => {
    const kfac = new Kfac({ lr: 0.1, TCov: 1, TInv: 1 });
    return async (model, inputs, labels) => {
      const { trace, gradients } = differentiate(model, inputs, labels);
      await kfac.update(model, trace, gradients);
    };
  },
  ekfac: () => {
    const kfac = new Kfac({ lr: 0.1, TCov: 1, TInv: 1, ekfac: { TScal: 1 } });
    return async (model, inputs, labels) => {
      const { trace, gradients } = differentiate(model, inputs, labels);
      await kfac.update(model, trace, gradients);
    };
  },
};
for (const secondOrder of ['zero', 'abs', 'clip'] as const) {
  steps[`cg-newton on exact products, ${secondOrder}`] = () => async (model, inputs, labels) => {
    const { trace, saved, gradients } = differentiate(model, inputs, labels);
    const curvature = curvatureProducts(model, trace, gradients, lossHessian(loss, saved), { secondOrder });
    await new CgNewton(cg).update(model.parameters, gradients.parameters, curvature);
    Object.values(curvature).forEach((operator) => operator.dispose());
  };
}
for (const blocks of [1, 4]) {
  steps[`cg-newton on Hessian backpropagation, ${blocks} blocks`] = () => async (model, inputs, labels) => {
    const { trace, saved, gradients } = differentiate(model, inputs, labels);
    const hessian = loss.averagedHessian(saved);
    const curvature = hessianBackpropagation(model, trace, gradients, hessian, { secondOrder: 'abs', blocks });
    await new CgNewton(cg).update(model.parameters, gradients.parameters, curvature);
    Object.values(curvature).forEach((operator) => operator.dispose());
  };
}

const networks: Record<string, [network: () => Sequential, size: number]> = {
  mlp: [() => mlp({ input: 48, hidden: [20, 12], output: 10 }, 'sigmoid', seededStreams(1).init), 4],
  c4d3: [() => c4d3({ input: [8, 8, 3], output: 10 }, 'sigmoid', seededStreams(1).init), 8],
  'c4d3, relu': [() => c4d3({ input: [8, 8, 3], output: 10 }, 'relu', seededStreams(1).init), 8],
  '3c3d': [() => c3d3({ input: [20, 20, 3], output: 10 }, 'sigmoid', seededStreams(1).init), 20],
  '3c3d, tanh': [() => c3d3({ input: [20, 20, 3], output: 10 }, 'tanh', seededStreams(1).init), 20],
};

describeNative('the native backend', () => {
  beforeAll(async () => {
    await useBackend('native');
  });

  const cases = Object.keys(networks).flatMap((network) =>
    Object.keys(steps)
      .filter((step) => network === 'mlp' || !step.includes('Hessian'))
      .map((step) => [network, step] as const),
  );
  it.each(cases)('runs no kernel of a training step in JavaScript: %s, %s', async (network, name) => {
    const [create, size] = networks[network]!;
    const [model, step, { inputs, labels }] = [create(), steps[name]!(), batchOf(5, size)];
    await step(model, inputs, labels); // constants are made once
    javaScriptCalls.clear();
    await step(model, inputs, labels);
    expect(Object.fromEntries(javaScriptCalls)).toEqual({});
  });

  it('runs no kernel of an evaluation in JavaScript', () => {
    const model = networks['c4d3']![0]();
    const { inputs, labels } = batchOf(5, 8);
    javaScriptCalls.clear();
    tf.tidy(() => {
      const { output } = model.forward(inputs);
      loss.forward(output, labels);
      tf.sum(tf.cast(tf.equal(tf.argMax(output, 1), labels), 'float32'));
    });
    expect(Object.fromEntries(javaScriptCalls)).toEqual({});
  });

  const withLongVectors = nativeIsa() === 'base' ? it.skip : it;
  withLongVectors('calculates at chosen cells by kernels for that, whatever the number of vectors', async () => {
    const [model, step, { inputs, labels }] = [
      networks['3c3d']![0](),
      steps['cg-newton on exact products, abs']!(),
      batchOf(5, 20),
    ];
    const names = new Set<string>();
    const note = async (body: () => tf.Tensor | Promise<tf.Tensor>): Promise<void> => {
      const { kernelNames } = await tf.profile(body);
      kernelNames.forEach((name) => names.add(name));
    };
    await note(async () => {
      await step(model, inputs, labels);
      return inputs;
    });
    const [chosen, dy] = [tf.zeros([5, 2, 2, 7]), tf.ones([9, 5, 2, 2, 7])];
    const pooling = placeWindow(windowOf({ kernel: 2, stride: 2 }), [4, 4]);
    const pictures = tf.ones([5, 6, 6, 3]);
    const convolution = placeWindow(windowOf({ kernel: 3 }), [6, 6]);
    await note(() => gradientRows(pictures, dy, convolution, { chosen, pooling }));
    for (const name of [
      'ChosenPlaces',
      'ConvolveChosen',
      'ConvolveTransposedChosen',
      'CorrelateChosen',
      'GradientRows',
    ]) {
      expect(names).toContain(`Hbp${name}`);
    }
    expect(names).not.toContain('Unpack'); // what the composition of the last begins with
  });

  it('counts what runs in JavaScript', () => {
    javaScriptCalls.clear();
    tf.tidy(() => {
      expect(Array.from(tf.atan(tf.tensor1d([0, 1])).dataSync())[1]).toBeCloseTo(Math.PI / 4, 6);
    });
    expect(Object.fromEntries(javaScriptCalls)).toEqual({ Atan: 1 });
  });

  it('keeps what was read when the tensor is gone and its buffer used again', async () => {
    const x = tf.add(tf.ones([2000]), 1);
    const [now, later] = [x.dataSync(), await x.data()];
    x.dispose();
    const others = [0, 1, 2, 3].map(() => tf.fill([2000], 7));
    expect(new Set([...now, ...later])).toEqual(new Set([2]));
    tf.dispose(others);
  });

  it('keeps views when what they were cut from is gone', () => {
    const x = tf.mul(tf.range(0, 4000), 1);
    const [parts, flat] = [tf.split(x, 2), tf.reshape(x, [2, 2000])];
    x.dispose();
    const others = [0, 1, 2, 3].map(() => tf.fill([4000], 7));
    expect(parts[1]!.dataSync()[0]).toBe(2000);
    expect(flat.dataSync()[3999]).toBe(3999);
    tf.dispose([...parts, flat, ...others]);
  });

  it('never writes into an array of the user', () => {
    const mine = Float32Array.from({ length: 2000 }, (_, i) => i);
    tf.tensor1d(mine).dispose();
    const others = [0, 1, 2, 3].map(() => tf.fill([2000], 7));
    expect(mine[1999]).toBe(1999);
    tf.dispose(others);
  });

  it('needs no more memory the longer it trains', async () => {
    const { inputs, labels } = batchOf(50, 8);
    const [model, sgd] = [networks['c4d3']![0](), new Sgd({ lr: 0.1, momentum: 0.9 })];
    const train = (count: number): void => {
      for (let i = 0; i < count; i++) {
        tf.tidy(() => {
          sgd.update(model.parameters, differentiate(model, inputs, labels).gradients.parameters);
        });
      }
    };
    const { pool } = tf.backend() as NativeBackend;
    train(20);
    const [tensors, free, resident] = [tf.memory().numTensors, pool.freeBytes, process.memoryUsage.rss()];
    train(400);
    expect(tf.memory().numTensors).toBe(tensors);
    expect(pool.freeBytes).toBe(free);
    expect(process.memoryUsage.rss() - resident).toBeLessThan(30 * 2 ** 20); // without the pool: hundreds
    await Promise.resolve();
  });

  it('decomposes symmetric matrices as the host does, with eigenvalues ascending', async () => {
    const a = tf.randomNormal([60, 60], 0, 1, 'float32', 3);
    const matrix = tf.add(a, tf.transpose(a));
    const [ours, theirs] = [await eigh(matrix), await eighOnHost(matrix)];
    const [got, want] = [ours.values.dataSync(), theirs.values.dataSync()];
    got.forEach((value, i) => expect(value).toBeCloseTo(want[i]!, 4));
    const rebuilt = tf.matMul(tf.mul(ours.vectors, ours.values), ours.vectors, false, true);
    expect(tf.max(tf.abs(tf.sub(rebuilt, matrix))).dataSync()[0]).toBeLessThan(1e-4);
    await expect(
      eigh(
        tf.tensor2d([
          [NaN, 0],
          [0, 1],
        ]),
      ),
    ).rejects.toThrow(/2 x 2 matrix has entries that are not finite/);
    tf.dispose([a, matrix, ours.values, ours.vectors, theirs.values, theirs.vectors]);
  });
});

/** Results of some kernels in a process of its own. */
function inProcess(script: string, environment: NodeJS.ProcessEnv): string {
  const hooks = new URL('../../support/typescript-hooks.js', import.meta.url).href;
  const source = `
    const { activateNative } = await import(${JSON.stringify(file('../../../src/engine/backend/native/index.ts'))});
    const tf = await import(${JSON.stringify(file('../../../src/engine/tf.ts'))});
    tf.env().set('PROD', true);
    ${script}`;
  return execFileSync(process.execPath, ['--import', hooks, '--input-type=module', '-e', source], {
    encoding: 'utf8',
    env: { ...process.env, ...environment },
  }).trim();
}

function file(path: string): string {
  return fileURLToPath(new URL(path, import.meta.url));
}

const digest = `
  const { createHash } = await import('node:crypto');
  const hash = createHash('sha256');
  const add = (x) => hash.update(x.dataSync());
  const x = tf.randomNormal([64, 16, 16, 16], 0, 1, 'float32', 1), w = tf.randomNormal([3, 3, 16, 32], 0, 1, 'float32', 2);
  add(tf.conv2d(x, w, 1, 'same'));
  add(tf.sum(x, [0, 1, 2]));
  add(tf.sum(x));
  add(tf.sigmoid(x));
  add(tf.matMul(tf.reshape(x, [256, 1024]), tf.reshape(x, [1024, 256])));
  add(tf.matMul(tf.reshape(x, [256, 1024]), tf.reshape(x, [256, 1024]), false, true));
  add(tf.maxPool(x, 2, 2, 'valid'));
  console.log(hash.digest('hex'));`;

// Looked up once: in a test's context a global takes long to find.
const { ceil, floor, fround, max } = Math;

describeNative('results too large for the caches', () => {
  // Whole registers, some floats more, and rows that are not whole registers.
  const channels = 16;
  const n = 262_144 * channels;

  beforeAll(async () => {
    await useBackend('native');
  });

  /** Numbers whose products and sums are exact in single precision. */
  function numbers(count: number, seed: number): Float32Array {
    const values = new Float32Array(count);
    for (let i = 0; i < count; i++) values[i] = ((i * seed) % 1021) / 64 - 8;
    return values;
  }
  const flat = (t: tf.Tensor): Float32Array => t.dataSync<'float32'>();
  /** What differs first, so that a failure does not print millions of numbers. */
  function expectEach(got: Float32Array, want: (i: number) => number): void {
    let at = 0;
    while (at < got.length && got[at] === fround(want(at))) at++;
    expect({ at, got: got[at] }).toEqual({ at: got.length, got: undefined });
  }

  it.each([n, n + 5])('are those of smaller ones: %d floats', (count) => {
    const [a, b] = [numbers(count, 7), numbers(count, 13)];
    tf.tidy(() => {
      const [x, y] = [tf.tensor1d(a), tf.tensor1d(b)];
      expectEach(flat(tf.relu(x)), (i) => max(0, a[i]!));
      expectEach(flat(tf.mul(x, 3)), (i) => 3 * a[i]!);
      expectEach(flat(tf.mul(x, y)), (i) => a[i]! * b[i]!);
      expectEach(flat(tf.add(x, y)), (i) => a[i]! + b[i]!);
    });
  });

  it.each([channels, 3])('with a row of %d added to each', (columns) => {
    const rows = ceil(n / columns);
    const [a, b] = [numbers(rows * columns, 7), numbers(columns, 13)];
    tf.tidy(() =>
      expectEach(flat(tf.add(tf.tensor2d(a, [rows, columns]), tf.tensor1d(b))), (i) => a[i]! + b[i % columns]!),
    );
  });

  it.each([n / 4, n / 4 + 3])('of several vectors behind an activation: 4 x %d', (count) => {
    const [u, v] = [numbers(count, 7), numbers(4 * count, 13)];
    tf.tidy(() => {
      const got = timesDerivative('Relu', tf.tensor2d(u, [1, count]), tf.tensor2d(v, [4, count]));
      expectEach(flat(got), (i) => (u[i % count]! > 0 ? v[i]! : 0));
    });
  });

  it.each([channels, channels + 3])('spread over windows that lie side by side, %d channels', (depth) => {
    const side = 32;
    const pictures = ceil(n / (side * side * depth));
    const values = numbers(pictures * side * side * depth, 7);
    tf.tidy(() => {
      const x = tf.tensor4d(values, [pictures, side, side, depth]);
      const placement = placeWindow(windowOf({ kernel: 2, stride: 2 }), [side, side]);
      const { largest, chosen } = maxPool(x, placement)!;
      const [dx, cells] = [flat(spreadCells(largest, chosen, placement)!), flat(chosen)];
      expectEach(dx, (i) => {
        const [channel, column, row] = [i % depth, floor(i / depth) % side, floor(i / depth / side)];
        const window = (floor(row / 2) * (side / 2) + floor(column / 2)) * depth + channel;
        return cells[window] === 2 * (row % 2) + (column % 2) ? values[i]! : 0;
      });
    });
  });

  // Scattered for one vector and for two, gathered for more where there are registers enough; windows that overlap add up.
  it.each([
    [1, 2],
    [2, 2],
    [3, 2],
    [5, 3],
  ])('that come back from chosen cells: %d vectors, windows of %d', (vectors, kernel) => {
    const [side, outputs] = [32, 4];
    const half = ceil(n / vectors / side / side / channels / 2);
    const given = (shape: number[], seed: number): tf.Tensor =>
      tf.tensor(numbers(tf.util.sizeFromShape(shape), seed), shape);
    tf.tidy(() => {
      const placement = placeWindow(windowOf({ kernel, stride: 2 }), [side, side]);
      const { largest, chosen } = maxPool(given([2 * half, side, side, outputs], 7), placement)!;
      const dy = given([vectors, ...largest.shape], 13);
      const weight = given([3, 3, channels, outputs], 11);
      const convolution = placeWindow(windowOf({ kernel: 3, padding: 'same' }), [side, side]);
      const back = (chosen: tf.Tensor, dy: tf.Tensor): tf.Tensor =>
        new ChosenConvolution(chosen, { convolution, pooling: placement }, channels).convolveTransposed(dy, weight);
      const whole = back(chosen, dy);
      const halves = tf.split(chosen, 2, 0).map((part, i) => back(part, tf.split(dy, 2, 1)[i]!));
      expect(whole.size).toBeGreaterThanOrEqual(n);
      expect(tf.all(tf.equal(whole, tf.concat(halves, 1))).dataSync()[0]).toBe(1);
    });
  });
});

describeNative('convolutions of the native backend', () => {
  beforeAll(async () => {
    await useBackend('native');
  });

  // Whole blocks of 16 outputs have kernels of their own on some processors, one output more leaves them to oneDNN.
  const shapes = [
    { pictures: 3, side: 40, depth: 32, outputs: 48, kernel: 3, pad: 'same' },
    { pictures: 2, side: 29, depth: 16, outputs: 16, kernel: 5, pad: 'valid' },
    { pictures: 35, side: 7, depth: 32, outputs: 32, kernel: 3, pad: 'same' },
    { pictures: 1, side: 230, depth: 16, outputs: 16, kernel: 2, pad: 'same' },
  ] as const;
  it.each(shapes)('of many channels are those of one more: %o', ({ pictures, side, depth, outputs, kernel, pad }) => {
    tf.tidy(() => {
      const x = tf.randomNormal<tf.Rank.R4>([pictures, side, side, depth], 0, 1, 'float32', 1);
      const w = tf.randomNormal<tf.Rank.R4>([kernel, kernel, depth, outputs], 0, 1, 'float32', 2);
      const y = tf.conv2d(x, w, 1, pad);
      const dy = tf.randomNormal<tf.Rank.R4>(y.shape, 0, 1, 'float32', 3);
      const more = { x: oneMore(x), inputs: oneMore(w, 2), outputs: oneMore(w), dy: oneMore(dy) };
      const convolution = { strides: 1, pad, dataFormat: 'NHWC' };
      const run = (kernel: string, inputs: Record<string, tf.Tensor>, attrs: tf.NamedAttrMap) =>
        tf.engine().runKernel<tf.Tensor>(kernel, inputs, { ...convolution, ...attrs });
      const dx = (grad: tf.Tensor, filter: tf.Tensor, inputShape: number[]) =>
        run('Conv2DBackpropInput', { dy: grad, filter }, { inputShape });
      const dw = (grad: tf.Tensor, filterShape: number[]) =>
        run('Conv2DBackpropFilter', { x, dy: grad }, { filterShape });
      expectNear(y, tf.slice(tf.conv2d(x, more.outputs, 1, pad), 0, y.shape));
      expectNear(dx(dy, w, x.shape), tf.slice(dx(dy, more.inputs, more.x.shape), 0, x.shape));
      expectNear(dw(dy, w.shape), tf.slice(dw(more.dy, more.outputs.shape), 0, w.shape));
    });
  });

  it.each(['x', 'filter', 'dy'])('leave padding out where %s has NaN', (name) => {
    tf.tidy(() => {
      // In a corner, which most cells of the kernel never meet.
      const corner = (shape: [number, number, number, number]) =>
        tf.pad(
          tf.fill(shape.map(() => 1) as typeof shape, NaN),
          shape.map((size): [number, number] => [0, size - 1]),
          1,
        );
      const [pictures, filter] = [[1, 5, 5, 16] as const, [3, 3, 16, 16] as const];
      const of = (which: string, shape: readonly [number, number, number, number]) =>
        which === name ? corner([...shape]) : tf.ones<tf.Rank.R4>([...shape]);
      const [x, w, dy] = [of('x', pictures), of('filter', filter), of('dy', pictures)];
      const attrs = { strides: 1, pad: 'same', dataFormat: 'NHWC' } as const;
      const run = (kernel: string, inputs: Record<string, tf.Tensor>, more: tf.NamedAttrMap = {}) =>
        tf.engine().runKernel<tf.Tensor>(kernel, inputs, { ...attrs, ...more });
      const nans = (t: tf.Tensor) => tf.sum(tf.cast(tf.isNaN(t), 'int32')).dataSync()[0];
      // A number of the corner meets 2 x 2 pixels through as many cells; a cell of the kernel's corner 4 x 4 pixels.
      expect(nans(run('Conv2D', { x, filter: w }))).toBe({ x: 4 * 16, filter: 16, dy: 0 }[name]);
      expect(nans(run('Conv2DBackpropInput', { dy, filter: w }, { inputShape: [...pictures] }))).toBe(
        { x: 0, filter: 16, dy: 4 * 16 }[name],
      );
      expect(nans(run('Conv2DBackpropFilter', { x, dy }, { filterShape: [...filter] }))).toBe(
        { x: 4 * 16, filter: 0, dy: 4 * 16 }[name],
      );
    });
  });

  /** Zeros as one more channel. */
  function oneMore(t: tf.Tensor4D, axis = 3): tf.Tensor4D {
    return tf.pad(
      t,
      t.shape.map((_, i): [number, number] => [0, i === axis ? 1 : 0]),
    );
  }
  function expectNear(got: tf.Tensor, want: tf.Tensor): void {
    const scale = tf.max(tf.abs(want)).dataSync()[0]!;
    expect(tf.max(tf.abs(tf.sub(got, want))).dataSync()[0]!).toBeLessThan(1e-5 * scale);
  }
});

describeNative('threads of the native backend', () => {
  it('are those that are asked for, and wait without spinning', () => {
    const said = inProcess(
      `const { threads } = await activateNative({ threads: 1 });
       console.log(threads, process.env.OMP_NUM_THREADS, process.env.OMP_WAIT_POLICY);`,
      { OMP_NUM_THREADS: undefined, OMP_WAIT_POLICY: undefined },
    );
    expect(said).toBe('1 1 passive');
  });

  it('are those of OMP_NUM_THREADS where nothing else is said', () => {
    expect(inProcess('console.log((await activateNative()).threads);', { OMP_NUM_THREADS: '2' })).toBe('2');
  });

  it('are no more than OMP_THREAD_LIMIT, beyond which oneDNN leaves work undone', () => {
    const script = `
      const { threads } = await activateNative({ threads: 2 });
      const b = new Float32Array(256 * 256).fill(1);
      b[0] = Infinity; // oneDNN's, also where large products are not
      const product = tf.matMul(tf.ones([256, 256]), tf.tensor2d(b, [256, 256])).dataSync();
      console.log(threads, product[0], product[1], product[255 * 256]);`;
    expect(inProcess(script, { OMP_THREAD_LIMIT: '1' })).toBe('1 Infinity 256 Infinity');
  });

  it('do not change the bits of forward passes, sums and products', () => {
    const [one, two] = [1, 2].map((n) => inProcess(`await activateNative({ threads: ${n} });${digest}`, {}));
    expect(two).toBe(one);
  });
});

it('an addon that was built from other sources says so, once something is missed', () => {
  const folder = mkdtempSync(join(tmpdir(), 'hbp-addon-'));
  const addon = join(folder, 'addon.cjs');
  writeFileSync(addon, 'module.exports = { setThreads() {}, openMp: true };');
  try {
    const script = 'await activateNative().catch((error) => console.log(error.name, error.message));';
    expect(inProcess(script, { HBP_NATIVE_ADDON: addon })).toMatch(
      /^BackendError the native addon has no \w+: it was built from other sources; `make native` builds it again$/,
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
});

describeNative('instruction sets of the native backend', () => {
  it.each(['base', 'avx2'])('%s computes the same to rounding', (isa) => {
    const script = `
      const { isa } = await activateNative();
      const x = tf.linspace(-9, 9, 1001);
      const all = tf.concat([tf.exp(x), tf.sigmoid(x), tf.tanh(x), tf.log(tf.abs(x)), tf.sqrt(tf.abs(x)), tf.cumsum(x)]);
      console.log(JSON.stringify([isa, Array.from(all.dataSync())]));`;
    const [name, got] = JSON.parse(inProcess(script, { HBP_NATIVE_ISA: isa })) as [string, number[]];
    const [, want] = JSON.parse(inProcess(script, {})) as [string, number[]];
    if (process.arch === 'x64') expect(name).toMatch(new RegExp(`/(${isa}|base)$`));
    got.forEach((value, i) =>
      expect(Math.abs(value - want[i]!)).toBeLessThanOrEqual(2e-6 * Math.max(1, Math.abs(want[i]!))),
    );
  });
});
