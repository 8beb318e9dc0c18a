import { mkdirSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ConfigError, DataError } from '../../../src/errors.js';
import { findDataset, loadDataset } from '../../../src/lab/datasets/index.js';
import { statusOf, verifyDataset } from '../../../src/lab/datasets/verify.js';
import { temporaryFolder, writeCifar10 } from './fixtures.js';

const root = temporaryFolder();
const empty = join(root, 'empty');
mkdirSync(empty);
const first = join(root, 'first');
const second = join(root, 'second');
writeCifar10(join(first, 'cifar-10-batches-bin'), { 'data_batch_1.bin': Uint8Array.of(1) });
writeCifar10(join(second, 'cifar-10-batches-bin'), { 'data_batch_1.bin': Uint8Array.of(2) });
const few = { trainSamples: 2, testSamples: 2 };

describe('finding and loading', () => {
  it('takes the first folder that has the dataset', async () => {
    for (const [dirs, label] of [
      [[empty, first, second], 1],
      [[second, first], 2],
    ] as const) {
      expect((await loadDataset('cifar10', { dataDirs: dirs, ...few })).train.labels[0]).toBe(label);
    }
  });

  it('takes the dataset folder itself for a data dir', async () => {
    const folder = join(first, 'cifar-10-batches-bin');
    expect(await findDataset('cifar10', [folder])).toEqual({ state: 'complete', folder });
  });

  it('reports a broken copy instead of passing it over', async () => {
    const broken = join(root, 'broken');
    const folder = writeCifar10(join(broken, 'cifar-10-batches-bin'));
    truncateSync(join(folder, 'test_batch.bin'), 5);
    expect(await findDataset('cifar10', [broken, first])).toMatchObject({ state: 'broken', folder });
    await expect(loadDataset('cifar10', { dataDirs: [broken, first] })).rejects.toThrow(/test_batch\.bin has 5 bytes/);
  });

  it('says of a missing dataset where it looked and what to do', async () => {
    const error: unknown = await loadDataset('cifar10', { dataDirs: [empty] }).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(DataError);
    for (const part of [
      empty,
      '`hbp data fetch cifar10`',
      '`hbp data import <dir|archive>`',
      '--data-dir or HBP_DATA_DIR',
      '--dataset synthetic-cifar10',
    ]) {
      expect((error as Error).message).toContain(part);
    }
    await expect(loadDataset('mnist', { dataDirs: [empty] })).rejects.not.toThrow(/synthetic/);
  });

  it('refuses more samples than there are', async () => {
    await expect(loadDataset('synthetic-cifar10', { dataDirs: [], trainSamples: 50_001 })).rejects.toThrow(
      new ConfigError('synthetic-cifar10 has 50000 train samples, 50001 were asked for'),
    );
  });

  it('fingerprints the bytes in use', async () => {
    const of = async (dir: string, trainSamples: number) =>
      (await loadDataset('cifar10', { dataDirs: [dir], trainSamples, testSamples: 1 })).fingerprint;
    expect(await of(first, 2)).toMatch(/^sha256:[0-9a-f]{64}$/);
    expect(await of(first, 2)).toBe(await of(first, 2));
    expect(await of(first, 3)).not.toBe(await of(first, 2));
    expect(await of(second, 2)).not.toBe(await of(first, 2));
  });
});

describe('verifying', () => {
  it('reads everything and does not call official what it cannot know', async () => {
    expect(await verifyDataset('cifar10', [first])).toMatchObject({
      name: 'cifar10',
      samples: { train: 50_000, test: 10_000 },
      official: false,
    });
    expect(await statusOf('cifar10', [first])).toMatchObject({ state: 'complete', official: false });
  });

  it('notices bytes that changed since the receipt was written', async () => {
    const folder = writeCifar10(join(root, 'changed'));
    const { fingerprint } = await verifyDataset('cifar10', [folder]);
    writeFileSync(join(folder, 'hbp-receipt.json'), JSON.stringify({ source: 'x', official: true, fingerprint }));
    expect((await verifyDataset('cifar10', [folder])).official).toBe(true);
    writeCifar10(folder, { 'test_batch.bin': Uint8Array.of(0, 1) });
    await expect(verifyDataset('cifar10', [folder])).rejects.toThrow(/has changed since it was put there/);
    writeFileSync(join(folder, 'hbp-receipt.json'), '{');
    await expect(statusOf('cifar10', [folder])).rejects.toThrow(/hbp-receipt\.json is damaged/);
  });
});
