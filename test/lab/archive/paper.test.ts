/** The authors' archive on its way into a data dir: made archives, good ones and hostile ones. */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  fetchPaper,
  importPaper,
  looksLikePaper,
  paperDownload,
  paperStatus,
  verifyPaper,
} from '../../../src/lab/archive/paper.js';
import { surveyTree } from '../../../src/lab/archive/survey.js';
import { gitBlob } from '../../../src/lab/datasets/checksum.js';
import { loadAllExperiments } from '../../../src/lab/config/load.js';
import { temporaryFolder } from '../datasets/fixtures.js';
import { file, page, serve, stallAfter } from '../datasets/server.js';
import { adamDir, experimentsDir, runFiles, seedCsv, sgdDir, writeTree, type Files } from './fixtures.js';
import { entriesOf, makeZip, type ZipEntry } from './zip-maker.js';

const root = temporaryFolder();
let made = 0;
const fresh = (): string => {
  const folder = join(root, String(made++));
  mkdirSync(folder);
  return folder;
};
const write = (bytes: Uint8Array | string, name = 'dat.zip'): string => {
  const path = join(fresh(), name);
  writeFileSync(path, bytes);
  return path;
};
const pathsIn = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name).slice(folder.length + 1))
    .sort();

const tree: Files = {
  ...runFiles(sgdDir, [0, 1]),
  ...runFiles(adamDir, [3]),
  [`${sgdDir}/train_loss.csv`]: 'step,seed0\n',
};
const others: Files = {
  [`${sgdDir}/seed0/events.out.tfevents.1`]: 'x',
  [`${sgdDir}/seed0/lr.csv`]: 'x',
  'readme.txt': 'x',
  [`__MACOSX/${sgdDir}/._train_loss.csv`]: 'x',
};
const installed = [...Object.keys(tree), 'hbp-receipt.json'].sort();
const zipBytes = makeZip(entriesOf({ ...tree, ...others }, 'dat/'));
const blobOf = (bytes: Uint8Array): string =>
  createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex');

describe('importing', () => {
  it.each([
    ['with a top folder', () => write(zipBytes), 4],
    ['without', () => write(makeZip(entriesOf(tree))), 0],
    ['two folders down, under any name', () => write(makeZip(entriesOf(tree, 'a/b/')), 'x.bin'), 0],
    ['a folder of it', () => writeTree(fresh(), { ...tree, ...others }), 4],
    ['a folder above', () => join(writeTree(fresh(), { ...Object.fromEntries(Object.entries(tree).map(([path, text]) => [`x/dat/${path}`, text])) }), 'x'), 0], // prettier-ignore
  ])('takes the metric files of a tree and nothing else: %s', async (_what, make, leftOut) => {
    const dir = join(fresh(), 'not', 'there');
    const source = make();
    const result = await importPaper(source, dir);
    expect(result).toMatchObject({ folder: join(dir, 'paper'), official: false, leftOut, source });
    expect(readdirSync(dir)).toEqual(['paper']);
    expect(pathsIn(result.folder)).toEqual(installed);
    expect(readFileSync(join(result.folder, adamDir, 'seed3/test_acc.csv'), 'utf8')).toBe(seedCsv(3, 2));
    expect(await paperStatus([dir])).toMatchObject({ state: 'complete', official: false, folder: result.folder });
    expect(await verifyPaper([dir])).toMatchObject({ official: false, fingerprint: result.fingerprint });
  });

  it('gives a zip archive and its folder the same fingerprint, and keeps the size and id of the zip', async () => {
    const zip = await importPaper(write(zipBytes), fresh());
    const folder = await importPaper(writeTree(fresh(), tree), fresh());
    expect(zip.fingerprint).toBe(folder.fingerprint);
    const receipt: unknown = JSON.parse(readFileSync(join(zip.folder, 'hbp-receipt.json'), 'utf8'));
    expect(receipt).toMatchObject({ official: false, archive: { bytes: zipBytes.length, blob: blobOf(zipBytes) } });
  });

  it('does not touch what is there without force', async () => {
    const dir = fresh();
    const mine = join(dir, 'paper', 'mine');
    writeTree(dir, { 'paper/mine': 'precious' });
    await expect(importPaper(write(zipBytes), dir)).rejects.toThrow(/paper is there already; --force replaces it/);
    await expect(importPaper(write('no zip'), dir, { force: true })).rejects.toThrow(/not a whole zip archive/);
    expect(readFileSync(mine, 'utf8')).toBe('precious');
    await importPaper(write(zipBytes), dir, { force: true });
    expect(existsSync(mine)).toBe(false);
    expect(readdirSync(dir)).toEqual(['paper']);
  });

  it('notices files that changed since, and a folder that holds none', async () => {
    const dir = fresh();
    const { folder } = await importPaper(write(zipBytes), dir);
    writeTree(folder, { [`${sgdDir}/seed0/test_acc.csv`]: seedCsv(0, 0) });
    await expect(verifyPaper([dir])).rejects.toThrow(/paper has changed since it was put there/);
    rmSync(folder, { recursive: true });
    mkdirSync(folder);
    expect(await paperStatus([dir])).toMatchObject({
      state: 'broken',
      reason: expect.stringContaining('holds no runs') as string,
    });
    rmSync(folder, { recursive: true });
    expect(await paperStatus([dir])).toMatchObject({ state: 'missing', searched: [dir] });
    await expect(verifyPaper([dir])).rejects.toThrow(/hbp data fetch paper.*hbp data import paper <dat\.zip\|folder>/);
  });

  it('is stopped in good order', async () => {
    const dir = fresh();
    const signal = AbortSignal.abort(new Error('stop'));
    await expect(importPaper(write(zipBytes), dir, { signal })).rejects.toThrow('stop');
    await expect(importPaper(writeTree(fresh(), tree), dir, { signal })).rejects.toThrow('stop');
    expect(readdirSync(dir)).toEqual([]);
  });

  it('is recognised', async () => {
    expect(await looksLikePaper(write(zipBytes, 'renamed'))).toBe(true);
    expect(await looksLikePaper(write('anything', 'some.zip'))).toBe(true);
    expect(await looksLikePaper(writeTree(fresh(), tree))).toBe(true);
    expect(await looksLikePaper(write('anything', 'some.tar'))).toBe(false);
    expect(await looksLikePaper(fresh())).toBe(false);
    expect(await looksLikePaper(join(root, 'nowhere'))).toBe(false);
  });
});

const small = { entries: 40, fileBytes: 1000, totalBytes: 10_000 };
const good = entriesOf(runFiles(sgdDir, [0]), 'dat/');
const one = (change: Partial<ZipEntry> = {}): ZipEntry => ({ ...good[0]!, ...change });
const zeros = new Uint8Array(50_000);
const many = (count: number, bytes: string): ZipEntry[] =>
  Array.from({ length: count }, (_, seed) => ({ name: `${sgdDir}/seed${seed}/test_acc.csv`, bytes }));

describe('refusing', () => {
  it.each<[string, Uint8Array | string, RegExp]>([
    [
      'a path that leads out',
      makeZip([...good, { name: '../evil.csv', bytes: 'x' }]),
      /refused: it holds invalid relative path: \.\.\/evil\.csv$/,
    ],
    [
      'a path that leads out from within',
      makeZip([...good, { name: 'dat/a/../../evil', bytes: 'x' }]),
      /refused.*invalid relative path/,
    ],
    ['an absolute path', makeZip([...good, { name: '/etc/evil', bytes: 'x' }]), /refused.*absolute path: \/etc\/evil$/],
    ['a drive', makeZip([...good, { name: 'C:/evil', bytes: 'x' }]), /refused.*absolute path: C:\/evil$/],
    ['backslashes', makeZip([...good, { name: '..\\evil', bytes: 'x' }]), /refused.*invalid characters/],
    ['a NUL in a path', makeZip([...good, { name: 'a\0b', bytes: 'x' }]), /refused.*the path a\\u0000b$/],
    [
      'what a terminal would obey',
      makeZip([...good, { name: '../\x1b[2J', bytes: 'x' }]),
      /invalid relative path: \.\.\/\\u001b\[2J$/,
    ],
    [
      'a link',
      makeZip([...good, { name: 'dat/link', bytes: '/etc/passwd', mode: 0o120777, stored: true }]),
      /refused: it holds the link dat\/link$/,
    ],
    [
      'an encrypted entry',
      makeZip([...good, { name: 'dat/secret', bytes: 'x', flags: 1 }]),
      /refused: it holds the encrypted dat\/secret$/,
    ],
    [
      'strong encryption',
      makeZip([...good, { name: 'dat/secret', bytes: 'x', flags: 0x40 }]),
      /refused: it holds strong encryption/,
    ],
    ['too many entries', makeZip([...good, ...many(35, 'x')]), /refused: it holds more than 40 entries$/],
    [
      'a file too large',
      makeZip([one({ bytes: zeros })]),
      /refused: it holds more bytes in .*batch_acc\.csv than the limit of 1000$/,
    ],
    [
      'too much in all',
      makeZip(many(11, 'x'.repeat(999))),
      /refused: it holds more bytes in .*seed10\/test_acc\.csv than the limit of 10$/,
    ],
    [
      'a size that is a lie',
      makeZip([one({ bytes: zeros, claimedSize: 10 })]),
      /not a whole zip archive: too many bytes in the stream/,
    ],
    [
      'a size that is a lie the other way',
      makeZip([one({ claimedSize: 900 })]),
      /not a whole zip archive: not enough bytes in the stream/,
    ],
    ['a stored size that is a lie', makeZip([one({ stored: true, claimedSize: 1 })]), /not a whole zip archive/],
    ['a wrong checksum', makeZip([one({ claimedCrc: 1 })]), /not a whole zip archive: the checksum of .* is wrong$/],
    ['two of a name', makeZip([one(), one({ bytes: 'other' })]), /refused: it holds .*batch_acc\.csv more than once$/],
    ['a truncated archive', zipBytes.subarray(0, zipBytes.length - 30), /not a whole zip archive/],
    ['the rest of an archive', zipBytes.subarray(100), /not a whole zip archive/],
    ['something else', 'hello, I am a page', /not a whole zip archive/],
    ['an archive of other things', makeZip(entriesOf(others)), /dat\.zip holds no runs in the authors' layout/],
    ['an empty archive', makeZip([]), /holds no runs/],
    ['names that no run has', makeZip([{ name: `a b/c/d/train_loss.csv`, bytes: 'x' }]), /holds no runs/],
  ])('%s', async (_what, bytes, message) => {
    const parent = fresh();
    const dir = join(parent, 'datasets');
    await expect(importPaper(write(bytes), dir, { limits: small })).rejects.toThrow(message);
    expect(readdirSync(parent)).toEqual([]);
    expect(existsSync(join(root, 'evil.csv'))).toBe(false);
  });

  it('a folder with too many or too large files, or none; links in it are not followed', async () => {
    const dir = fresh();
    const from = writeTree(fresh(), runFiles(sgdDir, [0]));
    const limits = { ...small, entries: 100 };
    await expect(importPaper(from, dir, { limits: { ...limits, entries: 5 } })).rejects.toThrow(/more than 5 entries/);
    await expect(importPaper(from, dir, { limits: { ...limits, fileBytes: 10 } })).rejects.toThrow(/more bytes in/);
    await expect(importPaper(from, dir, { limits: { ...limits, totalBytes: 100 } })).rejects.toThrow(/more bytes in/);
    await expect(importPaper(fresh(), dir)).rejects.toThrow(/holds no runs in the authors' layout/);
    await expect(importPaper(join(root, 'nowhere'), dir)).rejects.toThrow(/nowhere does not exist/);
    const linked = fresh();
    symlinkSync(join(from, 'exp01_reproduce_chen_figures'), join(linked, 'exp01_reproduce_chen_figures'));
    await expect(importPaper(linked, dir)).rejects.toThrow(/holds no runs/);
    expect(readdirSync(dir)).toEqual([]);
  });
});

const what = { ...paperDownload, checksum: gitBlob(blobOf(zipBytes)) };
const { url, log } = await serve({
  '/dat.zip': file(zipBytes),
  '/stalled/dat.zip': stallAfter(zipBytes, 500),
  '/page/dat.zip': page('text/html'),
  '/disguised/dat.zip': page('application/zip'),
  '/hostile/dat.zip': file(makeZip([...good, { name: '../evil.csv', bytes: 'x' }])),
});

describe('fetching', () => {
  it('brings, verifies and unpacks it', async () => {
    const dir = fresh();
    const result = await fetchPaper(dir, { from: url, what });
    expect(result).toMatchObject({ official: true, source: `${url}/dat.zip`, leftOut: 4 });
    expect(readdirSync(dir)).toEqual(['paper']);
    expect(pathsIn(result.folder)).toEqual(installed);
    expect(await verifyPaper([dir])).toMatchObject({ official: true });
    await expect(fetchPaper(dir, { from: url, what })).rejects.toThrow(/--force replaces it/);
  });

  it('goes on where an earlier try stopped', async () => {
    const dir = fresh();
    const stop = new AbortController();
    const onProgress = ({ received }: { received: number }): void => {
      if (received === 500) stop.abort(new Error('stopped'));
    };
    const from = `${url}/stalled/`;
    await expect(fetchPaper(dir, { from, what, signal: stop.signal, onProgress })).rejects.toThrow('stopped');
    expect(readdirSync(dir)).toEqual(['dat.zip.part']);
    await fetchPaper(dir, { from: url, what });
    expect(log.at(-1)).toBe('/dat.zip from 500');
    expect(readdirSync(dir)).toEqual(['paper']);
  });

  it.each([
    ['/page', /sent a web page, not the file/],
    ['/disguised', /sent a web page, not the file/],
    ['/nowhere', /answered 404/],
    // The published id, of a file that is not here.
    ['', /sent a file with git blob id [0-9a-f]{40}, expected c3627561cb1f6413bd913b9966313e30ad799c81$/],
  ])('refuses what is not it: %s', async (path, message) => {
    const dir = fresh();
    await expect(fetchPaper(dir, { from: url + path })).rejects.toThrow(message);
    expect(readdirSync(dir)).toEqual([]);
  });

  it('installs nothing of a hostile archive, checksum or not', async () => {
    const dir = fresh();
    const hostile = makeZip([...good, { name: '../evil.csv', bytes: 'x' }]);
    const checksum = gitBlob(blobOf(hostile));
    await expect(fetchPaper(dir, { from: `${url}/hostile`, what: { ...what, checksum } })).rejects.toThrow(/refused/);
    expect(readdirSync(dir)).toEqual(['dat.zip.part']);
  });
});

it('git gives a file the id that is checked', () => {
  // `echo hello | git hash-object --stdin`
  expect(blobOf(Buffer.from('hello\n'))).toBe('ce013625030ba8dba906f756967f9e9ca394464a');
});

describe('survey', () => {
  it('says which runs are of which variant, which of none, and which variants have none', () => {
    const stranger = sgdDir.replace('lr_0.1', 'lr_10.0');
    const folder = writeTree(fresh(), {
      ...tree,
      ...runFiles(stranger, [4, 5]),
      [`${sgdDir}/seed1/test_acc.csv`]: 'broken',
      [`${adamDir}/seed0/test_acc.csv`]: seedCsv(0, 2, 7),
    });
    const { found, absent, strangers } = surveyTree(folder, loadAllExperiments(experimentsDir));
    expect(found).toMatchObject([
      { experiment: 'exp01', variant: 'sgd', label: 'SGD', seeds: [0], evaluations: [3, 3], remarks: [expect.stringMatching(/^seed1 left out: .*test_acc\.csv:1/)] }, // prettier-ignore
      { experiment: 'exp08', variant: 'adam', seeds: [0, 3], evaluations: [3, 7], remarks: expect.arrayContaining(['no train_loss: seed0']) as string[] }, // prettier-ignore
    ]);
    expect(strangers).toEqual([{ folder: stranger, seeds: [4, 5] }]);
    const names = absent.map(({ experiment, variant }) => `${experiment}/${variant}`);
    expect(names).toContain('exp08/kfac');
    expect(names).not.toContain('exp08/adam');
    expect(names.length).toBeGreaterThanOrEqual(18);
  });
});
