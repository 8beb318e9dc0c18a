import { readFileSync, rmSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { DataError } from '../../../src/errors.js';
import { cifar10, encodeCifar10 } from '../../../src/lab/datasets/cifar10.js';
import { cifarFiles, temporaryFolder, writeCifar10 } from './fixtures.js';

const root = temporaryFolder();
let folders = 0;
const fresh = (): string => join(root, String(folders++));

/** A record whose bytes are all different enough to betray a wrong place: value = (plane, pixel). */
const record = (label: number): Uint8Array =>
  Uint8Array.from({ length: 3073 }, (_, i) => (i === 0 ? label : (Math.floor((i - 1) / 1024) * 85 + (i - 1)) % 251));

describe('the CIFAR-10 reader', () => {
  it('turns channel planes into interleaved channels and reads on across files', async () => {
    const folder = writeCifar10(fresh(), { 'data_batch_1.bin': record(3), 'data_batch_2.bin': record(8) });
    const { train, test } = await cifar10.read(folder, { train: 10_001, test: 2 });
    expect([train.count, test.count, train.images.length]).toEqual([10_001, 2, 10_001 * 3072]);
    expect([train.labels[0], train.labels[1], train.labels[10_000]]).toEqual([3, 0, 8]);
    const source = record(3);
    for (const start of [0, 10_000 * 3072]) {
      for (const [pixel, channel] of [
        [0, 0],
        [0, 2],
        [33, 1],
        [1023, 2],
      ] as const) {
        expect(train.images[start + pixel * 3 + channel]).toBe(source[1 + channel * 1024 + pixel]);
      }
    }
  });

  it('is undone by the writer, byte by byte', async () => {
    const folder = writeCifar10(fresh(), { 'data_batch_3.bin': record(1), 'test_batch.bin': record(9) });
    const splits = await cifar10.read(folder, cifar10.size);
    const written = [...encodeCifar10(splits)];
    expect(written.map(({ file }) => file)).toEqual(cifarFiles);
    for (const { file, bytes } of written) {
      expect(Buffer.compare(readFileSync(join(folder, file)), bytes)).toBe(0);
    }
  });

  it('names a missing file', async () => {
    const folder = writeCifar10(fresh());
    rmSync(join(folder, 'data_batch_4.bin'));
    await expect(cifar10.read(folder, { train: 1, test: 1 })).rejects.toThrow(
      new DataError(`${join(folder, 'data_batch_4.bin')} is missing`),
    );
  });

  it('names a file of another size, even where the samples asked for are there', async () => {
    const folder = writeCifar10(fresh());
    truncateSync(join(folder, 'test_batch.bin'), 3073 * 9999);
    await expect(cifar10.read(folder, { train: 1, test: 1 })).rejects.toThrow(
      /test_batch\.bin has 30726927 bytes, expected 30730000/,
    );
  });

  it('names file and record of a label out of range', async () => {
    const folder = writeCifar10(fresh(), { 'data_batch_2.bin': Uint8Array.from([...record(1), 10]) });
    await expect(cifar10.read(folder, cifar10.size)).rejects.toThrow(
      /data_batch_2\.bin, record 1: label 10, expected 0 to 9/,
    );
  });
});
