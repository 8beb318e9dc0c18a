import * as tf from '../../tf.js';
import type { Addon } from './addon.js';
import type { NativeBackend } from './backend.js';
import { conjugate } from './kernels/conjugate.js';
import { curvatureKernels } from './kernels/curvature.js';
import { dense } from './kernels/dense.js';
import { elementwise } from './kernels/elementwise.js';
import { engineKernels } from './kernels/engine.js';
import type { Call, NativeKernel } from './kernels/kernel.js';
import { movement } from './kernels/movement.js';
import { pooling } from './kernels/pooling.js';
import { reductions } from './kernels/reductions.js';

/** How often kernels ran in JavaScript on the native backend since the start, by name: what is still worth a kernel. */
export const javaScriptCalls = new Map<string, number>();

/**
 * Register all kernels of the cpu backend under the name `native`, with those in C++ in front of them: what these do
 * not take (complex numbers, channels first, ...) goes on to JavaScript.
 */
export function registerKernels(addon: Addon): void {
  const kernels = new Map(
    Object.entries({
      ...elementwise,
      ...reductions,
      ...movement,
      ...dense,
      ...pooling,
      ...conjugate,
      ...curvatureKernels(addon.isa),
      ...engineKernels(addon.lapack !== ''),
    }),
  );
  for (const config of tf.getKernelsForBackend('cpu')) {
    const inJavaScript = counted(config.kernelName, config.kernelFunc);
    const native = kernels.get(config.kernelName);
    kernels.delete(config.kernelName);
    const kernelFunc = native ? preferring(native, inJavaScript) : inJavaScript;
    tf.registerKernel({ ...config, backendName: 'native', kernelFunc });
  }
  for (const [kernelName, native] of kernels) {
    const missing: tf.KernelFunc = () => {
      throw new Error(`${kernelName} does not take these tensors`);
    };
    tf.registerKernel({ kernelName, backendName: 'native', kernelFunc: preferring(native, missing) });
  }
}

function preferring(native: NativeKernel, otherwise: tf.KernelFunc): tf.KernelFunc {
  return (call) => native({ ...call, backend: call.backend as NativeBackend } as unknown as Call) ?? otherwise(call);
}

function counted(name: string, kernelFunc: tf.KernelFunc): tf.KernelFunc {
  return (call) => {
    javaScriptCalls.set(name, (javaScriptCalls.get(name) ?? 0) + 1);
    return kernelFunc(call);
  };
}
