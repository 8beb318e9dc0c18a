/** Looks at the curvature of one run: of its initialisation, its checkpoints, or of a training that is begun for it. */
import type { Sequential } from '../../engine/nn/sequential.js';
import * as tf from '../../engine/tf.js';
import { ConfigError } from '../../errors.js';
import type { RunSpec } from '../config/spec.js';
import { drawSubset } from '../datasets/batches.js';
import type { Dataset } from '../datasets/dataset.js';
import { seededStreams } from '../random.js';
import type { Checkpoint } from '../results/checkpoint.js';
import { toBatch } from '../training/batch.js';
import type { Batch } from '../training/derivatives.js';
import { createModel } from '../training/model.js';
import { scoreBatch } from '../training/step.js';
import {
  type BlockTrace,
  type CurvatureMatrix,
  measureMatrices,
  measureSpectra,
  measureTraces,
  type Spectrum,
} from './measure.js';
import { Passes } from './passes.js';
import { type ChosenParameter, chooseParameters } from './selection.js';
import { type Moment, storedMoments, trainedMoments } from './states.js';

export interface InspectOptions {
  /** States of the run to look at besides its initialisation. */
  readonly checkpoints: readonly Checkpoint[];
  /** Instead of checkpoints: so many steps are trained here. */
  readonly trainSteps?: number | undefined;
  /** See `chooseParameters`; null: all, or the last ones that fit. */
  readonly layers: readonly string[] | null;
  /** Training samples of the batch; absent: as many as the run trains with. */
  readonly batch?: number | undefined;
  /** Rows of the largest matrix. */
  readonly limit: number;
  /** Is told what comes next. */
  readonly onProgress?: (what: string) => void;
}

/** What was seen. Matrices and spectra are those of the last moment. */
export interface Inspection {
  readonly spec: RunSpec;
  readonly dataset: Pick<Dataset, 'name' | 'source' | 'fingerprint'>;
  /** Samples of the batch, and its mean loss at the last moment. */
  readonly batch: number;
  readonly loss: number;
  readonly parameters: readonly ChosenParameter[];
  /** Of the network, all parameters. */
  readonly parametersInAll: number;
  readonly limit: number;
  readonly moments: readonly (Moment & { readonly traces: readonly BlockTrace[] })[];
  readonly matrices: readonly CurvatureMatrix[];
  readonly spectra: readonly Spectrum[];
}

/**
 * Measures on the current backend. The batch is drawn from the training samples by the run's seed, one for all moments.
 *
 * @throws ConfigError  there are no such layers, or the batch is larger than the training set
 */
export async function inspect(spec: RunSpec, dataset: Dataset, options: InspectOptions): Promise<Inspection> {
  const { checkpoints, trainSteps, limit, onProgress = () => undefined } = options;
  const random = seededStreams(spec.seed);
  const model = createModel(spec.model, dataset, random.init);
  const samples = Math.min(options.batch ?? spec.batchSize, options.batch ?? dataset.train.count);
  if (samples > dataset.train.count) {
    throw new ConfigError(`--batch: found ${samples}, but there are ${dataset.train.count} training samples`);
  }
  const batch = toBatch(dataset, dataset.train, drawSubset(dataset.train.count, samples, random.subset));
  const parameters = chooseParameters(model, options.layers, limit, random.subset);
  const first = parameters[0]!.layer;
  try {
    const all =
      trainSteps === undefined
        ? storedMoments(model, checkpoints)
        : trainedMoments(model, spec, dataset, random, trainSteps);
    const moments: Inspection['moments'][number][] = [];
    for await (const moment of all) {
      onProgress(`traces at step ${moment.step}`);
      const traces = await lookingAt(model, batch, first, (passes) =>
        measureTraces(passes, parameters, limit, random.subset),
      );
      moments.push({ ...moment, traces });
    }
    return await lookingAt(model, batch, first, async (passes) => {
      const score = tf.scoped(() => scoreBatch(model, batch));
      const [lossSum = NaN] = await score.data();
      score.dispose();
      onProgress('matrices');
      const matrices = await measureMatrices(passes, parameters);
      onProgress('spectra');
      const spectra = await measureSpectra(passes, parameters, limit);
      const { name, source, fingerprint } = dataset;
      return {
        ...{ spec, dataset: { name, source, fingerprint }, batch: samples, loss: lossSum / samples },
        ...{ parameters, parametersInAll: sizeOf(model), limit, moments, matrices, spectra },
      };
    });
  } finally {
    tf.dispose([batch.inputs, batch.labels]);
    model.dispose();
  }
}

async function lookingAt<T>(
  model: Sequential,
  batch: Batch,
  from: string,
  look: (passes: Passes) => Promise<T>,
): Promise<T> {
  const passes = new Passes(model, batch, from);
  try {
    return await look(passes);
  } finally {
    passes.dispose();
  }
}

function sizeOf(model: Sequential): number {
  return model.parameters.reduce((sum, { parameter }) => sum + tf.util.sizeFromShape([...parameter.shape]), 0);
}
