import { useBackend } from '../../src/engine/backend/index.js';
import * as tf from '../../src/engine/tf.js';

/** Every backend that runs on any machine: the engine's suites run on each. */
export function describeOnEveryBackend(name: string, suite: () => void): void {
  describe.each(['cpu', 'wasm'] as const)(`${name} on %s`, (backend) => {
    beforeAll(async () => {
      await useBackend(backend);
    });
    suite();
  });
}

/** Run `body` twice and fail if the second time leaves tensors over; constants may become resident in the first. */
export async function expectNoLeak(body: () => unknown): Promise<void> {
  await body();
  const before = tf.memory().numTensors;
  await body();
  expect(tf.memory().numTensors).toBe(before);
}
