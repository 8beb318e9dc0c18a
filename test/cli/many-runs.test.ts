/** Stores of many runs: needs `npm run build` (make test sees to it). In full size: `npm run bench:scale`. */
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { makeStore } from '../../bench/store/make.js';
import { readAhead } from '../../dist/lab/results/read-ahead.js';
import { readVariant } from '../../dist/lab/results/merge.js';
import { formatTable } from '../../src/cli/shared.js';
import { temporaryFolder } from '../lab/results/support.js';
import { hbpEnvironment, hbpFile } from './support.js';

const folder = temporaryFolder();

/** With no more memory for objects than this [MB]. */
function hbp(megabytes: number, ...args: string[]): string {
  const options = { cwd: folder.path, env: hbpEnvironment(), encoding: 'utf8', maxBuffer: 2 ** 26 } as const;
  return execFileSync(process.execPath, [`--max-old-space-size=${megabytes}`, hbpFile, ...args], options);
}

test('status and plot of 1,000 runs do not hold their rows', () => {
  makeStore(folder.path, { variants: 20, seeds: 50, epochs: 300 });
  expect(hbp(100, 'status').trim().split('\n')).toHaveLength(1001);
  hbp(100, 'plot', 'many/train_loss', '--format', 'svg');
  expect(existsSync(join(folder.path, 'fig/many/train_loss.svg'))).toBe(true);
});

test('several threads read the same as one', async () => {
  makeStore(folder.path, { variants: 6, seeds: 100, epochs: 3 });
  const root = join(folder.path, 'data/runs');
  const variants = readdirSync(join(root, 'many')).map((variant) => ({ root, experiment: 'many', variant }));
  const found = await readAhead(variants);
  if (availableParallelism() < 2) return expect(found).toBeNull();
  expect(found).toHaveLength(6);
  const [first, last] = [variants[0]!, variants.at(-1)!];
  expect([found![0], found!.at(-1)]).toEqual([first, last].map((each) => readVariant(root, 'many', each.variant)));
  await expect(readAhead(variants.slice(0, 2))).resolves.toBeNull(); // two hundred runs
  await expect(readAhead(variants, Promise.reject(new Error('no library')))).rejects.toThrow('no library');
});

test('tables of thousands of rows are made in time that grows with the rows, their columns as one', () => {
  const rows = Array.from({ length: 10_000 }, (_, i) => [`run ${i}`, i % 7 === 0 ? 'interrupted' : 'done', '']);
  rows.push(['the one with the longest name of all', 'done', 'a reason']);
  const table = formatTable(['run', 'state', 'reason'], rows);
  const lines = stripVTControlCharacters(table).split('\n'); // the heading is bold where there are colours, as in CI
  expect(lines).toHaveLength(rows.length + 1);
  const column = lines[0]!.indexOf('state');
  expect(column).toBe('the one with the longest name of all  '.length);
  expect(lines.slice(1).every((line) => /^(done|interrupted)/.test(line.slice(column)))).toBe(true);
}, 30_000);
