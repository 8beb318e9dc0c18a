/** Datasets of the right size on disk, made of almost nothing but zeros, so that they cost neither time nor room. */
import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';

export const cifarFiles = [...[1, 2, 3, 4, 5].map((i) => `data_batch_${i}.bin`), 'test_batch.bin'];
export const cifarFileSize = 30_730_000;

/** A folder that goes when the test file is done. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'hbp-data-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** The six files in `folder`, all zero but for what is said of the first records of a file. */
export function writeCifar10(folder: string, starts: Record<string, Uint8Array> = {}): string {
  mkdirSync(folder, { recursive: true });
  for (const file of cifarFiles) {
    writeFileSync(join(folder, file), starts[file] ?? new Uint8Array(0));
    truncateSync(join(folder, file), cifarFileSize);
  }
  return folder;
}

export function idx(header: readonly number[], start: readonly number[] = [], itemBytes?: number): Buffer {
  const size = itemBytes ?? header.slice(1).reduce((a, b) => a * b, 1);
  const bytes = Buffer.alloc(header.length * 4 + size);
  header.forEach((value, i) => bytes.writeUInt32BE(value, i * 4));
  bytes.set(start, header.length * 4);
  return bytes;
}

/** The four files of MNIST, all zero but for the first pixels and labels. */
export const mnistFiles = (): Record<string, Buffer> => ({
  'train-images-idx3-ubyte': idx([2051, 60_000, 28, 28], [1, 2, 3]),
  'train-labels-idx1-ubyte': idx([2049, 60_000], [5, 0, 4]),
  't10k-images-idx3-ubyte': idx([2051, 10_000, 28, 28], [9, 8]),
  't10k-labels-idx1-ubyte': idx([2049, 10_000], [7, 2]),
});

export const gzipped = (files: Record<string, Buffer>): Record<string, Buffer> =>
  Object.fromEntries(Object.entries(files).map(([name, bytes]) => [`${name}.gz`, gzipSync(bytes, { level: 1 })]));

export function writeFiles(folder: string, files: Record<string, Uint8Array>): string {
  mkdirSync(folder, { recursive: true });
  for (const [name, bytes] of Object.entries(files)) writeFileSync(join(folder, name), bytes);
  return folder;
}
