import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { parse } from 'csv-parse/sync';
import { compareCommand } from '../../src/cli/compare.js';
import { tableText } from '../../src/cli/compare/text.js';
import { ConfigError, DataError } from '../../src/errors.js';
import { experiments, row, trainPretending } from '../lab/figures/fixtures.js';
import { moduleGraph, run } from './support.js';

const folder = realpathSync(mkdtempSync(join(tmpdir(), 'hbp-compare-')));
const before = process.cwd();

beforeAll(() => {
  process.chdir(folder);
  mkdirSync('experiments');
  for (const experiment of experiments) {
    writeFileSync(`experiments/${experiment.name}.json`, JSON.stringify(experiment));
  }
  trainPretending('data/original', 'exp01', 'sgd', { seeds: [0, 1, 2], epochs: 4 });
  trainPretending('data/original', 'exp01', 'pch-abs', { seeds: [0], epochs: 4 });
  trainPretending('data/original', 'exp02', 'blocks-1');
  trainPretending('data/runs', 'exp01', 'sgd');
  trainPretending('data/runs', 'exp01', 'pch-abs');
  trainPretending('data/runs-quick', 'exp01', 'sgd', { seeds: [0], epochs: 1 });
  process.chdir(before);
});
afterAll(() => rmSync(folder, { recursive: true }));

function hbpCompare(...words: string[]): Promise<string> {
  return run(compareCommand(), folder, ...words);
}

// Losses at epoch 3 are 0.575 + 0.1 seed, accuracies 40 % + 1 % seed. Theirs are of the seeds 0 to 2: means 0.675 and
// 41 %, s 0.1 and 1 %; ours of 0 and 1: 0.625 and 40.5 %.
const table = `exp01: First order against curvature
theirs: recorded runs (data/original)
  cpu on none, 1 thread
ours: own runs (data/runs)
  cpu on none, 1 thread

At the end, or at the last epoch that all seeds of both reached
                           train loss                               test acc. %
variant        epoch  n    theirs         ours           diff.      theirs       ours      diff.
SGD            3      3/2  0.6750±0.1000  0.6250±0.0707  -0.0500 ✓  41.0±1.0     40.5±0.7  -0.50 ✓
CG (PCH, abs)  3      1/2  0.5750         0.6250±0.0707  +0.0500 ?  40.0         40.5±0.7  +0.50 ?
`;

test('a row a variant: theirs, ours, whether they agree; whose and where; what the marks mean', async () => {
  const out = await hbpCompare('exp01');
  expect(out.split('\nBest evaluation')[0]).toBe(table);
  expect(out).toContain('\nLonger runs at their own end\n');
  expect(out).toMatch(/\nSGD +theirs +4 +3 +0\.5600±0\.1000 +0\.5600±0\.1000 +51\.0±1\.0 +51\.0±1\.0\n/);
  expect(out).toMatch(/\nSGD +0\.0900 +0\.0900 +9\.00 +9\.00 +10\.0 +10\.0\n/);
  expect(out).toContain('? one seed on a side: its spread is not known, nothing is decided.');
  expect(Math.max(...out.split('\n').map((line) => line.length))).toBeLessThanOrEqual(100);
});

test('without names: every experiment with runs on some side; theirs alone where there are none of ours', async () => {
  const out = await hbpCompare();
  expect(out).toContain(table);
  expect(out).toContain('\nours: none, no own runs of exp02 in data/runs, `hbp run exp02` makes some\n\nAt the end\n');
  expect(out).toContain('\nCG, 1 block  3      2  0.6250±0.0707  0.6250±0.0707  40.5±0.7     40.5±0.7\n');
  expect(out).toContain('CG, 2 blocks; CG, 4 blocks; CG, 16 blocks: no runs at all');
});

test('--original shows theirs alone, --quick the reduced runs, --runs and --against any two folders', async () => {
  expect(await hbpCompare('exp01', '--original')).not.toContain('ours');
  expect(await hbpCompare('exp01', '--quick')).toContain('ours: own runs at reduced size (--quick) (data/runs-quick)');
  const out = await hbpCompare('exp01', '--runs', 'data/original', '--against', 'data/runs');
  expect(out).toContain('theirs: other runs (data/runs)');
  expect(out).toMatch(/\nSGD +3 +2\/3 +0\.6250±0\.0707 +0\.6750±0\.1000 +\+0\.0500 ✓/);
});

test('--epoch chooses another epoch', async () => {
  const out = await hbpCompare('exp01', '--epoch', '1');
  expect(out).toMatch(/\nAt epoch 1\n.*\n.*\nSGD +1 +3\/2 +1\.2500±0\.1000 +1\.2000±0\.0707 /);
  await expect(hbpCompare('--epoch', 'x')).rejects.toThrow(
    new ConfigError('--epoch: found "x", expected a positive number'),
  );
});

interface Json {
  experiments: { experiment: string; variants: { differences: { final: { train_loss: object } } }[] }[];
  without: string[];
}

test('JSON: everything, in full precision', async () => {
  const out = await hbpCompare('exp01', '--json');
  expect(await hbpCompare('exp01', '--format', 'json')).toBe(out);
  const { experiments: found, without } = JSON.parse(out) as Json;
  expect(without).toEqual([]);
  expect(found.map(({ experiment }) => experiment)).toEqual(['exp01']);
  expect(found[0]?.variants[0]?.differences.final.train_loss).toEqual({
    difference: expect.closeTo(-0.05, 12) as number,
    margin: expect.closeTo(2 * Math.sqrt(0.005 / 2 + 0.01 / 3), 12) as number,
    verdict: 'within',
  });
});

test('CSV: a row a variant and quantity, at the epoch of the comparison and at the own ends', async () => {
  const rows = parse<Record<string, string>>(await hbpCompare('exp01', '--format', 'csv'), { columns: true });
  expect(rows).toHaveLength(2 * 2 * 7);
  const found = rows.filter(({ variant, quantity }) => variant === 'sgd' && quantity === 'final_train_loss');
  expect(found.map(({ at, theirs_epoch, ours_epoch, verdict }) => [at, theirs_epoch, ours_epoch, verdict])).toEqual([
    ['compared', '3', '3', 'within'],
    ['end', '4', '3', ''],
  ]);
  const means = [0, 1, 2].map((seed) => row(3, seed).train_loss);
  expect(Number(found[0]?.['theirs_mean'])).toBe(means.reduce((a, b) => a + b) / 3);
  const other = rows.find(({ variant, quantity }) => variant === 'pch-abs' && quantity === 'best_test_accuracy');
  expect(other).toMatchObject({ theirs_std: '', theirs_n: '1', two_std: '', verdict: 'undecided' });
  expect(rows.find(({ quantity }) => quantity === 'step_s')).toMatchObject({ ours_mean: '0.09', difference: '' });
});

test('Markdown: the same tables', async () => {
  const out = await hbpCompare('exp01', '--format', 'markdown');
  expect(out).toMatch(/^### exp01: First order against curvature\n\n- theirs: recorded runs; cpu on none, 1 thread\n/);
  const lines = out.split('\n').filter((line) => line.startsWith('|'));
  const cells = lines.map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
  expect(cells[0]).toEqual([
    ...['variant', 'epoch', 'n', 'train loss: theirs', 'train loss: ours', 'train loss: diff.'],
    ...['test acc. %: theirs', 'test acc. %: ours', 'test acc. %: diff.'],
  ]);
  expect(cells[2]).toEqual([
    'SGD',
    '3',
    '3/2',
    '0.6750±0.1000',
    '0.6250±0.0707',
    '-0.0500 ✓',
    '41.0±1.0',
    '40.5±0.7',
    '-0.50 ✓',
  ]);
  expect(cells[1]?.every((cell) => /^-{3,}$/.test(cell))).toBe(true);
});

test('a table wider than the terminal is cut between groups of columns, then between columns', () => {
  const wide = {
    title: 'T',
    columns: [
      { name: 'variant' },
      { group: 'loss', name: 'theirs' },
      { group: 'loss', name: 'ours' },
      { group: 'acc', name: 'theirs' },
      { group: 'acc', name: 'ours' },
    ],
    rows: [['SGD', '11', '12', '13', '14']],
  };
  const plain = (width?: number): string[] => stripVTControlCharacters(tableText(wide, width)).split('\n');
  const grouped = ['T', '         loss', 'variant  theirs  ours', 'SGD      11      12'];
  expect(plain()).toHaveLength(4);
  expect(plain(30)).toEqual([...grouped, '         acc', 'variant  theirs  ours', 'SGD      13      14']);
  expect(plain(16)).toHaveLength(1 + 4 * 3);
});

test('wrong words, and nothing to compare, are errors that say what to do', async () => {
  await expect(hbpCompare('exp1')).rejects.toThrow(ConfigError);
  await expect(hbpCompare('exp01', '--runs', 'nowhere', '--against', 'no')).rejects.toThrow(
    new DataError(
      'no runs of exp01 to compare (looked for other runs in no and own runs in nowhere): ' +
        '`hbp run exp01` makes some, `hbp status` shows what there is',
    ),
  );
});

test('comparing loads no engine, no dataset, no TensorFlow, and nothing to draw with', () => {
  const loaded = moduleGraph(before, resolve(before, 'src/cli/compare.ts'));
  expect(loaded).toContain('src/lab/results/merge.ts');
  expect(loaded.filter((name) => /tensorflow|vega|src\/engine|lab\/(training|datasets|figures)/.test(name))).toEqual(
    [],
  );
});
