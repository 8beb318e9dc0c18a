import * as tf from '../../engine/tf.js';
import { batchImages, batchLabels } from '../datasets/batches.js';
import type { Dataset, Split } from '../datasets/dataset.js';
import type { Batch } from './step.js';

/** The named samples as normalised tensors [N, H, W, C] and int32 labels [N]; the caller disposes them. */
export function toBatch(dataset: Dataset, split: Split, indices: Uint32Array): Batch {
  return {
    inputs: tf.tensor4d(batchImages(dataset, split, indices), [indices.length, ...dataset.shape]),
    labels: tf.tensor1d(batchLabels(split, indices), 'int32'),
  };
}
