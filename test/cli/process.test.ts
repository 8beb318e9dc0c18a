/** `hbp` as a process, as it is typed: needs `npm run build` (make test sees to it). */
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Ended, startHbp } from './support.js';

const experiment = (epochs: number): string => `
name: tiny
title: A small network
dataset: cifar10
model: { hidden: [12, 8], activation: sigmoid }
batchSize: 50
testBatchSize: 50
epochs: ${epochs}
seeds: 0-1
quick: { epochs: 2, trainSamples: 200, testSamples: 100, seeds: '0' }
variants:
  sgd: { label: SGD, optimizer: { kind: sgd, lr: 0.1, momentum: 0.9 } }
  cg: { label: CG, optimizer: { kind: cg-newton, secondOrder: abs, lr: 0.1, alpha: 0.02, tol: 0.1, maxiter: 50, blocks: 2 } }
figures:
  - { file: fig_tiny, metric: train_loss, series: [sgd, cg] }
`;

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hbp-cli-'));
  await writeFile(join(folder, 'tiny.yaml'), experiment(2));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const hbp = (...args: string[]): Promise<Ended> => startHbp(folder, args).ended;

const commands = [
  ...['list', 'run', 'plot', 'compare', 'export', 'inspect', 'dashboard', 'report'],
  ...['data', 'status', 'clean', 'doctor', 'native', 'completion'],
];

it('lists its commands, and every command has help with examples', async () => {
  const { code, stdout } = await hbp('--help');
  expect(code).toBe(0);
  for (const command of commands) expect(stdout).toContain(`  ${command}`);
  const helps = await Promise.all(commands.map((command) => hbp(command, '--help')));
  for (const help of helps) {
    expect(help.code).toBe(0);
    expect(help.stdout).toContain('Examples:\n  hbp ');
  }
});

it('trains, skips what is done, draws, reports and cleans', async () => {
  const first = await hbp('run', './tiny.yaml', '--quick', '--jobs', '2');
  expect(first).toMatchObject({ code: 0 });
  expect(first.stderr).toContain('training on synthetic-cifar10, generated pictures, instead');
  expect(first.stderr).toContain('2 epochs of 200 training samples');
  expect(first.stdout).toMatch(/\nNext: hbp plot \.\/tiny\.yaml --quick\n$/);
  expect(first.stdout).toMatch(/tiny\/sgd +1\/1 +2\.00 +\d\.\d{4} +\d+\.\d\d %/);
  const dir = join(folder, 'data/runs-quick/tiny/cg/seed0');
  expect((await readdir(dir)).sort()).toEqual(['diagnostics.jsonl', 'metrics.csv', 'run.json']);
  const record = JSON.parse(await readFile(join(dir, 'run.json'), 'utf8')) as Record<string, unknown>;
  expect(record).toMatchObject({ state: 'done', backend: 'wasm', dataset: { name: 'synthetic-cifar10' } });

  const before = await readFile(join(dir, 'metrics.csv'), 'utf8');
  const second = await hbp('run', './tiny.yaml', '--quick', '--json');
  expect(JSON.parse(second.stdout)).toMatchObject([{ outcome: 'skipped' }, { outcome: 'skipped', state: 'done' }]);
  expect(await readFile(join(dir, 'metrics.csv'), 'utf8')).toBe(before);

  const forced = await hbp('run', './tiny.yaml', '--quick', '--force', '--variant', 'cg');
  expect(forced.code).toBe(0);
  const timeless = (csv: string): string[] => csv.split('\n').map((line) => line.split(',').toSpliced(2, 2).join());
  const again = await readFile(join(dir, 'metrics.csv'), 'utf8');
  expect(timeless(again)).toEqual(timeless(before));

  const drawn = await hbp('plot', './tiny.yaml', '--quick');
  expect(drawn).toMatchObject({ code: 0 });
  for (const ending of ['vl.json', 'svg', 'png', 'pdf'])
    expect(existsSync(join(folder, `fig/fig_tiny.${ending}`))).toBe(true);
  expect((await hbp('status', '--quick')).stdout).toMatch(/tiny\/cg\/seed0 +done +100%/);
  expect((await hbp('clean')).code).toBe(0);
  expect(existsSync(join(folder, 'data/runs-quick'))).toBe(false);
});

it.each([
  [['run', 'exp1'], 2, /^hbp: unknown experiment "exp1": did you mean "exp01"\?/],
  [['run', 'exp01', '--variant', 'sdg'], 2, /^hbp: exp01 has no variant "sdg": did you mean "sgd"\?/],
  [['run', 'exp01', '--seeds', '3-'], 2, /^hbp: --seeds/],
  [['run', 'exp01', '--jobs', '0'], 2, /^error: option '--jobs <n\|auto>' argument '0' is invalid/],
  [['run', 'exp01', '--dataset', 'cifar100'], 2, /Allowed choices are cifar10/],
  [['run', 'exp01', 'exp01'], 2, /^hbp: .*named twice/],
  [['rnu'], 2, /^error: unknown command 'rnu'\n\(Did you mean run\?\)/],
  [
    ['run', 'exp01'],
    3,
    /^hbp: cifar10 not found in .*hbp data fetch cifar10.*hbp data import.*--data-dir or HBP_DATA_DIR/,
  ],
  [['run', './tiny.yaml', '--quick', '--backend', 'gpu8'], 4, /^hbp: unknown backend "gpu8": one of auto/],
  [['plot', 'fig9'], 2, /^hbp: .*"fig9"/],
] as const)('%j ends with exit code %i and one clear line', async (args, code, message) => {
  const ended = await hbp(...args);
  const lines = ended.stderr.split('\n').filter((line) => !line.startsWith('tiny at reduced size'));
  expect({ code: ended.code, stderr: lines.join('\n') }).toMatchObject({
    code,
    stderr: expect.stringMatching(message) as string,
  });
  expect(ended.stderr).not.toMatch(/\n {4}at /);
});

it('says where an experiment file is wrong', async () => {
  await writeFile(join(folder, 'tiny.yaml'), experiment(2).replace('momentum: 0.9', 'momentun: 0.9'));
  const { code, stderr } = await hbp('run', './tiny.yaml');
  expect(code).toBe(2);
  expect(stderr).toMatch(
    /tiny\.yaml:12:\d+: variants\.sgd\.optimizer\.momentun: unknown key, did you mean "momentum"\?/,
  );
});

it('says what a run would take without training it', async () => {
  const { code, stdout } = await hbp('run', 'exp01', '--dry-run', '--dataset', 'synthetic-cifar10', '--seeds', '0');
  expect(code).toBe(0);
  expect(stdout).toMatch(/4 of 4 runs to train, about \d+[hms]\S* with 1 at a time/);
  expect(existsSync(join(folder, 'data'))).toBe(false);
});

it.each([
  ['grids/exp02-grid', 300, 30],
  ['grids/exp08-grid', 1890, 189],
  ['grids/exp09-grid', 1710, 171],
  ['chen-mnist', 40, 0],
])('says how many runs %s is: %i', async (name, runs, variants) => {
  const { code, stdout, stderr } = await hbp('run', name, '--dry-run', '--dataset', 'synthetic-cifar10');
  expect(code).toBe(0);
  expect(stderr).toContain(variants > 0 ? `: ${runs} runs, ${variants} variants on 10 seeds` : '');
  expect(stdout).toContain(`${runs} of ${runs} runs to train, about `);
});

it('trains a part of a search in a folder of its own, and an experiment with another activation in another', async () => {
  const grid = experiment(2)
    .replace('name: tiny', 'name: tiny-grid')
    .replace('momentum: 0.9 } }', 'momentum: 0.9 }, grid: { batchSize: [50, 100], optimizer.lr: [0.1, 1] } }');
  await writeFile(join(folder, 'tiny-grid.yaml'), grid);
  const search = await hbp('run', './tiny-grid.yaml', '--quick', '--variant', 'sgd');
  expect(search.code).toBe(0);
  expect(search.stderr).toContain('tiny-grid: 4 runs, 4 variants on 1 seed\n');
  expect(search.stdout).toContain('Next: hbp plot ./tiny-grid.yaml --quick\n');
  const trained = await readdir(join(folder, 'data/runs-quick/tiny-grid'));
  expect(trained.sort()).toEqual([
    'sgd_batchSize_100_lr_0.1',
    'sgd_batchSize_100_lr_1',
    'sgd_batchSize_50_lr_0.1',
    'sgd_batchSize_50_lr_1',
  ]);
  const rows = async (variant: string): Promise<string[]> =>
    (await readFile(join(folder, 'data/runs-quick', variant, 'seed0/metrics.csv'), 'utf8')).trim().split('\n');
  // 200 samples: 4 batches an epoch, or 2.
  expect((await rows('tiny-grid/sgd_batchSize_50_lr_1')).map((row) => row.split(',')[0])).toEqual([
    'step',
    '1',
    '5',
    '8',
  ]);
  expect((await rows('tiny-grid/sgd_batchSize_100_lr_1')).map((row) => row.split(',')[0])).toEqual([
    'step',
    '1',
    '3',
    '4',
  ]);

  expect((await hbp('run', './tiny.yaml', '--quick', '--variant', 'sgd')).code).toBe(0);
  const other = await hbp('run', './tiny.yaml', '--quick', '--variant', 'sgd', '--activation', 'tanh');
  expect(other.stdout).toContain('Next: hbp plot ./tiny.yaml --activation tanh --quick\n');
  expect(await rows('tiny-tanh/sgd')).not.toEqual(await rows('tiny/sgd'));
  const drawn = await hbp('plot', './tiny.yaml', '--quick', '--activation', 'tanh', '--format', 'svg');
  expect(drawn).toMatchObject({ code: 0 });
  expect(existsSync(join(folder, 'fig/tiny-tanh/train_loss.svg'))).toBe(true);
  expect((await hbp('plot', './tiny-grid.yaml', '--quick', '--format', 'svg')).code).toBe(0);
});

it('refuses to mix runs of different settings in one place', async () => {
  expect((await hbp('run', './tiny.yaml', '--quick', '--variant', 'sgd')).code).toBe(0);
  const other = await hbp('run', './tiny.yaml', '--quick', '--variant', 'sgd', '--epochs', '1');
  expect(other.code).toBe(2);
  expect(other.stderr).toMatch(/already done .* with other settings \(epochs 2 -> 1\): --force replaces it/);
});
