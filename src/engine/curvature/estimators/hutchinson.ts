import { ConfigError } from '../../../errors.js';
import type { UniformSource } from '../../random.js';
import * as tf from '../../tf.js';
import type { LinearOperator } from '../operator.js';

/** An estimate of a trace and how far it can be trusted. */
export interface TraceEstimate {
  readonly estimate: number;
  /** Standard deviation of the estimate: that of the samples over the square root of their number. */
  readonly standardError: number;
}

/**
 * Hutchinson's estimate of the trace: the mean of z^T C z over vectors z of independent random signs, which is unbiased
 * (Hutchinson 1990). The variance of one sample is twice the sum of the squares off the diagonal.
 *
 * @param samples  number of vectors z, at least 2; each costs one product
 */
export async function hutchinsonTrace(
  operator: LinearOperator,
  { samples, random }: { readonly samples: number; readonly random: UniformSource },
): Promise<TraceEstimate> {
  if (!Number.isInteger(samples) || samples < 2) {
    throw new ConfigError(`an estimate of the trace takes at least 2 samples, not ${samples}`);
  }
  const n = tf.util.sizeFromShape([...operator.shape]);
  const values: number[] = [];
  while (values.length < samples) {
    const count = Math.min(samples - values.length, Math.max(1, Math.floor(chunkElements / n)));
    const forms = tf.scoped(() => {
      const signs = Float32Array.from({ length: count * n }, () => (random.uniform() < 0.5 ? -1 : 1));
      const z = tf.tensor(signs, [count, ...operator.shape]);
      return tf.sum(tf.reshape(tf.mul(z, operator.matmat(z)), [count, n]), 1);
    });
    values.push(...(await forms.data()));
    forms.dispose();
  }
  const estimate = values.reduce((a, b) => a + b) / samples;
  const variance = values.reduce((sum, value) => sum + (value - estimate) ** 2, 0) / (samples - 1);
  return { estimate, standardError: Math.sqrt(variance / samples) };
}

/** Elements of the vectors that go through an operator at once, 4 MiB. */
const chunkElements = 2 ** 20;
