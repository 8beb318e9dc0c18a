import { availableParallelism } from 'node:os';
import * as tf from '../../tf.js';
import { startBackend } from '../candidate.js';
import { threadEnvironment } from '../threads.js';
import { loadAddon } from './addon.js';
import { NativeBackend } from './backend.js';
import { registerKernels } from './register.js';

export { javaScriptCalls } from './register.js';

/** What the native backend runs on. */
export interface NativeInfo {
  readonly description: string;
  /** oneDNN's. */
  readonly version: string;
  /** Instruction sets of oneDNN, of the addon's own loops, and of its large products and convolutions where it is another. */
  readonly isa: string;
  readonly threads: number;
}

export interface NativeOptions {
  /** Of each kernel; OMP_NUM_THREADS, else the number of cores, if absent. */
  readonly threads?: number;
}

/**
 * Load the addon and make the backend `native` current.
 *
 * @throws Error  in one line: it is not built, and why, or it does not load
 */
export async function activateNative({ threads }: NativeOptions = {}): Promise<NativeInfo> {
  const wanted = threads ?? (Number(process.env['OMP_NUM_THREADS']) || availableParallelism());
  // OpenMP reads its settings when the addon is loaded; what the user set stays.
  for (const [name, value] of Object.entries(threadEnvironment(wanted))) process.env[name] ??= value;
  const addon = loadAddon();
  addon.setThreads(addon.openMp ? wanted : 1);
  if (!tf.findBackendFactory('native')) {
    await import('@tensorflow/tfjs-backend-cpu'); // registers the kernels that are copied
    tf.registerBackend('native', () => new NativeBackend(), 4);
    registerKernels(addon);
  }
  await startBackend('native');
  const count = addon.threads();
  return {
    description: `oneDNN ${addon.oneDnn} (${addon.oneDnnIsa})${addon.amx ? ', AMX' : ''}, ${count} thread${count === 1 ? '' : 's'}`,
    version: addon.oneDnn,
    isa: `${addon.oneDnnIsa}/${addon.isa}${addon.amx ? '/amx' : ''}`,
    threads: count,
  };
}
