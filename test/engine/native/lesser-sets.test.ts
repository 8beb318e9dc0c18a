/**
 * The loops for lesser instruction sets than this processor has: the same cases, in the short form the ordinary ones, in a
 * process that is told to use them.
 */
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { testBackends } from '../../support/backends.js';
import { nativeIsa } from '../kernels/deviations.js';

const sets = ['base', 'avx2', 'avx512'];
const lesser = testBackends.includes('native') ? sets.slice(0, Math.max(0, sets.indexOf(nativeIsa() ?? 'base'))) : [];
const jest = fileURLToPath(new URL('../../../node_modules/jest/bin/jest.js', import.meta.url));

// A plain processor has none.
(lesser.length > 0 ? it : it.skip).each(lesser.length > 0 ? lesser : ['none'])(
  'kernels for %s compute what those of the cpu backend do',
  (isa) => {
    const args = ['--experimental-vm-modules', jest, '--silent', '--runInBand', 'test/engine/kernels/kernels.test.ts'];
    if (!process.env['HBP_KERNEL_CASES']) args.push('-t', ' ordinary');
    const env = { ...process.env, HBP_NATIVE_ISA: isa, HBP_KERNEL_BACKENDS: 'native', HBP_TEST_BACKENDS: 'native' };
    expect(() => execFileSync(process.execPath, args, { env, stdio: 'pipe', encoding: 'utf8' })).not.toThrow();
  },
  600_000,
);
