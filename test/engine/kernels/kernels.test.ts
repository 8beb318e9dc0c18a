import * as fc from 'fast-check';
import * as tf from '../../../src/engine/tf.js';
import { testedBackends, type TestedBackend } from './backends.js';
import type { Kernel } from './case.js';
import { deviations, type Deviation } from './deviations.js';
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
      if (kernel.backends && !kernel.backends.includes(backend.name)) continue;
      const own = known.filter(({ kernels: names }) => names.includes(kernel.name));
      const whole = own.find(({ of }) => of === 'absent' || of === 'wrong');
      if (whole) {
        test(`${kernel.name} is ${whole.of as string}: ${whole.reason}`, async () => {
          if (whole.of === 'absent') expect(tf.getKernel(kernel.name, backend.name)).toBeUndefined();
          else await expect(verify(backend, kernel, false, [])).rejects.toThrow('this case alone');
        });
        continue;
      }
      test(`${kernel.name} ordinary`, () => verify(backend, kernel, false, own), 600_000);
      if (backend.largeCases > 0) test(`${kernel.name} large`, () => verify(backend, kernel, true, own), 600_000);
    }
  });
}

async function verify(
  backend: TestedBackend,
  kernel: Kernel,
  large: boolean,
  known: readonly Deviation[],
): Promise<void> {
  const slack = Math.max(0, ...known.map(({ of }) => (typeof of === 'number' ? of : 0)));
  const property = fc.asyncProperty(fc.gen(), async (generate) => {
    const call = kernel.draw(new Draw(generate, large));
    fc.pre(!known.some(({ of }) => typeof of === 'function' && of(call)));
    await check(kernel, call, slack);
  });
  const run = await fc.check(property, {
    numRuns: large ? backend.largeCases : backend.cases,
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
