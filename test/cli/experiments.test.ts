/** The shipped experiments by `hbp run` as it is typed, on so few pictures that all variants take seconds. */
import { spawn } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { loadExperiment } from '../../src/lab/config/load.js';
import { variantsOf } from '../../src/lab/config/expand.js';
import { readMetrics } from '../../src/lab/results/metrics.js';
import { idx, mnistFiles, writeFiles } from '../lab/datasets/fixtures.js';
import { testBackends } from '../support/backends.js';

const bin = fileURLToPath(new URL('../../bin/hbp.js', import.meta.url));
const backend = testBackends.includes('native') ? 'native' : 'wasm';
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hbp-experiments-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A shipped experiment whose reduced size is next to nothing, as a file of its own; everything else is as it ships. */
function reduced(name: string): string {
  const quick = { epochs: 1, trainSamples: 8, testSamples: 4, batchSize: 4, seeds: '0' };
  const file = join(folder, `${name}.json`);
  writeFileSync(
    file,
    JSON.stringify({ ...loadExperiment(name, { experimentsDir: 'experiments' }), quick, figures: [] }),
  );
  return file;
}

function hbp(...args: string[]): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const env = { ...process.env, NO_COLOR: '1', HBP_DATA_DIR: '', NODE_OPTIONS: '' };
  const child = spawn(process.execPath, [bin, ...args], { cwd: folder, env });
  const output = { stdout: '', stderr: '' };
  child.stdout.on('data', (text) => (output.stdout += String(text)));
  child.stderr.on('data', (text) => (output.stderr += String(text)));
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, ...output })));
}

/** What the record and the rows of each variant say. */
function results(name: string): object[] {
  const dir = join(folder, 'data/runs-quick', name);
  return variantsOf(loadExperiment(name, { experimentsDir: 'experiments' })).map(({ name: variant }) => {
    const record = JSON.parse(readFileSync(join(dir, variant, 'seed0/run.json'), 'utf8')) as {
      state: string;
      dataset: { name: string };
    };
    const rows = readMetrics(join(dir, variant, 'seed0'));
    const finite = rows.flatMap((row) => Object.values(row)).every(Number.isFinite);
    return { variant, state: record.state, dataset: record.dataset.name, steps: rows.map(({ step }) => step), finite };
  });
}

const expected = (name: string, dataset: string): object[] =>
  variantsOf(loadExperiment(name, { experimentsDir: 'experiments' })).map(({ name: variant }) => ({
    ...{ variant, state: 'done', dataset, steps: [1, 2], finite: true },
  }));

const run = (...args: string[]) => hbp('run', ...args, '--quick', '--json', '--backend', backend, '--threads', '1');

it('exp08 and exp09, whole pictures, every variant', async () => {
  const { code, stderr, stdout } = await run(reduced('exp08'), reduced('exp09'));
  expect({ code, errors: /^hbp:.*/m.exec(stderr) }).toEqual({ code: 0, errors: null });
  expect(JSON.parse(stdout)).toHaveLength(7 + 5);
  for (const name of ['exp08', 'exp09']) expect(results(name)).toEqual(expected(name, 'synthetic-cifar10'));
});

it('chen-mnist from idx files; without them it names the ways to get them', async () => {
  const file = reduced('chen-mnist');
  const without = await run(file);
  expect(without.code).toBe(3);
  expect(without.stderr).toMatch(/^hbp: mnist not found in .*`hbp data fetch mnist`/m);

  const pixels = Array.from({ length: 8 * 784 }, (_, i) => (i * 7919) % 256);
  writeFiles(join(folder, 'data/datasets/mnist'), {
    ...mnistFiles(),
    'train-images-idx3-ubyte': idx([2051, 60_000, 28, 28], pixels),
  });
  expect((await run(file)).code).toBe(0);
  expect(results('chen-mnist')).toEqual(expected('chen-mnist', 'mnist'));
});
