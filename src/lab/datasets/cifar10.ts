/**
 * CIFAR-10, binary version: six files of 10,000 records, a record being one label byte and 3,072 picture bytes, channel
 * by channel, each row by row (https://www.cs.toronto.edu/~kriz/cifar.html). In memory pictures are NHWC.
 */
import { open, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { DataError } from '../../errors.js';
import { md5 } from './checksum.js';
import type { Split } from './dataset.js';
import type { Counts, Splits, StoredKind } from './kind.js';
import { emptySplit } from './kind.js';

const CLASSES = 10;
const PLANE = 32 * 32;
const PIXELS = 3 * PLANE;
const RECORD = 1 + PIXELS;
const RECORDS_PER_FILE = 10_000;
const FILE_SIZE = RECORD * RECORDS_PER_FILE;

const trainFiles = [1, 2, 3, 4, 5].map((i) => `data_batch_${i}.bin`);
const testFiles = ['test_batch.bin'];

export const cifar10: StoredKind = {
  name: 'cifar10',
  origin: 'files',
  shape: [32, 32, 3],
  classes: CLASSES,
  mean: [0.49139968, 0.48215841, 0.44653091],
  std: [0.24703223, 0.24348513, 0.26158784],
  size: { train: trainFiles.length * RECORDS_PER_FILE, test: testFiles.length * RECORDS_PER_FILE },
  folders: ['cifar-10-batches-bin', '.'],
  files: [...trainFiles, ...testFiles].map((file) => [file]),
  packed: true,
  downloads: [
    {
      file: 'cifar-10-binary.tar.gz',
      checksum: md5('c32a1d4ab5d03f1284b67883e8d87530'),
      urls: ['https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz'],
    },
  ],
  standIn: 'synthetic-cifar10',
  check,
  read,
};

async function check(folder: string): Promise<void> {
  for (const file of [...trainFiles, ...testFiles]) {
    const path = join(folder, file);
    const found = await stat(path).catch(() => undefined);
    if (!found) throw new DataError(`${path} is missing`);
    if (found.size !== FILE_SIZE) {
      throw new DataError(
        `${path} has ${found.size} bytes, expected ${FILE_SIZE} (${RECORDS_PER_FILE} records of ${RECORD})`,
      );
    }
  }
}

async function read(folder: string, counts: Counts): Promise<Splits> {
  await check(folder);
  return {
    train: await readSplit(folder, trainFiles, counts.train),
    test: await readSplit(folder, testFiles, counts.test),
  };
}

async function readSplit(folder: string, files: readonly string[], count: number): Promise<Split> {
  const split = emptySplit(count, PIXELS);
  for (const [i, file] of files.entries()) {
    const first = i * RECORDS_PER_FILE;
    const records = Math.min(RECORDS_PER_FILE, count - first);
    if (records <= 0) break;
    decode(await readStart(join(folder, file), records * RECORD), split, first, join(folder, file));
  }
  return split;
}

async function readStart(path: string, size: number): Promise<Buffer> {
  const file = await open(path);
  try {
    const bytes = Buffer.allocUnsafe(size);
    const { bytesRead } = await file.read(bytes, 0, size, 0);
    if (bytesRead !== size) throw new DataError(`${path} ended after ${bytesRead} bytes, expected ${size}`);
    return bytes;
  } finally {
    await file.close();
  }
}

/** Records into the split from sample `first` on; planes become interleaved channels. */
function decode(records: Uint8Array, split: Split, first: number, path: string): void {
  const { images, labels } = split;
  for (let r = 0; r < records.length / RECORD; r++) {
    let from = r * RECORD;
    const label = records[from++]!;
    if (label >= CLASSES) throw new DataError(`${path}, record ${r}: label ${label}, expected 0 to ${CLASSES - 1}`);
    labels[first + r] = label;
    let to = (first + r) * PIXELS;
    for (let p = 0; p < PLANE; p++, from++) {
      images[to++] = records[from]!;
      images[to++] = records[from + PLANE]!;
      images[to++] = records[from + 2 * PLANE]!;
    }
  }
}

/** The six files of a whole set of pictures of this shape, one after the other. The inverse of reading. */
export function* encodeCifar10({ train, test }: Splits): Generator<{ file: string; bytes: Uint8Array }> {
  for (const [split, files] of [[train, trainFiles] as const, [test, testFiles] as const]) {
    for (const [i, file] of files.entries()) yield { file, bytes: encode(split, i * RECORDS_PER_FILE) };
  }
}

function encode({ images, labels }: Split, first: number): Uint8Array {
  const records = new Uint8Array(FILE_SIZE);
  let to = 0;
  for (let i = first; i < first + RECORDS_PER_FILE; i++) {
    records[to++] = labels[i]!;
    for (let c = 0; c < 3; c++) {
      for (let p = 0; p < PLANE; p++) records[to++] = images[i * PIXELS + p * 3 + c]!;
    }
  }
  return records;
}
