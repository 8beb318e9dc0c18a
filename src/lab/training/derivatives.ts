import type { SecondOrder } from '../../engine/curvature/second-order.js';
import { backpropagate, type BackpropagateOptions } from '../../engine/nn/backward.js';
import { CrossEntropy } from '../../engine/nn/cross-entropy.js';
import type { Sequential } from '../../engine/nn/sequential.js';
import * as tf from '../../engine/tf.js';
import type { StepObserver } from './observer.js';

/** A batch of inputs [N, ...] and int32 class indices [N]. */
export interface Batch {
  readonly inputs: tf.Tensor;
  readonly labels: tf.Tensor;
}

/** [sum of losses, number of right predictions] of a batch. */
export type Score = tf.Tensor;

/** What all experiments minimise. */
export const loss = new CrossEntropy();

/**
 * Forward and backward pass.
 *
 * @param share  of the mean loss that these samples stand for, the factor of all gradients
 */
export function differentiate(
  model: Sequential,
  { inputs, labels }: Batch,
  observer: StepObserver,
  options: BackpropagateOptions = {},
  share = 1,
) {
  const trace = model.forward(inputs);
  const { value, saved } = loss.forward(trace.output, labels);
  const score = scoreOf(trace.output, labels, value);
  observer.ended?.('forward');
  const gradients = backpropagate(model, trace, tf.mul(share, loss.gradient(saved)), options);
  observer.ended?.('backward');
  observer.differentiated?.(gradients.parameters);
  return { trace, saved, score, gradients };
}

/** The gradients with respect to outputs that exact products use: second-order terms also those of activations. */
export function outputsFor(secondOrder: SecondOrder): Required<BackpropagateOptions>['outputs'] {
  return secondOrder === 'zero' ? 'parametric' : 'unpooled';
}

/** Of a batch with a mean loss. */
export function scoreOf(output: tf.Tensor, labels: tf.Tensor, meanLoss: tf.Tensor): Score {
  const right = tf.sum(tf.cast(tf.equal(tf.argMax(output, 1), labels), 'float32'));
  return tf.stack([tf.mul(meanLoss, labels.size), right]);
}
