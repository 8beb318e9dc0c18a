/** The moments of a training at which its curvature is looked at. */
import type { Sequential } from '../../engine/nn/sequential.js';
import * as tf from '../../engine/tf.js';
import { DivergenceError } from '../../errors.js';
import type { RunSpec } from '../config/spec.js';
import type { Dataset } from '../datasets/dataset.js';
import type { SeededStreams } from '../random.js';
import type { Checkpoint } from '../results/checkpoint.js';
import { toBatch } from '../training/batch.js';
import { SampleOrder } from '../training/order.js';
import { restoreParameters } from '../training/snapshot.js';
import { createStepper } from '../training/step.js';

/** Where a training stands. */
export interface Moment {
  /** Steps taken; 0 is the initialisation. */
  readonly step: number;
  /** Samples seen / training samples. */
  readonly epoch: number;
}

/** The initialisation, then each checkpoint; the model has the parameters of a moment while it is looked at. */
export function* storedMoments(model: Sequential, checkpoints: readonly Checkpoint[]): Generator<Moment> {
  yield { step: 0, epoch: 0 };
  for (const { step, epoch, arrays } of [...checkpoints].sort((a, b) => a.step - b.step)) {
    restoreParameters(model, arrays);
    yield { step, epoch };
  }
}

/** Looks at a training that is begun here, its beginning and end among them; every look costs more than many steps. */
const mostLooks = 11;

/**
 * The initialisation and then the first steps of the run, the same that `hbp run` takes: equal seeds, equal numbers.
 *
 * @throws DivergenceError  the loss is not finite any more
 */
export async function* trainedMoments(
  model: Sequential,
  { optimizer, batchSize }: Pick<RunSpec, 'optimizer' | 'batchSize'>,
  dataset: Dataset,
  { shuffle }: Pick<SeededStreams, 'shuffle'>,
  steps: number,
): AsyncGenerator<Moment> {
  yield { step: 0, epoch: 0 };
  const samples = dataset.train.count;
  const order = new SampleOrder(samples, batchSize, shuffle);
  const looks = Math.min(steps, mostLooks - 1);
  const looked = new Set(Array.from({ length: looks }, (_, i) => Math.round(((i + 1) * steps) / looks)));
  const stepper = createStepper(model, optimizer);
  try {
    for (let step = 1; step <= steps; step++) {
      const batch = toBatch(dataset, dataset.train, order.batch(step - 1));
      const score = await stepper.step(batch);
      const [loss = NaN] = await score.data();
      tf.dispose([batch.inputs, batch.labels, score]);
      if (!Number.isFinite(loss)) throw new DivergenceError(`diverged at step ${step}: batch loss is ${loss}`);
      if (looked.has(step)) yield { step, epoch: order.seen(step) / samples };
    }
  } finally {
    stepper.dispose();
  }
}
