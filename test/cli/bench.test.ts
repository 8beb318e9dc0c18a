/** `hbp bench` at tiny size: needs `npm run build` (make test sees to it). */
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder } from '../lab/results/support.js';
import { startHbp } from './support.js';

const folder = temporaryFolder();

const experiment = `
name: tiny
title: A small network
dataset: synthetic-cifar10
model: { hidden: [4], activation: sigmoid }
batchSize: 5
testBatchSize: 5
epochs: 1
seeds: 0
quick: { epochs: 1, trainSamples: 100, testSamples: 50, seeds: '0' }
variants:
  sgd: { label: SGD, optimizer: { kind: sgd, lr: 0.1 } }
`;

test('steps a second of one run and of two side by side; nothing is left of them', async () => {
  writeFileSync(join(folder.path, 'tiny.yaml'), experiment);
  const { code, stdout } = await startHbp(folder.path, [
    'bench',
    './tiny.yaml/sgd',
    '--jobs',
    '1,2',
    '--seconds',
    '1',
    '--json',
  ]).ended;
  expect(code).toBe(0);
  const { measured } = JSON.parse(stdout) as {
    measured: { jobs: number; stepsPerSecond: number; peakBytes: number }[];
  };
  expect(measured.map(({ jobs }) => jobs)).toEqual([1, 2]);
  for (const { stepsPerSecond } of measured) expect(stepsPerSecond).toBeGreaterThan(0);
  const [one = NaN, two = NaN] = measured.map(({ peakBytes }) => peakBytes);
  expect(one).toBeGreaterThan(2 ** 24);
  expect(two / one).toBeGreaterThan(1.4);
  expect(two / one).toBeLessThan(3);
  expect(readdirSync(folder.path)).toEqual(['tiny.yaml']);
  const wrong = await startHbp(folder.path, ['bench', 'exp01']).ended;
  expect(wrong).toMatchObject({ code: 2, stderr: 'hbp: found "exp01", expected a variant such as exp01/sgd\n' });
});
