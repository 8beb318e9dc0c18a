import { jest } from '@jest/globals';
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { dataCommand } from '../../src/cli/data.js';
import { RunError } from '../../src/errors.js';
import { gzipped, mnistFiles, temporaryFolder, writeCifar10, writeFiles } from '../lab/datasets/fixtures.js';
import { file, serve, stallAfter } from '../lab/datasets/server.js';
import { runFiles, sgdDir, writeTree } from '../lab/archive/fixtures.js';
import { entriesOf, makeZip } from '../lab/archive/zip-maker.js';

const root = temporaryFolder();
let folders = 0;
const fresh = (): string => {
  const folder = join(root, String(folders++));
  mkdirSync(folder);
  return folder;
};

/** What `hbp data ...` prints. */
async function hbpData(...args: string[]): Promise<{ out: string; err: string }> {
  const [out, err]: [string[], string[]] = [[], []];
  const spies = [
    jest.spyOn(process.stdout, 'write').mockImplementation((text) => out.push(String(text)) > 0),
    jest.spyOn(process.stderr, 'write').mockImplementation((text) => err.push(String(text)) > 0),
  ];
  const command = dataCommand();
  for (const each of [command, ...command.commands]) each.exitOverride();
  try {
    await command.parseAsync(args, { from: 'user' });
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
  return { out: out.join(''), err: err.join('') };
}

const parsed = async (...args: string[]): Promise<unknown> =>
  JSON.parse((await hbpData(...args, '--json')).out) as unknown;

const { url } = await serve({
  '/cifar-10-binary.tar.gz': stallAfter(Buffer.alloc(5000, 1), 2000),
  '/dat.zip': file(makeZip(entriesOf(runFiles(sgdDir, [0])))),
});

describe('hbp data', () => {
  it('status says what is where', async () => {
    const dir = fresh();
    writeCifar10(join(dir, 'cifar-10-batches-bin'));
    writeFiles(join(dir, 'mnist'), { 'train-labels-idx1-ubyte': Buffer.alloc(8) });
    expect(await parsed('status', '--data-dir', dir)).toMatchObject([
      { name: 'cifar10', state: 'complete', official: false, folder: join(dir, 'cifar-10-batches-bin') },
      { name: 'mnist', state: 'broken', folder: join(dir, 'mnist') },
      { name: 'synthetic-cifar10', state: 'generated' },
      { name: 'paper', state: 'missing', official: false },
    ]);
    const { out } = await hbpData('status', '--data-dir', dir);
    expect(out).toMatch(/cifar10 +complete +not known/);
    expect(out).toMatch(/mnist +broken .*train-images-idx3-ubyte is missing/);
    expect(out).toMatch(/paper +not here \(hbp data fetch paper\)/);
  });

  it('looks where HBP_DATA_DIR says', async () => {
    const dir = fresh();
    writeCifar10(dir);
    process.env['HBP_DATA_DIR'] = dir;
    try {
      expect(await parsed('status')).toMatchObject([{ folder: dir }, {}, {}, {}]);
    } finally {
      delete process.env['HBP_DATA_DIR'];
    }
  });

  it('puts into the default folder where HBP_DATA_DIR is empty', async () => {
    const before = process.cwd();
    const folder = fresh();
    writeTree(join(folder, 'dat'), runFiles(sgdDir, [0]));
    process.env['HBP_DATA_DIR'] = '';
    process.chdir(folder);
    try {
      await hbpData('import', 'paper', 'dat');
    } finally {
      process.chdir(before);
      delete process.env['HBP_DATA_DIR'];
    }
    expect(readdirSync(join(folder, 'data', 'datasets'))).toEqual(['paper']);
  });

  it('import takes what is whole, names what is not, and verify agrees', async () => {
    const from = fresh();
    writeFiles(join(from, 'mnist'), gzipped(mnistFiles()));
    writeFiles(join(from, 'cifar-10-batches-bin'), { 'data_batch_1.bin': Buffer.alloc(3073) });
    const dir = fresh();
    const { out, err } = await hbpData('import', from, '--data-dir', dir);
    expect(out).toMatch(/^mnist: in .*mnist, well-formed, not known to be official, sha256:/);
    expect(err).toMatch(/^cifar10 was not imported: .*data_batch_1\.bin has 3073 bytes/);
    expect(await parsed('verify', 'mnist', '--data-dir', dir)).toMatchObject([{ samples: { train: 60_000 } }]);
    await expect(hbpData('import', from, '--as', 'cifar10', '--data-dir', dir)).rejects.toThrow(/has 3073 bytes/);
    await expect(hbpData('import', from, '--as', 'mnist', '--data-dir', dir)).rejects.toThrow(/--force replaces it/);
    await hbpData('import', from, '--as', 'mnist', '--data-dir', dir, '--force');
    expect(readdirSync(dir)).toEqual(['mnist']);
  });

  it("import takes the authors' runs by name, by option and by their look, and says what it found", async () => {
    const zip = join(fresh(), 'dat.zip');
    const stranger = sgdDir.replace('batch_500', 'batch_50');
    const files = { ...runFiles(sgdDir, [0, 1, 2, 5]), ...runFiles(stranger, [7]), 'notes.txt': 'x' };
    writeFileSync(zip, makeZip(entriesOf(files, 'dat/')));
    const dir = fresh();
    const { out } = await hbpData('import', 'paper', zip, '--data-dir', dir);
    expect(out).toMatch(
      /^paper: in .*paper, not known to be official, sha256:[0-9a-f]{64}\n1 file of other kinds left out/,
    );
    expect(out).toMatch(/\nexp01\/sgd +SGD +0-2,5 +3/);
    expect(out).toMatch(/Variants without runs:\n {2}exp01\/cg-ggn\n/);
    expect(out).toContain(`Runs of no variant:\n  ${stranger} (seeds 7)`);
    expect(await parsed('verify', 'paper', '--data-dir', dir)).toMatchObject([
      { name: 'paper', official: false, found: [{ variant: 'sgd', seeds: [0, 1, 2, 5], evaluations: [3, 3] }] },
    ]);
    expect((await hbpData('status', '--data-dir', dir)).out).toMatch(/paper +complete +not known/);
    await expect(hbpData('import', zip, '--data-dir', dir)).rejects.toThrow(/paper is there already; --force/);
    const unpacked = writeTree(fresh(), runFiles(sgdDir, [0]));
    for (const args of [[unpacked], [unpacked, '--as', 'paper'], ['paper', unpacked, '--as', 'paper']]) {
      expect(await parsed('import', ...args, '--data-dir', dir, '--force')).toMatchObject([
        { name: 'paper', leftOut: 0, found: [{ seeds: [0] }] },
      ]);
    }
    expect(readdirSync(dir)).toEqual(['paper']);
  });

  it('fetch refuses another file than the published dat.zip', async () => {
    const dir = fresh();
    await expect(hbpData('fetch', 'paper', '--from', url, '--data-dir', dir)).rejects.toThrow(
      /dat\.zip could not be downloaded: .*git blob id/,
    );
    expect(readdirSync(dir)).toEqual([]);
  });

  it('verify reports every dataset before it fails for one', async () => {
    const dir = fresh();
    writeCifar10(join(dir, 'cifar-10-batches-bin'), { 'test_batch.bin': Uint8Array.of(99) });
    writeFiles(join(dir, 'mnist'), mnistFiles());
    await expect(hbpData('verify', 'cifar10', '--data-dir', dir)).rejects.toThrow(/record 0: label 99/);
    await expect(hbpData('verify', '--data-dir', dir)).rejects.toThrow(/record 0: label 99/);
    await expect(hbpData('verify', 'mnist', '--data-dir', fresh())).rejects.toThrow(/hbp data fetch mnist/);
  });

  it('fetch ends in good order on Ctrl-C: only the part stays', async () => {
    const dir = fresh();
    const fetching = hbpData('fetch', 'cifar10', '--from', url, '--data-dir', dir);
    const part = join(dir, 'cifar-10-binary.tar.gz.part');
    const interrupt = setInterval(() => {
      if (existsSync(part)) process.emit('SIGINT');
    }, 20);
    await expect(fetching.finally(() => clearInterval(interrupt))).rejects.toThrow(
      new RunError('interrupted: what came so far is kept, run again to go on'),
    );
    expect(readdirSync(dir)).toEqual(['cifar-10-binary.tar.gz.part']);
    expect(process.listenerCount('SIGINT')).toBe(0);
  });

  it('fetch says in one line what a server answered', async () => {
    await expect(hbpData('fetch', 'mnist', '--from', `${url}/a`, '--data-dir', fresh())).rejects.toThrow(
      `train-images-idx3-ubyte.gz could not be downloaded: ${url}/a/train-images-idx3-ubyte.gz answered 404 Not Found`,
    );
  });

  it.each([
    [['fetch', 'cifar'], /Allowed choices are cifar10, mnist, synthetic-cifar10/],
    [['import', '.', '--as', 'synthetic-cifar10'], /Allowed choices are cifar10, mnist, paper/],
    [['import', 'paper'], /where is it\? hbp data import paper <path>/],
    [['import', 'papr', 'dat.zip'], /found "papr" before a path, did you mean "paper"/],
    [['import', 'mnist', '.', '--as', 'paper'], /mnist cannot be imported --as paper/],
    [['import', 'paper', 'nowhere.zip'], /nowhere\.zip does not exist/],
  ])('refuses %j', async (args, message) => {
    await expect(hbpData(...args)).rejects.toThrow(message);
  });

  it.each(['status', 'fetch', 'import', 'verify'])('%s --help shows examples', async (name) => {
    const command = dataCommand().commands.find((each) => each.name() === name)!;
    const text: string[] = [];
    command.configureOutput({ writeOut: (part) => text.push(part) }).outputHelp();
    expect(text.join('')).toMatch(new RegExp(`Examples:\\n  hbp data ${name}`));
    await Promise.resolve();
  });
});
