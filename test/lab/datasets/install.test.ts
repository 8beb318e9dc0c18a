/** Fetching and importing: what is there afterwards, and that nothing half-done ever is. */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { create, Header } from 'tar';
import type { Checksum } from '../../../src/lab/datasets/checksum.js';
import { cifar10 } from '../../../src/lab/datasets/cifar10.js';
import { fetchDataset, fetchStored } from '../../../src/lab/datasets/fetch.js';
import { findSources, importDataset } from '../../../src/lab/datasets/import.js';
import { loadDataset } from '../../../src/lab/datasets/index.js';
import type { StoredKind } from '../../../src/lab/datasets/kind.js';
import { mnist } from '../../../src/lab/datasets/mnist.js';
import { statusOf, verifyDataset } from '../../../src/lab/datasets/verify.js';
import { cifarFiles, gzipped, mnistFiles, temporaryFolder, writeCifar10, writeFiles } from './fixtures.js';
import { file, serve, stallAfter } from './server.js';

const root = temporaryFolder();
let folders = 0;
const fresh = (): string => {
  const folder = join(root, 'fresh', String(folders++));
  mkdirSync(folder, { recursive: true });
  return folder;
};
afterEach(() => rmSync(join(root, 'fresh'), { recursive: true, force: true })); // CIFAR-10 is large
const md5 = (bytes: Uint8Array): Checksum => ({
  algorithm: 'md5',
  digest: createHash('md5').update(bytes).digest('hex'),
});
/** Everything in a folder, hidden things too. */
const contents = (folder: string): string[] => readdirSync(folder).sort();

const cifarTree = join(root, 'cifar', 'cifar-10-batches-bin');
writeCifar10(cifarTree, { 'test_batch.bin': Uint8Array.of(6) });
writeFileSync(join(cifarTree, 'readme.html'), 'hello');
const cifarArchive = join(root, 'cifar', 'cifar-10-binary.tar.gz');
await create({ file: cifarArchive, cwd: join(root, 'cifar'), gzip: { level: 1 } }, ['cifar-10-batches-bin']);
const archiveBytes = readFileSync(cifarArchive);
const digits = gzipped(mnistFiles());

const { url, log } = await serve({
  '/cifar-10-binary.tar.gz': file(archiveBytes),
  '/stalled.tar.gz': stallAfter(archiveBytes, 1000),
  ...Object.fromEntries(Object.entries(digits).map(([name, bytes]) => [`/${name}`, file(bytes)])),
});
const cifarHere: StoredKind = {
  ...cifar10,
  downloads: [{ file: 'cifar-10-binary.tar.gz', checksum: md5(archiveBytes), urls: [`${url}/cifar-10-binary.tar.gz`] }],
};
const mnistHere: StoredKind = {
  ...mnist,
  downloads: mnist.downloads.map((item) => ({
    ...item,
    checksum: md5(digits[item.file]!),
    urls: [`${url}/nowhere`, `${url}/${item.file}`],
  })),
};

describe('fetching', () => {
  it('puts an unpacked archive in place, and nothing else', async () => {
    const dir = join(fresh(), 'not', 'there', 'yet');
    const installed = await fetchStored(cifarHere, dir);
    expect(installed).toMatchObject({ folder: join(dir, 'cifar-10-batches-bin'), official: true });
    expect(contents(dir)).toEqual(['cifar-10-batches-bin']);
    expect(contents(installed.folder)).toEqual([...cifarFiles, 'hbp-receipt.json'].sort());
    const dataset = await loadDataset('cifar10', { dataDirs: [dir], trainSamples: 5, testSamples: 1 });
    expect([dataset.train.count, dataset.test.labels[0], dataset.source]).toEqual([5, 6, installed.folder]);
    expect(await statusOf('cifar10', [dir])).toMatchObject({ state: 'complete', official: true });
    expect(await verifyDataset('cifar10', [dir])).toMatchObject({ official: true, fingerprint: installed.fingerprint });
  });

  it('puts single files in place, from the mirror that has them', async () => {
    const dir = fresh();
    const { folder } = await fetchStored(mnistHere, dir);
    expect(contents(dir)).toEqual(['mnist']);
    expect(contents(folder)).toEqual([...Object.keys(digits), 'hbp-receipt.json'].sort());
    const { train, shape } = await loadDataset('mnist', { dataDirs: [dir] });
    expect([train.count, train.labels[0], shape]).toEqual([60_000, 5, [28, 28, 1]]);
  });

  it('leaves a right but unusable file as a part and nothing else', async () => {
    const dir = fresh();
    const first = mnistHere.downloads[0]!;
    const swapped = { ...first, file: mnistHere.downloads[2]!.file };
    await expect(
      fetchStored({ ...mnistHere, downloads: [first, swapped, ...mnistHere.downloads.slice(3)] }, dir),
    ).rejects.toThrow(/train-labels-idx1-ubyte is missing|number of pictures 60000, expected 10000/);
    expect(contents(dir).every((name) => name.endsWith('.part'))).toBe(true);
  });

  it('leaves only the part when interrupted, and goes on from it', async () => {
    const dir = fresh();
    const [item] = cifarHere.downloads;
    const controller = new AbortController();
    const onProgress = ({ received }: { received: number }): void => {
      if (received === 1000) controller.abort(new Error('interrupted'));
    };
    const stalled = { ...cifarHere, downloads: [{ ...item!, urls: [`${url}/stalled.tar.gz`] }] };
    await expect(fetchStored(stalled, dir, { signal: controller.signal, onProgress })).rejects.toThrow('interrupted');
    expect(contents(dir)).toEqual(['cifar-10-binary.tar.gz.part']);
    await fetchStored(cifarHere, dir);
    expect(log.at(-1)).toBe('/cifar-10-binary.tar.gz from 1000');
    expect(contents(dir)).toEqual(['cifar-10-batches-bin']);
  });

  it('does not touch what is there without force', async () => {
    const dir = fresh();
    writeFiles(join(dir, 'mnist'), { mine: Buffer.from('precious') });
    const before = log.length;
    await expect(fetchStored(mnistHere, dir)).rejects.toThrow(/mnist is there already; --force replaces it/);
    expect(log.length).toBe(before);
    expect(contents(join(dir, 'mnist'))).toEqual(['mine']);
    await fetchStored(mnistHere, dir, { force: true });
    expect(contents(join(dir, 'mnist'))).not.toContain('mine');
    expect(contents(dir)).toEqual(['mnist']);
  });

  it('holds a mirror to the official checksums', async () => {
    const dir = fresh();
    await expect(fetchDataset('cifar10', dir, { from: url })).rejects.toThrow(
      /cifar-10-binary\.tar\.gz sent a file with md5 .*, expected c32a1d4ab5d03f1284b67883e8d87530/,
    );
    expect(contents(dir)).toEqual([]);
  });

  it('writes the generated set in the format of CIFAR-10', async () => {
    const dir = fresh();
    const { folder } = await fetchDataset('synthetic-cifar10', dir);
    expect(contents(folder)).toEqual([...cifarFiles, 'hbp-receipt.json'].sort());
    const generated = await loadDataset('synthetic-cifar10', { dataDirs: [], trainSamples: 7, testSamples: 7 });
    const written = await loadDataset('cifar10', { dataDirs: [folder], trainSamples: 7, testSamples: 7 });
    expect(written.fingerprint).toBe(generated.fingerprint);
    expect(await verifyDataset('synthetic-cifar10', [dir])).toMatchObject({ folder });
    expect((await statusOf('cifar10', [dir])).state).toBe('missing');
  });
});

describe('importing', () => {
  it.each([
    ['an archive', cifarArchive, 'archive'],
    ['the extracted folder', cifarTree, 'folder'],
    ['a folder with the extracted folder', join(root, 'cifar'), 'folder'],
  ])('takes %s', async (_what, path, form) => {
    const dir = fresh();
    const [source, ...others] = await findSources(path);
    expect(others).toEqual([]);
    expect(source).toMatchObject({ form, kind: { name: 'cifar10' } });
    const { folder, official } = await importDataset(source!, dir);
    expect(official).toBe(false);
    expect(contents(dir)).toEqual(['cifar-10-batches-bin']);
    expect(contents(folder)).toEqual([...cifarFiles, 'hbp-receipt.json'].sort());
  });

  it('takes a folder with an archive, and several datasets at once', async () => {
    const path = fresh();
    writeFileSync(join(path, 'cifar-10-binary.tar.gz'), archiveBytes);
    writeFiles(join(path, 'MNIST', 'raw'), digits);
    const sources = await findSources(path);
    expect(sources.map(({ kind, form }) => [kind.name, form])).toEqual([
      ['cifar10', 'archive'],
      ['mnist', 'folder'],
    ]);
    expect((await findSources(path, 'mnist')).map(({ kind }) => kind.name)).toEqual(['mnist']);
    const dir = fresh();
    for (const source of sources) await importDataset(source, dir);
    expect(contents(dir)).toEqual(['cifar-10-batches-bin', 'mnist']);
  });

  it('takes an archive of MNIST files, plain tar', async () => {
    const path = fresh();
    writeFiles(join(path, 'x', 'y'), digits);
    const archive = join(path, 'digits.tar');
    await create({ file: archive, cwd: path }, ['x']);
    const [source] = await findSources(archive);
    const dir = fresh();
    await importDataset(source!, dir);
    expect((await statusOf('mnist', [dir])).state).toBe('complete');
  });

  it('shows nothing that has not been read and found right in full', async () => {
    const path = writeCifar10(join(fresh(), 'mine'), { 'data_batch_5.bin': Uint8Array.of(11) });
    const dir = fresh();
    const [source] = await findSources(path);
    await expect(importDataset(source!, dir)).rejects.toThrow(
      `${join(path, 'data_batch_5.bin')}, record 0: label 11, expected 0 to 9`,
    );
    expect(contents(dir)).toEqual([]);
  });

  it('names what is missing', async () => {
    const path = writeFiles(fresh(), { 't10k-images-idx3-ubyte.gz': digits['t10k-images-idx3-ubyte.gz']! });
    const [source] = await findSources(path);
    await expect(importDataset(source!, fresh())).rejects.toThrow(/train-images-idx3-ubyte is missing/);
    await expect(findSources(join(path, 'nowhere'))).rejects.toThrow(/nowhere does not exist/);
    await expect(findSources(fresh())).rejects.toThrow(/holds no cifar10 \(data_batch_1\.bin, \.\.\.\) or mnist/);
  });

  it('leaves nothing when interrupted', async () => {
    const dir = fresh();
    const [source] = await findSources(cifarTree);
    const signal = AbortSignal.abort(new Error('interrupted'));
    await expect(importDataset(source!, dir, { signal })).rejects.toThrow('interrupted');
    expect(contents(dir)).toEqual([]);
  });
});

describe('a bad archive', () => {
  /** A tar file of one entry, whatever its path. */
  const archiveOf = (path: string, type: 'File' | 'SymbolicLink', linkpath?: string): string => {
    const block = Buffer.alloc(512);
    new Header({ path, type, size: 0, mode: 0o644, mtime: new Date(0), ...(linkpath ? { linkpath } : {}) }).encode(
      block,
    );
    const archive = join(root, `bad${folders++}.tar`);
    writeFileSync(archive, Buffer.concat([block, Buffer.alloc(1024)]));
    return archive;
  };

  it.each([
    ['a path that climbs out', archiveOf('../data_batch_1.bin', 'File'), /refused: it holds the path \.\.\/data_batch/],
    ['an absolute path', archiveOf('/tmp/data_batch_1.bin', 'File'), /refused: it holds the path \/tmp\/data_batch/],
    ['a link', archiveOf('data_batch_1.bin', 'SymbolicLink', '/etc/passwd'), /refused: it holds the link data_batch/],
  ])('is refused for %s', async (_what, archive, message) => {
    await expect(findSources(archive)).rejects.toThrow(message);
    const dir = fresh();
    await expect(importDataset({ kind: cifar10, form: 'archive', path: archive }, dir)).rejects.toThrow(message);
    expect(contents(dir)).toEqual([]);
  });

  it('is refused for the same file twice', async () => {
    const path = fresh();
    for (const copy of ['a', 'b']) writeFiles(join(path, copy), { 'train-labels-idx1-ubyte': Buffer.alloc(9) });
    await create({ file: join(path, 'twice.tgz'), cwd: path, gzip: true }, ['a', 'b']);
    const [source] = await findSources(join(path, 'twice.tgz'));
    await expect(importDataset(source!, fresh())).rejects.toThrow(/holds train-labels-idx1-ubyte more than once/);
  });

  it.each([
    ['cut short', archiveBytes.subarray(0, archiveBytes.length >> 1)],
    ['no archive', Buffer.from('<html>no</html>'.repeat(100))],
  ])('is refused when it is %s', async (_what, bytes) => {
    const archive = join(fresh(), 'cifar-10-binary.tar.gz');
    writeFileSync(archive, bytes);
    await expect(findSources(archive)).rejects.toThrow(/is not a whole tar archive/);
  });

  it('follows links of the person importing, not of an archive', async () => {
    const path = fresh();
    symlinkSync(cifarTree, join(path, 'cifar-10-batches-bin'));
    const [source] = await findSources(path);
    const dir = fresh();
    await importDataset(source!, dir);
    expect((await statusOf('cifar10', [dir])).state).toBe('complete');
    expect(existsSync(join(cifarTree, 'data_batch_1.bin'))).toBe(true);
  });
});
