/** `hbp export` and `hbp data import` as processes: needs `npm run build` (make test sees to it). */
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { exportCommand } from '../../src/cli/export.js';
import { entriesOf, makeZip } from '../lab/archive/zip-maker.js';
import { runFiles, sgdDir } from '../lab/archive/fixtures.js';
import { run } from './support.js';

const bin = fileURLToPath(new URL('../../bin/hbp.js', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'hbp-export-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

const hbp = (...args: string[]): Promise<Ended> =>
  new Promise((resolve) => {
    const env = { ...process.env, NO_COLOR: '1', HBP_DATA_DIR: '', NODE_OPTIONS: '' };
    const child = execFile(process.execPath, [bin, ...args], { cwd: folder, env }, (_error, stdout, stderr) =>
      resolve({ code: child.exitCode ?? -1, stdout, stderr }),
    );
  });

it('exports the recorded runs, and imports what it exported', async () => {
  const exported = await hbp('export', '--format', 'original', 'exp01', '--original', '--out', 'dat');
  expect(exported).toMatchObject({ code: 0, stderr: '' });
  expect(exported.stdout).toMatch(
    /exp01\/sgd +0\S* +\d+.* +exp01_reproduce_chen_figures\/cifar10\/batch_500_lr_0\.1_mom_0\.9_opt_sgd/,
  );
  const imported = await hbp('data', 'import', 'paper', 'dat', '--json');
  expect(imported).toMatchObject({ code: 0, stderr: '' });
  expect(JSON.parse(imported.stdout)).toMatchObject([
    {
      name: 'paper',
      official: false,
      found: ['sgd', 'cg-ggn', 'cg-pch-abs', 'cg-pch-clip'].map((variant) => ({
        experiment: 'exp01',
        variant,
        remarks: [],
      })),
      strangers: [],
    },
  ]);
});

it('refuses a hostile archive in one line, with the code for data, and leaves nothing', async () => {
  const zip = makeZip([...entriesOf(runFiles(sgdDir, [0])), { name: '../../evil', bytes: 'x' }]);
  writeFileSync(join(folder, 'dat.zip'), zip);
  const ended = await hbp('data', 'import', 'dat.zip', '--data-dir', 'elsewhere');
  expect(ended).toMatchObject({ code: 3, stdout: '' });
  expect(ended.stderr).toMatch(/^hbp: .*dat\.zip is refused: it holds invalid relative path: \.\.\/\.\.\/evil\n$/);
  expect(existsSync(join(folder, 'elsewhere'))).toBe(false);
});

describe('within a process', () => {
  it('writes event files, and says where', async () => {
    const out = await run(exportCommand(), folder, '--format', 'tensorboard', 'exp02', '--original');
    expect(out).toMatch(/in data\/export\/tensorboard/);
    const [file] = readdirSync(join(folder, 'data/export/tensorboard/exp02/blocks-1/seed0'));
    expect(file).toMatch(/tfevents/);
    const again = run(exportCommand(), folder, '--format', 'tensorboard', 'exp02', '--original');
    await expect(again).rejects.toThrow(/is there already; --force replaces it/);
    const json = await run(
      exportCommand(),
      folder,
      '--format',
      'tensorboard',
      'exp02',
      '--original',
      '--force',
      '--json',
    );
    const recorded = fileURLToPath(new URL('../../data/original/exp02/blocks-1', import.meta.url));
    const files = readdirSync(recorded).length; // one for each seed that is recorded
    expect(JSON.parse(json)).toMatchObject([{ experiment: 'exp02', variant: 'blocks-1', files }, {}, {}, {}]);
  });

  it('says what is not there', async () => {
    mkdirSync(join(folder, 'none'));
    await expect(run(exportCommand(), folder, '--format', 'original', '--runs', 'none')).rejects.toThrow(
      'no runs to export in none: `hbp run` makes some',
    );
    await expect(run(exportCommand(), folder, '--format', 'original', 'exp77', '--original')).rejects.toThrow(
      /no runs of an experiment "exp77"/,
    );
  });

  it.each([
    [['--format', 'csv'], /Allowed choices are original, tensorboard/],
    [[], /required option '--format <format>' not specified/],
    [['--format', 'original', '--quick', '--runs', 'x'], /cannot be used with option/],
  ])('refuses %j', async (args, message) => {
    const command = exportCommand().configureOutput({ writeErr: () => undefined });
    await expect(run(command, folder, ...args)).rejects.toThrow(message);
  });
});
