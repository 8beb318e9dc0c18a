import { setImmediate } from 'node:timers/promises';
import type { Route } from '../../engine/curvature/cvp/index.js';
import * as tf from '../../engine/tf.js';
import type { RunSpec } from '../config/spec.js';
import { runName } from '../config/spec.js';
import { drawSubset, inOrder, indexBatches, shuffled } from '../datasets/batches.js';
import type { Dataset } from '../datasets/dataset.js';
import { seededStreams } from '../random.js';
import type { MetricsRow } from '../results/metrics.js';
import { toBatch } from './batch.js';
import { evaluate } from './evaluate.js';
import { createModel } from './model.js';
import type { ProgressListener } from './progress.js';
import { createStepper, type Resources } from './step.js';

/** Where a run's rows go. */
export interface MetricsSink {
  append(row: MetricsRow): void;
  heartbeat(): void;
}

export interface Ending {
  readonly state: 'done' | 'failed' | 'interrupted';
  readonly reason?: string;
  /** Ways of exact products that the last step took, by place. */
  readonly routes?: Readonly<Record<string, Route>>;
}

/**
 * Train one run on the current backend.
 *
 * An evaluation follows the update at batch index 0 of an epoch and at every floor(batches / evaluationsPerEpoch)
 * batches, as in the published runs, and the last update of all. It measures the batch before its update, the whole
 * test set and a random training subset of the test set's size, drawn anew each time. A loss that is not a number ends
 * the run as failed. Everything random comes from the spec's seed.
 */
export async function train(
  spec: RunSpec,
  dataset: Dataset,
  sink: MetricsSink,
  onProgress: ProgressListener,
  signal: AbortSignal,
  resources: Resources = {},
): Promise<Ending> {
  const run = runName(spec);
  const random = seededStreams(spec.seed);
  const model = createModel(spec.model, dataset, random.init);
  let routes: Ending['routes'];
  const stepper = createStepper(model, spec.optimizer, { routed: (chosen) => (routes = chosen) }, resources);
  try {
    const samples = dataset.train.count;
    const batches = Math.ceil(samples / spec.batchSize);
    const evaluateEvery = Math.max(Math.floor(batches / spec.evaluationsPerEpoch), 1);
    const totalSteps = batches * spec.epochs;
    const testIndices = inOrder(dataset.test.count);
    const subsetSize = Math.min(dataset.test.count, samples);
    onProgress({ type: 'start', run, totalSteps, epochs: spec.epochs });

    const began = performance.now();
    let evaluationMs = 0;
    let step = 0;
    let seen = 0;
    for (let epoch = 0; epoch < spec.epochs; epoch++) {
      let index = 0;
      for (const indices of indexBatches(shuffled(samples, random.shuffle), spec.batchSize)) {
        if (signal.aborted) return { state: 'interrupted', reason: `stopped after step ${step} of ${totalSteps}` };
        const batch = toBatch(dataset, dataset.train, indices);
        const score = await stepper.step(batch);
        const [lossSum = NaN, right = NaN] = await score.data();
        tf.dispose([batch.inputs, batch.labels, score]);
        step++;
        seen += indices.length;
        const batchLoss = lossSum / indices.length;
        if (!Number.isFinite(batchLoss)) {
          return { state: 'failed', reason: `diverged at step ${step}: batch loss is ${batchLoss}` };
        }
        sink.heartbeat();
        await setImmediate(); // CPU backends answer at once: without a pause nobody could tell this process to stop
        onProgress({ type: 'step', run, step, epoch: seen / samples, batchLoss });
        if (index % evaluateEvery === 0 || step === totalSteps) {
          const paused = performance.now();
          const trainSubset = drawSubset(samples, subsetSize, random.subset);
          const onTrain = await evaluate(model, dataset, dataset.train, trainSubset, spec.batchSize);
          const onTest = await evaluate(model, dataset, dataset.test, testIndices, spec.testBatchSize);
          const now = performance.now();
          const row: MetricsRow = {
            step,
            epoch: seen / samples,
            wall_s: seconds(now - began),
            train_wall_s: seconds(paused - began - evaluationMs),
            batch_loss: batchLoss,
            batch_accuracy: right / indices.length,
            train_loss: onTrain.loss,
            train_accuracy: onTrain.accuracy,
            test_loss: onTest.loss,
            test_accuracy: onTest.accuracy,
          };
          evaluationMs += now - paused;
          sink.append(row);
          onProgress({ type: 'evaluation', run, row });
        }
        index++;
      }
    }
    return { state: 'done', ...(routes && { routes }) };
  } finally {
    stepper.dispose();
    model.dispose();
  }
}

/** Milliseconds as seconds with three decimals. */
function seconds(ms: number): number {
  return Math.round(ms) / 1000;
}
