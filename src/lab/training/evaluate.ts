import type { Sequential } from '../../engine/nn/sequential.js';
import * as tf from '../../engine/tf.js';
import { indexBatches } from '../datasets/batches.js';
import type { Dataset, Split } from '../datasets/dataset.js';
import { toBatch } from './batch.js';
import { scoreBatch } from './step.js';

/** Mean loss and fraction of right predictions over the samples named by `indices`. */
export async function evaluate(
  model: Sequential,
  dataset: Dataset,
  split: Split,
  indices: Uint32Array,
  batchSize: number,
): Promise<{ loss: number; accuracy: number }> {
  // Scores stay on the device until the last batch is under way: one read for the whole set.
  const scores = [...indexBatches(indices, batchSize)].map((batch) =>
    tf.scoped(() => scoreBatch(model, toBatch(dataset, split, batch))),
  );
  const table = tf.stack(scores);
  const values = await table.data();
  tf.dispose([table, ...scores]);
  let loss = 0;
  let right = 0;
  for (let i = 0; i < values.length; i += 2) {
    loss += values[i]!;
    right += values[i + 1]!;
  }
  return { loss: loss / indices.length, accuracy: right / indices.length };
}
