/** Training with CG-Newton on curvature by Hessian backpropagation: the step of both examples on pictures. */
import * as tf from '@tensorflow/tfjs-core';
import { backpropagate, CgNewton, CrossEntropy, type HbpOptions, hessianBackpropagation, type Sequential } from 'hbp';
import type { Random } from '../dist/lab/random.js';
import { type Batch, batchesOf, type Pictures } from './data.js';
import { say } from './options.js';

/** The loss and accuracy of a batch before the step that was made on it. */
export interface BatchRecord {
  readonly epoch: number;
  readonly loss: number;
  readonly accuracy: number;
}

export interface Training {
  readonly epochs: number;
  readonly batchSize: number;
  readonly curvature: Pick<HbpOptions, 'secondOrder'>;
  readonly random: Random;
}

const loss = new CrossEntropy();

export async function train(model: Sequential, pictures: Pictures, training: Training): Promise<BatchRecord[]> {
  const { epochs, batchSize, curvature, random } = training;
  const newton = new CgNewton({ lr: 0.1, alpha: 0.02, tol: 0.1, atol: 0, maxiter: 50 });
  const records: BatchRecord[] = [];
  let seen = 0;
  for (let epoch = 1; epoch <= epochs; epoch++) {
    for (const batch of batchesOf(pictures, batchSize, random)) {
      const { size } = batch.labels;
      const before = await step(model, newton, batch, curvature);
      tf.dispose([batch.inputs, batch.labels]);
      seen += size;
      records.push({ epoch: seen / pictures.train.count, ...before });
    }
    const { loss, accuracy } = records.at(-1)!;
    say(`epoch ${epoch} of ${epochs}: batch loss ${loss.toFixed(4)}, batch accuracy ${(100 * accuracy).toFixed(1)} %`);
  }
  return records;
}

async function step(
  model: Sequential,
  newton: CgNewton,
  { inputs, labels }: Batch,
  options: Pick<HbpOptions, 'secondOrder'>,
): Promise<{ loss: number; accuracy: number }> {
  tf.engine().startScope(); // what a tidy does, for code that waits
  try {
    const trace = model.forward(inputs);
    const { value, saved } = loss.forward(trace.output, labels);
    const gradients = backpropagate(model, trace, loss.gradient(saved));
    const curvature = hessianBackpropagation(model, trace, gradients, loss.averagedHessian(saved), options);
    await newton.update(model.parameters, gradients.parameters, curvature);
    for (const operator of Object.values(curvature)) operator.dispose();
    const right = tf.cast(tf.equal(tf.argMax(trace.output, 1), labels), 'float32');
    const [meanLoss = NaN, accuracy = NaN] = await tf.stack([value, tf.mean(right)]).data();
    return { loss: meanLoss, accuracy };
  } finally {
    tf.engine().endScope();
  }
}
