/** A run store of many runs that were never trained, with files as training leaves them. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { stringify } from 'yaml';
import { expandExperiment } from '../../dist/lab/config/expand.js';
import { loadExperiment } from '../../dist/lab/config/load.js';
import { formatRow, metricsFile, metricsHeader, type MetricsRow } from '../../dist/lab/results/metrics.js';
import { recordFile, type RunRecord } from '../../dist/lab/results/record.js';
import { specHash } from '../../dist/lab/results/spec-hash.js';
import { runDir } from '../../dist/lab/results/store.js';

export interface StoreSize {
  readonly variants: number;
  readonly seeds: number;
  /** One evaluation each, and one at the end. */
  readonly epochs: number;
}

export const experimentName = 'many';
const stepsPerEpoch = 100;

/**
 * Writes `experiments/many.yaml`, a search over the learning rate, and all its runs below `data/runs`, done.
 *
 * @returns bytes of the runs' files
 */
export function makeStore(folder: string, { variants, seeds, epochs }: StoreSize): { bytes: number } {
  const file = join(folder, 'experiments', `${experimentName}.yaml`);
  const root = join(folder, 'data', 'runs');
  let bytes = 0;
  mkdirSync(dirname(file), { recursive: true });
  const lr = Array.from({ length: variants }, (_, i) => (i + 1) / 1000);
  const experiment = {
    ...{ name: experimentName, title: 'A search', dataset: 'cifar10', model: 'mlp-cifar10' },
    ...{ batchSize: 500, testBatchSize: 500, epochs, seeds: `0-${seeds - 1}` },
    quick: { epochs: 1, trainSamples: 100, testSamples: 100, seeds: '0' },
    variants: { sgd: { label: 'SGD', optimizer: { kind: 'sgd', lr: 1, momentum: 0.9 }, grid: { 'optimizer.lr': lr } } },
  };
  writeFileSync(file, stringify(experiment));
  for (const spec of expandExperiment(loadExperiment(file, { experimentsDir: folder }))) {
    const rows = Array.from({ length: epochs + 1 }, (_, i) => rowOf(i, epochs, spec.seed));
    const time = new Date().toISOString();
    const record: RunRecord = {
      ...{ spec, specHash: specHash(spec), state: 'done', reason: null },
      ...{ startedAt: time, heartbeatAt: time, finishedAt: time, wallSeconds: 1000 },
      owner: { pid: 1, host: 'a-node', started: null },
      versions: { hbp: '0.1.0', node: process.version, tfjs: '4.22.0' },
      ...{ backend: 'native', threads: 1, cpu: 'a processor', gpu: null, commit: null },
      dataset: { name: 'cifar10', fingerprint: `sha256:${'a'.repeat(64)}`, source: 'a folder' },
      lastRow: rows.at(-1) ?? null,
    };
    const dir = runDir(root, spec);
    mkdirSync(dir, { recursive: true });
    const files = {
      [recordFile]: `${JSON.stringify(record, null, 2)}\n`,
      [metricsFile]: metricsHeader + rows.map(formatRow).join(''),
    };
    for (const [name, text] of Object.entries(files)) {
      writeFileSync(join(dir, name), text);
      bytes += text.length;
    }
  }
  return { bytes };
}

/** Losses that fall, and differ with the seed; as many digits as real ones have. */
function rowOf(i: number, epochs: number, seed: number): MetricsRow {
  const step = i < epochs ? i * stepsPerEpoch + 1 : epochs * stepsPerEpoch;
  const loss = 2.3 * Math.exp(-step / 5000) + 0.1 * Math.sin(seed + step);
  const accuracy = 1 - Math.exp(-step / 3000) * 0.9;
  return {
    step,
    epoch: step / stepsPerEpoch,
    ...{ wall_s: step / 7, train_wall_s: step / 9 },
    ...{ batch_loss: loss * 1.01, batch_accuracy: accuracy, train_loss: loss, train_accuracy: accuracy * 0.99 },
    ...{ test_loss: loss * 1.1, test_accuracy: accuracy * 0.9 },
  };
}
