import { scaled } from '../../engine/curvature/algebra.js';
import { chunkedCurvature, lossHessian } from '../../engine/curvature/cvp/index.js';
import type { SecondOrder } from '../../engine/curvature/second-order.js';
import type { Sequential } from '../../engine/nn/sequential.js';
import * as tf from '../../engine/tf.js';
import { type Batch, differentiate, loss, outputsFor } from './derivatives.js';
import type { Newton } from './newton-step.js';
import type { StepObserver } from './observer.js';

/** Score, gradients and exact products of a batch, so many samples at a time. */
export function inChunks(
  model: Sequential,
  { inputs, labels }: Batch,
  size: number,
  secondOrder: SecondOrder,
  observer: StepObserver,
): Newton {
  const samples = labels.size;
  const chunks = Array.from({ length: Math.ceil(samples / size) }, (_, k) => {
    const count = Math.min(size, samples - k * size);
    return {
      share: count / samples,
      inputs: tf.keep(tf.slice(inputs, [k * size], [count])),
      labels: tf.keep(tf.slice(labels, [k * size], [count])),
    };
  });
  const passOf = ({ inputs, labels, share }: (typeof chunks)[number], observed: StepObserver) => {
    const pass = differentiate(model, { inputs, labels }, observed, { outputs: outputsFor(secondOrder) }, share);
    return { ...pass, outputHessian: scaled(lossHessian(loss, pass.saved), share) };
  };
  let sums: tf.Tensor[] | null = null;
  const paths = model.parameters.map(({ path }) => path);
  for (const chunk of chunks) {
    const parts: tf.Tensor[] = tf.scoped(() => {
      const { score, gradients, outputHessian } = passOf(chunk, observer);
      outputHessian.dispose();
      return [score, ...paths.map((path) => gradients.parameters[path]!)];
    });
    const before: tf.Tensor[] | null = sums;
    sums = before ? parts.map((part, i) => tf.add(before[i]!, part)) : parts;
    if (before) tf.dispose([...before, ...parts]);
  }
  const [score, ...gradients] = sums!;
  const curvature = chunkedCurvature(
    model,
    chunks.map((chunk) => () => passOf(chunk, {})),
    { secondOrder, owned: chunks.flatMap((chunk) => [chunk.inputs, chunk.labels]) },
  );
  return {
    score: score!,
    gradients: Object.fromEntries(paths.map((path, i) => [path, gradients[i]!])),
    curvature,
  };
}
