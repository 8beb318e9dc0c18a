import { availableParallelism } from 'node:os';
import { BackendError, messageOf } from '../../errors.js';
import * as tf from '../tf.js';
import { importOptional } from './optional.js';
import * as wasm from './wasm.js';
import * as webgpu from './webgpu.js';

/** What can be asked for: `auto` and `gpu` choose, the others are names of backends. */
export const backendNames = ['auto', 'gpu', 'tensorflow', 'webgpu', 'wasm', 'cpu'] as const;
/** One of `backendNames`. */
export type BackendChoice = (typeof backendNames)[number];
/** A backend, not a choice among several. */
export type BackendName = Exclude<BackendChoice, 'auto' | 'gpu'>;

/** What runs the maths. */
export interface Backend {
  readonly name: BackendName;
  /** One line for people and run.json: what it is and on what. */
  readonly description: string;
  readonly gpu: boolean;
  readonly threads: number;
}

interface Candidate {
  readonly name: BackendName;
  readonly needs: string;
  /** Load it and make it the current backend; throws with the reason if it does not work here, or is not worth it unless named. */
  readonly activate: (named: boolean) => Promise<Omit<Backend, 'name'>>;
}

const mayUseGpu = new Set<BackendName>(['tensorflow', 'webgpu']);

/** In the order in which `auto` tries them. */
const candidates: readonly Candidate[] = [
  {
    name: 'tensorflow',
    needs: 'the optional package @tensorflow/tfjs-node-gpu (or @tensorflow/tfjs-node) with its native library',
    activate: activateTensorflow,
  },
  {
    name: 'webgpu',
    needs: 'the optional packages webgpu and @tensorflow/tfjs-backend-webgpu, and a GPU with its driver',
    activate: async (named) => {
      const description = await webgpu.activateWebgpu(named);
      await setBackend('webgpu');
      webgpu.repairMatMul();
      return { description, gpu: true, threads: 1 };
    },
  },
  { name: 'wasm', needs: 'nothing beyond the installed packages', activate: activateWasm },
  { name: 'cpu', needs: 'nothing beyond the installed packages; the slow reference', activate: activateCpu },
];

/** What `hbp doctor` prints of one backend. */
export interface BackendProbe {
  readonly name: BackendName;
  readonly needs: string;
  readonly works: boolean;
  readonly gpu: boolean;
  /** The description, or why it does not work. */
  readonly detail: string;
}

/** Try every backend in turn. Leaves the last one that works current: choose one afterwards. */
export async function probeBackends(): Promise<BackendProbe[]> {
  const probes: BackendProbe[] = [];
  for (const { name, needs, activate } of candidates) {
    try {
      const { description, gpu } = await activate(false);
      probes.push({ name, needs, works: true, gpu, detail: description });
    } catch (error) {
      probes.push({ name, needs, works: false, gpu: false, detail: firstLine(messageOf(error)) });
    }
  }
  return probes;
}

/**
 * Make a backend current for everything that follows in this process.
 *
 * @param choice  a name; `auto` takes the first that works; `gpu` takes one that runs on a GPU
 * @throws BackendError  it does not work here, with the reason
 */
export async function useBackend(choice: BackendChoice = 'auto'): Promise<Backend> {
  tf.env().set('PROD', true); // no advertisement for other backends on the terminal
  const wanted = candidates.filter(
    ({ name }) => choice === 'auto' || name === choice || (choice === 'gpu' && mayUseGpu.has(name)),
  );
  const failures: string[] = [];
  for (const { name, activate } of wanted) {
    try {
      const backend = { name, ...(await activate(choice === name)) };
      if (choice === 'gpu' && !backend.gpu) throw new Error(`it runs on ${backend.description}, not on a GPU`);
      return backend;
    } catch (error) {
      failures.push(`${name}: ${firstLine(messageOf(error))}`);
    }
  }
  throw new BackendError(
    `no backend for --backend ${choice} (${failures.join('; ')}). \`hbp doctor\` shows what works here; --backend wasm always does`,
  );
}

/** @param text  "auto" or a name, from a flag or HBP_BACKEND */
export function parseBackend(text: string): BackendChoice {
  const choice = backendNames.find((name) => name === text);
  if (!choice) throw new BackendError(`unknown backend "${text}": one of ${backendNames.join(', ')}`);
  return choice;
}

async function activateTensorflow(): Promise<Omit<Backend, 'name'>> {
  // Node 23 removed a function that tfjs-node 4.22 still calls.
  const util = (await import('node:util')).default as { isNullOrUndefined?: (x: unknown) => boolean };
  util.isNullOrUndefined ??= (x) => x === null || x === undefined;
  const reasons: string[] = [];
  for (const name of ['@tensorflow/tfjs-node-gpu', '@tensorflow/tfjs-node']) {
    try {
      await importOptional(name);
    } catch (error) {
      reasons.push(firstLine(messageOf(error)));
      continue;
    }
    await setBackend('tensorflow');
    const { isUsingGpuDevice: gpu = false } = tf.backend() as { isUsingGpuDevice?: boolean };
    return { description: `${name}, ${gpu ? 'GPU' : 'CPU'}`, gpu, threads: availableParallelism() };
  }
  throw new Error(reasons.join('; '));
}

async function activateWasm(): Promise<Omit<Backend, 'name'>> {
  await import('@tensorflow/tfjs-backend-wasm');
  await import('@tensorflow/tfjs-backend-cpu'); // holds tensors until the first backend is set
  await setBackend('wasm');
  wasm.repairMatMul();
  return { description: 'WebAssembly SIMD, one thread', gpu: false, threads: 1 };
}

async function activateCpu(): Promise<Omit<Backend, 'name'>> {
  await import('@tensorflow/tfjs-backend-cpu');
  await setBackend('cpu');
  return { description: 'plain JavaScript, one thread', gpu: false, threads: 1 };
}

/** TensorFlow.js falls back to another backend without a word when one fails to start. */
async function setBackend(name: string): Promise<void> {
  const worked = await tf.setBackend(name);
  await tf.ready();
  if (!worked || tf.getBackend() !== name) throw new Error(`TensorFlow.js could not start its ${name} backend`);
}

function firstLine(text: string): string {
  return text.trim().split('\n', 1)[0] ?? '';
}
