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
      if (backend === 'webgpu') chooseProducts(packed);
    });
    if (backend === 'webgpu') failOnInvalidPrograms();
    suite(backend);
  });
}

const packed = 3;

/**
 * Which of its programs the webgpu backend takes for a product: by its own choice (-1), or one for all. In software the
 * one that it takes for a small result is five to a hundred times slower than the packed one. The suite of matMul tests
 * the backend's own choice.
 */
export function chooseProducts(program: -1 | typeof packed): void {
  tf.env().set('WEBGPU_MATMUL_PROGRAM_TYPE', program);
}

/** What WebGPU refuses it does not throw: the call does nothing, and the numbers are whatever was there. */
function failOnInvalidPrograms(): void {
  type Device = { pushErrorScope(filter: 'validation'): void; popErrorScope(): Promise<{ message: string } | null> };
  const device = (): Device => (tf.backend() as unknown as { device: Device }).device;
  beforeEach(() => device().pushErrorScope('validation'));
  afterEach(async () => {
    expect((await device().popErrorScope())?.message).toBeUndefined();
  });
}

/** `HBP_TEST_CASES=all`: every case on every backend. */
const allCases = process.env['HBP_TEST_CASES'] === 'all';

/**
 * The cases of a suite on a backend: all of them on those that train, native and wasm, those that are chosen on cpu, which
 * is a hundred times slower, and on webgpu. A GPU in software, which is what most machines have for tests, compiles a
 * program for every new kind of operation and runs it slowly.
 */
export function partOn<T>(
  backend: TestBackend,
  cases: readonly T[],
  chosen: (each: T, i: number) => boolean,
): readonly T[] {
  return takesPart(backend) ? cases.filter(chosen) : cases;
}

/** Whether `partOn` takes a part of the cases. */
export function takesPart(backend: TestBackend): boolean {
  return !allCases && (backend === 'cpu' || backend === 'webgpu');
}

/** Whether a suite leaves out its long tests; `partOn` says why. */
export function isSlow(backend: TestBackend): boolean {
  return !allCases && backend === 'webgpu';
}

/** Runs of a law on the present backend: the slower it is, the fewer; on webgpu a twelfth, at least one. */
export function runsHere(runs: number): number {
  switch (tf.getBackend()) {
    case 'webgpu':
      return Math.max(1, Math.round(runs / 12));
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

/**
 * Fail if `body` leaves tensors over. Constants may become resident the first time: then it runs once more, and the second
 * time must leave none.
 */
export async function expectNoLeak(body: () => unknown): Promise<void> {
  const before = tf.memory().numTensors;
  await body();
  const between = tf.memory().numTensors;
  if (between === before) return;
  await body();
  expect(tf.memory().numTensors).toBe(between);
}
