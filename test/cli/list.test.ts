import { cpSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { listCommand } from '../../src/cli/list.js';
import { ConfigError } from '../../src/errors.js';
import { expandExperiment } from '../../src/lab/config/expand.js';
import { loadExperiment } from '../../src/lab/config/load.js';
import { openRun } from '../../src/lab/results/store.js';
import { someEnvironment, temporaryFolder } from '../lab/results/support.js';
import { run } from './support.js';

const folder = temporaryFolder();
const exp01 = loadExperiment('exp01', { experimentsDir: 'experiments' });

function finish(change: { epochs?: number; quick?: boolean; seeds: number[] }): void {
  const root = join(folder.path, 'data', change.quick ? 'runs-quick' : 'runs');
  for (const spec of expandExperiment(exp01, { ...change, variants: ['sgd'] })) {
    const writer = openRun(root, spec, someEnvironment);
    if (writer !== 'done') writer.finish('done');
  }
}

const lineOf = (text: string, start: string): string => text.split('\n').find((line) => line.startsWith(start)) ?? '';

test('experiments, variants, what they train with, and the state of their runs', async () => {
  finish({ seeds: [0, 3] });
  finish({ seeds: [1], epochs: 2 }); // done, but not what the file asks for
  finish({ seeds: [0], quick: true });
  const text = await run(listCommand(), folder.path);
  expect(text).toContain('exp01: Curvature approximations on an MLP, on cifar10');
  expect(text).toContain('exp02: ');
  expect(lineOf(text, 'sgd ')).toMatch(
    /^sgd +SGD +sgd, lr 0\.1, momentum 0\.9, batch 500, 100 epochs +2 done, 1 done with other settings, 7 to do +1 done\s*$/,
  );
  expect(lineOf(text, 'cg-ggn ')).toMatch(/secondOrder zero, .*10 to do +1 to do/);
});

test('searches and more have a heading of their own, a line each; JSON leaves them out unless asked', async () => {
  const text = await run(listCommand(), folder.path);
  expect(lineOf(text, 'grids')).toBe('grids, trained when named (`hbp list NAME` shows one)');
  expect(lineOf(text, 'exp08-grid')).toMatch(/^exp08-grid +Search for .* \(c4d3\) +cifar10 +189 +1890 to do\s*$/);
  expect(lineOf(text, 'chen-mnist')).toMatch(/ mnist +4 +40 to do\s*$/);
  expect(text).not.toContain('adam_batchSize_100');

  const names = async (...args: string[]): Promise<string[]> =>
    (JSON.parse(await run(listCommand(), folder.path, '--json', ...args)) as { name: string }[]).map(
      ({ name }) => name,
    );
  const main = ['exp01', 'exp02', 'exp08', 'exp09'];
  expect(await names()).toEqual(main); // what reproduce.sh trains
  expect(await names('--all')).toEqual([...main, 'exp02-grid', 'exp08-grid', 'exp09-grid', 'chen-mnist', 'tiny-mlp']);
  expect(await names('grids/exp09-grid')).toEqual(['exp09-grid']);
});

test('with another activation', async () => {
  const text = await run(listCommand(), folder.path, 'exp08', '--activation', 'relu');
  expect(text).toContain('exp08-relu: Optimisers on a convolutional network (c4d3), relu, on cifar10');
});

test('one experiment, by name or by file', async () => {
  const text = await run(listCommand(), folder.path, 'exp02');
  expect(text).toContain('CG, 16 blocks');
  expect(text).not.toContain('exp01:');
  cpSync(resolve('experiments', 'exp01.yaml'), join(folder.path, 'mine.yaml'));
  expect(await run(listCommand(), folder.path, './mine.yaml')).toContain('exp01:');
});

test('JSON has all of it', async () => {
  finish({ seeds: [0] });
  const [listed] = JSON.parse(await run(listCommand(), folder.path, 'exp01', '--json')) as [
    { name: string; seeds: number[]; variants: object[] },
  ];
  expect(listed.name).toBe('exp01');
  expect(listed.seeds).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  expect(listed.variants).toHaveLength(4);
  expect(listed.variants[0]).toMatchObject({
    name: 'sgd',
    label: 'SGD',
    optimizer: { kind: 'sgd', lr: 0.1, momentum: 0.9 },
    runs: { done: 1, 'to do': 9 },
    quickRuns: { 'to do': 1 },
  });
});

test('unknown experiments and broken files are one-line errors', async () => {
  await expect(run(listCommand(), folder.path, 'exp1')).rejects.toThrow(
    new ConfigError('unknown experiment "exp1": did you mean "exp01"?'),
  );
  writeFileSync(join(folder.path, 'bad.yaml'), 'name: [');
  await expect(run(listCommand(), folder.path, 'bad.yaml')).rejects.toThrow(/^bad\.yaml:1:\d+: /);
});
