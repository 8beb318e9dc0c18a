import { jest } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { plotCommand } from '../../src/cli/plot.js';
import { ConfigError, DataError } from '../../src/errors.js';
import { figureFormats } from '../../src/lab/figures/format.js';
import { experiments, trainPretending } from '../lab/figures/fixtures.js';
import { moduleGraph } from './support.js';

const home = process.cwd();
const folder = realpathSync(mkdtempSync(join(tmpdir(), 'hbp-plot-')));

beforeAll(() => {
  process.chdir(folder);
  mkdirSync('experiments');
  for (const experiment of experiments) {
    writeFileSync(`experiments/${experiment.name}.json`, JSON.stringify(experiment));
  }
  trainPretending('data/runs', 'exp01', 'sgd');
  trainPretending('data/runs-quick', 'exp01', 'sgd', { seeds: [0], epochs: 1 });
  trainPretending('data/original', 'exp01', 'sgd', { seeds: [0, 1, 2] });
  for (const blocks of [1, 2, 4, 16]) trainPretending('data/original', 'exp02', `blocks-${blocks}`);
});
afterEach(() => rmSync('fig', { recursive: true, force: true }));
afterAll(() => {
  process.chdir(home);
  rmSync(folder, { recursive: true });
});

/** What the command prints. */
async function hbpPlot(...words: string[]): Promise<string> {
  const out: string[] = [];
  const write = jest.spyOn(process.stdout, 'write').mockImplementation((text) => out.push(String(text)) > 0);
  try {
    await plotCommand().parseAsync(['node', 'plot', ...words]);
  } finally {
    write.mockRestore();
  }
  return out.join('');
}

function subtitle(name: string): unknown {
  const spec = JSON.parse(readFileSync(`fig/${name}.vl.json`, 'utf8')) as { title: { subtitle: string[] } };
  return spec.title.subtitle.join(' · ');
}

test('without names: every figure of the experiments that have runs; what is missing comes last', async () => {
  const out = await hbpPlot('--format', 'svg');
  expect(out).toContain('fig/exp01/train_loss.{vl.json,svg}  (1 missing)\n');
  expect(out).toMatch(
    /\ndrawn from own runs \(data\/runs\)\n\nMissing, no data:\n {2}CG \(PCH, abs\) \(exp01\/pch-abs\)\n$/,
  );
  expect(readdirSync('fig')).toEqual(['exp01']);
  expect(readdirSync('fig/exp01')).toHaveLength(12);
});

test('--original draws the recorded runs, and names choose figures', async () => {
  expect(await hbpPlot('fig4_1', '--original')).toBe(
    'fig/fig4_1.{vl.json,svg,png,pdf,tex}\n\ndrawn from recorded runs (data/original)\n\nRemarks:\n' + uneven,
  );
  expect(subtitle('fig4_1')).toContain('recorded runs');
});

const uneven = '  CG, 1 block; CG, 2 blocks; CG, 4 blocks; CG, 16 blocks: of the seeds 0–2 only 0–1\n';

test('--overlay draws own runs over the recorded ones, in strong and pale, and says whose', async () => {
  const out = await hbpPlot('fig4', '--original', '--overlay', '--format', 'svg');
  expect(out).toContain('drawn from own runs (data/runs), over recorded runs (data/original)');
  expect(subtitle('fig4_1')).toMatch(/strong: own runs · pale: recorded runs$/);
  await expect(hbpPlot('--overlay')).rejects.toThrow('--overlay draws over --original: give both');
  await expect(hbpPlot('--original', '--quick')).rejects.toThrow(ConfigError);
});

test('--format tex writes TikZ beside the spec', async () => {
  await hbpPlot('fig4_1', '--original', '--format', 'tex');
  expect(readdirSync('fig').sort()).toEqual(['fig4_1.tex', 'fig4_1.vl.json']);
  expect(readFileSync('fig/fig4_1.tex', 'utf8')).toContain('\\begin{tikzpicture}');
});

test("--original draws the authors' runs once they are imported, from wherever datasets are", async () => {
  const run = 'exp01_reproduce_chen_figures/cifar10/batch_500_lr_0.1_mom_0.9_opt_sgd';
  mkdirSync(`data/datasets/paper/${run}/seed0`, { recursive: true });
  writeFileSync(`data/datasets/paper/${run}/seed0/train_loss.csv`, 'wall,step,value\n0.5,500,2.3\n9,50000,1.9\n');
  writeFileSync(
    'data/datasets/paper/hbp-receipt.json',
    JSON.stringify({ source: 'x', official: true, fingerprint: 'y' }),
  );
  try {
    const out = await hbpPlot('exp01/train_loss', '--original', '--format', 'svg');
    expect(out).toContain("drawn from the authors' runs (data/datasets/paper)");
    expect(subtitle('exp01/train_loss')).toBe("CIFAR-10 · seed 0 · 1 epoch · the authors' runs");
    expect(out).toMatch(/Missing, no data:\n {2}CG \(PCH, abs\) \(exp01\/pch-abs\)/);
    await hbpPlot('exp01/train_loss', '--original', '--overlay', '--format', 'svg');
    expect(subtitle('exp01/train_loss')).toMatch(/strong: own runs · pale: the authors' runs$/);
  } finally {
    rmSync('data/datasets', { recursive: true });
  }
});

test('--quick draws the reduced runs and says so; --runs draws any folder', async () => {
  await hbpPlot('exp01/test_loss', '--quick', '--format', 'svg');
  expect(subtitle('exp01/test_loss')).toMatch(/seed 0 · 1 epoch · own runs at reduced size/);
  await hbpPlot('exp01/test_loss', '--runs', 'data/original', '--format', 'svg');
  expect(subtitle('exp01/test_loss')).toMatch(/3 seeds \(0–2\) · 3 epochs · own runs$/);
});

test('--json lists files, missing variants and remarks, and nothing else', async () => {
  const out = await hbpPlot('fig4_1', '--json', '--format', 'png', '--out', 'elsewhere');
  expect(JSON.parse(out)).toEqual({
    runs: join(folder, 'data/runs'),
    origin: 'own runs',
    figures: [
      {
        name: 'fig4_1',
        files: ['elsewhere/fig4_1.vl.json', 'elsewhere/fig4_1.png'],
        missing: [1, 2, 4, 16].map((n) => `CG, ${n} block${n > 1 ? 's' : ''} (exp02/blocks-${n})`),
        notes: [],
      },
    ],
  });
});

test("a file of one's own is drawn too", async () => {
  const mine = {
    ...experiments[1],
    name: 'mine',
    figures: [{ file: 'pair', metric: 'test_loss', series: ['exp01/sgd'] }],
  };
  writeFileSync('mine.json', JSON.stringify(mine));
  const out = await hbpPlot('./mine.json', '--format', 'svg');
  expect(out).toContain('fig/pair.{vl.json,svg}\n');
  expect(out).toContain('mine/train_loss: not drawn, no data\n');
});

test('wrong words are errors that tell the right one', async () => {
  await expect(hbpPlot('exp1')).rejects.toThrow(
    new ConfigError('no experiment or figure is called "exp1": did you mean "exp01"?'),
  );
  await expect(hbpPlot('--format', 'pgn')).rejects.toThrow(
    new ConfigError('--format: found "pgn", did you mean "png"?'),
  );
});

test('nothing to draw is an error that says what to do', async () => {
  const message = 'no runs to draw in nowhere: `hbp run` makes some, `hbp plot --original` draws the recorded ones';
  await expect(hbpPlot('--runs', 'nowhere')).rejects.toThrow(new DataError(message));
  await expect(hbpPlot('exp02', '--runs', 'nowhere')).rejects.toThrow(new DataError(message));
  expect(existsSync('fig')).toBe(false);
});

test('from a warm start fig4 of the recorded runs takes little time, in every format', () => {
  const bin = resolve(home, 'bin/hbp.js');
  // Processor time, since other tests take the clock's: what the process takes where it has a core for itself.
  const told = 'data:text/javascript,process.on("exit",()=>console.error(JSON.stringify(process.cpuUsage())))';
  const seconds = [1, 2].map(() => {
    const args = ['--import', told, bin, 'plot', '--original', 'fig4', '--out', join(folder, 'fig')];
    const { status, stderr } = spawnSync(process.execPath, args, { cwd: home, encoding: 'utf8' });
    expect(status).toBe(0);
    const { user, system } = JSON.parse(stderr) as NodeJS.CpuUsage;
    return (user + system) / 1e6;
  });
  for (const format of figureFormats) expect(readdirSync('fig')).toContain(`fig4_2.${format}`);
  // Two on the machine it was written on; a busy one counts a processor's waiting for memory, too.
  expect(Math.min(...seconds)).toBeLessThan(6);
});

test('drawing loads no training code, no dataset and no TensorFlow', () => {
  const loaded = moduleGraph(home, resolve(home, 'src/cli/plot.ts'));
  expect(loaded).toContain('vega');
  expect(loaded).toContain('src/lab/results/merge.ts');
  expect(loaded.filter((name) => /tensorflow|src\/engine|lab\/(training|datasets)/.test(name))).toEqual([]);
});

test('the whole program draws without loading TensorFlow, nor what other commands need', () => {
  const hook = `export const resolve = (name, context, next) => {
    if (/@tensorflow|lab\\/(training|datasets)|^(tar|yauzl|pbf|cli-progress)$/.test(name)) throw new Error('loaded ' + name);
    return next(name, context);
  };`;
  const register = `import { register } from 'node:module'; register(${JSON.stringify(`data:text/javascript,${encodeURIComponent(hook)}`)});`;
  const args = ['--import', `data:text/javascript,${encodeURIComponent(register)}`, resolve(home, 'bin/hbp.js')];
  const out = join(folder, 'fig');
  const hbp = (...more: string[]): ReturnType<typeof spawnSync> =>
    spawnSync(process.execPath, [...args, ...more], { cwd: home, encoding: 'utf8' });
  expect(hbp('plot', '--original', 'fig4_1', '--format', 'svg', '--out', out)).toMatchObject({ status: 0, stderr: '' });
  expect(String(hbp('doctor', '--support').stderr)).toMatch(/loaded /); // the hook works
});
