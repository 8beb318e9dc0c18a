import { existsSync, readdirSync } from 'node:fs';
import { messageOf } from '../../errors.js';
import * as tf from '../tf.js';
import { type Activation, type Backend, firstLine, startBackend, Unavailable } from './candidate.js';
import { importOptional, packageVersion } from './optional.js';

/**
 * TensorFlow.js on WebGPU, with Dawn (the `webgpu` package) as its implementation: any vendor's GPU through Vulkan,
 * Metal or Direct3D 12, without CUDA. An adapter that renders on the CPU is right, but far slower than wasm: taken only
 * by name.
 *
 * @throws Unavailable  why there is no adapter to take
 */
export async function activateWebgpu({ named }: Activation): Promise<Omit<Backend, 'name'>> {
  if (!named && !mayHaveGpu()) throw new Unavailable('no GPU device in /dev', gpuRemedy);
  const gpu = await installWebgpu();
  const adapter = await gpu.requestAdapter({ powerPreference: 'high-performance' });
  if (!adapter) {
    throw new Unavailable(
      'no WebGPU adapter: no GPU, or its Vulkan, Metal or Direct3D 12 driver is missing',
      gpuRemedy,
    );
  }
  const name = adapterName(adapter);
  const software = isSoftware(name);
  if (!named && software) throw new Unavailable(`the only WebGPU adapter is software (${name})`, gpuRemedy);
  await load('@tensorflow/tfjs-backend-webgpu');
  // Kernels of small tensors would otherwise run in JavaScript, after a read that WebGPU only does asynchronously.
  tf.env().set('WEBGPU_CPU_FORWARD', false);
  await startBackend('webgpu');
  repairMatMul();
  repairCast();
  return {
    description: `${name} through WebGPU`,
    gpu: !software,
    threads: 1,
    version: `${packageVersion('@tensorflow/tfjs-backend-webgpu')}, Dawn in webgpu ${packageVersion('webgpu')}`,
    adapter: name,
    ...(software && { caveat: { reason: softwareReason, remedy: gpuRemedy } }),
  };
}

const gpuRemedy =
  "a GPU with its Vulkan, Metal or Direct3D 12 driver (Mesa's is Debian's mesa-vulkan-drivers); " +
  'in a container also --gpus all or --device /dev/dri';

const softwareReason = 'software in place of a GPU: right, but far slower than wasm, so never taken by auto';

function adapterName({ info: { vendor, architecture, device, description } }: Adapter): string {
  return [device || architecture || vendor, description && `(${description})`].filter(Boolean).join(' ');
}

async function load(name: string): Promise<unknown> {
  try {
    return await importOptional(name);
  } catch (error) {
    const remedy = 'npm install --no-save webgpu @tensorflow/tfjs-backend-webgpu';
    throw new Unavailable(firstLine(messageOf(error)), remedy, { cause: error });
  }
}

/** At this inner dimension and above, few outputs make the backend split it. */
const splitFrom = 2000;
/** `MatMulPackedProgram` of the backend's programs for a product; -1 leaves the choice to it. */
const packedProgram = 3;

/**
 * Keep matMul from splitting a long inner dimension: that program is wrong with a transposed right operand, and as it
 * adds up by atomics it gives other bits each time. Call it when the backend is current.
 */
export function repairMatMul(): void {
  const original = tf.getKernel('BatchMatMul', 'webgpu');
  if (!original || repaired.has(original.kernelFunc)) return;
  const kernelFunc: tf.KernelFunc = (call) => {
    const { a } = call.inputs as { a: tf.TensorInfo };
    const { transposeA } = call.attrs as { transposeA: boolean };
    if ((a.shape.at(transposeA ? -2 : -1) ?? 0) < splitFrom) return original.kernelFunc(call);
    const chosen = tf.env().getNumber('WEBGPU_MATMUL_PROGRAM_TYPE');
    tf.env().set('WEBGPU_MATMUL_PROGRAM_TYPE', packedProgram);
    try {
      return original.kernelFunc(call);
    } finally {
      tf.env().set('WEBGPU_MATMUL_PROGRAM_TYPE', chosen);
    }
  };
  repaired.add(kernelFunc);
  tf.unregisterKernel('BatchMatMul', 'webgpu');
  tf.registerKernel({ ...original, kernelFunc });
}

/**
 * Make cast to float32 convert. The backend's own calls a buffer of integers or booleans float32 and leaves it as it is:
 * programs that copy elements (transpose, among others) then do not compile, and what they should have written is
 * whatever the memory held.
 */
function repairCast(): void {
  const original = tf.getKernel('Cast', 'webgpu');
  if (!original || repaired.has(original.kernelFunc)) return;
  const kernelFunc: tf.KernelFunc = (call) => {
    const { x } = call.inputs as { x: tf.TensorInfo };
    const { dtype } = call.attrs as { dtype: tf.DataType };
    const named = original.kernelFunc(call) as tf.TensorInfo;
    if (dtype !== 'float32' || (x.dtype !== 'int32' && x.dtype !== 'bool')) return named;
    // Its program reads integers and writes floats, and rounding down changes no whole number.
    const floor = tf.getKernel('Floor', 'webgpu');
    const converted = floor.kernelFunc({ inputs: { x: named }, backend: call.backend, attrs: {} });
    (call.backend as tf.KernelBackend).disposeData(named.dataId);
    return converted;
  };
  repaired.add(kernelFunc);
  tf.unregisterKernel('Cast', 'webgpu');
  tf.registerKernel({ ...original, kernelFunc });
}

const repaired = new WeakSet<tf.KernelFunc>();

/** The part of a WebGPU adapter that is looked at here. */
interface Adapter {
  readonly info: Readonly<Record<'vendor' | 'architecture' | 'device' | 'description', string>>;
}
interface Gpu {
  requestAdapter(options: { powerPreference: string }): Promise<Adapter | null>;
}

interface Dawn {
  readonly create: (toggles: string[]) => Gpu;
  readonly globals: object;
}

let installed: Gpu | undefined;

/** What the backend expects of a browser: `navigator.gpu`, and a worker's global scope to find it in. */
async function installWebgpu(): Promise<Gpu> {
  if (installed) return installed;
  const { create, globals } = (await load('webgpu')) as Dawn;
  Object.assign(globalThis, globals);
  const gpu = create([]);
  const scope = globalThis as { WorkerGlobalScope?: unknown };
  scope.WorkerGlobalScope ??= class {};
  Object.defineProperty(globalThis, 'navigator', { value: { gpu }, configurable: true });
  installed = gpu;
  return gpu;
}

/** Without a driver Dawn writes warnings to the terminal; on Linux a look into /dev spares the user those. */
function mayHaveGpu(): boolean {
  if (process.platform !== 'linux') return true;
  return existsSync('/dev/dri') || existsSync('/dev/dxg') || readdirSync('/dev').some((name) => /^nvidia\d/.test(name));
}

function isSoftware(name: string): boolean {
  return /swiftshader|llvmpipe|lavapipe|softpipe|software|basic render/i.test(name);
}
