import { useBackend } from '../../../src/engine/backend/index.js';
import * as tf from '../../../src/engine/tf.js';
import { measureSpeed } from '../../../src/lab/doctor/speed.js';

it.each(['cpu', 'wasm'] as const)('keeps to its time on %s and leaves nothing behind', async (name) => {
  await useBackend(name);
  const before = tf.memory().numTensors;
  const began = performance.now();
  const { matMul, conv2d } = await measureSpeed(400);
  expect(performance.now() - began).toBeLessThan(3000); // 0.4 s where nothing else runs
  expect(matMul).toBeGreaterThan(0);
  expect(conv2d).toBeGreaterThan(0);
  expect(tf.memory().numTensors).toBe(before);
});

it('does not take wrong results for speed', async () => {
  await useBackend('cpu');
  const kernel = tf.getKernel('BatchMatMul', 'cpu');
  tf.unregisterKernel('BatchMatMul', 'cpu');
  tf.registerKernel({
    ...kernel,
    kernelFunc: (call) => {
      const { a, b } = call.inputs as unknown as Record<'a' | 'b', tf.TensorInfo>;
      return kernel.kernelFunc({ ...call, inputs: { a: b, b: a }, attrs: {}, backend: call.backend }) && b;
    },
  });
  try {
    await expect(measureSpeed(50)).rejects.toThrow(/^wrong result: 0\.25 instead of 8$/);
  } finally {
    tf.unregisterKernel('BatchMatMul', 'cpu');
    tf.registerKernel(kernel);
  }
});
