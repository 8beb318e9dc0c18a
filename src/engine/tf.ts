/**
 * The one place where TensorFlow.js enters. The engine calls its functions (`tf.matMul(a, b)`), never its chained ops
 * or its gradients, which tfjs-core does not register in Node.
 */
import { tidy } from '@tensorflow/tfjs-core';

export * from '@tensorflow/tfjs-core';

/** `tidy` for any result: tensors made in `body` are freed, but for those that were kept or are in the result. */
export function scoped<T>(body: () => T): T {
  return tidy(body as () => void) as T;
}
