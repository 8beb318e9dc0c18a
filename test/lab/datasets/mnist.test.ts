import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { mnist } from '../../../src/lab/datasets/mnist.js';
import { gzipped, idx, mnistFiles, temporaryFolder, writeFiles } from './fixtures.js';

const root = temporaryFolder();
const plain = mnistFiles();
const zipped = gzipped(plain);
let folders = 0;
/** A whole MNIST in which one file is replaced. */
const withFile = (name: string, bytes: Uint8Array): string =>
  writeFiles(join(root, String(folders++)), { ...zipped, [name]: bytes });
const few = { train: 3, test: 2 };

describe('the MNIST reader', () => {
  it.each([
    ['plain', plain],
    ['gzipped', zipped],
  ])('reads %s files', async (form, files) => {
    const folder = writeFiles(join(root, form), files);
    await mnist.check(folder);
    const { train, test } = await mnist.read(folder, few);
    expect([...train.labels]).toEqual([5, 0, 4]);
    expect([...test.labels]).toEqual([7, 2]);
    expect([...train.images.subarray(0, 4)]).toEqual([1, 2, 3, 0]);
    expect([train.images.length, test.images.length]).toEqual([3 * 784, 2 * 784]);
  });

  it.each([
    ['t10k-labels-idx1-ubyte.gz', gzipSync(idx([2051, 10_000])), /magic number 2051, expected 2049/],
    ['train-images-idx3-ubyte.gz', gzipSync(idx([2051, 60_000, 32, 28], [], 0)), /number of rows 32, expected 28/],
    ['train-labels-idx1-ubyte.gz', gzipSync(idx([2049, 59_999])), /number of labels 59999, expected 60000/],
    ['train-labels-idx1-ubyte.gz', Buffer.from('not gzip'), /cannot be read|not a whole gzip file/],
    ['t10k-images-idx3-ubyte.gz', gzipSync(Buffer.alloc(7)), /ends within its header of 16 bytes/],
  ])('%s: names what its header gets wrong, in the quick check and when reading', async (name, bytes, message) => {
    const folder = withFile(name, bytes);
    await expect(mnist.check(folder)).rejects.toThrow(message);
    await expect(mnist.read(folder, few)).rejects.toThrow(message);
    await expect(mnist.read(folder, few)).rejects.toThrow(name);
  });

  it.each([
    ['t10k-labels-idx1-ubyte.gz', gzipSync(idx([2049, 10_000], [1, 12])), /label 1: 12, expected 0 to 9/],
    ['t10k-labels-idx1-ubyte.gz', gzipSync(idx([2049, 10_000], [], 9000)), /holds 9008 bytes, expected 10008/],
    [
      'train-images-idx3-ubyte.gz',
      zipped['train-images-idx3-ubyte.gz']!.subarray(0, -5000),
      /not a whole gzip file: .*unexpected end of file/,
    ],
  ])('%s: names damage beyond the header', async (name, bytes, message) => {
    await expect(mnist.read(withFile(name, bytes), mnist.size)).rejects.toThrow(message);
  });

  it('names a missing file', async () => {
    const folder = withFile('t10k-labels-idx1-ubyte.gz', Buffer.alloc(0));
    rmSync(join(folder, 't10k-labels-idx1-ubyte.gz'));
    await expect(mnist.check(folder)).rejects.toThrow(/t10k-labels-idx1-ubyte is missing/);
    writeFileSync(join(folder, 't10k-labels-idx1-ubyte'), plain['t10k-labels-idx1-ubyte']!);
    await mnist.check(folder);
  });
});
