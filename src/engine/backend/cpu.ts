import { type Backend, startBackend } from './candidate.js';

/** The kernels of TensorFlow.js in plain JavaScript: the reference that others are compared with. */
export async function activateCpu(): Promise<Omit<Backend, 'name'>> {
  const { version_cpu: version } = await import('@tensorflow/tfjs-backend-cpu');
  await startBackend('cpu');
  return { description: 'plain JavaScript, one thread', gpu: false, threads: 1, version };
}
