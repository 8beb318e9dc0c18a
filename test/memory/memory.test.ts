/** Training holds as much memory at its end as at its beginning; needs `npm run build`. `npm run test:memory` is the long form. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { testBackends } from '../support/backends.js';

const isLong = process.env['HBP_MEMORY'] === 'long';
const steps = isLong ? 2400 : 400;
const backend = testBackends.includes('native') ? 'native' : 'wasm';
/** What the process's own memory may seem to grow by [KB a step]; the network's parameters alone are 10 KB. */
const most = isLong ? 2 : 8;

const newton = { kind: 'cg-newton', lr: 0.1, alpha: 0.02, tol: 0.1, maxiter: 20 };
const optimizers: Readonly<Record<string, object>> = {
  sgd: { kind: 'sgd', lr: 0.1, momentum: 0.9 },
  adam: { kind: 'adam', lr: 0.001 },
  kfac: { kind: 'kfac', lr: 0.1, TCov: 1, TInv: 5 },
  'cg-newton, hbp, abs': { ...newton, secondOrder: 'abs', blocks: 2 },
  ...(isLong && {
    'cg-newton, hbp, zero': { ...newton, secondOrder: 'zero' },
    'cg-newton, hbp, clip': { ...newton, secondOrder: 'clip' },
    'cg-newton, cvp, zero': { ...newton, curvature: 'cvp', secondOrder: 'zero' },
    'cg-newton, cvp, abs': { ...newton, curvature: 'cvp', secondOrder: 'abs' },
    'cg-newton, cvp, clip': { ...newton, curvature: 'cvp', secondOrder: 'clip' },
  }),
};

interface Held {
  readonly step: number;
  readonly kb: number;
  readonly tensors: number;
}

/** Growth without its largest piece: an allocator may take a block once [KB a step]. */
function slopeOf(held: readonly Held[]): number {
  const growth = held.slice(1).map(({ kb }, i) => kb - held[i]!.kb);
  const rest = growth.reduce((sum, kb) => sum + kb, 0) - Math.max(...growth);
  return rest / (held.at(-1)!.step - held[0]!.step);
}

/** Of one size: V8 doubles it whenever it sees fit, and its 16 MB then appear over several samples. */
const youngGeneration = ['--min-semi-space-size=4', '--max-semi-space-size=4'];
const script = fileURLToPath(new URL('steps.js', import.meta.url));
const [test, reason] = existsSync('/proc/self/status') ? [it, ''] : [it.skip, ' (needs /proc)'];
test.each(Object.entries(optimizers))(
  `%s: ${steps} steps on ${backend}${reason}`,
  async (name, optimizer) => {
    const node = ['--expose-gc', '--no-warnings', ...youngGeneration];
    const args = [script, backend, JSON.stringify(optimizer), String(steps)];
    const { stdout } = await promisify(execFile)(process.execPath, [...node, ...args]);
    // Until half of the steps are taken caches fill and the compiler works.
    const held = (JSON.parse(stdout) as Held[]).filter(({ step }) => step > steps / 2);
    const slope = slopeOf(held);
    const [first, last] = [held[0]!, held.at(-1)!];
    const mb = (kb: number): string => (kb / 1024).toFixed(1);
    process.stderr.write(
      `${name} on ${backend}: ${slope.toFixed(3)} KB/step over steps ${first.step} to ${last.step}, ` +
        `${mb(first.kb)} MB to ${mb(last.kb)} MB\n`,
    );
    expect(new Set(held.map(({ tensors }) => tensors)).size).toBe(1);
    expect(slope).toBeLessThan(most);
  },
  600_000,
);
