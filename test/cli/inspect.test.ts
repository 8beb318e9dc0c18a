/** `hbp inspect` as a process, as it is typed: needs `npm run build` (make test sees to it). */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder } from '../lab/results/support.js';
import { type Ended, startHbp } from './support.js';

const folder = temporaryFolder();
const hbp = (...args: string[]): Promise<Ended> => startHbp(folder.path, args).ended;

test('draws a run from its checkpoint, and the report has it; --force starts without', async () => {
  writeFileSync(
    join(folder.path, 'small.yaml'),
    `
name: small
title: A small network
dataset: synthetic-cifar10
model: { hidden: [4], activation: sigmoid, pool: 16 }
batchSize: 50
testBatchSize: 50
epochs: 1
seeds: 0
quick: { epochs: 1, trainSamples: 100, testSamples: 50, seeds: '0' }
variants:
  first: { label: First, optimizer: { kind: sgd, lr: 0.1 } }
  sgd: { label: SGD, optimizer: { kind: sgd, lr: 0.1 } }
`,
  );
  const run = ['run', './small.yaml', '--quick', '--variant', 'sgd'];
  expect(await hbp(...run, '--keep-checkpoint')).toMatchObject({ code: 0 });
  const seen = await hbp('inspect', './small.yaml', '--quick', '--format', 'svg,png', '--json');
  expect(seen).toMatchObject({ code: 0 });
  const told = JSON.parse(seen.stdout) as { run: string; batch: number; moments: { step: number }[]; files: string[] };
  expect(told).toMatchObject({ run: 'small/sgd/seed0', batch: 50, parametersInAll: 12 * 4 + 4 + 4 * 10 + 10 });
  expect(told.moments.map(({ step }) => step)).toEqual([0, 1]);
  expect(told.files.map((file) => file.slice(file.lastIndexOf('/') + 1))).toEqual(
    ['blocks', 'spectra', 'trace'].flatMap((name) => ['vl.json', 'svg', 'png'].map((format) => `${name}.${format}`)),
  );
  for (const file of told.files) expect(existsSync(file)).toBe(true);
  expect(told.files[0]).toMatch(/\/fig\/inspect\/small\/sgd\/seed0\/blocks\.vl\.json$/);
  const kept = join(folder.path, 'data/runs-quick/small/sgd/seed0/curvature.json');
  expect(existsSync(kept)).toBe(true);

  expect(await hbp('report', './small.yaml', '--quick')).toMatchObject({ code: 0 });
  const report = readFileSync(join(folder.path, 'report.html'), 'utf8');
  for (const name of ['blocks', 'spectra', 'trace']) {
    expect(report).toContain(`data-curvature="small/sgd/seed0/${name}"`);
  }
  expect(await hbp(...run, '--force')).toMatchObject({ code: 0 });
  expect(existsSync(kept)).toBe(false);

  const fresh = await hbp(
    'inspect',
    './small.yaml',
    '--quick',
    '--train-steps',
    '0',
    '--layers',
    '4',
    '--format',
    'svg',
  );
  expect(fresh).toMatchObject({ code: 0 });
  expect(fresh.stdout).toMatch(/^4\.weight +40 +40 /m);
  expect(fresh.stdout).toContain('52 other parameters were left out');
  expect(fresh.stdout).toContain('one moment only');
  const none = await hbp('inspect', './small.yaml', '--quick', '--checkpoint', 'small/sgd/seed0');
  expect(none).toMatchObject({ code: 3 });
  expect(none.stderr).toContain('no checkpoint in small/sgd/seed0: it holds none: `hbp run --keep-checkpoint`');
});
