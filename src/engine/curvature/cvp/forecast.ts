import type { Sequential } from '../../nn/sequential.js';
import * as tf from '../../tf.js';
import type { SecondOrder } from '../second-order.js';

/** Bytes a sample, about: what a step needs besides the network and the matrices of single blocks. */
export interface CvpForecast {
  /** Activations and the gradients with respect to them. */
  readonly pass: number;
  /** Curvature with the loss Hessian's factor brought back through the network; null: there are second-order terms. */
  readonly factored: number | null;
  /** Curvature through the network to the loss and back. */
  readonly chain: number;
}

/** Tangents that are on their way together at the most: those of weight and bias of two layers, and results. */
const tangentsAtOnce = 12;
/** Columns of the factor before a layer, behind it and in between. */
const factorsAtOnce = 3;

/**
 * About how much memory exact curvature products take, from the shapes alone; one sample's forward pass is computed.
 *
 * @param inputShape  of one sample, such as [32, 32, 3]
 */
export function forecastCvp(
  model: Sequential,
  inputShape: readonly number[],
  secondOrder: SecondOrder = 'zero',
): CvpForecast {
  const sizes = tf.scoped(() => {
    let x = tf.zeros([1, ...inputShape]);
    return model.layers.map(({ layer }) => {
      x = layer.forward(x).output;
      return x.size;
    });
  });
  const total = sizes.reduce((sum, size) => sum + size, tf.util.sizeFromShape([...inputShape]));
  const largest = Math.max(...sizes);
  const rank = Math.max(1, (sizes.at(-1) ?? 1) - 1);
  const pass = bytesPerNumber * 2 * total;
  return {
    pass,
    factored: secondOrder === 'zero' ? pass + bytesPerNumber * factorsAtOnce * rank * largest : null,
    chain: pass + bytesPerNumber * tangentsAtOnce * largest,
  };
}

const bytesPerNumber = 4;
