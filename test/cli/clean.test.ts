import { existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cleanCommand } from '../../src/cli/clean.js';
import { RunError } from '../../src/errors.js';
import { openRun } from '../../src/lab/results/store.js';
import { someEnvironment, someSpec, temporaryFolder } from '../lab/results/support.js';
import { run } from './support.js';

const folder = temporaryFolder();
const at = (...path: string[]): string => join(folder.path, ...path);

function fill(...files: string[]): void {
  for (const file of files) {
    mkdirSync(at(file, '..'), { recursive: true });
    writeFileSync(at(file), 'x');
  }
}

const made = ['data/runs/exp01/sgd/seed0/metrics.csv', 'data/runs-quick/a/b/seed0/run.json', 'fig/exp01/loss.svg'];
const kept = ['data/datasets/cifar10.bin', 'data/original/exp01/x.csv', 'fig/README.md', 'notes.txt'];

test('runs and figures go; datasets, recorded runs and everything else stay', async () => {
  fill(...made, ...kept);
  expect(await run(cleanCommand(), folder.path)).toBe(
    'Removed data/runs\nRemoved data/runs-quick\nRemoved fig/exp01\n',
  );
  expect(readdirSync(at('data')).sort()).toEqual(['datasets', 'original']);
  expect(kept.map((file) => existsSync(at(file)))).toEqual([true, true, true, true]);
  expect(readdirSync(at('fig'))).toEqual(['README.md']);
  expect(await run(cleanCommand(), folder.path)).toBe('Nothing to remove.\n');
});

test('a dry run lists and removes nothing', async () => {
  fill(...made, ...kept);
  expect(await run(cleanCommand(), folder.path, '--dry-run')).toContain('Would remove data/runs\n');
  expect(made.map((file) => existsSync(at(file)))).toEqual([true, true, true]);
});

test.each([
  ['--runs', [false, false, true]],
  ['--figures', [true, true, false]],
])('%s removes one kind only', async (option, left) => {
  fill(...made);
  await run(cleanCommand(), folder.path, option);
  expect(made.map((file) => existsSync(at(file)))).toEqual(left);
});

describe('symbolic links', () => {
  test.each([
    ['for the runs', 'here/data/runs', 'elsewhere/runs', 'data/runs'],
    ['for the quick runs', 'here/data/runs-quick', 'here/data/original', 'data/runs-quick'],
    ['on the way to the runs', 'here/data', 'elsewhere', 'data/runs'],
    ['for the figures', 'here/fig', 'elsewhere/runs', 'fig'],
  ])('%s are refused before anything is removed', async (_name, link, target, named) => {
    fill('elsewhere/runs/precious.csv', 'here/x');
    if (link !== 'here/data') fill('here/data/original/precious.csv');
    symlinkSync(at(target), at(link));
    const refused = run(cleanCommand(), at('here'));
    await expect(refused).rejects.toThrow(
      new RunError(`${named} is reached through a symbolic link: clean there by hand`),
    );
    expect(existsSync(at('elsewhere/runs/precious.csv'))).toBe(true);
    if (link !== 'here/data') expect(existsSync(at('here/data/original/precious.csv'))).toBe(true);
  });

  test('inside a folder they go, and what they point at stays', async () => {
    fill('elsewhere/precious.csv', 'here/fig/README.md', 'here/data/runs/a/b/c');
    symlinkSync(at('elsewhere'), at('here/fig/latest'));
    symlinkSync(at('elsewhere'), at('here/data/runs/a/link'));
    expect(await run(cleanCommand(), at('here'))).toBe('Removed data/runs\nRemoved fig/latest\n');
    expect(existsSync(at('elsewhere/precious.csv'))).toBe(true);
  });
});

test('a run that is being written stops the cleaning', async () => {
  const writer = openRun(at('data', 'runs'), someSpec(), someEnvironment);
  await expect(run(cleanCommand(), folder.path)).rejects.toThrow(RunError);
  expect(existsSync(at('data/runs/exp01/sgd/seed0/run.json'))).toBe(true);
  if (writer !== 'done') writer.finish('done');
  expect(await run(cleanCommand(), folder.path)).toBe('Removed data/runs\n');
});
