import { parseBackend, useBackend } from '../../src/engine/backend/index.js';
import * as tf from '../../src/engine/tf.js';

export type TestBackend = 'cpu' | 'wasm' | 'native' | 'webgpu';

/** The backends that work here; test/support/global-setup.js finds out and says which are left out. */
export const testBackends = (process.env.HBP_TEST_BACKENDS ?? '').split(',') as readonly TestBackend[];

/** The engine's suites run on each backend; those with many cases take `partOn` of them where backends are slow. */
export function describeOnEveryBackend(name: string, suite: (backend: TestBackend) => void): void {
  describe.each(testBackends)(`${name} on %s`, (backend) => {
    beforeAll(async () => {
      await useBackend(parseBackend(backend));
    });
    suite(backend);
  });
}

/**
 * The cases of a suite on a backend: all of them, but on webgpu only those that are chosen. A GPU in software, which is
 * what most machines have for tests, compiles a program for every new kind of operation and runs it slowly.
 */
export function partOn<T>(backend: TestBackend, cases: readonly T[], chosen: (each: T) => boolean): readonly T[] {
  return backend === 'webgpu' ? cases.filter(chosen) : cases;
}

/** Runs of a law on the present backend: the slower it is, the fewer; on webgpu a twelfth, at least two. */
export function runsHere(runs: number): number {
  switch (tf.getBackend()) {
    case 'webgpu':
      return Math.max(2, Math.ceil(runs / 12));
    case 'cpu':
      return Math.ceil(runs / 3);
    default:
      return runs;
  }
}

/** `tidy` for a body that waits: what it makes and does not keep is freed at its end. */
export async function inScope<T>(body: () => Promise<T>): Promise<T> {
  tf.engine().startScope();
  try {
    return await body();
  } finally {
    tf.engine().endScope();
  }
}

/** WebGPU has no other way to read than to wait. */
export async function numbersOf(tensor: tf.Tensor): Promise<number[]> {
  return Array.from(await tensor.data());
}

export function numbersOfAll(tensors: readonly tf.Tensor[]): Promise<number[][]> {
  return Promise.all(tensors.map(numbersOf));
}

/** Run `body` twice and fail if the second time leaves tensors over; constants may become resident in the first. */
export async function expectNoLeak(body: () => unknown): Promise<void> {
  await body();
  const before = tf.memory().numTensors;
  await body();
  expect(tf.memory().numTensors).toBe(before);
}
