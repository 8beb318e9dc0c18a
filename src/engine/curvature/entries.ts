import { ConfigError } from '../../errors.js';
import * as tf from '../tf.js';
import type { LinearOperator } from './operator.js';

/** Elements of the unit vectors that go through an operator at once, 4 MiB. */
const chunkElements = 2 ** 20;

/**
 * The entries [k, k] of an operator where chosen rows and columns cross, by products with k unit vectors: a look into
 * operators that are too large for `toDense`.
 *
 * @param indices  of the row-major elements of the operator's vectors, in the order of rows and columns
 * @throws ConfigError  an index is outside of the vectors
 */
export function principalSubmatrix(operator: LinearOperator, indices: ArrayLike<number>): tf.Tensor {
  const { shape } = operator;
  const n = tf.util.sizeFromShape([...shape]);
  const chosen = Int32Array.from(indices);
  const outside = chosen.find((index) => index < 0 || index >= n);
  if (outside !== undefined) throw new ConfigError(`no element ${outside} in vectors [${shape.join(', ')}]`);
  if (chosen.length === 0) return tf.zeros([0, 0]);
  const size = Math.max(1, Math.floor(chunkElements / n));
  return tf.scoped(() => {
    const columns = tf.tensor1d(chosen, 'int32');
    const rows = Array.from({ length: Math.ceil(chosen.length / size) }, (_, k) =>
      tf.scoped(() => {
        const part = chosen.subarray(k * size, (k + 1) * size);
        const units = new Float32Array(part.length * n);
        part.forEach((index, row) => (units[row * n + index] = 1));
        const products = operator.matmat(tf.tensor(units, [part.length, ...shape]));
        return tf.gather(tf.reshape(products, [part.length, n]), columns, 1);
      }),
    );
    return tf.concat(rows);
  });
}
