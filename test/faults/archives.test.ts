/** Archives that climb out, link, lie or never end: refused in one line, within bounds, and nothing is left of them. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { Header } from 'tar';
import { DataError, messageOf } from '../../src/errors.js';
import { importPaper } from '../../src/lab/archive/paper.js';
import { findSources, importDataset } from '../../src/lab/datasets/import.js';
import { mnist } from '../../src/lab/datasets/mnist.js';
import { runFiles, sgdDir } from '../lab/archive/fixtures.js';
import { entriesOf, makeZip, type ZipEntry } from '../lab/archive/zip-maker.js';
import { gzipped, mnistFiles, writeFiles } from '../lab/datasets/fixtures.js';
import { faultsOf, pick } from './matrix.js';

const fault = faultsOf('6-archives');
const root = mkdtempSync(join(tmpdir(), 'hbp-faults-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
let count = 0;

/** An import that must be refused: nothing is in the data dir after it, and nothing beside it. */
async function expectRefused(reason: RegExp, action: (dataDir: string) => Promise<unknown>): Promise<void> {
  const inside = join(root, `place${count++}`);
  const dataDir = join(inside, 'datasets');
  mkdirSync(dataDir, { recursive: true });
  const outcome = await action(dataDir).catch((error: unknown) => error);
  expect(outcome).toBeInstanceOf(DataError);
  expect(messageOf(outcome)).toMatch(reason);
  expect(messageOf(outcome)).not.toContain('\n');
  expect(readdirSync(inside)).toEqual(['datasets']);
  expect(readdirSync(dataDir)).toEqual([]);
  expect(existsSync('/tmp/hbp-escaped')).toBe(false);
}

const file = (bytes: Uint8Array, name: string): string => {
  const path = join(root, `${count++}-${name}`);
  writeFileSync(path, bytes);
  return path;
};

const good = entriesOf(runFiles(sgdDir, [0]));
const escapes = [
  '../hbp-escaped',
  '../../../../tmp/hbp-escaped',
  '/tmp/hbp-escaped',
  'a/../../hbp-escaped',
  'C:/hbp-escaped',
];

const zips: Readonly<Record<string, readonly [(path: string) => ZipEntry, RegExp]>> = {
  'a path that leads out': [(path) => ({ name: path, bytes: 'x' }), /refused: it holds/],
  'a link': [(path) => ({ name: `${sgdDir}/seed0/link`, bytes: path, mode: 0o120777 }), /refused: it holds the link/],
  'an encrypted file': [() => ({ name: 'secret', bytes: 'x', flags: 1 }), /refused: it holds the encrypted/],
};
for (const [what, [entry, reason]] of Object.entries(zips)) {
  fault(`zip with ${what}`, { short: 3, long: 20 }, async (random) => {
    const at = random.int(good.length + 1);
    const entries = [...good.slice(0, at), entry(pick(random, escapes)), ...good.slice(at)];
    await expectRefused(reason, (dir) => importPaper(file(makeZip(entries), 'dat.zip'), dir));
  });
}

fault('zip bomb, honest or lying about its size', { short: 2, long: 10 }, async (random) => {
  const bytes = Buffer.alloc(40e6);
  const path = `${sgdDir}/seed0/train_loss.csv`;
  const claimed = random.int(2) === 0 ? {} : { claimedSize: 1 + random.int(1000) };
  const zip = makeZip([...good.filter(({ name }) => name !== path), { name: path, bytes, ...claimed }]);
  await expectRefused(/refused: it holds more bytes|not a whole zip archive/, (dir) =>
    importPaper(file(zip, 'dat.zip'), dir),
  );
});

fault('zip that is torn or has a flipped bit', { short: 5, long: 100 }, async (random) => {
  const zip = makeZip(good);
  const path = file(zip.subarray(0, random.int(zip.length)), 'dat.zip');
  await expectRefused(/not a whole zip archive|refused/, (dir) => importPaper(path, dir));
});

/** The header of an entry of a tar archive. */
function tarHeader(path: string, size: number, type: 'File' | 'SymbolicLink' | 'Link' = 'File', linkpath = ''): Buffer {
  const block = Buffer.alloc(512);
  new Header({ path, type, size, mode: 0o644, mtime: new Date(0), linkpath }).encode(block);
  return block;
}

const importTar = (path: string) => async (dir: string) => {
  const [source] = await findSources(path);
  return importDataset(source!, dir);
};
const tarEnd = Buffer.alloc(1024);

fault('tar with a path that leads out, or a link', { short: 4, long: 40 }, async (random) => {
  const escape = pick(random, escapes);
  const header = pick(random, [
    tarHeader(escape, 0),
    tarHeader('data_batch_1.bin', 0, 'SymbolicLink', escape),
    tarHeader('data_batch_1.bin', 0, 'Link', escape),
  ]);
  const tar = Buffer.concat([header, tarHeader('data_batch_2.bin', 0), tarEnd]);
  const path = file(random.int(2) === 0 ? tar : gzipSync(tar), 'cifar.tar');
  await expectRefused(/refused: it holds the (path|link)/, importTar(path));
});

fault('tar bomb: 1 GB in 1 MB', { short: 1, long: 3 }, async () => {
  const zeros = gzipSync(Buffer.alloc(1e8));
  const tar = Buffer.concat([gzipSync(tarHeader('data_batch_1.bin', 1e9)), ...Array<Buffer>(10).fill(zeros)]);
  const before = process.memoryUsage().rss;
  await expectRefused(/refused: it holds more than \d+ bytes/, importTar(file(tar, 'cifar.tar.gz')));
  expect(process.memoryUsage().rss - before).toBeLessThan(300e6);
});

fault('gzip bomb in place of a file of MNIST', { short: 1, long: 3 }, async () => {
  const folder = join(root, `mnist${count++}`);
  const bomb = gzipSync(Buffer.concat([mnistFiles()['t10k-labels-idx1-ubyte']!, Buffer.alloc(3e8)]), { level: 1 });
  writeFiles(folder, { ...gzipped(mnistFiles()), 't10k-labels-idx1-ubyte.gz': bomb });
  expect(statSync(join(folder, 't10k-labels-idx1-ubyte.gz')).size).toBeLessThan(3e6);
  const before = process.memoryUsage().rss;
  await expectRefused(/t10k-labels-idx1-ubyte\.gz holds more than 10008 bytes/, (dir) =>
    importDataset({ kind: mnist, form: 'folder', path: folder }, dir),
  );
  expect(process.memoryUsage().rss - before).toBeLessThan(400e6);
});
