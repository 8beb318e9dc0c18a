import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RunSpec } from '../../../src/lab/config/spec.js';
import type { MetricsRow } from '../../../src/lab/results/metrics.js';
import type { RunEnvironment } from '../../../src/lab/results/record.js';

/** A fresh folder for every test of the file, removed after it. */
export function temporaryFolder(): { path: string } {
  const folder = { path: '' };
  beforeEach(() => {
    folder.path = mkdtempSync(join(tmpdir(), 'hbp-test-'));
  });
  afterEach(() => rmSync(folder.path, { recursive: true, force: true }));
  return folder;
}

export function someSpec(change: Partial<RunSpec> = {}): RunSpec {
  return {
    experiment: 'exp01',
    variant: 'sgd',
    label: 'SGD',
    seed: 0,
    dataset: 'cifar10',
    model: 'mlp-cifar10',
    optimizer: { kind: 'sgd', lr: 0.1, momentum: 0.9 },
    batchSize: 500,
    testBatchSize: 500,
    epochs: 2,
    evaluationsPerEpoch: 1,
    ...change,
  };
}

export const someEnvironment: RunEnvironment = {
  versions: { hbp: '0.1.0', node: process.version, tfjs: '4.22.0' },
  backend: 'cpu',
  threads: 1,
  cpu: 'a processor',
  gpu: null,
  dataset: { name: 'cifar10', fingerprint: 'sha256:aa', source: 'made up' },
  commit: null,
};

export function someRow(step: number, change: Partial<MetricsRow> = {}): MetricsRow {
  return {
    step,
    epoch: step / 100,
    wall_s: step / 10,
    train_wall_s: step / 20,
    batch_loss: 2.3,
    batch_accuracy: 0.1,
    train_loss: 2.25,
    train_accuracy: 0.125,
    test_loss: 2.28,
    test_accuracy: 0.11,
    ...change,
  };
}
