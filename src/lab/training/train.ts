import { setImmediate } from 'node:timers/promises';
import type { Route } from '../../engine/curvature/cvp/index.js';
import * as tf from '../../engine/tf.js';
import { DivergenceError } from '../../errors.js';
import type { RunSpec } from '../config/spec.js';
import { runName } from '../config/spec.js';
import { drawSubset, inOrder } from '../datasets/batches.js';
import type { Dataset } from '../datasets/dataset.js';
import { randomAt, seededStreams } from '../random.js';
import type { Checkpoint } from '../results/checkpoint.js';
import type { DiagnosticsSink } from '../results/diagnostics.js';
import type { MetricsRow } from '../results/metrics.js';
import { toBatch } from './batch.js';
import { Checkpoints, type CheckpointSchedule, defaultSchedule } from './checkpoints.js';
import { evaluate } from './evaluate.js';
import { createModel } from './model.js';
import { SampleOrder } from './order.js';
import type { ProgressListener } from './progress.js';
import { restoreSnapshot, takeSnapshot } from './snapshot.js';
import { createStepper, type Resources } from './step.js';
import { StepDiagnostics } from './step-diagnostics.js';
import { Stopwatch } from './stopwatch.js';

/** Where a run's rows and checkpoints go. */
export interface RunSink {
  append(row: MetricsRow): void;
  heartbeat(): void;
  /** Absent: none are made. */
  checkpoint?(checkpoint: Checkpoint): void;
  /** What its updates looked like; absent: nobody wants to know. */
  readonly diagnostics?: DiagnosticsSink;
}

export interface Ending {
  /** `failed` is a run whose numbers are not finite any more. */
  readonly state: 'done' | 'failed' | 'interrupted';
  readonly reason?: string;
  /** Ways of exact products that the last step took, by place. */
  readonly routes?: Readonly<Record<string, Route>>;
}

export interface TrainOptions extends Resources {
  /** Go on from there; the sink has the rows up to it. */
  readonly resume?: Checkpoint | null;
  readonly schedule?: CheckpointSchedule;
  /** Store a last state from which the run can go on with more epochs. */
  readonly keepCheckpoint?: boolean;
}

/**
 * Train one run on the current backend.
 *
 * An evaluation follows the update at batch index 0 of an epoch and at every floor(batches / evaluationsPerEpoch)
 * batches, as in the published runs, and the last update of all. It measures the batch before its update, the whole
 * test set and a random training subset of the test set's size, drawn anew each time. A batch's loss that is not a
 * number ends the run as failed, so does a loss that the last evaluation finds. Everything random comes from the spec's
 * seed. A run that goes on from a checkpoint takes the steps that it would have taken, to the last digit on the same
 * backend with the same number of threads.
 */
export async function train(
  spec: RunSpec,
  dataset: Dataset,
  sink: RunSink,
  onProgress: ProgressListener,
  signal: AbortSignal,
  options: TrainOptions = {},
): Promise<Ending> {
  const { resume = null, schedule = defaultSchedule, keepCheckpoint = false, ...ownResources } = options;
  const resources = withinLimitOf(resume, ownResources);
  const run = runName(spec);
  const random = seededStreams(spec.seed);
  const model = createModel(spec.model, dataset, random.init);
  let step = resume?.step ?? 0;
  let routes: Ending['routes'];
  const diagnostics = new StepDiagnostics(model, spec, sink.diagnostics);
  const observer = { ...diagnostics.observer, routed: (chosen: Ending['routes']) => (routes = chosen) };
  const stepper = createStepper(model, spec.optimizer, observer, resources);
  try {
    if (resume) restoreSnapshot(model, stepper, resume);
    const samples = dataset.train.count;
    const order = new SampleOrder(samples, spec.batchSize, resume ? randomAt(resume.random.shuffle) : random.shuffle);
    const subset = resume ? randomAt(resume.random.subset) : random.subset;
    const evaluateEvery = Math.max(Math.floor(order.batches / spec.evaluationsPerEpoch), 1);
    const isEvaluated = (step: number): boolean => ((step - 1) % order.batches) % evaluateEvery === 0;
    const totalSteps = order.batches * spec.epochs;
    const testIndices = inOrder(dataset.test.count);
    const subsetSize = Math.min(dataset.test.count, samples);
    const from = { step, epoch: order.seen(step) / samples };
    onProgress({ type: 'start', run, totalSteps, epochs: spec.epochs, from });

    const watch = new Stopwatch(resume?.clock);
    const checkpoints = new Checkpoints(
      schedule,
      async () => ({
        step,
        epoch: order.seen(step) / samples,
        random: { shuffle: order.stateAfter(step), subset: subset.getState() },
        clock: watch.read(),
        memoryLimit: resources.memoryLimit ?? null,
        ...(await takeSnapshot(model, stepper)),
      }),
      sink.checkpoint && ((checkpoint) => sink.checkpoint?.(checkpoint)),
      (text) => onProgress({ type: 'note', run, text }),
      step,
    );
    // The row of a last step that is one only for being the last is not of a longer run: that goes on from before it.
    const lastToKeep = keepCheckpoint ? (isEvaluated(totalSteps) ? totalSteps : totalSteps - 1) : null;
    while (step < totalSteps) {
      if (signal.aborted) {
        await checkpoints.save(step);
        return { state: 'interrupted', reason: `stopped after step ${step} of ${totalSteps}` };
      }
      const indices = order.batch(step);
      const batch = toBatch(dataset, dataset.train, indices);
      if (isEvaluated(step + 1) || step + 1 === totalSteps) diagnostics.watch();
      const score = await stepper.step(batch);
      const [lossSum = NaN, right = NaN] = await score.data();
      tf.dispose([batch.inputs, batch.labels, score]);
      step++;
      const epoch = order.seen(step) / samples;
      const batchLoss = lossSum / indices.length;
      if (!Number.isFinite(batchLoss)) {
        return { state: 'failed', reason: `diverged at step ${step}: batch loss is ${batchLoss}` };
      }
      sink.heartbeat();
      await setImmediate(); // CPU backends answer at once: without a pause nobody could tell this process to stop
      onProgress({ type: 'step', run, step, epoch, batchLoss });
      if (isEvaluated(step) || step === totalSteps) {
        const { wallMs, asideMs } = watch.read();
        const { onTrain, onTest } = await watch.aside(async () => {
          await diagnostics.record(step, epoch);
          const trainSubset = drawSubset(samples, subsetSize, subset);
          const onTrain = await evaluate(model, dataset, dataset.train, trainSubset, spec.batchSize);
          const onTest = await evaluate(model, dataset, dataset.test, testIndices, spec.testBatchSize);
          return { onTrain, onTest };
        });
        const row: MetricsRow = {
          step,
          epoch,
          wall_s: seconds(watch.read().wallMs),
          train_wall_s: seconds(wallMs - asideMs),
          batch_loss: batchLoss,
          batch_accuracy: right / indices.length,
          train_loss: onTrain.loss,
          train_accuracy: onTrain.accuracy,
          test_loss: onTest.loss,
          test_accuracy: onTest.accuracy,
        };
        sink.append(row);
        onProgress({ type: 'evaluation', run, row });
        // Of any other update the loss of the next batch would tell.
        const wrong = step < totalSteps ? undefined : notFinite({ train: onTrain.loss, test: onTest.loss });
        if (wrong !== undefined) return { state: 'failed', reason: `diverged at step ${step}: ${wrong}` };
      }
      if (step === lastToKeep || (step < totalSteps && checkpoints.isDue(isEvaluated(step)))) {
        await watch.aside(() => checkpoints.save(step));
      }
    }
    return { state: 'done', ...(routes && { routes }) };
  } catch (error) {
    if (!(error instanceof DivergenceError)) throw error;
    return { state: 'failed', reason: `diverged at step ${step + 1}: ${error.message}` };
  } finally {
    diagnostics.dispose();
    stepper.dispose();
    model.dispose();
  }
}

/** The first loss that is no number, in words. */
function notFinite(losses: Readonly<Record<string, number>>): string | undefined {
  const [name, loss] = Object.entries(losses).find(([, value]) => !Number.isFinite(value)) ?? [];
  return name === undefined ? undefined : `${name} loss is ${loss} after its update`;
}

/** What a step may take decides how it is computed: a run that goes on is given no more than it had. */
function withinLimitOf(resume: Checkpoint | null, resources: Resources): Resources {
  const memoryLimit = Math.min(resources.memoryLimit ?? Infinity, resume?.memoryLimit ?? Infinity);
  return { ...resources, ...(Number.isFinite(memoryLimit) && { memoryLimit }) };
}

/** Milliseconds as seconds with three decimals. */
function seconds(ms: number): number {
  return Math.round(ms) / 1000;
}
