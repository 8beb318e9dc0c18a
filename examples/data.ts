/** Pictures for the examples: the real set where it has been fetched, else a generated one, and the output says which. */
import * as tf from '@tensorflow/tfjs-core';
import { DataError } from '../dist/errors.js';
import { batchImages, batchLabels, indexBatches, shuffled } from '../dist/lab/datasets/batches.js';
import type { Dataset } from '../dist/lab/datasets/dataset.js';
import { loadDataset } from '../dist/lab/datasets/index.js';
import type { Random } from '../dist/lab/random.js';
import { say } from './options.js';

/** What the examples need of a dataset. */
export interface Pictures extends Pick<Dataset, 'shape' | 'mean' | 'std' | 'train'> {
  /** Its name, or how it was generated. */
  readonly label: string;
}

/** A mini-batch: inputs [N, H, W, C] and int32 class indices [N]. */
export interface Batch {
  readonly inputs: tf.Tensor;
  readonly labels: tf.Tensor;
}

/**
 * @param samples  the first so many; absent: all
 * @param standIn  what to take where the set is not there
 */
export async function loadPictures(
  name: 'mnist' | 'cifar10',
  samples: number | undefined,
  standIn: (samples: number | undefined) => Pictures | Promise<Pictures>,
): Promise<Pictures> {
  const dataDirs = [process.env['HBP_DATA_DIR'], 'data/datasets'].flatMap((dir) => dir || []);
  try {
    return { ...(await loadDataset(name, { dataDirs, trainSamples: samples, testSamples: 1 })), label: name };
  } catch (error) {
    if (!(error instanceof DataError)) throw error;
    say(`no ${name} here: ${error.message}`);
    const pictures = await standIn(samples);
    say(`instead: ${pictures.train.count} pictures, ${pictures.label}`);
    return pictures;
  }
}

export async function syntheticCifar10(samples = 50_000): Promise<Pictures> {
  const dataset = await loadDataset('synthetic-cifar10', { dataDirs: [], trainSamples: samples, testSamples: 1 });
  return { ...dataset, label: 'synthetic-cifar10 (generated)' };
}

/** The samples once, in random order. The caller disposes the tensors. */
export function* batchesOf(pictures: Pictures, size: number, random: Random): Generator<Batch> {
  for (const indices of indexBatches(shuffled(pictures.train.count, random), size)) {
    yield {
      inputs: tf.tensor4d(batchImages(pictures, pictures.train, indices), [indices.length, ...pictures.shape]),
      labels: tf.tensor1d(batchLabels(pictures.train, indices), 'int32'),
    };
  }
}

const side = 28;
/** Segments a to g of the ten digits, from the top clockwise, the middle one last. */
const segmentsOf = ['abcdef', 'bc', 'abged', 'abgcd', 'fgbc', 'afgcd', 'afgedc', 'abc', 'abcdefg', 'abcdfg'];
/** From and to of each segment, [row, column] in a box of 16 rows and 8 columns. */
const segments: Readonly<Record<string, readonly [number, number, number, number]>> = {
  a: [0, 0, 1, 9],
  b: [0, 7, 9, 9],
  c: [8, 7, 17, 9],
  d: [16, 0, 18, 9],
  e: [8, 0, 17, 2],
  f: [0, 0, 9, 2],
  g: [8, 0, 10, 9],
};

/** Digits as seven-segment displays show them, each shifted, faded and in noise: the shape of MNIST, but easier. */
export function segmentDigits(samples: number, random: Random): Pictures {
  const images = new Uint8Array(samples * side * side);
  const labels = Uint8Array.from({ length: samples }, (_, n) => n % 10);
  labels.forEach((digit, n) => {
    const picture = images.subarray(n * side * side, (n + 1) * side * side);
    const [top, left, ink] = [2 + random.int(7), 6 + random.int(9), 120 + random.int(120)];
    for (const segment of segmentsOf[digit]!) {
      const [fromRow, fromColumn, toRow, toColumn] = segments[segment]!;
      for (let row = top + fromRow; row < top + toRow; row++) {
        picture.fill(ink, row * side + left + fromColumn, row * side + left + toColumn);
      }
    }
    for (let i = 0; i < picture.length; i++) picture[i] = Math.min(255, picture[i]! + random.int(100));
  });
  const label = 'seven-segment digits (generated)';
  return { shape: [side, side, 1], mean: [0.25], std: [0.25], train: { count: samples, images, labels }, label };
}
