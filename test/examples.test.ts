/** The examples run at small size and do what they say; needs `npm run build` (make test sees to it). */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const examples = readdirSync(`${root}examples`).flatMap((name) => /^(\d\d-.*)\.ts$/.exec(name)?.[1] ?? []);
let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'hbp-examples-'));
  node(['node_modules/typescript/bin/tsc', '-p', `${root}examples`]);
});
afterAll(() => rmSync(folder, { recursive: true }));

it('are four', () => {
  expect(examples.map((name) => name.slice(0, 2))).toEqual(['01', '02', '03', '04']);
});

describe.each(examples)('%s', (name) => {
  it('runs with --quick and draws its plot', () => {
    const output = node([`dist-examples/${name}.js`, '--quick', '--backend', 'wasm', '--out', folder]);
    expect(output).not.toMatch(/NaN|Infinity|undefined/);
    const svg = readFileSync(join(folder, `${name}.svg`), 'utf8');
    expect(svg).toMatch(/^<svg/);
    expect(svg).not.toContain('NaN');
    expect(
      readFileSync(join(folder, `${name}.png`))
        .subarray(1, 4)
        .toString(),
    ).toBe('PNG');
    checks[name.slice(0, 2)]!(output);
  });

  it('explains itself', () => {
    expect(node([`dist-examples/${name}.js`, '--help'])).toContain('--quick');
  });
});

/** What the output of each example has to show. */
const checks: Record<string, (output: string) => void> = {
  '01': (output) => {
    const [first, last] = accuracies(output);
    expect(last).toBeGreaterThan(first!);
    expect(last).toBeGreaterThan(25);
  },
  '02': (output) => expect(accuracies(output).at(-1)).toBeGreaterThan(25),
  '03': (output) => {
    const largest = [...output.matchAll(/largest eigenvalue: (\S+) by Lanczos, exact (\S+)/g)];
    expect(largest).toHaveLength(2);
    for (const [, lanczos, exact] of largest) expect(Math.abs(+lanczos! / +exact! - 1)).toBeLessThan(1e-3);
    const traces = [...output.matchAll(/trace: (\S+) \+- (\S+) by Hutchinson, exact (\S+)/g)];
    expect(traces).toHaveLength(2);
    for (const [, estimate, error, exact] of traces) expect(Math.abs(+estimate! - +exact!)).toBeLessThan(4 * +error!);
  },
  '04': (output) => {
    expect(+/(\S+) apart/.exec(output)![1]!).toBeLessThan(0.01);
    const [, first, last] = /loss (\S+) at first, (\S+) before/.exec(output)!;
    expect(+last!).toBeLessThan(+first! / 10);
  },
};

/** Batch accuracy after each epoch, in percent. */
function accuracies(output: string): number[] {
  return [...output.matchAll(/batch accuracy (\S+) %/g)].map(([, value]) => Number(value));
}

/** Runs away from any data folder, so that the examples take generated pictures on every machine. */
function node([script, ...args]: [string, ...string[]]): string {
  const env = { ...process.env, NODE_OPTIONS: '', HBP_DATA_DIR: '' };
  return execFileSync(process.execPath, [root + script, ...args], { cwd: folder, env, encoding: 'utf8' });
}
