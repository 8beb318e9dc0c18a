import * as fc from 'fast-check';
import * as tf from '../../../src/engine/tf.js';
import { testedBackends, type TestedBackend } from './backends.js';
import type { Kernel, KernelCase } from './case.js';
import { deviations } from './deviations.js';
import { Draw } from './draw.js';
import { check } from './execute.js';
import { kernels } from './table/index.js';

/*
 * Every kernel of the table on every backend against the cpu backend, with random cases.
 *
 *   npm test -- test/engine/kernels                     20 cases a kernel
 *   npm run test:kernels:long                           500
 *   HBP_KERNEL_BACKENDS=native,wasm                     these backends only, which must work
 *   HBP_KERNEL_SEED=1:17 ... -t 'native Sum ordinary'   one case; a failure prints the line
 */

const [seed, ...path] = (process.env['HBP_KERNEL_SEED'] ?? '20190201').split(':');

for (const backend of await testedBackends()) {
  const suite = backend.missing ? describe.skip : describe;
  suite(`${backend.name}${backend.missing ? ` (${backend.missing})` : ''}`, () => {
    beforeAll(backend.activate);
    const known = deviations[backend.name] ?? [];
    for (const kernel of kernels) {
      // Where cpu itself is the reference there is nothing to compare.
      if (backend.name === 'cpu' && !kernel.reference) continue;
      const own = known.filter((deviation) => deviation.kernels.includes(kernel.name));
      const absent = own.find(({ of }) => !of);
      if (absent) {
        test(`${kernel.name} is missing: ${absent.reason}`, () => {
          expect(tf.getKernel(kernel.name, backend.name)).toBeUndefined();
        });
        continue;
      }
      const differs = (call: KernelCase): boolean => own.some(({ of }) => of?.(call));
      test(`${kernel.name} ordinary`, () => verify(backend, kernel, backend.cases, false, differs), 600_000);
      if (backend.largeCases > 0) {
        test(`${kernel.name} large`, () => verify(backend, kernel, backend.largeCases, true, differs), 600_000);
      }
    }
  });
}

async function verify(
  backend: TestedBackend,
  kernel: Kernel,
  numRuns: number,
  large: boolean,
  differs: (call: KernelCase) => boolean,
): Promise<void> {
  const property = fc.asyncProperty(fc.gen(), async (generate) => {
    const call = kernel.draw(new Draw(generate, large));
    fc.pre(!differs(call));
    await check(kernel, call);
  });
  const run = await fc.check(property, {
    numRuns,
    seed: Number(seed),
    ...(path.length > 0 && { path: path.join(':') }),
    endOnFailure: large, // shrinking a large case takes long and makes it no smaller
  });
  if (!run.failed) return;
  const test = `${backend.name} ${kernel.name} ${large ? 'large' : 'ordinary'}`;
  const again = `HBP_KERNEL_SEED=${run.seed}:${run.counterexamplePath} HBP_KERNEL_BACKENDS=${backend.name} npm test -- test/engine/kernels -t '${test}'`;
  const error = run.errorInstance as Error | null;
  throw new Error(
    `${error?.message ?? 'too many cases are known deviations'}\nthis case alone: ${again}\n${error?.stack ?? ''}`,
  );
}
