import type { Candidate } from './candidate.js';
import { activateCpu } from './cpu.js';
import { activateNative } from './native/index.js';
import { activateTensorflow } from './tensorflow.js';
import { activateWasm } from './wasm.js';
import { activateWebgpu } from './webgpu.js';

/** Every backend, in the order in which `auto` tries them. */
export const candidates: readonly Candidate[] = [
  {
    name: 'tensorflow',
    mayUseGpu: true,
    needs:
      'the optional package @tensorflow/tfjs-node-gpu or @tensorflow/tfjs-node with libtensorflow; for the GPU CUDA 11.2 and cuDNN 8.1',
    remedy: 'npm install --no-save --foreground-scripts @tensorflow/tfjs-node-gpu@4.22.0',
    activate: activateTensorflow,
  },
  {
    name: 'webgpu',
    mayUseGpu: true,
    needs: 'the optional packages webgpu and @tensorflow/tfjs-backend-webgpu, and a GPU with its driver',
    remedy: 'npm install --no-save webgpu @tensorflow/tfjs-backend-webgpu',
    activate: activateWebgpu,
  },
  {
    name: 'native',
    mayUseGpu: false,
    needs: 'the addon on oneDNN, compiled here: a C++ compiler, make, python3 and the library oneDNN',
    remedy: 'hbp native, whose --help says what to install; in a checkout make native, which gets what is missing',
    activate: async ({ threads }) => {
      const native = await activateNative(threads === undefined ? {} : { threads });
      return { ...native, gpu: false };
    },
  },
  {
    name: 'wasm',
    mayUseGpu: false,
    needs: 'nothing beyond the installed packages',
    remedy: 'npm ci',
    activate: activateWasm,
  },
  {
    name: 'cpu',
    mayUseGpu: false,
    needs: 'nothing beyond the installed packages; the slow reference',
    remedy: 'npm ci',
    activate: activateCpu,
  },
];
