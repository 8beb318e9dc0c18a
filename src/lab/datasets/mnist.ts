/**
 * MNIST in idx files, plain or gzipped: a big-endian magic number (2051 pictures, 2049 labels), the number of items, for
 * pictures also rows and columns, then the bytes.
 */
import { createReadStream } from 'node:fs';
import { access, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzip, createGunzip } from 'node:zlib';
import { promisify } from 'node:util';
import { DataError, messageOf } from '../../errors.js';
import { md5 } from './checksum.js';
import type { Split } from './dataset.js';
import type { Counts, Splits, StoredKind } from './kind.js';

const CLASSES = 10;
const SIDE = 28;
const PIXELS = SIDE * SIDE;
const size = { train: 60_000, test: 10_000 };

/** What the header of an idx file must say, and how many bytes an item has. */
interface Layout {
  readonly header: readonly (readonly [what: string, value: number])[];
  readonly itemBytes: number;
}

const pictures = (count: number): Layout => ({
  header: [
    ['magic number', 2051],
    ['number of pictures', count],
    ['number of rows', SIDE],
    ['number of columns', SIDE],
  ],
  itemBytes: PIXELS,
});

const labels = (count: number): Layout => ({
  header: [
    ['magic number', 2049],
    ['number of labels', count],
  ],
  itemBytes: 1,
});

const files = {
  'train-images-idx3-ubyte': pictures(size.train),
  'train-labels-idx1-ubyte': labels(size.train),
  't10k-images-idx3-ubyte': pictures(size.test),
  't10k-labels-idx1-ubyte': labels(size.test),
};
type FileName = keyof typeof files;
const fileNames = Object.keys(files) as FileName[];

const checksums: Record<FileName, string> = {
  'train-images-idx3-ubyte': 'f68b3c2dcbeaaa9fbdd348bbdeb94873',
  'train-labels-idx1-ubyte': 'd53e105ee54ea40749a09fcbcd1e9432',
  't10k-images-idx3-ubyte': '9fb629c4189551a2d022fa330f9573f3',
  't10k-labels-idx1-ubyte': 'ec29112dd5afa0611ce80d1b7f02629c',
};
const mirrors = [
  'https://ossci-datasets.s3.amazonaws.com/mnist/',
  'https://storage.googleapis.com/cvdf-datasets/mnist/',
];

export const mnist: StoredKind = {
  name: 'mnist',
  origin: 'files',
  shape: [SIDE, SIDE, 1],
  classes: CLASSES,
  mean: [0.13066048],
  std: [0.30810781],
  size,
  folders: ['mnist', 'MNIST/raw', '.'],
  files: fileNames.map((name) => [name, `${name}.gz`]),
  packed: false,
  downloads: fileNames.map((name) => ({
    file: `${name}.gz`,
    checksum: md5(checksums[name]),
    urls: mirrors.map((mirror) => `${mirror}${name}.gz`),
  })),
  check: async (folder) => {
    for (const name of fileNames) {
      const path = await locate(folder, name);
      checkHeader(await readHeader(path, files[name].header.length * 4), files[name], path);
    }
  },
  read,
};

async function read(folder: string, counts: Counts): Promise<Splits> {
  return {
    train: await readSplit(folder, 'train', counts.train),
    test: await readSplit(folder, 't10k', counts.test),
  };
}

/** The first `count` digits of one half of the set. @throws DataError */
export async function readSplit(folder: string, half: 'train' | 't10k', count: number): Promise<Split> {
  const images = await readItems(folder, `${half}-images-idx3-ubyte`, count);
  const classes = await readItems(folder, `${half}-labels-idx1-ubyte`, count);
  const wrong = classes.findIndex((label) => label >= CLASSES);
  if (wrong >= 0) {
    const path = await locate(folder, `${half}-labels-idx1-ubyte`);
    throw new DataError(`${path}, label ${wrong}: ${classes[wrong]}, expected 0 to ${CLASSES - 1}`);
  }
  return { count, images, labels: classes };
}

async function readItems(folder: string, name: FileName, count: number): Promise<Uint8Array> {
  const path = await locate(folder, name);
  const layout = files[name];
  const raw = await readFile(path);
  const expected = layout.header.length * 4 + layout.header[1]![1] * layout.itemBytes;
  const bytes = path.endsWith('.gz') ? await unzip(raw, path, expected) : raw;
  const start = checkHeader(bytes, layout, path);
  if (bytes.length !== expected) {
    throw new DataError(`${path} holds ${bytes.length} bytes, expected ${expected}`);
  }
  return new Uint8Array(bytes.subarray(start, start + count * layout.itemBytes));
}

/** The plain file, else the gzipped one. */
async function locate(folder: string, name: FileName): Promise<string> {
  for (const path of [join(folder, name), join(folder, `${name}.gz`)]) {
    const there = await access(path).then(
      () => true,
      () => false,
    );
    if (there) return path;
  }
  throw new DataError(`${join(folder, name)} is missing (and so is ${name}.gz)`);
}

async function unzip(bytes: Buffer, path: string, expected: number): Promise<Buffer> {
  try {
    return await promisify(gunzip)(bytes, { maxOutputLength: expected });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') {
      throw new DataError(`${path} holds more than ${expected} bytes, expected as many`, { cause: error });
    }
    throw new DataError(`${path} is not a whole gzip file: ${messageOf(error)}`, { cause: error });
  }
}

async function readHeader(path: string, length: number): Promise<Buffer> {
  const file = createReadStream(path, path.endsWith('.gz') ? {} : { end: length - 1 });
  const source = path.endsWith('.gz') ? file.pipe(createGunzip()) : file;
  try {
    for await (const chunk of source) return (chunk as Buffer).subarray(0, length);
    return Buffer.alloc(0);
  } catch (error) {
    throw new DataError(`${path} cannot be read: ${messageOf(error)}`, { cause: error });
  } finally {
    file.destroy();
  }
}

/** @returns where the items start */
function checkHeader(bytes: Buffer, layout: Layout, path: string): number {
  const length = layout.header.length * 4;
  if (bytes.length < length) throw new DataError(`${path} ends within its header of ${length} bytes`);
  for (const [i, [what, expected]] of layout.header.entries()) {
    const found = bytes.readUInt32BE(i * 4);
    if (found !== expected) throw new DataError(`${path}: ${what} ${found}, expected ${expected}`);
  }
  return length;
}
