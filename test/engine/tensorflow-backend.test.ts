/** The backend `tensorflow` with stand-ins for its packages on disk: needs `npm run build` (make test sees to it). */
import { cpSync, mkdirSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Backend, BackendChoice } from '../../src/engine/backend/index.js';
import { type Ended, install, type Installation } from '../support/installation.js';
import { brokenLibrary, noLibrary, standIn } from '../support/tfjs-node.js';

const [gpuPackage, cpuPackage] = ['@tensorflow/tfjs-node-gpu', '@tensorflow/tfjs-node'] as const;

let installed: Installation | undefined;
afterEach(() => installed?.remove());

function given(standIns: Readonly<Record<string, string>>): Installation {
  return (installed = install(standIns));
}

/** Choose a backend and multiply two numbers on it. */
const program = (choice: BackendChoice): string => `
  import { useBackend } from 'hbp';
  import * as tf from '@tensorflow/tfjs-core';
  const backend = await useBackend(${JSON.stringify(choice)}, { threads: 3 });
  const product = await tf.matMul(tf.tensor2d([[6]]), tf.tensor2d([[7]])).data();
  const { TF_FORCE_GPU_ALLOW_GROWTH: growth, TF_NUM_INTRAOP_THREADS: threads } = process.env;
  console.log(JSON.stringify({ backend, current: tf.getBackend(), product: product[0], growth, threads }));
`;

interface Chosen {
  readonly backend: Backend;
  readonly current: string;
  readonly product: number;
  readonly growth?: string;
  readonly threads?: string;
}

function chosen({ code, stdout, stderr }: Ended): Chosen {
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return JSON.parse(stdout) as Chosen;
}

it.each(['auto', 'gpu', 'tensorflow'] as const)('is what %s takes if its GPU package works', async (choice) => {
  const { backend, ...rest } = chosen(await given({ [gpuPackage]: standIn({ gpu: true }) }).evaluate(program(choice)));
  expect(rest).toEqual({ current: 'tensorflow', product: 42, growth: 'true', threads: '3' });
  expect(backend).toEqual({
    name: 'tensorflow',
    description: '@tensorflow/tfjs-node-gpu, GPU',
    gpu: true,
    threads: 3,
    version: '4.22.0, libtensorflow 2.9.1',
    adapter: 'CUDA device',
  });
});

it('falls back to the package without a GPU', async () => {
  const { backend, product } = chosen(await given({ [cpuPackage]: standIn({}) }).evaluate(program('auto')));
  expect(backend).toMatchObject({ name: 'tensorflow', description: '@tensorflow/tfjs-node, CPU', gpu: false });
  expect(backend).not.toHaveProperty('caveat');
  expect(product).toBe(42);
});

it('prefers the GPU package when both are there, and takes the other where that one fails to start', async () => {
  const start = "throw new Error('CUDA_ERROR_NO_DEVICE');";
  const failing = given({ [gpuPackage]: standIn({ start }), [cpuPackage]: standIn({}) });
  const { backend, product } = chosen(await failing.evaluate(program('tensorflow')));
  expect(backend.description).toBe('@tensorflow/tfjs-node, CPU');
  expect(product).toBe(42);
  failing.remove();
  const both = given({ [gpuPackage]: standIn({ gpu: true }), [cpuPackage]: standIn({}) });
  expect(chosen(await both.evaluate(program('tensorflow'))).backend.gpu).toBe(true);
});

it('tells when the GPU package runs on the CPU, and is then not what gpu means', async () => {
  const onCpu = given({ [gpuPackage]: standIn({ gpu: false }) });
  const { backend } = chosen(await onCpu.evaluate(program('tensorflow')));
  expect(backend).toMatchObject({
    gpu: false,
    caveat: { reason: '@tensorflow/tfjs-node-gpu finds no GPU and runs on the CPU' },
  });
  expect(backend.caveat?.remedy).toMatch(/CUDA 11\.2 and cuDNN 8\.1/);
  const { code, stderr } = await onCpu.evaluate(program('gpu'));
  expect(code).toBe(1);
  expect(stderr).toMatch(
    /BackendError: no backend for --backend gpu \(tensorflow: @tensorflow\/tfjs-node-gpu finds no GPU and runs on the CPU - install CUDA 11\.2.+; webgpu: .+\)/,
  );
});

it.each([
  [
    'is not installed',
    {},
    'neither @tensorflow/tfjs-node-gpu nor @tensorflow/tfjs-node is installed',
    'npm install --no-save --foreground-scripts @tensorflow/tfjs-node-gpu@4.22.0',
  ],
  [
    'has no library',
    { [gpuPackage]: noLibrary },
    '@tensorflow/tfjs-node-gpu: The Node.js native addon module (tfjs_binding.node) can not be found at path: /x/tfjs_binding.node.',
    'npm rebuild @tensorflow/tfjs-node-gpu --build-addon-from-source',
  ],
  [
    'has a library that does not load',
    { [cpuPackage]: brokenLibrary },
    '@tensorflow/tfjs-node: ',
    'npm rebuild @tensorflow/tfjs-node --build-addon-from-source',
  ],
  [
    'lacks one of its own packages',
    { [gpuPackage]: "require('google-protobuf-that-is-not-there');" },
    "@tensorflow/tfjs-node-gpu: Cannot find module 'google-protobuf-that-is-not-there'",
    'npm rebuild @tensorflow/tfjs-node-gpu --build-addon-from-source',
  ],
  [
    'does not start',
    { [gpuPackage]: standIn({ start: "throw new Error('CUDA_ERROR_NO_DEVICE');" }) },
    '@tensorflow/tfjs-node-gpu loads, but its backend does not start: TensorFlow.js could not start its tensorflow backend',
    'npm rebuild @tensorflow/tfjs-node-gpu --build-addon-from-source',
  ],
  [
    'registers elsewhere',
    { [gpuPackage]: 'const registry = { tensorflow: () => ({}) };' },
    '@tensorflow/tfjs-node-gpu loads, but registers its backend with another copy of @tensorflow/tfjs-core',
    'npm dedupe',
  ],
])('says why and what to do when it %s', async (_case, standIns, reason, remedy) => {
  const { code, stdout, stderr } = await given(standIns).evaluate(`
    import { probeBackend } from 'hbp';
    console.log(JSON.stringify(await probeBackend('tensorflow')));
  `);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  const probe = JSON.parse(stdout) as { works: boolean; reason: string; remedy: string };
  expect(probe.works).toBe(false);
  expect(probe.reason).toContain(reason);
  expect(probe.reason).not.toContain('\n');
  expect(probe.remedy).toContain(remedy);
});

it('leaves auto with the next backend, whatever is wrong with it', async () => {
  const standIns = { [gpuPackage]: brokenLibrary, [cpuPackage]: standIn({ start: "throw new Error('no');" }) };
  const { backend, current, product } = chosen(await given(standIns).evaluate(program('auto')));
  expect([current, backend.name]).toEqual(['wasm', 'wasm']);
  expect(product).toBe(42);
});

it('works with a copy of tfjs-core of its own, as copies share their registry', async () => {
  const { folder, evaluate } = given({ [gpuPackage]: standIn({ gpu: true }) });
  const core = dirname(dirname(fileURLToPath(import.meta.resolve('@tensorflow/tfjs-core'))));
  const own = join(folder, 'node_modules', gpuPackage, 'node_modules/@tensorflow/tfjs-core');
  mkdirSync(dirname(own), { recursive: true });
  cpSync(realpathSync(core), own, { recursive: true });
  expect(chosen(await evaluate(program('tensorflow')))).toMatchObject({ current: 'tensorflow', product: 42 });
});

it('gives back the function that Node 23 took from tfjs-node, and only then', async () => {
  const { evaluate } = given({ [gpuPackage]: standIn({ gpu: true }) });
  // `node:util` as Node 23 and newer have it.
  const newer = '--import=data:text/javascript,import util from "node:util"; delete util.isNullOrUndefined;';
  const without = await evaluate("import util from 'node:util'; console.log(typeof util.isNullOrUndefined)", {}, newer);
  expect(without.stdout).toBe('undefined\n');
  expect(chosen(await evaluate(program('tensorflow'), {}, newer))).toMatchObject({
    current: 'tensorflow',
    product: 42,
  });
});

it("keeps the user's own settings of TensorFlow", async () => {
  const { evaluate } = given({ [gpuPackage]: standIn({ gpu: true }) });
  const settings = { TF_FORCE_GPU_ALLOW_GROWTH: 'false', TF_NUM_INTRAOP_THREADS: '7' };
  expect(chosen(await evaluate(program('gpu'), settings))).toMatchObject({ growth: 'false', threads: '7' });
});

it('has its settings in place before the library is loaded', async () => {
  const before = `console.log(process.env.TF_FORCE_GPU_ALLOW_GROWTH, process.env.TF_NUM_INTRAOP_THREADS);`;
  const { stdout } = await given({ [gpuPackage]: standIn({ gpu: true, before }) }).evaluate(program('gpu'));
  expect(stdout).toMatch(/^true 3\n/);
});

/** Everything that layers, curvature and optimisers compute, on the kernels that tfjs-node has: prints a few numbers. */
const everything = (choice: BackendChoice): string => `
  import {
    Adam, AvgPool2d, backpropagate, CgNewton, Conv2d, CrossEntropy, curvatureProducts, Elu, Flatten,
    hessianBackpropagation, LeakyRelu, Linear, lossHessian, MaxPool2d, Relu, Selu, Sequential, Sgd, Sigmoid, Softplus,
    Tanh, useBackend, ZeroPad2d,
  } from 'hbp';
  import * as tf from '@tensorflow/tfjs-core';
  await useBackend(${JSON.stringify(choice)});
  let state = 1;
  const uniform = () => (state = (state * 16807) % 2147483647) / 2147483647;
  const random = (...shape) => {
    const size = shape.reduce((a, b) => a * b, 1);
    return tf.tensor(Array.from({ length: size }, () => uniform() - 0.5), shape);
  };
  const model = new Sequential([
    new Conv2d(random(3, 3, 2, 4), random(4), { padding: 1 }), new Relu(), new MaxPool2d({ kernel: 3, stride: 2, padding: 1 }),
    new Conv2d(random(3, 3, 4, 3), random(3), { padding: [2, 1], stride: 2 }), new Softplus(), new ZeroPad2d(1),
    new Conv2d(random(2, 2, 3, 3), random(3), { dilation: 2 }), new Elu(), new AvgPool2d({ kernel: 2, stride: 1 }),
    new Flatten(), new Linear(random(6, 6), random(6)), new Sigmoid(), new Linear(random(5, 6), random(5)), new Tanh(),
    new Linear(random(4, 5), random(4)), new Selu(), new LeakyRelu(),
  ]);
  const loss = new CrossEntropy();
  const [inputs, labels] = [random(5, 8, 8, 2), tf.tensor1d([0, 1, 2, 3, 0], 'int32')];
  const numbers = [];
  const note = async (x) => numbers.push(...(await x.data()).slice(0, 3));
  const step = async (update) => {
    const trace = model.forward(inputs);
    const { value, saved } = loss.forward(trace.output, labels);
    const gradients = backpropagate(model, trace, loss.gradient(saved));
    await note(value);
    await update({ trace, saved, gradients });
  };
  const cg = { lr: 0.1, alpha: 0.1, tol: 0.1, atol: 0, maxiter: 5 };
  for (const secondOrder of ['none', 'zero', 'abs', 'clip']) {
    await step(async ({ trace, saved, gradients }) => {
      const exact = curvatureProducts(model, trace, gradients, lossHessian(loss, saved), { secondOrder });
      for (const { path, layer } of model.layers) {
        for (const parameter of layer.parameters) {
          await note(exact[path + '.' + parameter.name].matvec(random(...parameter.value.shape)));
        }
      }
      const hbp = hessianBackpropagation(model, trace, gradients, loss.averagedHessian(saved), { secondOrder, blocks: 2 });
      await new CgNewton(cg).update(model.parameters, gradients.parameters, hbp);
    });
  }
  await step(async ({ gradients }) => new Sgd({ lr: 0.1, momentum: 0.9 }).update(model.parameters, gradients.parameters));
  await step(async ({ gradients }) => new Adam({ lr: 0.1 }).update(model.parameters, gradients.parameters));
  await step(() => undefined);
  console.log(JSON.stringify(numbers));
`;

it('has every kernel that layers, curvature and optimisers call', async () => {
  const { evaluate } = given({ [gpuPackage]: standIn({ gpu: true }) });
  const [here, reference] = await Promise.all([evaluate(everything('gpu')), evaluate(everything('cpu'))]);
  expect(here).toMatchObject({ code: 0, stderr: '' });
  const numbers = JSON.parse(here.stdout) as number[];
  expect(numbers.length).toBeGreaterThan(50);
  expect(numbers.every(Number.isFinite)).toBe(true);
  expect(numbers).toEqual(JSON.parse(reference.stdout));
});
