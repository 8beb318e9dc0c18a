/** `--threads` as it reaches the training processes and their records: needs `npm run build` (make test sees to it). */
import { readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { install, type Installation } from '../support/installation.js';
import { standIn } from '../support/tfjs-node.js';

const experiment = `
name: tiny
title: A small network
dataset: synthetic-cifar10
model: { hidden: [12, 8], activation: sigmoid }
batchSize: 50
testBatchSize: 50
epochs: 1
seeds: 0-1
quick: { epochs: 1, trainSamples: 100, testSamples: 100, seeds: 0-1 }
variants:
  sgd: { label: SGD, optimizer: { kind: sgd, lr: 0.1, momentum: 0.9 } }
figures:
  - { file: fig_tiny, metric: train_loss, series: [sgd] }
`;

/** Notes what its process's environment holds at the moment it is loaded, as a library with OpenMP reads it. */
const before = `
  const { OMP_NUM_THREADS, OMP_WAIT_POLICY, GOMP_SPINCOUNT } = process.env;
  require('fs').appendFileSync('seen.jsonl', JSON.stringify({ OMP_NUM_THREADS, OMP_WAIT_POLICY, GOMP_SPINCOUNT }) + '\\n');
`;

let installed: Installation;
beforeEach(() => {
  installed = install({ '@tensorflow/tfjs-node': standIn({ before }) });
  writeFileSync(join(installed.folder, 'tiny.yaml'), experiment);
});
afterEach(() => installed.remove());

const seen = (): unknown[] =>
  readFileSync(join(installed.folder, 'seen.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as unknown);
const record = (seed: number): Record<string, unknown> =>
  JSON.parse(readFileSync(join(installed.folder, `data/runs-quick/tiny/sgd/seed${seed}/run.json`), 'utf8')) as Record<
    string,
    unknown
  >;
const run = ['run', './tiny.yaml', '--quick', '--backend', 'tensorflow'];

it('stands in the environment of every training process before the library loads, and in run.json', async () => {
  const { code, stderr } = await installed.hbp([...run, '--jobs', '2', '--threads', '3']);
  expect({ code, stderr }).toMatchObject({ code: 0 });
  expect(stderr).toContain('Backend tensorflow (@tensorflow/tfjs-node, CPU), 2 runs at a time, 3 threads each\n');
  const environment = { OMP_NUM_THREADS: '3', OMP_WAIT_POLICY: 'passive', GOMP_SPINCOUNT: '20000' };
  expect(seen()).toEqual([environment, environment]);
  const entries = { backend: 'tensorflow', backendVersion: '4.22.0, libtensorflow 2.9.1', threads: 3, isa: null };
  for (const seed of [0, 1]) expect(record(seed)).toMatchObject({ state: 'done', ...entries });
});

it('is cores / jobs by default; HBP_THREADS sets it, the flag wins', async () => {
  expect(await installed.hbp([...run, '--seeds', '0'])).toMatchObject({ code: 0 });
  expect(record(0)).toMatchObject({ threads: availableParallelism() });
  const environment = { HBP_THREADS: '5' };
  expect(await installed.hbp([...run, '--seeds', '0', '--force'], environment)).toMatchObject({ code: 0 });
  expect(record(0)).toMatchObject({ threads: 5 });
  expect(await installed.hbp([...run, '--seeds', '0', '--force', '--threads', '4'], environment)).toMatchObject({
    code: 0,
  });
  expect(record(0)).toMatchObject({ threads: 4 });
});

it('is told to be nothing to a backend of one thread, whose record says one', async () => {
  const { code, stderr } = await installed.hbp([...run.slice(0, -1), 'wasm', '--seeds', '0', '--threads', '4']);
  expect({ code, stderr }).toMatchObject({ code: 0 });
  expect(stderr).toContain('1 run at a time, 1 thread each (--threads 4 is nothing to this backend)');
  expect(record(0)).toMatchObject({ backend: 'wasm', backendVersion: '4.22.0', threads: 1, isa: null });
});

it('is part of the forecast', async () => {
  const plan = await installed.hbp([...run, '--dry-run', '--jobs', 'auto', '--threads', '1', '--json']);
  const jobs = Math.min(2, availableParallelism());
  expect(JSON.parse(plan.stdout)).toMatchObject({ backend: { name: 'tensorflow' }, jobs, threads: 1 });
  expect(seen()).toEqual([{ OMP_NUM_THREADS: '1', OMP_WAIT_POLICY: 'passive', GOMP_SPINCOUNT: '20000' }]);
  const text = await installed.hbp([...run, '--dry-run', '--threads', '6']);
  expect(text.stdout).toMatch(/2 of 2 runs to train, about \S+ with 1 at a time\n.*, 6 threads a run, /);
});

it.each(['0', 'many', '1.5'])('%j is no number of threads', async (threads) => {
  const { code, stderr } = await installed.hbp([...run, '--threads', threads]);
  expect(code).toBe(2);
  expect(stderr).toMatch(/^error: option '--threads <n\|auto>' argument .* is invalid/);
});
