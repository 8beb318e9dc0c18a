import type { RunSpec } from '../../../src/lab/config/spec.js';
import { loadDataset } from '../../../src/lab/datasets/index.js';
import type { Dataset, Split } from '../../../src/lab/datasets/dataset.js';
import type { MetricsRow } from '../../../src/lab/results/metrics.js';
import type { ProgressEvent } from '../../../src/lab/training/progress.js';
import { type Ending, train } from '../../../src/lab/training/train.js';

/** Seconds of work: a small network on a few generated pictures. */
export const tinySpec: RunSpec = {
  experiment: 'tiny',
  variant: 'cg',
  label: 'CG',
  seed: 3,
  dataset: 'synthetic-cifar10',
  trainSamples: 230,
  testSamples: 60,
  model: { hidden: [12, 8], activation: 'sigmoid' },
  optimizer: {
    kind: 'cg-newton',
    curvature: 'hbp',
    secondOrder: 'abs',
    lr: 0.1,
    alpha: 0.02,
    tol: 0.1,
    atol: 0,
    maxiter: 50,
    blocks: 3,
    solver: 'fast',
    reorthogonalize: false,
  },
  batchSize: 50,
  testBatchSize: 25,
  epochs: 2,
  evaluationsPerEpoch: 2,
};

export const sgd = { kind: 'sgd', lr: 0.1, momentum: 0.9 } as const;
export const adam = { kind: 'adam', lr: 0.001, beta1: 0.9, beta2: 0.999, eps: 1e-8 } as const;
/** Like that of `tinySpec`, with exact products. */
export const exact = { ...tinySpec.optimizer, curvature: 'cvp' as const, blocks: 1 };

export async function tinyDataset(): Promise<Dataset> {
  return loadDataset('synthetic-cifar10', { dataDirs: [], trainSamples: 230, testSamples: 60 });
}

/** The middle of each picture, with the first so many of its channels. */
export function cropped(dataset: Dataset, side: number, channels = dataset.shape[2]): Dataset {
  const [height, width, all] = dataset.shape;
  const [top, left] = [Math.floor((height - side) / 2), Math.floor((width - side) / 2)];
  const crop = ({ count, images, labels }: Split): Split => ({
    ...{ count, labels },
    images: Uint8Array.from({ length: count * side * side * channels }, (_, i) => {
      const [c, x, y] = [i % channels, Math.floor(i / channels) % side, Math.floor(i / channels / side) % side];
      const picture = Math.floor(i / channels / side / side);
      return images[((picture * height + top + y) * width + left + x) * all + c]!;
    }),
  });
  return {
    ...dataset,
    ...{ shape: [side, side, channels], train: crop(dataset.train), test: crop(dataset.test) },
    ...{ mean: dataset.mean.slice(0, channels), std: dataset.std.slice(0, channels) },
  };
}

/** Train without a run store; what would have been stored comes back. */
export async function trainInMemory(
  spec: RunSpec,
  dataset: Dataset,
  { stop, onProgress }: { stop?: AbortSignal; onProgress?: (event: ProgressEvent) => void } = {},
): Promise<{ ending: Ending; rows: MetricsRow[] }> {
  const rows: MetricsRow[] = [];
  const sink = { append: (row: MetricsRow) => void rows.push(row), heartbeat: () => undefined };
  const ending = await train(
    spec,
    dataset,
    sink,
    onProgress ?? (() => undefined),
    stop ?? new AbortController().signal,
  );
  return { ending, rows };
}

/** A row without its time columns. */
export function timeless(row: MetricsRow): Partial<MetricsRow> {
  return { ...row, wall_s: 0, train_wall_s: 0 };
}
