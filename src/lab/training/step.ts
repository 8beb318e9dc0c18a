import { hessianBackpropagation } from '../../engine/curvature/hbp/index.js';
import { backpropagate, type BackpropagateOptions } from '../../engine/nn/backward.js';
import { CrossEntropy } from '../../engine/nn/cross-entropy.js';
import type { Sequential } from '../../engine/nn/sequential.js';
import { CgNewton } from '../../engine/optim/cg-newton.js';
import { Sgd } from '../../engine/optim/sgd.js';
import * as tf from '../../engine/tf.js';
import type { OptimizerSpec } from '../config/schema.js';

/** A batch of inputs [N, ...] and int32 class indices [N]. */
export interface Batch {
  readonly inputs: tf.Tensor;
  readonly labels: tf.Tensor;
}

/** [sum of losses, number of right predictions] of a batch. */
export type Score = tf.Tensor;

/** One update of a model's parameters on one batch. */
export interface Stepper {
  /** @returns the score of the batch before the update; the caller disposes it */
  step(batch: Batch): Promise<Score>;
  dispose(): void;
}

const loss = new CrossEntropy();

export function createStepper(model: Sequential, spec: OptimizerSpec): Stepper {
  switch (spec.kind) {
    case 'sgd':
      return sgdStepper(model, spec);
    case 'cg-newton':
      return cgNewtonStepper(model, spec);
  }
}

/** Forward pass without derivatives. */
export function scoreBatch(model: Sequential, { inputs, labels }: Batch): Score {
  const { output } = model.forward(inputs);
  return scoreOf(output, labels, loss.forward(output, labels).value);
}

function sgdStepper(model: Sequential, spec: Extract<OptimizerSpec, { kind: 'sgd' }>): Stepper {
  const sgd = new Sgd(spec);
  return {
    step: (batch) =>
      Promise.resolve(
        tf.scoped(() => {
          const { score, gradients } = differentiate(model, batch, { parametersOnly: true });
          sgd.update(model.parameters, gradients.parameters);
          return score;
        }),
      ),
    dispose: () => sgd.dispose(),
  };
}

function cgNewtonStepper(model: Sequential, spec: Extract<OptimizerSpec, { kind: 'cg-newton' }>): Stepper {
  const newton = new CgNewton(spec);
  return {
    step: async (batch) => {
      const { score, gradients, curvature } = tf.scoped(() => {
        const { score, trace, gradients, outputHessian } = differentiate(model, batch);
        const curvature = hessianBackpropagation(model, trace, gradients, outputHessian(), spec);
        return { score, gradients: gradients.parameters, curvature };
      });
      await newton.update(model.parameters, gradients, curvature);
      Object.values(curvature).forEach((operator) => operator.dispose());
      tf.dispose(gradients);
      return score;
    },
    dispose: () => undefined,
  };
}

function differentiate(model: Sequential, { inputs, labels }: Batch, options: BackpropagateOptions = {}) {
  const trace = model.forward(inputs);
  const { value, saved } = loss.forward(trace.output, labels);
  return {
    trace,
    score: scoreOf(trace.output, labels, value),
    gradients: backpropagate(model, trace, loss.gradient(saved), options),
    outputHessian: () => loss.averagedHessian(saved),
  };
}

function scoreOf(output: tf.Tensor, labels: tf.Tensor, meanLoss: tf.Tensor): Score {
  const right = tf.sum(tf.cast(tf.equal(tf.argMax(output, 1), labels), 'float32'));
  return tf.stack([tf.mul(meanLoss, labels.size), right]);
}
